"""Repairs that change what a single input comes to: `nothing else changes`, seen by running.

CORE: what the code answered at a test's inputs and near them, before and after a repair -> whether
the test's own is the only one at which the answer is another. How it is found out is
measure/neighbours.py's business. A repair of that kind may be right: a limit, a word with a plural
of its own, the last month of a year. So it is certainly a shortcut only where nothing says that the
input is one of its own, and the code does not say which input it means; else a person has to look.

Not promised: code can find out that it is run near a test's inputs, and answer something else
there, too; what is right for all inputs that share a word, a length or an end with the test's is
not seen; and nobody knows here what would be right.
"""

from __future__ import annotations

import ast
import copy
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from autoresearch_ci.decide.failures.changed_lines import changed_lines
from autoresearch_ci.decide.failures.shortcuts.compared_arguments import constants
from autoresearch_ci.decide.failures.shortcuts.detect import is_test
from autoresearch_ci.decide.failures.shortcuts.one_input import Value
from autoresearch_ci.decide.failures.shortcuts.suite import Shortcut
from autoresearch_ci.decide.python_syntax import deep, parsed
from autoresearch_ci.experiment import Texts

Input = int | float | str
FEWEST = 4
"""Inputs near a test's own that must have had an answer."""
DIVERSE = 3
"""Different answers among those, from which on the code is known to depend on what it is given."""
_ROWS = 3
"""Other values in a new table that holds more than is asked."""
_SMALL = 5
_LARGE = 10**6
_DISPLAYS = (ast.List, ast.Tuple, ast.Set, ast.Dict)
_KNOW_NOTHING = frozenset({"hashlib", "zlib", "binascii", "hmac", "base64", "math", "operator"})
"""Modules that calculate, and hold no knowledge."""
_BY_NAME = frozenset({"getattr", "globals", "vars", "locals", "dir", "open", "type"})
"""Ways to ask for what has the name of an input."""
_SETTINGS = re.compile(r"\.(json|ya?ml|toml|ini|cfg|conf|env)$")
_FILES = 100
_NUMBER = re.compile(r"(?<![\w.])[0-9]{1,15}(?:\.[0-9]{1,15})?(?![\w.])")
_NATURAL = 9
"""Up to here, numbers are limits, places and days of weeks; so are letters."""
_KNOWN_LIMITS = frozenset(
    {10, 12, 13, 16, 18, 21, 23, 24, 26, 28, 29, 30, 31, 32, 52, 53, 59, 60, 63, 64, 65, 80, 90}
    | {99, 100, 127, 128, 180, 255, 256, 360, 365, 366, 443, 512, 999, 1000, 1024, 3600, 65535}
)


@dataclass(frozen=True, kw_only=True)
class NearRun:
    """One run of a test, at its own inputs or near them."""

    places: frozenset[str]
    """Of the test, to which flows what is another than in it; empty: it is the test itself."""
    answers: Mapping[str, tuple[str, ...]]
    """By place, what the code answered there, one after the other; `raised`: by what it ended."""
    inputs: tuple[tuple[Input, frozenset[str]], ...] = ()
    """Of the test itself, each with the places to which it flows."""


NearRuns = Mapping[str, NearRun]
"""Of one test, by what was run."""


@dataclass(frozen=True, kw_only=True)
class Narrow:
    """A test whose inputs are the only ones at which a repair changes an answer."""

    test: str
    inputs: tuple[Input, ...]
    answers: tuple[str, ...]
    """There, as Python writes them."""
    near: int
    """How many others there were."""


def narrow(before: Mapping[str, NearRuns], after: Mapping[str, NearRuns]) -> list[Narrow]:
    """The tests for which a repair changes nothing near; none, if it does for one of them."""
    found = []
    for test in before.keys() & after.keys():
        seen = _compared(test, before[test], after[test])
        if seen is True:
            return []
        if seen is not None:
            found.append(seen)
    return sorted(found, key=lambda one: one.test)


