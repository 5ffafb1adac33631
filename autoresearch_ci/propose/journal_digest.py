"""The journal in a few lines: what a proposer should know of the past, in bytes that do not grow.

Made by code, so it costs nothing, and deterministic, so a resumed run sees the same. Each section
has its own share; what they leave over goes to older attempts, so a digest is as informative as
its size allows from the tenth iteration on, and no larger in the thousandth.
"""

from __future__ import annotations

import collections
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from autoresearch_ci.experiment import Experiment, Status, Tree
from autoresearch_ci.llm.text_edits import diff_groups
from autoresearch_ci.propose.proposer import Context
from autoresearch_ci.safety.prompt_text import line, quoted, size

LENGTH = 140
"""Characters told of the first change in a file."""


class DiffSummaries:
    """One line per attempt about what it changed; remembered, since commits do not change."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, context: Context, row: Experiment, parent: str | None) -> str:
        """What `row` changed of the incumbent it was based on; empty when unknown."""
        if not row.commit:
            return ""
        if row.commit not in self._known:
            try:
                before = context.at(parent) if parent else context.base
                self._known[row.commit] = _summary(before, context.at(row.commit))
            except KeyError:  # an attempt that an earlier process left without a record
                self._known[row.commit] = ""
        return self._known[row.commit]


def _summary(before: Tree, after: Tree) -> str:
    parts = [_file_summary(path, old, new) for path, old, new in _changes(before, after)]
    return "; ".join(parts[:3]) + (f"; and {len(parts) - 3} more files" if len(parts) > 3 else "")


def _changes(before: Tree, after: Tree) -> Iterator[tuple[str, bytes | None, bytes | None]]:
    for path in sorted({*before.paths(), *after.paths()}):
        if before.version(path) == after.version(path):
            continue
        old, new = _content(before, path), _content(after, path)
        if old != new:
            yield path, old, new


def _content(tree: Tree, path: str) -> bytes | None:
    try:
        return tree.read(path)
    except KeyError:
        return None


def _file_summary(path: str, old: bytes | None, new: bytes | None) -> str:
    name = quoted(path.rpartition("/")[2])
    if old is None or new is None:
        return f"{name} {'added' if old is None else 'deleted'}"
    before, after = (data.decode(errors="replace").split("\n") for data in (old, new))
    changed = [
        (before[first:last], after[start:end])
        for group in diff_groups(before, after)
        for tag, first, last, start, end in group
        if tag != "equal"
    ]
    if not changed:
        return f"{name} changed"
    gone, come = changed[0]
    shown = " ".join(
        [*(f"-{text.strip()}" for text in gone), *(f"+{text.strip()}" for text in come)]
    )
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f"{name}: {line(shown, LENGTH)}{more}"


RECENT, KEPT, NEAR, GROUPS = 4, 5, 3, 6
"""Rows of each section at most."""
_SHARES = {"recent": 0.45, "kept": 0.25, "near": 0.15, "groups": 0.2}
"""Part of the whole that each section takes at most."""
_LENGTHS = (280, 220, 170, 130, 100, 80)
"""Characters of an attempt's description: few attempts are told at length, many in short."""
_LEAST_CUT = 30
"""Bytes of an attempt's line that are still worth showing when the rest does not fit."""
_ENOUGH = 12
"""Attempts that a digest should tell before it tells any at length."""
_NEAR_GAP = 0.02  # relative loss up to which a discarded idea is worth combining
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{1,}")
_COMMON = frozenset(
    _WORD.findall(
        "an and add as at be bring by change cut decrease default drop each enable disable even "
        "every first for from full get give go half if in increase instead into is it its large "
        "larger less let lower make more move new no not of off on one only or out over per raise "
        "reduce remove replace run set shorter small smaller switch than that the then this to "
        "try two up use using was when while with without"
    )
)


def digest(context: Context, diffs: DiffSummaries, limit: int) -> str:
    """Sections of rows about the past, `limit` bytes at most; empty before the first experiment."""
    rows = [row for row in context.history if row.status is not Status.BASELINE]
    parents = parents_of(context.history)
    text = ""
    for length in _LENGTHS:

        def tell(row: Experiment, length: int = length) -> str:
            return _told(row, length, diffs.of(context, row, parents[row.iteration]))

        text, count = _sections(context, rows, tell, limit)
        if count >= min(len(rows), _ENOUGH):
            break
    return text


