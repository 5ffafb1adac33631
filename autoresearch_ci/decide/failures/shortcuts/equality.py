"""Values that say themselves what they are equal to: what compares them takes their word for it.

A class may lack its comparison, and then that is the repair: a person has to look. A text, a number
or a list that compares in a way of its own is there for nothing but what compares it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

from autoresearch_ci.decide.failures.shortcuts.suite import Shortcut
from autoresearch_ci.experiment import Texts

_DEFINES = {
    r"\.py$": r"\bdef __(?:eq|ne)__\(|\b__(?:eq|ne)__ *=",
    r"\.java$": r"\bboolean +equals *\(",
    r"\.(kts?|scala)$": r"\b(?:fun|def) +equals *\(",
    r"\.cs$": r"\bbool +Equals *\(|\boperator *==",
    r"\.(cc|cpp|cxx|hpp|h)$": r"\boperator *==",
    r"\.rs$": r"\bimpl\b[^{;\n]{0,200}\bPartialEq\b[^{;\n]{0,99}\bfor\b",
    r"\.rb$": r"\bdef +(?:==|eql\?)",
    r"\.swift$": r"\bfunc *==",
    r"\.[cm]?[jt]sx?$": r"(?<![.\w])valueOf *\([^()\n]{0,99}\)[^;\n]{0,40}\{"
    r"|\bSymbol\.toPrimitive\b|\basymmetricMatch\b",
}
"""How a comparison is defined, by the names of files."""
_HEAD = re.compile(
    r"\b(?:class|struct|object)[ \t]+(?P<name>\w+)(?P<of>\([^()]{0,200}\)|[^{\n]{0,200})"
)
_BUILT_IN = re.compile(
    r"(?:[(:<,]|\bextends\b)\s*(?:str|int|float|complex|bytes|list|tuple|dict|set|frozenset|Decimal"
    r"|Fraction|U?String|Integer|Float|Number|Boolean|Hash|Map|Set|Array|List|Dictionary"
    r"|(?:java\.util\.)?(?:Linked|Tree|Array|Hash)\w*(?:List|Set|Map|Deque))\b(?!\.)"
)


def own_equality(before: Texts, after: Texts) -> Iterator[tuple[Shortcut, bool]]:
    """New comparisons, and whether they are certainly a shortcut: of a new class that could do
    without."""
    known = {words for path, content in before.items() for words in _definitions(path, content)}
    heads = {head["name"] for content in before.values() for head in _HEAD.finditer(_text(content))}
    for path, content in after.items():
        for words, (place, derived) in _definitions(path, content).items():
            if words not in known:
                line = _text(content).count("\n", 0, place) + 1
                what = f"says itself what it is equal to, where tests compare it: {words}"
                told = Shortcut(rule="test-recognised", path=path, line=line, what=what)
                yield told, bool(derived) and derived not in heads


def _definitions(path: str, content: bytes | None) -> dict[str, tuple[int, str]]:
    """By the class and its comparison in words, where that stands, and the class again where what
    it is derived from compares itself."""
    defines = next((of for files, of in _DEFINES.items() if re.search(files, path)), "")
    text = _text(content) if defines else ""
    heads = [*_HEAD.finditer(text)]
    starts = [head.start() for head in heads]
    found: dict[str, tuple[int, str]] = {}
    for match in re.finditer(defines, text) if defines else ():
        above = bisect_left(starts, match.start())
        head = heads[above - 1] if above else None
        name = head["name"] if head else ""
        derived = name if head and _BUILT_IN.search(head["of"]) else ""
        words = f"{name}: {' '.join(match[0].split())}".removeprefix(": ")
        found.setdefault(words, (match.start(), derived))
    return found


def _text(content: bytes | None) -> str:
    return (content or b"").decode(errors="replace")
