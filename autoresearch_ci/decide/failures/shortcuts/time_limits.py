"""Limits of time that are raised, in code, pipelines and settings alike: what took too long takes
as long as before, and no test says so any more.

Read by text: a name that says that it is one, and the numbers and units that it comes to. A limit
that is calculated of something else is not known, and neither is one whose name says nothing.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from autoresearch_ci.decide.failures.shortcuts.literals import plain_literals
from autoresearch_ci.decide.failures.shortcuts.suite import Shortcut

_ARGUMENTS = r"(?>[^()\n]|\((?>[^()\n]|\([^()\n]{0,60}\)){0,40}\)){1,60}"
_VALUE = r"(?>[^(),;{}\n]|\((?>[^()\n]|\([^()\n]{0,60}\)){0,40}\)){1,60}"
_LIMIT = re.compile(
    r"(?i)(?<![\w-])(?P<name>[\w-]{0,40}?(?:time[-_]?out|time[-_]?limit|deadline"
    r"|max[-_]?(?:time|wait)|(?<![a-z])wait|cancel[-_]?after|alarm|(?<=time\.)After)[\w-]{0,20}"
    r"|\w{1,30}(?=\(\d[\w]{0,20},[ \t]*TimeUnit\.))[\"']?"
    r"(?:[ \t]*(?::[ \t]*&?[A-Za-z][\w:.<>| ]{0,30})?(?::?=(?!=)|:(?![:=]))[ \t]*"
    rf"(?=(?P<value>{_VALUE}))|\((?=(?P<arguments>{_ARGUMENTS})\))"
    r"|(?:,[ \t]*|[ \t]+(?:--?[\w-]+(?:=\w+|[ \t]+\w+(?=[ \t]+\d))?[ \t]+){0,3})"
    r"(?=(?P<word>\d[\w.]{0,20})))"
)
_NUMBER = re.compile(
    r"(?i)(?<![\w.])(?P<number>\d(?:_?\d){0,20}(?:\.\d{1,20})?(?:e\d{1,2})?)(?P<unit>ms|us|ns|s|m|h|d)?(?!\w)"
)
_IN_WORDS = re.compile(
    r"(?i)(?P<nano>nano)|(?P<micro>micro)|(?P<milli>milli|_ms\b)|(?P<m>minute|mins\b)|(?P<h>hour)"
    r"|(?P<d>(?<![a-z])days?\b|ofDays)"
)
_SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "nano": 1e-9,
    "micro": 1e-6,
    "milli": 1e-3,
}
_ENDLESS = re.compile(
    r"(?i)(?:none|null|nil|undefined|nullptr|-1|(?:\w{0,20}[.:]|float\([\"'])?\+?inf\w*(?:[\"']\))?"
    r"|(?:Number\.)?MAX_\w+|\w{0,20}::MAX)"
)
_TIMES = re.compile(r"[\"']?(?:\d+(?:\.\d+)?[ \t]*[a-z]+[ \t]*){2,6}[\"']?", re.IGNORECASE)
"""Added up: `3h 30m`."""


_A_FEW = 20
"""Limits that are gone of which the lines are looked for."""
_Limits = dict[str, list[tuple[float, int, int]]]


def longer(
    path: str, before: str, after: str, tests: Mapping[str, str] | None = None
) -> Iterator[Shortcut]:
    """Names of which a limit is higher than one that is gone, or just left out in its line.

    `tests`: by path, which may ask for just that limit.
    """
    script = re.search(r"\.[cm]?[jt]sx?$", path) is not None
    old_text, new_text = plain_literals(path, before), plain_literals(path, after)
    old, new = (_limits(text, script) for text in (old_text, new_text))
    for name in old:
        had, has = (Counter(amount for amount, _, _ in side.get(name, ())) for side in (old, new))
        gone, fresh = sorted((had - has).elements()), sorted((has - had).elements())
        raised = [(was, now) for was, now in zip(gone, fresh, strict=False) if now > was]
        told = ""
        if raised:
            was, now = raised[0]
            if any(_asks(test, name, now) for test in (tests or {}).values()):
                continue
            place = next(begin for amount, begin, _ in new[name] if amount == now)
            line = new_text.count("\n", 0, place) + 1
            told = f"{was:g}, now {'without a limit' if math.isinf(now) else f'{now:g}'}"
        elif len(gone) > len(fresh):
            places = [limit for limit in old[name] if limit[0] in gone][:_A_FEW]
            added = {*map(_plain, new_text.splitlines())} - {*map(_plain, old_text.splitlines())}
            for amount, begin, end in places:
                if _without(old_text, begin, end) in added:
                    line = old_text.count("\n", 0, begin) + 1
                    told = f"{amount:g}, now without a limit"
        if told:
            what = f"may take longer: {told}: {name}"
            yield Shortcut(rule="timeout-raised", path=path, line=line, what=what)


def _asks(test: str, name: str, amount: float) -> bool:
    """Whether a test says that it is this long: `assert TIMEOUT == 30`."""
    equals = rf"\b(\w{{1,60}})\)?(?:\s*===?\s*|\)\.to\w{{2,20}}\(|,\s*){amount:g}(?![\w.])"
    return any(re.sub("_", "", m[1]).lower() == name for m in re.finditer(equals, test))


def _limits(text: str, script: bool) -> _Limits:
    """By name: how long, and where that begins and ends.

    `script`: in JavaScript, 0 says that there is no limit.
    """
    found: _Limits = {}
    for match in _LIMIT.finditer(text):
        value = match["value"] or match["arguments"] or match["word"]
        amount = _amount(value.strip())
        name = re.sub(r"[\W_]", "", match["name"]).lower()
        if amount == 0 and script and name != "settimeout":
            amount = math.inf
        if amount is not None:
            found.setdefault(name, []).append((amount, match.start(), match.end() + len(value)))
    return found


def _without(text: str, begin: int, end: int) -> str:
    """The line of a limit as it is without."""
    first, last = text.rfind("\n", 0, begin) + 1, text.find("\n", end)
    line = text[first:begin].rstrip().removesuffix(",") + text[end : last if last >= 0 else None]
    return _plain(line)


def _plain(line: str) -> str:
    return "".join(line.split())


def _amount(value: str) -> float | None:
    """What it comes to; `None`: nobody knows."""
    if _ENDLESS.fullmatch(value):
        return math.inf
    numbers = [*_NUMBER.finditer(value)]
    parts = [float(m["number"]) * _SECONDS[(m["unit"] or "s").lower()] for m in numbers]
    if not parts:
        return None
    if _TIMES.fullmatch(value):
        return sum(parts)
    amount = 1.0
    for match, part in zip(numbers, parts, strict=True):
        divides = value[: match.start()].rstrip().endswith("/")
        amount *= (1 / part if part else 1) if divides else part
    for word in _IN_WORDS.finditer(value):
        amount *= _SECONDS[word.lastgroup or ""]
    return amount
