"""The files that a measured command writes: one by its path, or all that match a pattern.

Only what the command wrote itself counts, and no link is followed out of the tree. What stands in a
report is read elsewhere (extract.py, xml_reports.py).
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from autoresearch_ci.measure.number.xml_reports import Reports
from autoresearch_ci.safety import untrusted_files as beneath
from autoresearch_ci.safety.untrusted_values import MIB, MetricError, Unreadable

REPORT_BYTES = 64 * MIB
"""Of one report, and of all that match a pattern."""
FILES_LIMIT = 10_000
ENTRIES_LIMIT = 1_000_000
"""Names that are looked at for one pattern."""
_DEPTH = 100

_State = tuple[int, int, int, int]


class ReportFiles:
    """The reports of one run of a command: made before it starts, read when it has ended."""

    def __init__(self, tree: Path, name: str | None, known_as: Path | None = None) -> None:
        """`known_as`: what the command calls the tree, where that is another path.

        What lies there already is not this run's report: one file is deleted, and of those that
        match a pattern, which may be the repository's own, it is known what they were."""
        self._tree = tree
        self._known_as = known_as or tree
        self._name = name or ""
        self._earlier: dict[str, _State] = {}
        if _is_pattern(self._name):
            with contextlib.suppress(MetricError):  # `read` says it
                self._earlier = {path: _state(tree / path) for path in _matching(tree, self._name)}
        else:
            self._forget()

    def _forget(self) -> None:
        path = self._found()
        if path and (path.is_symlink() or not path.is_dir()):
            path.unlink()

    def read(self) -> Reports | MetricError | None:
        """What the command wrote, `None`: nothing; or why that is no report: no plain file, too
        large, not readable."""
        if not _is_pattern(self._name):
            path = self._found()
            return None if path is None else _content(path, self._name, REPORT_BYTES)
        try:
            names = [name for name in _matching(self._tree, self._name) if self._new(name)]
        except MetricError as error:
            return error
        contents: list[bytes] = []
        left = REPORT_BYTES
        for name in names:
            content = _content(self._tree / name, name, left)
            if isinstance(content, MetricError):
                return content
            left -= len(content)
            contents.append(content)
        return contents or None

    def _new(self, path: str) -> bool:
        return self._earlier.get(path) != _state(self._tree / path)

    def _found(self) -> Path | None:
        """Where the one report lies; `None` when nothing is there, or a link leads out."""
        found = beneath.without_links(self._tree, self._name, self._known_as)
        path = self._tree / found if found else None
        return path if path and os.path.lexists(path) else None


def _content(path: Path, name: str, limit: int) -> bytes | MetricError:
    try:
        return beneath.file_bytes(path, limit, follow=False)
    except (Unreadable, PermissionError) as error:
        why = error if isinstance(error, Unreadable) else "is not readable"
        return MetricError(f"{name} {why}")


def _is_pattern(name: str) -> bool:
    return any(mark in name for mark in "*?[")


def _state(path: Path) -> _State:
    """Other than before once the file was written: nobody can set the time of the last change."""
    found = path.lstat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _matching(tree: Path, pattern: str) -> list[str]:
    """Files below `tree`; `*` within a name, `**` for any folders. Raises `MetricError`."""
    found: set[str] = set()
    for looked, path in enumerate(_walk(tree, "", pattern.split("/"))):
        if path:
            found.add(path)
        if looked > ENTRIES_LIMIT or len(found) > FILES_LIMIT:
            raise MetricError(f"{pattern} matches too much: at most {FILES_LIMIT} reports are read")
    return sorted(found)


def _walk(tree: Path, below: str, steps: Sequence[str]) -> Iterator[str]:
    """The files, and an empty text for each other name that was looked at."""
    step, rest = steps[0], steps[1:]
    if step == "**" and rest:
        yield from _walk(tree, below, rest)
    if below.count("/") > _DEPTH:
        return
    try:
        with os.scandir(tree / below) as entries:
            listed = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    except OSError:
        return
    for name, is_folder in listed:
        path = f"{below}/{name}" if below else name
        if is_folder and step == "**":
            yield from _walk(tree, path, steps)
        elif is_folder and rest and fnmatch.fnmatchcase(name, step):
            yield from _walk(tree, path, rest)
        elif not rest and not is_folder and (step == "**" or fnmatch.fnmatchcase(name, step)):
            yield path
        yield ""
