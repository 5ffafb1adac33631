"""What a project asks of those who send it changes: to be told when an AI has written them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from autoresearch_ci.workspace.repository import FileVersion

_NAMES = re.compile(
    r"(?:\.github/|docs/)?(?:contributing|ai[-_]policy|pull_request_template)(?:\.(?:md|rst|txt))?",
    re.IGNORECASE,
)
_BYTES = 200_000
_AI = re.compile(
    r"\bA\.?I\b|\bLLMs?\b|artificial intelligence|language model|\bcopilot\b|\bchatgpt\b"
    r"|\bgenerative\b|coding agent",
    re.IGNORECASE,
)
_TELL = re.compile(
    r"disclos|declare|\bstate\b|\bmention|\blabel|\bindicat|\backnowledg|\bsay so\b|\btell us\b"
    r"|transparen|\bmark(?:ed)?\b|\bnote (?:it|this|that)\b",
    re.IGNORECASE,
)


def asks_for_disclosure(text: str) -> bool:
    """Whether a paragraph speaks of AI and of telling."""
    return any(
        _AI.search(part) and _TELL.search(part) for part in re.split(r"\n\s*\n|\n#|\n[-*] ", text)
    )


def asking_file(files: Mapping[str, FileVersion], read: Callable[[str], bytes]) -> str:
    """The first file of a commit that asks for it; empty: none does."""
    for path, version in sorted(files.items()):
        if not _NAMES.fullmatch(path) or not version.regular:
            continue
        if asks_for_disclosure(read(path)[:_BYTES].decode(errors="replace")):
            return path
    return ""
