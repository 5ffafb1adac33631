"""Finds the constants of a text that are worth tuning and writes new values into their place.

Which values to try is not decided here. Every byte outside a literal survives as it is, whatever
the file's encoding or line ends: text is only ever looked at as Latin-1, one byte per character.

Python needs no annotation: module-level UPPER_CASE numbers and booleans, elements of tuples, lists
and dictionaries included. A trailing comment overrides the default range, offers any other literal
(in every language: the last one before `#`, `//`, `--`, `;` or `/*`), or takes one away:

    LR = 0.04                # tune: 1e-4..1 log
    optimizer: sgd           # tune: [sgd, adam]
    momentum: 0.9            # tune: 0..0.99 when optimizer == sgd
    const int kBlock = 64;   // tune: skip
"""

from __future__ import annotations

import ast
import enum
import io
import itertools
import math
import re
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import PurePosixPath

from autoresearch_ci.errors import ProposerError

Value = bool | int | float | str

# Words that mark a name as identity, reporting or the ruler itself: tuning those would game the
# metric or move nothing. An annotation overrides the list.
_NOT_TUNABLE = frozenset(
    {"SEED", "VERSION", "PORT", "FLOPS", "EVAL", "LOG", "DEBUG", "VERBOSE", "TIMEOUT", "BUDGET"}
)
_TABLE = 8  # a longer container is data, not a set of knobs
_LARGEST_INT = 2**53  # beyond it a float, and so the optimiser, cannot tell neighbours apart
_PROSE = frozenset({".md", ".rst", ".adoc"})  # show annotations, have nothing to tune
_BOM = "\xef\xbb\xbf"

_ASSIGNMENT = re.compile(rb"(?:\A(?:\xef\xbb\xbf)?|[\r\n;])[ \t\f]*_*[A-Z][A-Z0-9_]*[ \t]*[:=]")

_POWER = r"2\s*\*\*\s*\d{1,3}"
_DIGITS = r"\d+(?:_\d+)*"
_UNSIGNED = rf"(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][-+]?\d+)?"
# A sign after a value is an operator. A unit (`10ms`, `0.5f`) stays outside the literal; 0x10,
# 1.2.3 and x2 are no numbers.
_NUMBER_IN_TEXT = re.compile(
    rf"(?:(?<![\w.)\]])[-+])?(?<![\w.])(?:{_POWER}|{_UNSIGNED})(?=[A-Za-z%]*(?![\w.]))"
)
_BOOL_IN_TEXT = re.compile(r"\b(?:[Tt]rue|[Ff]alse|TRUE|FALSE)\b")
_QUOTED_IN_TEXT = re.compile(r"\"[^\"\\\n]*\"|'[^'\\\n]*'")
_WORD_IN_TEXT = re.compile(r"(?<![\w./-])[A-Za-z_][\w./-]*")
_LITERAL = re.compile(rf"{_QUOTED_IN_TEXT.pattern}|[-+]?(?:{_POWER}|{_UNSIGNED})|[A-Za-z_][\w./-]*")
_TUNE = re.compile(r"(?:#+|//+|--+|;+|/\*+)\s*tune:\s*")
_RANGE = re.compile(
    rf"([-+]?(?:{_POWER}|{_UNSIGNED}))\s*\.\.\s*([-+]?(?:{_POWER}|{_UNSIGNED}))(?:\s+(log|linear))?"
)
_CHOICES = re.compile(r"\[(.*)\]")
_CHOICE = re.compile(r"\s*(\"[^\"\\]*\"|'[^'\\]*'|[^\s,\"'\\]+)\s*(?:,|$)")
_CONDITION = re.compile(r"(.*?)\s+when\s+(\S+)\s*(==|!=)\s*(\S+)")
_NAME_BEFORE = re.compile(
    r"([A-Za-z_][\w.-]*)[\"'\]]*\s*(?::\s*[A-Za-z_][\w.\[\]<>]*\s*=|:=|[:=(]|\s)[^\w]*$"
)
_EXPECTED = (
    "Expected `tune: LOW..HIGH`, `tune: LOW..HIGH log`, `tune: [value, value]` or `tune: skip`, "
    "the first three optionally followed by `when NAME == value`."
)


