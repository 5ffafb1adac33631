"""Finds in one Python file what makes numbers better without making code better.

Clocks, exits and counters that are patched; objects that equal everything; what the names of a
module stand for, as far as its text tells.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from autoresearch_ci.decide.gaming import names
from autoresearch_ci.decide.gaming.ruler import Ruler


def equals_everything(node: ast.AST, imported: Imports, ruler: Ruler) -> Iterator[str]:
    methods = dict(_methods(node, imported))
    answers = {name: _constant_answer(method) for name, method in methods.items()}
    for name, pleasing in names.CONSTANT_METHODS.items():
        if answers.get(name) is pleasing:
            yield f"compares equal to everything ({name})"
            return
    for first, second in names.OPPOSITES:
        if answers.get(first) is True and answers.get(second) is True:
            yield f"is both smaller and larger than everything ({first}, {second})"


def _methods(node: ast.AST, imported: Imports) -> Iterator[tuple[str, ast.AST]]:
    """The functions that become methods here, by name."""
    if isinstance(node, ast.Dict):
        yield from ((text_of(k), v) for k, v in zip(node.keys, node.values, strict=True) if k)
    elif isinstance(node, ast.ClassDef):
        for item in node.body:
            if isinstance(item, ast.FunctionDef):
                yield item.name, item
            elif isinstance(item, ast.Assign):
                yield from ((t.id, item.value) for t in item.targets if isinstance(t, ast.Name))
    elif isinstance(node, ast.Call) and imported.dotted(node.func) == "setattr":
        if len(node.args) == 3:
            yield text_of(node.args[1]), node.args[2]
    elif isinstance(node, ast.Assign):
        yield from ((t.attr, node.value) for t in node.targets if isinstance(t, ast.Attribute))


def _constant_answer(method: ast.AST) -> bool | None:
    """What a comparison says whatever it is compared with; `None` when it looks."""
    if isinstance(method, ast.Lambda):
        returned: list[ast.expr | None] = [method.body]
    elif isinstance(method, ast.FunctionDef):
        returned = [n.value for n in ast.walk(method) if isinstance(n, ast.Return)]
    else:
        return None
    parameters = method.args
    own = {a.arg for a in (*parameters.posonlyargs, *parameters.args)[1:]}
    own |= {a.arg for a in (parameters.vararg,) if a}
    if any(isinstance(n, ast.Name) and n.id in own for n in ast.walk(method)):
        return None
    values = {_literal(value) for value in returned}
    return values.pop() if len(values) == 1 else None


def _literal(value: ast.expr | None) -> bool | None:
    if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not):
        inner = _literal(value.operand)
        return None if inner is None else not inner
    if isinstance(value, ast.Compare) and isinstance(value.left, ast.Constant):
        return True if isinstance(value.ops[0], ast.Eq | ast.Is) else None
    if isinstance(value, ast.Constant) and isinstance(value.value, bool | int):
        return bool(value.value)
    return None


class Imports:
    """What the names of a module stand for."""

    def __init__(self, tree: ast.Module) -> None:
        self.functions = {
            node.name: node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        self._names: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    full = alias.name if alias.asname else alias.name.partition(".")[0]
                    self._names[alias.asname or full] = full
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    self._names[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def dotted(self, node: ast.AST) -> str:
        """`time.perf_counter` for an expression that means it; empty for any other."""
        if isinstance(node, ast.Name):
            return self._names.get(node.id, node.id if node.id in names.BUILTINS else "")
        if isinstance(node, ast.Attribute):
            below = self.dotted(node.value)
            return f"{below}.{node.attr}" if below else ""
        if isinstance(node, ast.Call) and self.dotted(node.func) in (
            "__import__",
            "importlib.import_module",
        ):
            return text_of(node.args[0]) if node.args else ""
        return ""


def last_name(function: ast.AST) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def text_of(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


@dataclass(frozen=True, kw_only=True)
class Play:
    """One thing found."""

    line: int
    what: str
    """`patches time.perf_counter`; the same for the same thing elsewhere."""


def python_plays(tree: ast.Module, ruler: Ruler) -> Iterator[Play]:
    """Everything found, in no particular order."""
    imported = Imports(tree)
    for node in () if ruler.program else _import_level(tree):
        yield from _exits_on_import(node, imported)
    for node in ast.walk(tree):
        for look in _LOOKS:
            for what in look(node, imported, ruler):
                yield Play(line=getattr(node, "lineno", 1), what=what)


def _import_level(tree: ast.Module) -> Iterator[ast.AST]:
    """What runs when the module is imported: no function's body, nothing below the main guard."""
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and _asks_for_main(node.test):
            continue
        yield node
        pending.extend(ast.iter_child_nodes(node))


def _asks_for_main(test: ast.expr) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(test))


def _exits_on_import(node: ast.AST, imported: Imports) -> Iterator[Play]:
    name = imported.dotted(node.func) if isinstance(node, ast.Call) else ""
    if isinstance(node, ast.Raise) and node.exc is not None:
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        name = "sys.exit" if imported.dotted(raised) == "SystemExit" else ""
    if name in names.EXITS:
        yield Play(line=getattr(node, "lineno", 1), what=f"exits on import ({name})")


