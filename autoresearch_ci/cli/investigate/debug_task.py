"""What `debug` is asked: flags, and what an earlier process was asked -> one task.

Nothing is run here. What does not fit together is refused before a tree is made.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_ci.cli.config import effective
from autoresearch_ci.cli.fix_targets import targets_of, with_targets
from autoresearch_ci.cli.investigate.open_investigation import EVERYTHING, iterations_of, place_of
from autoresearch_ci.config.fix import FixTarget
from autoresearch_ci.config.resolve import Setting
from autoresearch_ci.config.schema import Config
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.investigate.bisect import refuse_unrelated
from autoresearch_ci.investigate.experiments import interpreter
from autoresearch_ci.investigate.groundwork import shows
from autoresearch_ci.investigate.program import Program, bundled, from_file
from autoresearch_ci.preflight import Options
from autoresearch_ci.record.handoff import Handed, read_handoff
from autoresearch_ci.record.investigation_history import InvestigationStarted, Known
from autoresearch_ci.workspace.repository import Repository

NAME = "debug"
HANDED = "handed"
"""Name of the step that took in what another tool supposes."""


@dataclass(frozen=True, kw_only=True)
class DebugRequest:
    """What the command line asks of the failure."""

    command: str = ""
    """Empty: the repository's own checks say what fails."""
    symptom: str = ""
    """In a person's words."""
    good: str = ""
    """A commit where it did not fail; empty: no bisection."""
    handed: str = ""
    """A handoff.json, whose findings are looked at first; empty: none."""
    technique: str = ""
    depth: str = ""
    """A word of the program; empty: its defaults."""
    severity: str = ""

    @property
    def lasting(self) -> dict[str, str]:
        """By flag, what cannot be asked otherwise later."""
        return {
            "command": self.command,
            "symptom": self.symptom,
            "bisect": self.good,
            "from": self.handed,
            "technique": self.technique,
        }

    @property
    def flags(self) -> dict[str, str]:
        """What is written down: the rest is a limit, and may be another one when it goes on."""
        return {**self.lasting, "depth": self.depth}


@dataclass(frozen=True, kw_only=True)
class DebugTask:
    """One investigation, as it is to be made."""

    asked: DebugRequest
    program: Program
    place: Options
    """Which commit is looked at, and under which tag."""
    config: Config
    targets: tuple[FixTarget, ...]
    """What says what fails, where no command is given."""
    unread: tuple[str, ...]
    """Files that could have named more of them, and why they were not read."""
    iterations: int
    """How many hypotheses there may be."""
    good: str
    """Name of the commit where it did not fail; empty: no bisection."""
    handed: Handed | None
    """What another tool supposes; `None`: nothing, or an earlier process has read it."""


def task_of(options: argparse.Namespace, repository: Repository) -> DebugTask:
    """Raises `ConfigError`, `WorkspaceError`."""
    program = from_file(Path(options.program)) if options.program else bundled(NAME)
    asked = DebugRequest(
        command=options.failing or "",
        symptom=options.symptom or "",
        good=options.bisect or "",
        handed=options.handed or "",
        technique=options.technique or "",
        depth=options.depth or "",
        severity=options.severity or "",
    )
    place, known = place_of(options, NAME, repository)
    asked = _continued(asked, known.start)
    _refuse_unknown(asked, program)
    program, base = program.at_depth(asked.depth), place.base or ""
    targets, unread = ((), ()) if asked.command else _checks(options, repository, base)
    config, path = _configured(options, program, asked, [*map(shows, targets)])
    return DebugTask(
        asked=asked,
        program=program,
        place=replace(place, config_path=path),
        config=config,
        targets=targets,
        unread=unread,
        iterations=iterations_of(options, program, config),
        good=refuse_unrelated(repository, asked.good, base) if asked.good else "",
        handed=_handed(asked, known),
    )


def _handed(asked: DebugRequest, before: Known) -> Handed | None:
    """Raises `ConfigError`."""
    if not asked.handed or HANDED in before.steps:
        return None
    return read_handoff(Path(asked.handed), "--from")


def _refuse_unknown(asked: DebugRequest, program: Program) -> None:
    """Words that must be among the program's. Raises `ConfigError`."""
    known = program.facts.grid.get("technique", ())
    if asked.technique and asked.technique not in known:
        raise ConfigError(
            f"--technique {asked.technique!r}: expected one of {', '.join(known) or 'none'}."
        )


def _continued(asked: DebugRequest, known: InvestigationStarted | None) -> DebugRequest:
    """What an earlier process was asked; asking something else is a mistake."""
    if known is None:
        return asked
    for name, value in asked.lasting.items():
        if value and known.asked.get(name, "") != value:
            raise ConfigError(
                f"--resume: --{name} was {known.asked.get(name) or 'not given'!r} when it began.\n"
                "do: leave it out, or start anew with another --tag."
            )
    return replace(
        asked,
        command=known.asked.get("command", ""),
        symptom=known.asked.get("symptom", ""),
        good=known.asked.get("bisect", ""),
        handed=known.asked.get("from", ""),
        technique=known.asked.get("technique", ""),
        depth=asked.depth or known.asked.get("depth", ""),
    )


def _checks(
    options: argparse.Namespace, repository: Repository, base: str
) -> tuple[tuple[FixTarget, ...], tuple[str, ...]]:
    """What the repository is checked with: as `fix` is configured, else as its files say; and
    which of them were not read."""
    config = effective(options, command="fix")[0].config
    found = targets_of(config, repository, base)
    return with_targets(config, found).fix.targets if found.targets else (), found.unread


def _configured(
    options: argparse.Namespace,
    program: Program,
    asked: DebugRequest,
    checks: Sequence[str],
) -> tuple[Config, str | None]:
    """Configuration, and the path of its file.

    The metric's place is taken by what is run here; setup, sandbox and environment stay.
    """
    commands = [asked.command] if asked.command else checks
    if not (commands or asked.symptom or asked.handed):
        raise ConfigError(
            "there is nothing that could fail: no command is given, and none was found.\n"
            "do: name a command that fails: autoresearch-ci debug --command 'make test'"
        )
    first, *others = commands or ["true"]
    if "script" in program.facts.experiments.kinds:  # what a script would be started with
        others.append(f"{interpreter(first, 'python')} -c ''")
    resolved, path = effective(
        options,
        defaults=[Setting(at=("scope",), value=list(EVERYTHING), flag="default")],
        forced=[
            Setting(at=("metric",), value={"command": first}, flag="--command"),
            Setting(at=("guards",), value=others, flag="--command"),
        ],
    )
    return resolved.config, path
