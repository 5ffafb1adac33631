"""What a function of a web application holds of the words of a request, by its text alone.

CORE: pure. Followed are assignments and what leaves a text as it came, within the function. A name
that a condition or a check looks at, and what that was made of, is held for nothing: whether it was
made harmless there, nobody can say here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

Function = ast.FunctionDef | ast.AsyncFunctionDef
_Gives = ast.Assign | ast.AnnAssign | ast.NamedExpr | ast.AugAssign
_GIVES = (ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.AugAssign)

_OF_REQUESTS = frozenset(
    {
        *("args", "form", "values", "json", "data", "cookies", "headers", "files", "view_args"),
        *("GET", "POST", "COOKIES", "META", "body", "query_params", "path_params", "query_string"),
        *("get_json", "get_data", "query", "params", "forms", "full_path"),
    }
)
_KEEPS = frozenset({"strip", "lower", "upper", "format", "join", "encode", "decode", "lstrip",
                    "rstrip", "title", "get", "pop", "getlist", "resolve", "absolute"})  # fmt: skip
"""Methods that leave of a text what a stranger wrote."""
_HANDS_ON = frozenset(
    {"str", "os.path.join", "pathlib.Path", "sqlalchemy.text", "os.path.expanduser"}
)
_ROUTES = frozenset({"route", "get", "post", "put", "patch", "delete", "api_route"})
_OWN = re.compile(r"<(?:(?:string|path|any|default):)?(\w+)>|\{(\w+)(?::path)?\}")


class Strangers:
    """What of a request's words the names of a function hold."""

    def __init__(
        self,
        function: Function,
        own: Sequence[ast.AST],
        *,
        called: Callable[[ast.expr], str],
        imported: str,
        fastapi: bool,
    ) -> None:
        self._called = called
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        self._request = imported in ("flask", "bottle", "quart", "sanic")
        self._request |= any(argument.arg == "request" for argument in arguments)
        self._held = {
            argument.arg
            for argument in arguments
            if argument.arg in _of_routes(function) and _may_be_text(argument.annotation)
        }
        if fastapi and is_routed(function):
            self._held |= {
                argument.arg
                for argument in arguments
                if argument.annotation is not None and _may_be_text(argument.annotation)
            } - set(_depending(function))
        given = [n for n in own if isinstance(n, _GIVES)]
        given.sort(key=lambda n: n.lineno)
        asked = _asked(own, given)
        self._held -= asked
        self._given: dict[str, ast.expr] = {}
        self._values: dict[str, list[ast.expr]] = {}
        self._parts: dict[str, tuple[list[str], set[str]]] = {}
        for node in given:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and node.value is not None:
                    self._values.setdefault(target.id, []).append(node.value)
                    held = target.id not in asked and self.reach(node.value)
                    # Of several values any may be the one: what one of them holds is held.
                    whole = not isinstance(node, ast.AugAssign)
                    if (held and whole) or target.id not in self._given:
                        self._given[target.id] = node.value
                    if held:
                        self._held.add(target.id)
        self.any = self._request or bool(self._held)

    def reach(self, node: ast.expr) -> bool:
        """Whether words of the request are in it, as they came."""
        match node:
            case ast.Name(id=name):
                return name in self._held
            case ast.Attribute(value=ast.Name(id="request"), attr=attr):
                return self._request and attr in _OF_REQUESTS
            case ast.Attribute(value=value):
                return self.reach(value) and last_name(node) in ("filename",)
            case ast.Subscript(value=value):
                return self.reach(value)
            case ast.JoinedStr(values=parts) | ast.Tuple(elts=parts) | ast.List(elts=parts):
                return any(map(self.reach, parts))
            case ast.FormattedValue(value=part):
                return self.reach(part)
            case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mod()) if _NUMBERS.match(
                text
            ):
                return False
            case ast.BinOp(left=left, right=right, op=ast.Add() | ast.Mod() | ast.Div()):
                return self.reach(left) or self.reach(right)
            case ast.BoolOp(values=parts):
                return any(map(self.reach, parts))
            case ast.Await(value=value):
                return self.reach(value)
            case ast.Call(func=ast.Attribute(value=text, attr=attr), args=args, keywords=named):
                if attr in ("format", "join"):
                    given = [*args, *(keyword.value for keyword in named)]
                    if self.reach(text) or any(map(self.reach, given)):
                        return True
                if attr in ("get", "getlist") and _converted(node):
                    return False
                if attr in _KEEPS or attr in _OF_REQUESTS:
                    return self.reach(text) or self.reach(node.func)
                return self._called(node.func) in _HANDS_ON and any(map(self.reach, args))
            case ast.Call(func=func, args=args):
                return self._called(func) in _HANDS_ON and any(map(self.reach, args))
        return False

    def begin(self, node: ast.expr, depth: int = 8) -> bool:
        """Whether they are what it begins with, but for the name of a protocol.

        `depth`: so many names are followed, as one may stand for what is made of itself.
        """
        match node:
            case ast.JoinedStr(values=[ast.Constant(value=str(before)), second, *_]):
                return re.fullmatch(r"(?:https?:)?//", before) is not None and self.reach(second)
            case ast.JoinedStr(values=[first, *_]):
                return self.reach(first)
            case ast.BinOp(left=ast.Constant(value=str(before)), right=right):
                return re.fullmatch(r"(?:https?:)?//", before) is not None and self.reach(right)
            case ast.BinOp(left=left):
                return self.begin(left, depth)
            case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(before)), attr="format")):
                return re.match(r"(?:(?:https?:)?//)?\{", before) is not None
            case ast.Name(id=name) if depth and name in self._given:
                return self.reach(node) and self.begin(self._given[name], depth - 1)
        return self.reach(node)

    def words(self, node: ast.expr) -> Iterator[str]:
        """The texts that it is put together of, also by the names of others; each name once."""
        texts, names = _texts_and_names([node])
        yield from texts
        pending, followed = [*names], set(names)
        while pending:
            name = pending.pop()
            if name not in self._parts:
                self._parts[name] = _texts_and_names(self._values.get(name, ()))
            texts, names = self._parts[name]
            yield from texts
            pending += names - followed
            followed |= names


