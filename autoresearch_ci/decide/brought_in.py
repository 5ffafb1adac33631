"""Whether what is said of a commit rests on something that the commit brought in; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from autoresearch_ci.decide.findings import Evidence

Kept = Mapping[str, Mapping[int, int]]
"""By changed file, each line that is as it was, and where it stood. Others are as they were."""


def rests_on_change(evidence: Iterable[Evidence], kept: Kept) -> bool:
    """Whether some quote has a new line in it, or goes over a place where lines were taken out."""
    return any(
        piece.kind == "quote"
        and piece.path in kept
        and _touches(piece.line, piece.line + piece.text.count("\n"), kept[piece.path])
        for piece in evidence
    )


def _touches(first: int, last: int, kept: Mapping[int, int]) -> bool:
    were = [kept.get(line, 0) for line in range(first, last + 1)]
    return not all(were) or were != list(range(were[0], were[0] + len(were)))
