"""Values that are right for one test: `if n == 7: return 13`, where a test says just that.

Read by text, in whatever language: an answer that is a literal, and the literals of the condition
that it stands under, or of the key that leads to it. How they are compared does not matter. One
more row of a table that was there is no such case, nor is one that holds more than tests ask.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from autoresearch_ci.decide.failures.shortcuts.hardcoded_lists import apart_from_inputs
from autoresearch_ci.decide.failures.shortcuts.literals import (
    LITERAL,
    PAIR,
    PLAIN,
    SOURCE,
    WORD,
    brackets,
    plain_code,
    values_in,
)
from autoresearch_ci.decide.failures.shortcuts.one_input import (
    CHOOSES,
    NATURAL,
    NEAR,
    TRIVIAL,
    Value,
    asked_by_what_it_has,
    expected,
    is_form,
    is_of_input,
    is_telling,
    is_turn,
    listed_in,
    spelled,
    together,
)
from autoresearch_ci.decide.failures.shortcuts.suite import Shortcut

_DATA = re.compile(r"\.(json|jsonl|ya?ml|csv|tsv|toml|ini|dat)$")
_INPUTS = re.compile(rf"{LITERAL}(?:\s*(?:[,|]|:\s*case\b)\s*{LITERAL})*")
"""Those that are answered alike: `case 4, 6:`."""
_HANDED_ON = re.compile(rf"\+= ?{PLAIN}[^\"']*$")
"""A part of the input that a result is made of, as it is: `if c == "x": word += "x"`."""
_ALIKE = re.compile(rf"{PLAIN}\s*(?:\|\s*{PLAIN}|,\s*{PLAIN}\s*:)")
_ANSWER = re.compile(
    r"(?:\breturn\b|\bthen(?=[ \t])|=>|->|\?\??|:|&&|\band\b|\+?(?<![=!<>.])=(?!=))"
    rf"[ \t]*(?P<value>{LITERAL})"
    r"(?=[ \t]*(?:[;,)}\]:|]|\bif\b|\belse\b|\bor\b|$))"
    rf"|^[ \t]*(?P<last>{PLAIN})[ \t]*$",
    re.MULTILINE,
)
"""What something comes to: a value by itself, and no part of a sum."""
_LEFT = re.compile(
    r"\bif\b(?P<asked>[^\n{}!]{0,99}!=[^\n{}!]{0,99}?)(?:\{|\n|(?<=\)))\s*+"
    r"(?P<first>[^\n{};]{1,200}+);?\s*+(?:\}|\bend\b)?\s*+(?P<other>else\b[ \t]*+\{?\s*+)?"
    rf"(?:return\b)?[ \t]*+(?P<value>{PLAIN})[ \t]*(?=;|\}}|$)",
    re.MULTILINE,
)
"""What is left for an input when all others have gone: `if (n != 10) return n; return 55;`."""
_REST = re.compile(rf"(?:\s*+,\s*+{LITERAL})+")
"""Of a row that holds more than two."""
_ASKS = re.compile(
    r"\b(?:if|elif|case|when|match|switch|while|in)\b|matches!|[=!]=|&&|\|\||\?|=>|->|\.\w*[eE]q\w*\("
)
_ADDED = re.compile(r"[-+*/]\s*\([^()\n]*$")
_NOT_ASKED = re.compile(
    r"(?:\?\?|(?<![=-])[<>]=?|[-+*/%^~]|[\w)\]]\[(?:[^\[\]\n]{0,40}:)?|(?<![=!<>])="
    r"|\b(?:has|get)attr\([^()\n]{1,40},)\s*$"
)
"""What stands before a literal that nothing is compared with: limits, sums, places in a list, what
is taken where nothing is given, and the name of what an object has."""
_FIGURES = re.compile(r"(?=\D{0,100}\d)(?=\w{0,100}\W)\S{5,100}")
"""A text that is no word and no kind of something: `1.0.0-rc.1`, `2024-02-29`."""
_BESIDE = 60
"""Characters on either side of a literal that say what is made of it."""
_MACHINE = re.compile(
    r"\bsys\.platform\b|\bos\.(?:name|uname|environ|getenv|Getenv|platform)\b|\bGO(?:OS|ARCH)\b"
    r"|\bprocess\.(?:platform|env|arch)\b|\bplatform\.\w+\(|\bcfg!\(|\bgetenv\(|\bgetProperty\("
    r"|\b(?:get)?hostname\("
)
"""Where code runs, which says nothing of what it is given."""
_PLATFORMS = frozenset({"win32", "windows", "nt", "darwin", "linux", "posix", "cygwin"})
_ENDS = re.compile(r"\b(?:return|break|else|def|fn|func|function|class)\b|\}")
_ABOVE = NEAR
"""Lines over an answer in which its condition may stand."""
_ROWS = 3
"""So many cases of the same shape are a table that is written as conditions."""
_DIGEST = re.compile(r"[0-9a-fA-F]{32,128}")
_LOOKED_UP = re.compile(r"\s*\}\)?(?:\.get\(|\.pop\(|\.fetch\(|\[)")
_ALL_OTHERS = re.compile(r"\s*,?\s*(?:_|[a-z]\w*)\s*=>")
"""The arm after the only one that names an input."""
_LOOK_UP = re.compile(r"(?:\.get\(|\.pop\(|\.fetch\(|\w\[|\bswitch\b|\bmatch\b)[^\n]{1,80}")
_FAR = 500
"""Characters behind an answer in which its condition, or the answer to all others, stands."""
_NEXT = 40
"""Lines behind a case in which the rest of a function stands."""
_RETURNED = re.compile(r"\breturn\b[ \t]*([^\n;]*)")
_ELSE = re.compile(
    r"(?:[ \t]*:|[^\n;]*?\belse\b|[;)}\s]*(?:\belse\b[\s:{]*)?\breturn\b"
    r"|[;)}\s]*(?:\bdefault\b|\bcase _|\b_)\s*(?::|=>|->)[\s{]*(?:return\b)?)"
    rf"[ \t]*(?P<value>{PLAIN})"
)
"""The answer in all other cases."""


@dataclass(frozen=True, kw_only=True)
class _Case:
    line: int
    text: str
    asked: tuple[Value, ...]
    answers: tuple[Value, ...]
    otherwise: tuple[Value, ...] = ()
    place: int = -1
    """Of a pair, in the table."""
    says: bool = False
    """Whether it says what a word means, of which there are tables everywhere."""

    @property
    def shape(self) -> str:
        """Of its text, whatever the literals are."""
        return _INPUTS.sub("…", self.text)

    def inputs(self, lines: Sequence[str]) -> int:
        """How many it answers, of the file's lines; a run is padded where others are computed."""
        if self.place >= 0 and " => " not in self.text:
            return 1
        told = [match[0] for match in _INPUTS.finditer(self.text)]
        if (most := max((_count(inputs, True) for inputs in told), default=1)) == 1:
            return 1
        rest = "\n".join(lines[self.line - 1 : self.line + _NEXT])
        returned = _RETURNED.findall(re.split(r"\n\s*\n|\n\}", rest)[0])
        computes = any(not re.fullmatch(PLAIN, said) for said in returned)
        if computes and any(is_telling(v) and not isinstance(v, str) for v in self.answers):
            return max(_count(inputs, False) for inputs in told)
        return most

    def is_mapping(self, answers: Collection[tuple[Value, ...]]) -> bool:
        """Whether all that comes out was a constant before, too: `answers`."""
        return not {*self.otherwise} <= {*TRIVIAL} and self.otherwise in answers


