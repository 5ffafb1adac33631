"""What two commits differ in, and what of it a candidate could have changed."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from autoresearch_ci.workspace.repository import Changes, FileVersion
from autoresearch_ci.workspace.scope import Scope


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What two commits differ in, and what of it may be compared."""

    changes: Changes
    """In scope: what is measured."""
    elsewhere: tuple[str, ...]
    """Merely not in scope."""
    refused: Mapping[str, str]
    """What no candidate may change, and why: the ruler, what steers it, twins, links."""
    unknown: tuple[str, ...] = ()
    """Of the refused ones, those in scope whose content is not here."""

    def without(self, paths: Container[str], why: str) -> Difference:
        """What changes of `paths` cannot be looked at."""
        refused = {p: f"out-of-scope: {p} ({why})" for p in self.changes if p in paths}
        changes = {p: version for p, version in self.changes.items() if p not in refused}
        return replace(
            self,
            changes=changes,
            refused={**self.refused, **refused},
            unknown=tuple(sorted(refused)),
        )

    @property
    def not_compared(self) -> list[str]:
        """Where both sides are the base commit's."""
        return sorted((*self.elsewhere, *self.refused))


def difference(
    files: Mapping[str, FileVersion], others: Mapping[str, FileVersion], scope: Scope
) -> Difference:
    """From `files` to `others`, path by path."""
    changes: dict[str, FileVersion | None] = {}
    elsewhere: list[str] = []
    refused: dict[str, str] = {}
    everywhere = replace(scope, include=("**", *scope.include))
    for path in sorted(files.keys() | others.keys()):
        old, new = files.get(path), others.get(path)
        if old == new:
            continue
        if not all(version is None or version.regular for version in (old, new)):
            refused[path] = f"out-of-scope: {path} (a link or a submodule)"
        elif scope.refusal(path) is None:
            changes[path] = new
        elif why := everywhere.refusal(path):
            refused[path] = why
        else:
            elsewhere.append(path)
    refused |= _misplaced(files, changes)
    changes = {path: new for path, new in changes.items() if path not in refused}
    return Difference(changes=changes, elsewhere=tuple(elsewhere), refused=refused)


def _misplaced(files: Mapping[str, FileVersion], changes: Changes) -> dict[str, str]:
    """New files in the place of a folder, or below a file, that stays as it is."""
    left = {path for path in files if changes.get(path, files[path]) is not None}
    folders = {str(parent) for path in left for parent in PurePosixPath(path).parents}
    found = {}
    for path in (path for path, new in changes.items() if new and path not in files):
        above = next((str(p) for p in PurePosixPath(path).parents if str(p) in left), "")
        if path in folders or above:
            why = f"{above} is not a folder" if above else "a folder"
            found[path] = f"out-of-scope: {path} ({why})"
    return found
