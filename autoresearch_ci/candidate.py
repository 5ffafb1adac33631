"""One candidate under judgement: scope check -> commit -> measure -> guard -> verdict.

A candidate that fails, in whatever way, is an outcome and never an exception.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from autoresearch_ci.decide.gaming import Ruler, certain, loud
from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.decide.metric.credibility import doubt, fools_guards, naming_lines
from autoresearch_ci.decide.metric.judged_before import (
    GO_ON,
    NO_HOLDOUT,
    as_judged,
    is_expected,
    is_of_guard,
    known,
    lasting_failure,
)
from autoresearch_ci.decide.metric.run_statistics import Policy, RunStatistics
from autoresearch_ci.errors import AutoresearchError, BaselineError, ProposerError
from autoresearch_ci.events import Observer, Warning
from autoresearch_ci.execution.telling_line import last_lines
from autoresearch_ci.experiment import (
    Decision,
    FileEdit,
    GuardRun,
    HoldoutVerdict,
    MetricRun,
    Proposal,
    Status,
)
from autoresearch_ci.measure import holdout
from autoresearch_ci.measure.bench import Bench
from autoresearch_ci.measure.commands import OutOfTime, Subject
from autoresearch_ci.measure.hooks import Commit
from autoresearch_ci.measure.outcome import Objective, Outcome, discarded, identity
from autoresearch_ci.record.ledger import Ledger
from autoresearch_ci.record.run_history import Attempt
from autoresearch_ci.safety.proposed_secrets import holds_secret
from autoresearch_ci.safety.redaction import WITHHELD, Redactor
from autoresearch_ci.workspace.earlier_change import EarlierChange, is_again
from autoresearch_ci.workspace.repository import Changes, FileVersion
from autoresearch_ci.workspace.scope import Scope
from autoresearch_ci.workspace.store import CommitTree, Edits, Store


@dataclass(frozen=True, kw_only=True)
class Evaluator:
    """Judges candidates against the incumbent."""

    policy: Policy
    scope: Scope
    files: Mapping[str, FileVersion]
    """The base commit's tree."""
    bench: Bench
    objective: Objective
    store: Store
    ledger: Ledger
    ruler: Ruler | None = None
    """What no candidate may play against; `None`: candidates are not searched for it."""
    warn: Observer | None = None
    """Told about a candidate that plays against the ruler, instead of refusing it."""
    redactor: Redactor = field(default_factory=Redactor)
    unwanted: Sequence[EarlierChange] = ()
    """What people asked not to try again."""
    reducing: bool = False
    """Whether candidates take kept changes back, and nobody expects a gain of them."""

    @property
    def lost(self) -> str:
        """Why nothing can be measured any more; empty while it can."""
        judge = self.bench.judge
        return judge.lost.partition("\n")[0] if judge else ""

    def vouches(self, knowledge: Knowledge, *, fooled: bool) -> bool:
        """Whether the guards can say that what is kept works; `fooled`: no exit code can."""
        guards = self.bench.guards
        return guards.see_tests(knowledge) if fooled else guards.independent

    def tree(self, commit: str) -> CommitTree:
        """The in-scope files of a commit of this run."""
        return CommitTree(self.files, self.ledger.changes(commit), self.scope, self.store)

    def promising(self, session: RunStatistics) -> Proposal | None:
        """The last candidate again, when the keep rule wants to see more of it."""
        last = self.ledger.experiments[-1]
        if last.status is not Status.DISCARD or not last.commit:
            return None
        tree = self.tree(last.commit)
        if identity(tree.changes) not in session.carried:
            return None
        before = self.ledger.changes(self.ledger.incumbent)
        paths = [p for p in tree.changes if tree.changes[p] != before.get(p, self.files.get(p))]
        edits = [FileEdit(path=p, content=tree.read(p) if tree.version(p) else None) for p in paths]
        return Proposal(description=last.description, edits=tuple(edits), proposer=last.proposer)

    def baseline(self, *, calibrate: bool, until: float | None = None) -> Outcome:
        """The unmodified code. Raises `BaselineError` when it cannot be measured."""
        self._try_hooks()
        return self.objective.baseline(calibrate=calibrate, until=until)

    def _try_hooks(self, iteration: int = 0) -> None:
        """On the unmodified code. Raises `BaselineError` when one of them refuses it."""
        base = self.ledger.facts.base
        message = self.ledger.message(iteration, "the unmodified code")
        self.bench.hooks.try_on_unmodified(base, self.tree(base).paths(), message, iteration)

    def resumed(self, knowledge: Knowledge, until: float | None) -> Knowledge:
        """What is known, held against what was kept as it is measured now."""
        ledger = self.ledger
        kept = Subject(changes=ledger.changes(ledger.incumbent), iteration=0, until=until)
        try:
            return self.objective.resumed(kept, knowledge)
        except OutOfTime:  # then there is none for a candidate either
            return knowledge

    def lasting_failure(self, knowledge: Knowledge) -> AutoresearchError | None:
        """Why going on makes no sense, when the last experiments all died of the same."""
        experiments = [as_judged(experiment) for experiment in self.ledger.experiments]
        words = lasting_failure(experiments)
        if not words:
            return None
        iteration = experiments[-1].iteration
        if experiments[-1].status is Status.HOOK_BLOCKED:
            try:
                self._try_hooks(iteration)
            except BaselineError as error:
                return BaselineError(
                    f"{words}\nusually: what the hook needs is gone: it refuses the unmodified "
                    f"code, too.\n{GO_ON}\n{error}"
                )
            return None if is_expected(experiments) else _unteachable(words)
        kept = Subject(changes=self.ledger.changes(self.ledger.incumbent), iteration=iteration)
        if experiments[-1].reason == NO_HOLDOUT:
            run, _ = holdout.measured(self.bench, kept, knowledge)
            return BaselineError(_WITHOUT_HOLDOUT.format(words)) if run.failed else None
        of_guard = is_of_guard(experiments[-1])
        measured, knowledge = self.objective.measured(kept, knowledge)
        runs: list[MetricRun | GuardRun] = [measured]
        if of_guard and not measured.failed:
            runs += self.bench.guards.run(kept, knowledge, measured).runs
        if runs[-1].failed:
            return BaselineError(
                f"{words}\nusually: the machine changed while the run went on (disk, memory, a "
                f"service, a device): what was kept fails, too: {runs[-1].reason}.\n{GO_ON}\n"
                f"its last output:\n{last_lines(runs[-1].output)}"
            )
        # A guard does its work, and so does a measurement that has come back.
        if is_expected(experiments) or experiments[-1].status is Status.DISCARD:
            return None
        return _unteachable(words)

    def try_out(
        self,
        iteration: int,
        number: int,
        proposal: Proposal,
        knowledge: Knowledge,
        *,
        until: float | None = None,
    ) -> Outcome:
        """Judge a proposal.

        Raises `OutOfTime` when that cannot be done `until` then.
        """
        outcome = self._judged(iteration, number, proposal, knowledge, until)
        # Every attempt was a test of its own, and pays from the run's error budget.
        known = outcome.knowledge.after(
            outcome.evidence, outcome.decision, outcome.candidate_id, outcome.curve
        )
        return replace(outcome, knowledge=known)

    def _judged(
        self,
        iteration: int,
        number: int,
        proposal: Proposal,
        knowledge: Knowledge,
        until: float | None,
    ) -> Outcome:
        incumbent = self.tree(self.ledger.incumbent)
        if holds_secret(proposal, incumbent, self.redactor):
            return replace(discarded(WITHHELD, knowledge), secret=True)
        if refused := self._refusal(proposal.edits, incumbent):
            return discarded(refused, knowledge)
        edits = _effective(proposal, incumbent)
        if not edits:
            reason = "the proposal leaves every file as it is"
            return Outcome(
                decision=Decision(status=Status.NO_OP, reason=reason), knowledge=knowledge
            )
        attempt = self.ledger.commit(iteration, number, proposal, edits)
        if foul := self._forbidden(edits, incumbent) or self._foul(edits, incumbent):
            return replace(discarded(foul, knowledge), attempt=attempt)
        committed = self._through_hooks(attempt, proposal, incumbent, knowledge)
        if isinstance(committed, Outcome):
            return committed
        again = self._known(committed.changes, knowledge.session)
        if again and not self.reducing:
            decision = Decision(status=Status.NO_OP, reason=again)
            return Outcome(decision=decision, knowledge=knowledge)
        subject = Subject(
            changes=committed.changes,
            iteration=iteration,
            incumbent=incumbent.changes,
            until=until,
        )
        outcome = self._measured(committed, subject, knowledge)
        if outcome.decision.status is Status.KEEP:
            outcome = self._doubted(outcome, self.tree(committed.commit), incumbent)
        return outcome

    def _through_hooks(
        self, attempt: Attempt, proposal: Proposal, incumbent: CommitTree, knowledge: Knowledge
    ) -> Attempt | Outcome:
        """What git would commit: the user's own hooks may refuse it, or put it in order."""
        hooks = self.bench.hooks
        asked = hooks.before_commit(self._commit(attempt))
        mine = {p: e for p, e in asked.staged.items() if not self._unusable(p, e, incumbent)}
        if ignored := sorted(asked.staged.keys() - mine):
            hooks.tell(f"what the pre-commit hook staged out of scope is ignored: {ignored[0]}")
        if mine:
            put = (FileEdit(path=p, content=e[1] if e else None) for p, e in mine.items())
            whole = {edit.path: edit for edit in (*proposal.edits, *put)}
            proposal = replace(proposal, edits=tuple(whole.values()))
            if holds_secret(proposal, incumbent, self.redactor):
                return replace(discarded(WITHHELD, knowledge), secret=True)
            edits = _effective(proposal, incumbent)
            if not edits:
                reason = "the pre-commit hook put every file back as it was"
                decision = Decision(status=Status.NO_OP, reason=reason)
                return Outcome(decision=decision, knowledge=knowledge)
            hooks.tell(f"the pre-commit hook changed {', '.join(sorted(mine))} of the candidate")
            attempt = self.ledger.commit(attempt.iteration, attempt.attempt, proposal, edits)
            if foul := self._forbidden(edits, incumbent) or self._foul(edits, incumbent):
                return replace(discarded(foul, knowledge), attempt=attempt)
        refusal = asked.refusal or hooks.about_message(self._commit(attempt)).refusal
        if refusal is None:
            return attempt
        return Outcome(
            decision=Decision(status=Status.HOOK_BLOCKED, reason=refusal.reason),
            knowledge=knowledge,
            attempt=attempt,
            output=refusal.output,
        )

    def _commit(self, attempt: Attempt) -> Commit:
        return Commit(
            iteration=attempt.iteration,
            parent=self.ledger.incumbent,
            commit=attempt.commit,
            changes=attempt.changes,
            message=self.ledger.message(attempt.iteration, attempt.description),
        )

    def _unusable(self, path: str, edit: tuple[str, bytes] | None, incumbent: CommitTree) -> bool:
        """Whether what a hook has staged there cannot be part of the candidate."""
        if edit and edit[0] not in ("100644", "100755"):
            return True
        staged = FileEdit(path=path, content=edit[1] if edit else None)
        return self._refusal((staged,), incumbent) is not None

    def _measured(self, attempt: Attempt, subject: Subject, knowledge: Knowledge) -> Outcome:
        """What metric, guards and holdout say, in this order, up to the first no."""
        outcome = self.objective.compared(attempt, subject, knowledge)
        for check in (self._guarded, self._confirmed):
            if outcome.decision.status is Status.KEEP:
                outcome = check(outcome, subject)
        return outcome

    def _guarded(self, outcome: Outcome, subject: Subject) -> Outcome:
        """The same, refused when a guard fails."""
        knowledge = outcome.knowledge
        red = [int(role.rpartition(" ")[2]) for role in knowledge.red]
        found = self.bench.guards.run(subject, knowledge, outcome.own[-1], besides=red)
        outcome = replace(outcome, guards=found.runs, knowledge=found.knowledge)
        if not found.runs:
            return outcome
        last = found.runs[-1]
        outcome = replace(outcome, output=last.output)
        return outcome.refused(last.reason) if last.failed else outcome

    def _confirmed(self, outcome: Outcome, subject: Subject) -> Outcome:
        """The same, refused when the holdout says no."""
        verdict, knowledge = holdout.asked(
            self.bench, subject, outcome.knowledge, hold=self.reducing
        )
        if verdict is None:
            return replace(outcome, knowledge=knowledge).refused(NO_HOLDOUT)
        outcome = replace(outcome, knowledge=knowledge, holdout=verdict)
        # The journal is read by proposers: no number of the holdout may stand in it.
        refused = verdict is HoldoutVerdict.DENIES
        return outcome.refused("the holdout did not confirm it") if refused else outcome

    def _doubted(self, outcome: Outcome, kept: CommitTree, incumbent: CommitTree) -> Outcome:
        """The same, with what makes its gain look unlikely, and whether anybody vouches for it."""
        missing, signs = outcome.knowledge.missing, self.objective.signs(outcome)
        changed = [p for p in kept.changes if kept.version(p) != incumbent.version(p)]
        before, after = (
            {path: tree.read(path) if tree.version(path) else None for path in changed}
            for tree in (incumbent, kept)
        )
        if self.ruler:
            if named := naming_lines(before, after, self.ruler):
                signs.append(f"{', '.join(named[:3])}: looks like the metric's own line")
            found = loud(before, after, self.ruler)
            signs += sorted(found, key=fools_guards, reverse=True)[:3]
        guarded = bool(outcome.guards) and self.bench.guards.independent
        if any(map(fools_guards, signs)):
            guarded = guarded and self.bench.guards.see_tests(outcome.knowledge)
        guarded = guarded and not any(role.startswith("guard") for role in missing)
        held = outcome.holdout.agrees and "holdout" not in missing
        told = doubt(signs, vouched=guarded or held)
        odd = self.objective.to_look_at(before, after)
        return replace(outcome, doubt="; ".join(filter(None, (told, *odd))))

    def _foul(self, edits: Edits, incumbent: CommitTree) -> str:
        """How the candidate plays against the ruler; empty when it does not, or may."""
        before, after = _both(edits, incumbent)
        if foul := self.objective.foul(before, after):
            return foul
        if self.ruler is None:
            return ""
        foul = certain(before, after, self.ruler)
        if foul and self.warn:
            self.warn(Warning(message=f"measured all the same, as gaming is `warn`: {foul}"))
            return ""
        return foul

    def _forbidden(self, edits: Edits, incumbent: CommitTree) -> str:
        """Which change it makes again that a person did not want; empty: none."""
        before, after = _both(edits, incumbent)
        same = next((c for c in self.unwanted if is_again(c, before, after)), None)
        if same is None:
            return ""
        return same.because or f"a person asked not to try {same.commit[:12]} again"

    def _known(self, changes: Changes, session: RunStatistics) -> str:
        """Which experiment has judged the same code; empty: none, or it deserves another look."""
        if identity(changes) in session.carried:
            return ""
        code = self._code(changes)
        same = (
            known(
                experiment,
                counted=counted,
                resumed=experiment.iteration < self.ledger.resumed_at,
            )
            for experiment, tried, counted in self.ledger.tried()
            if self._code(tried) == code
        )
        return next(filter(None, same), "")

    def _code(self, changes: Changes) -> Changes:
        """`changes` without what leaves the base commit as it is."""
        return {path: new for path, new in changes.items() if new != self.files.get(path)}

    def _refusal(self, edits: Sequence[FileEdit], incumbent: CommitTree) -> str | None:
        """Why they may not even be committed."""
        for edit in edits:
            refused = self.scope.refusal(edit.path)
            if refused:
                return refused
            version = incumbent.version(edit.path)
            if version and not version.regular:
                kind = "a link" if version.mode == "120000" else "a submodule"
                return f"out-of-scope: {edit.path} ({kind})"
            for parent in PurePosixPath(edit.path).parents:
                if incumbent.version(str(parent)):
                    return f"out-of-scope: {edit.path} ({parent} is not a folder)"
            if version is None and edit.content is not None and incumbent.is_folder(edit.path):
                return f"out-of-scope: {edit.path} (a folder)"
        return None