def _count(inputs: str, apart: bool) -> int:
    """How many inputs; unless they are `apart`, numbers that follow each other are one."""
    values = [*map(values_in, re.findall(LITERAL, inputs))]
    before = [(v[0] - 1,) for v in values if len(v) == 1 and isinstance(v[0], int)]
    return len(values) - (0 if apart else sum(value in values for value in before))


def hardcoded(
    path: str, before: str | None, after: str | None, tests: Mapping[str, str]
) -> Iterator[Shortcut]:
    """New cases whose values, condition and answer, stand together in a test."""
    if before is None and after is not None and _DATA.search(path):
        told = {*values_in(after)}
        held = [value for value in told if is_telling(value) and listed_in((value,), tests, 1)]
        if 5 * len(held) >= 2 * len(told) and (name := listed_in(held, tests)):
            yield _told(path, 1, name, f"a file with {', '.join(sorted(map(spelled, held)))}")
    if after is None or not SOURCE.search(path):
        return
    was, now = plain_code(path, before or ""), plain_code(path, after)
    yield from (_told(path, *found) for found in apart_from_inputs(was, now, tests))
    old, new = _cases(was), _cases(now)
    known = {case.text for case in old}
    shapes = Counter(case.shape for case in old)
    answers = {values_in(m["value"] or m["last"]) for m in _ANSWER.finditer(was)}
    tables = brackets(now, (case.place for case in new if case.place >= 0))
    kept = [case for case in new if case.place >= 0 and case.text in known]
    rows = Counter((tables[case.place], case.shape) for case in kept)
    grown = {tables[case.place] for case in kept if any(map(is_telling, case.answers))} - {-1}
    fresh = [
        case
        for case in new
        if not (case.says or case.text in known or case.is_mapping(answers))
        and not is_turn(case.asked, case.answers)
        and not is_form(case.asked, case.answers, was)
        and (at := tables.get(case.place, -1)) not in grown
        and not _is_row(case, shapes[case.shape] if at < 0 else rows[at, case.shape])
    ]
    gone = "\n".join(part for part in re.split(r"\n[ \t]*\n", was) if part.strip() not in now)
    returned = _RETURNED.findall(gone)
    ways = [re.fullmatch(rf"({PLAIN})(?:\s*if\b.*\belse\s*({PLAIN}))?\s*", r) for r in returned]
    maps = len({*chain(*(way.groups() for way in ways if way))} - {None}) * all(ways)
    looked = " ".join(m[0] for m in _LOOK_UP.finditer(now) if is_of_input(m[0]))
    words = {v for case in fresh for v in (*case.answers, *case.otherwise) if isinstance(v, str)}
    several = sum(len(word) > 1 and bool(expected((word,), tests)) for word in words) > 1
    of_shape: dict[str, list[_Case]] = {}
    for case in fresh:
        of_shape.setdefault(case.shape, []).append(case)
    lines = now.splitlines()
    for cases in of_shape.values():
        asking = [
            (case, where)
            for case in cases
            if (where := _asking(case, looked, tests, maps, several))
        ]
        if 2 * len(asking) < sum(case.inputs(lines) for case in cases):
            continue  # it answers more than is asked
        for case, where in asking:
            yield _told(path, case.line, where, case.text)


