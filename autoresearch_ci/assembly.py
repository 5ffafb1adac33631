"""Configuration -> the collaborators of a run; what they do together is run.py's business."""

from __future__ import annotations

import os
import re
from pathlib import Path

from autoresearch_ci.budget import Limits
from autoresearch_ci.command import Stop
from autoresearch_ci.config import Config
from autoresearch_ci.decision import Policy
from autoresearch_ci.events import Observer
from autoresearch_ci.holdout import Holdout
from autoresearch_ci.measure_tree import Layout, MeasureTree
from autoresearch_ci.measurement import Bench, GuardPlan, MetricPlan, Plans
from autoresearch_ci.preflight import Ground
from autoresearch_ci.proposers import Proposer
from autoresearch_ci.workspace import Repository, Store


def make_proposer(name: str, start: Path) -> Proposer:
    """The proposer that the configuration names. Raises `ConfigError` or `ProposerError`."""
    if name.startswith("script:"):
        from autoresearch_ci.proposers.script import ScriptProposer

        return ScriptProposer(start / name.removeprefix("script:"))
    from autoresearch_ci.proposers.search import SearchProposer
    from autoresearch_ci.proposers.second_look import SecondLook

    return SecondLook(SearchProposer())


def make_tree(config: Config, ground: Ground, store: Store) -> MeasureTree:
    """The measure tree, not created yet."""
    layout = Layout(
        box=ground.box,
        pristine=ground.run_store / "pristine",
        checkout=ground.repository.root,
        share=ground.share,
        cache=tuple(config.cache),
    )
    return MeasureTree(layout, store, ground.base, ground.files)


def make_bench(
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


def make_holdout(config: Config, bench: Bench) -> Holdout | None:
    """The holdout, when one is configured."""
    plan = bench.plans.holdout
    return Holdout(bench, plan) if plan else None


def make_policy(config: Config) -> Policy:
    """The keep rule's constants."""
    return Policy(
        direction=config.metric.direction,
        min_effect=config.metric.min_effect,
        repeats_min=config.metric.repeats.min,
        repeats_max=config.metric.repeats.max,
    )


def make_limits(config: Config) -> Limits:
    """Where the run stops."""
    minutes = config.budget.minutes
    return Limits(
        iterations=config.iterations,
        seconds=minutes * 60 if minutes else None,
        target=config.metric.target,
        plateau=config.plateau,
    )


def _plans(config: Config, repository: Repository) -> Plans:
    metric, holdout = config.metric, config.holdout
    return Plans(
        metric=MetricPlan(
            command=metric.command,
            extract=metric.extractor(),
            direction=metric.direction,
            timeout=metric.timeout,
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
            command=holdout.command,
            extract=holdout.extractor(),
            direction=config.holdout_direction,
            timeout=holdout.timeout,
        )
        if holdout
        else None,
        hooks=repository.hooks() if config.hooks else None,
        curve=re.compile(metric.early_stop.regex) if metric.early_stop else None,
    )
