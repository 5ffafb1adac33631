"""Configuration -> the bench: the measure tree, the commands that run in it, the judge."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from autoresearch_ci.cli import confinement
from autoresearch_ci.cli.claude import claude_settings
from autoresearch_ci.cli.workshop import Workshop
from autoresearch_ci.config.plans import GuardPlan, MetricPlan, Plans
from autoresearch_ci.config.resolve import Config
from autoresearch_ci.measure.bench import Bench
from autoresearch_ci.workspace.measure_tree import Layout, MeasureTree
from autoresearch_ci.workspace.repository import Repository

if TYPE_CHECKING:
    from autoresearch_ci.experiment import Spent
    from autoresearch_ci.measure.judge import Judge


def open_bench(
    workshop: Workshop, stack: ExitStack, *, paid: Callable[[Spent], None] = lambda cost: None
) -> Bench:
    """A bench whose tree is created and set up; what it holds open is closed with `stack`.

    `paid`: is told what the judge costs. Raises `BaselineError` or `ProposerError`.
    """
    tree = _make_tree(workshop)
    stack.callback(tree.sandbox.close)
    tree.create(workshop.ground.modules)
    bench = _make_bench(workshop, tree, _make_judge(workshop, stack, paid))
    bench.set_up(workshop.config.setup)
    return bench


def idle_bench(workshop: Workshop) -> Bench:
    """A bench that never measures anything."""
    return _make_bench(workshop, _make_tree(workshop), None)


def _make_tree(workshop: Workshop) -> MeasureTree:
    config, ground = workshop.config, workshop.ground
    layout = Layout(
        box=ground.box,
        pristine=ground.run_store / "pristine",
        checkout=ground.repository.root,
        share=ground.share,
        cache=tuple(config.cache),
    )
    own = (layout.tree, layout.home, layout.temporary)
    sandbox = confinement.measured(config, ground, own)
    return MeasureTree(layout, workshop.store, ground.base, ground.files, sandbox)


def _make_bench(workshop: Workshop, tree: MeasureTree, judge: Judge | None) -> Bench:
    config, ground, environment = workshop.config, workshop.ground, workshop.environment
    logs, private_logs = ground.folder / "logs", ground.run_store / "holdout"
    for folder in (logs, private_logs):
        folder.mkdir(parents=True, exist_ok=True)
    return Bench(
        tree=tree,
        plans=_plans(config, ground.repository),
        environment={
            **{name: environment[name] for name in config.pass_env if name in environment},
            **config.env,
        },
        inherit=environment,
        redact=workshop.redactor.redact,
        stop=workshop.stop,
        observe=workshop.observe,
        logs=logs,
        private_logs=private_logs,
        judge=judge,
    )


def _make_judge(
    workshop: Workshop, stack: ExitStack, paid: Callable[[Spent], None]
) -> Judge | None:
    """Who gives the number of a rubric. Raises `ProposerError` when the service is unusable."""
    config, environment = workshop.config, workshop.environment
    if not config.metric.rubric:
        return None
    from autoresearch_ci.llm.service import MessagesService
    from autoresearch_ci.llm.tools import Dialect
    from autoresearch_ci.measure.judge import Judge, JudgeSettings

    claude = claude_settings(config)
    settings = replace(claude, model=config.metric.judge.model or claude.model)
    service = MessagesService(
        settings,
        environment,
        time.sleep,
        workshop.stop.check,
        lambda message: workshop.note(f"judge: {message}"),
        workshop.redactor,
    )
    stack.callback(service.close)
    native = settings.tools(environment) is Dialect.NATIVE
    if native:
        service.verify()
    return Judge(
        JudgeSettings(
            criteria=config.metric.rubric,
            model=settings.model,
            votes=config.metric.judge.votes,
            file_bytes=config.metric.judge.file_bytes,
            native=native,
            provider=settings.cloud(),
            price=settings.price,
        ),
        ask=service.ask,
        paid=paid,
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
                junit=guard.junit,
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
        judged=metric.files,
        hooks=repository.hooks() if config.hooks else None,
        curve=re.compile(metric.early_stop.regex) if metric.early_stop else None,
    )
