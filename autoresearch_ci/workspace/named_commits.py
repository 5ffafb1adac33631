"""What a commit that somebody named in a comment did: its files before and after.

Nobody vouches for such a commit, and it is often one of the notebook's attempts: what cannot be a
small change of text is not read.
"""

from __future__ import annotations

from collections.abc import Mapping

from autoresearch_ci.workspace.git import GitDirectory

MAX_FILES = 50
MAX_BYTES = 300_000
"""Of all files of one change together, before and after."""
_REGULAR = ("100644", "100755")
_NOTHING = "000000"

Files = Mapping[str, tuple[str | None, str | None]]
"""Text before and after, by path; `None`: there was no such file."""


def resolve(git: GitDirectory, name: str) -> str | None:
    """The commit's full name; `None`: unknown here, or several begin like this."""
    code, out, _ = git.attempt("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    return out.decode().strip() if code == 0 else None


def files(git: GitDirectory, commit: str) -> Files | None:
    """What it did to its only parent; `None`: it is no small change of text files."""
    code, out, _ = git.attempt("rev-list", "--parents", "--max-count=1", commit)
    parents = out.decode().split()[1:]
    if code or len(parents) != 1:
        return None
    listed = git("diff-tree", "-r", "-z", "--no-renames", parents[0], commit).split(b"\0")[:-1]
    if not 0 < len(listed) // 2 <= MAX_FILES:
        return None
    found: dict[str, tuple[str | None, str | None]] = {}
    left = MAX_BYTES
    for line, path in zip(listed[::2], listed[1::2], strict=True):
        old_mode, new_mode, old, new, _ = line.decode().removeprefix(":").split()
        texts = []
        for mode, blob in ((old_mode, old), (new_mode, new)):
            if mode != _NOTHING and mode not in _REGULAR:
                return None
            size = 0 if mode == _NOTHING else int(git("cat-file", "-s", blob))
            if (left := left - size) < 0:
                return None
            texts.append(None if mode == _NOTHING else git("cat-file", "blob", blob))
        try:
            before, after = (None if text is None else text.decode() for text in texts)
            found[path.decode()] = (before, after)
        except UnicodeDecodeError:
            return None
    return found
