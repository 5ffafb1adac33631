"""What bandit does not say of Python and the text shows for certain: rules of our own.

CORE: pure. bandit looks at one call at a time; these follow a name to what it was given in the same
function: a request's words that reach a file, an address or a query, options that stand in a
mapping, a session that verifies nothing. What a condition or a call of another function looks at on
the way is not told: nobody can say here whether it was made harmless.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from autoresearch_ci.decide.python_syntax import last_name, own_nodes, parsed, says
from autoresearch_ci.decide.security.request_input import FRAMEWORKS, Application, Strangers
from autoresearch_ci.decide.security.weakness import Confidence, Severity, Weakness

TOOL = "python"

_TELLING: tuple[tuple[str, ...], ...] = (
    *((name,) for name in sorted(FRAMEWORKS)),
    *(("verify", name) for name in ("requests", "httpx")),
    *((name,) for name in ("check_hostname", "CERT_NONE", "jwt", "joblib", "cloudpickle")),
    *((name,) for name in ("allow_pickle", "unsafe_load", "ruamel", "unpack_archive")),
    *((name,) for name in ("create_subprocess_shell", "resolve_entities", "MODE_ECB", "uuid1")),
    *((name,) for name in ("import random", "from random", "DEBUG = True", "DEBUG: bool")),
    ("subprocess", "shell", "**"),
)
"""Words of which a file has all of one row, or nothing that a rule speaks of: it is not parsed."""


def scan(path: str, content: str) -> tuple[Weakness, ...]:
    """Of one file. Raises `SyntaxError` for what is no Python of this version."""
    if not any(all(word in content for word in words) for words in _TELLING):
        return ()
    tree = parsed(content)
    if tree is None:
        raise SyntaxError("it is no Python of this version")
    try:
        found = [*_File(path, tree).told()]
    except RecursionError as error:
        raise SyntaxError("it is nested too deeply") from error
    return tuple({(w.rule, w.line): w for w in found}.values())


@dataclass(frozen=True)
class _Rule:
    """One kind of thing that is told."""

    name: str
    cwe: int
    severity: Severity
    title: str
    fix: str


_H, _M, _L = Severity.HIGH, Severity.MEDIUM, Severity.LOW
SHELL = _Rule("shell-option", 78, _H, "a command that varies is given to a shell",
    "Pass a list, without a shell.")  # fmt: skip
PROGRAM = _Rule("request-command", 78, _H, "a request chooses which program is started",
    "Choose from a fixed list.")  # fmt: skip
HOSTNAME = _Rule("no-hostname-check", 295, _M, "a certificate of any other server is taken, too",
    "Leave check_hostname on.")  # fmt: skip
VERIFY = _Rule("no-certificate-check", 295, _H, "the server's certificate is not checked",
    "Leave verification on; name your own authority's file.")  # fmt: skip
TOKEN = _Rule("unverified-token", 347, _H, "a token is read without its signature being checked",
    "Verify it, with the algorithms that you issue.")  # fmt: skip
PICKLE = _Rule("unsafe-load", 502, _M, "what is loaded can run any code",
    "Load a format that holds data only.")  # fmt: skip
ARCHIVE = _Rule("unpacked-archive", 22, _M, "an archive may write outside of the folder",
    'Pass filter="data".')  # fmt: skip
ENTITIES = _Rule("external-entities", 611, _H, "the parser resolves external entities",
    "Leave resolve_entities off.")  # fmt: skip
CHANCE = _Rule("predictable-secret", 330, _M, "a secret comes from a predictable source of chance",
    "Use the module secrets.")  # fmt: skip
ECB = _Rule("ecb-mode", 327, _M, "equal blocks are encrypted to equal blocks (ECB)",
    "Use an authenticated mode such as GCM.")  # fmt: skip
DEBUG = _Rule("debug-mode", 489, _M, "a web application is in debug mode",
    "Read it from the environment, off by default.")  # fmt: skip
FILE = _Rule("request-path", 22, _H, "a request chooses the file",
    "Resolve it and refuse what is not below the folder.")  # fmt: skip
ADDRESS = _Rule("request-address", 918, _H, "a request chooses the address that the server asks",
    "Choose the host from a fixed list.")  # fmt: skip
REDIRECT = _Rule("open-redirect", 601, _M, "a request chooses where one is sent on to",
    "Redirect to paths of your own only.")  # fmt: skip
QUERY = _Rule("request-query", 89, _H, "a request's words become a part of a query",
    "Bind them as parameters.")  # fmt: skip
PAGE = _Rule("request-page", 79, _M, "a request's words become a part of a page",
    "Escape them, or use a template that does.")  # fmt: skip
TEMPLATE = _Rule("request-template", 1336, _H, "a request's words become a part of a template",
    "Pass them as values of a fixed template.")  # fmt: skip
CODE = _Rule("request-code", 95, _H, "a request's words are run as code",
    "Parse them, as data.")  # fmt: skip

_LOADS = frozenset(
    {
        *("joblib.load", "sklearn.externals.joblib.load", "cloudpickle.load", "cloudpickle.loads"),
        *("yaml.unsafe_load", "yaml.unsafe_load_all", "torch.jit._unsafe_load"),
    }
)
_STARTS = frozenset(
    f"subprocess.{name}" for name in ("run", "call", "check_call", "check_output", "Popen")
)
_METHODS = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "request"})
_RANDOM = frozenset(
    f"random.{name}" for name in ("randint", "random", "randrange", "getrandbits", "randbytes")
) | {"uuid.uuid1"}
_CHOOSES = frozenset({"random.choice", "random.choices", "random.sample"})
_SECRET = re.compile(
    r"(?i)(?:^|_)(?:token|secret|passw(?:or)?d|otp|nonce|salt|csrf|api_?key|session_?(?:id|key)"
    r"|reset_?(?:code|key)|verification_?code|auth_?code|private_?key)(?:_|s?$)"
)
_AMOUNT = re.compile(
    r"(?i)^(?:num|max|min|n|total|avg|mean)_|tokens$|_(?:count|len|length|ids?|index|size|limit|prob\w*"
    r"|type|name|ttl|age|delay|timeout|expir\w+)$"
)
_SETTINGS = re.compile(r"(?:^|/)settings(?:/(?:base|common|prod\w*|production|__init__))?\.py$")


class _File:
    """One file."""

    def __init__(self, path: str, tree: ast.Module) -> None:
        self._path, self._tree = path, tree
        self._nodes = [*ast.walk(tree)]
        self._names = dict(self._imported())
        self._aliases: dict[str, str] = {}
        for node in self._nodes:
            self._alias(node)

    def told(self) -> Iterator[Weakness]:
        for node in self._nodes:
            if isinstance(node, ast.Call):
                yield from self._of_call(node)
            elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
                yield from self._of_assignment(node)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield from self._of_secret(node)
        web = Application(self._nodes, called=self._called, modules=self._modules)
        for strangers in web.strangers():
            yield from self._of_view(strangers, web.gives_a_page(strangers.function))

    # --- names ---

    def _imported(self) -> Iterator[tuple[str, str]]:
        for node in self._nodes:
            if isinstance(node, ast.Import):
                for a in node.names:
                    yield (a.asname, a.name) if a.asname else (a.name.split(".")[0],) * 2
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield from ((a.asname or a.name, f"{node.module}.{a.name}") for a in node.names)

    def _called(self, node: ast.expr) -> str:
        """Dotted name by what was imported; a builtin's own; empty: nobody can say."""
        match node:
            case ast.Name(id=name):
                return self._names.get(name) or self._aliases.get(name, name)
            case ast.Attribute(value=value, attr=attr):
                before = self._called(value)
                name = f"{before}.{attr}" if before else ""
                return self._aliases.get(name, name)
            case ast.Call(func=func):
                made = self._called(func)
                return f"{made}()" if made in _CLIENTS else ""
        return ""

    def _alias(self, node: ast.AST) -> None:
        """Of names that stand for something imported, as in `run = subprocess.run`, and for what
        asks other servers."""
        match node:
            case ast.Assign(targets=[target], value=value):
                pass
            case ast.withitem(context_expr=value, optional_vars=ast.Name() as target):
                pass
            case _:
                return
        name, made = self._called(target), self._called(value)
        if name and made and (made.endswith("()") or self._is_imported(value)):
            self._aliases[name] = made

    def _is_imported(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Attribute) and last_name(node.value) in self._names

    @functools.cached_property
    def _mappings(self) -> Mapping[str, list[ast.Dict | ast.Call]]:
        """Mappings that a name is given, in the order of the file."""
        found: dict[str, list[ast.Dict | ast.Call]] = {}
        for node in self._nodes:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict() as value):
                    found.setdefault(name, []).append(value)
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(
                    func=ast.Name(id="dict")) as value):  # fmt: skip
                    found.setdefault(name, []).append(value)
        for values in found.values():
            values.sort(key=lambda value: value.lineno)
        return found

    def _options(self, call: ast.Call) -> dict[str, ast.expr]:
        """What is given by name, also in a mapping."""
        found: dict[str, ast.expr] = {}
        for keyword in call.keywords:
            value: ast.expr | None = keyword.value
            if keyword.arg:
                found[keyword.arg] = keyword.value
                continue
            if isinstance(value, ast.Name):  # in another function it may be another
                given = self._mappings.get(value.id, [])
                value = next((g for g in reversed(given) if g.lineno <= call.lineno), None)
            if isinstance(value, ast.Dict):
                pairs = zip(value.keys, value.values, strict=True)
                found |= {str(k.value): v for k, v in pairs if isinstance(k, ast.Constant)}
            elif isinstance(value, ast.Call):
                found |= {k.arg: k.value for k in value.keywords if k.arg}
        return found

    @functools.cached_property
    def _modules(self) -> frozenset[str]:
        return frozenset(name.split(".")[0] for name in self._names.values())

    def _uses(self, *modules: str) -> bool:
        return not self._modules.isdisjoint(modules)

    def _weakness(
        self, rule: _Rule, node: ast.expr | ast.stmt, confidence: Confidence = Confidence.HIGH
    ) -> Weakness:
        return Weakness(
            rule=f"{TOOL}/{rule.name}",
            path=self._path,
            line=node.lineno,
            end_line=node.end_lineno or node.lineno,
            severity=rule.severity,
            confidence=confidence,
            title=rule.title,
            fix=rule.fix,
            cwe=rule.cwe,
            sources=(TOOL,),
        )

    # --- calls ---

    def _of_call(self, call: ast.Call) -> Iterator[Weakness]:
        name, given = self._called(call.func), self._options(call)
        plain = {keyword.arg for keyword in call.keywords}
        varies = bool(call.args) and not _does_not_vary(call.args[0])
        if name in _STARTS and "shell" not in plain and says(given.get("shell"), True) and varies:
            yield self._weakness(SHELL, call)
        if name == "asyncio.create_subprocess_shell" and varies:
            yield self._weakness(SHELL, call)
        if name in _LOADS or (name == "numpy.load" and says(given.get("allow_pickle"), True)):
            yield self._weakness(PICKLE, call)
        if name == "ruamel.yaml.YAML" and says(given.get("typ"), "unsafe"):
            yield self._weakness(PICKLE, call)
        if name == "shutil.unpack_archive" and "filter" not in given and varies:
            yield self._weakness(ARCHIVE, call, Confidence.MEDIUM)
        if name == "lxml.etree.XMLParser" and says(given.get("resolve_entities"), True):
            yield self._weakness(ENTITIES, call)
        if self._checks_nothing(call, name, given, plain):
            yield self._weakness(VERIFY, call)
        if name in ("jwt.decode", "jose.jwt.decode") and _reads_unsigned(given):
            yield self._weakness(TOKEN, call)
        mode = next((a for a in call.args[1:2] if isinstance(a, ast.Attribute)), None)
        if mode is not None and mode.attr == "MODE_ECB" and self._uses("Crypto", "Cryptodome"):
            yield self._weakness(ECB, call)
        if name.endswith(".config.update") and says(given.get("DEBUG"), True):
            yield self._weakness(DEBUG, call)
        hidden = "debug" not in plain and says(given.get("debug"), True)
        if name.endswith(".run") and hidden and self._uses("flask"):
            yield self._weakness(DEBUG, call)

    def _checks_nothing(
        self, call: ast.Call, name: str, given: Mapping[str, ast.expr], plain: set[str | None]
    ) -> bool:
        module, _, method = name.partition(".")
        method = method.rpartition(".")[2]
        if says(given.get("verify"), False) and self._uses("requests", "httpx"):
            # bandit knows those of the module itself.
            known = module in ("requests", "httpx") and "verify" in plain and "()" not in name
            return not known and (method in _METHODS or module in ("requests", "httpx"))
        if self._uses("aiohttp") and method in (*_METHODS, "TCPConnector", "ws_connect"):
            return says(given.get("ssl"), False) or says(given.get("verify_ssl"), False)
        none = given.get("cert_reqs")
        told = says(none, "CERT_NONE") or (
            none is not None and self._called(none) == "ssl.CERT_NONE"
        )
        return told and module in ("urllib3", "ssl")

    # --- what is given a value ---

    def _of_assignment(self, node: ast.Assign | ast.AnnAssign) -> Iterator[Weakness]:
        value = node.value or node.target if isinstance(node, ast.AnnAssign) else node.value
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            name = last_name(target)
            match target:
                # An attribute of its own says what a class begins with.
                case ast.Attribute(value=ast.Name(id="self")):
                    pass
                case ast.Attribute(attr="verify") if says(value, False):
                    if self._uses("requests", "httpx"):
                        yield self._weakness(VERIFY, node)
                case ast.Attribute(attr="verify_mode") if self._called(value) == "ssl.CERT_NONE":
                    yield self._weakness(VERIFY, node)
                case ast.Attribute(attr="check_hostname") if says(value, False):
                    if self._uses("ssl"):
                        yield self._weakness(HOSTNAME, node)
                case ast.Attribute(attr="debug") if says(value, True) and self._uses("flask"):
                    yield self._weakness(DEBUG, node)
                case ast.Subscript(value=ast.Attribute(attr="config"), slice=ast.Constant(
                    value="DEBUG")) if says(value, True) and self._uses("flask"):  # fmt: skip
                    yield self._weakness(DEBUG, node)
                case ast.Name(id="DEBUG") if says(value, True) and _SETTINGS.search(self._path):
                    if node in self._tree.body:
                        yield self._weakness(DEBUG, node)
            if _is_secret(name) and self._is_chance(value):
                yield self._weakness(CHANCE, node)

    def _is_chance(self, value: ast.expr | None) -> bool:
        """Whether it is made up by chance, rather than chosen among what there is."""
        calls = [n for n in ast.walk(value) if isinstance(n, ast.Call)] if value else []
        joined = any(isinstance(c.func, ast.Attribute) and c.func.attr == "join" for c in calls)
        for call in calls:
            name = self._called(call.func)
            letters = any(isinstance(n, ast.Attribute) and self._called(n).startswith("string.")
                          for argument in call.args for n in ast.walk(argument))  # fmt: skip
            if name in _RANDOM or (name in _CHOOSES and (joined or letters)):
                return True
        return False

    def _of_secret(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Weakness]:
        for node in own_nodes(function) if _is_secret(function.name) else ():
            if isinstance(node, ast.Return) and self._is_chance(node.value):
                yield self._weakness(CHANCE, node)

    # --- what a request reaches ---

    def _of_view(self, strangers: Strangers, page: bool) -> Iterator[Weakness]:
        for call in strangers.calls():
            if rule := self._reached(call, strangers):
                yield self._weakness(rule, call, Confidence.MEDIUM)
        for value in strangers.values() if page else ():
            if isinstance(value, ast.Tuple) and value.elts:  # with a status beside it
                value = value.elts[0]
            if isinstance(value, (ast.JoinedStr, ast.BinOp)) and strangers.reach(value):
                yield self._weakness(PAGE, value, Confidence.MEDIUM)

    def _reached(self, call: ast.Call, strangers: Strangers) -> _Rule | None:
        """What of a request's words becomes of them in a call."""
        name, method, options = self._called(call.func), last_name(call.func), self._options(call)
        place = call.func.value if isinstance(call.func, ast.Attribute) else None
        if place and method in _OF_PATHS and self._is_path(place) and strangers.reach(place):
            return FILE
        asks = method in _METHODS and name.rpartition(".")[0] in _ASK
        named = (options[key] for key in _FIRST if key in options)
        # Behind the word GET, where the method is given.
        first = next(iter(call.args[asks and method == "request" :]), None) or next(named, None)
        if first is None or not strangers.reach(first):
            return None
        rule = ADDRESS if asks else _REACHED.get(name)
        if rule in (ADDRESS, REDIRECT):
            return rule if strangers.begin(first) else None
        if rule is PAGE:
            kinds = [options[kind] for kind in _KINDS_OF_PAGES if kind in options]
            html = any(says(kind, "text/html") for kind in kinds)
            return PAGE if html or not (kinds or name.startswith("aiohttp")) else None
        if rule:
            return rule
        if method in _QUERIES:
            return QUERY if method == "extra" or strangers.is_query(first) else None
        if name in _STARTS and isinstance(first, ast.List) and first.elts:
            return PROGRAM if strangers.begin(first.elts[0]) else None
        if method == "save":
            return FILE if place and strangers.reach(place) else None
        return TEMPLATE if method == "from_string" else None

    def _is_path(self, node: ast.expr) -> bool:
        match node:
            case ast.Call(func=func):
                return self._called(func) == "pathlib.Path" or last_name(func) == "joinpath"
            case ast.BinOp(op=ast.Div()):
                return True
            case ast.Name():
                return self._uses("pathlib")
        return False