def _exits_hard(node: ast.AST, imported: Imports, ruler: Ruler) -> Iterator[str]:
    if isinstance(node, ast.Call) and imported.dotted(node.func) == "os._exit":
        yield "exits with os._exit, past whoever is counting"


def _says_last(node: ast.AST, imported: Imports, ruler: Ruler) -> Iterator[str]:
    """atexit with something that prints, writes or exits."""
    if isinstance(node, ast.FunctionDef):
        wanted = any(imported.dotted(item) == "atexit.register" for item in node.decorator_list)
        target: ast.AST | None = node if wanted else None
    elif isinstance(node, ast.Call) and imported.dotted(node.func) == "atexit.register":
        target = node.args[0] if node.args else None
        if isinstance(target, ast.Name) and target.id in imported.functions:
            target = imported.functions[target.id]
    else:
        return
    for inner in ast.walk(target) if target else ():
        name = inner.id if isinstance(inner, ast.Name) else getattr(inner, "attr", "")
        if name in ("print", "write", "writelines", "write_text", "write_bytes", "open", "_exit"):
            yield f"has the last word when the process ends (atexit with {name})"
            return


def _patches(node: ast.AST, imported: Imports, ruler: Ruler) -> Iterator[str]:
    """Replaces an attribute of a module that the ruler uses as well."""
    for target in _targets(node):
        for part in ast.walk(target) if isinstance(target, ast.Tuple | ast.List) else (target,):
            yield from _patched(part, imported)
    if not isinstance(node, ast.Call):
        return
    name = imported.dotted(node.func)
    if len(node.args) >= 2 and (
        name in ("setattr", "delattr") or last_name(node.func) == "setattr"
    ):
        owner, attribute = imported.dotted(node.args[0]), text_of(node.args[1])
        if _is_everyones(owner, attribute) and not (ruler.tests and name != "setattr"):
            yield f"patches {owner}.{attribute}"
    elif name.startswith(("unittest.mock.patch", "mock.patch")) and node.args and not ruler.tests:
        owner, _, attribute = text_of(node.args[0]).rpartition(".")
        if _is_everyones(owner, attribute):
            yield f"patches {owner}.{attribute}"


def _patched(target: ast.AST, imported: Imports) -> Iterator[str]:
    if isinstance(target, ast.Attribute):
        owner = imported.dotted(target.value)
        if _is_everyones(owner, target.attr):
            yield f"patches {owner}.{target.attr}"
    elif isinstance(target, ast.Subscript):
        key, of = text_of(target.slice), target.value
        owner = imported.dotted(of)
        if isinstance(of, ast.Attribute) and of.attr == "__dict__":
            owner = imported.dotted(of.value)
        elif isinstance(of, ast.Call) and imported.dotted(of.func) == "vars" and of.args:
            owner = imported.dotted(of.args[0])
        elif owner == "sys.modules" and key not in names.PATCHABLE | {"builtins", "__main__"}:
            return
        if _is_everyones(owner, key):
            yield (
                f"patches {owner}[{key!r}]" if owner == "sys.modules" else f"patches {owner}.{key}"
            )


def _is_everyones(owner: str, attribute: str) -> bool:
    if owner == "builtins":
        return attribute in names.BUILTINS
    if owner == "__main__":
        return True
    root = owner.partition(".")[0]
    return bool(attribute) and (owner in names.PATCHABLE or root in names.FRAMEWORKS)


def _prints_the_number(node: ast.AST, imported: Imports, ruler: Ruler) -> Iterator[str]:
    if not isinstance(node, ast.Call):
        return
    if imported.dotted(node.func) != "os.write" and last_name(node.func) not in names.PRINTING:
        return
    parts = [_template(argument) for argument in node.args]
    if any(part.strip("1 ") for part in parts) and (
        ruler.is_its_line(" ".join(parts)) or any(ruler.is_its_line(part) for part in parts)
    ):
        yield "prints the metric's line"