def _texts_and_names(nodes: Iterable[ast.expr]) -> tuple[list[str], set[str]]:
    parts = [part for node in nodes for part in ast.walk(node)]
    texts = [p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str)]
    return [*dict.fromkeys(texts)], {part.id for part in parts if isinstance(part, ast.Name)}


_NUMBERS = re.compile(r"(?:[^%]|%%|%[-+ 0-9.]*[dixXeEfFgG])*$")
"""What lets nothing but numbers into a text, by `%`."""


def _converted(call: ast.expr) -> bool:
    """Whether `get(name, default, type)` makes something other of it than a text."""
    if not isinstance(call, ast.Call):
        return False
    kinds = [k.value for k in call.keywords if k.arg == "type"] or call.args[2:3]
    return any(last_name(kind) in ("int", "float", "bool", "UUID") for kind in kinds)


def own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """What belongs to a function itself, and not to another in it."""
    for child in ast.iter_child_nodes(function):
        yield child
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield from own_nodes(child)


def _asked(own: Sequence[ast.AST], given: Sequence[_Gives]) -> set[str]:
    """Names that are looked at on the way, and those that such ones are made of."""
    asked = {name for node in own for name in _asked_about(node)}
    for node in reversed(given):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if node.value and any(isinstance(t, ast.Name) and t.id in asked for t in targets):
            asked |= {name.id for name in ast.walk(node.value) if isinstance(name, ast.Name)}
    return asked


_THERE = frozenset({"exists", "is_file", "is_dir", "isfile", "isdir"})
_CHECKS = re.compile(
    r"(?i)relative_to|valid|check|ensure|assert|verif|allow|sanit|clean|safe|requir|abort|permi"
)


def _asked_about(node: ast.AST) -> Iterator[str]:
    """Names that a condition looks at, other than whether they are there."""
    tests: list[ast.expr] = []
    if isinstance(node, (ast.If, ast.IfExp, ast.While, ast.Assert)):
        tests.append(node.test)
    elif isinstance(node, ast.Match):
        tests.append(node.subject)
    elif isinstance(node, ast.comprehension):
        tests += node.ifs
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        tests += [node.value] * bool(_CHECKS.search(last_name(node.value.func)))
    for test in tests:
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            test = test.operand
        if isinstance(test, ast.NamedExpr):
            test = test.target
        if isinstance(test, ast.Name) or (
            isinstance(test, ast.Call) and last_name(test.func) in _THERE
        ):
            continue
        if isinstance(test, ast.Compare) and says(test.comparators[0], None):
            continue
        yield from (name.id for name in ast.walk(test) if isinstance(name, ast.Name))


def _routes(function: Function) -> Iterator[ast.Call]:
    for decorator in function.decorator_list:
        match decorator:
            case ast.Call(func=ast.Attribute(attr=name)) if name in _ROUTES:
                yield decorator


def is_routed(function: Function) -> bool:
    return next(_routes(function), None) is not None


def _of_routes(function: Function) -> set[str]:
    """Arguments that a path of a web application is taken apart into."""
    found = set()
    for route in _routes(function):
        match route.args:
            case [ast.Constant(value=str(path)), *_]:
                found |= {one or other for one, other in _OWN.findall(path)}
    return found


def _depending(function: Function) -> Iterator[str]:
    """Arguments that a function of the application makes, and no stranger."""
    every = [*function.args.posonlyargs, *function.args.args]
    pairs = [*zip(reversed(every), reversed(function.args.defaults), strict=False)]
    pairs += [
        (a, d)
        for a, d in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
        if d
    ]
    for argument, default in pairs:
        if isinstance(default, ast.Call) and last_name(default.func) in ("Depends", "Security"):
            yield argument.arg


def _may_be_text(annotation: ast.expr | None) -> bool:
    return annotation is None or (isinstance(annotation, ast.Name) and annotation.id == "str")


def says(node: ast.expr | None, value: object) -> bool:
    return (
        isinstance(node, ast.Constant) and type(node.value) is type(value) and node.value == value
    )


def last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""
