"""One candidate under judgement: scope check -> commit -> measure -> guard -> verdict.

A candidate that fails, in whatever way, is an outcome and never an exception.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from statistics import median

from autoresearch_ci.decide.decision import judge
from autoresearch_ci.decide.early_stop import Curve, Point
from autoresearch_ci.decide.gaming.detect import plays, sentence
from autoresearch_ci.decide.gaming.ruler import Ruler
from autoresearch_ci.decide.session import Evidence, Policy, Session, Side
from autoresearch_ci.events import Observer, Warning
from autoresearch_ci.experiment import (
    Decision,
    FileEdit,
    GuardRun,
    MetricRun,
    Proposal,
    Status,
    Tree,
)
from autoresearch_ci.measure.bench import Bench
from autoresearch_ci.measure.holdout import Holdout
from autoresearch_ci.record.durable_records import Attempt
from autoresearch_ci.record.ledger import Ledger
from autoresearch_ci.safety.redaction import WITHHELD, Redactor
from autoresearch_ci.safety.token_forms import tokens_in
from autoresearch_ci.workspace.earlier_change import EarlierChange, is_again
from autoresearch_ci.workspace.repository import Changes, FileVersion
from autoresearch_ci.workspace.scope import Scope
from autoresearch_ci.workspace.store import CommitTree, Store


def holds_secret(proposal: Proposal, incumbent: Tree, redactor: Redactor) -> bool:
    """Whether anything that the proposal would add holds a secret."""
    words = [proposal.description, proposal.hypothesis, proposal.next_idea]
    words += [edit.path for edit in proposal.edits]
    if any(redactor.found_in(text) or tokens_in(text) for text in words):
        return True
    return any(_adds_secret(edit, incumbent, redactor) for edit in proposal.edits)


def _adds_secret(edit: FileEdit, incumbent: Tree, redactor: Redactor) -> bool:
    if edit.content is None:
        return False
    try:
        before = incumbent.read(edit.path)
    except KeyError:
        before = b""
    if edit.content == before:
        return False
    if redactor.found_in(edit.content) and (
        not redactor.found_in(before) or redactor.found_in(_added(before, edit.content))
    ):
        return True
    return bool(_tokens(edit.content) - _tokens(before))


def _added(before: bytes, after: bytes) -> bytes:
    """The lines that were not there."""
    known = set(before.split(b"\n"))
    return b"\n".join(line for line in after.split(b"\n") if line not in known)


def _tokens(content: bytes) -> frozenset[str]:
    return tokens_in(content.decode(errors="replace"))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one attempt came to."""

    decision: Decision
    attempt: Attempt | None = None
    """`None` when nothing could be committed."""
    runs: tuple[MetricRun, ...] = ()
    """Every run of the metric command, the incumbent's included."""
    own: tuple[MetricRun, ...] = ()
    """The candidate's runs among them."""
    evidence: Evidence = field(default_factory=Evidence)
    guards: tuple[GuardRun, ...] = ()
    output: str = ""
    """What a repair or rework is told."""
    curve: tuple[Point, ...] = ()
    """The candidate's last complete curve."""
    secret: bool = False
    """Nothing of the proposal may be repeated, its description included."""

    @property
    def metric(self) -> float | None:
        """The candidate's value: the median of its runs."""
        return _median(self.evidence.values(Side.CANDIDATE))

    @property
    def incumbent_metric(self) -> float | None:
        """The incumbent's value, when it was measured beside the candidate."""
        return _median(self.evidence.values(Side.INCUMBENT))

    @property
    def guard_failed(self) -> bool:
        return bool(self.guards) and not self.guards[-1].passed

    @property
    def candidate_id(self) -> str:
        """The same for identical code."""
        return identity(self.attempt.changes) if self.attempt else ""