def _template(node: ast.AST) -> str:
    """A string expression's text, with 1 for what is only known when it runs."""
    if isinstance(node, ast.Constant):
        value = node.value
        text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        return text.replace("{}", "1").replace("%s", "1").replace("%d", "1").replace("%f", "1")
    if isinstance(node, ast.JoinedStr):
        return "".join(_template(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _template(node.left) + _template(node.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return _template(node.left)
    method = node.func if isinstance(node, ast.Call) else None
    if isinstance(method, ast.Attribute) and method.attr in ("format", "encode"):
        return _template(method.value)
    return "1"


def _asks_who_looks(node: ast.AST, imported: Imports, ruler: Ruler) -> Iterator[str]:
    """Whether this is a measurement: by environment, loaded modules or the stack."""
    for variable in _variables_read(node, imported):
        own = names.PYTEST_VARIABLES.fullmatch(variable) and not ruler.tests
        if own or names.MEASURED.fullmatch(variable):
            yield f"asks whether it is measured (the variable {variable})"
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
        word, where = text_of(node.left), imported.dotted(node.comparators[0])
        if word in names.FRAMEWORKS and where == "sys.modules":
            yield f"asks whether it is measured ({word} in sys.modules)"
    if isinstance(node, ast.Call):
        name = imported.dotted(node.func)
        if name == "sys.modules.get" and node.args and text_of(node.args[0]) in names.FRAMEWORKS:
            yield f"asks whether it is measured ({text_of(node.args[0])} in sys.modules)"
        if name in names.STACK:
            yield f"looks at its callers ({name})"
    if not ruler.tests and (program := _program_asked_for(node, imported)):
        yield f"asks whether it is measured ({program})"
    if isinstance(node, ast.Attribute) and node.attr == "f_back":
        yield "looks at its callers (f_back)"


def _program_asked_for(node: ast.AST, imported: Imports) -> str:
    """Where code looks which program runs it; arguments are anybody's to read."""
    if isinstance(node, ast.Attribute) and imported.dotted(node) == "sys.orig_argv":
        return "sys.orig_argv"
    asking = isinstance(node, ast.Compare) or (
        isinstance(node, ast.Call) and last_name(node.func) in names.TEXT_QUESTIONS
    )
    for inner in ast.walk(node) if asking else ():
        if not isinstance(inner, ast.Subscript) or imported.dotted(inner.value) != "sys.argv":
            continue
        if isinstance(inner.slice, ast.Constant) and inner.slice.value == 0:
            return "sys.argv[0]"
    return ""


def _variables_read(node: ast.AST, imported: Imports) -> Iterator[str]:
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        if imported.dotted(node.value) == "os.environ":
            yield text_of(node.slice)
    elif isinstance(node, ast.Call) and node.args:
        if imported.dotted(node.func) in ("os.getenv", "os.environ.get", "os.environ.pop"):
            yield text_of(node.args[0])
    elif isinstance(node, ast.Compare) and imported.dotted(node.comparators[0]) == "os.environ":
        yield text_of(node.left)


def _meddles_with_tests(node: ast.AST, imported: Imports, ruler: Ruler) -> Iterator[str]:
    if isinstance(node, ast.Import):
        modules: Iterable[str] = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and not node.level:
        modules = [node.module or ""]
    else:
        modules = []
    for module in modules:
        root = module.partition(".")[0]
        if root in names.CLOCK_PATCHERS and not ruler.tests:
            yield f"patches the clock ({root})"
        if root == "__main__" or (root in names.FRAMEWORKS and not ruler.tests):
            yield f"meddles with {root}"
    if isinstance(node, ast.FunctionDef) and node.name in names.HOOKS:
        yield f"hooks into what pytest runs and says ({node.name})"


def _detaches(node: ast.AST, imported: Imports, ruler: Ruler) -> Iterator[str]:
    if not isinstance(node, ast.Call):
        return
    name = imported.dotted(node.func)
    if name in names.DETACHING:
        yield f"leaves a process behind ({name})"
    for keyword in node.keywords:
        argument, value = keyword.arg or "", keyword.value
        off = isinstance(value, ast.Constant) and not value.value
        if (
            argument in names.DETACHING_ARGUMENTS
            and not off
            and name.startswith(("subprocess.", "os.posix_spawn", "asyncio."))
        ):
            yield f"leaves a process behind ({argument})"
        if argument == "preexec_fn" and imported.dotted(value) in names.DETACHING:
            yield f"leaves a process behind ({imported.dotted(value)})"
    if name.startswith(("subprocess.", "os.system", "os.popen", "os.exec", "os.spawn")):
        for inner in (n for argument in node.args for n in ast.walk(argument)):
            words = set(text_of(inner).split())
            if tool := words & {"nohup", "setsid", "daemonize", "disown"}:
                yield f"leaves a process behind ({min(tool)})"


def _reaches_outside(node: ast.AST, imported: Imports, ruler: Ruler) -> Iterator[str]:
    """The ruler's own files, folders that outlive a measurement, and start-up files of Python."""
    if isinstance(node, ast.Call):
        if imported.dotted(node.func) in names.SITE_FOLDERS:
            yield "reaches for what every Python loads (site-packages)"
        opening = last_name(node.func) in names.OPENING
        texts = [text_of(argument) for argument in node.args] if opening else []
        if isinstance(node.func, ast.Attribute) and opening:
            texts.append(text_of(node.func.value))
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        texts = [text_of(node.left), text_of(node.right)]
    else:
        return
    for text in texts:
        if ruler.is_its_file(text):
            yield f"reaches for the ruler's own {text}"
        if names.SHARED_PLACES.match(text) and not ruler.tests:
            yield f"reaches for a place that outlives a measurement ({text[:60]})"
        if names.STARTS_WITH_PYTHON.search(text):
            yield f"reaches for what every Python loads ({text[-40:]})"


def _targets(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Assign | ast.Delete):
        return node.targets
    if isinstance(node, ast.AugAssign | ast.AnnAssign):
        return [node.target]
    return [node.target] if isinstance(node, ast.For) else []


_LOOKS = (
    _exits_hard,
    _says_last,
    _patches,
    equals_everything,
    _prints_the_number,
    _asks_who_looks,
    _meddles_with_tests,
    _detaches,
    _reaches_outside,
)
