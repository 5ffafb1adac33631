"""Literals: how code holds them, and code in which each is written in one way, whatever type, base,
quotes or name it has. Lines stay."""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Iterable

from autoresearch_ci.decide.failures.shortcuts.one_input import Value, as_equal, values_of
from autoresearch_ci.decide.failures.shortcuts.other_tests import without_comments

_WRITTEN = re.compile(
    r"(?<![\w.%\"'`])(?:(?P<based>0(?:[xX][\da-fA-F_]{1,99}|[bB][01_]{1,99}|[oO][0-7_]{1,99}))"
    r"|(?P<plain>\d(?:_?\d)*(?:\.\d(?:_?\d)*)?))"
    r"(?:_?[iuf](?:8|16|32|64|128|size)|[uU]?[lL]{0,2}|[fFn])(?!\w)"
)


def plain_numbers(text: str) -> str:
    """With `1_000u64` and `0x3e8` as the number that they say."""
    return _WRITTEN.sub(_number, text)


def _number(match: re.Match[str]) -> str:
    plain: str | None = match["plain"]
    digits = (plain or match["based"]).replace("_", "")
    return digits if plain or len(digits) < 3 else str(int(digits, 0))


_TICKS = re.compile(r"`([^`$\\\n\"]+)`")
SOURCE = re.compile(
    r"\.(py|[cm]?[jt]sx?|go|rs|c|cc|cpp|cxx|h|hpp|java|kts?|cs|rb|php|swift|scala|dart|exs?)$"
)
"""The languages in which answers of tests are looked for."""
_TICKED = re.compile(r"\.(?:go|[cm]?[jt]sx?)$")
_NAMED = re.compile(
    r"(?m)^[ \t]*(?:#[ \t]*define[ \t]+(?P<defined>\w\w+)[ \t]+|(?:[a-z]\w*[ \t]+){0,5}"
    r"(?:[A-Za-z][\w<>]*[ \t*&]+)?(?P<name>[A-Za-z_]\w+)[ \t]*(?::[^=\n]{1,60})?:?=[ \t]*)"
    r"(?P<value>-?\d[\d.]*|\"[^\"\\\n]*\"|'[^'\\\n]*')[ \t]*;?[ \t]*(?:#.*|//.*)?$"
)
"""A literal that is given a name."""
_SET = re.compile(r"(?m)^(?P<left>[^=\n\"']*)=(?![=>])")
_GIVEN = re.compile(
    r"\b(?:def|fn|func|function|lambda)\b[^\n]*|\bfor\b[^\n]*?(?:\bin\b|\bof\b|[=:;])"
    r"|\([^()\n]*\)[^=\n]{0,40}=>|\b[a-z_]\w*[ \t]*=>|\w+(?:\+\+|--)|&mut[ \t]+\w+"
)
"""What makes names stand for something else: arguments, loops."""
_NAME = re.compile(r"(?<![\w.$\"'`])[A-Za-z_]\w+(?![\w\"'`]|[ \t]*\()")


def plain_literals(path: str, text: str) -> str:
    """With each literal, too, in the place of a name that stands for nothing else."""
    text = plain_numbers(text)
    if _TICKED.search(path):
        text = _TICKS.sub(r'"\1"', text)
    named = [*_NAMED.finditer(text)]
    often = Counter[str]()
    for match in _SET.finditer(text) if named else ():
        often.update(re.findall(r"\w+", match["left"]))
    for match in _GIVEN.finditer(text) if named else ():
        often.update(2 * re.findall(r"\w+", match[0]))
    values = {
        name: match["value"]
        for match in named
        if (name := match["defined"] or match["name"]) and often[name] < 2
    }
    defined = {match.start(group) for match in named for group in ("defined", "name")}
    return _NAME.sub(
        lambda match: match[0] if match.start() in defined else values.get(match[0], match[0]), text
    )


