"""What a model made of a commit: what it found, what it says of scanners' hits, how far it looked.

CORE. Who is asked, and what code checks of the answers, is cli/security/model_layer.py's
business; what a gate makes of it gate.py's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autoresearch_ci.decide.investigation.finding import Evidence
from autoresearch_ci.decide.security.weakness import Weakness


@dataclass(frozen=True, kw_only=True)
class ModelLayer:
    """What came of it."""

    weaknesses: tuple[Weakness, ...] = ()
    """What the model says, worst first: `open` with evidence that stands and that nobody refuted,
    `unknown` without, `disproven` where it was refuted."""
    older: tuple[Weakness, ...] = ()
    """The same of what rests on nothing that the audited change brought in: no business of its."""
    hits: tuple[Weakness, ...] = ()
    """All that were handed in; `disproven` are those that were refuted with code as evidence."""
    why_not: str = ""
    """Why no model was asked at all; empty: one was."""
    incomplete: tuple[str, ...] = ()
    """What was not looked at, and why."""
    commit: str = ""
    """The audited one."""
    coverage: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Dimension -> cell -> how often it was looked at with evidence in the record."""
    terrain: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """The reconnaissance: name of a list -> things with `name`, `evidence` (`path`, `line`) and
    whatever else is told."""
    dropped: int = 0
    """Pieces of evidence that did not hold."""
    tokens: int = 0
    cost_usd: float = 0.0


KeptLines = Mapping[str, Mapping[int, int]]
"""By changed file, each line that is as it was, and where it stood. Others are as they were."""


def rests_on_change(evidence: Iterable[Evidence], kept: KeptLines) -> bool:
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
