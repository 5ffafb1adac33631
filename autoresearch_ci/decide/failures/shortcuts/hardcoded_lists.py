"""Answers of tests that stand in code apart from the input that each is right for.

Constants where something was computed, limits, lists and tables of what tests ask for, texts that
only say what they hold when they are decoded, and inputs named by what they hash to. A limit
(`if n >= 7`) is one where a test asks for its answer right at the limit and nowhere else, while
what lies on the other side is computed; a list of numbers is, where an argument by itself is the
index and a test asks for its last element.
"""

from __future__ import annotations

import functools
import hashlib
import re
import zlib
from collections.abc import Iterator, Mapping
from itertools import chain

from autoresearch_ci.decide.failures.shortcuts.literals import (
    LITERAL,
    NUMBER,
    PAIR,
    PLAIN,
    WORD,
    brackets,
    values_in,
)
from autoresearch_ci.decide.failures.shortcuts.one_input import (
    CHOOSES,
    TRIVIAL,
    Value,
    is_telling,
    listed_in,
    pattern_of,
    spelled,
    together,
    values_of,
)

_CONSTANT = re.compile(rf"[ \t]*(?:return[ \t]+)?(?P<value>{LITERAL})[ \t]*(?:;[ \t]*)?")
_SIGNATURE = re.compile(
    r"\s*+(?!(?:\}\s*)?(?:if|elif|else|for|foreach|while|until|unless|switch|match|case|when|guard"
    r"|catch|except|rescue|with|using|return|try|async\s+(?:with|for))\b)[^()\n]*"
    r"\((?P<given>[^()\n]*)\)[^;\n]*(?:[:{]|=>)\s*$"
)
_AT_ONCE = re.compile(r"[,\s]*\}\)?(?:\.get\(|\.fetch\(|\[)\s*(\w*)")
"""What a table is asked for where it stands."""
_LIMIT = re.compile(
    rf"\bif\b[ \t]*\(?(?P<name>[A-Za-z_]\w*)[ \t]*(?P<sign>[<>]=?)[ \t]*(?P<limit>-?\d{{1,300}})"
    rf"\)?[\s:{{]*return[ \t]+(?P<value>{NUMBER})[ \t;]*(?:\n|\}})"
)
_ROW = re.compile(r"(?P<list>[\[({][-\d., \t\n]{5,2000}[\])}])(?:\[(?P<index>[A-Za-z_]\w*)\])?")
_NAMED = re.compile(
    r"(?P<name>[A-Za-z_]\w*)[ \t]*(?:\[\w*\]|:[^=\n]{1,60})?[ \t]*:?=[ \t]*(?:[\[\]\w.]{1,20})?$"
)
"""What a list is given as a name."""
_FAR = 4000
"""Characters behind a limit or a list in which the rest of a function stands."""


def _limits(was: str, now: str, tests: Mapping[str, str]) -> Iterator[tuple[int, str, str]]:
    """`if n >= 10: return 55` before what is computed, of which one line of a test asks just that:
    a limit of its own would be asked for beyond, too, or be what lies there."""
    for match in _LIMIT.finditer(now):
        name, limit = match["name"], int(match["limit"])
        nearest = limit + {">": 1, "<": -1}.get(match["sign"], 0)
        values = values_in(match["value"])
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
        values, name = values_in(match["list"]), match["index"]
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


