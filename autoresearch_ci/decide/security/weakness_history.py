"""What became of each weakness from one scan of everything to the next.

CORE: pure. What was not looked at again is unknown, never fixed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from autoresearch_ci.decide.security.weakness import MODEL, Weakness
from autoresearch_ci.experiment import ReadText

NEW, PERSISTING, REOPENED = "new", "persisting", "reopened"
FIXED, UNKNOWN = "fixed", "unknown"
REMEMBERED = 5_000
"""Entries; of more, what was fixed longest ago is forgotten first."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One weakness over time."""

    names: tuple[str, ...]
    """Its fingerprints, the first one first."""
    rule: str
    title: str
    severity: str
    path: str
    line: int
    sources: tuple[str, ...]
    status: Literal["open", "accepted", "fixed", "unknown"]
    first: str
    """Day on which it was first told, ISO 8601."""
    last: str
    """Day on which it was last told."""
    commit: str
    """The one in which it was last told."""
    ended: str = ""
    """Day on which it was found fixed."""
    quotes: tuple[tuple[str, int, str], ...] = ()
    """Of the code at its place that a model quoted: path, length and SHA-256, without blanks."""

    def words(self) -> str:
        """For people, in a line."""
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{self.severity} {place}: {self.title} [{self.rule}]"


@dataclass(frozen=True, kw_only=True)
class ScannedHistory:
    """How far a scan got."""

    commit: str
    day: str
    """ISO 8601."""
    files: Collection[str]
    """That were looked at to the end."""
    present: Collection[str]
    """All that the commit has."""
    scanners: Collection[str]
    """That looked to the end."""
    read: ReadText = lambda path: None
    """Text of a file."""

    def would_tell(self, entry: Entry) -> bool:
        """Whether this scan would have told of it, had it still been there.

        A model need not say again what it said beside a scanner: it is enough that the scanner
        looked, and that the code which the model quoted is gone.
        """
        gone = bool(entry.path) and entry.path not in self.present
        seen = gone or not entry.path or entry.path in self.files
        others = {*entry.sources} - {MODEL}
        if MODEL in entry.sources and (not entry.quotes or any(map(self._stands, entry.quotes))):
            return False
        return seen and bool(others) and others <= {*self.scanners}

    def _stands(self, quote: tuple[str, int, str]) -> bool:
        path, length, digest = quote
        text = self.read(path)
        if text is None:  # what cannot be read may have it
            return path in self.present
        bare = "".join(text.split())
        parts = (bare[at : at + length] for at in range(len(bare) - length + 1))
        return length < 1 or any(_digest(part) == digest for part in parts)


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """What a scan adds."""

    entries: tuple[Entry, ...]
    ages: Mapping[str, str] = field(default_factory=dict)
    """By first fingerprint of what is told now: new, persisting or reopened."""
    gone: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """`fixed`, this time, and `unknown`: a sentence on each."""


def continued(known: Sequence[Entry], told: Sequence[Weakness], looked: ScannedHistory) -> Chapter:
    """`told`: merged. Of several entries that one weakness has become the first goes on."""
    of = {name: entry for entry in reversed(known) for name in entry.names}
    entries: list[Entry] = []
    ages: dict[str, str] = {}
    met: set[int] = set()
    for weakness in told:
        old = next((of[name] for name in weakness.fingerprints if name in of), None)
        if old is not None and id(old) in met:
            old = None
        met |= {id(of[name]) for name in weakness.fingerprints if name in of}
        ages[weakness.fingerprint] = (
            NEW if old is None else REOPENED if old.status == "fixed" else PERSISTING
        )
        entries.append(_entry(weakness, old, looked))
    gone: dict[str, list[str]] = {FIXED: [], UNKNOWN: []}
    for entry in known:
        if id(entry) not in met:
            ended = _ended(entry, looked)
            entries.append(ended)
            if ended.status == "unknown" or (ended.status, entry.status) != ("fixed", "fixed"):
                gone[ended.status].append(ended.words())
    entries.sort(key=lambda e: (e.status == "fixed", e.ended < looked.day, e.path, e.line, e.rule))
    return Chapter(
        entries=tuple(entries[:REMEMBERED]),
        ages=ages,
        gone={name: tuple(words) for name, words in gone.items() if words},
    )


def _entry(weakness: Weakness, old: Entry | None, looked: ScannedHistory) -> Entry:
    return Entry(
        names=weakness.fingerprints,
        rule=weakness.rule,
        title=weakness.title,
        severity=str(weakness.severity),
        path=weakness.path,
        line=weakness.line,
        sources=weakness.sources,
        status="accepted" if weakness.status == "accepted" else "open",
        quotes=tuple(_quotes(weakness)) if MODEL in weakness.sources else (),
        first=old.first if old else looked.day,
        last=looked.day,
        commit=looked.commit,
    )


def _quotes(weakness: Weakness) -> Iterator[tuple[str, int, str]]:
    """Of its own place: what is quoted of the way there may stay."""
    for piece in weakness.evidence:
        end = piece.line + piece.text.count("\n")
        here = piece.path == weakness.path and piece.line <= weakness.last_line
        if here and end >= weakness.line and (bare := "".join(piece.text.split())):
            yield piece.path, len(bare), _digest(bare)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]


def _ended(entry: Entry, looked: ScannedHistory) -> Entry:
    if entry.status == "fixed":
        return entry
    if looked.would_tell(entry):
        return replace(entry, status="fixed", ended=looked.day)
    return replace(entry, status="unknown")
