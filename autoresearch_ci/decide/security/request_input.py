"""What the functions of a web application hold of the words of a request, by the text of one file.

CORE: pure. Followed are assignments, what leaves a text as it came, and calls of functions that
stand in the same file. A name that a condition or a check looks at, and what that was made of, is
held for nothing: whether it was made harmless there, nobody can say here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from autoresearch_ci.decide.python_syntax import (
    Function,
    arguments_of,
    asked_in,
    bound,
    by_name,
    gifts_in,
    last_name,
    methods_of,
    own_nodes,
    says,
    taken_from,
    texts_and_names,
)

FRAMEWORKS = frozenset(
    {
        *("flask", "django", "fastapi", "bottle", "quart", "sanic", "aiohttp", "starlette"),
        "rest_framework",
    }
)
_OF_REQUESTS = frozenset(
    {
        *("args", "form", "values", "json", "data", "cookies", "headers", "files", "view_args"),
        *("GET", "POST", "COOKIES", "META", "body", "query_params", "path_params", "query_string"),
        *("get_json", "get_data", "query", "params", "forms", "full_path", "match_info"),
        *("post", "text", "rel_url"),
    }
)
_KEEPS = frozenset({"strip", "lower", "upper", "format", "join", "encode", "decode", "lstrip",
                    "rstrip", "title", "get", "pop", "getlist", "resolve", "absolute",
                    "to_dict", "dict", "items", "split", "joinpath"})  # fmt: skip
"""Methods that leave of a text what a stranger wrote."""
_HANDS_ON = frozenset(
    {"str", "os.path.join", "pathlib.Path", "sqlalchemy.text", "os.path.expanduser"}
)
_ROUTES = frozenset({"route", "get", "post", "put", "patch", "delete", "api_route"})
_REGISTERS = frozenset(
    {"add_url_rule", "add_api_route", "add_resource", "add_route", "path", "re_path", "url"}
)
_OWN = re.compile(
    r"<(?:(?:string|str|path|default):)?(\w+)(?::path)?>|\{(\w+)(?::path)?\}"
    r"|\(\?P<(\w+)>(?:\.|\[\^/\]|\\S)[+*]"
)
_SQL = re.compile(r"(?i)\b(?:select|insert|update|delete|where|from|order by|values)\b")
_GIVE_PAGES = frozenset({"flask", "bottle", "quart"})
_HTML = "HTMLResponse"
_HOPS = 3
"""So many calls of functions of the file are followed, one within the other."""


@dataclass(frozen=True)
class Passed:
    """A request's words, as a function is given them."""

    begins: bool
    """They are what the value begins with, but for the name of a protocol."""
    query: bool
    """They stand in a query already."""