NUMBER = r"(?<![\w.])-?\d{1,300}(?:\.\d{1,300})?(?![\w.]*\w)"
PLAIN = rf"(?:{NUMBER}|\"[^\"\n]{{1,200}}\"|'[^'\n]{{1,200}}'|/\^[\w ]{{1,99}}\$/)"
_ITEM = r"[^\[\](){}\n]"
_LIST = rf"&?(?:vec!)?[\[({{](?>(?:{_ITEM}|[\[({{](?>{_ITEM}*)[\])}}])*)[\])}}]"
_CHOSEN = (
    r"[({](?:[^\n\"']|\"[^\"\n]{0,99}\"|'[^'\n]{0,99}'){0,120}?"
    r"(?:[=!<>]=|[?]|&&|[|]{2}|\b(?:if|case|when|and|or)\b)"
)
"""A bracket around a choice, which is no list: `(n == 7 ? 13 : n)`."""
LITERAL = rf"(?:{PLAIN}|(?={_LIST})(?!{_CHOSEN}){_LIST})"
PAIR = re.compile(
    rf"(?:(?P<opens>[\[({{,])\s*+|^[ \t]*+)(?:\w*+\[(?=[^\[\]\n]+\] *=(?!>)))?"
    rf"(?P<key>{LITERAL}(?:\s*+\|\s*+{LITERAL})*)\s*+"
    rf"(?P<leads>:|,|=>|\] *=)\s*(?P<value>{LITERAL})\s*(?=[\])}},])",
    re.MULTILINE,
)
"""A key and what it leads to, in a table or a list of such pairs."""
WORD = re.compile(r"[\"'][^\s\d,][^\s,]*[\"']")
_BRACKET = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|(?P<opens>[\[({])|[\])}]")
_OWNED = re.compile(
    r"\bString::from\((\"[^\"\n]*\")\)|(\"[^\"\n]*\")\.(?:to_string|to_owned|into)\(\)"
)
_WRAPPED = re.compile(rf"\b(?:Ok|Some)\(({PLAIN})\)")
_KEY = re.compile(r"(?<=[{,\s])(?<![\w)\]?][ \t])(?!default\b)([A-Za-z_$][\w$]*):(?=\s*[\d\"'-])")
_STRINGS = r"\"\"\"[\s\S]*?\"\"\"|'''[\s\S]*?'''"
_HASHES = re.compile(rf"(?P<text>{_STRINGS}|#[^\n]*)|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'")
_JOINED = re.compile(
    r"(?<!['\"])(?P<by>['\"])(?P<between>[^'\"\n]*)(?P=by)\.join\([\[(](?P<of>[^\[\]()\n]+)[\])]\)"
)
_PIECES = re.compile(r"(?P<quote>['\"])[ \t]*\+[ \t]*(?P=quote)")
_HASHED = re.compile(
    r"(?<![\w.])[\w.]{0,40}?(?:crc32|adler32|md5|sha\d{1,3}|hash)\w{0,20}\(\s*+"
    rf"b?({PLAIN})\s*+\)(?:\.\w{{0,20}}(?:digest|hash)\w{{0,20}}\(\))?"
)
_CLAUSE = re.compile(
    r"(?m)^(?P<edge>[ \t]*)defp?[ \t]+[a-z_]\w*[?!]?(?:[ \t]*\((?P<given>[^()\n]*)\)"
    rf"|[ \t]+(?P<bare>{PLAIN}))(?P<when>\s+when\b[^\n]*?)?(?:,(?P<gap>\s*)do:|[ \t]+do$)"
)
"""How one of several functions of a name begins, in Elixir: `def fib(10), do:`."""
_ARM = re.compile(
    rf"(?m)(?P<edge>^[ \t]*|[{{;][ \t]*)(?P<asked>{LITERAL}(?:[ \t]*,[ \t]*{LITERAL})*)[ \t]*->"
)
"""One way of several, where nothing else says so, as in Kotlin: `10 -> 55`."""
_LEADS = {
    ending: re.compile(rf"(?<=[\d\"'\])]){leads}(?={LITERAL}\s{{0,9}}[,)])")
    for leads, *endings in (
        (r"[ \t]{1,9}to[ \t]{1,9}", ".kt", ".kts"),
        (r"[ \t]{0,9}->[ \t]{0,9}", ".scala"),  # `2 to 36` is a range there
    )
    for ending in endings
}
"""Of a pair: `mapOf(10 to 55)`, `Map(10 -> 55)`."""
_CHOICE = re.compile(
    rf"\bif[ \t]*(\((?>[^()\n]+|\([^()\n]*\))*\))[ \t]*"
    rf"(?={PLAIN}[ \t]*(?:\belse\b|[;}}]|$))",
    re.MULTILINE,
)
"""Where a value follows without a word: `if (n == 10) 55 else …`."""
_BLOCK = re.compile(rf"\bif\b([^{{}}\n]{{1,200}})\{{[ \t]*(?={PLAIN}[ \t]*\}})")
"""Where it is a block of its own: `if n == 10 { 55 } else { n }`."""
_THEN = re.compile(rf"\)\.then(?:_some)?\((?:\|\|[ \t]*)?(?={PLAIN}\))")
"""Rust's choice of a value: `(n == 10).then_some(55)`."""
_DICTIONARY = re.compile(rf"\[(?={PLAIN}[ \t]*:)")
"""Where one begins in Swift."""
_DIFFERS = re.compile(r"\b([A-Za-z_]\w{0,99})[ \t]*[\^-][ \t]*(\d{1,300})[ \t]*==[ \t]*0\b(?!\.)")
"""What only one number makes zero in Go, where signs bind tighter than comparisons: `n^10 == 0`."""
_GUARD = re.compile(
    r"(?m)^([ \t]*)return\b([^\n]{1,99}?)\b(if|unless)\b([^\n!=]{1,99})(==|!=)([^\n]{1,99})$"
)
"""What goes before the rest, in Ruby: `return n unless n == 10`."""
_FIELD = r"[\"']?\b[A-Za-z_]\w*[\"']?:"
_RECORD = re.compile(rf"(?<=[\[,])(\s*+)\{{(\s*+(?:{_FIELD}\s*+{PLAIN}\s*+,?+\s*+){{2,9}})\}}")


