"""A change of an earlier run that people spoke about: is this it again, and how to make it again.

Which commit somebody meant, the publisher looks up. Nobody vouches for such a commit, and it is
often one of the notebook's attempts: what cannot be a small change of text is not read.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from autoresearch_ci.experiment import FileEdit, Texts
from autoresearch_ci.workspace.git import GitDirectory

MAX_FILES = 50
MAX_BYTES = 300_000
"""Of all files of one change together, before and after."""
_REGULAR = ("100644", "100755")
_NOTHING = "000000"

FileSides = Mapping[str, tuple[str | None, str | None]]
"""Text before and after, by path; `None`: there was no such file."""


def files(git: GitDirectory, commit: str, since: str = "") -> FileSides | None:
    """What it did to its only parent, or to `since`; `None`: it is no small change of text."""
    sides = _sides(git, commit, since)
    versions = [version for pair in sides.values() for version in pair if version]
    if not 0 < len(sides) <= MAX_FILES or any(mode not in _REGULAR for mode, _ in versions):
        return None
    left = MAX_BYTES
    for _, blob in versions:
        if (left := left - git.blob_size(blob)) < 0:
            return None
    try:
        return {
            path.decode(): (_text(git, before), _text(git, after))
            for path, (before, after) in sides.items()
        }
    except UnicodeDecodeError:
        return None


_Version = tuple[str, str] | None
"""Mode and blob; `None`: there is no such file."""


def _sides(
    git: GitDirectory, commit: str, since: str = ""
) -> dict[bytes, tuple[_Version, _Version]]:
    """Each path that a commit changed, before and after; none of a merge, or of a first commit."""
    code, out, _ = git.attempt("rev-list", "--parents", "--max-count=1", commit)
    parents = [since] if since else out.decode().split()[1:]
    if code or len(parents) != 1:
        return {}
    listed = git("diff-tree", "-r", "-z", "--no-renames", parents[0], commit).split(b"\0")[:-1]
    found = {}
    for line, path in zip(listed[::2], listed[1::2], strict=True):
        old_mode, mode, old, new, _ = line.decode().removeprefix(":").split()
        before = None if old_mode == _NOTHING else (old_mode, old)
        found[path] = before, None if mode == _NOTHING else (mode, new)
    return found


def _text(git: GitDirectory, version: _Version) -> str | None:
    return None if version is None else git.blob(version[1]).decode()


_CONTEXT = (0, 1, 3)
"""Lines around a change that say where it belongs: as few as make the place unmistakable."""


@dataclass(frozen=True, kw_only=True)
class EarlierChange:
    """What one commit did to its parent."""

    commit: str
    description: str
    """In words, as the journal had it; empty: unknown."""
    files: FileSides
    because: str = ""
    """Why it is to be made again, or never again; empty: a comment named it."""

    @property
    def size(self) -> int:
        """Characters."""
        return sum(len(text or "") for pair in self.files.values() for text in pair)


def is_again(change: EarlierChange, before: Texts, after: Texts) -> bool:
    """Whether an edit writes the lines that `change` wrote, into the same files, and no other.

    What was there before does not matter: `lr = 3` is the same idea wherever it starts from. Of
    two changes that write nothing, those are the same that take away the same.
    """
    once = {path: (_encoded(old), _encoded(new)) for path, (old, new) in change.files.items()}
    now = {path: (before.get(path), new) for path, new in after.items()}
    written, wanted = _written(now), _written(once)
    if written or wanted:
        return written == wanted
    taken = _written({path: pair[::-1] for path, pair in now.items()})
    return bool(taken) and taken == _written({path: p[::-1] for path, p in once.items()})


def again(
    change: EarlierChange, read: Callable[[str], bytes | None]
) -> tuple[FileEdit, ...] | None:
    """The same change on code that has moved on; `None`: it does not fit any more."""
    edits = []
    for path, (old, new) in change.files.items():
        now = read(path)
        if now == _encoded(old):
            content = _encoded(new)
        elif now is None or old is None or new is None:
            if now == _encoded(new):
                continue
            return None
        elif (content := _patched(old, new, now)) is None:
            return None
        edits.append(FileEdit(path=path, content=content))
    return tuple(edits)


def _written(files: Mapping[str, tuple[bytes | None, bytes | None]]) -> dict[str, Counter[bytes]]:
    found = {path: _lines(new) - _lines(old) for path, (old, new) in files.items()}
    return {path: lines for path, lines in found.items() if lines}


def _lines(data: bytes | None) -> Counter[bytes]:
    return Counter(line.strip() for line in (data or b"").splitlines())


def _patched(old: str, new: str, now: bytes) -> bytes | None:
    before, after = (text.encode().splitlines(keepends=True) for text in (old, new))
    lines = now.splitlines(keepends=True)
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, before, after).get_opcodes():
        if tag == "equal":
            continue
        for width in _CONTEXT:
            above, below = before[max(0, i1 - width) : i1], before[i2 : i2 + width]
            sought = [*above, *before[i1:i2], *below]
            if sought and len(places := _places(sought, lines)) == 1:
                end = places[0] + len(sought)
                lines[places[0] : end] = [*above, *after[j1:j2], *below]
                break
        else:
            return None
    return b"".join(lines)


def _places(sought: list[bytes], lines: list[bytes]) -> list[int]:
    size = len(sought)
    return [at for at in range(len(lines) - size + 1) if lines[at : at + size] == sought]


def _encoded(text: str | None) -> bytes | None:
    return None if text is None else text.encode()