class Application:
    """The functions of one file, and who calls whom."""

    def __init__(
        self,
        nodes: Sequence[ast.AST],
        *,
        called: Callable[[ast.expr], str],
        modules: Collection[str],
    ) -> None:
        self.called = called
        self.modules = FRAMEWORKS.intersection(modules)
        self._passed: dict[Function, dict[str, Passed]] = {}
        self._returned: dict[tuple[Function, frozenset[tuple[str, Passed]]], Passed | None] = {}
        self._asked: dict[Function, set[str]] = {}
        self._within = 0
        self._functions = [n for n in nodes if isinstance(n, Function)]
        self._classes = {n.name: n for n in nodes if isinstance(n, ast.ClassDef)}
        self.models = {name: _texts_of(c) for name, c in self._classes.items() if c.bases}
        methods = [m for c in self._classes.values() for m in methods_of(c)]
        self._methods = by_name(methods)
        self._by_name = by_name({*self._functions}.difference(methods))
        self._owners = {"self", "cls", *self._classes}
        self._paths: dict[Function, list[str]] = {}
        for node in nodes:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(
                    func=ast.Name(id=kind))) if kind in self._classes:  # fmt: skip
                    self._owners.add(name)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    for decorator in node.decorator_list:
                        if isinstance(decorator, ast.Call):
                            self._add_route(decorator, _ROUTES, [node])
                case ast.Call(args=args, keywords=named):
                    views = (*args, *(keyword.value for keyword in named))
                    self._add_route(node, _REGISTERS, (f for v in views for f in self._viewed(v)))

    def _add_route(
        self, call: ast.Call, names: Collection[str], functions: Iterable[Function]
    ) -> None:
        if last_name(call.func) in names:
            paths = [a.value for a in call.args if isinstance(a, ast.Constant)]
            for function in functions:
                self._paths.setdefault(function, []).extend(p for p in paths if isinstance(p, str))

    def _viewed(self, view: ast.expr) -> Iterable[Function]:
        """What serves a path that is given this."""
        match view:
            case ast.Lambda():
                return [view]
            case ast.Name(id=name) if name in self._by_name:
                return [self._by_name[name]]
            case (
                ast.Name(id=name)
                | ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="as_view"))
            ) if name in self._classes:  # fmt: skip
                return methods_of(self._classes[name])
        return ()

    def is_routed(self, function: Function) -> bool:
        return function in self._paths

    def gives_a_page(self, function: Function) -> bool:
        """Whether what it gives back is a page as it stands."""
        told = [] if isinstance(function, ast.Lambda) else function.decorator_list
        options = (keyword for one in told if isinstance(one, ast.Call) for keyword in one.keywords)
        html = any(o.arg == "response_class" and last_name(o.value) == _HTML for o in options)
        return html or (self.is_routed(function) and not self.modules.isdisjoint(_GIVE_PAGES))

    def of_routes(self, function: Function) -> set[str]:
        """Arguments that a path of the application is taken apart into."""
        found = (names for path in self._paths.get(function, ()) for names in _OWN.findall(path))
        return {name for names in found for name in names if name}

    def strangers(self) -> Iterator[Strangers]:
        """Of every function that holds words of a request, its own or of those who call it."""
        found: dict[Function, Strangers] = {}
        pending: Iterable[Function] = self._functions if self.modules else ()
        for _ in range(_HOPS + 1):
            again: dict[Function, None] = {}
            for function in pending:
                found[function] = Strangers(function, self, self._passed.get(function, {}))
                for call in found[function].calls():
                    again |= dict.fromkeys(self._hand_on(call, found[function]))
            pending = again
        yield from found.values()

    def _hand_on(self, call: ast.Call, strangers: Strangers) -> Iterator[Function]:
        """Functions that are now known to be given more."""
        helper = self.helper(call)
        if helper is None:
            return
        for name, passed in strangers.passed_on(call, helper).items():
            known = self._passed.setdefault(helper, {})
            old = known.get(name, Passed(begins=False, query=False))
            new = Passed(old.begins or passed.begins, old.query or passed.query)
            if known.get(name) != new:
                known[name] = new
                yield helper

    def helper(self, call: ast.Call) -> Function | None:
        """The function of this file that is called; `None`: it is another, or one of several."""
        match call.func:
            case ast.Name(id=name):
                return self._by_name.get(name)
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner in self._owners:
                return self._methods.get(name)
        return None

    def looked_at(self, call: ast.Call) -> Iterator[ast.expr]:
        """Arguments that a function of this file has a look at."""
        helper = self.helper(call)
        if helper is None:
            return
        if helper not in self._asked and self._within < _HOPS:
            self._within += 1
            own = [*own_nodes(helper)]
            self._asked[helper] = asked_in(own, gifts_in(own), self.looked_at)
            self._within -= 1
        asked = self._asked.get(helper, ())
        yield from (value for name, value in bound(call, helper) if name in asked)

    def returned(self, helper: Function, passed: Mapping[str, Passed]) -> Passed | None:
        """What it gives back of words of a request, its own and those that it is given."""
        key = (helper, frozenset(passed.items()))
        if key not in self._returned and self._within < _HOPS:
            self._within += 1
            inner = Strangers(helper, self, passed)
            # Of several values at once nobody says here which of them is whose.
            told = (value for value in inner.values() if not isinstance(value, ast.Tuple))
            values = [value for value in told if inner.reach(value)]
            found = [inner.passed(value) for value in values]
            self._returned[key] = Passed(
                any(one.begins for one in found), any(one.query for one in found)
            ) if found else None  # fmt: skip
            self._within -= 1
        return self._returned.get(key)


