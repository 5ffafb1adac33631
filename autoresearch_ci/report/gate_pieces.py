"""What the pages of all gates share: lists and tables in bounds, links, lines of a terminal.

What a gate says of its items is fix_page.py's and security_page.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from autoresearch_ci.decide.gates import GateVerdict, Ruling
from autoresearch_ci.report.summary_page import details, table
from autoresearch_ci.safety.log_text import clipped
from autoresearch_ci.safety.markdown_text import block, inline
from autoresearch_ci.safety.wording import commit_name

COMMENT_LIMIT = 65_000
"""Characters of a comment; GitHub refuses more than 65,536, and a hidden mark is added."""
BLOCKING_ROOM, OTHERS_ROOM = 24_000, 12_000
"""Bytes of a part, so that a comment has room for all that is told of what blocks."""
_SENTENCES_ROOM = 6_000
RULINGS = {Ruling.PASS: "passed", Ruling.FAIL: "failed", Ruling.INCOMPLETE: "incomplete"}


def in_a_comment(page: Callable[[int], str], what: str, run_url: str) -> str:
    """The page in a comment's room. `what`: a noun; `run_url`: where its log is; empty: nowhere."""
    more = f"\n[The log of this {what}]({run_url})\n" if run_url else ""
    return page(COMMENT_LIMIT - len(more)) + more


def sentences(title: str, told: Sequence[str], where: str, cure: str = "") -> str:
    """A list, as long as there is room. `where`: the file that has them all."""
    if not told:
        return ""
    lines: list[str] = []
    room = _SENTENCES_ROOM
    for text in told:
        line = f"- {inline(text, 300)}"
        room -= len(line.encode(errors="replace"))
        if room < 0:
            lines.append(f"- and {len(told) - len(lines)} more in `{where}`")
            break
        lines.append(line)
    return "\n\n".join(filter(None, (f"**{title}**", "\n".join(lines), cure)))


def rows_in(
    room: int, header: Sequence[str], rows: Sequence[Sequence[str]], total: int, where: str
) -> str:
    """A table of at most `room` bytes, and a sentence; empty where there are none."""
    text, characters = "", room
    while rows and (not text or len(text.encode(errors="replace")) > room + 100):
        text = table(header, "l" * len(header), rows, total, characters, where=where)
        characters //= 2  # some take several bytes
    return text


def inside(path: str) -> str:
    """`src/a.py`, relative to the root; empty: of no file, or of one outside the repository."""
    return "" if path.startswith(("/", "../")) or path in ("..", ".") else path


def linked(path: str, line: int, files_url: str) -> str:
    """`src/a.py:3`, leading there where `files_url` says how."""
    if not inside(path):
        return inline(path, 80)
    text = inline(f"{path}:{line}" if line else path, 120)
    return f"[{text}]({address(path, line, files_url)})" if files_url else text


def address(path: str, line: int, files_url: str) -> str:
    """Of the line at the forge."""
    return f"{files_url}{quote(path, errors='replace')}{f'#L{line}' if line else ''}"


def shell(lines: Sequence[str]) -> str:
    """How to do all of it again."""
    return details("How to reproduce", block("\n".join(lines), 4_000, language="sh"))


def last_line(gate: str, verdict: GateVerdict[Any], commit: str, base: str) -> str:
    """What a terminal is told at the end; `base`: empty: there is none."""
    against = f" against {commit_name(base)}" if base else ""
    told = f"{gate} {RULINGS[verdict.ruling]} at {commit_name(commit)}{against}: {verdict.reason}"
    return clipped(told, 2000)
