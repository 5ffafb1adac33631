"""What an attempt changed, in one line: `train.py: -LR = 0.1 +LR = 0.2 and 2 more`."""

from __future__ import annotations

from collections.abc import Iterator

from autoresearch_ci.experiment import Experiment
from autoresearch_ci.llm.draft import diff_groups
from autoresearch_ci.propose.proposer import Context
from autoresearch_ci.safety.prompt import line, quoted
from autoresearch_ci.workspace.changes import Tree, VersionedTree

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
        if isinstance(before, VersionedTree) and isinstance(after, VersionedTree):  # noqa: SIM102
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
