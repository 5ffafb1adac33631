"""pytest plugin: runs some tests at inputs near their own, and writes down what the code answers.

Imports only pytest. It runs in the user's interpreter, on whatever versions are there. What it
writes is described in neighbours.py, which adds whereto, of which tests, and by which seed. All
other tests are left out, and how one ends is told nobody. A test that cannot be read, or not be run
again, is left out, too.
"""

from __future__ import annotations

import ast
import copy
import inspect
import json
import os
import random
import re
import signal
import textwrap
import threading
from typing import Any, Dict, Iterator, List, Set, Tuple  # noqa: UP035 - users still have 3.8

import pytest

_write_to = ""
_wanted: Tuple[str, ...] = ()  # noqa: UP006
"""Tests, as JUnit's reports call them."""
_seed = 0
SECONDS = 1.0
"""That one run of a test may take."""
MOST = 60
"""Runs of one test."""
_ANSWERS = 50
"""Values of one place, as in a loop."""
_LONG = 4000
"""Characters of an answer; of a longer one its start and its length are told."""
_LARGE = 10**5
"""Numbers from here on are not multiplied: what is made of them may fill the memory."""
_TRIVIAL = (0, 1, -1, "")
_CLASSES = ("aeiou", "bcdfghjklmnpqrstvwxyz", "0123456789")

# --- Neighbours -----------------------------------------------------------------------------------


def of_number(n: Any, chance: random.Random) -> Iterator[Any]:
    """Those next to it, and those that share what it is: parity, last digits, divisors, roots."""
    if isinstance(n, float):
        whole, _, rest = repr(n).partition(".")
        if not re.fullmatch(r"-?\d{1,9}", whole) or not rest.isdigit():
            return
        for by in (1, 2, -1, 10, chance.randint(3, 9)):
            yield float(str(int(whole) + by) + "." + rest)  # what is binary in it stays decimal
        yield from (n * 2, n + 0.5, n / 2, -n)
        return
    yield from (n + 1, n - 1, n + 2, n + 4, n + 10, n - 2, n + 100)
    if abs(n) < _LARGE:
        yield from (2 * n, 3 * n, 10 * n, 2 * n + 1)
    for power in (2, 3):
        root = round(abs(n) ** (1 / power)) if abs(n) < _LARGE else 0
        if root > 1 and root**power == n:
            yield from ((root + more) ** power for more in (1, 2, 3, 4))
    yield from (n + 1200, n + chance.randint(11, 40), -n)


def of_text(text: str, chance: random.Random) -> Iterator[str]:
    """Another letter of its kind, one more, one less; a sign that is no letter stays as it is."""
    yield renamed(text)
    places = [place for place, c in enumerate(text) if _next(c) != c]
    for match in re.finditer(r"[0-9]{1,9}", text):
        for by in (1, 4, 10):
            more = str(int(match[0]) + by).zfill(len(match[0]))
            yield text[: match.start()] + more + text[match.end() :]
    for place in sorted(chance.sample(places, min(len(places), 8))):
        yield text[:place] + _next(text[place]) + text[place + 1 :]
    yield from (text + text[-1:], text[:-1], "b" + text, text[1:], text.swapcase())
    yield text[:-1] + text[-2:]
    words = text.split(" ")
    if len(words) > 1:
        yield " ".join(words[::-1])


def renamed(text: str) -> str:
    """Each letter and digit by the next of its kind: what is alike stays alike."""
    return "".join(map(_next, text))


def _next(letter: str) -> str:
    for kind in _CLASSES:
        if letter.lower() in kind:
            found = kind[(kind.index(letter.lower()) + 1) % len(kind)]
            return found if letter in kind else found.upper()
    return letter


def _others(node: ast.AST, chance: random.Random) -> Iterator[ast.AST]:
    """What may stand in a literal's place."""
    if isinstance(node, ast.Constant):
        told = node.value
        others = of_text(told, chance) if isinstance(told, str) else of_number(told, chance)
        yield from map(ast.Constant, others)
        return
    parts: List[str] = ["keys", "values"] if isinstance(node, ast.Dict) else ["elts"]  # noqa: UP006
    for change in (_longer, _shorter):
        other = copy.copy(node)
        for part in parts:
            setattr(other, part, change(getattr(node, part)))
        yield other


def _longer(parts: List[Any]) -> List[Any]:  # noqa: UP006
    return [*parts, copy.deepcopy(parts[0])]


