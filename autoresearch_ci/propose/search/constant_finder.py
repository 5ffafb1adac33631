"""Finds the constants of a file that are worth tuning.

Python's module-level UPPER_CASE numbers, booleans and strings, elements of tuples, lists and
dictionaries included, need no annotation. A trailing `# tune:` overrides their default range,
offers any other literal, or takes one away. In every language that is the last literal before `#`,
`//`, `--`, `;` or `/*`, unless the line says that this is a key or an index. Which values to try is
not decided here. Text is only ever looked at as Latin-1, one byte per character, whatever the
file's encoding.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from autoresearch_ci.errors import ProposerError
from autoresearch_ci.propose.search.constants import Constant, annotated, by_default
from autoresearch_ci.propose.search.tune_comments import (
    BOOL,
    MAGNITUDE,
    QUOTED,
    WORD,
    TextSpan,
    TuneComment,
    TunedValue,
    comments_in_lines,
    is_literal,
    parse,
    read_annotations,
    refusal,
)

# Words that mark a name as identity, reporting or the ruler itself: tuning those would game the
# metric or move nothing. An annotation overrides the list.
_NOT_TUNABLE = frozenset(
    {"SEED", "VERSION", "PORT", "FLOPS", "EVAL", "LOG", "DEBUG", "VERBOSE", "TIMEOUT", "BUDGET"}
    | {"CHECKING"}  # TYPE_CHECKING, which type checkers take for true
)
_TABLE = 8  # a longer container is data, not a set of knobs
_ASSIGNMENT = re.compile(rb"(?:\A(?:\xef\xbb\xbf)?|[\r\n;])[ \t\f]*_*[A-Z][A-Z0-9_]*[ \t]*[:=]")


@dataclass(frozen=True, kw_only=True)
class PythonLiteral:
    """A literal that is all of a constant's value, or an element of it."""

    name: str
    start: int
    end: int
    """Offsets in the text."""
    line: int
    statement: tuple[int, int]
    """First and last line of the assignment."""
    plain: bool
    """Tunable without an annotation."""


def may_hold_constants(data: bytes) -> bool:
    """False spares a parse: most files of a wide scope hold nothing."""
    return _ASSIGNMENT.search(data) is not None


