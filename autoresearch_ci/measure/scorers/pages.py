"""Links of Markdown files that lead nowhere within the repository; the network is not asked."""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterator
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

from autoresearch_ci.experiment import ReadText


def broken_links(path: str, text: str, read: ReadText) -> Iterator[str]:
    """Targets of the file's own links and pictures that are not there, as written."""
    for target in _targets(_tokens(text)):
        place, _, anchor = unquote(target).partition("#")
        start = "" if place.startswith("/") else posixpath.dirname(path)
        there = posixpath.normpath(posixpath.join(start, place.lstrip("/"))) if place else path
        found = text if there == path else read(there)
        if found is None or (anchor and there.endswith(".md") and anchor not in _anchors(found)):
            yield target


def _tokens(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)


def _targets(tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        for part in token.children or ():
            target = str(part.attrs.get("href") or part.attrs.get("src") or "")
            if target and not re.match(r"[a-zA-Z][\w+.-]*:|//", target):
                yield target


def _anchors(text: str) -> set[str]:
    """As GitHub makes them of headings, and those that the text names itself."""
    found = set(re.findall(r"<a\s+(?:id|name)=[\"']([^\"']+)", text))
    counts: dict[str, int] = {}
    tokens = _tokens(text)
    for heading, inline in itertools.pairwise(tokens):
        if heading.type == "heading_open":
            plain = "".join(part.content for part in inline.children or ())
            slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
            seen = counts.get(slug, 0)
            counts[slug] = seen + 1
            found.add(f"{slug}-{seen}" if seen else slug)
    return found
