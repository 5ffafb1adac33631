"""The objective that is a set: what is broken in the candidate against what is in the incumbent.

Which set is better is decide/failures/objective.py's to say, and which failure is next
decide/failures/repair_order.py's.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from autoresearch_ci.config.fix import Fix
from autoresearch_ci.decide.budget import Pace
from autoresearch_ci.decide.failures.causes.ground import Ground
from autoresearch_ci.decide.failures.causes.verdicts import Verdict, causes, detection
from autoresearch_ci.decide.failures.failure import (
    Category,
    Failure,
    asked_for,
    journal_id,
    summary,
)
from autoresearch_ci.decide.failures.lost_tests import Standard, some
from autoresearch_ci.decide.failures.objective import Judgement, SetChange, compared
from autoresearch_ci.decide.failures.objective import Seen as Diagnoses
from autoresearch_ci.decide.failures.repair_order import Aim, Lead, Left, left, tried_at
from autoresearch_ci.decide.failures.shortcuts.detect import listed, shortcuts, suspicious
from autoresearch_ci.decide.failures.shortcuts.doc_examples import runs_examples
from autoresearch_ci.decide.failures.shortcuts.neighbours import (
    NearRuns,
    beside,
    narrow,
    only_there,
)
from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.decide.metric.run_statistics import DecisionRuns, Policy, RunStatistics, Side
from autoresearch_ci.errors import BaselineError
from autoresearch_ci.events import MetricMeasured, Warning
from autoresearch_ci.execution.telling_line import last_lines
from autoresearch_ci.experiment import Decision, Experiment, MetricRun, Status, Texts
from autoresearch_ci.measure.bench import Bench
from autoresearch_ci.measure.commands import Subject
from autoresearch_ci.measure.diagnostics.registry import concerned
from autoresearch_ci.measure.outcome import Objective, Outcome, identity
from autoresearch_ci.measure.run_diagnostics import Diagnosed, Diagnostics, without
from autoresearch_ci.measure.second_chance import TRIES
from autoresearch_ci.record.run_history import Attempt
from autoresearch_ci.workspace.repository import Changes

LOOKS = 3
"""Looks at the unmodified code where tests fail: what fails in some of them only is flaky."""
REMEMBERED = 2
"""Looks that are kept: the incumbent's, and the last candidate's."""
_BESIDE = 200_000
"""Bytes up to which a file beside changed code is looked at."""
_NEAR = 8
"""Mended tests of one target that are run at other inputs."""


@dataclass(kw_only=True)
class _Last:
    """What was asked last, as it is asked before, while and after a proposal is made."""

    look: Diagnosed | None = None
    causes: Mapping[str, Verdict] = field(default_factory=dict)
    """Of that look."""
    left: tuple[object, Left] | None = None
    """And what it depends on."""
    aimed: str = ""
    """The target that told of the failure that is being repaired."""
    narrow: str = ""
    """What may be right for the tested inputs only, in the last candidate."""


@dataclass(frozen=True, kw_only=True)
class FailureObjective(Objective):
    """A set of failures: which are gone, and which are new.

    After a resumption nothing is measured: each look asks what the incumbent showed.
    """

    bench: Bench
    policy: Policy
    settings: Fix
    tests: Mapping[str, bytes] = field(default_factory=dict)
    """The tests of the base commit, by path: where values are right for one of them only."""
    leads: tuple[Lead, ...] = ()
    """What an investigation found before."""
    paths: Collection[str] = ()
    """Of all files of the base commit."""
    _looks: dict[str, Diagnosed] = field(default_factory=dict)
    """By identity of the code. Nothing that cannot be found out again by looking."""
    _verdicts: dict[Failure, Verdict] = field(default_factory=dict)
    """Those that no look can change."""
    _last: _Last = field(default_factory=_Last)

    @property
    def diagnostics(self) -> Diagnostics:
        return self.bench.diagnostics

    @property
    def lets_warnings_pass(self) -> bool:
        """Whether nobody asked about warnings."""
        return not self.diagnostics.own and Category.WARNING not in self.settings.categories

    def baseline(self, *, calibrate: bool, until: float | None) -> Outcome:
        unmodified = Subject(changes={}, iteration=0)
        look = self.diagnostics.look(unmodified, Knowledge())
        self._refuse_blind(look)
        look = self._again(unmodified, look)
        knowledge = self.diagnostics.without_early_ends(look)
        run = self._run(look, knowledge)
        self._tell(unmodified, run)
        guarded = self.bench.guards.run(unmodified, knowledge, run, every=True)
        red = {f"guard {n}": guard for n, guard in enumerate(guarded.runs) if guard.failed}
        for guard in red.values():
            self._warn(
                f"the guard {guard.command!r} fails already ({guard.reason}), and is not asked"
            )
        count = float(run.value or 0)
        knowledge = replace(
            guarded.knowledge,
            red=frozenset(red),
            session=RunStatistics.calibrated((count, count), self.policy),
        )
        self._remember({}, look)
        return Outcome(
            decision=Decision(status=Status.BASELINE),
            knowledge=knowledge,
            runs=(run,),
            own=(run,),
            evidence=DecisionRuns(runs=((Side.CANDIDATE, count),)),
            guards=tuple(guard for guard in guarded.runs if not guard.failed),
        )

    def describe(self, baseline: Outcome) -> str:
        look = self._looks[identity({})]
        flaky = baseline.knowledge.flaky & {failure.id for _, failure in look.failures()}
        told = [f"broken: {summary([f for f in self._wanted(look) if f.id not in flaky])}"]
        if blind := len(self._blind(look)):
            many = "s" if blind > 1 else ""
            told.append(f"{blind} target{many} not seen to the end, each counted as a failure")
        if warnings := len(self._warnings(look)):
            told.append(f"besides: {warnings} warning{'s' if warnings > 1 else ''}")
        if flaky:
            told.append(f"flaky, so not repaired: {some(sorted(flaky))}")
        if _with_tests(look.failures()):
            told.append(detection(LOOKS))
        told += [f"{name} cannot tell everything: {why}" for name, why in look.incomplete.items()]
        return "; ".join(told)

    def compared(self, attempt: Attempt, subject: Subject, knowledge: Knowledge) -> Outcome:
        before, knowledge = self._incumbent(subject.rival, knowledge)
        comparison = _Comparison(self, subject, before, knowledge, aimed=self._last.aimed)
        judged = comparison.judgement()
        self._last.narrow = comparison.narrow
        look = comparison.after
        whole = look.seen.keys() == before.seen.keys()
        run = self._run(look, look.knowledge)
        if whole:
            self._remember(subject.changes, look)
        else:
            run = replace(run, value=None)
        self._tell(subject, run)
        return Outcome(
            decision=_decision(judged),
            knowledge=look.knowledge,
            attempt=attempt,
            runs=(run,),
            own=(run,),
            evidence=DecisionRuns(
                runs=((Side.CANDIDATE, run.value),) if run.value is not None else ()
            ),
            output=comparison.output,
        )

    def measured(self, subject: Subject, knowledge: Knowledge) -> tuple[MetricRun, Knowledge]:
        before, knowledge = self._incumbent(subject, knowledge)
        look = self.diagnostics.look(subject, knowledge)
        run = self._run(look, look.knowledge)
        blind = [f"{n}: {w}" for n, w in look.incomplete.items() if n not in before.incomplete]
        if blind:
            run = replace(run, value=None, failure=Status.METRIC_ERROR, reason="; ".join(blind))
        return run, look.knowledge

    def pace(self, knowledge: Knowledge) -> Pace:
        return Pace(
            metric=self.diagnostics.seconds(knowledge), guards=self.bench.guards.seconds(knowledge)
        )

    def foul(self, before: Texts, after: Texts) -> str:
        found = shortcuts(
            before,
            after,
            tests=self.tests,
            allow=self.settings.allow,
            runs_examples=self._runs_examples,
        )
        if found:
            return str(found[0])
        told = (own.foul(before, after) for own in self.diagnostics.own.values())
        return next(filter(None, told), "")

    def _runs_examples(self, path: str) -> bool:
        if path.endswith(".rs"):
            return any(target.tool == "cargo test" for target in self.diagnostics.targets.values())
        seen = [diagnosis for look in self._looks.values() for diagnosis in look.seen.values()]
        failed = (f.id.partition(":")[2] for d in seen for f in d.failures)
        return runs_examples(path, chain(failed, *(d.suite.of for d in seen if d.suite)))

    def to_look_at(self, before: Texts, after: Texts) -> list[str]:
        found = suspicious(before, after, tests=self.tests, allow=self.settings.allow)
        told = [f"{odd.path}:{odd.line} {odd.what}" for odd in found]
        return [*told, self._last.narrow] if self._last.narrow else told

    def aim(
        self,
        incumbent: Changes,
        experiments: Sequence[Experiment],
        knowledge: Knowledge,
        besides: Collection[str] = (),
    ) -> Aim | None:
        look, knowledge = self._incumbent(_state(incumbent, experiments), knowledge)
        left = self._left(look, experiments, knowledge)
        waiting = tuple(failure for failure in left.waiting if failure.id not in besides)
        if not waiting:
            return None
        name = next(name for name, failure in look.failures() if failure.id == waiting[0].id)
        targets = self.diagnostics.targets
        target = targets[name]
        self._last.aimed = name
        return Aim(
            failure=waiting[0],
            others=tuple(failure for failure in left.waiting if failure is not waiting[0]),
            command=target.command,
            folder=target.folder or "",
            checks=tuple((each.command, each.folder or "") for each in targets.values()),
            output=look.outputs.get(name, ""),
            cause=str(self._causes(look)[waiting[0].id]),
            leads=tuple(sorted(self.leads, key=lambda lead: lead.path != waiting[0].path)),
            tried=tried_at(waiting[0], experiments),
        )

    def left(
        self, incumbent: Changes, experiments: Sequence[Experiment], knowledge: Knowledge
    ) -> Left:
        look, knowledge = self._incumbent(_state(incumbent, experiments), knowledge)
        return self._left(look, experiments, knowledge)

    def _left(
        self, look: Diagnosed, experiments: Sequence[Experiment], knowledge: Knowledge
    ) -> Left:
        verdicts, asked = self._causes(look), (list(experiments), knowledge.flaky)
        if self._last.left is None or self._last.left[0] != asked:
            found = left(
                self._wanted(look),
                experiments,
                attempts=self.settings.attempts,
                flaky=knowledge.flaky,
                incomplete=self._blind(look),
                verdicts=verdicts,
                warnings=self._warnings(look),
            )
            self._last.left = asked, found
        return self._last.left[1]

    def _warnings(self, look: Diagnosed) -> list[Failure]:
        """What is there and nobody asked about."""
        wanted = [f.id for f in self._wanted(look)]
        found = (f for _, f in look.failures() if f.category is Category.WARNING)
        return [failure for failure in found if failure.id not in wanted]

    def _causes(self, look: Diagnosed) -> Mapping[str, Verdict]:
        """Whose fault each failure is: before anything is edited for it."""
        last = self._last
        if last.look is not look:
            last.causes = causes(look.seen, look.outputs, self._ground, known=self._verdicts)
            last.look, last.left = look, None
            for mended in self._verdicts.keys() - {failure for _, failure in look.failures()}:
                del self._verdicts[mended]
        return last.causes

    @functools.cached_property
    def _ground(self) -> Ground:
        texts = {path: text.decode(errors="replace") for path, text in self.tests.items()}
        return Ground(paths=self.paths, tests=texts)

    def _wanted(self, look: Diagnosed) -> list[Failure]:
        """Those of the categories that are to be repaired."""
        wanted, own = self.settings.categories, self.diagnostics.own
        return [
            f for name, f in look.failures() if asked_for(f, wanted) and (not own or name in own)
        ]

    def _blind(self, look: Diagnosed) -> Mapping[str, str]:
        """Targets that may hide some of them."""
        wanted, own = set(self.settings.categories), self.diagnostics.own
        return {
            name: why
            for name, why in look.incomplete.items()
            if (not wanted or wanted & set(self.diagnostics.tells_of(name) or wanted))
            and (not own or name in own)
        }

    def _incumbent(self, subject: Subject, knowledge: Knowledge) -> tuple[Diagnosed, Knowledge]:
        """What is broken in it, looked at once."""
        name = identity(subject.changes)
        if name not in self._looks:
            look = self.diagnostics.look(subject, knowledge)
            self._remember(subject.changes, look)
            return look, look.knowledge
        look = self._looks[name]
        self._remember(subject.changes, look)  # it stays, whatever is looked at besides
        return look, knowledge

    def _remember(self, changes: Changes, look: Diagnosed) -> None:
        self._looks.pop(identity(changes), None)
        self._looks[identity(changes)] = look
        while len(self._looks) > REMEMBERED:
            del self._looks[next(iter(self._looks))]

    def _again(self, unmodified: Subject, look: Diagnosed) -> Diagnosed:
        """Tests that fail are run again: the same failure each time, or it is flaky."""
        names = _with_tests(look.failures())
        seen: list[set[str]] = [_tests(look.seen, names)]
        for _ in range(LOOKS - 1 if names else 0):
            again = self.diagnostics.look(unmodified, look.knowledge, names)
            seen.append(_tests(again.seen, names))
            # The first answer stands: what fails now and then is told by its id.
            look = replace(look, knowledge=again.knowledge, seconds=look.seconds + again.seconds)
        knowledge = look.knowledge
        for unsteady in sorted(seen[0].union(*seen) - seen[0].intersection(*seen)):
            knowledge = knowledge.failing_now_and_then(unsteady)
        return replace(look, knowledge=knowledge)

    def _run(self, look: Diagnosed, knowledge: Knowledge) -> MetricRun:
        """How much is broken: failures that are not flaky, and targets that hide some."""
        failures = [f for f in self._wanted(look) if f.id not in knowledge.flaky]
        return MetricRun(
            value=float(len(failures) + len(self._blind(look))),
            seconds=look.seconds,
            peak_memory_mb=look.peak_memory_mb,
        )

    def _refuse_blind(self, look: Diagnosed) -> None:
        if look.incomplete.keys() == look.seen.keys() and not any(look.failures()):
            reasons = "\n".join(f"  {name}: {why}" for name, why in look.incomplete.items())
            output = "\n".join(map(last_lines, look.outputs.values()))
            raise BaselineError(
                "nothing can be found out about this code, so there is nothing to repair:\n"
                f"{reasons}\n"
                "usually: the tools are not installed where measured code runs (`setup`, `share`), "
                "or are asked in another way.\n"
                f"{self.bench.hints(output)}"
                "do: autoresearch-ci fix --dry-run shows what is run and why; `fix.targets` in the "
                "configuration says it outright."
            )

    def _tell(self, subject: Subject, run: MetricRun) -> None:
        self.bench.observe(
            MetricMeasured(
                iteration=subject.iteration,
                stage="metric",
                side="candidate" if subject.is_candidate else "incumbent",
                value=run.value,
                reason=run.reason,
                seconds=run.seconds,
            )
        )

    def _warn(self, message: str) -> None:
        self.bench.observe(Warning(message=message))


_AS_BASE = "as in the base commit"


class _Comparison:
    """One candidate, looked at target by target until there is an answer."""

    def __init__(
        self,
        objective: FailureObjective,
        subject: Subject,
        before: Diagnosed,
        knowledge: Knowledge,
        *,
        aimed: str,
    ) -> None:
        """`aimed`: the target of what is being repaired; empty: nobody has asked what comes next"""
        self.after = Diagnosed(seen={}, knowledge=knowledge)
        self.output = ""
        self.narrow = ""
        """What may be right for the tested inputs only."""
        self._objective = objective
        self._diagnostics = objective.diagnostics
        self._subject = subject
        self._before = before
        self._aimed = aimed
        own, other = subject.changes, subject.rival.changes
        # A path of neither is as in the base commit, which is not the same as deleted.
        self._changed = {
            p for p in {*own, *other} if own.get(p, _AS_BASE) != other.get(p, _AS_BASE)
        }
        self._removed = {p for p in self._changed if p in own and own[p] is None}

    def judgement(self) -> Judgement:
        """Where nothing is gone of what the change may mend, nobody asks the rest."""
        first = self._affected()
        judged = self._after(first)
        if judged.outcome is SetChange.KEPT:
            judged = self._after([name for name in self._before.seen if name not in first])
        for confirmed in (self._held, self._seen_whole, self._elsewhere):
            if judged.outcome is SetChange.KEPT:
                judged = confirmed(judged)
        return judged

    def _affected(self) -> list[str]:
        """What is being repaired, then what else tells of something and reads the changed files."""
        ranks = {
            name: min((failure.category.rank for failure in d.failures), default=len(Category))
            for name, d in self._before.seen.items()
            if (d.failures or d.incomplete)
            and (
                name == self._aimed
                or concerned(self._diagnostics.targets[name].tool, self._changed)
            )
        }
        return sorted(ranks, key=lambda name: (name != self._aimed, ranks[name]))

    def _after(self, names: Iterable[str]) -> Judgement:
        """Looks at these, too, up to the first that is worse."""
        judged = self._judged()
        for name in names:
            self._look(name)
            judged = self._settled(name, self._judged())
            if judged.new or judged.outcome in (SetChange.REGRESSED, SetChange.INCOMPLETE):
                self.output = last_lines(self.after.outputs.get(name, ""))
                break
        return judged

    def _look(self, name: str) -> None:
        look = self._diagnostics.look(self._subject, self.after.knowledge, [name])
        others = {key: why for key, why in self.after.doubts.items() if key != name}
        self.after = replace(self.after, doubts=others).plus(look)

    def _judged(self) -> Judgement:
        flaky = self.after.knowledge.flaky
        names = self.after.seen.keys()
        before = {name: d for name, d in self._before.seen.items() if name in names}
        judged = compared(
            without(before, flaky),
            without(self.after.seen, flaky),
            changed=self._changed,
            removed=self._removed,
            standards={name: Standard() for name in names},  # doubts have it, chance left out
            outweighs=self._objective.lets_warnings_pass,
        )
        if self.after.doubts and judged.outcome is not SetChange.INCOMPLETE and not judged.new:
            reason = "; ".join(f"{name}: {why}" for name, why in self.after.doubts.items())
            return replace(judged, outcome=SetChange.REGRESSED, reason=reason)
        return judged

    def _settled(self, name: str, judged: Judgement) -> Judgement:
        """The same, where what went wrong with tests is not the candidate's fault without it.

        As everywhere: what fails twice fails, and what only a candidate does is not forgiven.
        """
        tests = {f.id for f in judged.new if f.category is Category.TEST}
        if not tests or len(tests) < len(judged.new):
            return judged
        first = self.after
        self._look(name)
        second, again = self.after, self._judged()
        if again.new or second.doubts:
            return again
        knowledge = second.knowledge
        for _ in range(TRIES):
            rival = self._diagnostics.look(self._subject.rival, knowledge, [name])
            knowledge = rival.knowledge
            if unsteady := tests & {f.id for f in rival.seen[name].failures}:
                for failure in sorted(unsteady):
                    knowledge = knowledge.failing_now_and_then(failure)
                self.after = replace(second, knowledge=knowledge)
                return self._judged()
        self.after = replace(first, knowledge=knowledge)
        unforgiven = f"passed when run again, but never failed in {TRIES} runs on the incumbent"
        return replace(judged, reason=f"{judged.reason} ({unforgiven})")

    def _held(self, judged: Judgement) -> Judgement:
        """A test that passes now is run again: luck does not hold."""
        mended = {f.id for f in judged.gone if f.category is Category.TEST}
        for name in _with_tests(self._before.failures(), mended):
            again = self._once_more(name)
            if again.doubts:  # once may be chance
                again = self._once_more(name)
            lost = mended & {f.id for f in again.seen[name].failures}
            if lost or again.incomplete or again.doubts:
                why = f"{some(sorted(lost))} fails again" if lost else ""
                why = why or again.incomplete.get(name, "") or again.doubts[name]
                self.output = last_lines(again.outputs.get(name, ""))
                return replace(
                    judged,
                    outcome=SetChange.NO_BETTER,
                    reason=f"it does not hold: {why} when it is run again",
                )
        return judged

    def _seen_whole(self, judged: Judgement) -> Judgement:
        """Where only what had changed was looked at, all of it is before anything is kept."""
        for name in self._diagnostics.own:
            knowledge = self.after.knowledge
            look = self._diagnostics.own_look(name, self._subject, knowledge, whole=True)
            self.after = self.after.plus(look)
            judged = self._judged()
        return judged

    def _elsewhere(self, judged: Judgement) -> Judgement:
        """What is right for the tested inputs only is no repair: it answers nothing else."""
        found = narrow(*self._near({f.id for f in judged.gone if f.category is Category.TEST}))
        if not found:
            return judged
        tree, own = self._objective.bench.tree, self._subject.changes
        before, after = (
            tree.contents(side, lambda paths: sorted(self._changed.intersection(paths)))
            for side in (self._subject.rival.changes, own)
        )
        rival = self._subject.rival.changes  # what a candidate brings along was not known before
        paths = [path for path in tree.paths(rival) if path not in self._changed]
        others = tree.texts(rival, beside(before, paths), _BESIDE)
        texts = [content.decode(errors="replace") for content in others]
        seen = only_there(before, after, found, texts)
        if seen and listed([seen[0]], self._objective.settings.allow):
            shortcut, certain = seen
            if certain:
                return replace(judged, outcome=SetChange.NO_BETTER, reason=str(shortcut))
            self.narrow = f"{shortcut.path}:{shortcut.line} {shortcut.what}"
        return judged

    def _near(self, mended: Collection[str]) -> tuple[dict[str, NearRuns], dict[str, NearRuns]]:
        """What incumbent and candidate answer near the inputs of tests, by id."""
        sides = dict[str, NearRuns](), dict[str, NearRuns]()
        for name in _with_tests(self._before.failures(), mended):
            wanted = sorted({f.id for f in self._before.seen[name].failures} & {*mended})
            some_of = random.sample(wanted, min(len(wanted), _NEAR))
            seed = random.randrange(2**32)  # no code can know at which inputs it will be asked
            for side, runs in zip((self._subject.rival, self._subject), sides, strict=True):
                knowledge = self.after.knowledge
                runs |= self._diagnostics.near(side, knowledge, name, some_of, seed)
        return sides

    def _once_more(self, name: str) -> Diagnosed:
        """A look that only confirms: what counts is what it cost, and what it taught."""
        again = self._diagnostics.look(self._subject, self.after.knowledge, [name])
        self.after = replace(
            self.after,
            knowledge=again.knowledge,
            seconds=self.after.seconds + again.seconds,
        )
        return again


def _decision(judged: Judgement) -> Decision:
    status = {SetChange.KEPT: Status.KEEP, SetChange.INCOMPLETE: Status.METRIC_ERROR}
    return Decision(
        status=status.get(judged.outcome, Status.DISCARD),
        reason=judged.reason,
        gone=tuple(journal_id(failure.id) for failure in judged.gone),
    )


def _state(incumbent: Changes, experiments: Sequence[Experiment]) -> Subject:
    return Subject(changes=incumbent, iteration=max(len(experiments), 1))


def _with_tests(
    failures: Iterable[tuple[str, Failure]], ids: Collection[str] | None = None
) -> list[str]:
    """Targets with failing tests, or with those of these `ids`."""
    return list(
        dict.fromkeys(
            name
            for name, failure in failures
            if failure.category is Category.TEST and (ids is None or failure.id in ids)
        )
    )


def _tests(seen: Diagnoses, names: Iterable[str]) -> set[str]:
    return {f.id for name in names for f in seen[name].failures if f.category is Category.TEST}