def parse_python(text: str) -> ast.Module | None:
    """The tree of a file read as Latin-1; `None` when it is not Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the measured project's invalid escapes
            return ast.parse(_ascii(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def comments_in_python(text: str, starts: Sequence[int]) -> Iterator[TextSpan]:
    """The comments of text that `parse_python` has read; its strings may show some, too."""
    readline = io.StringIO(_ascii(text), newline="").readline
    for token in tokenize.generate_tokens(readline):
        if token.type == tokenize.COMMENT:
            start = starts[token.start[0] - 1] + token.start[1]
            yield token.start[0], start, start + len(token.string)


def python_literals(tree: ast.Module, text: str, starts: Sequence[int]) -> Iterator[PythonLiteral]:
    """The literals of every constant that is assigned once, in file order."""
    stored = Counter(
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    )
    for statement, name, value in _assignments(tree):
        if stored[name] > 1:
            continue
        for literal in _literals_of(statement, name, value, starts):
            if is_literal(text[literal.start : literal.end]):
                yield literal


def _ascii(text: str) -> str:
    # One ASCII letter per byte keeps offsets in bytes and foreign identifiers whole. Form feeds
    # stand in for a byte order mark: Python ignores them at the start of a line.
    if text.startswith("\xef\xbb\xbf"):
        text = "\f\f\f" + text[3:]
    return re.sub(r"[\x80-\xff]", "x", text)


def _assignments(tree: ast.Module) -> Iterator[tuple[ast.stmt, str, ast.expr]]:
    for statement in tree.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.expr() as value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if re.fullmatch(r"_*[A-Z][A-Z0-9_]*", name):
                yield statement, name, value


def _literals_of(
    statement: ast.stmt, name: str, value: ast.expr, starts: Sequence[int]
) -> Iterator[PythonLiteral]:
    leaves = list(_leaves(value, name))
    plain = len(leaves) <= _TABLE and not _NOT_TUNABLE.intersection(name.split("_"))
    for leaf, node in leaves:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        yield PythonLiteral(
            name=leaf,
            start=starts[node.lineno - 1] + node.col_offset,
            end=starts[node.end_lineno - 1] + node.end_col_offset,
            line=node.end_lineno,
            statement=(statement.lineno, statement.end_lineno or statement.lineno),
            plain=plain,
        )


def _leaves(node: ast.expr, name: str) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for index, element in enumerate(elements):
                yield from _leaves(element, f"{name}[{index}]")
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant):
                    yield from _leaves(value, f"{name}[{key.value!r}]")
        case ast.Constant(value=bool() | int() | float() | str()):
            yield name, node
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float())):
            yield name, node
        case ast.BinOp(op=ast.Pow(), left=ast.Constant(value=2), right=ast.Constant(value=int())):
            yield name, node
        case _:
            pass


# A sign after a value is an operator. A unit (`10ms`, `0.5f`) stays outside the literal; 0x10,
# 1.2.3 and x2 are no numbers.
_NUMBER = re.compile(rf"(?:(?<![\w.)\]])[-+])?(?<![\w.]){MAGNITUDE}(?=[A-Za-z%]*(?![\w.]))")
_BOOL = re.compile(rf"\b{BOOL}\b")
_QUOTED = re.compile(QUOTED)
_WORD = re.compile(rf"(?<![\w./-]){WORD}")
_NAME_BEFORE = re.compile(
    r"([A-Za-z_][\w.-]*)[\"'\]]*\s*(?::\s*[A-Za-z_][\w.\[\]<>]*\s*=|:=|[:=(]|\s)[^\w]*$"
)


def last_literal(text: str, start: int, end: int, like: TunedValue) -> tuple[int, int] | None:
    """Where in `text[start:end]` the last literal of the type of `like` stands."""
    for pattern in _patterns(like):
        for match in [*pattern.finditer(text, start, end)][-1:]:
            before, after = text[start : match.start()], text[match.end() : end]
            # `x["key"] = value`, `NAME = value`: the last literal may be no value at all.
            if "=" in after or (isinstance(like, str) and re.search(r"[\w\"']", after)):
                continue
            if pattern is _WORD and not before.strip():
                continue
            if is_literal(match[0]):
                return match.span()
    return None


def _patterns(like: TunedValue) -> list[re.Pattern[str]]:
    if isinstance(like, bool):
        return [_BOOL]
    return [_QUOTED, _WORD] if isinstance(like, str) else [_NUMBER]


def name_before(before: str) -> str:
    """What the text before a literal calls it; only for people, and to tell literals apart."""
    before = before[-200:]
    for text in (before, before[: before.rfind("=") + 1]):
        if match := _NAME_BEFORE.search(text):
            return match[1]
    words: list[str] = re.findall(r"[A-Za-z_](?:[\w-]*\w)?", before)
    return words[-1] if words else "value"


_PROSE = frozenset({".md", ".rst", ".adoc"})  # show annotations, have nothing to tune


def find_constants(path: str, data: bytes) -> list[Constant]:
    """Every tunable constant of one file, in file order.

    Raises `ProposerError` on an annotation that cannot be understood.
    """
    suffix = PurePosixPath(path).suffix
    python = suffix in (".py", ".pyi")
    if b"\0" in data or suffix in _PROSE:
        return []
    if b"tune:" not in data and not (python and may_hold_constants(data)):
        return []
    found = _File(path, data, is_python=python).constants()
    ordered = sorted(found, key=lambda constant: constant.start)
    names = dict.fromkeys(constant.name for constant in ordered)
    numbered = _numbered(ordered)
    _check_conditions(numbered, names, data)
    return numbered


class _File:
    """One file's literals and annotations, and who belongs to whom."""

    def __init__(self, path: str, data: bytes, *, is_python: bool) -> None:
        self._path = path
        self._text = data.decode("latin-1")
        self._starts = _line_starts(data)
        tree = parse_python(self._text) if is_python else None
        comments_in = comments_in_lines if tree is None else comments_in_python
        comments = comments_in(self._text, self._starts)
        self._notes = read_annotations(path, self._text, self._starts, comments)
        self._literals = [*python_literals(tree, self._text, self._starts)] if tree else []

    def constants(self) -> Iterator[Constant]:
        """In no order."""
        occupied = {literal.line for literal in self._literals}
        annotated: dict[int, list[PythonLiteral]] = {line: [] for line in self._notes}
        for literal in self._literals:
            line = _note_line(literal, self._notes, occupied)
            if line is not None:
                annotated[line].append(literal)
            elif literal.plain and (constant := by_default(self._constant(literal))):
                yield constant
        for line, note in self._notes.items():
            if not note.skip:
                yield from self._annotated(line, note, annotated[line])

    def _annotated(
        self, line: int, note: TuneComment, literals: Sequence[PythonLiteral]
    ) -> list[Constant]:
        candidates = [self._constant(literal) for literal in literals]
        fitting = _fitting(candidates, note) or _fitting(self._last_on(line, note), note)
        if not fitting:
            why = "No literal before the comment fits it."
            raise refusal(self._path, line, note.text, why)
        return fitting

    def _last_on(self, line: int, note: TuneComment) -> list[Constant]:
        """What an annotated line holds outside of Python's own grammar, if it does."""
        start = self._starts[line - 1]
        like = note.choices[0] if note.choices else 0.0
        span = last_literal(self._text, start, start + note.column, like)
        return [self._constant_at(name_before(self._text[start : span[0]]), *span)] if span else []

    def _constant(self, literal: PythonLiteral) -> Constant:
        return self._constant_at(literal.name, literal.start, literal.end)

    def _constant_at(self, name: str, start: int, end: int) -> Constant:
        literal = self._text[start:end]
        kind, value = parse(literal)
        return Constant(
            path=self._path,
            name=name,
            value=value,
            literal=literal,
            start=start,
            end=end,
            kind=kind,
        )


