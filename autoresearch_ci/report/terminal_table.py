"""The table that ends a run in a terminal: plain text, aligned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest

from autoresearch_ci.decide.metric.taken_back import told
from autoresearch_ci.experiment import Direction, Experiment, Status
from autoresearch_ci.report.run_summary import run_summary
from autoresearch_ci.safety.log_text import defuse
from autoresearch_ci.safety.wording import commit_name, number, shortened, signed

_HEADER = ("#", "commit", "metric", "delta", "guard", "change")
_RIGHT = (True, False, True, True, False, False)
_WIDTH = 70
"""Characters of a description: the whole line stays near 110."""


def results_table(
    experiments: Sequence[Experiment], direction: Direction, columns: int | None = None
) -> str:
    """The baseline, each kept experiment, then one line on all the others.

    `columns`: of the terminal, which would break longer rows within a word.
    """
    result = run_summary(experiments)
    shown = [e for e in told(experiments) if e.status in (Status.BASELINE, Status.KEEP)]
    lines = aligned([_HEADER, *(_cells(e) for e in shown)], _RIGHT) if shown else []
    if columns:
        lines = [line if len(line) <= columns else f"{line[: columns - 1]}…" for line in lines]
    lines += [
        f"look twice at #{e.iteration}: {defuse(shortened(e.doubt, 200))}" for e in result.doubted
    ]
    better = "lower" if direction is Direction.MINIMIZE else "higher"
    tried = len(result.kept) + len(result.others)
    lines.append(f"{better} is better; {len(result.kept)} of {tried} kept{_others(result.others)}")
    return "\n".join(lines)


def _cells(experiment: Experiment) -> tuple[str, ...]:
    return (
        str(experiment.iteration),
        commit_name(experiment.commit),
        number(experiment.metric),
        signed(experiment.delta),
        experiment.guard,
        defuse(shortened(experiment.description, _WIDTH)),
    )


def aligned(rows: Sequence[Sequence[str]], right: Sequence[bool] = ()) -> list[str]:
    """Lines with the cells below each other. `right`: for each column, whether it ends there."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    columns = list(zip_longest(widths, right))
    return [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, (width, right) in zip(row, columns, strict=True)
        ).rstrip()
        for row in rows
    ]


def _others(others: Sequence[Experiment]) -> str:
    counts = Counter(str(e.status) for e in others)
    return "".join(f", {amount} {status}" for status, amount in counts.most_common())