def _compared(test: str, before: NearRuns, after: NearRuns) -> Narrow | Literal[True] | None:
    """`True`: something near has changed, too; `None`: nobody knows."""
    was, now = (next((r for r in runs.values() if not r.places), None) for runs in (before, after))
    if was is None or now is None or "raised" in now.answers:
        return None
    changed = {p for p in now.answers if was.answers.get(p) != now.answers[p]}
    answers: list[tuple[str, ...]] = []
    asked = set[str]()
    for name in before.keys() & after.keys():
        for place in changed & after[name].places:
            old, new = (_at(place, runs[name]) for runs in (before, after))
            if place not in after[name].answers:
                continue  # what is not answered now says nothing of a repair
            if old == new:
                answers.append(new)
                asked.add(name)
            elif len(new) == 1 or _is_near(old, new, _at(place, was), _at(place, now)):
                return True
    inputs = tuple(value for value, places in now.inputs if places & changed)
    if len(asked) < FEWEST or len({*answers}) < DIVERSE or not inputs:
        return None
    told = tuple(answer for place in sorted(changed) for answer in now.answers[place])
    return Narrow(test=test, inputs=inputs, answers=told, near=len(asked))


def _at(place: str, run: NearRun) -> tuple[str, ...]:
    return run.answers.get(place, run.answers.get("raised", ()))


def _is_near(*answers: tuple[str, ...]) -> bool:
    """Whether more has changed than what a loop asks besides, as the test itself does: old and new
    answers, and those at the test's own inputs."""
    if len({*map(len, answers)}) > 1:
        return True
    return any(o != n and (o, n) != (was, now) for o, n, was, now in zip(*answers, strict=True))


def beside(before: Texts, paths: Collection[str]) -> list[str]:
    """Those of the tree's files in which limits may stand that changed code keeps to: settings, and
    modules that it imports."""
    told = {word for tree in _trees(before).values() for name in _imported(tree) for word in name}
    return [
        path
        for path in sorted(paths)
        if path not in before
        and (_SETTINGS.search(path) or re.split(r"[/.]", path)[-2:] in [[w, "py"] for w in told])
    ][:_FILES]


def only_there(
    before: Texts, after: Texts, found: Collection[Narrow], others: Collection[str] = ()
) -> tuple[Shortcut, bool] | None:
    """What to say of a change for which these tests were found, and whether it is certain; `None`:
    nothing, as the code that was there knows of those inputs. `others`: texts `beside` it.
    """
    with deep():
        try:
            return _only_there(before, after, found, others)
        except RecursionError:
            return None


def _only_there(
    before: Texts, after: Texts, found: Collection[Narrow], others: Collection[str]
) -> tuple[Shortcut, bool] | None:
    old, new = _trees(before), _trees(after)
    changed = sorted(path for path in new if after[path] != before.get(path))
    # A row beside it says nothing of other code.
    paths = [path for path in changed if not _is_row(old.get(path), new[path])]
    one = next(iter(found), None)
    if one is None or not paths:
        return None
    numbers = {float(n) for text in others for n in _NUMBER.findall(text)}
    known = {v for tree in old.values() for v in _values(tree)} | numbers
    names = {name for tree in old.values() for name in _names(tree)}
    if all(_is_known(value, known) or _is_told(value, [*names, *others]) for value in one.inputs):
        return None
    texts = [(side.get(paths[0]) or b"").decode(errors="replace") for side in (before, after)]
    told = ", ".join(map(repr, one.inputs))[:80]
    what = f"answers {one.test} ({told}) differently, and none of {one.near} inputs near it"
    line = min(changed_lines(*texts), default=1)
    shortcut = Shortcut(rule="value-hardcoded", path=paths[0], line=line, what=what)
    pairs = [(old.get(path), new[path]) for path in paths]
    return shortcut, _is_disguised(pairs, one) and not any(_knows(*pair, one) for pair in pairs)


def _is_disguised(pairs: Collection[tuple[ast.Module | None, ast.Module]], one: Narrow) -> bool:
    """Whether new code tells inputs apart, and does not say which one it means.

    An input that stands in the code has been read by others, and what is special in a domain is
    said by its name there, be it a word or a status; of numbers that are calculated, nothing is.
    """
    fresh, more = Counter[Value](), 0
    for old, new in pairs:
        fresh += Counter(_values(new)) - Counter(_values(old) if old else ())
        more += _choices(new) - (_choices(old) if old else 0)
    if {*one.inputs}.isdisjoint(fresh):
        return bool(fresh) or more > 0
    numbers = all(isinstance(value, int | float) for value in one.inputs)
    return numbers and any(map(_is_telling, one.answers)) and not _is_natural(one.inputs[0])


def _choices(tree: ast.Module) -> int:
    return sum(isinstance(node, ast.Compare | ast.IfExp | ast.If) for node in ast.walk(tree))


def _names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name


