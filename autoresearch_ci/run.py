"""`autoresearch-ci run`: builds the collaborators, runs the loop, writes the report.

What an iteration is, the loop knows; here a run is set up, resumed and brought to its end, also
when it is interrupted.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import os
import platform
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import autoresearch_ci
from autoresearch_ci.budget import Limits
from autoresearch_ci.candidate import Court
from autoresearch_ci.command import Stop
from autoresearch_ci.config import Config, Resolved, describe
from autoresearch_ci.confirmation import Duel, confirm, idle_commits
from autoresearch_ci.decision import Policy
from autoresearch_ci.errors import AutoresearchError, ConfigError, Interrupted
from autoresearch_ci.events import Note, Observer, RunFinished, RunStarted, Warning
from autoresearch_ci.experiment import Experiment
from autoresearch_ci.holdout import Holdout
from autoresearch_ci.ledger import Ledger, RunFacts
from autoresearch_ci.loop import Loop
from autoresearch_ci.measure_tree import Layout, MeasureTree
from autoresearch_ci.measurement import Bench, GuardPlan, MetricPlan, Plans
from autoresearch_ci.preflight import Ground, survey
from autoresearch_ci.proposers import Proposer
from autoresearch_ci.records import Records
from autoresearch_ci.report.chart import progress_svg
from autoresearch_ci.report.summary import Confirmation, RunInfo, summary_markdown
from autoresearch_ci.snapshot import remove
from autoresearch_ci.workspace import Repository, Store, opened

_RULER = ("metric", "guards", "holdout", "scope", "setup", "share", "cache", "env")
"""Keys that must not change between a run and its resumption: numbers would not compare."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line says besides the configuration."""

    start: Path
    config_path: str | None = None
    tag: str | None = None
    resume: bool = False
    output: Path | None = None


@dataclass(kw_only=True)
class Finished:
    """What a run came to."""

    ground: Ground
    ledger: Ledger
    stop_reason: str = "stopped by an error"
    confirmation: Confirmation | None = None
    idle: tuple[Experiment, ...] = ()
    """Kept experiments that turned out to do nothing."""
    began: float = field(default_factory=time.monotonic)


def run(resolved: Resolved, options: Options, *, observe: Observer, stop: Stop) -> Finished:
    """Run (or resume) the loop; the report is written however it ends.

    Raises `AutoresearchError`; everything kept until then is saved.
    """
    config = resolved.config
    ground = survey(
        config,
        start=options.start,
        config_path=options.config_path,
        tag=options.tag,
        resume=options.resume,
        output=options.output,
    )
    with ExitStack() as stack:
        ground.run_store.mkdir(parents=True, exist_ok=True, mode=0o700)
        records = Records(ground.run_store)
        stack.callback(records.close)
        history = records.read()
        facts = {"base": ground.base, "tag": ground.tag, "branch": ground.branch}
        ruler = _ruler(config)
        if options.resume and history.start:
            _refuse_other_ruler(history.start["ruler"], ruler)
        else:
            records.reset()
            records.start({**facts, "ruler": ruler, "version": autoresearch_ci.__version__})
        ground.repository.exclude("/autoresearch/")
        ground.folder.mkdir(parents=True, exist_ok=True)
        store = stack.enter_context(opened(ground.repository, ground.run_store / "git"))
        ledger = Ledger(
            facts=RunFacts(
                tag=ground.tag,
                branch=ground.branch,
                base=ground.base,
                direction=config.metric.direction,
                folder=ground.folder,
            ),
            repository=ground.repository,
            store=store,
            records=records,
        )
        ledger.recover(history)
        observe(_started(config, ground, ledger))
        for warning in ground.warnings:
            observe(Warning(message=warning))
        layout = Layout(
            box=ground.box,
            checkout=ground.repository.root,
            share=ground.share,
            cache=tuple(config.cache),
        )
        tree = MeasureTree(layout, store, ground.base, ground.files)
        stack.callback(remove, ground.box)
        tree.create(ground.modules)
        bench = build_bench(config, ground, tree, observe, stop)
        bench.set_up(config.setup)
        loop = Loop(
            goal=config.goal,
            seed=config.seed,
            limits=Limits(
                iterations=config.iterations,
                seconds=config.budget.minutes and config.budget.minutes * 60,
                target=config.metric.target,
                plateau=config.plateau,
            ),
            calibrate=config.calibrate == "auto",
            proposer=make_proposer(config.proposer, options.start),
            court=Court(
                policy=_policy(config),
                scope=ground.scope,
                files=ground.files,
                bench=bench,
                store=store,
                ledger=ledger,
                holdout=_holdout(config, bench),
            ),
            observe=observe,
        )
        finished = Finished(ground=ground, ledger=ledger)
        try:
            finished.stop_reason = loop.run()
            if config.confirm.mode == "auto" and ledger.history.kept:
                _confirm(config, finished, loop, ground, store)
        except Interrupted:
            finished.stop_reason = "interrupted"
            raise
        except AutoresearchError as error:
            finished.stop_reason = f"stopped: {str(error).splitlines()[0]}"
            raise
        finally:
            write_report(resolved, finished)
            observe(_ended(finished))
        return finished