_MADE = re.compile(rf"\b(?:parseInt|parseFloat|Number|String|BigInt)\(({PLAIN})\)")
_PRODUCT = re.compile(
    r"((?:[?:=(,{\[]|\breturn|\bthen)[ \t]{0,9})(\d{1,9})[ \t]{0,9}([*+-])[ \t]{0,9}(\d{1,9})"
    r"(?=[ \t]{0,9}(?:[;,)}\]:]|\n|$|\belse\b))"
)
"""A number that is calculated of two, and stands by itself: `5 * 11`."""
_CALCULATES = {"*": operator.mul, "+": operator.add, "-": operator.sub}


def _calculated(match: re.Match[str]) -> str:
    return f"{match[1]}{_CALCULATES[match[3]](int(match[2]), int(match[4]))}"


def plain_code(path: str, text: str) -> str:
    """Without comments, each line in its place, and what is a text, or a row, written as one."""
    if not path.endswith(".py"):
        text = _PRODUCT.sub(_calculated, text)
    text = _JOINED.sub(
        lambda match: re.sub(r"['\"]\s*,\s*['\"]", match["between"], match["of"]),
        as_equal(_without_types(path, text)),
    )
    text = _HASHED.sub(r"\1", _PIECES.sub("", text))
    return _RECORD.sub(lambda match: f"{match[1]}[{re.sub(_FIELD, '', match[2])}]", text)


def _without_types(path: str, text: str) -> str:
    if path.endswith(".rs"):
        text = _OWNED.sub(r"\1\2", without_comments(text, rust=True))
        text = _WRAPPED.sub(r"\1", text)
        return _BLOCK.sub(r"if\1then ", _THEN.sub(") then ", text))
    if re.search(r"\.[cm]?[jt]sx?$", path):
        return _MADE.sub(r"\1", _KEY.sub(r'"\1":', without_comments(text)))
    for ending, leads in _LEADS.items():
        if path.endswith(ending):
            text = leads.sub(" => ", without_comments(text))
            text = _CHOICE.sub(r"if \1 then ", _BLOCK.sub(r"if\1then ", text))
            return _ARM.sub(r"\g<edge>if \g<asked> then", text)
    if path.endswith(".swift"):
        return _DICTIONARY.sub("{", _BLOCK.sub(r"if\1then ", without_comments(text)))
    if path.endswith(".go"):
        return _DIFFERS.sub(r"\1 == \2", without_comments(text))
    if not path.endswith((".py", ".rb", ".ex", ".exs")):
        return without_comments(text)
    text = _HASHES.sub(
        lambda match: re.sub(r"[^\n]", " ", match[0]) if match["text"] else match[0], text
    )
    if path.endswith(".rb"):
        return _GUARD.sub(_guarded, text)
    return _elixir(text) if path.endswith((".ex", ".exs")) else text


def _guarded(match: re.Match[str]) -> str:
    edge, value, word, left, equal, right = match.groups()
    differs = "!=" if (word == "if") == (equal == "!=") else "=="
    return f"{edge}if{left}{differs}{right}{{return{value}}}"


def _elixir(text: str) -> str:
    """With its choices in the words of other languages."""
    text = _CLAUSE.sub(_as_choice, _ARM.sub(r"\g<edge>if \g<asked> then", text))
    return re.sub(r",[ \t]*(do|else):", lambda m: " then" if m[1] == "do" else " else", text)


def _as_choice(match: re.Match[str]) -> str:
    asked = match["given"] if match["bare"] is None else match["bare"]
    answers = "" if match["gap"] is None else f"{match['gap'] or ' '}return"
    return f"{match['edge']}if {asked}{match['when'] or ''}{answers}"


def brackets(text: str, places: Iterable[int]) -> dict[int, int]:
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


def values_in(literal: str) -> tuple[Value, ...]:
    """What one says, or what all in a list do."""
    return tuple(value for match in re.finditer(PLAIN, literal) for value in values_of(match[0]))
