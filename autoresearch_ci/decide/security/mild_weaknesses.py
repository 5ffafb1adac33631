"""What only looks insecure: findings of which the code itself shows that they are mild.

CORE: pure. Nothing vanishes: it is told as `low` or `info`, with the reason. Few forms are known,
each of them whole: every part of a command, a query or a page that varies is harmless. Whoever
means to deceive a scanner need not come here: it sees patterns, too.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import unquote

from autoresearch_ci.decide.investigation.finding import Evidence
from autoresearch_ci.decide.line_map import lines_of
from autoresearch_ci.decide.python_syntax import parsed
from autoresearch_ci.decide.security.agentic.rules import checks_out_head
from autoresearch_ci.decide.security.agentic.workflow import parse
from autoresearch_ci.decide.security.weakness import Severity, Weakness
from autoresearch_ci.errors import ConfigError

_OF_REHEARSALS = frozenset(
    f"python/{name}"
    for name in ("no-certificate-check", "no-hostname-check", "predictable-secret", "unsafe-load")
)


def weighed(weakness: Weakness, content: str) -> Weakness:
    """The same, as mild as it is shown to be; `content`: of the file that it stands in."""
    tool, _, rule = weakness.rule.partition("/")
    least, why = Severity.INFO, ""
    if tool == "detect-secrets":
        least, why = _no_secret(weakness, rule, content)
    elif tool == "bandit":
        least, why = _of_python(weakness, rule, content)
    elif weakness.rule in _OF_REHEARSALS and is_rehearsal(weakness.path):
        least, why = Severity.LOW, "it stands in tests or examples"
    elif weakness.rule == "zizmor/dangerous-triggers":
        least, why = Severity.LOW, _fetches_nothing(weakness.path, content)
    if not why or not weakness.severity.reaches(least) or weakness.severity is least:
        return weakness
    told = ". ".join(filter(None, (weakness.why.rstrip("."), f"Mild here: {why}")))
    return replace(weakness, severity=least, why=told)


# --- What is no secret ----------------------------------------------------------------------------

_GUESSED = frozenset({"secret-keyword", "basic-auth-credentials"})
_RANDOM = frozenset({"hex-high-entropy-string", "base64-high-entropy-string"})
_REHEARSED = re.compile(
    r"(?i)(?:^|/)(?:tests?|testing|__tests__|specs?|fixtures?|testdata|examples?|samples?|docs?)/"
    r"|(?:^|/)(?:test_[^/]*|[^/]*[_.-](?:test|spec|example|sample|template|dist))(?:\.\w+)?$"
    r"|(?:^|/)(?:example|sample)\.[^/]*$|\.(?:md|rst|adoc|txt)$"
)
_PLACEHOLDER = re.compile(
    r"(?i)^(?:change[-_]?(?:me|it|this)\b|your?[-_ ]|my[-_ ]|<|\$\{|\{\{|%[({]|x{3,}|\*+|\.{3})"
    r"|example|placeholder|redacted|dummy|[-_]here\b|not[-_]a[-_](?:real[-_])?(?:secret|password)"
    r"|(.)\1{7,}"
)
_PLACE = re.compile(
    r"(?:https?://[\w.-]+(?::\d+)?|arn(?::[\w.-]*){5}|file:/*|~|\.{1,2})?(?:[:/][\w.-]{1,24})*[:/]?"
)
"""A path or an address, of short words: what is long and looks random may be the secret itself."""
_WORD = re.compile(r"[A-Za-z]+(?:[-_. /][A-Za-z]+)*")
_CALL = re.compile(r"[\w.$]+[(\[]")
_OF_HASHES = re.compile(
    r"(?i)sha\d*|digest|checksum|hash|commit|revision|integrity|fingerprint|etag"
)
_KEY_BEGINS = re.compile(r"BEGIN [A-Z\d ]*PRIVATE KEY|PuTTY-User-Key-File")
_KEY_ENDS = re.compile(r"END [A-Z\d ]*PRIVATE KEY")
_KEY_LINES = 8
"""What belongs to a key of which no end is seen."""
_BODY = re.compile(r"[\w+/=\\]{24,}")
_SECRETS = re.compile(
    r"(?i)pass(?:wor[dt]|wd|phrase|code)|[_-]pass$|pwd|secret|token|credential|(?:api|access|auth"
    r"|account|service|client|signing|encryption|private|priv|db|database)[_.-]?key"
)
_ABOUT = (
    r"(?i:file|path|dir|names?|field|header|param|policy|type|kind|store|ur[li]|label|prefix|hint|ref"
    r"|arn|env|var|page|length|size|count|rounds|days|minutes|seconds|ttl|expiry|required|enabled"
    r"|version|provider|manager|id)"
)
_IS_ABOUT = re.compile(rf"{_ABOUT}$")


def is_rehearsal(path: str) -> bool:
    """Whether a file is for tests, examples or documentation, where some things are milder."""
    return _REHEARSED.search(path) is not None


def names_a_secret(name: str) -> bool:
    """Whether what is called so is a secret, rather than where one lies or what it must be like."""
    return _SECRETS.search(name) is not None and _IS_ABOUT.search(name) is None


def _no_secret(weakness: Weakness, rule: str, content: str) -> tuple[Severity, str]:
    """How bad it is at most, and why; no reason: it may be one."""
    lines = lines_of(content)
    line = lines[weakness.line - 1] if 0 < weakness.line <= len(lines) else ""
    if rule == "private-key":
        key = [line.partition("PRIVATE KEY")[2], *lines[weakness.line : weakness.end_line]]
        held = _BODY.search("\n".join(key))
        return Severity.INFO, "" if held else "no key follows these words"
    value = _value(line, weakness.key)
    if _PLACEHOLDER.search(value):
        return Severity.INFO, _FILL_IN
    if rule in _GUESSED and (why := _stands_for_another(unquote(value))):
        return Severity.INFO, why
    quoted = re.search(rf"[\"'`]{re.escape(value)}", line)
    if rule == "secret-keyword" and _CALL.match(value) and not quoted:
        return Severity.INFO, "it is what a call gives"
    if rule in _RANDOM:
        return Severity.INFO, "it is called a hash" if _OF_HASHES.search(line) else ""
    if rule in _GUESSED and is_rehearsal(weakness.path):
        return Severity.LOW, "a guess in tests, examples or documentation"
    return Severity.LOW, ""


def each_secret(weakness: Weakness, content: str) -> Iterator[Weakness]:
    """What is told, and what is not told beside it: detect-secrets knows these by their first
    letters alone, so of all that begin alike it tells the first one of a file."""
    yield from _each_key(weakness, content) if weakness.rule == _KEY else [weakness]
    tokens = _TOKENS.get(weakness.rule)
    found = tokens.finditer(content) if tokens else ()
    for token in found:
        line = len(lines_of(content[: token.start()] + "."))
        if _digest(token[1]) == weakness.key and line != weakness.line:
            yield replace(weakness, line=line, key=_digest(token[0]))


_KEY = "detect-secrets/private-key"
_TOKENS = {
    "detect-secrets/github-token": re.compile(r"(gh[pousr])_\w{36}"),
    "detect-secrets/gitlab-token": re.compile(r"(glpat|gldt|glft|glsoat|glrt)-[\w-]{20,50}(?!\w)"),
}


def _digest(word: str) -> str:
    """As detect-secrets tells it instead of a secret."""
    return hashlib.sha1(word.encode(), usedforsecurity=False).hexdigest()


def _each_key(weakness: Weakness, content: str) -> Iterator[Weakness]:
    """Each private key with its lines: told is the one that begins it, whatever stands below."""
    lines = lines_of(content)
    begins = [n for n, line in enumerate(lines, start=1) if _KEY_BEGINS.search(line)]
    if weakness.line not in begins:
        yield weakness
        return
    for line, following in itertools.pairwise([*begins, len(lines) + 1]):
        ends = (n for n in range(line, following) if _KEY_ENDS.search(lines[n - 1]))
        quote = Evidence(kind="quote", path=weakness.path, line=line, text=lines[line - 1])
        last = next(ends, min(following - 1, line + _KEY_LINES))
        yield replace(weakness, line=line, end_line=last, evidence=(quote,))


_FILL_IN = "it stands for a value that somebody is to fill in"


def _stands_for_another(value: str) -> str:
    """Why a value is no secret; empty: it may be one."""
    if _PLACEHOLDER.search(value):
        return _FILL_IN
    if value and _PLACE.fullmatch(value):
        return "it says where something is"
    return "it is a plain word" if _WORD.fullmatch(value) else ""


_ENDS = (r"[\s\"'`]+", r"[\s\"'`:=,;(){}\[\]<>]+", r"[\"'`]", r"\s*[:=]\s*", r"[/:@_=\"'`\s]+")


def _value(line: str, digest: str) -> str:
    """What the scanner took for a secret: the part of the line that has its hash; empty: none.

    Of some it takes the first letters only: then all that they begin.
    """
    for ends in _ENDS:
        for part in re.split(ends, line[:2_000]):
            word = part.strip(" \t,;\"'`")
            if word and _digest(word) == digest:
                whole: list[str] = (
                    re.findall(rf"\b{re.escape(word)}_\w+", line) if len(word) < 5 else []
                )
                # The first one may be an example beside the other.
                return next((w for w in whole if not _PLACEHOLDER.search(w)), [*whole, word][0])
    return ""


# --- Workflows ------------------------------------------------------------------------------------

_BRINGS = re.compile(r"download-artifact|\bgh run download\b|/actions/artifacts")


def _fetches_nothing(path: str, content: str) -> str:
    """Why a trigger that strangers set off is mild here; empty: it is not."""
    try:
        jobs = parse(path, content).jobs.values()
    except ConfigError:
        return ""
    for step in (step for job in jobs for step in job.steps):
        texts = (step.uses, *(text for _, text in step.texts()))
        if (
            checks_out_head(step)[0]
            or step.uses.startswith("./")
            or any(map(_BRINGS.search, texts))
        ):
            return ""
    return "no job fetches what strangers propose" if jobs else ""


# --- Python ---------------------------------------------------------------------------------------

Functions = frozenset[tuple[str, str]]
"""By module and name; a builtin has no module."""
_NUMBERS: Functions = frozenset({("", "int"), ("", "float"), ("", "len")})
_MASK = re.compile(r"\b0o?([0-7]{3,4})\b")


@dataclass(frozen=True, kw_only=True)
class _Form:
    """How a text is put together that nobody can put words of theirs into."""

    safe: Functions
    """What makes of anything a harmless part."""
    spoils: re.Pattern[str]
    """What may not stand in the other parts: it would give those another meaning."""
    why: str
    least: Severity = Severity.INFO


_NOTHING = re.compile(r"(?!)")
_SHELL = _Form(
    safe=_NUMBERS | {("shlex", "quote"), ("shlex", "join")},
    spoils=re.compile(
        r"[\"'`\\]|\$\(|\b(?:eval|exec|\w*sh|su|xargs|[gmn]?awk)\b"
        # What is handed to these as code is code, however well it is quoted.
        r"|\b(?:python[\d.]*|perl|ruby|node|php|lua|psql|mysql)\b.*\s-(?:\w*[ceErp]|-\w+)\s*=?$"
    ),
    why="every part that varies is quoted",
    least=Severity.LOW,  # an option can be made of it all the same
)
_FORMS = {
    **dict.fromkeys(("B602", "B604", "B605"), _SHELL),
    "B608": _Form(
        safe=_NUMBERS,
        spoils=_NOTHING,
        why="every part that varies is a number, or the mark of a value that is bound",
    ),
    "B301": _Form(
        safe=frozenset({("pickle", "dumps")}),
        spoils=_NOTHING,
        why="it is read from what was written here",
    ),
    **dict.fromkeys(
        ("B102", "B307"), _Form(safe=_NUMBERS, spoils=_NOTHING, why="it does not vary")
    ),
    "B704": _Form(
        safe=_NUMBERS | {(name, "escape") for name in ("markupsafe", "html", "flask")},
        spoils=re.compile(r"(?i)\b(?:href|src|action|style|on\w+)\s*=|<script|=\s*$"),
        why="every part that varies is escaped",
    ),
}


_PASSWORDS = frozenset({"B105", "B106", "B107"})
_OF_DEPLOYMENT = frozenset({"B101", "B104", "B108", "B113"})
"""What tests may well do: assert, listen everywhere, name a file in /tmp, wait for ever."""
_THAT_IT_IS = re.compile(r"B40[3-9]|B410|B603|B607")


def _of_python(weakness: Weakness, rule: str, content: str) -> tuple[Severity, str]:
    """How bad it is at most, and why; no reason: bandit is right."""
    if _THAT_IT_IS.fullmatch(rule):
        return Severity.INFO, "it says that something is used, not that anything is wrong"
    if rule == "B413":
        return Severity.LOW, "pycryptodome, which is maintained, is imported by the same name"
    if rule in _OF_DEPLOYMENT and is_rehearsal(weakness.path):
        return Severity.INFO, "it stands in tests or examples"
    if rule in _PASSWORDS:
        value = weakness.title.partition("'")[2].rpartition("'")[0]
        return Severity.INFO, _stands_for_another(value)
    if rule == "B103":
        mask = _MASK.search(weakness.title)
        mild = mask and not int(mask[1], 8) & 0o7022
        return Severity.INFO, "only the owner may write it" if mild else ""
    form = _FORMS.get(rule)
    if form is None:
        return Severity.INFO, ""
    try:
        read = _reading(form, content)
        mild = read is not None and read.is_mild(rule, weakness.line, weakness.last_line)
    except RecursionError:
        mild = False
    return form.least, form.why if mild else ""


@functools.lru_cache(maxsize=4)  # of one file much may be said, one thing after the other
def _reading(form: _Form, content: str) -> _Reading | None:
    tree = parsed(content)
    return _Reading(form, tree, content) if tree else None


Enclosing = tuple[ast.AST, ...]
"""Module and functions around an expression, the outer ones first."""
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def _within(
    node: ast.AST, scope: Enclosing, first: int, last: int
) -> Iterator[tuple[ast.AST, Enclosing]]:
    """All that touches these lines."""
    for child in ast.iter_child_nodes(node):
        begins, ends = getattr(child, "lineno", first), getattr(child, "end_lineno", last)
        if begins <= last and first <= ends:
            yield child, scope
            inner = (*scope, child) if isinstance(child, _FUNCTIONS) else scope
            yield from _within(child, inner, first, last)


def _is_made(node: ast.JoinedStr | ast.BinOp | ast.Call) -> bool:
    """Whether it is a text of several parts."""
    match node:
        case ast.Call(func=ast.Attribute(attr=name)):
            return name in ("format", "replace")
    return not isinstance(node, ast.Call)


@dataclass(frozen=True, kw_only=True)
class _Names:
    """What names a file uses for what."""

    bound: Counter[str]
    """How often something gets a name."""
    shared: set[str]
    """Names that functions give to what is not theirs."""
    origins: dict[str, tuple[str, str]]
    """What was imported: module, and the name in it."""


def _names(tree: ast.Module) -> _Names:
    bound, shared, origins = Counter[str](), set[str](), dict[str, tuple[str, str]]()
    for node in ast.walk(tree):
        bound.update(_binds(node))
        if isinstance(node, ast.Import):
            origins.update({a.asname or a.name: (a.name, "") for a in node.names})
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            origins.update({a.asname or a.name: (module, a.name) for a in node.names})
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            shared.update(node.names)
    return _Names(bound=bound, shared=shared, origins=origins)


class _Reading:
    """Of one file, by one form."""

    def __init__(self, form: _Form, tree: ast.Module, content: str) -> None:
        self._form, self._tree = form, tree
        self._imports = any(module in content for module, _ in form.safe if module)
        """Whether what is safe and no builtin can have been imported."""

    @functools.cached_property
    def _names(self) -> _Names:
        return _names(self._tree)

    def is_mild(self, rule: str, first: int, last: int) -> bool:
        """Whether all that is spoken of in these lines is harmless."""
        texts = [*self._texts(rule, first, last)]
        return bool(texts) and all(self.harmless(*text) for text in texts)

    def _texts(self, rule: str, first: int, last: int) -> Iterator[tuple[ast.expr, Enclosing]]:
        """What is spoken of: of a call its first argument, of a query all that is put together."""
        for node, scope in _within(self._tree, (self._tree,), first, last):
            if not isinstance(node, (ast.JoinedStr, ast.BinOp, ast.Call)):
                continue
            if rule == "B608":
                if _is_made(node):
                    yield node, scope
            elif isinstance(node, ast.Call) and _line_told(rule, node) == first:
                named = (k.value for k in node.keywords if k.arg in ("args", "command", "cmd"))
                given = [*node.args, *named]
                if not self._calls_safe(node):
                    # Of a function that nobody knows any argument may be the command.
                    yield from ((text, scope) for text in given[: None if rule == "B604" else 1])

    def harmless(self, node: ast.expr, scope: Enclosing, depth: int = 8) -> bool:
        """Whether all that varies in it is."""

        def each(*nodes: ast.expr | None) -> bool:
            return depth > 0 and all(n is None or self.harmless(n, scope, depth - 1) for n in nodes)

        match node:
            case ast.Constant(value=value):
                return not (isinstance(value, str) and self._form.spoils.search(value))
            case ast.JoinedStr(values=parts) | ast.Tuple(elts=parts) | ast.List(elts=parts):
                return each(*parts)
            case ast.FormattedValue(value=part, format_spec=how):
                return each(part, how)
            case ast.BinOp(left=left, right=right, op=ast.Add() | ast.Mod()):
                return each(left, right)
            case ast.BinOp(left=left, right=right, op=ast.Mult()):  # how often does no harm
                plainly = isinstance(left, (ast.List, ast.Tuple, ast.JoinedStr)) or (
                    isinstance(left, ast.Constant) and isinstance(left.value, str)
                )
                return each(left) if plainly else each(left, right)
            case ast.IfExp(body=one, orelse=other):
                return each(one, other)
            case ast.GeneratorExp(elt=part) | ast.ListComp(elt=part):
                return each(part)
            case ast.Call(func=ast.Attribute(value=text, attr="join"), args=[parts], keywords=[]):
                return self._calls_safe(node) or each(text, parts)
            case ast.Call(func=ast.Attribute(value=text, attr="format"), args=args, keywords=named):
                return each(text, *args, *(keyword.value for keyword in named))
            case ast.Call():
                return self._calls_safe(node)
            case ast.Name(id=name):
                given = self._value(name, scope)
                return given is not None and not _can_grow(given) and each(given)
        return False

    def _calls_safe(self, call: ast.Call) -> bool:
        """Whether it is one of those functions, and nothing else in the file has its name."""
        safe = self._form.safe
        match call.func:
            case ast.Name(id=name) if self._imports or ("", name) in safe:
                known = self._names.origins
                origin, once = known.get(name, ("", name)), int(name in known)
                found = origin in safe and self._names.bound[name] == once
            case ast.Attribute(value=ast.Name(id=module), attr=name) if self._imports:
                origin = (self._names.origins.get(module, ("", ""))[0], name)
                found = origin in safe and self._names.bound[module] == 1
            case _:
                return False
        return found and not self._names.bound["*"]

    def _value(self, name: str, scope: Enclosing) -> ast.expr | None:
        """What a name stands for that is given a value once; `None`: nobody can say."""
        for around in reversed(scope):
            nodes = _own(around)
            if count := sum(found == name for node in nodes for found in _binds(node)):
                values = [value for node in nodes if (value := _given(node, name))]
                sure = count == len(values) == 1 and not self._names.bound["*"]
                return values[0] if sure and name not in self._names.shared else None
        return None


def _line_told(rule: str, call: ast.Call) -> int:
    """Where bandit says that a call stands; 0: it cannot be this one. Of a shell that is asked for
    it tells that argument's line, on which other calls may begin."""
    if rule in ("B602", "B604"):
        return next((k.value.lineno for k in call.keywords if k.arg == "shell"), 0)
    return call.lineno


def _own(around: ast.AST) -> list[ast.AST]:
    """What belongs to a module or function itself, and not to a function in it."""
    found, pending = [], [*ast.iter_child_nodes(around)]
    while pending:
        node = pending.pop()
        found.append(node)
        if not isinstance(node, _FUNCTIONS):
            pending += ast.iter_child_nodes(node)
    return found


def _binds(node: ast.AST) -> Iterator[str]:
    """Names that are something else from here on."""
    match node:
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in names)
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            yield name
        case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            yield name


def _given(node: ast.AST, name: str) -> ast.expr | None:
    match node:
        case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
            return value
        case ast.AnnAssign(target=ast.Name(id=found), value=ast.expr() as value) if found == name:
            return value
    return None


def _can_grow(value: ast.expr) -> bool:
    """A list, to which somebody may add."""
    while isinstance(value, ast.BinOp):
        value = value.left
    return isinstance(value, (ast.List, ast.ListComp))
