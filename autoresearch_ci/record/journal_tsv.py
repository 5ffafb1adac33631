"""results.tsv: rows to and from text; ledger.py writes them.

The first nine columns are uditgoenka/autoresearch's, so its tools read our file, and we read its
older files (which lack timestamp, guard or guard-metric) and karpathy/autoresearch's five columns.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autoresearch_ci.experiment import Direction, Experiment, HoldoutVerdict, Status
from autoresearch_ci.safety.characters import replaced_for_people
from autoresearch_ci.safety.log_text import defuse
from autoresearch_ci.safety.untrusted_values import MetricError, parse_number

TEXT_LIMIT = 500
"""Characters of one text cell."""

_MISSING = "-"
_DIRECTIONS = {Direction.MINIMIZE: "lower_is_better", Direction.MAXIMIZE: "higher_is_better"}
_DIRECTION_LINE = re.compile(r"#\s*metric_direction:\s*(\S+)\s*")


def header(direction: Direction) -> str:
    """The two lines that start a journal, newlines included."""
    return f"# metric_direction: {_DIRECTIONS[direction]}\n{_TITLE_LINE}\n"


def format_row(experiment: Experiment) -> str:
    """One line, newline included. Metrics survive exactly; times and shares are rounded."""
    cells = (column.write(getattr(experiment, column.field)) for column in _COLUMNS)
    return "\t".join(cells) + "\n"


def recorded(experiment: Experiment) -> Experiment:
    """The experiment as every later reader of the journal sees it.

    A run that decides on these, not on unrounded originals, continues identically after a resume.
    """
    return parse_rows(f"{_TITLE_LINE}\n{format_row(experiment)}")[0]


def parse_rows(text: str) -> tuple[Experiment, ...]:
    """Every complete row. Unknown columns are ignored, and so is a torn last line.

    Raises `ValueError` naming the line.
    """
    rows: list[Experiment] = []
    titles: list[str] = []
    for number, line in _content_lines(text):
        cells = line.split("\t")
        if not titles or cells == titles or line == _TITLE_LINE:
            if "status" not in cells or "description" not in cells:
                raise ValueError(f"line {number}: expected the journal's column names")
            titles = cells
            continue
        try:
            rows.append(_experiment(_by_title(titles, cells), rows))
        except (ValueError, MetricError) as error:
            raise ValueError(f"line {number}: {error}") from error
    return tuple(rows)


def parse_direction(text: str) -> Direction | None:
    """What the header says; `None` when the header is missing or torn: then write it (again).

    Raises `ValueError` for a direction that is neither.
    """
    for line in text.split("\n")[:-1]:
        stated = _DIRECTION_LINE.fullmatch(line)
        if stated:
            word = stated[1]
            for direction, name in _DIRECTIONS.items():
                if word in (name, direction.value, name.partition("_")[0]):
                    return direction if next(_content_lines(text), None) else None
            raise ValueError(
                f"metric_direction is {word!r}, not lower_is_better or higher_is_better"
            )
    return None


def _content_lines(text: str) -> Iterator[tuple[int, str]]:
    # Not splitlines(): a foreign description may hold U+2028 or a form feed.
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        line = line.removesuffix("\r")
        if line.strip() and not line.startswith("#"):
            yield number, line


def _by_title(titles: Sequence[str], cells: Sequence[str]) -> Mapping[str, str]:
    if len(cells) == len(titles) - 1 and "guard-metric" in titles and "best" not in titles:
        # uditgoenka/autoresearch 1.9 to 2.0 documents a baseline row that forgets this cell.
        at = titles.index("guard-metric")
        cells = [*cells[:at], _MISSING, *cells[at:]]
    if len(cells) != len(titles):
        raise ValueError(f"{len(cells)} cells under {len(titles)} column names")
    row = dict(zip(titles, cells, strict=True))
    if "metric" not in row:  # karpathy/autoresearch: `val_bpb`, or whatever the user called it
        row["metric"] = cells[1]
    return row


def _experiment(row: Mapping[str, str], before: Sequence[Experiment]) -> Experiment:
    values = {column.field: column.read(row.get(column.title, _MISSING)) for column in _COLUMNS}
    if "iteration" not in row:
        values["iteration"] = len(before)
    elif values["iteration"] is None:
        raise ValueError("the iteration is missing")
    found = Experiment(**values)
    return found if "best" in row else _completed(found, row, before)


def _completed(
    found: Experiment, row: Mapping[str, str], before: Sequence[Experiment]
) -> Experiment:
    """A foreign row, with what our own columns would have said."""
    measured = found.status in (Status.BASELINE, Status.KEEP, Status.DISCARD)
    metric, delta = found.metric, found.delta
    if not measured and not metric:  # their crashes print 0.000000
        metric = delta = None
    status, commit = found.status, found.commit
    first = not before or found.description.lower() == "baseline"  # of another run, appended
    if first and "iteration" not in row and status is Status.KEEP:
        status, commit = Status.BASELINE, commit.removeprefix("baseline")
    incumbent = before[-1].best if before and status is not Status.BASELINE else None
    if "delta" not in row and metric is not None:
        delta = 0.0 if incumbent is None else metric - incumbent
    memory = _number_or_zero(row.get("memory_gb", "")) * 1024
    return replace(
        found,
        metric=metric,
        delta=delta,
        status=status,
        commit=commit,
        best=metric if status in (Status.BASELINE, Status.KEEP) else incumbent,
        samples=0 if metric is None else 1,
        peak_memory_mb=memory or None,
    )


def _cell(text: str) -> str:
    """`text` as one visible cell: whatever could break a row or hide in it becomes a space."""
    shown = replaced_for_people(text[: 4 * TEXT_LIMIT], lambda char: " ")
    cell = defuse(" ".join(shown.split()))  # somebody will print the file in a workflow
    return (cell if len(cell) <= TEXT_LIMIT else cell[: TEXT_LIMIT - 1] + "…") or _MISSING


def _exact(value: float | None) -> str:
    """The shortest text that reads back as the same float."""
    if value is None or not math.isfinite(value):
        return _MISSING
    return repr(float(value)).removesuffix(".0")


def _rounded(digits: int) -> Callable[[float | None], str]:
    return lambda value: _exact(value if value is None else round(value, digits))


def _significant(digits: int) -> Callable[[float | None], str]:
    return lambda value: _exact(value if value is None else float(f"{value:.{digits}g}"))


def _signed(value: float | None) -> str:
    # Twelve digits: 0.98 - 0.97 is 0.01, not 0.010000000000000009.
    text = _significant(12)(value)
    return f"+{text}" if value is not None and value > 0 and text != _MISSING else text


def _number_or_none(cell: str) -> float | None:
    return None if cell in (_MISSING, "") else parse_number(cell, sys.float_info.max)


def _number_or_zero(cell: str) -> float:
    return _number_or_none(cell) or 0.0


def _count(missing: int | None) -> Callable[[str], int | None]:
    def read(cell: str) -> int | None:
        if cell in (_MISSING, ""):
            return missing
        if not re.fullmatch("[0-9]{1,18}", cell):
            raise ValueError(f"{cell[:40]!r} is not a whole number")
        return int(cell)

    return read


def _text(cell: str) -> str:
    return "" if cell == _MISSING else cell


_OF_REPAIRS = {
    "fixed": Status.KEEP,
    **dict.fromkeys(("rework", "recover", "blocked"), Status.DISCARD),
}
"""What the peer writes where errors are repaired."""


def _status(cell: str) -> Status:
    word = cell.partition(" ")[0]  # the peer also writes `keep (reworked)`
    return _OF_REPAIRS.get(word) or Status(word)


@dataclass(frozen=True)
class _Column:
    title: str
    field: str
    write: Callable[[Any], str]
    read: Callable[[str], Any]


_COLUMNS = (
    _Column("iteration", "iteration", str, _count(None)),
    _Column("timestamp", "timestamp", _cell, _text),
    _Column("commit", "commit", _cell, _text),
    _Column("metric", "metric", _exact, _number_or_none),
    _Column("delta", "delta", _signed, _number_or_none),
    _Column("guard", "guard", _cell, lambda cell: cell or _MISSING),
    _Column("guard-metric", "guard_metric", _exact, _number_or_none),
    _Column("status", "status", str, _status),
    _Column("description", "description", _cell, _text),
    _Column("best", "best", _exact, _number_or_none),
    _Column("samples", "samples", str, _count(0)),
    _Column("ci_low", "ci_low", _significant(6), _number_or_none),
    _Column("ci_high", "ci_high", _significant(6), _number_or_none),
    _Column("seconds", "seconds", _rounded(3), _number_or_zero),
    _Column("tokens", "tokens", str, _count(0)),
    _Column("cost_usd", "cost_usd", _rounded(6), _number_or_zero),
    _Column("peak_memory_mb", "peak_memory_mb", _rounded(1), _number_or_none),
    _Column("proposer", "proposer", _cell, _text),
    _Column("attempts", "attempts", str, _count(1)),
    _Column("reason", "reason", _cell, _text),
    _Column("expected", "expected", _significant(6), _number_or_none),
    _Column("holdout", "holdout", str, lambda cell: HoldoutVerdict(cell or _MISSING)),
    _Column("doubt", "doubt", _cell, _text),
    _Column("failure", "failure", _cell, _text),
)
_TITLE_LINE = "\t".join(column.title for column in _COLUMNS)
