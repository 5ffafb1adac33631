"""What a run is made of, in folders of its own that are gone afterwards: for those who only try."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from autoresearch_ci.cli.assembly import Collaborators, make_ledger, make_redactor
from autoresearch_ci.config.schema import Config
from autoresearch_ci.events import Observer
from autoresearch_ci.execution.command import Stop
from autoresearch_ci.preflight import RunContext
from autoresearch_ci.record.ledger import Ledger
from autoresearch_ci.record.run_records import Records
from autoresearch_ci.workspace.scratch import temporary
from autoresearch_ci.workspace.store import opened


@dataclass(frozen=True, kw_only=True)
class TemporaryRun:
    """Collaborators that leave nothing behind."""

    collaborators: Collaborators
    ledger: Ledger
    stack: ExitStack


@contextmanager
def apart_from_runs(
    config: Config,
    context: RunContext,
    environment: Mapping[str, str],
    stop: Stop,
    observe: Observer = lambda event: None,
) -> Iterator[TemporaryRun]:
    """Neither the checkout nor the records of runs are touched."""
    with ExitStack() as stack:
        folder, scratch = (stack.enter_context(temporary()) for _ in range(2))
        context = dataclasses.replace(
            context, folder=folder / "run", run_store=folder / "store", scratch=scratch
        )
        context.run_store.mkdir(mode=0o700)
        records = Records(context.run_store)
        stack.callback(records.close)
        store = stack.enter_context(opened(context.repository, folder / "git"))
        collaborators = Collaborators(
            config=config,
            context=context,
            store=store,
            observe=observe,
            stop=stop,
            environment=environment,
            redactor=make_redactor(config, environment),
        )
        ledger = make_ledger(config, context, store, records)
        yield TemporaryRun(collaborators=collaborators, ledger=ledger, stack=stack)
