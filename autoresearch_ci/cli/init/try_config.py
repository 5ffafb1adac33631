"""Tries a configuration that nobody has run yet: scope, commands, three measurements, guards."""

from __future__ import annotations

import re
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_ci.cli.assembly import make_policy, open_bench
from autoresearch_ci.cli.temporary_run import apart_from_runs
from autoresearch_ci.config.proposers import Claude
from autoresearch_ci.config.schema import Config
from autoresearch_ci.config.value_types import FILE_BYTES
from autoresearch_ci.decide.command_screen import objections
from autoresearch_ci.decide.metric.run_statistics import Policy
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.execution.command import Stop
from autoresearch_ci.experiment import Direction, MetricRun
from autoresearch_ci.llm.model_prices import spent
from autoresearch_ci.measure.baseline import Baseline, measure_baseline
from autoresearch_ci.measure.bench import Bench
from autoresearch_ci.measure.commands import Subject
from autoresearch_ci.preflight import Options, RunContext, survey
from autoresearch_ci.report.console import stages_shown
from autoresearch_ci.workspace.repository import Changes

RUNS = 3
_DRIFT, _FAR = 0.2, 0.5
"""What a machine may make of three runs' noise a moment later, and what it does not."""
MANY_FILES = 50
"""More than that in scope make it hard to say what a change is about."""
SLOW = 120.0
LONGEST = 600.0
"""Seconds of one run, where `metric.timeout` says nothing."""
_PATIENCE = 90.0
"""Seconds after which no third measurement is begun."""
_RUNS_A_DECISION = 4
"""Of metric and incumbent together, usually, where the metric is noisy."""
_OVERHEAD_TOKENS, _ANSWER_TOKENS, _BYTES_A_TOKEN = 12_000, 4_000, 4
_TURNS = 3
"""Requests of one proposal, usually; all but the first mostly read what is cached."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of it."""

    scope: tuple[str, ...]
    """Files that the scope matches."""
    values: tuple[float, ...]
    noise: str
    """Of the metric, and what it can detect, in words."""
    detectable: float
    """The relative gain that a decision finds four times out of five; 0: any."""
    seconds: float
    """One run of the metric."""
    guard_seconds: float
    guards: int
    minutes: float
    """That all iterations take, about, without the proposer's thinking."""
    dollars: float | None
    """That they cost with Claude, about; `None`: its price is not known."""
    blind: bool
    """Whether the metric is the same when every file in scope is gone."""
    unguarded: bool
    """Whether the guards of their own pass then, too."""
    results: int
    """That `score bench` found, files of `score size`, or the checksum of `score sql`; 0: it is
    another metric."""
    reachable: int
    """Findings of `score problems` that lie in scope; -1: not known."""
    idle: float
    """What `score time` counts without the files in scope, seconds of the processor, or MiB where
    these are measured; 0: not known."""

    def lines(self, config: Config) -> Iterator[str]:
        """For people."""
        shown = " ".join(f"{value:g}" for value in self.values)
        better = "higher" if config.metric.direction is Direction.MAXIMIZE else "lower"
        yield f"metric: {shown}, {better} is better; {self.seconds:.1f} s each"
        yield from self.noise.splitlines()
        if self.guards:
            named = "the guard passes" if self.guards == 1 else f"{self.guards} guards pass"
            yield f"{named} in {self.guard_seconds:.1f} s"
        else:
            yield "warning: no guard, so nothing says what a change breaks: --guard CMD"
        if self.blind:
            yield f"warning: {self.blindness}"
        if self.unguarded:
            yield f"warning: {UNGUARDED}"
        cost = "" if self.dollars is None else f"; with Claude about ${self.dollars:.2f}"
        yield f"{config.iterations} iterations: about {max(1, round(self.minutes))} min{cost}"
        if len(self.scope) > MANY_FILES:
            yield f"warning: {len(self.scope)} files in scope; fewer are searched better"
        if self.seconds > SLOW:
            yield "warning: the metric takes minutes; a smaller workload tries more ideas a night"

    @property
    def blindness(self) -> str:
        """What `blind` means, in words."""
        if not self.reachable:
            return "none of its findings lies in scope: no change there can better it"
        files = "the file" if len(self.scope) == 1 else f"all {len(self.scope)} files"
        return f"the metric stays the same without {files} in scope: no change there can better it"


UNGUARDED = (
    "the guard passes without the files in scope, too: it tests something else, as what was built "
    "or installed before"
)


def refuse_dangerous(config: Config) -> None:
    """Raises `ConfigError` for a command that could do harm, or would hide a failure."""
    for command in config.commands:
        for objection in objections(command):
            raise ConfigError(f"the command {objection.what}: {command}\ndo: {objection.cure}.")


@contextmanager
def surveyed(config: Config, start: Path, path: str) -> Iterator[RunContext]:
    """Whether a run could start. Raises `ConfigError` or `WorkspaceError`."""
    context = survey(config, Options(start=start, config_path=path))
    try:
        yield context
    finally:
        context.repository.close()


