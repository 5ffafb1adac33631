"""The failures of a run that repairs, as report.html lists them: by which commit each is gone, or
why it is left.

CORE: values in, values out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from autoresearch_ci.decide.failures.repair_order import BLOCKED
from autoresearch_ci.decide.metric.taken_back import told
from autoresearch_ci.experiment import Experiment, Status
from autoresearch_ci.report.html_list import Cell, Listing, Row, columns
from autoresearch_ci.report.repair_summary import mended_by
from autoresearch_ci.report.run_summary import RemainingFailure, Repairs, RunInfo, count
from autoresearch_ci.safety.wording import commit_name, shortened

_STATES = ("left", "blocked", "flaky", "not ours", "fixed")
"""What somebody has to do with comes first."""
_KINDS = {"left": "bad", "blocked": "bad", "flaky": "doubtful", "fixed": "good"}


def repairs_list(
    experiments: Sequence[Experiment], info: RunInfo, earlier: Sequence[Experiment] = ()
) -> Listing | None:
    """`earlier`: what nights before this one kept. `None`: the run repairs nothing."""
    if info.repairs is None:
        return None
    rows = [
        *(_left(each) for each in info.repairs.shown),
        *(
            row
            for e in told(experiments)
            for row in _fixed(e, info.repairs, f"#e{e.iteration}", f"#{e.iteration}")
        ),
        *(row for e in earlier for row in _fixed(e, info.repairs, "", "an earlier night")),
    ]
    missing = []
    if (more := info.repairs.left + info.repairs.flaky - len(info.repairs.shown)) > 0:
        missing.append(f"{count(more, 'more failure')} left, which are not listed.")
    if not info.repairs.looked:
        missing.append("What is left has not been looked at since the run went on.")
    missing += [f"{name} does not tell everything: {why}." for name, why in _unseen(info)]
    return Listing(
        name="failures",
        title="Failures",
        search="file, test, rule, message, commit",
        columns=columns("state kind tool where by failure", "state kind tool"),
        rows=sorted(rows, key=lambda row: row.cells[0].order or 0),
        missing=" ".join(missing),
    )


def _unseen(info: RunInfo) -> Iterator[tuple[str, str]]:
    if info.repairs:
        yield from info.repairs.incomplete.items()


def _state(name: str) -> Cell:
    return Cell(text=name, order=_STATES.index(name))


def _left(failure: RemainingFailure) -> Row:
    state = "left"
    if failure.why:
        named = [name for name in ("flaky", BLOCKED) if failure.why.startswith(name)]
        state = named[0] if named else "not ours"
    where = f"{failure.path}:{failure.line}" if failure.line else failure.path
    return Row(
        cells=(
            _state(state),
            Cell(text=failure.category),
            Cell(text=_tool(failure.id)),
            Cell(text=where),
            Cell(text=""),
            Cell(text=shortened(failure.message, 160) or failure.id),
        ),
        words=(
            ("id", failure.id),
            ("why it is left", failure.why or "its turn did not come"),
            ("said", failure.message if len(failure.message) > 160 else ""),
        ),
        kind=_KINDS.get(state, ""),
    )


def _fixed(e: Experiment, found: Repairs, link: str, night: str) -> Iterator[Row]:
    """A row for each failure that is gone by it."""
    if e.status is not Status.KEEP:
        return
    ids, more = mended_by(e, found)
    rest = [f"{count(more, 'more failure')}, see the commit"] if more else []
    for name in (*ids, *rest):
        by = f"{night} {commit_name(e.commit)}" if e.commit else night
        told = _BY_PLACE.fullmatch(name)
        yield Row(
            cells=(
                _state("fixed"),
                Cell(text=""),
                Cell(text="" if name in rest else _tool(name)),
                Cell(text=told["path"] if told else ""),
                Cell(text=by, link=link),
                Cell(text=(told and told["code"]) or name),
            ),
            words=(("repaired by", e.description), ("note", e.doubt), ("id", name if told else "")),
            kind=_KINDS["fixed"],
        )


_BY_PLACE = re.compile(r"[^:]+:(?P<path>[^:]+):(?P<code>[^:]*):[0-9a-f]{10}(?:#[0-9]+)?")
"""An id of what has no name of its own: tool, path, rule, and a hash of what is said."""


def _tool(failure_id: str) -> str:
    """An id begins with it."""
    name, found, _ = failure_id.partition(":")
    return name if found else ""
