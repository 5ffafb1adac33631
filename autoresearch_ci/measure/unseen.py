"""What a failed command looked for that is on this machine, but not for measured code.

Reads its output; the text is untrusted, so a place is named only after it was found here.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from autoresearch_ci.safety.prompt_text import line as plain

_LOOKED_AT = 1 << 16
"""Characters at the end of the output."""
_PLACE = re.compile(r"(?<![\w.:/-])/[\w.+@-]+(?:/[\w.+@-]+)+")
_PROGRAM = re.compile(
    r"(?m)(?:^|[\s:'\"`])([\w.+-]{1,60})['\"`]?: (?:command not found|not found|No such file)"
    r"|No such file or directory: '([\w.+-]{1,60})'|spawn ([\w.+-]{1,60}) ENOENT"
)
_MOST = 3
"""That are named: more are no help."""


def unseen(output: str, sees: Callable[[str], bool], search: str) -> list[str]:
    """What to do about it, paste-ready. `sees`: whether a path is there for the command.

    `search`: PATH, for programs.
    """
    text = output[-_LOOKED_AT:]
    wanted = dict.fromkeys(path for path in _named(text, search) if not sees(path))
    return [
        f"do: let measured code read {plain(path, 200)}, which is there but not for it: "
        f"--set 'sandbox.read=[{plain(_whole(path), 200)}]'"
        for path in list(wanted)[:_MOST]
    ]


def _named(text: str, search: str) -> Iterator[str]:
    for match in _PLACE.finditer(text):
        path = match[0].rstrip(".")
        if os.access(path, os.R_OK):
            yield path
    for match in _PROGRAM.finditer(text):
        name = next(filter(None, match.groups()), "")
        if found := shutil.which(name, path=search):
            yield found


def _whole(path: str) -> str:
    """A program needs what is installed beside it."""
    folder = Path(path).parent
    return str(folder.parent) if folder.name == "bin" and folder.parent != Path.home() else path