_YIELDED = re.compile(rf"^[ \t]*yield[ \t]+(?P<value>{LITERAL})[ \t;]*$", re.MULTILINE)
_COLLECTION = re.compile(rf"[\[({{]\s*(?:{PLAIN}\s*(?:,\s*|(?=[\])}}]))){{2,40}}[\])}}]")
_CORRECTS = re.compile(
    rf"[-+]\s*\(?\s*\{{(?:\s*{NUMBER}\s*:\s*{NUMBER}\s*,?)+\s*\}}\s*\.get\([^\n]*?,\s*0(?:\.0)?\s*\)"
)
"""What is added for some inputs, and nothing for all others."""
_SPLIT = re.compile(
    r"(?P<text>\"[^\"\n]{3,400}\"|'[^'\n]{3,400}'|`[^`]{3,400}`)\s*\.(?:r?split\w*|lines)\("
    r"|\b(?:Fields|Split|strtok)\(\s*(?P<of>\"[^\"\n]{3,400}\"|`[^`]{3,400}`)"
)
_GIVEN = re.compile(
    rf"^[ \t]*(?P<names>[A-Za-z_]\w*(?:[ \t]*,[ \t]*[A-Za-z_]\w*)*)[ \t]*(?:=[ \t]*|\([ \t]*)"
    rf"(?P<values>{PLAIN}(?:[ \t]*,[ \t]*{PLAIN})*)[ \t]*\)?[,;]?[ \t]*$",
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
            found.append((match.start(), values_in(match[0]), opening[:-1].endswith("iter(")))
    for match in _SPLIT.finditer(now):
        if match[0] not in was:
            items = re.split(r"[\s,;|]+", (match["text"] or match["of"])[1:-1])
            items = [item.rpartition(":")[2] or item for item in items]
            found.append((match.start(), tuple(chain(*map(_item, items))), False))
    yielded = [m for m in _YIELDED.finditer(now) if m[0].strip() not in was]
    if yielded and now.count("yield") == len(yielded):
        told = tuple(chain(*(values_in(m["value"]) for m in yielded)))
        found.append((yielded[0].start(), told, True))
    named = [m for m in _GIVEN.finditer(now) if m[0].strip() not in was]
    pairs = [
        (m, n, v) for m in named for n, v in zip(_names(m), values_in(m["values"]), strict=False)
    ]
    asked = [(m, where) for m, n, v in pairs if n != v and (where := together((n, v), tests))]
    if len(asked) > 1 and 2 * len(asked) >= len(pairs):
        match, where = asked[0]
        yield now.count("\n", 0, match.start()) + 1, where, match[0].strip()
    for match in _CORRECTS.finditer(now):
        if match[0] not in was and tests:
            yield now.count("\n", 0, match.start()) + 1, min(tests), " ".join(match[0].split())
    stood = {value for value in values_in(was) if isinstance(value, str)}
    for place, values, telling in found:
        if {*values} <= stood:
            continue  # words in another kind of list
        if name := listed_in(values, tests, telling=telling):
            yield now.count("\n", 0, place) + 1, name, ", ".join(map(spelled, values))


def _words(was: str, now: str, tests: Mapping[str, str]) -> Iterator[tuple[int, str, str]]:
    """A table from words to numbers that is looked up, each row of which is a row of tests."""
    found = [m for m in PAIR.finditer(now) if m["leads"] != "," and WORD.fullmatch(m["key"])]
    places = brackets(now, (match.start("key") for match in found))
    for place in {*places.values()} - {-1}:
        rows = [m for m in found if places[m.start("key")] == place]
        values = [(*values_in(m["key"]), *values_in(m["value"])) for m in rows]
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
    found = (literal[1:-1] for literal in re.findall(PLAIN, text) if literal[:1] in "\"'")
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
        body, asks = body or line.rstrip(), asks or bool(CHOOSES.match(line))
        match = _CONSTANT.fullmatch(line)
        values = values_in(match["value"]) if match and line.strip() not in known else ()
        if not any(map(is_telling, values)):
            continue
        constant = names & gone and not asks and _indent(body) == _indent(line)
        if constant and (name := together(values, tests)):
            yield number + 1, name, line.strip()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def apart_from_inputs(
    was: str, now: str, tests: Mapping[str, str]
) -> Iterator[tuple[int, str, str]]:
    """All of these: line, the test file that asks for it, words."""
    for look in (_constants, _limits, _listed, _answers_of_tests, _words, _encoded, _digests):
        yield from look(was, now, tests)
