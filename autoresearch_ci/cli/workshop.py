"""What the collaborators of a run are built from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from autoresearch_ci.config.resolve import Config
from autoresearch_ci.events import Note, Observer
from autoresearch_ci.execution.command import Stop
from autoresearch_ci.preflight import Ground
from autoresearch_ci.record.durable_records import Records
from autoresearch_ci.record.ledger import Ledger
from autoresearch_ci.record.notebook import RunFacts
from autoresearch_ci.safety.redaction import Redactor
from autoresearch_ci.workspace.store import Store


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """What a bench is built from."""

    config: Config
    ground: Ground
    store: Store
    observe: Observer
    stop: Stop
    environment: Mapping[str, str]
    """To be read instead of `os.environ`, which holds no secrets."""
    redactor: Redactor

    def note(self, message: str) -> None:
        self.observe(Note(message=message))


@dataclass(frozen=True, kw_only=True)
class RunWorkshop(Workshop):
    """What proposers are built from: a run, that is, with a past."""

    ledger: Ledger
    hidden: tuple[str, ...]
    """Files that no proposer may read."""
    start: Path
    """Where the command was called; `script:FILE` is relative to it."""


def make_ledger(
    config: Config,
    ground: Ground,
    store: Store,
    records: Records,
    redact: Callable[[str], str] = str,
) -> Ledger:
    """A run's memory, still empty."""
    facts = RunFacts(
        tag=ground.tag,
        branch=ground.branch,
        base=ground.base,
        direction=config.metric.direction,
        folder=ground.folder,
    )
    return Ledger(
        facts=facts, repository=ground.repository, store=store, records=records, redact=redact
    )
