"""Configuration -> who decides about a candidate, and by which rule."""

from __future__ import annotations

from collections.abc import Sequence

from autoresearch_ci.candidate import Court
from autoresearch_ci.cli.workshop import RunWorkshop
from autoresearch_ci.config.plans import report_path
from autoresearch_ci.config.resolve import Config
from autoresearch_ci.decide.decision import Policy
from autoresearch_ci.decide.gaming.detect import Ruler
from autoresearch_ci.measure.bench import Bench
from autoresearch_ci.measure.holdout import Holdout
from autoresearch_ci.preflight import Ground
from autoresearch_ci.workspace.changes import EarlierChange
from autoresearch_ci.workspace.scope import command_files


def make_court(
    workshop: RunWorkshop, bench: Bench, unwanted: Sequence[EarlierChange] = ()
) -> Court:
    """The court of a run; `unwanted` is what people asked not to try again."""
    config, ground, holdout = workshop.config, workshop.ground, bench.plans.holdout
    return Court(
        policy=_policy(config),
        scope=ground.scope,
        files=ground.files,
        bench=bench,
        store=workshop.store,
        ledger=workshop.ledger,
        holdout=Holdout(bench, holdout) if holdout else None,
        ruler=_ruler(config, ground),
        warn=workshop.observe if config.gaming == "warn" else None,
        redactor=workshop.redactor,
        unwanted=tuple(unwanted),
    )


def _ruler(config: Config, ground: Ground) -> Ruler | None:
    """What no candidate may play against; `None` when that is allowed."""
    if config.gaming == "allow":
        return None
    metrics = [part for part in (config.metric, config.holdout) if part]
    commands = [part.command for part in (*metrics, *config.guards)]
    named = (path for command in commands for path in command_files(command, ground.files))
    extracts = [part.extractor() for part in metrics]
    reports = [*map(report_path, extracts), *(guard.junit for guard in config.guards)]
    names = [*(extract.name for extract in extracts), *(g.metric for g in config.guards)]
    patterns = [extract.regex for extract in extracts]
    if not config.metric.name:
        patterns.append(r"^[ \t]*METRIC[ \t]+[\w.-]+[ \t]*=")
    return Ruler(
        names=tuple(filter(None, names)),
        patterns=tuple(filter(None, patterns)),
        files=(*(p for p in named if ground.scope.refusal(p)), *filter(None, reports)),
    )


def _policy(config: Config) -> Policy:
    """The keep rule's constants."""
    return Policy(
        direction=config.metric.direction,
        min_effect=config.metric.min_effect,
        repeats_min=config.metric.repeats.min,
        repeats_max=config.metric.repeats.max,
        exact=not config.metric.rubric,
    )
