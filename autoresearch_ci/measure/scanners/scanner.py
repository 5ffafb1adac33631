"""What a scanner is: which files it takes, how it is asked, how its answer is read.

No tool is known here, nothing is run. A parser is pure and fails closed, as those of
measure/diagnostics/ do: what crashed, left a file out, or wrote what it never writes is incomplete.
All are asked to ignore suppressions: which of those count is decided elsewhere, for all alike.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from autoresearch_ci.decide.security.severities import by_word
from autoresearch_ci.decide.security.weakness import Confidence, Severity, Weakness
from autoresearch_ci.measure.diagnostics.adapter import (
    ToolOutput,
    UnusableOutput,
    code_of,
    reading,
)

LIMIT = 50_000
"""Weaknesses of one tool; of more, the scan is incomplete."""


@dataclass(frozen=True, kw_only=True)
class ScannedFile:
    """A file that may be looked at."""

    path: str
    first_line: str = ""


@dataclass(frozen=True, kw_only=True)
class ScannerTask:
    """What a scanner is asked to do."""

    program: str
    """Absolute path."""
    files: Sequence[str]
    """Relative to the folder that it starts in; each begins with `./`."""
    rules: Sequence[str] = ()
    """Absolute paths of rules that the configuration names."""
    settings: str = ""
    """Absolute path of the configuration that is ours, not the repository's."""


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What one tool said."""

    weaknesses: tuple[Weakness, ...] = ()
    incomplete: str = ""
    """Why this may not be all; empty: it is all, but for `unseen`."""
    unseen: Mapping[str, str] = field(default_factory=dict)
    """Files that it could not read: path to why."""
    read: frozenset[str] | None = None
    """Files that it says it has read; `None`: it does not say."""

    def held_to(self, asked: Iterable[str], name: str) -> Scan:
        """With each file that it was asked about and says nothing of as one that it did not see."""
        if self.read is None or self.incomplete:
            return self
        silent = {*asked} - self.read - self.unseen.keys()
        why = f"{name} does not say that it has read it"
        return replace(self, unseen={**self.unseen, **dict.fromkeys(silent, why)})

    def named(self, names: Mapping[str, str]) -> Scan:
        """With the names that files have in the repository; `names`: by what they were called."""
        return replace(
            self,
            weaknesses=tuple(replace(w, path=names.get(w.path, w.path)) for w in self.weaknesses),
            unseen={names.get(path, path): why for path, why in self.unseen.items()},
        )


def named_as(pattern: re.Pattern[str]) -> Callable[[ScannedFile], bool]:
    """Takes files by their paths."""
    return lambda subject: pattern.search(subject.path) is not None


ScanParser = Callable[[ToolOutput], Scan]


_ARGUMENTS = 400_000
"""Characters of names in one command line."""


def all_at_once(files: Sequence[str]) -> list[list[str]]:
    """As few runs as command lines have room for."""
    found: list[list[str]] = [[]]
    room = _ARGUMENTS
    for path in files:
        room -= len(path) + 1
        if room < 0 and found[-1]:
            found.append([])
            room = _ARGUMENTS - len(path)
        found[-1].append(path)
    return found


def each(files: Sequence[str]) -> list[list[str]]:
    """One run a file."""
    return [[path] for path in files]


def each_folder(files: Sequence[str]) -> list[list[str]]:
    """One run a folder."""
    found: dict[str, list[str]] = {}
    for path in files:
        found.setdefault(path.rpartition("/")[0], []).append(path)
    return [*found.values()]


@dataclass(frozen=True, kw_only=True)
class Scanner:
    """One tool."""

    name: str
    program: str
    """What it is started with."""
    takes: Callable[[ScannedFile], bool]
    """What it looks at; it finds nothing else there, so no configuration of somebody else's."""
    argv: Callable[[ScannerTask], list[str]]
    parse: ScanParser
    network: bool = False
    """Whether it asks a service: then it runs only where that is allowed."""
    alone: bool = False
    """A file that it cannot read makes it leave out others: then each is asked about by itself."""
    brings: Mapping[str, str] = field(default_factory=dict)
    """Files that it finds besides what it takes: path to content."""
    settings: str = ""
    """What its configuration says; empty: it is an empty file."""
    rules: bool = False
    """Whether it is given the rules that the configuration names."""
    configurable: bool = False
    """Whether it may find settings of the repository: those of the trusted commit."""
    called: Callable[[str], str] = str
    """What a file is called where it looks, for one that leaves out files by their names; no two
    get one name."""
    retold: Callable[[str, str], tuple[str, str] | None] = lambda path, text: None
    """Of a file's path and text, another name and text under which it is shown, too: line by line
    the same, in a form that the scanner understands better."""
    splits: bool = False
    """Whether what it says of a file has nothing to do with others: then parts of many files are
    looked at side by side."""
    batches: Callable[[Sequence[str]], list[list[str]]] = all_at_once
    """How files are spread over several runs."""


def scan(
    name: str,
    weaknesses: Iterable[Weakness],
    incomplete: str = "",
    unseen: Mapping[str, str] | None = None,
    read: Iterable[str] | None = None,
) -> Scan:
    """What a parser returns, in bounds; each says who told it."""
    kept = [*itertools.islice(weaknesses, LIMIT + 1)]
    if len(kept) > LIMIT:
        incomplete = incomplete or f"{name} tells of more than {LIMIT} weaknesses"
    return Scan(
        weaknesses=tuple(replace(w, sources=(name,)) for w in kept[:LIMIT]),
        incomplete=incomplete,
        unseen=unseen or {},
        read=None if read is None else frozenset(read),
    )


def parser(name: str) -> Callable[[ScanParser], ScanParser]:
    """Makes of `UnusableOutput`, wherever it is raised, an incomplete scan."""
    return reading(name, lambda why: Scan(incomplete=why))


def severity(tool: str, word: str) -> Severity:
    """Raises `UnusableOutput` for a word that the tool does not have."""
    found = by_word(tool, word)
    if found is None:
        raise UnusableOutput(f"{tool} has a severity that is not known: {code_of(word)}")
    return found


def confidence(word: str) -> Confidence:
    """Of a tool's word; what is not known is low."""
    return {"high": Confidence.HIGH, "medium": Confidence.MEDIUM}.get(word.lower(), Confidence.LOW)


_CWE = re.compile(r"(?i)\bCWE[-/ ]?(\d{1,5})\b")
_TOP = re.compile(r"\b(A(?:0[1-9]|10))[:\s-]+(20\d\d)\b")


def cwe_in(*texts: str) -> int:
    """The number that a text names first; 0: none."""
    found = next((match for text in texts if (match := _CWE.search(text))), None)
    return int(found[1]) if found else 0


def owasp_in(*texts: str) -> str:
    """`A03:2021`; empty: none is named."""
    found = next((match for text in texts if (match := _TOP.search(text))), None)
    return f"{found[1]}:{found[2]}" if found else ""