def _confirm(config: Config, finished: Finished, loop: Loop, ground: Ground, store: Store) -> None:
    """Measure base and head afresh for the headline, and each kept commit's worth if asked."""
    ledger, settings = finished.ledger, config.confirm
    duel = Duel(
        bench=loop.court.bench,
        direction=config.metric.direction,
        iteration=len(ledger.experiments) - 1,
    )
    finished.confirmation = confirm(
        duel,
        ledger.changes(ledger.incumbent),
        deterministic=loop.deterministic,
        pairs=settings.repeats,
    )
    if finished.confirmation is None:
        message = "the gain could not be confirmed: base or result can no longer be measured"
        loop.observe(Warning(message=message))
    if settings.ablate:
        idle, entangled = idle_commits(
            duel,
            ledger,
            ground.files,
            store,
            deterministic=loop.deterministic,
            pairs=settings.repeats,
        )
        finished.idle = tuple(idle)
        for experiment in idle:
            message = f"kept but does nothing: {experiment.commit[:7]} {experiment.description}"
            loop.observe(Warning(message=message))
        for experiment in entangled:
            message = f"not ablated, later changes build upon it: {experiment.description}"
            loop.observe(Note(message=message))


def make_proposer(name: str, start: Path) -> Proposer:
    """The proposer that the configuration names. Raises `ConfigError` or `ProposerError`."""
    if name.startswith("script:"):
        from autoresearch_ci.proposers.script import ScriptProposer

        return ScriptProposer(start / name.removeprefix("script:"))
    from autoresearch_ci.proposers.search import SearchProposer

    return SearchProposer()


def write_report(resolved: Resolved, finished: Finished) -> None:
    """summary.md, progress.svg and run.json of the run folder."""
    config, ground, ledger = resolved.config, finished.ground, finished.ledger
    experiments = ledger.experiments
    name = metric_name(config)
    seconds = time.monotonic() - finished.began
    info = RunInfo(
        tag=ground.tag,
        branch=ground.branch or "",
        notebook_ref=ledger.facts.notebook_ref,
        base_commit=ground.base,
        metric_name=name,
        direction=config.metric.direction,
        metric_command=config.metric.command,
        guards=[guard.command for guard in config.guards],
        goal=config.goal,
        stop_reason=finished.stop_reason,
        started=experiments[0].timestamp if experiments else "",
        seconds=sum(e.seconds for e in experiments),
        host=_host(),
        confirmation=finished.confirmation,
    )
    folder = ground.folder
    (folder / "summary.md").write_text(summary_markdown(experiments, info), encoding="utf-8")
    chart = progress_svg(
        experiments, direction=config.metric.direction, metric_name=name, title=config.goal
    )
    (folder / "progress.svg").write_text(chart, encoding="utf-8")
    facts: dict[str, Any] = {
        "version": autoresearch_ci.__version__,
        "tag": ground.tag,
        "branch": ground.branch,
        "base": ground.base,
        "head": ledger.incumbent,
        "notebook": ledger.facts.notebook_ref,
        "stop_reason": finished.stop_reason,
        "host": _host(),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "confirmation": finished.confirmation and dataclasses.asdict(finished.confirmation),
        "idle_commits": [experiment.commit for experiment in finished.idle],
        "totals": {
            "iterations": max(len(experiments) - 1, 0),
            "kept": len(ledger.history.kept),
            "baseline": experiments[0].metric if experiments else None,
            "best": experiments[-1].best if experiments else None,
            "samples": sum(e.samples for e in experiments),
            "seconds": round(sum(e.seconds for e in experiments), 3),
            "seconds_of_this_invocation": round(seconds, 3),
            "tokens": sum(e.tokens for e in experiments),
            "cost_usd": sum(e.cost_usd for e in experiments),
        },
        "config": {key: value for key, value, _ in describe(resolved)},
    }
    text = json.dumps(facts, indent=2, default=str, ensure_ascii=False) + "\n"
    (folder / "run.json").write_text(text, encoding="utf-8")


