"""Where kept commits go: what a run calls, when, and what it is told and hands over.

forge_publisher.py is the publisher for forges; bundle.py writes a file, which publish_bundle.py
publishes in a job that may write. resolve_start.py finds out where a run begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from autoresearch_ci.decide.metric.taken_back import standing
from autoresearch_ci.experiment import Direction, Experiment, Published
from autoresearch_ci.record import journal_tsv as journal
from autoresearch_ci.record import remote_notebooks
from autoresearch_ci.record.notebook import RunFacts
from autoresearch_ci.record.remote_notebooks import Lineage, Rejected
from autoresearch_ci.record.run_history import History, PushRecord
from autoresearch_ci.report.chart import progress_svg
from autoresearch_ci.report.run_summary import RunInfo
from autoresearch_ci.workspace.earlier_change import EarlierChange


@dataclass(frozen=True, kw_only=True)
class StartPoint:
    """Where a run begins and what it knows of earlier ones; written down, for a resumed run."""

    branch: str = ""
    """Name on the forge; it may differ from the local branch's. Empty: published nowhere."""
    base: str | None = None
    """Commit to start from; `None`: HEAD."""
    merges: Sequence[str] = ()
    """The two commits whose merge the base is; empty: it is no merge of ours."""
    there: str | None = None
    """What the forge's branch was at; `None`: it did not exist."""
    notebook_ref: str = ""
    """Name on the forge; another run may have taken the local one."""
    tried: Sequence[str] = ()
    """What earlier runs tried, for proposers."""
    ruler: str = ""
    """The mark of what this run's numbers mean, see remote_notebooks.py; empty: unknown."""
    past: Sequence[str] = ()
    """Journals of earlier runs on this branch whose numbers compare with ours, oldest first."""
    lineage: Lineage = field(default_factory=Lineage)
    """What the branch consists of already."""
    kept: str = ""
    """Rows of the journal: what earlier runs kept on this branch."""
    replaces: str = ""
    """Address of the pull request whose branch is not ours any more."""
    because: str = ""
    """Why it is not: `closed`, `superseded`, `conflict`, `moved`, `deleted`, `merged`, `apart`."""
    rejected: Sequence[Rejected] = ()
    """What people have refused by closing a pull request: not proposed again."""
    ignored: Sequence[str] = ()
    """What people asked not to propose again, in words."""
    unwanted: Sequence[EarlierChange] = ()
    """The same, as changes: a candidate that makes one of them is not measured."""
    again: Sequence[EarlierChange] = ()
    """What people asked to have measured again."""
    heard: str = ""
    """When the last command was given that has been read; the forge's clock, ISO 8601 in UTC."""

    @property
    def kept_rows(self) -> tuple[Experiment, ...]:
        """`kept`, read, without what was taken back; a row says nothing of the direction."""
        return standing(journal.parse_rows(journal.header(Direction.MINIMIZE) + self.kept))


def recalled(data: object) -> StartPoint:
    """What an earlier process wrote down; nothing, when it cannot have been one of ours."""
    from pydantic import TypeAdapter, ValidationError

    try:
        found = TypeAdapter(StartPoint).validate_python(data)
        _ = found.kept_rows
    except (ValidationError, ValueError):
        return StartPoint()
    return found


def comparable_keeps(start: StartPoint) -> tuple[Experiment, ...]:
    """What earlier runs kept, where their numbers mean what this run's do."""
    if any(night.ruler != start.ruler for night in start.lineage.nights):
        return ()
    return journal.parse_rows(journal.header(Direction.MINIMIZE) + start.kept)


class RunRecord(Protocol):
    """What is published: a run's ledger, or what a bundle tells of one."""

    facts: RunFacts
    history: History

    @property
    def experiments(self) -> list[Experiment]:
        """The journal."""

    @property
    def incumbent(self) -> str:
        """The newest kept commit; the base when nothing was kept."""

    def illustrate(self, files: Mapping[str, bytes]) -> str | None:
        """Put files into the notebook; its newest commit, `None`: there is none yet."""

    def pushed(self, record: PushRecord) -> None:
        """Remember what has been published; `history.pushed` says it from then on."""


def illustrated_notebook(record: RunRecord, info: RunInfo, start: StartPoint) -> str | None:
    """The notebook with the picture and what a later run must know; its newest commit."""
    chart = progress_svg(
        record.experiments,
        direction=info.direction,
        metric_name=info.metric_name,
        title=info.goal,
        earlier=comparable_keeps(start),
        tried_earlier=sum(night.tried for night in start.lineage.nights),
        confirmation=info.confirmation,
    )
    known = remote_notebooks.facts(
        metric=info.metric_name,
        direction=info.direction,
        branch=start.branch,
        heard=start.heard,
        ruler=start.ruler,
        host=info.host,
        nights=start.lineage.nights,
        rejected=start.rejected,
    )
    return record.illustrate(
        {remote_notebooks.CHART: chart.encode(), remote_notebooks.FACTS: known}
    )


class Publisher:
    """What a run calls, and when. Nothing here loses or stops a run once it has begun.

    By itself it publishes nothing: the branch in this repository is all there is.
    """

    def begin(self, tag: str) -> StartPoint:
        """Before anything is measured; not when resuming. Raises `AutoresearchError`."""
        return StartPoint()

    def follow(self, record: RunRecord, start: StartPoint, describe: Callable[[], RunInfo]) -> None:
        """The run's record is open: what is kept from now on is to be published."""

    def kept(self) -> None:
        """After each keep is written down."""

    def finish(self, *, hurry: bool) -> Published:
        """The run has ended, however; `hurry`: the process is about to be killed."""
        return Published()

    def close(self) -> None:
        """Give up what it holds."""
