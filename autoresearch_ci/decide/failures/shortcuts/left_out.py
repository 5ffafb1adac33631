"""Files that a change makes linters leave out: ruff, ripgrep and others do not look at what a
.gitignore or .ignore names, tracked or not. Runs nothing; that a repair may not write such a file
at all is workspace/scope.py's business."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping

from autoresearch_ci.safety.gitignore_globs import gitignore_spec

NAMES = frozenset({".gitignore", ".ignore", ".rgignore"})
"""In which gitignore's syntax stands."""


def left_out(
    before: Mapping[str, bytes | None], after: Mapping[str, bytes | None], files: Collection[str]
) -> Iterator[str]:
    """In a sentence each: where `files`, those of the new version, are named anew."""
    for path in sorted(after):
        folder, name = posixpath.split(path)
        if name not in NAMES:
            continue
        start = f"{folder}/" if folder else ""
        inside = [file[len(start) :] for file in files if file.startswith(start)]
        old, new = _named(before.get(path), inside), _named(after[path], inside)
        if fresh := sorted(new - old):
            more = f" and {len(fresh) - 1} more" if len(fresh) > 1 else ""
            yield f"{path} names {start}{fresh[0]}{more}: linters may not look there any more"


def _named(content: bytes | None, files: Collection[str]) -> set[str]:
    lines = (content or b"").decode(errors="replace").splitlines()
    try:
        return set(gitignore_spec(lines).match_files(files))
    except ValueError:  # no tool reads a pattern that is none
        return set()