@dataclass(frozen=True, kw_only=True)
class Evaluator:
    """Judges candidates against the incumbent."""

    policy: Policy
    scope: Scope
    files: Mapping[str, FileVersion]
    """The base commit's tree."""
    bench: Bench
    store: Store
    ledger: Ledger
    holdout: Holdout | None = None
    ruler: Ruler | None = None
    """What no candidate may play against; `None`: candidates are not searched for it."""
    warn: Observer | None = None
    """Told about a candidate that plays against the ruler, instead of refusing it."""
    redactor: Redactor = field(default_factory=Redactor)
    unwanted: Sequence[EarlierChange] = ()
    """What people asked not to try again."""

    def tree(self, commit: str) -> CommitTree:
        """The in-scope files of a commit of this run."""
        return CommitTree(self.files, self.ledger.changes(commit), self.scope, self.store)

    def promising(self, session: Session) -> Proposal | None:
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

    def try_out(
        self,
        iteration: int,
        number: int,
        proposal: Proposal,
        session: Session,
        rival: Curve | None = None,
    ) -> Outcome:
        """Judge a proposal; the measure tree holds the incumbent again unless it is kept.

        `rival`: the incumbent's curve, for stopping clear losers early.
        """
        incumbent = self.tree(self.ledger.incumbent)
        if holds_secret(proposal, incumbent, self.redactor):
            decision = Decision(status=Status.DISCARD, reason=WITHHELD)
            return Outcome(decision=decision, secret=True)
        refused = self._refusal(proposal, incumbent)
        if refused:
            return Outcome(decision=Decision(status=Status.DISCARD, reason=refused))
        edits = _effective(proposal, incumbent)
        if not edits:
            reason = "the proposal leaves every file as it is"
            return Outcome(decision=Decision(status=Status.NO_OP, reason=reason))
        attempt = self.ledger.commit(iteration, number, proposal, edits)
        if foul := self._forbidden(edits, incumbent) or self._foul(edits, incumbent):
            decision = Decision(status=Status.DISCARD, reason=foul)
            return Outcome(decision=decision, attempt=attempt)
        self.bench.witness.forget_candidate()
        with self.bench.tree.trial(incumbent.changes) as trial:
            outcome = self._measured(attempt, incumbent.changes, session, rival)
            if outcome.decision.status is Status.KEEP:
                self.bench.witness.adopt_candidate()
                trial.keep()
        return outcome

    def _measured(
        self, attempt: Attempt, incumbent: Changes, session: Session, rival: Curve | None
    ) -> Outcome:
        hook = self.bench.hooks_refusal(attempt, self.ledger.incumbent)
        if hook:
            decision = Decision(status=Status.HOOK_BLOCKED, reason=hook.reason)
            return Outcome(decision=decision, attempt=attempt, output=hook.output)
        evidence = session.begin(identity(attempt.changes))
        runs: list[MetricRun] = []
        own: list[MetricRun] = []
        notes: list[str] = []
        while isinstance(step := judge(evidence, session, self.policy), Side):
            if step is Side.CANDIDATE:
                # Once it has a result, that counts: some curves lag and end well.
                behind = None if evidence.values(Side.CANDIDATE) else rival
                found = self.bench.flaky.of_candidate(
                    attempt.changes, attempt.iteration, incumbent=incumbent, rival=behind
                )
            else:
                found = self.bench.flaky.of_incumbent(incumbent, attempt.iteration)
            run = found.run
            runs += found.runs
            notes += [found.note] if found.note else []
            if run.value is None:
                decision = _failed(run, step)
                return Outcome(
                    decision=decision,
                    attempt=attempt,
                    runs=tuple(runs),
                    own=tuple(own),
                    evidence=evidence,
                    output=run.output,
                )
            evidence = evidence.plus(step, run.value)
            if step is Side.CANDIDATE:
                own.append(run)
        guards: list[GuardRun] = []
        decision = replace(step, reason="; ".join(filter(None, [step.reason, *notes])))
        if decision.status is Status.KEEP:
            guards = self.bench.guards.run(
                attempt.changes, attempt.iteration, own[-1], incumbent=incumbent
            )
            if guards and not guards[-1].passed:
                decision = replace(decision, status=Status.DISCARD, reason=guards[-1].reason)
            elif self.holdout and not self.holdout.confirms(attempt, incumbent):
                # The journal is read by proposers: no number of the holdout may stand in it.
                reason = "the holdout did not confirm it"
                decision = replace(decision, status=Status.DISCARD, reason=reason)
        return Outcome(
            decision=decision,
            attempt=attempt,
            runs=tuple(runs),
            own=tuple(own),
            evidence=evidence,
            guards=tuple(guards),
            output=guards[-1].output if guards else "",
            curve=own[-1].curve,
        )

    def _foul(self, edits: Mapping[str, tuple[str, bytes] | None], incumbent: CommitTree) -> str:
        """How the candidate plays against the ruler; empty when it does not, or may."""
        if self.ruler is None:
            return ""
        foul = sentence(plays(*_both(edits, incumbent), self.ruler))
        if foul and self.warn:
            self.warn(Warning(message=f"measured all the same, as gaming is `warn`: {foul}"))
            return ""
        return foul

    def _forbidden(
        self, edits: Mapping[str, tuple[str, bytes] | None], incumbent: CommitTree
    ) -> str:
        """Which change it makes again that a person did not want; empty: none."""
        before, after = _both(edits, incumbent)
        named = (c.commit[:12] for c in self.unwanted if is_again(c, before, after))
        return next((f"a person asked not to try {name} again" for name in named), "")

    def _refusal(self, proposal: Proposal, incumbent: CommitTree) -> str | None:
        """Why the proposal may not even be committed."""
        for edit in proposal.edits:
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


def identity(changes: Changes) -> str:
    """A name for the code that `changes` make of the base commit."""
    lines = [f"{path}\0{version}" for path, version in sorted(changes.items())]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()[:16]


def _both(
    edits: Mapping[str, tuple[str, bytes] | None], incumbent: CommitTree
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


def _failed(run: MetricRun, side: Side) -> Decision:
    if side is Side.CANDIDATE and run.failure:
        return Decision(status=run.failure, reason=run.reason)
    return Decision(
        status=Status.DISCARD, reason=f"the incumbent could not be measured again: {run.reason}"
    )


def _median(values: list[float]) -> float | None:
    return median(values) if values else None
