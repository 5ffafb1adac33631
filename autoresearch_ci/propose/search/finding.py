"""Finds the constants of a file that are worth tuning.

Python's UPPER_CASE constants need no annotation. A trailing `# tune:` overrides their default
range, offers any other literal (in every language: the last one before `#`, `//`, `--`, `;` or
`/*`), or takes one away. Which values to try is not decided here. Text is only ever looked at as
Latin-1, one byte per character, whatever the file's encoding or line ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from autoresearch_ci.errors import ProposerError
from autoresearch_ci.propose.search.annotated_lines import last_literal, name_before
from autoresearch_ci.propose.search.annotations import (
    Annotation,
    comments_in_lines,
    parse,
    read_annotations,
    refusal,
)
from autoresearch_ci.propose.search.constants import Constant, annotated, by_default
from autoresearch_ci.propose.search.python_source import (
    PythonLiteral,
    comments_in_python,
    may_hold_constants,
    parse_python,
    python_literals,
)

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
        self, line: int, note: Annotation, literals: Sequence[PythonLiteral]
    ) -> list[Constant]:
        candidates = [self._constant(literal) for literal in literals]
        fitting = _fitting(candidates, note) or _fitting(self._last_on(line, note), note)
        if not fitting:
            why = "No literal before the comment fits it."
            raise refusal(self._path, line, note.text, why)
        return fitting

    def _last_on(self, line: int, note: Annotation) -> list[Constant]:
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
    literal: PythonLiteral, notes: Mapping[int, Annotation], occupied: set[int]
) -> int | None:
    """The line whose comment speaks for the literal: its own, else the statement's ends."""
    if literal.line in notes:
        return literal.line
    ends = [line for line in literal.statement if line in notes and line not in occupied]
    return ends[0] if ends else None


def _fitting(candidates: Sequence[Constant], note: Annotation) -> list[Constant]:
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