class Kind(enum.Enum):
    """How a literal is written, which is how its new value must be written."""

    BOOL = "bool"
    INT = "int"
    POWER = "power"
    """`2**k`: the exponent moves, the value is the power."""
    FLOAT = "float"
    STRING = "string"


@dataclass(frozen=True, kw_only=True)
class Condition:
    """The constant matters only while another one of the same file has (not) a value."""

    name: str
    value: Value
    equal: bool


@dataclass(frozen=True, kw_only=True)
class Constant:
    """One literal, where it stands, and the values it may take."""

    path: str
    name: str
    """`LR`, `BETAS[1]`, `OPTIONS['lr']`; `#2` is appended to the second of one name in a file."""
    value: Value
    literal: str
    """As written, Latin-1."""
    start: int
    end: int
    """Byte offsets of the literal."""
    kind: Kind
    low: float | None = None
    high: float | None = None
    """Inclusive; the power's value, not its exponent. `None` when `choices` is what counts."""
    log: bool = False
    choices: tuple[Value, ...] = ()
    condition: Condition | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the constant from one commit to the next."""
        return self.path, self.name

    def allows(self, value: Value) -> bool:
        """Whether `value` lies in the constant's space."""
        if self.choices:
            return value in self.choices
        assert self.low is not None
        assert self.high is not None
        return not isinstance(value, str) and self.low <= value <= self.high


@dataclass(frozen=True, kw_only=True)
class _Annotation:
    """What a `tune:` comment says; neither a range nor choices means `skip`."""

    text: str
    column: int
    """Where the comment starts in its line."""
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Value, ...] = ()
    condition: Condition | None = None

    @property
    def skip(self) -> bool:
        return self.low is None and not self.choices


@dataclass(frozen=True, kw_only=True)
class _Literal:
    """A candidate that Python's own grammar found."""

    name: str
    start: int
    end: int
    line: int
    statement: tuple[int, int]
    """First and last line of the assignment."""
    plain: bool
    """Tunable without an annotation."""


class _Malformed(Exception):
    """Why an annotation cannot be used; the caller knows where it stands."""


# --- values and their text ---


def parse(text: str) -> tuple[Kind, Value]:
    """Reads one literal; a bare word is a string. Raises `ValueError` on anything else."""
    if _BOOL_IN_TEXT.fullmatch(text):
        return Kind.BOOL, text.lower() == "true"
    if _QUOTED_IN_TEXT.fullmatch(text):
        return Kind.STRING, text[1:-1]
    if _WORD_IN_TEXT.fullmatch(text):
        return Kind.STRING, text
    if re.fullmatch(_POWER, text):
        return Kind.POWER, int(2 ** int(text.split("**")[1]))
    if not re.fullmatch(rf"[-+]?{_UNSIGNED}", text):
        raise ValueError(text)
    if re.fullmatch(r"[-+]?[\d_]+", text):
        return Kind.INT, int(text)
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return Kind.FLOAT, value


def write(constant: Constant, value: Value) -> str:
    """`value` in the style of the constant's present literal; `parse` gives it back unchanged."""
    old = constant.literal
    if constant.kind is Kind.STRING:
        return f"{old[0]}{value}{old[0]}" if old[0] in "\"'" else str(value)
    if constant.kind is Kind.BOOL:
        text = "true" if value else "false"
        return text.upper() if old.isupper() else text.capitalize() if old[0].isupper() else text
    if constant.kind is Kind.POWER:
        return re.sub(r"\d+$", str(int(value).bit_length() - 1), old)
    if constant.kind is Kind.INT:
        return f"{value:_}" if "_" in old else str(value)
    return _float_text(float(value), old)


def _float_text(value: float, old: str) -> str:
    number = Decimal(repr(value))
    exponent = number.adjusted()
    scientific = "e" in old.lower() or abs(exponent) > 15
    if not scientific or -3 < exponent < 4 or not value:
        text = format(number, "f")
        return text if "." in text else f"{text}.0"
    digits = "".join(map(str, number.as_tuple().digits)).rstrip("0")
    # PyYAML reads `3e-4` and `3.0e2` as strings: the point and the plus of the old text stay.
    point = digits[1:] or ("0" if "." in old or "e" not in old.lower() else "")
    plus = "" if exponent < 0 or re.search(r"[eE]\d", old) else "+"
    mark = "E" if "E" in old else "e"
    return f"{'-' * (value < 0)}{digits[0]}{'.' * bool(point)}{point}{mark}{plus}{exponent}"