def _line_starts(data: bytes) -> list[int]:
    # bytes.splitlines breaks where Python's tokenizer does; str.splitlines also at form feeds.
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def _note_line(
    literal: PythonLiteral, notes: Mapping[int, TuneComment], occupied: set[int]
) -> int | None:
    """The line whose comment speaks for the literal: its own, else the statement's ends."""
    if literal.line in notes:
        return literal.line
    ends = [line for line in literal.statement if line in notes and line not in occupied]
    return ends[0] if ends else None


def _fitting(candidates: Sequence[Constant], note: TuneComment) -> list[Constant]:
    tuned = [annotated(candidate, note) for candidate in candidates]
    return [constant for constant in tuned if constant]


def _check_conditions(found: Sequence[Constant], names: Collection[str], data: bytes) -> None:
    """Raises `ProposerError` unless each condition names one of the constants."""
    for constant in found:
        if constant.condition and constant.condition.name not in names:
            line = data.count(b"\n", 0, constant.start) + 1
            raise ProposerError(
                f"{constant.path}:{line}: {constant.name} is tuned `when "
                f"{constant.condition.name} ...`, but this file has no tunable constant of that "
                f"name. Annotate it too, or drop the `when`. "
                f"Tunable here: {', '.join(names)}."
            )


def _numbered(found: Sequence[Constant]) -> list[Constant]:
    """Names made unique."""
    seen: Counter[str] = Counter()
    unique: list[Constant] = []
    for constant in found:
        seen[constant.name] += 1
        count = seen[constant.name]
        unique.append(replace(constant, name=f"{constant.name}#{count}") if count > 1 else constant)
    return unique