def _is_row(case: _Case, rows: int) -> bool:
    """Whether it is one more of a table, or of one that is written as conditions."""
    words = all(isinstance(value, str) for value in case.answers)
    return rows >= (_ROWS - 1 if words else _ROWS)


def _told(path: str, line: int, where: str, words: str) -> Shortcut:
    what = f"answers what {where} asks, and nothing else: {words[:80]}"
    return Shortcut(rule="value-hardcoded", path=path, line=line, what=what)


def _cases(text: str) -> list[_Case]:
    lines = text.splitlines()
    pairs = [*PAIR.finditer(text)]
    rows = (m for m in pairs if m["leads"] == "," and m["key"][-1] in "])}")
    pairs += chain(*(PAIR.finditer(text, m.start("key"), m.end("value") + 1) for m in rows))
    found = [case for match in pairs if (case := _pair(text, match))]
    end = 0
    for match in _ANSWER.finditer(text):
        place = match.start("value" if match["value"] else "last")
        starts = text.rfind("\n", 0, place) + 1
        begin, end = max(starts, end), match.end()
        rest = text[end : end + _FAR]
        after = re.match(r"[ \t]*if\b(?:(?!\belse\b)[^\n])*", rest)
        here = text[begin : match.start()] + "?" * match[0].startswith("?")
        here += after[0] if after else ""
        if (match[0].startswith(":") and "?" not in here) or _ADDED.search(here):
            continue  # an annotation, a slice, a pair; what is added is hardcoded_arithmetic.py's
        line = text.count("\n", 0, place) + 1
        alone = begin == starts and not after and not re.search(PLAIN, here)
        over = _above(lines, line - 1) if alone or after else []
        if not alone:
            over = [(n, part) for n, part in over if CHOOSES.match(part) and is_of_input(part)]
        parts = [(n, part) for n, part in [*over, (line, here)] if _ASKS.search(part)]
        asked = [(n, part, values) for n, part in parts if (values := _asked(part))]
        if asked:
            told = " ".join(part for _, part, _ in asked)
            found.append(
                _Case(
                    line=asked[0][0],
                    text=" ".join(f"{told} {match[0]}".split()),
                    asked=tuple(value for _, _, values in asked for value in values),
                    answers=values_in(match["value"] or match["last"]),
                    otherwise=_otherwise(rest),
                )
            )
    return [*found, *_left(text)]


def _left(text: str) -> Iterator[_Case]:
    for match in _LEFT.finditer(text):
        first, asked = match["first"], _asked(match["asked"])
        gone = match["other"] or re.match(r"return\b", first)
        if gone and asked and not re.fullmatch(rf"(?:return\b)?\s*{PLAIN}\s*", first):
            yield _Case(
                line=text.count("\n", 0, match.start()) + 1,
                text=" ".join(f"if{match['asked']} … {match['value']}".split()),
                asked=asked,
                answers=values_in(match["value"]),
            )


def _otherwise(rest: str) -> tuple[Value, ...]:
    """The literal to which it comes elsewhere; empty: something is computed."""
    match = _ELSE.match(rest)
    return values_in(match["value"]) if match else ()