def rounded(constant: Constant, value: Value) -> Value:
    """`value` as a person would write it: at most four significant digits. Choices stay."""
    if constant.choices or constant.kind is Kind.POWER or isinstance(value, str):
        return value
    short = float(f"{value:.4g}")
    return int(short) if constant.kind is Kind.INT else short


def rewrite(data: bytes, changes: Mapping[Constant, Value]) -> bytes:
    """`data` with each constant's literal replaced; the constants must have been found in it."""
    for constant in sorted(changes, key=lambda constant: constant.start, reverse=True):
        text = write(constant, changes[constant]).encode("latin-1")
        data = data[: constant.start] + text + data[constant.end :]
    return data


# --- finding ---


def find_constants(path: str, data: bytes) -> list[Constant]:
    """Every tunable constant of one file, in file order.

    Raises `ProposerError` on an annotation that cannot be understood.
    """
    suffix = PurePosixPath(path).suffix
    python = suffix in (".py", ".pyi")
    if b"\0" in data or suffix in _PROSE:
        return []
    # Most files of a wide scope hold nothing: seeing that must not cost a parse.
    if b"tune:" not in data and not (python and _ASSIGNMENT.search(data)):
        return []
    text = data.decode("latin-1")
    starts = _line_starts(data)
    tree = _parse_python(text) if python else None
    notes = _notes(path, text, starts, is_python=tree is not None)
    literals = _python_literals(tree, text, starts) if tree is not None else []
    return _checked(text, _with_notes(path, text, starts, literals, notes))


def follow(constants: Sequence[Constant], before: bytes, after: bytes) -> list[Constant] | None:
    """The same constants in `after`, when nothing but their literals differs; else `None`.

    A hundred times faster than finding them again, which is what makes a resume cheap.
    """
    text = after.decode("latin-1")
    followed: list[Constant] = []
    old = new = 0
    for constant in constants:
        gap = before[old : constant.start]
        if not after.startswith(gap, new):
            return None
        match = _LITERAL.match(text, new + len(gap))
        if match is None or not _readable(match[0]):
            return None
        kind, value = parse(match[0])
        if constant.kind is Kind.FLOAT and kind is Kind.INT:
            kind, value = Kind.FLOAT, float(value)
        if kind is not constant.kind:
            return None
        followed.append(
            replace(constant, value=value, literal=match[0], start=match.start(), end=match.end())
        )
        old, new = constant.end, match.end()
    return followed if after[new:] == before[old:] else None


