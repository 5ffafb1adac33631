"""What a reconnaissance found and which combinations a model looked at, as pages for people; pure.

Words of models and repositories are made harmless here. What is empty is said to be empty: no page
looks as if more had been looked at than was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autoresearch_ci.decide.security.model_layer import ModelLayer
from autoresearch_ci.safety.markdown_text import inline
from autoresearch_ci.safety.wording import commit_name

LISTS = {
    "entry_points": "entry points",
    "assets": "assets",
    "trust_boundaries": "trust boundaries",
    "stack": "stack",
}
"""Of a reconnaissance, and what one calls them."""


def threat_model_page(layer: ModelLayer) -> str:
    """What is at stake, where trust ends, and which combinations were looked at."""
    return "\n".join(
        [
            *_head("Threat model", layer),
            *_table("Assets", layer.terrain.get("assets", ()), ("worth", "about")),
            *_table(
                "Trust boundaries", layer.terrain.get("trust_boundaries", ()), ("about", "check")
            ),
            *matrices(layer, "##"),
        ]
    )


def attack_surface_page(layer: ModelLayer) -> str:
    """Where something comes in, and what it is made of."""
    return "\n".join(
        [
            *_head("Attack surface", layer),
            *_table("Entry points", layer.terrain.get("entry_points", ()), ("about",)),
            *_table("Stack", layer.terrain.get("stack", ()), ("about",)),
        ]
    )


def matrices(layer: ModelLayer, level: str) -> Iterator[str]:
    """Each combination of two dimensions, and how often it was looked at with evidence.

    `level`: the marks of its heading.
    """
    for name, cells in layer.coverage.items():
        if " x " in name:
            yield from (f"{level} Looked at with evidence: {inline(name, 60)}", "")
            yield from _matrix(cells)
            yield ""


def covered(layer: ModelLayer, dimension: str) -> str:
    """`3 of 20`; empty: nobody was asked."""
    cells = layer.coverage.get(dimension, {})
    return f"{sum(map(bool, cells.values()))} of {len(cells)}" if cells else ""


def _head(title: str, layer: ModelLayer) -> Iterator[str]:
    if layer.why_not:
        yield from (f"# {title}", "", f"No model was asked: {inline(layer.why_not, 200)}.", "")
        return
    yield f"# {title} at {commit_name(layer.commit)}"
    yield from ("", "A model has told this; each entry has a quote that stands in the code.", "")


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


def _matrix(cells: Mapping[str, int]) -> Iterator[str]:
    pairs = {tuple(cell.split(" x ", 1)): count for cell, count in cells.items()}
    rows = list(dict.fromkeys(pair[0] for pair in pairs))
    columns = list(dict.fromkeys(pair[-1] for pair in pairs))
    yield f"| | {' | '.join(inline(column, 60) for column in columns)} |"
    yield f"| --- |{' --- |' * len(columns)}"
    for row in rows:
        counts = (pairs.get((row, column), 0) for column in columns)
        told = " | ".join(str(count) if count else "not" for count in counts)
        yield f"| {inline(row, 60)} | {told} |"
