"""The Test Anything Protocol, as node, tape, tap, ava, prove -v and Perl's own modules print it.

Each point is a test, called after the subtests that it is in; one that holds others is told by
them. A plan that is not kept, or not reached, is a failure, and `Bail out!` is incomplete.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from autoresearch_ci.decide.failures.failure import ENDED_EARLY, PLAN, Problem
from autoresearch_ci.measure.diagnostics.adapter import ToolOutput, line_number
from autoresearch_ci.measure.diagnostics.printed_tests import Listed, failing, own_frame

_POINT = re.compile(
    r"(?P<indent> *)(?P<bad>not )?ok\b(?: +(?P<number>\d{1,9}))?(?P<dash> -)? ?(?P<title>.*)"
)
_DIRECTIVE = re.compile(r"(?i)(?<!\\)#\s*(?P<word>skip|todo)\b.*$|(?<!\\)#\s*time=\S+\s*$")
_VERSION = re.compile(r"TAP version \d{1,3}\s*")
_ERROR = re.compile(r"(?m)^(?:Uncaught )?\w*Error\b.*")
_PLAN = re.compile(r"(?P<indent> *)1\.\.(?P<count>\d{1,7})\b")
_SUBTEST = re.compile(r"(?P<indent> *)# Subtest: (?P<title>.*)")
_COMMENT = re.compile(r"# (?P<title>[^\s#].*)")
_PROVED = re.compile(r"(?P<program>\S+) \.{2,}\s*$")
_PERL = r"Failed test '{}'\n#\s+at (\S{{1,300}}) line (\d+)"
_LONGEST = 2_000


@dataclass(kw_only=True)
class _Stream:
    """One reading of the lines."""

    said: ToolOutput
    early: bool
    """Whether it ended before its plan: tape prints that last."""
    found: Listed = field(default_factory=Listed)
    groups: list[tuple[int, str]] = field(default_factory=list)
    """Subtests that are open: their indentation and title."""
    children: dict[int, tuple[int, bool]] = field(default_factory=dict)
    """By indentation, how many points a subtest has that is open, and whether one failed."""
    program: str = ""
    comment: str = ""
    """tape's way to begin a test."""
    begun: str = ""
    """The last that began so, whether it came to a point or not."""
    planned: int = 0
    top: int = 0
    """Points that are in no subtest."""

    def read(self, lines: Sequence[str]) -> Listed:
        last, number = "", 0
        while number < len(lines):
            line = lines[number][:_LONGEST].rstrip()
            number += 1
            point = _POINT.fullmatch(line)
            if point and (point["number"] or point["title"]):  # prove ends a file with `ok`
                told = _block(lines, number, len(point["indent"]))
                number += len(told)
                self._point(point, "\n".join(told), last)
            elif subtest := _SUBTEST.fullmatch(line):
                self._open(len(subtest["indent"]), subtest["title"])
            elif (plan := _PLAN.match(line)) and not plan["indent"]:
                self.planned += int(plan["count"])
            elif program := _PROVED.fullmatch(line):
                self.program, self.groups = program["program"], []
            elif line.startswith("Bail out!"):
                self.found.incomplete = self.said.words(line)[:200]
            elif comment := _COMMENT.fullmatch(line):
                self.begun = comment["title"]
            last = line
        return self._whole()

    def _open(self, indent: int, title: str) -> None:
        self.groups = [group for group in self.groups if group[0] < indent]
        self.groups.append((indent, title))
        self.children[indent + 4] = (0, False)

    def _point(self, point: re.Match[str], told: str, last: str) -> None:
        indent = len(point["indent"])
        title, end = _ended(point)
        if not point["dash"] and (comment := _COMMENT.fullmatch(last)):
            self.comment = comment["title"]
        count, failed = self.children.get(indent, (0, False))
        bad = end == "failed"
        self.children[indent] = (count + 1, failed or bad)
        self.top += not indent
        inner, inner_bad = self.children.pop(indent + 4, (0, False))
        # Its own header stands at its own indentation.
        above = [group for place, group in self.groups if place < indent]
        if inner and inner_bad >= bad:
            return  # its points have said it
        under = self.comment if not point["dash"] and not indent else ""
        name = title or f"test {point['number'] or count + 1}"
        path = [part for part in (self.program, *above, under, name) if part]
        test = self.found.add(self.said.words(" > ".join(path)), end)
        if bad:
            self.found.problems.append(self._problem(test, title, told))

    def _problem(self, test: str, title: str, told: str) -> Problem:
        path, line = own_frame(self.said, told)
        perl = re.search(_PERL.format(re.escape(title)), self.said.text) if title else None
        if perl and not path:
            path, line = self.said.path(perl[1]), line_number(perl[2])
        return failing(self.said, test, (path, line), _message(told, title or test))

    def _whole(self) -> Listed:
        if not self.program:  # prove holds each to its plan
            kept = not self.early and self.top >= self.planned
            self.found.outcomes[PLAN] = "passed" if kept else "failed"
            if not kept:
                self.found.problems.append(self._unfinished())
        return self.found

    def _unfinished(self) -> Problem:
        told, name, place = f"of {self.planned} planned tests {self.top} ran", PLAN, ("", 0)
        if self.early:
            error = _ERROR.search(self.said.stderr)
            why = error[0][:200] if error else "no word of why"
            # Under a name of its own: once it is mended, another may end the run later.
            name = self.said.words(f"{PLAN}, past {self.begun or why}")
            told = f"{why} (after {self.top} tests, before a plan)"
            place = own_frame(self.said, self.said.stderr)
        return replace(failing(self.said, name, place, told), code=ENDED_EARLY)


