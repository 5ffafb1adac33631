"""Numbers about prose: how it reads, how long it is, which limits it breaks, and which of its links
lead nowhere within the repository; reads no disk, and asks no network.

Markdown goes in, and what a person reads of it counts: no code, no link targets, no front matter.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

from autoresearch_ci.experiment import ReadText

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[^\W_a-z])")


@dataclass(frozen=True, kw_only=True)
class MarkdownPage:
    """A Markdown file, as it is read."""

    blocks: tuple[str, ...]
    """Paragraphs and list items, as plain text."""
    headings: tuple[str, ...]
    lines: tuple[str, ...]
    """As they stand in the file."""

    @property
    def sentences(self) -> list[str]:
        """A block that ends without a full stop ends a sentence, too."""
        parts = (part for block in self.blocks for part in _SENTENCE_END.split(block))
        return [part for part in parts if _WORD.search(part)]

    @property
    def words(self) -> list[str]:
        return [word for block in self.blocks for word in _WORD.findall(block)]


def page(text: str) -> MarkdownPage:
    """What a person reads of a Markdown text."""
    body = _FRONT_MATTER.sub("", text)
    blocks: list[str] = []
    headings: list[str] = []
    for before, token in itertools.pairwise(_tokens(body)):
        if token.type == "inline":
            (headings if before.type == "heading_open" else blocks).append(_plain(token))
    return MarkdownPage(
        blocks=tuple(blocks), headings=tuple(headings), lines=tuple(text.splitlines())
    )


def _plain(inline: Token) -> str:
    said = {"text": None, "softbreak": " ", "hardbreak": " ", "code_inline": "code"}
    parts = (said[part.type] or part.content for part in inline.children or () if part.type in said)
    return " ".join("".join(parts).split())


@dataclass(frozen=True, kw_only=True)
class Readability:
    """Flesch's two numbers for English (Flesch 1948, Kincaid et al. 1975)."""

    reading_ease: float
    """About 0 to 100, higher is easier; 60 is plain English."""
    grade: float
    """School years that it takes to follow."""
    words: int
    sentences: int


def readability(pages: Sequence[MarkdownPage], syllables: Callable[[str], int]) -> Readability:
    """Of all pages together. Raises `ValueError` when nothing is written there.

    `syllables`: of one word, at least 1.
    """
    words = [word for each in pages for word in each.words]
    sentences = sum(len(each.sentences) for each in pages)
    if not words:
        raise ValueError("there is no prose to read in these files")
    length = len(words) / sentences
    weight = sum(map(syllables, words)) / len(words)
    return Readability(
        reading_ease=206.835 - 1.015 * length - 84.6 * weight,
        grade=0.39 * length + 11.8 * weight - 15.59,
        words=len(words),
        sentences=sentences,
    )


@dataclass(frozen=True, kw_only=True)
class ProseLimits:
    """What a text may be; 0 and nothing: no limit."""

    max_words: int = 0
    """Of a file."""
    max_sentence: int = 0
    """Words of a sentence."""
    max_line: int = 0
    """Characters of a line."""
    forbidden: tuple[str, ...] = ()
    """Words or phrases, in any case."""
    headings: tuple[str, ...] = ()
    """That every file must have, in any case."""


def broken_limits(text: str, limits: ProseLimits) -> Iterator[str]:
    """What of a file is beyond the limits, each in a few words with its place."""
    read = page(text)
    if limits.max_words and len(read.words) > limits.max_words:
        yield f"{len(read.words)} words, {limits.max_words} allowed"
    for sentence in read.sentences if limits.max_sentence else ():
        if (count := len(_WORD.findall(sentence))) > limits.max_sentence:
            yield f"a sentence of {count} words: {sentence[:60]}"
    for number, line in enumerate(read.lines, start=1):
        if limits.max_line and len(line) > limits.max_line:
            yield f"line {number}: {len(line)} characters"
        yield from (f"line {number}: {word}" for word in _found(limits.forbidden, line))
    known = {heading.casefold() for heading in read.headings}
    yield from (f"no heading {name}" for name in limits.headings if name.casefold() not in known)


def _found(words: Sequence[str], line: str) -> Iterator[str]:
    """Each time that one of them stands in the line, as a word of its own."""
    for word in words:
        for _ in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", line, re.IGNORECASE):
            yield word


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
    for heading, inline in itertools.pairwise(_tokens(text)):
        if heading.type == "heading_open":
            plain = "".join(part.content for part in inline.children or ())
            slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
            seen = counts.get(slug, 0)
            counts[slug] = seen + 1
            found.add(f"{slug}-{seen}" if seen else slug)
    return found
