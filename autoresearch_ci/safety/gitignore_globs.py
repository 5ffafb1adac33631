"""Globs in gitignore's syntax, of which any text may be one; what they select is not known here."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable

from pathspec import GitIgnoreSpec


def gitignore_spec(globs: Iterable[str]) -> GitIgnoreSpec:
    """What matches the globs. Raises `ValueError` for one that is none, such as `[z-a]`."""
    globs = list(globs)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # `[[a]`: Python's, of its own future
            return GitIgnoreSpec.from_lines(globs)
    except re.error as error:  # pathspec hands on what it made of the glob unseen
        raise ValueError(f"{', '.join(map(repr, globs[:3]))}: not a glob: {error.msg}") from error
