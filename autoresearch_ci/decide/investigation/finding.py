"""What an investigation claims, and which of it stands: evidence, status, fingerprint.

Runs nothing. Whoever claims something is not believed. A quote counts when its text stands at the
audited commit, a command when it was really run and ended as is said. What does not count is
dropped and named.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from autoresearch_ci.decide.failures.failure import essence
from autoresearch_ci.decide.line_map import lines_of
from autoresearch_ci.decide.python_syntax import parsed
from autoresearch_ci.experiment import ReadText

SEVERITIES = ("critical", "high", "medium", "low", "info")
"""The worst first."""
ANCHOR_LINES = 5
"""How far from the line that it is said to begin in a quote may stand."""
QUOTE_LIMIT = 4_000
"""Characters of one quote."""
EVIDENCE_LIMIT = 20
"""Pieces of evidence that are looked at for one claim."""
_LEAST = 6
"""Letters and digits without which a quote could stand anywhere, as `}` or `return`."""
_ALIKE = 0.8
"""Share of words from which on two claims are the same claim."""
_STEM = 5
"""Letters of a word that count: `doubled` is `doubling`."""


@dataclass(frozen=True, kw_only=True)
class Execution:
    """A command that was really run."""

    command: str
    exit_code: int
    """Negative: killed by that signal."""
    timed_out: bool = False
    symptom: bool = False
    """It is the failing command itself: that it fails is known, and proves no explanation of it."""
    broken: bool = False
    """It ended before it could show anything, as a script with a misspelt import does."""
    controlled: bool = True
    """Whether it is known that it does not fail without what it is to show. What a claim's own
    author wrote may fail whatever the code does."""

    @property
    def failed(self) -> bool:
        return self.timed_out or self.exit_code != 0

    @property
    def moot(self) -> bool:
        """Whether it says nothing of what is claimed."""
        return self.broken or self.symptom or (self.failed and not self.controlled)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One piece that was checked."""

    kind: Literal["quote", "command"]
    path: str = ""
    line: int = 0
    """Where the quote really begins, 1-based."""
    text: str = ""
    run: int = 0
    """Number of the execution."""
    command: str = ""
    exit_code: int = 0
    moot: bool = False
    """It is true, and says nothing of what is claimed."""

    def words(self) -> str:
        """`a.py:3` or `run 2: pytest a.py, exit code 1`."""
        if self.kind == "quote":
            return f"{self.path}:{self.line}"
        return f"run {self.run}: {self.command}, exit code {self.exit_code}"

    def quote(self) -> dict[str, Any]:
        """As a record and a model have what a file says."""
        return {"path": self.path, "line": self.line, "text": self.text}


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Evidence that stands, and why the rest does not."""

    kept: tuple[Evidence, ...] = ()
    dropped: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset()
    """Of what is kept, as a program's `needs` names them: `quote`, `command`, `failing_command`,
    `passing_command`."""


def check(
    claimed: Sequence[object], read: ReadText, executions: Mapping[int, Execution]
) -> Checked:
    """Each piece by itself; whatever it is, the answer is whether it stands."""
    kept: list[Evidence] = []
    dropped: list[str] = []
    kinds: set[str] = set()
    for piece in claimed[:EVIDENCE_LIMIT]:
        found = _checked(piece, read, executions)
        if isinstance(found, str):
            dropped.append(found)
        elif found not in kept:
            kept.append(found)
            kinds |= _kinds(found, executions)
    if len(claimed) > EVIDENCE_LIMIT:
        dropped.append(f"{len(claimed) - EVIDENCE_LIMIT} pieces more than are looked at")
    return Checked(kept=tuple(kept), dropped=tuple(dropped), kinds=frozenset(kinds))


def _checked(piece: object, read: ReadText, executions: Mapping[int, Execution]) -> Evidence | str:
    """The evidence, or why it is none."""
    if not isinstance(piece, Mapping):
        return "not an object"
    if piece.get("kind") == "quote":
        return _quote(piece, read)
    if piece.get("kind") == "command":
        return _command(piece, executions)
    return "neither a quote nor a command"


def _quote(piece: Mapping[Any, Any], read: ReadText) -> Evidence | str:
    path, text, line = piece.get("path"), piece.get("text"), piece.get("line", 0)
    if not isinstance(path, str) or not isinstance(text, str) or not path:
        return "a quote without path or text"
    where = _whole_number(line)
    content = read(path)
    if content is None:
        return f"{path[:200]}: there is no such text file at the audited commit"
    at = anchor(content, text, where)
    if isinstance(at, str):
        return f"{path[:200]}: {at}"
    return Evidence(kind="quote", path=path, line=at, text=text.strip("\n"))


def _command(piece: Mapping[Any, Any], executions: Mapping[int, Execution]) -> Evidence | str:
    number, said = _whole_number(piece.get("run")), piece.get("exit_code")
    ran = executions.get(number)
    if ran is None:
        return f"run {number}: no such command was run"
    if said is not None and said != ran.exit_code:
        return f"run {number}: ended with exit code {ran.exit_code}, not as is said"
    return Evidence(
        kind="command",
        run=number,
        command=ran.command,
        exit_code=ran.exit_code,
        moot=ran.moot,
    )


def _kinds(found: Evidence, executions: Mapping[int, Execution]) -> set[str]:
    if found.kind == "quote":
        return {"quote"}
    ran = executions[found.run]
    if ran.broken:  # neither for a claim nor against one
        return set()
    if ran.moot:
        return {"command"}
    return {"command", "failing_command" if ran.failed else "passing_command"}


def _whole_number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def anchor(content: str, quote: str, line: int) -> int | str:
    """The line (1-based) in which a quote begins, nearest to `line`; or why it stands nowhere.

    Indentation and blanks at line ends do not count. Without a `line` (0) the text must be unique.
    """
    wanted = [part.strip() for part in lines_of(quote.strip("\n"))]
    while wanted and not wanted[-1]:
        wanted.pop()
    if len(quote) > QUOTE_LIMIT:
        return "the quote is too long"
    if len(re.findall(r"\w", quote)) < _LEAST:
        return "the quote is too short to show anything"
    lines = [part.strip() for part in lines_of(content)]
    starts = [n + 1 for n in _occurrences(lines, wanted)]
    if not starts:
        return "the quoted text does not stand there"
    if line <= 0:
        return starts[0] if len(starts) == 1 else "the quoted text stands there more than once"
    nearest = min(starts, key=lambda start: abs(start - line))
    if abs(nearest - line) > ANCHOR_LINES:
        return f"the quoted text stands in line {nearest}, not near {line}"
    return nearest


def _occurrences(lines: Sequence[str], wanted: Sequence[str]) -> Iterator[int]:
    """Where the lines stand as a whole; a single one may be a part of its line."""
    if len(wanted) == 1:
        yield from (n for n, line in enumerate(lines) if wanted[0] in line)
        return
    size, first = len(wanted), wanted[0]
    for start in range(len(lines) - size + 1):
        if lines[start] == first and list(lines[start : start + size]) == list(wanted):
            yield start


@dataclass(frozen=True, kw_only=True)
class StatusRequirement:
    """What a status asks for."""

    needs: tuple[str, ...] = ()
    """Kinds of evidence of which one is enough; empty: none is needed."""
    fields: tuple[str, ...] = ()
    """Parts of the answer that must not be empty."""


@dataclass(frozen=True, kw_only=True)
class Settled:
    """The status that code gives, which need not be the one that was claimed."""

    status: str
    overruled: str = ""
    """Why it is not what was claimed; empty when it is."""


def settle(
    claimed: str,
    answer: Mapping[str, object],
    checked: Checked,
    rules: Mapping[str, StatusRequirement],
    *,
    otherwise: str,
    refuted: str = "",
    spoilt: bool = False,
) -> Settled:
    """`refuted`: the status of a claim whose own prediction did not come true; empty: it did, or
    there was none. `otherwise`: the status of what lacks what its own asks for. `spoilt`: its
    experiment ends as it does without what is claimed, too."""
    if claimed not in rules:
        return Settled(status=otherwise, overruled=f"there is no status {claimed[:40]!r}")
    if refuted and claimed not in (refuted, otherwise) and rules[claimed].needs:
        return Settled(
            status=refuted, overruled=f"not {claimed}: what the experiment was to show did not show"
        )
    rule = rules[claimed]
    if spoilt and "failing_command" in rule.needs:
        told = "its experiment fails without what is claimed, too"
        return Settled(status=otherwise, overruled=f"not {claimed}: {told}")
    if rule.needs and checked.kinds.isdisjoint(rule.needs):
        lacking = " or ".join(rule.needs).replace("_", " ")
        return Settled(status=otherwise, overruled=f"not {claimed}: it needs a {lacking}")
    empty = [name for name in rule.fields if not answer.get(name)]
    if empty:
        return Settled(status=otherwise, overruled=f"not {claimed}: {empty[0]} is missing")
    return Settled(status=claimed)


# --- What stays the same when lines move ----------------------------------------------------------


def fingerprint(rule: str, path: str, place: str, quote: str) -> str:
    """Of a finding: no line number in it. `place`: what encloses it, as `enclosing` says."""
    words = "\0".join((rule, path, place, essence(quote)))
    return hashlib.sha256(words.encode(errors="replace")).hexdigest()[:16]


def claim_key(words: str) -> frozenset[str]:
    """What a claim is told apart by: its words without numbers, order, endings and filling."""
    found = re.findall(r"[^\W\d_]{2,}", essence(words).lower().replace("_", " "))
    return frozenset(word[:_STEM] for word in found if word not in _FILLING)


def is_same_claim(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two claims say the same in nearly the same words."""
    if not one or not other:
        return one == other
    return len(one & other) / len(one | other) >= _ALIKE