def _shorter(parts: List[Any]) -> List[Any]:  # noqa: UP006
    return parts[:-1]


# --- What a test asks -----------------------------------------------------------------------------


class Asked:
    """A test's function, with a recorder in each place where it compares, and its literals."""

    def __init__(self, source: str, given: Dict[str, Any]) -> None:  # noqa: UP006
        """`given`: parameters, which are literals like others. Raises `ValueError`."""
        function = ast.parse(textwrap.dedent(source)).body[0]
        if not isinstance(function, ast.FunctionDef):
            raise ValueError("no plain function")
        function.decorator_list, function.returns = [], None
        for argument in ast.walk(function.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
        told = [(name, _literal(value)) for name, value in given.items()]
        function.body[:0] = [
            ast.Assign([ast.Name(name, ast.Store())], node) for name, node in told if node
        ]
        self.sides: List[ast.expr] = []  # noqa: UP006
        self.function: ast.FunctionDef = _Recorders(self.sides).visit(function)
        ast.fix_missing_locations(self.function)
        self.sites: Dict[ast.AST, Set[int]] = {}  # noqa: UP006
        """By literal, the places to which it flows."""
        for site, side in enumerate(self.sides):
            for node in self._flowing(side):
                self.sites.setdefault(node, set()).add(site)

    def _flowing(self, side: ast.expr) -> Iterator[ast.AST]:
        names = {n.id for n in ast.walk(side) if isinstance(n, ast.Name)}
        found = [a for call in ast.walk(side) if isinstance(call, ast.Call) for a in _args(call)]
        seen: Set[int] = set()  # noqa: UP006
        grown = True
        while grown:
            grown = False
            for node in ast.walk(self.function):
                for part in _given(node, names) if id(node) not in seen else ():
                    seen.add(id(node))
                    grown = True
                    found.append(part)
                    names |= {n.id for n in ast.walk(part) if isinstance(n, ast.Name)}
        for part in found:
            yield from _literals(part)

    def variants(self, chance: random.Random) -> Iterator[Tuple[List[int], ast.Module]]:  # noqa: UP006
        """The places that each concerns, and the test: as it is, and with other literals."""
        yield [], self._with({})
        told = [node for node in self.sites if not _is_trivial(node)]
        if not told:
            return
        everywhere = sorted(set().union(*self.sites.values()))
        for change in (_one_more, _twice, _renamed, _all_longer):
            yield (
                everywhere,
                self._with({node: other for node in self.sites for other in change(node)}),
            )
        alike: Dict[str, List[ast.AST]] = {}  # noqa: UP006
        for node in told:
            alike.setdefault(ast.dump(node), []).append(node)
        groups = [[node] for node in told] + [group for group in alike.values() if group[1:]]
        left = [(group, _others(group[0], chance)) for group in groups]
        while left:
            for group, others in list(left):
                other = next(others, None)
                if other is None:
                    left.remove((group, others))
                else:
                    places = sorted(set().union(*(self.sites[node] for node in group)))
                    yield places, self._with(dict.fromkeys(group, other))

    def _with(self, others: Dict[ast.AST, ast.AST]) -> ast.Module:  # noqa: UP006
        memo = {id(node): other for node, other in others.items()}
        function = copy.deepcopy(self.function, memo)
        return ast.fix_missing_locations(ast.Module([function], []))

    def inputs(self) -> List[Any]:  # noqa: UP006
        """The numbers and texts that are not special everywhere, each with its places."""
        told = (n for n in self.sites if isinstance(n, ast.Constant) and not _is_trivial(n))
        return [(node.value, sorted(self.sites[node])) for node in told]


def _one_more(node: ast.AST) -> Iterator[ast.AST]:
    if _is_number(node):
        yield ast.Constant(node.value + 1)  # type: ignore[attr-defined]


def _twice(node: ast.AST) -> Iterator[ast.AST]:
    if _is_number(node) and abs(node.value) < _LARGE:  # type: ignore[attr-defined]
        yield ast.Constant(node.value * 2)  # type: ignore[attr-defined]


def _renamed(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield ast.Constant(renamed(node.value))


def _all_longer(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield ast.Constant(node.value + node.value[-1:])
    else:
        yield from _one_more(node)


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and not isinstance(node.value, str)


def _is_trivial(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value in _TRIVIAL


class _Recorders(ast.NodeTransformer):
    """Puts `_seen(PLACE, …)` in the place of each assertion: what is compared, and not whether."""

    def __init__(self, sides: List[ast.expr]) -> None:  # noqa: UP006
        self._sides = sides

    def visit_Assert(self, node: ast.Assert) -> Any:
        return self._all(_sides(node.test), node)

    def visit_Expr(self, node: ast.Expr) -> Any:
        call = node.value
        asserts = isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
        if asserts and re.match(r"assert[A-Z]\w+$", call.func.attr):  # type: ignore[attr-defined]
            return self._all(call.args, node)  # type: ignore[attr-defined]
        return node

    def _all(self, sides: List[ast.expr], node: ast.stmt) -> Any:  # noqa: UP006
        found = []
        for side in sides:
            names = [n.id for n in ast.walk(side) if isinstance(n, ast.Name)]
            if names and "approx" not in _called(side):
                number = ast.Constant(len(self._sides))
                self._sides.append(side)
                call = ast.Call(ast.Name("_seen", ast.Load()), [number, side], [])
                found.append(ast.copy_location(ast.Expr(call), node))
        return found or ast.copy_location(ast.Pass(), node)


def _sides(test: ast.expr) -> List[ast.expr]:  # noqa: UP006
    if isinstance(test, ast.Compare):
        return [test.left, *test.comparators]
    if isinstance(test, ast.UnaryOp):
        return _sides(test.operand)
    if isinstance(test, ast.BoolOp):
        return [side for value in test.values for side in _sides(value)]
    return [test]


def _called(node: ast.expr) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "attr", "") or getattr(node.func, "id", "")


def _args(call: ast.Call) -> List[ast.expr]:  # noqa: UP006
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _given(node: ast.AST, names: Set[str]) -> Iterator[ast.expr]:  # noqa: UP006
    """What a statement makes of any of these names."""
    if isinstance(node, ast.Assign):
        yield from (p for target in node.targets for p in _matching(target, node.value, names))
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign)) and node.value:
        yield from _matching(node.target, node.value, names)
    elif isinstance(node, ast.For):
        rows = node.iter.elts if isinstance(node.iter, (ast.List, ast.Tuple)) else [node.iter]
        yield from (part for row in rows for part in _matching(node.target, row, names))
    elif isinstance(node, ast.withitem) and node.optional_vars:
        yield from _matching(node.optional_vars, node.context_expr, names)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        called = {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
        if called & names and "_seen" not in called:
            yield from _args(node.value)


def _matching(target: ast.expr, value: ast.expr, names: Set[str]) -> Iterator[ast.expr]:  # noqa: UP006
    if isinstance(target, ast.Tuple) and isinstance(value, (ast.Tuple, ast.List)):
        for one, part in zip(target.elts, value.elts):  # noqa: B905 - 3.8
            yield from _matching(one, part, names)
    elif names & {n.id for n in ast.walk(target) if isinstance(n, ast.Name)}:
        yield value


def _literals(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, (ast.JoinedStr, ast.Lambda)):
        return
    if isinstance(node, ast.Constant):
        if type(node.value) in (int, float, str):
            yield node
        return
    if isinstance(node, (ast.List, ast.Tuple, ast.Set, ast.Dict)):
        parts = node.values if isinstance(node, ast.Dict) else node.elts
        if parts and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            yield node
    for child in ast.iter_child_nodes(node):
        yield from _literals(child)


def _literal(value: Any) -> Any:
    """An expression for it; `None`: there is none."""
    try:
        node = ast.parse(repr(value), mode="eval").body
        return node if ast.literal_eval(node) == value else None
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


# --- Running --------------------------------------------------------------------------------------


class _TooLong(BaseException):
    pass


def _stop(number: int, frame: Any) -> None:
    raise _TooLong


class _Answers:
    """What one run of a test came to, by place."""

    def __init__(self) -> None:
        self.of: Dict[str, List[str]] = {}  # noqa: UP006

    def add(self, site: int, value: Any) -> Any:
        told = self.of.setdefault(str(site), [])
        if len(told) < _ANSWERS:
            told.append(shown(value))
        return value


def shown(value: Any, depth: int = 3) -> str:
    """The same text for the same value in every process."""
    if type(value) in (set, frozenset):
        text = "{" + ", ".join(sorted(shown(one, depth - 1) for one in value)) + "}"
    elif depth and hasattr(value, "__dict__") and _says_nothing(value):
        held = {key: shown(one, depth - 1) for key, one in sorted(vars(value).items())}
        text = type(value).__name__ + repr(held)
    else:
        text = repr(value)
    text = re.sub(r"\b0x[0-9a-fA-F]{4,16}\b", "0x", text)
    return text if len(text) <= _LONG else text[:_LONG] + str(len(text))


def _says_nothing(value: Any) -> bool:
    written: Any = type(value).__repr__
    return written is object.__repr__


def _run(item: Any, tree: ast.Module, globals_: Dict[str, Any]) -> Dict[str, List[str]]:  # noqa: UP006
    """Empty: it did not get so far."""
    answers = _Answers()
    name = tree.body[0].name  # type: ignore[attr-defined]

    def call(*args: Any, **given: Any) -> None:
        space = {**globals_, "_seen": answers.add}
        exec(compile(tree, "<test>", "exec"), space)  # the test's own text
        instance = getattr(item, "instance", None)
        own = [] if instance is None else [instance]
        signal.signal(signal.SIGALRM, _stop)
        signal.setitimer(signal.ITIMER_REAL, SECONDS, 0.1)  # again, where it is caught
        try:
            space[name](*own, **given)
        except (Exception, _TooLong, SystemExit) as error:  # noqa: BLE001 - whatever the code raises
            answers.of["raised"] = [type(error).__name__]
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)

    _protocol(item, call, item.parent)  # so that the item itself ends
    return answers.of


def _protocol(item: Any, call: Any, following: Any) -> None:
    """With fixtures of its own made anew; nobody is told of it."""
    from _pytest.runner import runtestprotocol  # only if there is something to do

    item._initrequest()
    item.obj = call
    runtestprotocol(item, log=False, nextitem=following)


def _runs(item: Any) -> None:
    function: Any = getattr(item, "function", None)
    odd = not inspect.isfunction(function) or function.__closure__
    if odd or hasattr(function, "__wrapped__") or hasattr(function, "hypothesis"):
        return
    callspec = getattr(item, "callspec", None)
    asked = Asked(inspect.getsource(function), dict(getattr(callspec, "params", {})))
    chance = random.Random(f"{_seed} {item.nodeid}")  # both sides must draw the same
    tried: Set[str] = set()  # noqa: UP006
    test = reported(item.nodeid)
    for sites, tree in asked.variants(chance):
        text = ast.dump(tree)
        if text in tried:
            continue
        once, again = (_run(item, tree, function.__globals__) for _ in range(2))
        if once == again:  # else it is chance what comes out
            inputs = [] if tried else asked.inputs()
            _write(test=test, variant=text, sites=sites, answers=once, inputs=inputs)
        tried.add(text)
        if len(tried) == MOST:
            break


def _write(**fields: Any) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    file = os.open(_write_to, flags)
    os.write(file, json.dumps(fields).encode() + b"\n")
    os.close(file)


def _forget(variable: str, ours: str, separator: str) -> bool:
    """Whether it was there."""
    value = os.environ.get(variable, "")
    if value == ours:
        del os.environ[variable]
    elif value.startswith(ours + separator):
        os.environ[variable] = value[len(ours + separator) :]
    else:
        return False
    return True


_asked = _forget("PYTEST_ADDOPTS", "-p " + __name__, " ")
_forget("PYTHONPATH", os.path.dirname(os.path.abspath(__file__)), os.pathsep)  # noqa: PTH100, PTH120


def reported(nodeid: str) -> str:
    """As JUnit's reports call it: `tests.test_a.TestB::test_c[1]`."""
    path, bracket, params = nodeid.partition("[")
    first, *names = path.split("::")
    parts = [re.sub(r"\.py$", "", first).replace("/", "."), *names]
    return ".".join(parts[:-1]) + "::" + parts[-1] + bracket + params


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: Any) -> None:
    if _asked:  # workers of pytest-xdist would not know that they are
        config.option.dist, config.option.tx, config.option.numprocesses = "no", [], None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: List[Any]) -> None:  # noqa: UP006
    if _asked:
        items[:] = [item for item in items if reported(item.nodeid) in _wanted]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: Any, nextitem: Any) -> Any:
    if not _asked:
        return None
    ours = (
        hasattr(signal, "setitimer")
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    )
    try:
        if ours:
            _runs(item)
            _protocol(item, lambda *args, **given: None, nextitem)  # what it shared ends, too
    except (Exception, _TooLong):  # noqa: BLE001 - then nothing is known of it
        pass
    return True
