"""Values that are right for one test: `if n == 7: return 13`, where a test says just that.

Read by text, in whatever language: an answer that is a literal, and the literals of the condition
that it stands under, or of the key that leads to it. How they are compared does not matter. One
more row of a table that was there is no such case, nor is one that holds more than tests ask. A
limit (`if n >= 7`) is one where a test asks for its answer right at the limit and nowhere else,
while what lies on the other side is computed; a list of numbers is, where an argument by itself is
the index and a test asks for its last element.
"""

from __future__ import annotations

import functools
import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from autoresearch_ci.decide.failures.shortcuts.one_input import (
    NATURAL,
    NEAR,
    TRIVIAL,
    Value,
    as_equal,
    asked_by_what_it_has,
    expected,
    is_form,
    is_of_input,
    is_telling,
    listed_in,
    pattern_of,
    spelled,
    together,
    values_of,
)
from autoresearch_ci.decide.failures.shortcuts.other_tests import without_comments
from autoresearch_ci.decide.failures.shortcuts.suite import Shortcut

_SOURCE = re.compile(
    r"\.(py|[cm]?[jt]sx?|go|rs|c|cc|cpp|cxx|h|hpp|java|kt|cs|rb|php|swift|scala|dart)$"
)
_DATA = re.compile(r"\.(json|jsonl|ya?ml|csv|tsv|toml|ini|dat)$")
_NUMBER = r"(?<![\w.])-?\d{1,300}(?:\.\d{1,300})?(?![\w.]*\w)"
_PLAIN = rf"(?:{_NUMBER}|\"[^\"\n]{{1,200}}\"|'[^'\n]{{1,200}}'|/\^[\w ]{{1,99}}\$/)"
_ITEM = r"[^\[\](){}\n]"
_LIST = rf"&?(?:vec!)?[\[({{](?>(?:{_ITEM}|[\[({{](?>{_ITEM}*)[\])}}])*)[\])}}]"
_LITERAL = rf"(?:{_PLAIN}|{_LIST})"
_INPUTS = re.compile(rf"{_LITERAL}(?:\s*(?:[,|]|:\s*case\b)\s*{_LITERAL})*")
"""Those that are answered alike: `case 4, 6:`."""
_HANDED_ON = re.compile(rf"\+= ?{_PLAIN}[^\"']*$")
"""A part of the input that a result is made of, as it is: `if c == "x": word += "x"`."""
_ALIKE = re.compile(rf"{_PLAIN}\s*(?:\|\s*{_PLAIN}|,\s*{_PLAIN}\s*:)")
_ANSWER = re.compile(
    r"(?:\breturn\b|\bthen(?=[ \t])|=>|->|\?\??|:|&&|\band\b|\+?(?<![=!<>.])=(?!=))"
    rf"[ \t]*(?P<value>{_LITERAL})"
    r"(?=[ \t]*(?:[;,)}\]:|]|\bif\b|\belse\b|\bor\b|$))"
    rf"|^[ \t]*(?P<last>{_PLAIN})[ \t]*$",
    re.MULTILINE,
)
"""What something comes to: a value by itself, and no part of a sum."""
_PAIR = re.compile(
    rf"(?:(?P<opens>[\[({{,])\s*+|^[ \t]*+)(?:\w*+\[(?=[^\[\]\n]+\] *=(?!>)))?"
    rf"(?P<key>{_LITERAL}(?:\s*+\|\s*+{_LITERAL})*)\s*+"
    rf"(?P<leads>:|,|=>|\] *=)\s*(?P<value>{_LITERAL})\s*(?=[\])}},])",
    re.MULTILINE,
)
"""A key and what it leads to, in a table or a list of such pairs."""
_REST = re.compile(rf"(?:\s*+,\s*+{_LITERAL})+")
"""Of a row that holds more than two."""
_CONSTANT = re.compile(rf"[ \t]*(?:return[ \t]+)?(?P<value>{_LITERAL})[ \t]*(?:;[ \t]*)?")
_SIGNATURE = re.compile(
    r"\s*+(?!(?:\}\s*)?(?:if|elif|else|for|foreach|while|until|unless|switch|match|case|when|guard"
    r"|catch|except|rescue|with|using|return|try|async\s+(?:with|for))\b)[^()\n]*"
    r"\((?P<given>[^()\n]*)\)[^;\n]*(?:[:{]|=>)\s*$"
)
_CHOOSES = re.compile(r"\s*+(?:if|for|foreach|while|switch|match|case|when|unless|try)\b")
_ASKS = re.compile(
    r"\b(?:if|elif|case|when|match|switch|while|in)\b|matches!|[=!]=|&&|\|\||\?|=>|->|\.\w*[eE]q\w*\("
)
_ADDED = re.compile(r"[-+*/]\s*\([^()\n]*$")
_NOT_ASKED = re.compile(
    r"(?:\?\?|[<>]=?|[-+*/%^~]|[\w)\]]\[(?:[^\[\]\n]{0,40}:)?|(?<![=!<>])=)\s*$"
)
"""What stands before a literal that nothing is compared with: limits, sums, places in a list, and
what is taken where nothing is given."""
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
_WORD = re.compile(r"[\"'][^\s\d,][^\s,]*[\"']")
_DIGEST = re.compile(r"[0-9a-fA-F]{32,128}")
_AT_ONCE = re.compile(r"[,\s]*\}\)?(?:\.get\(|\.fetch\(|\[)\s*(\w*)")
"""What a table is asked for where it stands."""
_LOOKED_UP = re.compile(r"\s*\}\)?(?:\.get\(|\.pop\(|\.fetch\(|\[)")
_LOOK_UP = re.compile(r"(?:\.get\(|\.pop\(|\.fetch\(|\w\[|\bswitch\b|\bmatch\b)[^\n]{1,80}")
_LIMIT = re.compile(
    rf"\bif\b[ \t]*\(?(?P<name>[A-Za-z_]\w*)[ \t]*(?P<sign>[<>]=?)[ \t]*(?P<limit>-?\d{{1,300}})"
    rf"\)?[\s:{{]*return[ \t]+(?P<value>{_NUMBER})[ \t;]*(?:\n|\}})"
)
_ROW = re.compile(r"(?P<list>[\[({][-\d., \t\n]{5,2000}[\])}])(?:\[(?P<index>[A-Za-z_]\w*)\])?")
_NAMED = re.compile(
    r"(?P<name>[A-Za-z_]\w*)[ \t]*(?:\[\w*\]|:[^=\n]{1,60})?[ \t]*:?=[ \t]*(?:[\[\]\w.]{1,20})?$"
)
"""What a list is given as a name."""
_FAR = 4000
"""Characters behind a limit or a list in which the rest of a function stands."""
_BRACKET = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|(?P<opens>[\[({])|[\])}]")
_NEXT = 40
"""Lines behind a case in which the rest of a function stands."""
_RETURNED = re.compile(r"\breturn\b[ \t]*([^\n;]*)")
_ELSE = re.compile(
    r"(?:[ \t]*:|[^\n;]*?\belse\b|[;)}\s]*(?:\belse\b[\s:{]*)?\breturn\b"
    r"|[;)}\s]*(?:\bdefault\b|\bcase _|\b_)\s*(?::|=>|->)[\s{]*(?:return\b)?)"
    rf"[ \t]*(?P<value>{_PLAIN})"
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
    """Of a pair, in the text."""

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
        computes = any(not re.fullmatch(_PLAIN, said) for said in returned)
        if computes and any(is_telling(v) and not isinstance(v, str) for v in self.answers):
            return max(_count(inputs, False) for inputs in told)
        return most

    def is_mapping(self, answers: Collection[tuple[Value, ...]]) -> bool:
        """Whether all that comes out was a constant before, too: `answers`."""
        return not {*self.otherwise} <= {*TRIVIAL} and self.otherwise in answers


def _count(inputs: str, apart: bool) -> int:
    """How many inputs; unless they are `apart`, numbers that follow each other are one."""
    values = [*map(_values, re.findall(_LITERAL, inputs))]
    before = [(v[0] - 1,) for v in values if len(v) == 1 and isinstance(v[0], int)]
    return len(values) - (0 if apart else sum(value in values for value in before))


def hardcoded(
    path: str, before: str | None, after: str | None, tests: Mapping[str, str]
) -> Iterator[Shortcut]:
    """New cases whose values, condition and answer, stand together in a test."""
    if before is None and after is not None and _DATA.search(path):
        told = {*_values(after)}
        held = [value for value in told if is_telling(value) and listed_in((value,), tests, 1)]
        if 5 * len(held) >= 2 * len(told) and (name := listed_in(held, tests)):
            yield _told(path, 1, name, f"a file with {', '.join(sorted(map(spelled, held)))}")
    if after is None or not _SOURCE.search(path):
        return
    was, now = _code(path, before or ""), _code(path, after)
    for look in (_constants, _limits, _listed, _answers_of_tests, _words, _encoded, _digests):
        yield from (_told(path, *found) for found in look(was, now, tests))
    old, new = _cases(was), _cases(now)
    known = {case.text for case in old}
    shapes = Counter(case.shape for case in old)
    answers = {_values(m["value"] or m["last"]) for m in _ANSWER.finditer(was)}
    tables = _tables(now, (case.place for case in new if case.place >= 0))
    grown = {
        tables[case.place]
        for case in new
        if case.place >= 0 and case.text in known and any(map(is_telling, case.answers))
    } - {-1}
    fresh = [
        case
        for case in new
        if not (case.text in known or _is_row(case, shapes) or case.is_mapping(answers))
        and not is_form(case.asked, case.answers, was)
        and tables.get(case.place, -1) not in grown
    ]
    gone = "\n".join(part for part in re.split(r"\n[ \t]*\n", was) if part.strip() not in now)
    returned = _RETURNED.findall(gone)
    ways = [re.fullmatch(rf"({_PLAIN})(?:\s*if\b.*\belse\s*({_PLAIN}))?\s*", r) for r in returned]
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


def _is_row(case: _Case, shapes: Counter[str]) -> bool:
    """Whether it is one more of a table that is written as conditions."""
    words = all(isinstance(value, str) for value in case.answers)
    return shapes[case.shape] >= (_ROWS - 1 if words else _ROWS)


def _limits(was: str, now: str, tests: Mapping[str, str]) -> Iterator[tuple[int, str, str]]:
    """`if n >= 10: return 55` before what is computed, of which one line of a test asks just that:
    a limit of its own would be asked for beyond, too, or be what lies there."""
    for match in _LIMIT.finditer(now):
        name, limit = match["name"], int(match["limit"])
        nearest = limit + {">": 1, "<": -1}.get(match["sign"], 0)
        values = _values(match["value"])
        moved = (m for m in _LIMIT.finditer(was) if m["value"] == match["value"])
        if any(abs(int(m["limit"]) - limit) < 2 for m in moved):
            continue  # by one, or the limit is taken in: it says what it said
        if {*values} & {limit, nearest, *TRIVIAL} or not any(map(is_telling, values)):
            continue
        if _computes(now[match.end() : match.end() + _FAR], name):
            (answer,) = map(pattern_of, values)
            for where, text in tests.items():
                asking = [line for line in text.splitlines() if answer.search(line)]
                if len(asking) == 1 and pattern_of(nearest).search(asking[0]):
                    words = " ".join(match[0].split())
                    yield now.count("\n", 0, match.start()) + 1, where, words


def _computes(rest: str, name: str) -> bool:
    """Whether what a function comes to next holds an argument."""
    found = re.search(r"\breturn\b(?P<value>[^\n;]*)", re.sub(_LIMIT, "", rest))
    return bool(found and re.search(rf"\b{name}\b", found["value"]))


def _listed(was: str, now: str, tests: Mapping[str, str]) -> Iterator[tuple[int, str, str]]:
    """`[0, 1, 1, 2, 3, 5][n]`, of which a test asks for the last."""
    old = {"".join(match["list"].split()) for match in _ROW.finditer(was)}
    for match in _ROW.finditer(now):
        values, name = _values(match["list"]), match["index"]
        if len(values) < 3 or "".join(match["list"].split()) in old:
            continue
        if not name:
            named = _NAMED.search(now[max(match.start() - 120, 0) : match.start()])
            used = named and re.search(
                rf"\b{named['name']}\[([A-Za-z_]\w*)\]", now[match.end() : match.end() + _FAR]
            )
            name = used[1] if used else ""
        # A table in the place of a table says other words; in that of a computation, its results.
        if not name or re.search(rf"\w\[{name}\]", was) or not _computes(was, name):
            continue
        if where := together((len(values) - 1, values[-1]), tests):
            yield now.count("\n", 0, match.start()) + 1, where, " ".join(match[0].split())


_YIELDED = re.compile(rf"^[ \t]*yield[ \t]+(?P<value>{_LITERAL})[ \t;]*$", re.MULTILINE)
_COLLECTION = re.compile(rf"[\[({{]\s*(?:{_PLAIN}\s*(?:,\s*|(?=[\])}}]))){{2,40}}[\])}}]")
_CORRECTS = re.compile(
    rf"[-+]\s*\(?\s*\{{(?:\s*{_NUMBER}\s*:\s*{_NUMBER}\s*,?)+\s*\}}\s*\.get\([^\n]*?,\s*0(?:\.0)?\s*\)"
)
"""What is added for some inputs, and nothing for all others."""
_SPLIT = re.compile(
    r"(?P<text>\"[^\"\n]{3,400}\"|'[^'\n]{3,400}'|`[^`]{3,400}`)\s*\.(?:r?split\w*|lines)\("
    r"|\b(?:Fields|Split|strtok)\(\s*(?P<of>\"[^\"\n]{3,400}\"|`[^`]{3,400}`)"
)
_GIVEN = re.compile(
    rf"^[ \t]*(?P<names>[A-Za-z_]\w*(?:[ \t]*,[ \t]*[A-Za-z_]\w*)*)[ \t]*(?:=[ \t]*|\([ \t]*)"
    rf"(?P<values>{_PLAIN}(?:[ \t]*,[ \t]*{_PLAIN})*)[ \t]*\)?[,;]?[ \t]*$",
    re.MULTILINE,
)
"""Names and what they stand for: in an enumeration, a class."""
_ONLY_ASKED = re.compile(
    r"\bin\s*.$|(?:[)\]]|\b(?!(?:iter|deque|cycle|list|tuple|set|of|asList|Map|Set|Array)\()\w+)\($"
)
"""What stands before a list that something is compared with, and before arguments."""


def _answers_of_tests(
    was: str, now: str, tests: Mapping[str, str]
) -> Iterator[tuple[int, str, str]]:
    """The answers of several tests in one list, however one is chosen: `next(ANSWERS)`."""
    found = []
    for match in _COLLECTION.finditer(now):
        opening = now[max(match.start() - 60, 0) : match.start() + 1]
        gone_through = re.search(r"\bfor\b[^\n]*\bin\s*.$", opening)
        if (gone_through or not _ONLY_ASKED.search(opening)) and match[0] not in was:
            found.append((match.start(), _values(match[0]), opening[:-1].endswith("iter(")))
    for match in _SPLIT.finditer(now):
        if match[0] not in was:
            items = re.split(r"[\s,;|]+", (match["text"] or match["of"])[1:-1])
            items = [item.rpartition(":")[2] or item for item in items]
            found.append((match.start(), tuple(chain(*map(_item, items))), False))
    yielded = [m for m in _YIELDED.finditer(now) if m[0].strip() not in was]
    if yielded and now.count("yield") == len(yielded):
        told = tuple(chain(*(_values(m["value"]) for m in yielded)))
        found.append((yielded[0].start(), told, True))
    named = [m for m in _GIVEN.finditer(now) if m[0].strip() not in was]
    pairs = [
        (m, n, v) for m in named for n, v in zip(_names(m), _values(m["values"]), strict=False)
    ]
    asked = [(m, where) for m, n, v in pairs if n != v and (where := together((n, v), tests))]
    if len(asked) > 1 and 2 * len(asked) >= len(pairs):
        match, where = asked[0]
        yield now.count("\n", 0, match.start()) + 1, where, match[0].strip()
    for match in _CORRECTS.finditer(now):
        if match[0] not in was and tests:
            yield now.count("\n", 0, match.start()) + 1, min(tests), " ".join(match[0].split())
    for place, values, telling in found:
        if name := listed_in(values, tests, telling=telling):
            yield now.count("\n", 0, place) + 1, name, ", ".join(map(spelled, values))


def _words(was: str, now: str, tests: Mapping[str, str]) -> Iterator[tuple[int, str, str]]:
    """A table from words to numbers that is looked up, each row of which is a row of tests."""
    found = [m for m in _PAIR.finditer(now) if m["leads"] != "," and _WORD.fullmatch(m["key"])]
    places = _tables(now, (match.start("key") for match in found))
    for place in {*places.values()} - {-1}:
        rows = [m for m in found if places[m.start("key")] == place]
        values = [(*_values(m["key"]), *_values(m["value"])) for m in rows]
        numbers = [v for row in values for v in row[1:] if is_telling(v) and not isinstance(v, str)]
        named = _NAMED.search(now[max(place - 120, 0) : place])
        used = rf"\b{named['name']}\s*(?:\[|\.get\()\s*(\w*)" if named else r"(?!)"
        here = _AT_ONCE.match(now, rows[-1].end())
        asks = [*re.findall(used, now), *([here[1]] if here else [])]
        keys = [key for key in asks if not (key and _is_of_loop(key, now))]
        if len(rows) < 2 or not numbers or not keys or rows[0][0] in was:
            continue
        if all(where := [together(row, tests) for row in values]):
            yield now.count("\n", 0, place) + 1, where[0], ", ".join(m[0] for m in rows)


def _is_of_loop(name: str, text: str) -> bool:
    """Whether it stands for parts of what is given: what is looked up by it is no answer yet."""
    loop = rf"\bfor\b[^\n;]*\b{name}\b[^\n;]*(?:\bin\b|\bof\b|\brange\b|\s:)[ \t]*(?![\s\[({{])"
    return re.search(loop, text) is not None


def _item(text: str) -> tuple[Value, ...]:
    return values_of(text) if re.fullmatch(r"-?\d+(?:\.\d+)?", text) else (text,)


def _names(match: re.Match[str]) -> list[str]:
    return re.findall(r"\w+", match["names"])


_TEXT = r"[brfu]{0,2}(?:\"(?:[^\"\\\n]|\\.){16,}\"|'(?:[^'\\\n]|\\.){16,}'|`[^`]{16,}`)"
_DECODES = (
    r"(?:\b|(?<=_))(?:loads|JSON\.parse|literal_eval|(?:std|urlsafe_)?b(?:16|32|64|85)decode|a85decode|unhexlify"
    r"|fromhex|decompress|atob|DecodeString|base64_decode|Buffer\.from|decode)\s*\(\s*"
)
_DECODED = re.compile(
    rf"{_DECODES}(?:{_DECODES}){{0,3}}(?:(?P<text>{_TEXT})|(?P<name>[A-Za-z_]\w*))"
)


def _encoded(was: str, now: str, tests: Mapping[str, str]) -> Iterator[tuple[int, str, str]]:
    """A text that only says what it holds when it is decoded: nobody can read what it answers."""
    for match in _DECODED.finditer(now):
        given = rf"\b{match['name']}\b[^=\n]{{0,40}}=\s*\(?\s*({_TEXT})"
        named = match["name"] and re.search(given, now)
        text = match["text"] or (named[1] if named else "")
        if text and text not in was and tests:
            yield now.count("\n", 0, match.start()) + 1, min(tests), f"{match[0][:30]} {text}"


_HASH = re.compile(r"[\"']([0-9a-f]{4,128})[\"']|(?<![\w.])(-?\d{5,20})(?![\w.])")
_HASHING = re.compile(r"md5|sha-?\d|digest|hash|crc|adler", re.IGNORECASE)


def _digests(was: str, now: str, tests: Mapping[str, str]) -> Iterator[tuple[int, str, str]]:
    """What a test hands over, named by what it hashes to."""
    for match in _HASH.finditer(now) if _HASHING.search(now) else ():
        if match[0] not in was:
            for where, text in tests.items():
                digits, number = match.groups()
                digests, numbers = _hashed(text)
                if number in numbers or (digits and any(d.startswith(digits) for d in digests)):
                    yield now.count("\n", 0, match.start()) + 1, where, match[0]


@functools.lru_cache(maxsize=32)
def _hashed(text: str) -> tuple[list[str], set[str]]:
    """Digests of the texts in it, and numbers: those of `zlib`, and Java's. What two letters come
    to is a number as any other."""
    found = (literal[1:-1] for literal in re.findall(_PLAIN, text) if literal[:1] in "\"'")
    told = {one.encode() for one in found if len(one) > 2}
    digests = [
        hashlib.new(name, one, usedforsecurity=False).hexdigest()
        for one in told
        for name in ("md5", "sha1", "sha256", "sha512")
    ]
    java = (functools.reduce(lambda h, b: (31 * h + b) & 0xFFFFFFFF, one, 0) for one in told)
    signed = {number - (number >> 31 << 32) for number in java}
    sums = {hashing(one) for one in told for hashing in (zlib.crc32, zlib.adler32)}
    return digests, {*map(str, signed | sums)}


def _told(path: str, line: int, where: str, words: str) -> Shortcut:
    what = f"answers what {where} asks, and nothing else: {words[:80]}"
    return Shortcut(rule="value-hardcoded", path=path, line=line, what=what)


def _constants(was: str, now: str, tests: Mapping[str, str]) -> Iterator[tuple[int, str, str]]:
    """Functions that compute nothing of their arguments any more: `return 13`, whatever comes."""
    lines, old = now.splitlines(), was.splitlines()
    known = {line.strip() for line in old}
    lost = known - {line.strip() for line in lines}
    gone = {word for line in lost for word in re.findall(r"\w+", line)}
    names, body, asks = set[str](), "", False
    for number, line in enumerate(lines):
        if signature := _SIGNATURE.match(line):
            names = {*re.findall(r"[A-Za-z]\w*", signature["given"])} - {"self", "this"}
            body, asks = "", False
            continue
        body, asks = body or line.rstrip(), asks or bool(_CHOOSES.match(line))
        match = _CONSTANT.fullmatch(line)
        values = _values(match["value"]) if match and line.strip() not in known else ()
        if not any(map(is_telling, values)):
            continue
        constant = names & gone and not asks and _indent(body) == _indent(line)
        if constant and (name := together(values, tests)):
            yield number + 1, name, line.strip()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _cases(text: str) -> list[_Case]:
    lines = text.splitlines()
    pairs = [*_PAIR.finditer(text)]
    rows = (m for m in pairs if m["leads"] == "," and m["key"][-1] in "])}")
    pairs += chain(*(_PAIR.finditer(text, m.start("key"), m.end("value") + 1) for m in rows))
    found = [case for match in pairs if (case := _pair(text, match))]
    end = 0
    for match in _ANSWER.finditer(text):
        place = match.start("value" if match["value"] else "last")
        starts = text.rfind("\n", 0, place) + 1
        begin, end = max(starts, end), match.end()
        after = re.match(r"[ \t]*if\b(?:(?!\belse\b)[^\n])*", text[end:])
        here = text[begin : match.start()] + "?" * match[0].startswith("?")
        here += after[0] if after else ""
        if (match[0].startswith(":") and "?" not in here) or _ADDED.search(here):
            continue  # an annotation, a slice, a pair; what is added is hardcoded_arithmetic.py's
        line = text.count("\n", 0, place) + 1
        alone = begin == starts and not after and not re.search(_PLAIN, here)
        over = _above(lines, line - 1) if alone or after else []
        if not alone:
            over = [(n, part) for n, part in over if _CHOOSES.match(part) and is_of_input(part)]
        parts = [(n, part) for n, part in [*over, (line, here)] if _ASKS.search(part)]
        asked = [(n, part, values) for n, part in parts if (values := _asked(part))]
        if asked:
            told = " ".join(part for _, part, _ in asked)
            found.append(
                _Case(
                    line=asked[0][0],
                    text=" ".join(f"{told} {match[0]}".split()),
                    asked=tuple(value for _, _, values in asked for value in values),
                    answers=_values(match["value"] or match["last"]),
                    otherwise=_otherwise(text[end:]),
                )
            )
    return found


def _otherwise(rest: str) -> tuple[Value, ...]:
    """The literal to which it comes elsewhere; empty: something is computed."""
    match = _ELSE.match(rest)
    return _values(match["value"]) if match else ()


_OWNED = re.compile(
    r"\bString::from\((\"[^\"\n]*\")\)|(\"[^\"\n]*\")\.(?:to_string|to_owned|into)\(\)"
)
_KEY = re.compile(r"(?<=[{,\s])(?<![\w)\]?][ \t])(?!default\b)([A-Za-z_$][\w$]*):(?=\s*[\d\"'-])")
_STRINGS = r"\"\"\"[\s\S]*?\"\"\"|'''[\s\S]*?'''"
_HASHES = re.compile(rf"(?P<text>{_STRINGS}|#[^\n]*)|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'")


_JOINED = re.compile(
    r"(?<!['\"])(?P<by>['\"])(?P<between>[^'\"\n]*)(?P=by)\.join\([\[(](?P<of>[^\[\]()\n]+)[\])]\)"
)
_PIECES = re.compile(r"(?P<quote>['\"])[ \t]*\+[ \t]*(?P=quote)")
_HASHED = re.compile(
    r"(?<![\w.])[\w.]{0,40}?(?:crc32|adler32|md5|sha\d{1,3}|hash)\w{0,20}\(\s*+"
    rf"b?({_PLAIN})\s*+\)(?:\.\w{{0,20}}(?:digest|hash)\w{{0,20}}\(\))?"
)
_FIELD = r"[\"']?\b[A-Za-z_]\w*[\"']?:"
_RECORD = re.compile(rf"(?<=[\[,])(\s*+)\{{(\s*+(?:{_FIELD}\s*+{_PLAIN}\s*+,?+\s*+){{2,9}})\}}")


def _code(path: str, text: str) -> str:
    """Without comments, each line in its place, and what is a text, or a row, written as one."""
    text = _JOINED.sub(
        lambda match: re.sub(r"['\"]\s*,\s*['\"]", match["between"], match["of"]),
        as_equal(_plain(path, text)),
    )
    text = _HASHED.sub(r"\1", _PIECES.sub("", text))
    return _RECORD.sub(lambda match: f"{match[1]}[{re.sub(_FIELD, '', match[2])}]", text)


def _plain(path: str, text: str) -> str:
    if path.endswith(".rs"):
        return _OWNED.sub(r"\1\2", without_comments(text, rust=True))
    if re.search(r"\.[cm]?[jt]sx?$", path):
        return _KEY.sub(r'"\1":', without_comments(text))
    if not path.endswith((".py", ".rb")):
        return without_comments(text)
    return _HASHES.sub(
        lambda match: re.sub(r"[^\n]", " ", match[0]) if match["text"] else match[0], text
    )


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
    alone = opens == "{" and _LOOKED_UP.match(text, match.end())
    words = all(map(_WORD.fullmatch, re.findall(_LITERAL, match["key"])))
    if words and not alone and not _DIGEST.fullmatch(match["key"][1:-1]):
        return None  # of what words mean there are tables everywhere
    rest = _REST.match(text, match.end()) if leads == "," else None
    text = " ".join(f"{match['key']} {leads} {match['value']}".split())
    line = match.string.count("\n", 0, match.start("key")) + 1
    return _Case(
        line=line,
        text=text,
        asked=_values(match["key"]),
        answers=(*_values(match["value"]), *_values(rest[0] if rest else "")),
        place=match.start("key"),
    )


def _tables(text: str, places: Iterable[int]) -> dict[int, int]:
    """By place, where the bracket opens that it stands in; -1: in none."""
    wanted, found, opened = sorted({*places}, reverse=True), dict[int, int](), list[int]()
    for match in (*_BRACKET.finditer(text), None):
        until = match.start() if match else len(text) + 1
        while wanted and wanted[-1] <= until:
            found[wanted.pop()] = opened[-1] if opened else -1
        if match and match["opens"]:
            opened.append(until)
        elif match and len(match[0]) == 1 and opened:
            opened.pop()
    return found


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
    for match in re.finditer(_PLAIN, text):
        before = text[max(match.start() - _BESIDE, 0) : match.start()]
        after = text[match.end() : match.end() + _BESIDE].lstrip()
        if _NOT_ASKED.search(before) or re.match(r"[<>*/%+^-](?!>)", after):
            calculates = True
        else:
            found += _values(match[0])
    # `n % 15 == 0` asks for no zero.
    return () if calculates and all(value in TRIVIAL for value in found) else tuple(found)


def _values(literal: str) -> tuple[Value, ...]:
    return tuple(value for match in re.finditer(_PLAIN, literal) for value in values_of(match[0]))


def _asking(case: _Case, looked: str, tests: Mapping[str, str], maps: int, several: bool) -> str:
    """The test file that holds the values together; empty: none.

    `looked`: how a table is asked for what an input has. `maps`: how many constants there are, if
    nothing else came out before. `several`: whether tests expect more than one of the words.
    """
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