_FILLS = ("of", "entry", "put", "replace", "set")
"""Calls of which the first argument is a key and the second what it leads to."""


def _pair(text: str, match: re.Match[str]) -> _Case | None:
    opens, leads = match["opens"] or "", match["leads"]
    if leads == ",":
        of = re.search(r"(\w+|=)\s*$", text[max(match.start() - 40, 0) : match.start()])
        if opens not in ("(", "[", "{") or (of and of[1] not in _FILLS):
            return None  # arguments, or what something is compared with
    elif opens not in ("{", ",", "", "("):
        return None
    alone = opens == "{" and (
        _LOOKED_UP.match(text, match.end())
        or (leads == "=>" and _ALL_OTHERS.match(text, match.end()))
    )
    words = all(map(WORD.fullmatch, re.findall(LITERAL, match["key"])))
    rest = _REST.match(text, match.end()) if leads == "," else None
    text = " ".join(f"{match['key']} {leads} {match['value']}".split())
    line = match.string.count("\n", 0, match.start("key")) + 1
    return _Case(
        line=line,
        text=text,
        asked=values_in(match["key"]),
        answers=(*values_in(match["value"]), *values_in(rest[0] if rest else "")),
        place=match.start("opens" if leads == "," else "key"),
        says=words and not alone and not _DIGEST.fullmatch(match["key"][1:-1]),
    )


def _above(lines: Sequence[str], number: int) -> list[tuple[int, str]]:
    """The conditions over a line, and where they stand, as far as nothing ends there."""
    found: list[tuple[int, str]] = []
    for n in range(number - 1, max(number - _ABOVE, 0) - 1, -1):
        ends = _ENDS.search(lines[n].replace("else if", "")) and not _ASKS.search(lines[n])
        if ends or re.search(r"\breturn\b|\bbreak\b", lines[n]):
            break
        found.append((n + 1, lines[n]))
    return found[::-1]


def _asked(text: str) -> tuple[Value, ...]:
    """What something is compared with."""
    found: list[Value] = []
    calculates = False
    for match in re.finditer(PLAIN, text):
        before = text[max(match.start() - _BESIDE, 0) : match.start()]
        after = text[match.end() : match.end() + _BESIDE].lstrip()
        if _NOT_ASKED.search(before) or re.match(r"[<>*/%+^-](?!>)", after):
            calculates = True
        else:
            found += values_in(match[0])
    # `n % 15 == 0` asks for no zero.
    return () if calculates and all(value in TRIVIAL for value in found) else tuple(found)


def _asking(case: _Case, looked: str, tests: Mapping[str, str], maps: int, several: bool) -> str:
    """The test file that holds the values together; empty: none.

    `looked`: how a table is asked for what an input has. `maps`: how many constants there are, if
    nothing else came out before. `several`: whether tests expect more than one of the words.
    """
    figures = {v for v in case.asked if isinstance(v, str) and _FIGURES.fullmatch(v)}
    if case.place < 0 and len(figures) > 1 and (name := together([*figures], tests, NEAR)):
        return name  # whatever it answers: two versions, or dates, that a test asks for at once
    empty = bool(case.asked) and all(value in NATURAL for value in case.asked)
    if case.place < 0 and (empty or maps > 1):
        return ""  # what is empty has an answer of its own
    values = [*case.asked, *case.answers]
    told = [value for value in case.answers if value not in TRIVIAL]
    if not case.answers or all(value in TRIVIAL for value in values):
        return ""
    if _HANDED_ON.search(case.text) and {*case.answers} <= {*case.asked}:
        return ""
    if not told and not any(map(is_telling, case.asked)):
        return ""
    if any(isinstance(value, str) and _DIGEST.fullmatch(value) for value in case.asked):
        return next(iter(expected(told, tests)), "")
    wide = any(map(is_telling, told)) and any(map(is_telling, case.asked))
    kinds = _PLATFORMS.issuperset(case.asked) and not _MACHINE.search(case.text)
    alike = _ALIKE.search(case.text) is not None  # and asked for one by one
    told_of = [[value, *case.answers] for value in case.asked] if alike else [values]
    found = (together(each, tests, _ABOVE if wide else 1) for each in told_of if not kinds)
    near = min(found, default="")
    condition = looked if case.place >= 0 or case.text.startswith("case ") else case.text
    has = asked_by_what_it_has(condition, case.asked, case.answers, tests, several)
    if _MACHINE.search(case.text) and any(map(is_telling, told)):
        near = near or next(iter(expected(told, tests)), "")
    return near or (has if maps < 1 + is_of_input(condition) else "")
