"""What a reconnaissance found and a grid covers, as pages for people; pure.

Words of models and repositories are made harmless here. What is empty is said to be empty: no page
looks as if more had been looked at than was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autoresearch_ci.safety.markdown_text import inline
from autoresearch_ci.safety.wording import commit_name

Lists = Mapping[str, Sequence[Mapping[str, Any]]]
"""Name of a list -> things with `name`, `evidence` (`path`, `line`) and whatever else is told."""
Coverage = Mapping[str, Mapping[str, int]]
"""Dimension -> cell -> how often it was looked at with evidence in the record."""


def threat_model_page(commit: str, lists: Lists, coverage: Coverage) -> str:
    """What is at stake, where it can be reached, and which combinations were looked at."""
    lines = [
        "# Threat model",
        "",
        f"Commit {commit_name(commit)}. Each entry stands in the code.",
        "",
    ]
    lines += [*_table("Assets", lists.get("assets", ()), ("worth", "about"))]
    lines += [*_table("Trust boundaries", lists.get("trust_boundaries", ()), ("about", "check"))]
    crossed = {name: cells for name, cells in coverage.items() if " x " in name}
    for name, cells in crossed.items():
        lines += [*_matrix(name, cells)]
    return "\n".join(lines)


def attack_surface_page(commit: str, lists: Lists) -> str:
    """Where something comes in, and what it is made of."""
    lines = [
        "# Attack surface",
        "",
        f"Commit {commit_name(commit)}. Each entry stands in the code.",
        "",
    ]
    lines += [*_table("Entry points", lists.get("entry_points", ()), ("about",))]
    lines += [*_table("Stack", lists.get("stack", ()), ("about",))]
    return "\n".join(lines)


def coverage_page(commit: str, coverage: Coverage) -> str:
    """What was looked at, and what was not."""
    lines = ["# What was looked at", "", f"Commit {commit_name(commit)}.", ""]
    for name, cells in coverage.items():
        if " x " in name:
            lines += [*_matrix(name, cells)]
            continue
        lines += [
            f"## {inline(name, 60)}",
            "",
            "| cell | looked at with evidence |",
            "| --- | --- |",
        ]
        lines += [f"| {inline(cell, 100)} | {count or 'not'} |" for cell, count in cells.items()]
        lines.append("")
    return "\n".join(lines)


def _table(title: str, entries: Sequence[Mapping[str, Any]], rest: Sequence[str]) -> Iterator[str]:
    yield from (f"## {title}", "")
    if not entries:
        yield from ("None was found, or nobody looked.", "")
        return
    yield f"| name | where | {' | '.join(rest)} |"
    yield f"| --- | --- |{' --- |' * len(rest)}"
    for entry in entries:
        told = " | ".join(inline(str(entry.get(key, "")), 300) or "-" for key in rest)
        yield f"| {inline(str(entry['name']), 100)} | {_where(entry)} | {told} |"
    yield ""


def _where(entry: Mapping[str, Any]) -> str:
    places = [f"{piece['path']}:{piece['line']}" for piece in entry.get("evidence", ())]
    return inline(", ".join(places), 300) or "-"


def _matrix(name: str, cells: Mapping[str, int]) -> Iterator[str]:
    """Rows and columns of a combination of two dimensions."""
    pairs = {tuple(cell.split(" x ", 1)): count for cell, count in cells.items()}
    rows = list(dict.fromkeys(pair[0] for pair in pairs))
    columns = list(dict.fromkeys(pair[-1] for pair in pairs))
    yield from (f"## {inline(name, 60)}", "")
    yield f"| | {' | '.join(inline(column, 60) for column in columns)} |"
    yield f"| --- |{' --- |' * len(columns)}"
    for row in rows:
        counts = (pairs.get((row, column), 0) for column in columns)
        told = " | ".join(str(count) if count else "not" for count in counts)
        yield f"| {inline(row, 60)} | {told} |"
    yield ""