def _sections(
    context: Context,
    rows: Sequence[Experiment],
    tell: Callable[[Experiment], str],
    limit: int,
) -> tuple[str, int]:
    """The digest, and how many attempts have a line of their own in it."""
    seen: set[int] = set()

    def section(
        title: str, chosen: Iterable[Experiment], share: float, *, fill: bool = False
    ) -> list[str]:
        out: list[str] = []
        share -= size(title) + 2
        for row in chosen:
            text = tell(row)
            if size(text) + 1 > share:
                if fill and share > _LEAST_CUT:
                    out.append(line(text, int(share) - 4))
                break
            share -= size(text) + 1
            out.append(text)
            seen.add(row.iteration)
        return [f"\n{title}", *out] if out else []

    recent = rows[-RECENT:][::-1]
    kept = [row for row in rows if row.status is Status.KEEP][-KEPT:][::-1]
    lines = section("Last attempts, newest first:", recent, _SHARES["recent"] * limit)
    old = (row for row in kept if row.iteration not in seen)
    lines += section("Kept before, newest first:", old, _SHARES["kept"] * limit)
    near = [row for row in _near(context, rows) if row.iteration not in seen][:NEAR]
    lines += section("Near misses, closest first:", near, _SHARES["near"] * limit)
    failed = [row for row in rows if row.iteration not in seen and row.status is not Status.KEEP]
    if len(rows) > _ENOUGH:
        lines += _grouped(context, failed, _SHARES["groups"] * limit)
    left = limit - sum(size(text) + 1 for text in lines)
    rest = (row for row in reversed(rows) if row.iteration not in seen)
    # Filled to the brim, so that the size does not depend on how long the rows happen to be.
    lines += section("Earlier attempts, newest first:", rest, left, fill=True)
    return "\n".join(lines).strip(), len(seen)


def parents_of(history: Sequence[Experiment]) -> dict[int, str | None]:
    """By iteration, the commit an attempt was based on; `None` is the unmodified code."""
    parents: dict[int, str | None] = {}
    incumbent: str | None = None
    for row in history:
        parents[row.iteration] = incumbent
        if row.status is Status.KEEP:
            incumbent = row.commit
    return parents


def number(value: float | None) -> str:
    """A metric value, six significant digits."""
    return "-" if value is None else f"{value:.6g}"


def _told(row: Experiment, length: int, diff: str) -> str:
    """One attempt: number, outcome, value, words, reason, diff."""
    value = number(row.metric)
    if row.metric is not None and row.delta is not None:
        value += f" ({row.delta:+.3g})"
    text = f"#{row.iteration} {row.status} {value}: {line(row.description, length)}"
    if row.status is not Status.KEEP and row.reason:
        text += f" | {line(row.reason, length // 2)}"
    return f"{text} | {line(diff, length // 2 + 20)}" if diff else text


def _near(context: Context, rows: Iterable[Experiment]) -> list[Experiment]:
    """Attempts that lost by little, or won but failed a guard or the noise; best first."""
    ranked = []
    for row in rows:
        if row.status is not Status.DISCARD or row.metric is None or row.delta is None:
            continue
        gain = context.direction.gain(row.metric - row.delta, row.metric)
        if gain >= -_NEAR_GAP * abs(row.metric):
            ranked.append((gain, row.iteration, row))
    return [row for _, _, row in sorted(ranked, key=lambda entry: entry[:2], reverse=True)]


def _grouped(context: Context, rows: Sequence[Experiment], share: float) -> list[str]:
    """Failed attempts by the word they have most in common."""
    out: list[str] = []
    words = {row.iteration: _words(row.description) for row in rows}
    left = list(rows)
    while left and len(out) < GROUPS:
        counts = collections.Counter(word for row in left for word in words[row.iteration])
        common = max(counts.items(), key=lambda entry: (entry[1], entry[0]), default=("", 0))
        if common[1] < 2:
            break
        group = [row for row in left if common[0] in words[row.iteration]]
        left = [row for row in left if common[0] not in words[row.iteration]]
        text = f"{line(common[0], 30)} x{len(group)}: {_of_group(context, group)}"
        share -= size(text) + 1
        if share < 0:
            break
        out.append(text)
    return ["\nFailed before, by topic:", *out] if out else []


def _of_group(context: Context, group: Sequence[Experiment]) -> str:
    scored = [row for row in group if row.metric is not None]
    if not scored:
        return "none could be measured"
    best = scored[0]
    for row in scored[1:]:
        assert row.metric is not None
        assert best.metric is not None
        if context.direction.better(row.metric, best.metric):
            best = row
    return f"best {number(best.metric)} (#{best.iteration} {line(best.description, 60)})"


def _words(text: str) -> frozenset[str]:
    found = (word.lower() for word in _WORD.findall(text[:500]))
    return frozenset(word for word in found if word not in _COMMON)