_WITHOUT_HOLDOUT = (
    "{}\nusually: the machine changed while the run went on, or what the holdout reads is gone; "
    "its output is in the run store (.git/autoresearch/TAG/holdout), out of the proposer's sight.\n"
    "do: mend the machine, or what the holdout needs; then go on with --resume."
)


def _unteachable(words: str) -> ProposerError:
    return ProposerError(
        f"{words}\nusually: the proposer does not know what the code needs; what was kept "
        f"works.\n{GO_ON}"
    )


def _both(
    edits: Edits, incumbent: CommitTree
) -> tuple[dict[str, bytes | None], dict[str, bytes | None]]:
    """What the edited files hold now, and what they would."""
    before = {path: incumbent.read(path) if incumbent.version(path) else None for path in edits}
    return before, {path: edit[1] if edit else None for path, edit in edits.items()}


def _effective(proposal: Proposal, incumbent: CommitTree) -> dict[str, tuple[str, bytes] | None]:
    """What really changes: edits that leave a file as it is are dropped, modes are kept."""
    changes: dict[str, tuple[str, bytes] | None] = {}
    for edit in proposal.edits:
        version = incumbent.version(edit.path)
        if edit.content is None:
            if version is not None:
                changes[edit.path] = None
        elif version is None or incumbent.read(edit.path) != edit.content:
            changes[edit.path] = (version.mode if version else "100644", edit.content)
    return changes