def _line_starts(data: bytes) -> list[int]:
    # bytes.splitlines breaks where Python's tokenizer does; str.splitlines also at form feeds.
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def _parse_python(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the measured project's invalid escapes
            return ast.parse(_ascii(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _ascii(text: str) -> str:
    # One ASCII letter per byte keeps offsets in bytes and foreign identifiers whole. Form feeds
    # stand in for a byte order mark: Python ignores them at the start of a line.
    if text.startswith(_BOM):
        text = "\f\f\f" + text[3:]
    return re.sub(r"[\x80-\xff]", "x", text)


# --- annotations read ---


def _notes(
    path: str, text: str, starts: Sequence[int], *, is_python: bool
) -> dict[int, _Annotation]:
    """Line number to annotation."""
    notes: dict[int, _Annotation] = {}
    for line, start, end in _comments(text, starts, is_python=is_python):
        match = _TUNE.match(text, start, end)
        if match is None:
            continue
        spec = re.sub(r"\s*(?:\*/|-->)?\s*$", "", text[match.end() : end])
        alone = not text[starts[line - 1] : start].removeprefix(_BOM).strip()
        try:
            notes[line] = _annotation(spec, start - starts[line - 1])
        except _Malformed as error:
            if not alone:  # alone on its line, `tune:` may just be prose
                raise _refusal(path, line, spec, str(error)) from None
            continue
        if alone:
            raise _refusal(path, line, spec, "It must stand behind the value, on the same line.")
    return notes


def _comments(
    text: str, starts: Sequence[int], *, is_python: bool
) -> Iterator[tuple[int, int, int]]:
    """(line, start, end) of every comment that could hold an annotation."""
    if "tune:" not in text:
        return
    if is_python:  # whose strings may show comments
        readline = io.StringIO(_ascii(text), newline="").readline
        for token in tokenize.generate_tokens(readline):
            if token.type == tokenize.COMMENT:
                start = starts[token.start[0] - 1] + token.start[1]
                yield token.start[0], start, start + len(token.string)
        return
    for line, (start, end) in enumerate(itertools.pairwise(starts), 1):
        for match in [*_TUNE.finditer(text, start, end)][-1:]:
            yield line, match.start(), end


def _annotation(text: str, column: int) -> _Annotation:
    spec, condition = text, None
    if match := _CONDITION.fullmatch(spec):
        spec = match[1]
        condition = Condition(name=match[2], value=_given(match[4]), equal=match[3] == "==")
    if spec == "skip" and condition is None:
        return _Annotation(text=text, column=column)
    if match := _RANGE.fullmatch(spec):
        low, high, log = _given(match[1]), _given(match[2]), match[3] == "log"
        assert not isinstance(low, str)
        assert not isinstance(high, str)
        if not low < high:
            raise _Malformed("The first bound must be below the second.")
        if log and low <= 0:
            raise _Malformed("A log range must start above 0.")
        return _Annotation(
            text=text, column=column, low=low, high=high, log=log, condition=condition
        )
    if match := _CHOICES.fullmatch(spec):
        choices = _choices(match[1])
        return _Annotation(text=text, column=column, choices=choices, condition=condition)
    raise _Malformed("")


def _choices(text: str) -> tuple[Value, ...]:
    values: list[Value] = []
    position = 0
    while position < len(text):
        match = _CHOICE.match(text, position)
        if match is None:
            raise _Malformed("Values may not hold quotes or backslashes.")
        values.append(_given(match[1]))
        position = match.end()
    kinds = {type(value) if isinstance(value, bool | str) else float for value in values}
    if len(values) < 2 or len(kinds) != 1 or len(set(values)) < len(values):
        raise _Malformed("A list needs two or more different values of one type.")
    return tuple(values)


def _given(text: str) -> Value:
    try:
        _, value = parse(text)
        if not isinstance(value, str):
            float(value)  # the optimiser's arithmetic
    except (ValueError, OverflowError):
        raise _Malformed(f"{text} is no usable number, true, false, or text.") from None
    return value


def _refusal(path: str, line: int, spec: str, why: str) -> ProposerError:
    reason = f"{why} {_EXPECTED}" if why else _EXPECTED
    return ProposerError(f"{path}:{line}: cannot use the annotation `tune: {spec}`. {reason}")


# --- Python's own constants ---


def _python_literals(tree: ast.Module, text: str, starts: Sequence[int]) -> list[_Literal]:
    stored = Counter(
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    )
    literals: list[_Literal] = []
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
        elif isinstance(statement, ast.AnnAssign):
            target = statement.target
        else:
            continue
        if not isinstance(target, ast.Name) or statement.value is None:
            continue
        name = target.id
        if not re.fullmatch(r"_*[A-Z][A-Z0-9_]*", name) or stored[name] > 1:
            continue
        leaves = list(_leaves(statement.value, name))
        plain = len(leaves) <= _TABLE and not _NOT_TUNABLE.intersection(name.split("_"))
        for leaf, node in leaves:
            assert node.end_lineno is not None
            assert node.end_col_offset is not None
            literals.append(
                _Literal(
                    name=leaf,
                    start=starts[node.lineno - 1] + node.col_offset,
                    end=starts[node.end_lineno - 1] + node.end_col_offset,
                    line=node.end_lineno,
                    statement=(statement.lineno, statement.end_lineno or statement.lineno),
                    plain=plain,
                )
            )
    return [literal for literal in literals if _readable(text[literal.start : literal.end])]


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


def _readable(literal: str) -> bool:
    try:
        parse(literal)
    except ValueError:  # 0x10, r"", a triple-quoted string, 1j, ...
        return False
    return True


# --- annotations applied ---


def _with_notes(
    path: str,
    text: str,
    starts: Sequence[int],
    literals: Sequence[_Literal],
    notes: Mapping[int, _Annotation],
) -> list[Constant]:
    occupied = {literal.line for literal in literals}
    found: list[Constant] = []
    annotated: dict[int, list[Constant | None]] = {}
    for literal in literals:
        line = _note_line(literal, notes, occupied)
        constant = _constant(path, literal.name, text, literal.start, literal.end)
        if line is not None:
            annotated.setdefault(line, []).append(_tuned(constant, notes[line]))
        elif literal.plain and (ranged := _by_default(constant)):
            found.append(ranged)
    for line, note in notes.items():
        if note.skip:
            continue
        fitting = [constant for constant in annotated.get(line, []) if constant]
        if not fitting:
            start = starts[line - 1]
            fitting = _last_on_line(path, text, start, start + note.column, note)
        if not fitting:
            raise _refusal(path, line, note.text, "No literal before the comment fits it.")
        found += fitting
    return sorted(found, key=lambda constant: constant.start)


def _note_line(
    literal: _Literal, notes: Mapping[int, _Annotation], occupied: set[int]
) -> int | None:
    """The line whose comment speaks for the literal: its own, else the statement's ends."""
    if literal.line in notes:
        return literal.line
    ends = [line for line in literal.statement if line in notes and line not in occupied]
    return ends[0] if ends else None


def _constant(path: str, name: str, text: str, start: int, end: int) -> Constant:
    kind, value = parse(text[start:end])
    return Constant(
        path=path,
        name=name,
        value=value,
        literal=text[start:end],
        start=start,
        end=end,
        kind=kind,
    )


def _tuned(constant: Constant, note: _Annotation) -> Constant | None:
    """`constant` with the annotation's space; `None` when the annotation cannot mean it."""
    given = [value for value in (*note.choices, note.low, note.high) if value is not None]
    kind = _annotated_kind(constant.kind, given)
    if kind is None:
        return None
    tuned = replace(
        constant,
        kind=kind,
        value=float(constant.value) if kind is Kind.FLOAT else constant.value,
        low=note.low,
        high=note.high,
        log=note.log,
        choices=tuple(_cast(kind, value) for value in note.choices),
        condition=note.condition,
    )
    if note.choices:
        return tuned if all(_holds(tuned, choice) for choice in tuned.choices) else None
    if kind is Kind.POWER:
        return _to_powers(tuned)
    assert note.low is not None
    assert note.high is not None
    too_large = kind is Kind.INT and max(-note.low, note.high) > _LARGEST_INT
    return None if too_large else tuned


def _holds(constant: Constant, value: Value) -> bool:
    """Whether `value` is read back as itself once written in the literal's style."""
    text = write(constant, value)
    return _readable(text) and parse(text) == (constant.kind, value)


def _annotated_kind(kind: Kind, given: Sequence[Value]) -> Kind | None:
    if not given or isinstance(given[0], bool):
        return Kind.BOOL if kind is Kind.BOOL and given else None
    if isinstance(given[0], str):
        return Kind.STRING if kind is Kind.STRING else None
    whole = all(float(value).is_integer() for value in given)
    if kind is Kind.INT:
        return Kind.INT if whole else Kind.FLOAT  # `dropout: 0  # tune: 0..0.5` means a float
    return kind if kind is Kind.FLOAT or (kind is Kind.POWER and whole) else None


def _cast(kind: Kind, value: Value) -> Value:
    if kind is Kind.FLOAT:
        return float(value)
    return int(value) if kind in (Kind.INT, Kind.POWER) else value


def _to_powers(constant: Constant) -> Constant | None:
    assert constant.low is not None
    assert constant.high is not None
    low = math.ceil(math.log2(max(constant.low, 1)))
    high = math.floor(math.log2(max(constant.high, 1)))
    return replace(constant, low=2**low, high=2**high, log=True) if low < high else None


def _last_on_line(path: str, text: str, start: int, end: int, note: _Annotation) -> list[Constant]:
    """The constant that an annotated line holds outside of Python's own grammar, if it does."""
    given = note.choices[0] if note.choices else 0.0
    if isinstance(given, bool):
        patterns = [_BOOL_IN_TEXT]
    elif isinstance(given, str):
        patterns = [_QUOTED_IN_TEXT, _WORD_IN_TEXT]
    else:
        patterns = [_NUMBER_IN_TEXT]
    for pattern in patterns:
        for match in [*pattern.finditer(text, start, end)][-1:]:
            before, after = text[start : match.start()], text[match.end() : end]
            # `x["key"] = value`, `NAME = value`: the last literal may be no value at all.
            if "=" in after or (isinstance(given, str) and re.search(r"[\w\"']", after)):
                continue
            if pattern is _WORD_IN_TEXT and not before.strip():
                continue
            if _readable(match[0]):
                tuned = _tuned(_constant(path, _name(before), text, *match.span()), note)
                return [tuned] if tuned else []
    return []


def _name(before: str) -> str:
    """What the text before a literal calls it; only for people, and to tell literals apart."""
    before = before[-200:]
    for text in (before, before[: before.rfind("=") + 1]):
        if match := _NAME_BEFORE.search(text):
            return match[1]
    words: list[str] = re.findall(r"[A-Za-z_](?:[\w-]*\w)?", before)
    return words[-1] if words else "value"


def _by_default(constant: Constant) -> Constant | None:
    """The range of a constant that nobody annotated; `None` when none is sensible."""
    if constant.kind is Kind.BOOL:
        return replace(constant, choices=(True, False))
    if isinstance(constant.value, str):
        return None
    if constant.kind is Kind.INT and constant.value >= 16 and int(constant.value).bit_count() == 1:
        # A batch, a width, a block: sizes between powers of two mostly crash or crawl.
        unit = int(constant.value) // 4
        choices = tuple(unit * factor for factor in (1, 2, 4, 8, 16))
        return replace(constant, choices=choices) if choices[-1] <= _LARGEST_INT else None
    low, high, log = _default_range(constant.kind, constant.value)
    if not low < high or not math.isfinite(high) or (log and low <= 0):
        return None
    if constant.kind is Kind.INT and max(-low, high) > _LARGEST_INT:
        return None
    return replace(constant, low=low, high=high, log=log)


def _default_range(kind: Kind, value: float) -> tuple[float, float, bool]:
    if kind is Kind.POWER:
        exponent = int(value).bit_length() - 1
        return 2 ** max(0, exponent - 2), 2 ** (exponent + 2), True
    if kind is Kind.INT:
        smallest, largest = sorted((int(value) // 4, int(value) * 4))
        return (max(1, smallest) if value >= 1 else smallest), largest, value >= 1
    if value == 0:
        return 0.0, 0.1, False
    if 0.5 < value < 1:
        # A fraction near 1, like a momentum: its distance to 1 is what matters; 1 is excluded.
        return _short(max(value / 4, 1 - 4 * (1 - value))), _short(1 - (1 - value) / 4), False
    low, high = sorted((_short(value / 4), _short(value * 4)))
    return low, min(high, 1.0) if value < 1 else high, value > 0


def _short(value: float) -> float:
    # A bound of four digits: no sampled value leaves the range by being rounded.
    return float(f"{value:.4g}")


def _checked(text: str, found: Sequence[Constant]) -> list[Constant]:
    """Names made unique, conditions known to refer to one of them."""
    seen: Counter[str] = Counter()
    unique: list[Constant] = []
    for constant in found:
        seen[constant.name] += 1
        count = seen[constant.name]
        unique.append(replace(constant, name=f"{constant.name}#{count}") if count > 1 else constant)
    for constant in unique:
        if constant.condition and constant.condition.name not in seen:
            line = text.count("\n", 0, constant.start) + 1
            raise ProposerError(
                f"{constant.path}:{line}: {constant.name} is tuned `when "
                f"{constant.condition.name} ...`, but this file has no tunable constant of that "
                f"name. Annotate it too, or drop the `when`. "
                f"Tunable here: {', '.join(seen)}."
            )
    return unique