def metric_name(config: Config) -> str:
    """What the metric is called in reports."""
    return config.metric.name or "metric"


def _plans(config: Config, repository: Repository) -> Plans:
    metric, holdout = config.metric, config.holdout
    return Plans(
        metric=MetricPlan(
            command=metric.command, extract=metric.extractor(), timeout=metric.timeout
        ),
        guards=[
            GuardPlan(
                command=guard.command,
                extract=guard.extractor() if guard.metric else None,
                direction=guard.direction,
                tolerance=guard.tolerance,
                timeout=guard.timeout,
            )
            for guard in config.guards
        ],
        holdout=MetricPlan(
            command=holdout.command, extract=holdout.extractor(), timeout=holdout.timeout
        )
        if holdout
        else None,
        hooks=repository.hooks() if config.hooks else None,
    )


def build_bench(
    config: Config, ground: Ground, tree: MeasureTree, observe: Observer, stop: Stop
) -> Bench:
    """The commands of the configuration, ready to run in `tree`."""
    logs, private_logs = ground.folder / "logs", ground.run_store / "holdout"
    for folder in (logs, private_logs):
        folder.mkdir(parents=True, exist_ok=True)
    return Bench(
        tree=tree,
        plans=_plans(config, ground.repository),
        environment={
            **{name: os.environ[name] for name in config.pass_env if name in os.environ},
            **config.env,
        },
        inherit=os.environ,
        stop=stop,
        observe=observe,
        logs=logs,
        private_logs=private_logs,
    )


def _holdout(config: Config, bench: Bench) -> Holdout | None:
    plan = bench.plans.holdout
    return Holdout(bench, plan, config.holdout_direction) if plan else None


def _policy(config: Config) -> Policy:
    return Policy(
        direction=config.metric.direction,
        min_effect=config.metric.min_effect,
        repeats_min=config.metric.repeats.min,
        repeats_max=config.metric.repeats.max,
    )


def _ruler(config: Config) -> dict[str, Any]:
    """What the numbers of a run mean; targets and timeouts may change."""
    values = config.model_dump(mode="json", include=set(_RULER))
    for key in ("target", "timeout"):
        values["metric"].pop(key)
    # A value of the environment may be a secret: only whether it changed matters here.
    text = json.dumps(values["env"], sort_keys=True)
    values["env"] = hashlib.sha256(text.encode()).hexdigest()
    return values


def _refuse_other_ruler(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    changed = sorted(key for key in now if before.get(key) != now[key])
    if changed:
        raise ConfigError(
            f"--resume: {', '.join(changed)} changed since this run was started, so its numbers "
            "would not compare with new ones.\n"
            "do: undo that change, or start a run with another --tag."
        )


def _started(config: Config, ground: Ground, ledger: Ledger) -> RunStarted:
    return RunStarted(
        tag=ground.tag,
        branch=ground.branch or "",
        base_commit=ground.base,
        goal=config.goal,
        metric=metric_name(config),
        direction=config.metric.direction,
        iterations=config.iterations,
        resumed_from=max(len(ledger.experiments) - 1, 0),
    )


def _ended(finished: Finished) -> RunFinished:
    experiments = finished.ledger.experiments
    return RunFinished(
        stop_reason=finished.stop_reason,
        kept=len(finished.ledger.history.kept),
        baseline=experiments[0].metric if experiments else None,
        best=experiments[-1].best if experiments else None,
        branch=finished.ground.branch or "",
        report_dir=str(finished.ground.folder),
    )


def _host() -> str:
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, "
        f"Python {platform.python_version()}"
    )
