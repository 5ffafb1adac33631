"""Words of models, tests and repositories, made inert for Markdown pages and commit messages.

`inline` for a sentence or a table cell, `block` for lines that are shown as they are, `subject` for
a commit message. What they return notifies nobody, closes nothing, links nowhere, loads nothing and
forges no part of the page around it, on GitHub and GitLab.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from autoresearch_ci.safety.log_text import defuse
from autoresearch_ci.safety.wording import shortened

_ZERO_WIDTH = "&#8203;"
"""Parts what GitHub would join: it looks for mentions in the rendered text, where an escaped `@`
is an `@` again, so escaping alone does not help (Renovate does the same)."""

_MARKUP = re.compile(r"[\\`*\[\]~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
# What makes a heading, list, rule, underline or quick action of a line that begins with it. Markup
# that is escaped anyway needs no second backslash.
_LEADING = re.compile(
    r"#+(?= |$)|[-+](?= |$)|-+(?= *$)|=+(?= *$)|/(?=[A-Za-z])|[0-9]{1,9}(?=[.)](?: |$))"
)
_JOINED: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"@"), "@" + _ZERO_WIDTH),
    (re.compile(r"#(?=\w|\\)"), "#" + _ZERO_WIDTH),
    (re.compile(r"!(?=\d)"), "!" + _ZERO_WIDTH),
    (re.compile(r"(GH)-(?=\d)", re.IGNORECASE), r"\1-" + _ZERO_WIDTH),
    (re.compile(r":(?=//)"), ":" + _ZERO_WIDTH),
    (re.compile(r"(www)\.", re.IGNORECASE), r"\1" + _ZERO_WIDTH + "."),
    (re.compile(r"(mailto|xmpp):", re.IGNORECASE), r"\1" + _ZERO_WIDTH + ":"),
    # a commit's name becomes a link; a number stays a number
    (
        re.compile(r"\b(?=[0-9]*[a-f])[0-9a-f]{7,64}\b", re.IGNORECASE),
        lambda match: _ZERO_WIDTH.join(re.findall(".{1,6}", match[0])),
    ),
)
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"})

_IN_A_COMMIT = (
    (re.compile(r"([@#!])(?=\w)"), r"\1 "),
    (re.compile(r"(GH)-(?=\d)", re.IGNORECASE), r"\1- "),
    (re.compile(r":(?=//)"), ": "),
    # [skip ci], [no ci], [ci skip], [skip actions] and the like: our commits are to be tested
    (re.compile(r"\[([^\[\]]*\b(?:skip|no)\b[^\[\]]*)\]", re.IGNORECASE), r"(\1)"),
    (re.compile(r"\*{3}(NO_CI)\*{3}", re.IGNORECASE), r"\1"),
)


def inline(text: str, limit: int = 160) -> str:
    """At most `limit` of the words' characters on one line, without any markup.

    Fit for a table cell and for the start of a line. Escaping makes them longer, each character by
    13 at most.
    """
    text = defuse(shortened(text, limit)).translate(_HTML)
    lead = _LEADING.match(text)
    text = _MARKUP.sub(lambda match: "\\" + match[0], text)
    if lead:
        at = lead.end() if lead[0][0].isdigit() else 0
        text = f"{text[:at]}\\{text[at:]}"
    for pattern, parted in _JOINED:
        text = _outside_entities(pattern, parted, text)
    return text.replace("$", "<span>$</span>")  # GitHub's own advice against unwanted maths


def _outside_entities(
    pattern: re.Pattern[str], parted: str | Callable[[re.Match[str]], str], text: str
) -> str:
    """Replaces in `text` but not inside the `&...;` that we wrote ourselves."""
    pieces = re.split(r"(&#?\w+;)", text)
    return "".join(p if i % 2 else pattern.sub(parted, p) for i, p in enumerate(pieces))


def block(text: str, limit: int = 4000, *, language: str = "") -> str:
    """At most `limit` characters of lines as a code block that nothing inside can close.

    Nothing in it is a link or a mention. `language` is ours, never theirs.
    """
    cut = text if len(text) <= limit else f"{text[:limit]}…"
    lines = [defuse(line) for line in cut.splitlines()]
    longest = max((len(run) for run in re.findall(r"`+", cut)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([fence + language, *lines, fence])


def subject(text: str) -> str:
    """One line of a commit message that mentions nobody, closes nothing and skips no check.

    Made inert twice it is the same: what one replacement leaves may be another's to replace.
    """
    line = defuse(" ".join(text.split()))
    before = ""
    while line != before:
        before = line
        for pattern, parted in _IN_A_COMMIT:
            line = pattern.sub(parted, line)
    return line