class Strangers:
    """What of a request's words the names of a function hold."""

    def __init__(
        self, function: Function, application: Application, passed: Mapping[str, Passed]
    ) -> None:
        self.function, self._application, self._passed = function, application, passed
        self._own = [*own_nodes(function)]
        arguments = arguments_of(function)
        routed, of_routes = application.is_routed(function), application.of_routes(function)
        free = {a.arg for a in arguments if _may_be_text(a.annotation)} - _fixed(function)
        self._requests = {a.arg for a in arguments if _is_a_request(a)}
        self._held = {*passed} | (free & of_routes)
        self._fields: dict[str, frozenset[str]] = {}
        if "fastapi" in application.modules and routed:
            self._held |= free & {a.arg for a in arguments if a.annotation is not None}
            models = {**application.models, "UploadFile": frozenset({"filename"})}
            known = ((a.arg, models.get(last_name(a.annotation))) for a in arguments)
            self._fields = {name: fields for name, fields in known if fields}
        given = gifts_in(self._own)
        self._asked = asked_in(self._own, given, application.looked_at)
        self._known: dict[ast.expr, bool] = {}
        self._backs: dict[ast.Call, Passed | None] = {}
        self._held -= self._asked
        self._given: dict[str, ast.expr] = {}
        self._values: dict[str, list[ast.expr]] = {}
        self._parts: dict[str, tuple[list[str], set[str]]] = {}
        for name, value, whole in given:
            self._values.setdefault(name, []).append(value)
            held = name not in self._asked and self.reach(value)
            # Of several values any may be the one: what one of them holds is held.
            if (held and whole) or name not in self._given:
                self._given[name] = value
            if held and name not in self._held:
                self._held.add(name)
                self._known.clear()
                self._backs.clear()

    def calls(self) -> Iterator[ast.Call]:
        return (node for node in self._own if isinstance(node, ast.Call))

    def values(self) -> list[ast.expr]:
        """What the function gives back."""
        if isinstance(self.function, ast.Lambda):
            return [self.function.body]
        return [n.value for n in self._own if isinstance(n, ast.Return) and n.value]

    def passed(self, node: ast.expr) -> Passed:
        return Passed(begins=self.begin(node), query=self.is_query(node))

    def passed_on(self, call: ast.Call, helper: Function) -> dict[str, Passed]:
        """By the names of its arguments, what a function is given of a request's words."""
        return {n: self.passed(value) for n, value in bound(call, helper) if self.reach(value)}

    def _is_request(self, node: ast.expr) -> bool:
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr="request"):
                return True
            case ast.Name(id=name) if name in self._requests:
                return True
            case ast.Name() | ast.Attribute():
                module, _, name = self._application.called(node).partition(".")
                return name == "request" and module in FRAMEWORKS
        return False

    def reach(self, node: ast.expr) -> bool:
        """Whether words of the request are in it, as they came."""
        if node not in self._known:
            self._known[node] = self._reach(node)
        return self._known[node]

    def _reach(self, node: ast.expr) -> bool:
        if taken_from(node) in self._asked:
            return False
        match node:
            case ast.Name(id=name):
                return name in self._held
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in self._fields:
                return attr in self._fields[name] and name not in self._asked
            case ast.Attribute(value=value, attr=attr):
                if self._is_request(value):
                    return attr in _OF_REQUESTS
                return attr in ("filename", "query") and self.reach(value)
            case ast.JoinedStr(values=parts) | ast.Tuple(elts=parts) | ast.List(elts=parts):
                return any(map(self.reach, parts))
            case (
                ast.FormattedValue(value=part)
                | ast.Subscript(value=part)
                | ast.Await(value=part)
                | ast.Starred(value=part)
                | ast.GeneratorExp(elt=part)
                | ast.ListComp(elt=part)
            ):
                return self.reach(part)
            case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mod()) if _NUMBERS.match(
                text
            ):
                return False
            case ast.BinOp(left=left, right=right, op=ast.Add() | ast.Mod() | ast.Div()):
                return self.reach(left) or self.reach(right)
            case ast.BoolOp(values=parts):
                return any(map(self.reach, parts))
            case ast.IfExp(body=one, orelse=other):
                return self.reach(one) or self.reach(other)
            case ast.Call():
                return self._reach_call(node)
        return False

    def _reach_call(self, call: ast.Call) -> bool:
        method, given = last_name(call.func), [*call.args, *(k.value for k in call.keywords)]
        if self._of_helper(call):
            return True
        if self._application.called(call.func) in _HANDS_ON:
            return any(map(self.reach, call.args))
        if not isinstance(call.func, ast.Attribute) or method not in _KEEPS | _OF_REQUESTS:
            return False
        if method in ("get", "getlist") and _converted(call):
            return False
        if method in ("format", "join", "joinpath") and any(map(self.reach, given)):
            return True
        return self.reach(call.func.value) or self.reach(call.func)

    def _of_helper(self, call: ast.Call) -> Passed | None:
        """What a function of the file gives back of them."""
        if call not in self._backs:
            helper, back = self._application.helper(call), None
            if helper is not None:
                back = self._application.returned(helper, self.passed_on(call, helper))
            self._backs[call] = back
        return self._backs[call]

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
            case ast.Name(id=name) if name in self._passed:
                return self.reach(node) and self._passed[name].begins
            case ast.Call() if back := self._of_helper(node):
                return back.begins
        return self.reach(node)

    def is_query(self, node: ast.expr) -> bool:
        """Whether it is put together of words of SQL, also by the names of others."""
        parts: Iterable[ast.AST] = ast.walk(node)
        backs = (self._of_helper(part) for part in parts if isinstance(part, ast.Call))
        if any(back.query for back in backs if back):
            return True
        texts, names = texts_and_names([node])
        pending, followed = [*names], set(names)
        while not any(map(_SQL.search, texts)):
            if not pending:
                return False
            name = pending.pop()
            if name in self._passed and self._passed[name].query:
                return True
            if name not in self._parts:
                self._parts[name] = texts_and_names(self._values.get(name, ()))
            texts, names = self._parts[name]
            pending += names - followed
            followed |= names
        return True


