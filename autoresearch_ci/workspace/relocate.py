"""Copies of dependency folders name the measure tree wherever the originals name the checkout.

An editable install, a console script and a linked package hold absolute paths. Copied as they are,
they would have measured code import and execute the user's checkout instead of the candidate.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

_LARGEST = 1 << 20
"""Bytes of a file that is looked into; finders, scripts and path files have a few thousand."""
_NAMING = re.compile(
    # Path files, the finders that they start, and what tools compare with the project's place.
    r".*\.(pth|egg-link)|_.*editable.*\.py|direct_url\.json|pyvenv\.cfg"
)
_PROGRAMS = frozenset({"bin", ".bin", "Scripts"})
"""Folders whose scripts begin with the interpreter's path, or export one."""


def spellings(place: str) -> set[bytes]:
    """How texts write an absolute path."""
    return set(map(os.fsencode, (place, os.path.realpath(place), quote(os.fsencode(place)))))


def names(place: str) -> re.Pattern[bytes]:
    """Finds the absolute path `place` in a text, and no longer name that begins like it."""
    words = b"|".join(map(re.escape, sorted(spellings(place), key=len, reverse=True)))
    return re.compile(b"(?<![\\w.-])(?:%s)(?![\\w.-])" % words)


def relocate(tree: Path, folder: str, checkout: Path) -> list[str]:
    """Have the copy of a shared folder name `tree`; returns the paths in it that were rewritten."""
    origin = Path(os.path.realpath(checkout / folder))
    found = names(str(checkout))
    into = os.fsencode(tree)
    rewritten = []
    for entry in _entries(tree / folder):
        path = Path(entry.path)
        if entry.is_symlink():
            changed = _link(path, origin / path.relative_to(tree / folder), tree, checkout)
        else:
            changed = _is_told(path) and _file(path, found, into)
        if changed:
            rewritten.append(str(path.relative_to(tree)))
    return rewritten


def _entries(top: Path) -> Iterator[os.DirEntry[str]]:
    """Files and links below a folder of ours; of a lone file or link, nothing."""
    pending = [str(top)] if top.is_dir() and not top.is_symlink() else []
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                elif entry.is_symlink() or entry.is_file(follow_symlinks=False):
                    yield entry


def _is_told(path: Path) -> bool:
    return path.parent.name in _PROGRAMS or _NAMING.fullmatch(path.name) is not None


def _file(path: Path, found: re.Pattern[bytes], into: bytes) -> bool:
    if path.stat().st_size > _LARGEST:
        return False
    before = path.read_bytes()
    if b"\0" in before:  # a program, no script
        return False
    after = found.sub(lambda _: into, before)
    if after == before:
        return False
    mode = path.stat().st_mode
    path.unlink()  # it may have other names, which have other readers
    path.write_bytes(after)
    path.chmod(mode & 0o7777)
    return True


def _link(path: Path, original: Path, tree: Path, checkout: Path) -> bool:
    """Links inside of the folder or the checkout stay as they are: they lead into the tree."""
    target = path.readlink()
    there = os.path.normpath(original.parent / target)
    root = os.path.realpath(checkout)
    inside = _below(there, root) or _below(there, str(checkout))
    if not target.is_absolute() and inside:
        return False
    real = os.path.realpath(there)
    if _below(real, root):
        new = str(tree / os.path.relpath(real, root))
    elif inside:
        new = str(tree / os.path.relpath(there, root if _below(there, root) else checkout))
    else:
        new = there
    if new == str(target):
        return False
    path.unlink()
    path.symlink_to(new)
    return True


def _below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}/")


def leads_into(path: str, roots: Iterable[str]) -> bool:
    """Whether `path`, all links followed, lies in one of `roots`."""
    real = os.path.realpath(path)
    return any(_below(real, os.path.realpath(root)) for root in roots)
