"""What hides a weakness that is still there, or takes away the feature with it; runs nothing.

CORE: contents before and after, and the weaknesses of before -> findings. Python is read as code,
workflows as YAML, everything else by its text. Not promised: that no way is left to write the same
weakness so that neither a scanner nor these rules know it.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autoresearch_ci.config.reader import read_foreign
from autoresearch_ci.decide.failures.shortcuts.suite import Shortcut
from autoresearch_ci.decide.investigation.finding import enclosing
from autoresearch_ci.decide.python_syntax import parsed
from autoresearch_ci.decide.security.agentic.workflow import is_workflow
from autoresearch_ci.decide.security.weakness import Weakness
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.experiment import Texts

RULES = ("feature-removed", "weakness-hidden")
"""By which a finding can be allowed, alone or with a path."""
_CODE = re.compile(
    r"\.(pyw?|pyi|[cm]?[jt]sx?|vue|svelte|go|rs|c|cc|cpp|cxx|h|hpp|java|kts?|scala|cs|rb|php|swift"
    r"|lua|sh|bash|sql)$|(^|/)Dockerfile[^/]*$"
)
_DEPENDENCY = "vulnerable dependency"
_SQL = "sql injection"
_SECRET = "a secret in the code"


def dodges(before: Texts, after: Texts, weaknesses: Sequence[Weakness]) -> Iterator[Shortcut]:
    """The findings of a change; `weaknesses`: of the code before, those that are to be repaired.

    `before` and `after` hold the same paths, those that the change touches; `None`: not there.
    """
    for path in sorted({*before, *after}):
        own = [w for w in weaknesses if w.path == path and w.family != _DEPENDENCY]
        old, new = (_text(part.get(path)) for part in (before, after))
        if own and old is not None:
            yield from _removed(path, old, new, own)
        if new is not None and path.endswith((".py", ".pyw")):
            yield from _hidden(path, old or "", new, {w.family for w in weaknesses})
    yield from _kept_secrets(before, after, [w for w in weaknesses if w.family == _SECRET])


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8-sig", "replace")


# --- The feature is gone --------------------------------------------------------------------------


def _removed(path: str, old: str, new: str | None, own: Sequence[Weakness]) -> Iterator[Shortcut]:
    if is_workflow(path):
        yield from _of_workflow(path, old, new)
        return
    if new is None:
        if _CODE.search(path):
            yield _gone(path, 1, "the file in which the weakness stood is gone")
        return
    for weakness in own:
        place = enclosing(path, old, weakness.line)
        if place and (why := _missing(path, place, old, new)):
            yield _gone(path, weakness.line, f"{place}, in which the weakness stood, {why}")


def _gone(path: str, line: int, what: str) -> Shortcut:
    return Shortcut(rule="feature-removed", path=path, line=line, what=what)


def _missing(path: str, place: str, old: str, new: str) -> str:
    """What has become of it; empty: it is there and still does something."""
    if path.endswith((".py", ".pyw", ".pyi")):
        was, now = (_definition(text, place) for text in (old, new))
        if was is not None:
            return _less(was, now)
    return "" if re.search(rf"\b{re.escape(place.rpartition('.')[2])}\b", new) else "is gone"


_Defined = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _definition(text: str, place: str) -> _Defined | None:
    tree = parsed(text)
    here: ast.AST | None = tree
    for name in place.split("."):
        inner = [n for n in ast.walk(here) if isinstance(n, _Defined)] if here else []
        here = next((n for n in inner if n.name == name and n is not here), None)
    return here if isinstance(here, _Defined) else None


def _less(was: _Defined, now: _Defined | None) -> str:
    if now is None:
        return "is gone"
    if _is_hollow(now) and not _is_hollow(was):
        return "does nothing any more"
    kept = {ast.unparse(decorator) for decorator in now.decorator_list}
    lost = [words for d in was.decorator_list if (words := ast.unparse(d)) not in kept]
    routes = [words for words in lost if re.search(r"\(\s*['\"]/", words)]
    return f"is not reached as {routes[0]} any more" if routes else ""


def _is_hollow(node: _Defined) -> bool:
    """Whether it only says nothing, one value, or that it will not."""
    return all(
        isinstance(part, ast.Pass | ast.Raise)
        or (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
        or (isinstance(part, ast.Return) and (part.value is None or _is_plain(part.value)))
        for part in node.body
    )


def _is_plain(node: ast.expr) -> bool:
    """A value that nothing was done for."""
    parts = (ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.Load, ast.UnaryOp, ast.USub)
    return all(isinstance(inner, parts) for inner in ast.walk(node))


def _of_workflow(path: str, old: str, new: str | None) -> Iterator[Shortcut]:
    was, now = _workflow(path, old), _workflow(path, new or "")
    if new is None or (was and not now):
        yield _gone(path, 1, "the workflow in which the weakness stood is gone")
        return
    for event in sorted(_events(was) - _events(now) - {"pull_request_target"}):
        yield _gone(path, 1, f"the workflow does not run on {event} any more")
    jobs, left = (_jobs(data) for data in (was, now))
    for name, steps in jobs.items():
        if name not in left:
            yield _gone(path, 1, f"the job {name} is gone")
        elif len(left[name]) < len(steps):
            yield _gone(path, 1, f"the job {name} has {len(left[name])} steps of {len(steps)}")
        elif lost := [does for does in steps if does and not any(does & d for d in left[name])]:
            what = f"no step of the job {name} does what one did: {', '.join(sorted(lost[0]))}"
            yield _gone(path, 1, what)


def _workflow(path: str, text: str) -> Mapping[Any, Any]:
    try:
        data = read_foreign(text, path).data
    except ConfigError:
        return {}
    return data if isinstance(data, Mapping) else {}


def _events(data: Mapping[Any, Any]) -> set[str]:
    told = data.get("on", data.get(True))
    return {told} if isinstance(told, str) else set(map(str, told or ()))


def _jobs(data: Mapping[Any, Any]) -> dict[str, list[set[str]]]:
    """By name, what each step does: the action, or the programs that its lines begin with."""
    jobs = data.get("jobs")
    found = {}
    for name, job in jobs.items() if isinstance(jobs, Mapping) else ():
        steps = job.get("steps") if isinstance(job, Mapping) else None
        found[str(name)] = [_does(step) for step in steps] if isinstance(steps, list) else []
    return found


def _does(step: object) -> set[str]:
    if not isinstance(step, Mapping):
        return set()
    if used := step.get("uses"):
        return {str(used).partition("@")[0].lower()}
    lines = (line.split() for line in str(step.get("run") or "").splitlines())
    return {words[0] for words in lines if words and not words[0].startswith("#")}


# --- A secret that is only written in another way -------------------------------------------------

_WORDS = re.compile(r"[^\s\"'`,;()\[\]{}<>]{6,}")
_BETWEEN = re.compile(r"[\s\"'`+,()\[\]\\]|\b[fbru]+(?=[\"'])")
"""What stands between the parts of a text that is put together."""


def _kept_secrets(
    before: Texts, after: Texts, weaknesses: Sequence[Weakness]
) -> Iterator[Shortcut]:
    """What scanners took for a secret, and stands somewhere in the change all the same."""
    for weakness in weaknesses:
        lines = (_text(before.get(weakness.path)) or "").splitlines()
        here = lines[weakness.line - 1] if 0 < weakness.line <= len(lines) else ""
        for secret in (word for word in _values(here) if _is_of(word, weakness.key)):
            was, now = (_times(secret, part) for part in (before, after))
            if sum(now.values()) < sum(was.values()) or not any(now.values()):
                continue  # one of several is gone
            path = next(path for path, times in sorted(now.items()) if times)
            what = "holds the secret, only in another way"
            yield Shortcut(rule="weakness-hidden", path=path, line=1, what=what)


def _times(secret: str, texts: Texts) -> dict[str, int]:
    """By path, how often it stands there, in whatever form."""
    forms = _forms(secret)
    plain = {path: _BETWEEN.sub("", _text(content) or "") for path, content in texts.items()}
    return {path: sum(text.count(form) for form in forms) for path, text in plain.items()}


def _values(line: str) -> set[str]:
    quoted = [found[1] for found in re.finditer(r"[\"'`]([^\"'`]{4,})[\"'`]", line)]
    return {*quoted, *_WORDS.findall(line), *(w.partition("=")[2] for w in _WORDS.findall(line))}


def _is_of(word: str, key: str) -> bool:
    """Whether this is what the scanner means: the key of some is a hash of it."""
    return bool(word) and hashlib.sha1(word.encode(), usedforsecurity=False).hexdigest() == key


def _forms(secret: str) -> set[str]:
    content = secret.encode()
    coded = (base64.b64encode(content), base64.urlsafe_b64encode(content), content.hex().encode())
    texts = {secret, secret[::-1], *(code.decode().rstrip("=") for code in coded)}
    return {_BETWEEN.sub("", text) for text in texts}


# --- The weakness is there, and no scanner sees it ------------------------------------------------

_MODULES = ("subprocess", "os", "pickle", "marshal", "yaml", "builtins", "popen2", "commands")
_SHELL = re.compile(r"(?i)^(.*/)?(sh|bash|dash|zsh|ksh|fish|cmd|powershell|pwsh)(\.exe)?$")
_SHELL_LINE = re.compile(r"(?i)^\s*(\S*/)?(sh|bash|dash|zsh|ksh)\s+-[a-z]*c\b")
_ROUNDABOUT = ("__import__", "importlib.import_module", "globals", "operator.methodcaller")
_LINE_FLAG = re.compile(r"(?i)^(-[a-z]*c|/c|-command|-encodedcommand)$")
_QUERIES = frozenset({"execute", "executemany", "executescript", "raw", "text", "query"})
_BUILDERS = frozenset({"format", "join", "substitute", "safe_substitute", "replace", "format_map"})


def _hidden(path: str, old: str, new: str, families: set[str]) -> Iterator[Shortcut]:
    was = Counter(words for _, words in _tricks(old, families))
    for line, words in _tricks(new, families):
        if was[words]:
            was[words] -= 1
            continue
        what = f"does what scanners cannot see through: {words[:100]}"
        yield Shortcut(rule="weakness-hidden", path=path, line=line, what=what)


def _tricks(text: str, families: set[str]) -> list[tuple[int, str]]:
    tree = parsed(text)
    if tree is None:
        return []
    found = [
        (node.lineno, ast.unparse(node))
        for node in ast.walk(tree)
        if isinstance(node, ast.expr | ast.stmt) and _is_trick(node)
    ]
    return found + (_built_queries(tree) if _SQL in families else [])


def _is_trick(node: ast.expr | ast.stmt) -> bool:
    if isinstance(node, ast.Assign):  # another name for it
        return _of_module(node.value)
    if isinstance(node, ast.List | ast.Tuple):
        words = [e.value for e in node.elts if isinstance(e, ast.Constant)]
        texts = [word for word in words if isinstance(word, str)]
        return any(map(_SHELL.match, texts)) and any(map(_LINE_FLAG.match, texts))
    if isinstance(node, ast.Constant):  # to be split
        return isinstance(node.value, str) and bool(_SHELL_LINE.match(node.value))
    if not isinstance(node, ast.Call):
        return False
    name = ast.unparse(node.func)
    if name in _ROUNDABOUT or name.endswith(("create_subprocess_shell", "getstatusoutput")):
        return True
    if name == "getattr" and node.args:
        base = ast.unparse(node.args[0]).partition(".")[0]
        return base in _MODULES or base.startswith(("__import__", "importlib", "sys"))
    return any(_asks_shell(name, keyword) for keyword in node.keywords) or any(
        map(_of_module, node.args)
    )


def _of_module(node: ast.expr) -> bool:
    """`subprocess.call` or `os.system` as a value, to be called under another name."""
    if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
        return False
    if node.value.id == "os":
        return bool(re.match(r"system$|popen$|exec|spawn|posix_spawn", node.attr))
    return node.value.id in _MODULES and node.attr.islower()


def _asks_shell(name: str, keyword: ast.keyword) -> bool:
    if keyword.arg is None:
        return name.partition(".")[0] in _MODULES
    # A plain `True` is what scanners look for.
    return keyword.arg == "shell" and not isinstance(keyword.value, ast.Constant)


def _built_queries(tree: ast.Module) -> list[tuple[int, str]]:
    """Queries that are put together from parts, directly or under a name."""
    bound: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            value = node.value
            if isinstance(node, ast.AugAssign):
                value = ast.BinOp(node.target, ast.Add(), node.value)
            for target in (t for t in targets if isinstance(t, ast.Name)):
                bound.setdefault(target.id, []).append(value)
    return [
        (node.lineno, ast.unparse(node))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and node.args
        and ast.unparse(node.func).rpartition(".")[2] in _QUERIES
        and _is_built(node.args[0], bound, 5)
    ]


def _is_built(node: ast.expr, bound: Mapping[str, list[ast.expr]], depth: int) -> bool:
    if isinstance(node, ast.Name) and depth:
        return any(_is_built(value, bound, depth - 1) for value in bound.get(node.id, ()))
    if isinstance(node, ast.BinOp):
        return not _is_plain_sum(node)
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    func = node.func if isinstance(node, ast.Call) else None
    return isinstance(func, ast.Attribute) and func.attr in _BUILDERS


def _is_plain_sum(node: ast.BinOp) -> bool:
    """Of texts that stand there."""
    parts = (ast.BinOp, ast.Add, ast.Constant)
    return all(isinstance(inner, parts) for inner in ast.walk(node))