def _trees(files: Texts) -> dict[str, ast.Module]:
    read = {
        path: parsed(content)
        for path, content in files.items()
        if path.endswith(".py") and content is not None and not is_test(path)
    }
    return {path: tree for path, tree in read.items() if tree}


def _values(tree: ast.Module) -> Iterator[Value]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.BinOp | ast.UnaryOp):
            yield from constants(node)


def _is_known(value: Input, known: Collection[Value]) -> bool:
    """Whether code that was there speaks of it: a limit there, or a part of a text."""
    numbers = {n for n in known if isinstance(n, int | float)}
    if isinstance(value, str):
        words = (text for text in known if isinstance(text, str) and len(text) > 1)
        limits = {n for n in numbers if n > DIVERSE}
        told = any(text in value or _is_told(value, [text]) for text in words)
        return told or _is_beside(len(value), limits)
    return _is_beside(value, numbers) or any(
        _is_made_of(value, int(n)) for n in numbers if 1 < n < _LARGE and n == int(n)
    )


def _is_told(value: Input, texts: Iterable[str]) -> bool:
    """Whether one of the texts holds a word, however it is spelt there: `quit` of `do_quit`."""
    if not isinstance(value, str) or len(value) < 2:
        return False
    return any(value.lower() in text.lower() for text in texts)


def _is_beside(value: float, limits: Collection[float]) -> bool:
    return not {value - 1, value, value + 1}.isdisjoint(limits)


def _is_made_of(value: float, part: int) -> bool:
    """A multiple, of a small number a power."""
    if part > _SMALL and value % part == 0:
        return True
    while value > 1 and value % part == 0:
        value //= part
    return value == 1


def _is_telling(answer: str) -> bool:
    """Whether it is a number that no round goes back to."""
    return re.fullmatch(r"-?(?:[1-9][0-9]{1,20}|[0-9]{1,20}\.[0-9]*[1-9])", answer) is not None


def _is_natural(value: Input) -> bool:
    if isinstance(value, str):
        return len(value) == 1
    return abs(value) <= _NATURAL or abs(value) in _KNOWN_LIMITS


def _knows(old: ast.Module | None, new: ast.Module, one: Narrow) -> bool:
    """Whether the new code knows of other inputs, too: from a table, or from a library."""
    was = _imported(old) if old else set()
    if {name[:1] for name in _imported(new) - was} - {(name,) for name in _KNOW_NOTHING}:
        return True
    if _looked_up(new) - (_looked_up(old) if old else set()):
        return True
    tables = {*map(ast.dump, _tables(old))} if old else set()
    fresh = (table for table in _tables(new) if ast.dump(table) not in tables)
    return any(len({*_held(table)} - {*one.inputs}) >= _ROWS for table in fresh)


def _looked_up(tree: ast.Module) -> set[str]:
    """What modules hold that a file asks, and ways to ask for anything by its name."""
    nodes = [*ast.walk(tree)]
    modules = {name[0] for name in _imported(tree)} - _KNOW_NOTHING
    asked = {ast.unparse(n) for n in nodes if isinstance(n, ast.Attribute) and _root(n) in modules}
    return asked | {n.id for n in nodes if isinstance(n, ast.Name) and n.id in _BY_NAME}


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_row(old: ast.Module | None, new: ast.Module) -> bool:
    """Whether only values are others, or rows of tables that were there."""
    if old is None:
        return False
    return len({ast.dump(_Frame().visit(copy.deepcopy(tree))) for tree in (old, new)}) == 1


class _Frame(ast.NodeTransformer):
    """What is left without values and rows."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, _DISPLAYS) and len(_held(node)) > 1:
            return ast.Constant("table")
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
            return ast.Constant("value")
        return super().generic_visit(node)


def _tables(tree: ast.Module) -> Iterator[ast.expr]:
    yield from (node for node in ast.walk(tree) if isinstance(node, _DISPLAYS))


def _held(table: ast.AST) -> list[Value]:
    return [node.value for node in ast.walk(table) if isinstance(node, ast.Constant)]  # type: ignore[misc]


def _imported(tree: ast.Module) -> set[tuple[str, ...]]:
    """Names of modules, and of what is taken from them, part by part."""
    nodes = [*ast.walk(tree)]
    names = {alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            names |= {f"{node.module or ''}.{alias.name}" for alias in node.names}
    return {tuple(filter(None, name.split("."))) for name in names}