def read_tap(said: ToolOutput) -> Listed | None:
    """`None`: it printed no TAP."""
    lines = said.stdout.splitlines()
    planned = any(_PLAN.match(line) for line in lines)
    early = not planned and said.result.exit_code != 0 and any(map(_VERSION.fullmatch, lines))
    if not early and not (planned and any(_POINT.fullmatch(line[:_LONGEST]) for line in lines)):
        return None
    return _Stream(said=said, early=early).read(lines)


def _ended(point: re.Match[str]) -> tuple[str, str]:
    """The title of a point without directives, and how it ended."""
    title, word = point["title"], ""
    while found := _DIRECTIVE.search(title):
        word = word or (found["word"] or "").lower()
        title = title[: found.start()].rstrip()
    if word == "skip":
        return title, "skipped"
    if word == "todo":
        return title, "xfailed" if point["bad"] else "xpassed"
    return title, "failed" if point["bad"] else "passed"


def _block(lines: Sequence[str], start: int, indent: int) -> list[str]:
    """The YAML that follows a point: it may hold anything, points too."""
    inner = " " * (indent + 2)
    if start >= len(lines) or lines[start].rstrip() != f"{inner}---":
        return []
    end = start + 1
    while end < len(lines) and lines[end].rstrip() != f"{inner}...":
        end += 1
    return [*lines[start : end + 1]]


def _message(told: str, title: str) -> str:
    """What a block says is wrong; a comparison alone says too little."""
    words = "\n".join(_told(told.splitlines()))
    return words if re.search(r"(?m)^ *(error|message):", told) else f"{title} fails\n{words}"


_SAYS = re.compile(r"\s*(?:error|message|operator|expected|actual|compare|assertion): *(.*)")


def _told(lines: Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        found = _SAYS.fullmatch(line)
        if not found:
            continue
        if found[1] in ("|-", "|", ">-", ">"):
            indent = len(line) - len(line.lstrip())
            rest = lines[number + 1 : number + 9]
            inner = (r for r in rest if r.strip() and len(r) - len(r.lstrip()) > indent)
            yield from (text.strip() for text in inner)
        elif found[1].strip("'\""):
            yield line.strip() if "error" not in line else found[1].strip("'\"")