_CLIENTS = frozenset(
    {
        *("requests.Session", "requests.session", "httpx.Client", "httpx.AsyncClient"),
        *("aiohttp.ClientSession", "urllib3.PoolManager"),
    }
)
_ASK = frozenset({"requests", "httpx", *(f"{client}()" for client in _CLIENTS)})
_FIRST = (
    "url",
    "content",
    "response",
    "text",
    "body",
    "location",
    "path",
    "source",
    "sql",
    "where",
)
"""What the first argument is called where it is given by name."""
_QUERIES = frozenset(
    {
        *("execute", "executemany", "executescript", "raw", "exec_driver_sql", "extra"),
        *("fetch", "fetchrow", "fetchval", "read_sql", "RawSQL"),
    }
)
_KINDS_OF_PAGES = frozenset({"content_type", "mimetype", "media_type"})
_OF_PATHS = frozenset({"read_text", "read_bytes", "write_text", "write_bytes", "open", "unlink"})
_REACHED = {
    name: rule
    for rule, names in (
        (FILE, "open io.open codecs.open os.open aiofiles.open flask.send_file shutil.copy"),
        (FILE, "os.remove os.unlink os.listdir os.rmdir shutil.rmtree django.http.FileResponse"),
        (FILE, "fastapi.responses.FileResponse starlette.responses.FileResponse"),
        (FILE, "aiohttp.web.FileResponse"),
        (ADDRESS, "urllib.request.urlopen urllib.request.Request urllib.request.urlretrieve"),
        (REDIRECT, "flask.redirect werkzeug.utils.redirect bottle.redirect"),
        (REDIRECT, "django.shortcuts.redirect django.http.HttpResponseRedirect"),
        (REDIRECT, "fastapi.responses.RedirectResponse starlette.responses.RedirectResponse"),
        (
            REDIRECT,
            "aiohttp.web.HTTPFound aiohttp.web.HTTPSeeOther aiohttp.web.HTTPMovedPermanently",
        ),
        (TEMPLATE, "flask.render_template_string jinja2.Template mako.template.Template"),
        (TEMPLATE, "django.template.Template"),
        (PAGE, "flask.make_response flask.Response markupsafe.Markup aiohttp.web.Response"),
        (PAGE, "fastapi.responses.HTMLResponse starlette.responses.HTMLResponse"),
        (PAGE, "django.http.HttpResponse django.utils.safestring.mark_safe"),
        (CODE, "eval exec"),
    )
    for name in names.split()
}
"""What a request's words do in the first argument, by who is called."""


def _is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None and _AMOUNT.search(name) is None


def _reads_unsigned(given: Mapping[str, ast.expr]) -> bool:
    if says(given.get("verify"), False):
        return True
    options = given.get("options")
    if isinstance(options, ast.Dict):
        pairs = zip(options.keys, options.values, strict=True)
        if any(says(k, "verify_signature") and says(v, False) for k, v in pairs):
            return True
    allowed = given.get("algorithms")
    return isinstance(allowed, (ast.List, ast.Tuple)) and any(
        isinstance(a, ast.Constant) and str(a.value).lower() == "none" for a in allowed.elts
    )


def _does_not_vary(node: ast.expr) -> bool:
    if isinstance(node, (ast.List, ast.Tuple)):
        return all(map(_does_not_vary, node.elts))
    return isinstance(node, ast.Constant)
