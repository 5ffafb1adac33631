"""Runs commands on a state of the code: the same tree, environment, limits and log for each.

What the metric, a guard or a hook means, bench.py and guards.py know; what stands in the reports
that commands write, xml_reports.py and json_reports.py. Reports are files of untrusted writers.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from autoresearch_ci.decide.failures.changed_lines import LinesOfTest
from autoresearch_ci.decide.failures.lost_tests import SuiteResult
from autoresearch_ci.decide.failures.shortcuts.neighbours import NearRuns
from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.events import Note, Observer, OutputLine, Stage, StageStarted, Warning
from autoresearch_ci.execution.command import CommandResult, Stop, run_command
from autoresearch_ci.execution.environment import UNATTENDED, UNCONNECTED, of_downloads
from autoresearch_ci.experiment import MetricRun
from autoresearch_ci.measure.executed_lines import LineObserver
from autoresearch_ci.measure.go_node_lines import CoverageFiles
from autoresearch_ci.measure.neighbours import NeighbourObserver
from autoresearch_ci.measure.number.report_files import ReportFiles
from autoresearch_ci.measure.number.xml_reports import Reports
from autoresearch_ci.measure.ruler.provenance import Provenance, Unanswered
from autoresearch_ci.measure.suite_observer import SuiteObserver, hides_plugin
from autoresearch_ci.safety.untrusted_values import MetricError
from autoresearch_ci.workspace.command_files import ENVIRONMENTS, command_files, made_environments
from autoresearch_ci.workspace.measure_tree import MeasureTree
from autoresearch_ci.workspace.repository import Changes


class RunLogs:
    """Appends; what it is given must have been redacted."""

    def __init__(self, folder: Path, private: Path) -> None:
        """`private`: for what the holdout prints, where no proposer can read it."""
        self._folder = folder
        self._private = private
        self._waiting: list[tuple[int, Stage, CommandResult]] = []

    def add(self, iteration: int, stage: Stage, result: CommandResult) -> None:
        """Keep it until `write`: the command may have filled the disk."""
        self._waiting.append((iteration, stage, result))

    def write(self) -> None:
        """Write down what was added."""
        while self._waiting:
            iteration, stage, result = self._waiting.pop(0)
            ending = result.failure or "exit code 0"
            self._append(
                iteration,
                stage,
                f"[{stage}] $ {result.command}\n{result.output.rstrip()}\n"
                f"[{stage}] {ending} after {result.seconds:.2f} s\n\n",
            )

    def judged(self, iteration: int, stage: Stage, run: MetricRun) -> None:
        """What a rubric's judge said."""
        said = f"[{stage}] rubric: {run.reason or run.value}\n{run.output}\n\n"
        self._append(iteration, stage, said)

    def _append(self, iteration: int, stage: Stage, text: str) -> None:
        folder = self._private if stage == "holdout" else self._folder
        with (folder / f"{iteration}.log").open(
            "a", encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(text)


BASELINE_TIMEOUT = 3600.0
"""Seconds the unmodified code may take when no timeout is configured."""
TIMEOUT_FACTOR = 3.0
"""Without a configured timeout a candidate may take this many times the baseline's duration."""
PROBE_TIMEOUT = 60.0
"""Seconds for a Python to say where it looks for modules."""
SHORTEST_TIMEOUT = 10.0
"""Seconds; start-up noise must not time out a command that takes milliseconds."""
_NOT_BUILT = (
    "the {} failed on the unmodified code, which was to build again what `cache` keeps ({}): what "
    "is not there, all others build themselves, each time"
)
_NEAR_TIMEOUT = 60.0
"""Seconds; what was answered by then counts."""
_HELPER = ">("
"""Process substitution."""
_SCRIPT = 1 << 20
"""Bytes of a script; a larger one is none."""


class OutOfTime(Exception):
    """A command was not begun, as there is no time left for it."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A state of the code that is measured, and as what."""

    changes: Changes
    iteration: int
    """Of the row that the measurement is for; 0 is the baseline, and logged as such."""
    incumbent: Changes | None = None
    """What a candidate is compared with; `None`: this is no candidate, it is what others must
    reach."""
    until: float | None = None
    """By when a command must be over, as it usually takes, to be begun: `time.monotonic()`."""

    @property
    def is_candidate(self) -> bool:
        return self.incumbent is not None

    @property
    def is_unmodified(self) -> bool:
        return self.iteration == 0 and not self.changes

    @property
    def rival(self) -> Subject:
        """The incumbent, measured for the same row. Only a candidate has one."""
        return replace(self, changes=self.incumbent or {}, incumbent=None)

    def refuse_late(self, seconds: float) -> None:
        """Raises `OutOfTime` when what takes so long would not be over in time."""
        if self.until is not None and time.monotonic() + seconds > self.until:
            raise OutOfTime


@dataclass(frozen=True, kw_only=True)
class EndedCommand:
    """What a measured command left behind."""

    result: CommandResult
    suite: SuiteResult | None
    """How its tests ended, when it ran pytest."""
    report: Reports | MetricError | None
    """The report that was asked for, or why it is none; `None` when it was not written."""
    knowledge: Knowledge


@dataclass(kw_only=True, eq=False, repr=False)
class MeasuredCommands:
    """The measure tree with what every command in it gets."""

    tree: MeasureTree
    environment: Mapping[str, str]
    redact: Callable[[str], str]
    """Removes secrets from what commands print."""
    stop: Stop
    observe: Observer
    logs: RunLogs
    suites: SuiteObserver
    _tracked: frozenset[str] = field(default_factory=frozenset)
    _built: set[str] = field(default_factory=set)
    """Commands that the unmodified code was run with."""

    def __post_init__(self) -> None:
        self._setup_environment = {**UNATTENDED, **self.environment}

    def add_downloads(self, user_home: str) -> None:
        """What was installed before is found by all but setup, as far as it can be reached, and
        nothing waits for a network that is not there."""
        sandbox = self.tree.sandbox
        reached = of_downloads(user_home, self.tree.layout.home, sandbox.reaches)
        reached |= {} if sandbox.protection.network == "allow" else UNCONNECTED
        self.environment = {**reached, **self.environment}

    def activate(self, tracked: Collection[str], setup: Sequence[str]) -> None:
        """The virtual environment that `share` or `setup` brought is found first, as `uv run` does.

        Not one that is committed, nor, unless a line of `setup` makes it, where another is active.
        """
        active = "VIRTUAL_ENV" in self.environment
        tree, search = self.tree.layout.tree, self.environment.get("PATH", os.defpath)
        made = made_environments(setup)
        for name in ENVIRONMENTS:
            folder = tree / name
            if name in tracked or (active and name not in made):
                continue
            if (folder / "pyvenv.cfg").is_file() and (folder / "bin" / "python").exists():
                path = f"{folder / 'bin'}{os.pathsep}{search}"
                self.environment = {
                    **self.environment,
                    "PATH": path,
                    "VIRTUAL_ENV": str(folder),
                }

    def prove(self, provenance: Provenance, lines: Sequence[str]) -> None:
        """That `lines` use the measure tree. Raises `BaselineError`."""
        self._tracked = provenance.tracked
        layout, sandbox = self.tree.layout, self.tree.sandbox

        def ask(argv: Sequence[str], environment: Mapping[str, str]) -> str:
            for _ in range(2):
                result = run_command(
                    argv,
                    cwd=layout.tree,
                    env={**self.environment, **environment},
                    timeout=PROBE_TIMEOUT,
                    stop=self.stop,
                    enter=sandbox.enter(),
                )
                sandbox.sweep()
                if not result.failure:
                    return result.output
            raise Unanswered(self.redact(result.reason))

        with self.tree.placed({}):
            supply = provenance.prove(lines, self.environment, ask)
        self.environment = {**self.environment, **supply.environment}
        if supply.hidden:
            sandbox.hide(supply.hidden, supply.shown)
        self.observe(Note(message=supply.told))

    @contextlib.contextmanager
    def placed(self, changes: Changes, *, whole: bool = False, keep: bool = True) -> Iterator[None]:
        """Within the block the tree holds this state of the code, see `MeasureTree.placed`."""
        try:
            with self.tree.placed(changes, whole=whole, keep=keep):
                yield
        finally:
            # Only now is there room for a log, if it was the command that filled the disk.
            self.logs.write()

    def measured(
        self,
        subject: Subject,
        stage: Stage,
        command: str,
        knowledge: Knowledge,
        *,
        timeout: float | None,
        report: str | None,
        line: Callable[[str], bool] | None = None,
        longest_test: float = 0.0,
        shown: str = "",
    ) -> EndedCommand:
        """Run a command on a state of the code, and collect what it left.

        `report`: path of a file that it writes, or a pattern of several. `line`: sees each line of
        output, and stops the command by returning true. `longest_test`: seconds after which a test
        of pytest is stopped and has failed; 0: never. `shown`: to people, instead of the command.
        Raises `OutOfTime`.
        """
        subject.refuse_late(self.usual(command, knowledge))
        run = functools.partial(
            self.run,
            subject.iteration,
            stage,
            command,
            timeout=timeout or self._default_timeout(command, knowledge),
            line=line,
            shown=shown,
        )
        whole = stage == "holdout"
        builds = self.tree.layout.cache and not (whole and self.tree.withholds)
        if builds and subject.changes and command not in self._built:
            self._build(stage, command, timeout or BASELINE_TIMEOUT, shown)
        self._built.add(command)
        with self.placed(subject.changes, whole=whole):
            reports = ReportFiles(self.tree.seen.tree, report, self.tree.layout.tree)
            result, suite = self._watched(run, command, knowledge, longest_test)
            if subject.iteration == 0 and command not in knowledge.blind and hides_plugin(result):
                knowledge = knowledge.without_plugin(command)
                self._tell_hidden(command)
                result, suite = self._watched(run, command, knowledge, longest_test)
            if subject.is_unmodified:
                knowledge = knowledge.having_taken(result.command, result.seconds)
            elif not (subject.is_candidate or result.failure):
                knowledge = knowledge.having_taken_lately(result.command, result.seconds)
            report_read = reports.read()
        return EndedCommand(result=result, suite=suite, report=report_read, knowledge=knowledge)

    def _build(self, stage: Stage, command: str, timeout: float, shown: str) -> None:
        """Of the unmodified code, what others start from; an earlier process has measured that.

        As long as a first build may take: how long it takes with what was built is known only.
        """
        with self.placed({}):
            result = self.run(0, stage, command, timeout=timeout, shown=shown)
        if result.failure:
            why = result.failure if stage == "holdout" else result.reason
            self.observe(Warning(message=_NOT_BUILT.format(stage, why)))

    def traced(
        self,
        subject: Subject,
        command: str,
        *,
        timeout: float,
        files: Collection[str] = (),
        sources: Mapping[str, str] = MappingProxyType({}),
    ) -> tuple[CommandResult, Sequence[LinesOfTest]]:
        """Run a command on a state of the code, and say what its tests executed, if it can be seen.

        Being watched may change how long it takes, so nothing is learnt from it. `files`: of that
        state; `sources`: text of those that are looked at, where no single test can be seen.
        """
        layout = self.tree.layout
        lines = LineObserver(
            folder=layout.scratch / "lines", temporary=layout.temporary, tree=layout.tree
        )
        written = CoverageFiles(temporary=layout.temporary, tree=layout.tree)
        with (
            self.placed(subject.changes),
            lines.watch(self.environment, self.tree.seen.temporary) as watch,
        ):
            result = self.run(
                subject.iteration,
                "experiment",
                written.asked(command),
                timeout=timeout,
                env={**watch.environment, **written.environment},
                shown=command,
            )
            found = self.tree.seen.temporary
            whole = written.executed(found, files, sources, failed=bool(result.failure))
        return result, watch.tests or whole

    def near(
        self,
        subject: Subject,
        command: str,
        tests: Collection[str],
        knowledge: Knowledge,
        *,
        seed: int,
        shown: str,
    ) -> Mapping[str, NearRuns]:
        """What a state of the code answers to tests of pytest at inputs near their own, by test.

        Nothing where commands reach more than their own: what deletes `./build` may delete `/build`
        then. Nothing, or less, where time runs out: that decides of no repair that holds. Nothing
        is learnt from how long it takes. `seed`: of the inputs.
        """
        layout = self.tree.layout
        timeout = min(_NEAR_TIMEOUT, max(SHORTEST_TIMEOUT, 3 * self.usual(command, knowledge)))
        if subject.until is not None:
            timeout = min(timeout, (subject.until - time.monotonic()) / 2)  # the other side's, too
        if not self.tree.sandbox.keeps_to_itself or timeout < 1:
            return {}
        observer = NeighbourObserver(folder=layout.scratch / "near", temporary=layout.temporary)
        with (
            self.placed(subject.changes, keep=False),
            observer.watch(self.environment, self.tree.seen.temporary, tests, seed) as watch,
        ):
            self.run(
                subject.iteration,
                "experiment",
                command,
                timeout=timeout,
                env=watch.environment,
                shown=f"{shown} (at other inputs)",
            )
        return watch.tests

    def run(
        self,
        iteration: int,
        stage: Stage,
        command: str,
        *,
        timeout: float = BASELINE_TIMEOUT,
        line: Callable[[str], bool] | None = None,
        env: Mapping[str, str] | None = None,
        shown: str = "",
    ) -> CommandResult:
        """Run a command in the tree as it is; its log waits for `logs.write`."""
        self.observe(StageStarted(iteration=iteration, stage=stage, command=shown or command))

        def on_line(text: str) -> bool:
            if stage != "holdout":
                self.observe(OutputLine(text=text))
            return bool(line and line(text))

        result = run_command(
            command,
            cwd=self.tree.layout.tree,
            env=self._setup_environment if stage == "setup" else env or self.environment,
            timeout=timeout,
            stop=self.stop,
            on_line=on_line,
            enter=self.tree.within.enter(network=stage == "setup"),
            apart=True,
        ).redacted(self.redact)
        self.tree.reopen()
        self.tree.within.sweep()
        self.logs.add(iteration, stage, result)
        return result

    def has_helpers(self, command: str, changes: Changes) -> bool:
        """Whether a shell that does not wait for them starts any, as in `command > >(tee log)`.

        Most are so quick that a few runs do not show it.
        """
        scripts = (p for p in command_files(command, self._tracked) if not p.endswith(".py"))
        texts = self.tree.texts(changes, scripts, _SCRIPT)
        return _HELPER in command or any(_HELPER.encode() in text for text in texts)

    def _watched(
        self,
        run: Callable[..., CommandResult],
        command: str,
        knowledge: Knowledge,
        longest_test: float,
    ) -> tuple[CommandResult, SuiteResult | None]:
        """`run`, and how the tests ended when the command runs pytest."""
        if command in knowledge.blind:
            return run(), None
        seen = self.tree.seen.temporary
        with self.suites.watch(self.environment, seen, longest_test) as watch:
            result = run(env=watch.environment)
        return result, watch.suite

    def _tell_hidden(self, command: str) -> None:
        message = (
            f"the tests in {command!r} cannot be watched, only exit code and number count: it "
            "sets PYTHONPATH itself or isolates Python. Set PYTHONPATH in `env` instead"
        )
        self.observe(Note(message=message))

    def usual(self, command: str, knowledge: Knowledge) -> float:
        """Seconds that a command usually takes."""
        return knowledge.usual(self.redact(command))

    def _default_timeout(self, command: str, knowledge: Knowledge) -> float:
        known = knowledge.durations.get(self.redact(command))
        return max(TIMEOUT_FACTOR * known, SHORTEST_TIMEOUT) if known else BASELINE_TIMEOUT