_NUMBERS = re.compile(r"(?:[^%]|%%|%[-+ 0-9.]*[dixXeEfFgG])*$")
"""What lets nothing but numbers into a text, by `%`."""


def _converted(call: ast.Call) -> bool:
    """Whether `get(name, default, type)` makes something other of it than a text."""
    kinds = [k.value for k in call.keywords if k.arg == "type"] or call.args[2:3]
    return any(last_name(kind) in ("int", "float", "bool", "UUID") for kind in kinds)


def _is_a_request(argument: ast.arg) -> bool:
    if argument.annotation is None:
        return argument.arg in ("request", "req")
    return last_name(argument.annotation) in ("Request", "HttpRequest")


_NOT_FREE = re.compile(r"\b(?:Depends|Security)\(|\b(?:pattern|regex)=")
"""The application makes it, or lets only what it knows pass."""


def _fixed(function: Function) -> set[str]:
    """Arguments of which a stranger does not choose the text."""
    every, given = [*function.args.posonlyargs, *function.args.args], function.args
    pairs = [*zip(reversed(every), reversed(given.defaults), strict=False)]
    pairs += [(a, d) for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True) if d]
    pairs += [(a, a.annotation) for a in (*every, *given.kwonlyargs) if a.annotation]
    return {argument.arg for argument, said in pairs if _NOT_FREE.search(ast.unparse(said))}


def _texts_of(model: ast.ClassDef) -> frozenset[str]:
    """Fields that hold any text."""
    return frozenset(
        f.target.id
        for f in model.body
        if isinstance(f, ast.AnnAssign)
        and isinstance(f.target, ast.Name)
        and _may_be_text(f.annotation)
        and not _NOT_FREE.search(ast.unparse(f))
    )


def _may_be_text(annotation: ast.expr | None) -> bool:
    return annotation is None or any(
        (isinstance(part, ast.Name) and part.id in ("str", "dict")) or says(part, "str")
        for part in ast.walk(annotation)
        if isinstance(part, ast.expr)
    )
