"""Errors that Python catches and does nothing about, and functions of others that it replaces, read
from its syntax tree.

A handler that goes on with the next of several ways to one result swallows nothing.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Collection, Iterator, Mapping

from autoresearch_ci.decide.failures.shortcuts import claimed
from autoresearch_ci.decide.failures.shortcuts.claimed import Signs
from autoresearch_ci.decide.python_syntax import parsed


def python_signs(before: str, after: str) -> Iterator[Signs]:
    old, new = parsed(before), parsed(after)
    yield [*_python(old), *claimed.of_python(old, None)] if old else []
    found = [*_python(new), *claimed.of_python(new, old)] if new else []
    yield found if old else [one for one in found if _is_new(one[1], before, after)]


def _is_new(line: int, before: str, after: str) -> bool:
    """Whether a file that could not be parsed did not hold the line."""
    return after.splitlines()[line - 1].strip() not in {w.strip() for w in before.splitlines()}


def _python(tree: ast.Module) -> Signs:
    found: Signs = []
    goes_on = {*_going_on(tree)}
    public = {
        item.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AugAssign)
        and any(isinstance(n, ast.Name) and n.id == "__all__" for n in ast.walk(node))
        for item in ast.walk(node)
        if isinstance(item, ast.Constant)
    }
    found += _patches(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and any(
            alias.asname == alias.name or (alias.asname or alias.name) in public
            for alias in node.names
        ):
            what = "gives on a module, which is no use of it"
            found.append(("scanner-silenced", node.lineno, what, ast.unparse(node)))
        if isinstance(node, ast.ExceptHandler):
            name = ast.unparse(node.type) if node.type else ""
            wide = re.search(r"\b(Base)?Exception\b", name) or not name
            idle = all(
                _is_idle(item) or (wide and (_says_nothing(item) or isinstance(item, ast.Break)))
                for item in node.body
            )
            bare = name in ("", "BaseException")
            endless = "RecursionError" in name  # what does not end is not mended by an answer
            raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
            if (idle and node not in goes_on) or ((bare or endless) and not raises):
                what = "catches an error and does nothing" if idle else "catches everything"
                what = "catches what does not end" if endless and not idle else what
                words = f"except {name}".strip()
                found.append(("error-swallowed", node.lineno, what, words))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            found.append(("error-swallowed", node.lineno, "ignores an error", ast.unparse(node)))
        elif isinstance(node, ast.Call) and _IGNORING.match(ast.unparse(node)):
            found.append(("error-swallowed", node.lineno, "ignores warnings", ast.unparse(node)))
        elif isinstance(node, ast.Try) and any(isinstance(s, ast.Return) for s in node.finalbody):
            found.append(("error-swallowed", node.lineno, "drops any error", "return in finally"))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
            _drops(node) or _goes_on_after_any(node)
        ):
            found.append(("error-swallowed", node.lineno, "drops any error", node.name))
    return found


_HOOKED = frozenset({"sys", "threading", "warnings", "signal", "logging"})
"""Modules of which functions are there to be replaced."""


def _patches(tree: ast.Module) -> Iterator[tuple[str, int, str, str]]:
    """Functions put in the place of others': of an imported class, or of a module of Python's."""
    own = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
    taken = {
        alias.asname or alias.name.partition(".")[0]: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.level)
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            held = target.value if isinstance(target, ast.Attribute) else None
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "setattr" and node.args[2:]:
            held, _, value = node.args[:3]
        else:
            continue
        owner = ast.unparse(held) if isinstance(held, ast.Name | ast.Attribute) else ""
        module = taken.get(owner.partition(".")[0], "")
        of_class = module and owner.rpartition(".")[2][:1].isupper()
        of_python = owner == module and module in sys.stdlib_module_names - _HOOKED
        makes = isinstance(value, ast.Lambda) or (isinstance(value, ast.Name) and value.id in own)
        if makes and (of_class or of_python):
            what = "puts a function of its own in the place of others'"
            yield "vendored-patch", node.lineno, what, ast.unparse(node).split("\n")[0]


_MISTAKES = re.compile(
    r"\b(?:Base)?Exception\b"
    r"|\b(?:Name|UnboundLocal|Assertion|NotImplemented|Type|Attribute|Recursion)Error\b"
)
"""What a handler that only goes on hides: everything, or what only code that is wrong raises."""
_FEW = 9
"""Statements after what was tried in which another answer is looked for."""
_ONCE = re.compile(r"[\[({][^,]*,?[\])}]|range\(1\)")
"""What a loop over it tries a single time."""


def _going_on(tree: ast.AST) -> Iterator[ast.ExceptHandler]:
    """Handlers that try the next, where one result is looked for and none is made up."""
    nodes = [*ast.walk(tree)]
    within = set[ast.AST]()
    for node in nodes:  # what is around stands before what is within
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            within -= {*ast.walk(node)}
        elif isinstance(node, ast.While) or (
            isinstance(node, ast.For | ast.AsyncFor) and not _ONCE.fullmatch(ast.unparse(node.iter))
        ):
            within |= {inner for part in node.body for inner in ast.walk(part)}
    fixed = {name for node in nodes for name in _fixed(node)}
    blocks = [
        (node, block)
        for node in nodes
        for name in ("body", "orelse", "finalbody")
        if isinstance(block := getattr(node, name, ()), list)
    ]
    around = {inner: (node, block, n) for node, block in blocks for n, inner in enumerate(block)}
    for _, block in blocks:
        for number, node in enumerate(block):
            if not isinstance(node, ast.Try):
                continue
            rest, last = block[number + 1 :], (node.orelse or node.body)[-1]
            found = isinstance(last, ast.Return) or (node in within and isinstance(last, ast.Break))
            behind, asked = _behind(node, around)
            near = len(behind) < _FEW and _answers(node, behind, fixed, asked)
            again = node in within and not any(isinstance(n, ast.Return | ast.Break) for n in rest)
            follows = (found and (again or near)) or _has_default(node, block[:number], rest)
            leaves = found or (rest != [] and isinstance(rest[-1], ast.Return | ast.Break))
            for handler in node.handlers:
                caught = ast.unparse(handler.type) if handler.type else "Exception"
                one = leaves if isinstance(handler.body[-1], ast.Continue) else follows
                if one and not _MISTAKES.search(caught):
                    yield handler


_Around = Mapping[ast.AST, tuple[ast.AST, list[ast.stmt], int]]
"""What is around a statement: its owner, the block, and its place there."""


def _behind(node: ast.AST, around: _Around) -> tuple[list[ast.stmt], set[str]]:
    """What comes next where nothing is found, and what the function is given."""
    behind: list[ast.stmt] = []
    while node in around:
        owner, block, number = around[node]
        behind += block[number + 1 : number + 1 + _FEW]
        if not isinstance(owner, ast.If | ast.With | ast.AsyncWith):
            break
        node = owner
    while node in around and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        node = around[node][0]
    given = getattr(node, "args", None)
    return behind, {a.arg for a in ast.walk(given) if isinstance(a, ast.arg)} if given else set()


def _has_default(tried: ast.Try, over: list[ast.stmt], rest: list[ast.stmt]) -> bool:
    """Whether all that is tried is to give a name something else than it has, which is asked about
    afterwards."""
    first = tried.body[0]
    if len(tried.body) > 1 or tried.finalbody or not isinstance(first, ast.Assign):
        return False
    names = {ast.unparse(target) for target in first.targets}
    stood = {
        ast.unparse(target)
        for node in over
        if isinstance(node, ast.Assign)
        for target in node.targets
    }
    asks = (
        inner.test
        for node in rest[:_FEW]
        for inner in ast.walk(node)
        if isinstance(inner, ast.If | ast.IfExp | ast.While)
    )
    return names <= stood and any(names & _names(test) for test in asks)


def _fixed(node: ast.AST) -> Iterator[str]:
    """Names that it makes say the same whatever a function is given."""
    if isinstance(node, ast.alias):
        yield (node.asname or node.name).partition(".")[0]
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        yield node.func.id
    elif isinstance(node, ast.Assign | ast.AnnAssign) and not _names(node.value):
        yield from _names(node)


def _names(*nodes: ast.AST | None) -> set[str]:
    inner = (inner for node in nodes if node for inner in ast.walk(node))
    return {node.id for node in inner if isinstance(node, ast.Name)}


def _answers(
    tried: ast.Try, rest: list[ast.stmt], fixed: Collection[str], asked: Collection[str]
) -> bool:
    """Whether what comes next is made of the same as what was tried; `fixed`: names that say
    nothing of it, `asked`: those that the function is given."""
    nodes = [inner for part in rest for inner in ast.walk(part)]
    stored = {
        node.id
        for node in (*nodes, *ast.walk(tried))
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    }
    given = {*_names(*tried.body, *tried.orelse), *asked} - stored - {"self", "cls", *fixed}
    ends = rest != [] and isinstance(rest[-1], ast.Return | ast.Raise)
    return ends and all(
        _names(node.value) & given and not isinstance(node.value, ast.BoolOp | ast.IfExp)
        for node in nodes
        if isinstance(node, ast.Return)
    )


_IGNORING = re.compile(r"(?:warnings\.)?(?:filterwarnings|simplefilter)\([\"']ignore")


def _drops(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether what leaves a block with an error is told that there was none, whatever it is."""
    if node.name not in ("__exit__", "__aexit__"):
        return False
    told = [inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return)]
    always = any(isinstance(part, ast.Return) for part in node.body)
    return always and all(isinstance(value, ast.Constant) and value.value for value in told)


def _goes_on_after_any(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether the block of a context manager may fail with anything, and nobody is told."""
    if not any("contextmanager" in ast.unparse(mark) for mark in node.decorator_list):
        return False
    tried = (inner for inner in ast.walk(node) if isinstance(inner, ast.Try))
    return any(
        any(isinstance(n, ast.Yield) for part in one.body for n in ast.walk(part))
        and (handler.type is None or ast.unparse(handler.type) in ("Exception", "BaseException"))
        and not any(isinstance(n, ast.Raise | ast.Call) and _tells(n) for n in ast.walk(handler))
        for one in tried
        for handler in one.handlers
    )


def _tells(node: ast.Raise | ast.Call) -> bool:
    """Calls but for those that only log: what was caught may be handed on."""
    return isinstance(node, ast.Raise) or not _LOGS.search(ast.unparse(node.func))


_LOGS = re.compile(r"\b(?:log\w*|print|warn)\b|\.(?:debug|info|warning|error|exception)$")


def _says_nothing(node: ast.stmt) -> bool:
    return isinstance(node, ast.Return) and (
        node.value is None or ast.unparse(node.value) in ("None", "False", "0", "''", "[]", "{}")
    )


def _is_idle(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass | ast.Continue) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant | ast.Name)
    )