def tried(
    config: Config,
    context: RunContext,
    environment: Mapping[str, str],
    stop: Stop,
    longest: float = LONGEST,
) -> Trial:
    """Measures the unmodified code. Raises `BaselineError`, also when a guard is red.

    And `ConfigError` when the target is reached already.
    """
    config = _impatient(config, longest)
    with (
        stages_shown(sys.stdout) as observe,
        apart_from_runs(config, context, environment, stop, observe) as apart,
    ):
        bench = open_bench(apart.collaborators, apart.stack)
        policy = make_policy(config)
        enough = time.monotonic() + _PATIENCE
        found = measure_baseline(bench, policy, calibrate=True, at_most=RUNS, until=enough)
        _refuse_reached(config, found.values)
        scope = tuple(context.scope.select(context.files))
        without: Changes = dict.fromkeys(scope)
        if config.cache:  # a build may go on with what it made of a file that is gone
            empty = {path: (context.files[path].mode, b"") for path in scope}
            _, without = apart.collaborators.store.commit(
                parents=[context.base], edits=empty, message="", timestamp=0
            )
        subject = Subject(changes=without, iteration=0)
        idle, _ = bench.run(subject, found.knowledge, believed=True)
        unguarded = _is_unguarded(bench, config, found, subject)
    numbers = found.runs[-1].numbers
    size = sum(context.repository.size(context.files[path]) for path in scope)
    seconds = sum(run.seconds for run in found.runs) / len(found.runs)
    reachable = _reachable(found.runs[-1], scope) if "problems" in numbers else -1
    told = _IDLE.search(idle.output)
    return Trial(
        scope=scope,
        values=tuple(found.values),
        noise=found.knowledge.session.describe(policy, seconds),
        detectable=_detectable(found, policy),
        seconds=seconds,
        guard_seconds=sum(guard.seconds for guard in found.guards),
        guards=len(found.guards),
        minutes=_minutes(config, found, seconds),
        dollars=_dollars(config.claude, size, config.iterations),
        blind=not reachable or _is_blind(idle, policy, found),
        unguarded=unguarded,
        results=next((int(numbers[n]) for n in ("results", "files", "answers") if n in numbers), 0),
        reachable=reachable,
        idle=float(told[2 if config.metric.name == "peak_memory_mb" else 1] or 0) if told else 0.0,
    )


def _impatient(config: Config, longest: float) -> Config:
    """Nobody waits an hour for what never comes, nor a minute before npm asks once more."""
    metric = config.metric.model_copy(update={"timeout": config.metric.timeout or longest})
    env = {"npm_config_fetch_retry_maxtimeout": "10000", **config.env}
    return config.model_copy(update={"metric": metric, "env": env})


_IDLE = re.compile(
    r"exit code \d+ after ([\d.e-]+) seconds of the processor(?: and ([\d.]+) MiB)?: "
)
_PLACE = re.compile(r"(?m)^(\S+):\d+: ")


def _reachable(run: MetricRun, scope: Sequence[str]) -> int:
    """-1 where there are none, or not all of their places are shown."""
    places = _PLACE.findall(run.output)
    known = places and len(places) == run.value
    return sum(place in scope for place in places) if known else -1


def _is_blind(idle: MetricRun, policy: Policy, found: Baseline) -> bool:
    """Without the files a metric of them fails, usually at once, or is clearly another number."""
    if idle.value is None:
        return False
    usual, width = statistics.median(found.values), _detectable(found, policy)
    same = min(max(3 * width, _DRIFT), _FAR) if width else 0.0
    return abs(idle.value - usual) <= same * abs(usual)


def _is_unguarded(bench: Bench, config: Config, found: Baseline, subject: Subject) -> bool:
    """Of guards that watch no number, nor run what is measured anyway; as of a candidate, whose
    guards fail where tests are lost."""
    own = [g for g in config.guards if not g.metric and g.command != config.metric.command]
    subject = replace(subject, incumbent={})
    guarded = bench.guards.run(subject, found.knowledge, found.runs[-1], numbers=False)
    return bool(own) and not any(run.failed for run in guarded.runs)


def _refuse_reached(config: Config, values: Sequence[float]) -> None:
    target, direction = config.metric.target, config.metric.direction
    if target is not None and not any(direction.better(target, value) for value in values):
        raise ConfigError(
            f"there is nothing to reach: the metric is {values[0]:g} already, and the target "
            f"{target:g}.\ndo: another --goal, or --set metric.target=N."
        )


def _detectable(found: Baseline, policy: Policy) -> float:
    session = found.knowledge.session
    return 0.0 if session.deterministic or not session.null_steps else session.detectable(policy)


def _minutes(config: Config, found: Baseline, seconds: float) -> float:
    runs = 1 if found.knowledge.session.deterministic else _RUNS_A_DECISION
    guards = sum(guard.seconds for guard in found.guards)
    return config.iterations * (runs * seconds + guards) / 60


def _dollars(claude: Claude, scope_bytes: int, iterations: int) -> float | None:
    """As a proposal usually goes: the files once, then what is cached."""
    prompt = _OVERHEAD_TOKENS + min(scope_bytes, FILE_BYTES) // _BYTES_A_TOKEN
    usage = {
        "cache_creation_input_tokens": prompt,
        "cache_read_input_tokens": prompt * (_TURNS - 1),
        "output_tokens": _ANSWER_TOKENS,
    }
    cost = spent(usage, claude).cost_usd
    return iterations * cost if cost else None
