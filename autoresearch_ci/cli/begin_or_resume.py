"""A run's records at its start: begun anew, or read to continue it, and when that is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import autoresearch_ci
from autoresearch_ci.config.schema import Config
from autoresearch_ci.errors import ConfigError, WorkspaceError
from autoresearch_ci.experiment import Spent
from autoresearch_ci.preflight import RunContext
from autoresearch_ci.publish.publisher import StartPoint
from autoresearch_ci.record.remote_notebooks import ruler_of
from autoresearch_ci.record.run_history import CostRecord, History, StartRecord, check_history
from autoresearch_ci.record.run_records import Records
from autoresearch_ci.safety.redaction import Redactor


def begin_or_resume(
    records: Records,
    config: Config,
    context: RunContext,
    redactor: Redactor,
    start: StartPoint,
    *,
    resume: bool,
) -> History:
    """What an earlier process left behind, or a fresh start written down."""
    history = records.read()
    ruler = redactor.redact_all(ruler_of(config))
    if resume and history.start:
        _refuse_other_ruler(history.start.ruler, ruler)
        check_history(history, base=context.base, scope=context.scope, git=context.repository)
    else:
        if history.verdicts:  # by a run that began and ended since this one looked
            raise WorkspaceError(
                f"tag {context.tag} was used in the meantime.\n"
                "do: continue that run with --resume, or choose another --tag."
            )
        # What a run without a verdict spent on its baseline is spent all the same.
        history = History(branch=context.branch, unfinished=history.unfinished)
        records.reset()
        records.append(
            StartRecord(
                base=context.base,
                tag=context.tag,
                branch=context.branch,
                ruler=ruler,
                version=autoresearch_ci.__version__,
                publish=dataclasses.asdict(start),
            )
        )
        if (lost := history.unfinished) != Spent():
            records.append(CostRecord(iteration=0, tokens=lost.tokens, cost_usd=lost.cost_usd))
    context.repository.exclude(f"/autoresearch/{'fix' if config.repairs else 'run'}-*/")
    context.folder.mkdir(parents=True, exist_ok=True)
    return history


def _refuse_other_ruler(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    changed = sorted(key for key in now if before.get(key) != now[key])
    if changed:
        raise ConfigError(
            f"--resume: {', '.join(changed)} changed since this run was started, so its numbers "
            "would not compare with new ones.\n"
            "do: undo that change, or start a run with another --tag."
        )


def other_version(history: History) -> list[str]:
    before = history.start.version if history.start else autoresearch_ci.__version__
    if before == autoresearch_ci.__version__:
        return []
    return [
        f"this run was started by version {before} of autoresearch-ci and goes on with "
        f"{autoresearch_ci.__version__}: the numbers compare, but proposers and the keep rule may "
        "differ. Install that version again, or use another --tag, if that matters."
    ]
