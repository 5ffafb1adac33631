"""How figures are written, and how untrusted words are, in every report."""

from __future__ import annotations

import math
import re

from autoresearch_ci.actions import defuse

NOTHING = "-"
"""Stands where a figure is missing."""

_ZERO_WIDTH = "&#8203;"
"""Parts what GitHub would join: it looks for mentions in the rendered text, where an escaped `@`
is an `@` again, so escaping alone does not help (Renovate does the same)."""

_MARKDOWN = re.compile(r"[\\`*\[\]~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_JOINED = (
    (re.compile(r"@"), "@" + _ZERO_WIDTH),
    (re.compile(r"#(?=\w)"), "#" + _ZERO_WIDTH),
    (re.compile(r"(GH)-(?=\d)", re.IGNORECASE), r"\1-" + _ZERO_WIDTH),
    (re.compile(r":(?=//)"), ":" + _ZERO_WIDTH),
    (re.compile(r"(www)\.", re.IGNORECASE), r"\1" + _ZERO_WIDTH + "."),
    (re.compile(r"(mailto|xmpp):", re.IGNORECASE), r"\1" + _ZERO_WIDTH + ":"),
)
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"})


def number(value: float | None) -> str:
    """Six significant digits, whole numbers in full."""
    if value is None:
        return NOTHING
    if math.isfinite(value) and 1e6 <= abs(value) < 1e15:
        return f"{value:.0f}"
    return f"{value:.6g}"


def signed(value: float | None) -> str:
    """A difference: three significant digits and its sign."""
    return NOTHING if value is None else f"{value:+.3g}"


def percent(fraction: float | None) -> str:
    """`-0.056` is `-5.6 %`; small changes keep two significant digits."""
    if fraction is None or not math.isfinite(fraction):
        return NOTHING
    size = abs(fraction * 100)
    decimals = 1 if size >= 1 or size == 0 else min(4, 1 - math.floor(math.log10(size)))
    return f"{fraction * 100:+.{decimals}f} %"


def duration(seconds: float) -> str:
    """`8 s`, `3 min 20 s`, `7 h 05 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def shortened(text: str, width: int) -> str:
    """One line of at most `width` characters, cut with an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def commit_name(commit: str) -> str:
    """The usual seven characters."""
    return commit[:7] or NOTHING


def markdown(text: str, width: int = 160) -> str:
    """Untrusted words as inert Markdown, fit for a table cell: no markup, link, mention or image.

    Never at the start of a line: what a line's first character can mean is not escaped.
    """
    text = defuse(shortened(text, width)).translate(_HTML)
    text = _MARKDOWN.sub(lambda match: "\\" + match[0], text)
    for pattern, parted in _JOINED:
        text = _outside_entities(pattern, parted, text)
    return text.replace("$", "<span>$</span>")  # GitHub's own advice against unwanted maths


def _outside_entities(pattern: re.Pattern[str], parted: str, text: str) -> str:
    """Replaces in `text` but not inside the `&...;` that we wrote ourselves."""
    pieces = re.split(r"(&#?\w+;)", text)
    return "".join(p if i % 2 else pattern.sub(parted, p) for i, p in enumerate(pieces))


def fenced(text: str, language: str = "") -> str:
    """Untrusted lines as a code block that nothing inside can close."""
    lines = [defuse(line) for line in text.splitlines()]
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([fence + language, *lines, fence])
