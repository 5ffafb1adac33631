"""What the tests of a Python file check, by its syntax tree."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from unittest import TestCase

from autoresearch_ci.decide.failures.shortcuts.suite import Assertion, Suite, Test
from autoresearch_ci.decide.python_syntax import last_name, parsed

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_UNITTEST = {
    "assertEqual": "==",
    "assertNotEqual": "!=",
    "assertIs": "is",
    "assertIsNot": "is not",
    "assertIn": "in",
    "assertNotIn": "not in",
    "assertGreater": ">",
    "assertGreaterEqual": ">=",
    "assertLess": "<",
    "assertLessEqual": "<=",
}
"""What `assert` says with an operator."""
_SKIPS = (
    *("skip", "skipif", "skipIf", "skipUnless", "xfail", "expectedFailure", "importorskip"),
    *("flaky", "retry", "rerun"),
)
_MOCKING = ("patch", "Mock", "MagicMock", "AsyncMock", "create_autospec", "setattr", "setitem")
_WIDE = ("Exception", "BaseException")


def python_suite(content: bytes) -> Suite | None:
    """By qualified name; `None` for what is no Python."""
    tree = parsed(content)
    if tree is None:
        return None
    suite: dict[str, Test] = {"": Test(line=1)}
    suite[""].skipped = _module_skip(tree)
    _read_body(tree.body, "", suite, "")
    return suite


def _module_skip(tree: ast.Module) -> str:
    if skip := _own_skip(tree):
        return skip
    tests = {n.name for n in tree.body if isinstance(n, _FUNCTIONS) and n.name[:4] == "test"}
    for node in tree.body:
        if isinstance(node, ast.Delete) or _unmakes(node, tests):
            return ast.unparse(node)[:80]
        if isinstance(node, ast.Assign | ast.Expr) and (skip := _skip_in(node)):
            return skip
        names = [last_name(target) for target in getattr(node, "targets", ())]
        if any(name.startswith("collect_ignore") for name in names):
            return ast.unparse(node)[:80]
    return ""


def _unmakes(node: ast.stmt, tests: Collection[str]) -> bool:
    """Whether a test is none any more: `test_a.__test__ = False`, `globals().pop("test_a")`."""
    targets = getattr(node, "targets", ())
    call = node.value if isinstance(node, ast.Expr) else None
    return any(
        (isinstance(target, ast.Attribute) and target.attr == "__test__")
        or (isinstance(target, ast.Name) and target.id in tests)
        for target in targets
    ) or (
        isinstance(call, ast.Call)
        and any(getattr(given, "value", "") in ("__test__", *tests) for given in call.args)
    )


def _read_body(body: Sequence[ast.stmt], prefix: str, suite: dict[str, Test], skip: str) -> None:
    rest = suite[""]
    for node in body:
        if isinstance(node, ast.ClassDef):
            own = skip or _decorators_skip(node) or _own_skip(node)
            if node.bases:  # a TestCase is what makes tests of its methods
                bases = ", ".join(map(ast.unparse, node.bases))
                rest.calls[f"class {prefix}{node.name}({bases})"] += 1
            _read_body(node.body, f"{prefix}{node.name}.", suite, own)
        elif isinstance(node, _FUNCTIONS):
            test = _test(node, skip)
            if prefix and node.name.startswith("assert") and hasattr(TestCase, node.name):
                rest.mocks[f"def {prefix}{node.name}"] += 1
            if node.name.startswith(("test", "check")) or test.assertions:
                suite[f"{prefix}{node.name}"] = test
                continue
            if node.name == "load_tests":
                rest.exits[f"it chooses its tests: {ast.unparse(node)[:200]}"] += 1
            # Fixtures and helpers: what they no longer do, no test does.
            rest.calls += test.calls
            rest.mocks += test.mocks
            if test.skipped and not skip:
                rest.exits[f"{node.name}: {test.skipped}"] += 1
        else:
            rest.assertions += _assertions([node], "")
            rest.mocks += _mocks([node])
            if "main(exit=False" in (told := ast.unparse(node)[:80]):
                rest.exits[told] += 1
            if isinstance(node, ast.Assign | ast.AnnAssign) and _is_literal(node.value):
                rest.cases[ast.unparse(node)] += 1
            if isinstance(node, ast.If | ast.Try):
                _read_body(node.body, prefix, suite, skip)


def _is_literal(value: ast.expr | None) -> bool:
    try:
        return value is not None and ast.literal_eval(value) is not None
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False


def _own_skip(node: ast.ClassDef | ast.Module) -> str:
    for item in node.body:
        if isinstance(item, ast.Assign):
            names = [target.id for target in item.targets if isinstance(target, ast.Name)]
            if (
                "__test__" in names
                and isinstance(item.value, ast.Constant)
                and not item.value.value
            ):
                return "__test__ = False"
            if "pytestmark" in names and (skip := _skip_in(item)):
                return skip
    return ""


def _test(node: ast.FunctionDef | ast.AsyncFunctionDef, skip: str) -> Test:
    body = list(_reachable(node.body))
    cut = "" if len(body) == len(node.body) else f"{ast.unparse(body[-1])[:60]} ends it early"
    in_body = next((s for n in node.body if (s := _skip_call(n))), "")
    return Test(
        line=node.lineno,
        assertions=_assertions(body, ""),
        skipped=skip or _decorators_skip(node) or in_body or cut,
        cases=_cases(node),
        calls=_calls(body) + _strategies(node),
        exits=_exits(node),
        mocks=_mocks([*node.decorator_list, *node.body]),
        timeout=_timeout(node),
    )


def _reachable(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        if isinstance(node, ast.Return | ast.Raise):
            return


def _decorators_skip(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> str:
    for decorator in node.decorator_list:
        given = (
            [*decorator.args, *(k.value for k in decorator.keywords)]
            if isinstance(decorator, ast.Call)
            else []
        )
        name = last_name(decorator.func if isinstance(decorator, ast.Call) else decorator)
        empty = any(isinstance(value, ast.List | ast.Tuple) and not value.elts for value in given)
        never = empty if name == "parametrize" else name == "fixture" and node.name[:4] == "test"
        if never or "skip" in name.lower() or _skip_in(decorator):
            return ast.unparse(decorator)[:80]
    return ""


def _skip_in(node: ast.AST) -> str:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute | ast.Name) and last_name(inner) in _SKIPS:
            return ast.unparse(node)[:80]
    return ""


def _skip_call(node: ast.stmt) -> str:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call):
            name = last_name(inner.func)
            if name == "skipTest" or (name in _SKIPS and isinstance(inner.func, ast.Attribute)):
                return ast.unparse(inner)[:80]
    return ""


# --- Assertions -----------------------------------------------------------------------------------


def _assertions(body: Sequence[ast.AST], where: str) -> list[Assertion]:
    found: list[Assertion] = []
    for node in body:
        found += _of_statement(node, where)
    return found


def _of_statement(node: ast.AST, where: str) -> Iterator[Assertion]:
    if isinstance(node, ast.Assert):
        yield _compared(node.test, node.lineno, where)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield from _of_call(node.value, where)
    elif isinstance(node, ast.With | ast.AsyncWith):
        inner = where
        for item in node.items:
            expected = list(_of_call(item.context_expr, where))
            yield from expected
            told = ast.unparse(item.context_expr)
            if "AssertionError" in told or (not expected and "suppress" in told):
                inner += f"with {told}: "
        yield from _assertions(node.body, inner)
    elif isinstance(node, ast.If):
        condition = ast.unparse(node.test)
        yield from _assertions(node.body, f"{where}if {condition}: ")
        yield from _assertions(node.orelse, f"{where}if not {condition}: ")
    elif isinstance(node, ast.For | ast.AsyncFor):
        yield from _assertions(node.body, f"{where}for {ast.unparse(node.iter)}: ")
    elif isinstance(node, ast.While):
        yield from _assertions(node.body, f"{where}while {ast.unparse(node.test)}: ")
    elif isinstance(node, ast.Try | ast.TryStar):
        swallowed = [ast.unparse(h.type) if h.type else "" for h in node.handlers]
        inner = f"{where}try ({', '.join(swallowed)}): " if swallowed else where
        yield from _assertions(node.body, inner)
        yield from _assertions(node.finalbody, where)
        for handler in node.handlers:
            yield from _assertions(handler.body, f"{where}except: ")
    elif isinstance(node, ast.Match):
        for case in node.cases:
            yield from _assertions(case.body, f"{where}case {ast.unparse(case.pattern)}: ")


def _of_call(call: ast.AST, where: str) -> Iterator[Assertion]:
    if not isinstance(call, ast.Call):
        return
    name = last_name(call.func)
    if name in ("raises", "warns", "deprecated_call") or name.startswith(
        ("assertRaises", "assertWarns")
    ):
        wide = any(ast.unparse(argument) in _WIDE for argument in call.args[:1])
        yield Assertion(
            text=ast.unparse(call), line=call.lineno, strength=1 if wide else 2, where=where
        )
    elif name in _UNITTEST and len(call.args) >= 2:
        operator = f"{ast.unparse(call.args[0])} {_UNITTEST[name]} {ast.unparse(call.args[1])}"
        yield _compared(_expression(operator, call), call.lineno, where)
    elif name.startswith(("assertAlmost", "assertNotAlmost")):
        yield _almost(call, where)
    elif name in ("assertTrue", "assertFalse") and call.args:
        text = ast.unparse(call.args[0])
        yield _compared(
            call.args[0] if name == "assertTrue" else _expression(f"not ({text})", call),
            call.lineno,
            where,
        )
    elif name.startswith(("assert", "check_")) or name == "fail":
        yield Assertion(text=ast.unparse(call), line=call.lineno, where=where)


def _expression(text: str, fallback: ast.expr) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        return fallback


def _compared(test: ast.expr, line: int, where: str) -> Assertion:
    tolerance, test = _tolerance(test)
    strength = 1
    if isinstance(test, ast.Constant):
        strength = 0 if test.value else 2
    elif isinstance(test, ast.Compare):
        exact = isinstance(test.ops[0], ast.Eq | ast.Is)
        none = ast.unparse(test.comparators[0]) == "None"
        strength = 2 if exact or (none and exact) else 1
        if ast.unparse(test.left) == ast.unparse(test.comparators[0]):
            strength = 0
    elif isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        strength = 2
    return Assertion(
        text=ast.unparse(test), line=line, strength=strength, tolerance=tolerance, where=where
    )


class _WithoutTolerance(ast.NodeTransformer):
    """Takes numbers that say how far off a value may be out of an expression."""

    def __init__(self) -> None:
        self.widest: float | None = None

    def take(self, node: ast.expr) -> bool:
        try:
            value = abs(float(ast.literal_eval(node)))
        except (ValueError, TypeError, SyntaxError):
            return False
        self.widest = max(self.widest or 0.0, value)
        return True

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        name = last_name(node.func)
        if name in ("approx", "isclose", "allclose", "assert_allclose"):
            known = ("rel", "abs", "rel_tol", "abs_tol", "rtol", "atol")
            node.keywords = [
                k for k in node.keywords if not (k.arg in known and self.take(k.value))
            ]
            if name == "approx" and len(node.args) > 1:
                node.args = [node.args[0], *(a for a in node.args[1:] if not self.take(a))]
            self.widest = self.widest if self.widest is not None else 1e-6
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        distance = isinstance(node.left, ast.Call) and last_name(node.left.func) in ("abs", "fabs")
        if (
            distance
            and isinstance(node.ops[0], ast.Lt | ast.LtE)
            and self.take(node.comparators[0])
        ):
            node.comparators = [ast.Constant(value=...)]
        return node


def _tolerance(test: ast.expr) -> tuple[float | None, ast.expr]:
    taking = _WithoutTolerance()
    rest = taking.visit(ast.parse(ast.unparse(test), mode="eval").body)
    return taking.widest, rest


def _almost(call: ast.Call, where: str) -> Assertion:
    places, delta = 7.0, None
    for keyword in call.keywords:
        if isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, int | float):
            if keyword.arg == "places":
                places = keyword.value.value
            elif keyword.arg == "delta":
                delta = float(keyword.value.value)
    if len(call.args) > 2 and isinstance(call.args[2], ast.Constant):
        places = float(call.args[2].value) if isinstance(call.args[2].value, int) else places
    arguments = ", ".join(ast.unparse(argument) for argument in call.args[:2])
    return Assertion(
        text=f"{last_name(call.func)}({arguments})",
        line=call.lineno,
        tolerance=delta if delta is not None else 10.0**-places,
        where=where,
    )


# --- Around it ------------------------------------------------------------------------------------


_ROWS_LIMIT = 10_000


def _cases(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Counter[str]:
    """Rows of values, by the decorator that gives them."""
    rows: Counter[str] = Counter()
    for decorator in node.decorator_list:
        if not isinstance(decorator, ast.Call):
            continue
        name = last_name(decorator.func)
        if name == "parametrize" and len(decorator.args) > 1:
            of = ast.unparse(decorator.args[0])
            rows.update(f"{of} = {row}" for row in _rows(decorator.args[1]))
        elif name in ("expand", "data", "params", "parameters", "example"):
            values = [row for argument in decorator.args for row in _rows(argument)]
            rows.update(values or [ast.unparse(decorator)])
        elif name == "settings":
            for keyword in decorator.keywords:
                value = getattr(keyword.value, "value", None)
                if keyword.arg == "max_examples" and isinstance(value, int):
                    rows["generated examples"] = max(0, value)
    return rows


def _rows(values: ast.expr) -> list[str]:
    if isinstance(values, ast.List | ast.Tuple | ast.Set):
        return [ast.unparse(item) for item in values.elts if not _skip_in(item)]
    if isinstance(values, ast.Call) and last_name(values.func) == "range":
        try:
            numbers = range(*(int(ast.literal_eval(argument)) for argument in values.args))
            return [str(number) for number in numbers[:_ROWS_LIMIT]]
        except (ValueError, TypeError, OverflowError):
            pass
    return [ast.unparse(values)]


_EXITS = ("exit", "_exit", "quit", "abort", "assume", "reject")


def _exits(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Counter[str]:
    found: Counter[str] = Counter()
    if isinstance(node, ast.AsyncFunctionDef):
        found["it is a coroutine, which nobody may await"] = 1
    for inner in ast.walk(node):
        if isinstance(inner, ast.Yield | ast.YieldFrom):
            found["it is a generator, which nobody may run"] = 1
        leaves = isinstance(inner, ast.Return | ast.Continue) or (
            isinstance(inner, ast.Call) and last_name(inner.func) in _EXITS
        )
        if leaves or (isinstance(inner, ast.Raise) and "SystemExit" in ast.unparse(inner)):
            found[ast.unparse(inner)[:60]] += 1
    return found


def _strategies(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Counter[str]:
    """What hypothesis is told to try."""
    calls = (d for d in node.decorator_list if isinstance(d, ast.Call))
    return Counter(ast.unparse(call) for call in calls if last_name(call.func) == "given")


_SAYING = ("print", "log", "debug", "info", "warning", "write", "format")


def _is_said(node: ast.Call) -> bool:
    return last_name(node.func) in (*_SAYING, *_MOCKING)


def _is_result(node: ast.expr) -> bool:
    calls = [inner for inner in ast.walk(node) if isinstance(inner, ast.Call)]
    return bool(calls) and not any(map(_is_said, calls))


def _calls(body: Sequence[ast.stmt]) -> Counter[str]:
    """Of statements that are no assertions, what they call."""
    found: Counter[str] = Counter()
    todo: list[ast.AST] = list(body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Assert | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Assign) and _is_result(node.value):
            found[f"… = {ast.unparse(node.value)}"] += 1
        if isinstance(node, ast.Call):
            if any(_of_call(node, "")):
                continue
            if not _is_said(node):
                found[ast.unparse(node)] += 1
        todo += ast.iter_child_nodes(node)
    return found


def _mocks(nodes: Sequence[ast.AST]) -> Counter[str]:
    found: Counter[str] = Counter()
    results: set[str] = set()
    for node in nodes:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Assign):
                names = {ast.unparse(target) for target in inner.targets}
                if isinstance(inner.value, ast.Call):
                    results |= names
                elif isinstance(inner.value, ast.Constant) and names & results:
                    found[ast.unparse(inner)] += 1
            if not isinstance(inner, ast.Call):
                continue
            name = last_name(inner.func)
            told = ast.unparse(inner.func)
            by_fixture = name in ("setattr", "setitem") and "monkeypatch" in told
            if (
                (name in _MOCKING and name not in ("setattr", "setitem"))
                or by_fixture
                or (name in ("object", "dict", "multiple") and "patch" in told)
            ):
                found[ast.unparse(inner)[:80]] += 1
    return found


def _timeout(node: ast.FunctionDef | ast.AsyncFunctionDef) -> float | None:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and "timeout" in ast.unparse(decorator.func):
            for value in (*decorator.args, *(k.value for k in decorator.keywords)):
                if isinstance(value, ast.Constant) and isinstance(value.value, int | float):
                    return float(value.value)
    return None
