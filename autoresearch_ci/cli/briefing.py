"""Configuration -> what proposers are told, and what they are not shown."""

from __future__ import annotations

from autoresearch_ci.candidate import Court
from autoresearch_ci.cli.workshop import RunWorkshop
from autoresearch_ci.config.resolve import Config
from autoresearch_ci.decide.budget import Limits
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.preflight import Ground
from autoresearch_ci.propose.briefing import Briefing
from autoresearch_ci.report.run_folder import metric_name
from autoresearch_ci.workspace.scope import command_files

PROGRAM_LIMIT = 1_000_000
"""Bytes of the human's brief; one that is so large is another file."""


def make_briefing(workshop: RunWorkshop, court: Court) -> Briefing:
    """What every proposer is told. Raises `ConfigError` when the program is not committed."""
    from autoresearch_ci.propose.prompt import PROGRAM_BYTES

    config, ground = workshop.config, workshop.ground
    program = ""
    if config.program:
        version = ground.files.get(config.program)
        if version is None or not version.regular:
            raise ConfigError(
                f"program: {config.program} is not a file of the base commit.\n"
                "do: commit it, or correct the path; it is relative to the repository's root."
            )
        size = workshop.store.size(version)
        if size > PROGRAM_LIMIT:
            raise ConfigError(
                f"program: {config.program} has {size} bytes, at most {PROGRAM_LIMIT} may be; a "
                f"prompt holds the first {PROGRAM_BYTES} of them.\n"
                "do: shorten it, or name the right file."
            )
        program = workshop.store.read(version).decode(errors="replace")
    return Briefing(
        goal=config.goal,
        metric=metric_name(config),
        program=program,
        hidden=workshop.hidden,
        seed=config.seed,
        limits=make_limits(config),
        direction=court.policy.direction,
        ledger=court.ledger,
        tree=court.tree,
    )


def hidden_files(config: Config, ground: Ground, config_path: str | None) -> tuple[str, ...]:
    """The holdout's own files, and the configuration that names them."""
    if not config.holdout:
        return ()
    metric = set(command_files(config.metric.command, ground.files))
    own = [p for p in command_files(config.holdout.command, ground.files) if p not in metric]
    return (*own, config_path) if config_path else tuple(own)


def make_limits(config: Config) -> Limits:
    """Where the run stops."""
    minutes = config.budget.minutes
    return Limits(
        iterations=config.iterations,
        seconds=minutes * 60 if minutes else None,
        target=config.metric.target,
        plateau=config.plateau,
        usd=config.budget.usd,
        tokens=config.budget.tokens,
    )