_FILLING = frozenset(
    re.findall(
        r"\w+",
        "the an of to in on at is are be was were it its that this these those and or but not no "
        "by for from with as when which because so then than if does do has have had will would "
        "should can could may might there here",
    )
)

_OPENS = re.compile(
    r"^\s*(?:(?:export|default|pub(?:\([^)]*\))?|public|private|protected|internal|static|final"
    r"|abstract|async|unsafe|const|virtual|override|inline)\s+)*"
    r"(?:def|class|func|fn|function|impl|interface|struct|enum|trait|module|namespace|object|type)"
    r"\s+(?:\([^)]*\)\s*)?(?P<name>[A-Za-z_$][\w$]*)"
)
_LOOKED_AT = 2_000
"""Lines above one."""


def enclosing(path: str, content: str, line: int) -> str:
    """`Class.method` around a line: of Python exactly, else by indentation; empty: nothing."""
    if path.endswith((".py", ".pyi")) and (tree := parsed(content)):
        try:
            return ".".join(_around(tree, line))
        except RecursionError:
            pass
    return ".".join(reversed(list(_opened(lines_of(content), line))))


def _around(node: ast.AST, line: int) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        first, last = getattr(child, "lineno", 0), getattr(child, "end_lineno", 0) or 0
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            first = min([first, *(d.lineno for d in child.decorator_list)])
            if first <= line <= last:
                yield child.name
                yield from _around(child, line)
        elif first <= line <= last:
            yield from _around(child, line)


def _opened(lines: Sequence[str], line: int) -> Iterator[str]:
    """Names of what is opened above with less indentation each time, inner ones first."""
    here = lines[line - 1] if 0 < line <= len(lines) else ""
    least = len(here) - len(here.lstrip())
    if found := _OPENS.match(here):
        yield found["name"]
    for above in reversed(lines[max(0, line - 1 - _LOOKED_AT) : max(0, line - 1)]):
        depth = len(above) - len(above.lstrip())
        if above.strip() and depth < least:
            least = depth
            if found := _OPENS.match(above):
                yield found["name"]
