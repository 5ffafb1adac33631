"""What the text of a change shows of playing against the ruler; runs nothing.

What is certain is refused: a patched clock and an object that equals everything, in a language
that the ruler runs, and a comment that silences a tool whose findings are the metric. A short list
of loud signs is told and decides nothing. Only what the change adds counts. Reading a text finds
few cheats, and none of somebody who hides them: what a run may reach and leave behind is the
sandbox's business, and a holdout that no proposer knows is the answer to the rest.
"""

from __future__ import annotations

import ast
import posixpath
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from autoresearch_ci.decide.suppressions import added
from autoresearch_ci.experiment import Texts

_BYTES_LIMIT = 2 * 2**20
"""Of one file; a larger one is data."""
_ENDINGS = {
    **dict.fromkeys((".py", ".pyw"), "Python"),
    **dict.fromkeys((".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx"), "JavaScript"),
}
_RUN = {
    "Python": r"\b(i?python[\d.]*|pypy[\d.]*|pytest|tox|nox)\b|\.py\b",
    "JavaScript": r"\b(node|npm|npx|pnpm|yarn|bun|deno|jest|vitest|mocha)\b|\.[cm]?[jt]sx?\b",
}
_COUNTS_FINDINGS = re.compile(
    r"lint|ruff|flake8|mypy|pyright|\btsc\b|\bcov|warning|Wall|sonar|semgrep|bandit|pre-commit"
    r"|clippy|rubocop|phpstan|psalm|detekt|shellcheck|codeql"
)
_FINDER = re.compile(
    r"lint|ruff|flake8|mypy|pyright|\btsc\b|vulture|bandit|semgrep|codespell|clippy|\bvet\b|rubocop"
    r"|phpstan|psalm|detekt|shellcheck|cppcheck|clang-tidy|-W(all|extra|error)\b"
)
_COUNTS = re.compile(
    r"\bwc\b|\bgrep\b.{0,200}\s(-\w*c\w*|--count)\b|--(count|statistics)\b|\buniq -c|\bNR\b"
    r"|\blength\b|\b(len|count|findall)\(|\+= *1\b|\+\+"
)
_COVERS = re.compile(
    r"\bscore problems\b|--cov\b|\bcoverage (run|report|json|xml)\b|--coverage\b|-cover(profile)?\b"
    r"|\b(nyc|c8|gcovr|lcov|llvm-cov|simplecov)\b|jacoco|tarpaulin"
)
_FINDINGS = re.compile(
    r"errors|warnings|findings|violations|problems|issues|rated\b|lint|(?:error|warning)Count",
    re.IGNORECASE,
)
_REACH = 400
"""Characters behind a tool's name in which its findings are counted."""
_COMMENT = re.compile(r"\s*(//|\*[ /]|#(?![!\[]|if)|--|%|;;)")
_TEST = re.compile(r"(^|[_/])(tests?|testing|conftest|spec)([_/.]|$)")


@dataclass(frozen=True, kw_only=True)
class Ruler:
    """What is known of the metric, the guards and the holdout."""

    names: Sequence[str] = ()
    """Of the numbers, as in `name: value`."""
    patterns: Sequence[str] = ()
    """Regular expressions that find a number in the output."""
    keys: Sequence[str] = ()
    """In JSON, of the numbers."""
    files: Sequence[str] = ()
    """Paths of the frozen files that the commands name, and of the reports that they write."""
    silenceable: bool = False
    """Whether the metric counts what a tool finds or covers, which a comment can make better."""
    text: str | None = None
    """What the commands run, as far as it can be read; `None`: any language may be the ruler's."""

    def runs(self, path: str) -> bool:
        """Whether it runs code of the language that this file is in, and we can read."""
        language = _ENDINGS.get(posixpath.splitext(path)[1])
        if language is None or self.text is None:
            return language is not None
        return re.search(_RUN[language], self.text) is not None

    @property
    def counts_findings(self) -> bool:
        """Whether a comment that silences a tool could make a number better."""
        return self.text is not None and _COUNTS_FINDINGS.search(self.text) is not None

    def names_file(self, text: str) -> bool:
        """Whether `text` is the path of one of its files, the end of it, or leads to it."""
        plain = text.removeprefix("./")
        return "." in posixpath.basename(plain) and any(
            plain == path or path.endswith(f"/{plain}") or plain.endswith(f"/{path}")
            for path in self.files
        )


def silenceable(measured: str, read: Iterable[str] = ()) -> bool:
    """Whether the number is how much a tool finds or covers, which comments better.

    `measured`: what the metric runs. `read`: how the number is called, or found in the output. A
    tool whose time is measured is named, too, and nothing is counted behind its name.
    """
    tools = [found.end() for found in _FINDER.finditer(measured)]
    if _COVERS.search(measured) or (tools and any(map(_FINDINGS.search, read))):
        return True
    counts = [found.start() for found in _COUNTS.finditer(measured)]
    return any(bisect_left(tools, at - _REACH) < bisect_right(tools, at) for at in counts)


def certain(before: Texts, after: Texts, ruler: Ruler) -> str:
    """Why a change is refused, with file and line; empty: it is not. Tests may patch what they
    like: what they check is compared elsewhere."""
    found = _new(before, after, lambda path, text: _certain(path, text, ruler))
    if ruler.silenceable:
        found += map(str, added(before, after, _BYTES_LIMIT))
    return f"plays against the ruler: {', '.join(found[:3])}" if found else ""


def loud(before: Texts, after: Texts, ruler: Ruler) -> list[str]:
    """What to look at twice, as `work.py:3 reaches into its caller: sys._getframe`; what would be
    refused in a language that the ruler runs, too."""
    anywhere = replace(ruler, text=None)
    found = _new(before, after, lambda path, text: _certain(path, text, anywhere))
    found += _new(before, after, lambda path, text: _loud(text, ruler))
    if ruler.counts_findings:
        found += map(str, added(before, after, _BYTES_LIMIT))
    return found


def knows_of_tests(before: Texts, after: Texts) -> Iterator[tuple[str, int, str]]:
    """Path, line and words where code does something else when a test runs it, takes its answers
    from a test, or says in its place how it ended."""
    for path, line, what in _places(before, after, lambda _, text: _loud(text, Ruler())):
        if what.partition(":")[0] in (ASKS, CALLER, PATCHES, READS, RUNS_TESTS, TAKES, ENDS):
            yield path, line, what


_Look = Callable[[str, str], Iterable[tuple[int, str]]]


def _new(before: Texts, after: Texts, look: _Look) -> list[str]:
    return [f"{path}:{line} {what}" for path, line, what in _places(before, after, look)]


def _places(before: Texts, after: Texts, look: _Look) -> list[tuple[str, int, str]]:
    """What stands in no file of `before`: code may move, and be refactored."""
    known = {what for path, content in before.items() for _, what in look(path, _text(content))}
    found: dict[str, tuple[str, int, str]] = {}
    for path, content in sorted(after.items()):
        for line, what in look(path, _text(content)):
            if what not in known:
                found.setdefault(what, (path, line, what))
    return list(found.values())


def _text(content: bytes | None) -> str:
    if content is None or len(content) > _BYTES_LIMIT or b"\0" in content[:8000]:
        return ""
    return content.decode(errors="replace")


# --- what is certain ------------------------------------------------------------------------------

_SCRIPT_CLOCK = re.compile(
    r"\b(Date\.now|performance\.now|process\.hrtime(\.bigint)?)\s*=(?![=>])"
    r"|\b(globalThis|global|window)\.(Date|performance)\s*=(?![=>])"
    r"|\b(defineProperty|assign)\(\s*((globalThis|global)\.)?(Date|performance)\b"
)
_CLOCKS = frozenset({"time", "datetime", "datetime.datetime", "timeit"})
_OF_A_CLOCK = re.compile(
    r"((time|perf_counter|monotonic|process_time|thread_time|clock_gettime)(_ns)?|sleep|ctime"
    r"|gmtime|localtime|asctime|strftime|mktime|get_clock_info|date|datetime|now|utcnow|today"
    r"|fromtimestamp|default_timer|timeit|repeat|Timer|autorange)?"
)
"""What measures with them; empty: not known."""
_PATCHERS = frozenset({"freezegun", "time_machine"})


def _certain(path: str, text: str, ruler: Ruler) -> Iterator[tuple[int, str]]:
    if _TEST.search(path.lower()) or not ruler.runs(path):
        return
    if _ENDINGS[posixpath.splitext(path)[1]] == "JavaScript":
        for number, line in _code(text):
            if match := _SCRIPT_CLOCK.search(line):
                yield number, f"patches the clock: {_shown(match)}"
        return
    try:
        tree = ast.parse(text)
        imported = _Imports(tree)
        for node in ast.walk(tree):
            for what in (*_patches(node, imported), *_equals_everything(node)):
                yield getattr(node, "lineno", 1), what
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # what cannot be read is not certain


class _Imports:
    """What the names of a module stand for."""

    def __init__(self, tree: ast.Module) -> None:
        self._names: dict[str, str] = {"setattr": "setattr", "vars": "vars"}
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
            return self._names.get(node.id, "")
        if isinstance(node, ast.Attribute):
            below = self.dotted(node.value)
            return f"{below}.{node.attr}" if below else ""
        return ""


def _patches(node: ast.AST, imported: _Imports) -> Iterator[str]:
    """A clock that the ruler reads as well."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = [p for t in node.targets for p in getattr(t, "elts", [t])]
    elif isinstance(node, ast.AugAssign | ast.AnnAssign | ast.For):
        targets = [node.target]
    for target in targets:
        if isinstance(target, ast.Attribute):
            owner = imported.dotted(target.value)
            if _is_of_clock(owner, target.attr):
                yield f"patches {owner}.{target.attr}"
        elif isinstance(target, ast.Subscript) and (key := _string(target.slice)):
            owner = _namespace(target.value, imported)
            if _is_of_clock(owner, key) or (owner == "sys.modules" and key in _CLOCKS):
                yield f"patches {owner}[{key!r}]"
    if isinstance(node, ast.Call) and imported.dotted(node.func) == "setattr":
        owner = imported.dotted(node.args[0]) if len(node.args) == 3 else ""
        if owner and _is_of_clock(owner, name := _string(node.args[1])):
            yield f"patches {owner}.{name}"
    for name in _imported(node):
        if name.partition(".")[0] in _PATCHERS:
            yield f"patches the clock ({name})"


def _is_of_clock(owner: str, name: str) -> bool:
    """Else it is something else that is called as a clock is, or new in its module."""
    return owner in _CLOCKS and _OF_A_CLOCK.fullmatch(name) is not None


def _namespace(node: ast.expr, imported: _Imports) -> str:
    """Whose attributes a dictionary holds; or what it is called."""
    if isinstance(node, ast.Attribute) and node.attr == "__dict__":
        return imported.dotted(node.value)
    if isinstance(node, ast.Call) and imported.dotted(node.func) == "vars" and node.args:
        return imported.dotted(node.args[0])
    return imported.dotted(node)


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []


def _string(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


_PLEASING = {"__eq__": True, "__ne__": False}
"""Comparisons, and the answer that pleases every assertion."""


def _equals_everything(node: ast.AST) -> Iterator[str]:
    """A comparison that always says so, or that does not compare what it is with the other."""
    for name, method in _methods(node):
        if name in _PLEASING and _constant_answer(method) is _PLEASING[name]:
            yield f"compares equal to everything ({name})"
            return
        if name == "__eq__" and isinstance(node, ast.ClassDef) and _takes_the_other(node, method):
            yield f"compares equal to what it is not ({node.name})"
            return


_NUMBERS = frozenset({"int", "float", "complex", "bool", "Decimal", "Fraction"})
_VALUES = _NUMBERS | {"str", "bytes", "list", "tuple", "dict", "set", "object"}


def _takes_the_other(owner: ast.ClassDef, method: ast.AST) -> bool:
    if not isinstance(method, ast.FunctionDef) or len(method.args.args) < 2:
        return False
    own, other = (argument.arg for argument in method.args.args[:2])
    names = [node for part in method.body for node in ast.walk(part)]
    stores = (isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store) for n in names)
    looks = any(isinstance(n, ast.Name) and n.id == own for n in names)
    kinds = [
        node
        for node in names
        if (isinstance(node, ast.Name) and node.id in _VALUES)
        or (isinstance(node, ast.Constant) and type(node.value) in (int, float, str))
    ]
    asks = any(isinstance(n, ast.Name) and n.id == other for n in names)
    is_number = any(isinstance(base, ast.Name) and base.id in _NUMBERS for base in owner.bases)
    return any(stores) or is_number or (asks and not looks and bool(kinds))


def _methods(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The functions that become methods here, by name."""
    if isinstance(node, ast.Dict):
        yield from ((_string(k), v) for k, v in zip(node.keys, node.values, strict=True) if k)
    elif isinstance(node, ast.ClassDef):
        for item in node.body:
            if isinstance(item, ast.FunctionDef):
                yield item.name, item
            elif isinstance(item, ast.Assign):
                yield from ((t.id, item.value) for t in item.targets if isinstance(t, ast.Name))
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
    others = {a.arg for a in (*parameters.posonlyargs, *parameters.args)[1:]}
    others |= {a.arg for a in (parameters.vararg,) if a}
    if any(isinstance(n, ast.Name) and n.id in others for n in ast.walk(method)):
        return None
    values = {v.value if isinstance(v, ast.Constant) else None for v in returned}
    answer = values.pop() if len(values) == 1 else None
    return bool(answer) if isinstance(answer, bool | int) else None


# --- what is loud ---------------------------------------------------------------------------------

ASKS = "asks whether it is measured"
CALLER = "reaches into its caller"
PATCHES = "patches what tests are judged by"
READS = "reads what tests hold"
ENDS = "ends the process as if all were well"
RUNS_TESTS = "prints what a runner of tests prints"
TAKES = "takes part in tests"
_NO_SETTINGS = (
    r"(?![^\"'\n]{0,80}\.(?:toml|ini|cfg|env)[\"']"
    r"|(?:[^\"'\n]{0,80}/)?[\w.-]{0,40}(?:config|settings|compose|\bci)[\w.-]{0,40}\.ya?ml[\"'])"
)
"""Of what lies with tests, what is no case of theirs; YAML often is."""
_PROCESS = (
    r"(?:\bsys\.(?:modules|argv\b(?!\[1)|flags)|\bfind_spec\(|\bos\.(?:environ|[gG]etenv|Args)\b"
    r"|\bprocess\.(?:env|argv\b(?!\.slice)|execArgv|title)|\brequire\.(?:main|cache)\b|\benv::(?:var|args)"
    r"|\bcurrent_exe\(|\bgetProperty\(|\bClass\.forName\(|\bGetAssemblies\(|\bdefined\??[ (]"
    r"|\bclass_exists\(|\bgetenv\(|\bprogram_invocation_\w*name|\$PROGRAM_NAME\b"
    r"|\bNSClassFromString\(|\bobjc_getClass\(|\bProcessInfo\b|\bBundle\.\w|\bObject\.\w+\(global\w*)"
)
"""What a process knows of itself, in any language."""
_RUNNERS = (
    r"(?i:pytest|unittest|\bnose\b|\bjest|vitest|mocha|jasmine|junit|testng|surefire|rspec|minitest"
    r"|phpunit|xunit|nunit|mstest|gtest|xctest|ctest|\bconftest|--test\b)"
)
_LOUD: Mapping[str, re.Pattern[str]] = {
    what: re.compile(pattern.replace(r"[\"']", r"[\"'`]"))
    for what, pattern in {
        ASKS: (
            r"[\"'](GITHUB_ACTIONS|GITLAB_CI|CONTINUOUS_INTEGRATION|PYTEST\w*)[\"']"
            r"|(\bprocess\.env\.|\b)(JEST_WORKER_ID|VITEST_\w+|NODE_TEST_CONTEXT|RUST_TEST_\w+)\b"
            r"|\bNEXTEST\w*|\bprocess\.env\.(CI|GITHUB_ACTIONS|npm_lifecycle_\w+)\b"
            r"|\bimport\.meta\.(?:vitest|env\??\.VITEST|env\??\.MODE\s*===?\s*[\"']test)\b|\b__(?:vitest|jest|mocha|jasmine)_\w{1,40}"
            r"|\bBATS_(?:TEST|SUITE|RUN)_\w+|\bbats_(?:test|run)\w*|\bHARNESS_ACTIVE\b|\bSHUNIT_(?:TMPDIR|VERSION|PARENT)\b"
            rf"|{_PROCESS}[^\n]{{0,120}}?{_RUNNERS}|[\"'/]_?{_RUNNERS}[^\n]{{0,60}}?{_PROCESS}"
            r"|[\"']test[\"'] in \w{1,20} for \w{1,20} in sys\.argv\b|[\"']_called_from_test"
            r"|\benv::var\w*\(\"CARGO(_MANIFEST_DIR|_PKG_NAME)?\"\)\s*\.is_"
            r"|(\bargv\[0\]|\bprocess\.argv\[1\]|\bcurrent_exe\(|\bArgs\[0\]|\bprogram_invocation_\w*name"
            r"|\$PROGRAM_NAME|\bmain\.filename|\bcurrent\(\)\.name\(|\bflag\.Lookup\()"
            r"[^\n;]{0,60}?[\"'][^\"'\n]{0,20}(?<![A-Za-z])(tests?|specs?|deps)(?![A-Za-z])"
            r"|(\btypeof |\bglobal(This)?\.){1,2}(jest|vi|describe|expect|beforeEach)\b"
            r"|\bglobal(?:This)?\.it\b|[\"'](jest|vi|describe|expect|it)[\"'] in (global|window)"
            r"|\bcfg\(not\(test\)\)|#\s{0,9}if(def|ndef)?\b.{0,200}\b(UNIT_?TEST\w*|TESTING|TEST_BUILD)\b|\bsys\.orig_argv\b|\btesting\.Testing\("
            r"|(?i:env)\w*\W+(get\W+)?[\"']CI[\"']|[\"']CI[\"'] (not )?in os\.environ"
            r"|\bcfg!\((not\()?test\)"
            r"|\bNODE_ENV\b(?!\s*=(?!=))[^\n;]{0,40}[\"']test\b|[\"']test\.v[\"']"
        ),
        CALLER: (
            r"\bsys\._(getframe|current_frames)\b|\.f_(back|globals)\b|\bsys\.set(trace|profile)\b"
            r"|\binspect\.(stack|currentframe|getouterframes)\b|\bStackWalker\b|\bdebug\.Stack\("
            r"|\btraceback\.(extract|format|walk)_stack\b|\bError\.prepareStackTrace\b"
            r"|(?<!\bthis)\.stack\b[^\n]{0,40}\.(includes|match|split|indexOf|search)\(|\bruntime\.Callers?\("
            r"|\bnew Error\([^()\n]{0,60}\)\.stack\b|\bstack\b[^={}\n]{0,40}\} = new Error\b"
            r"|\bgetStackTrace\(|\b(currentThread|Throwable|Exception)\(\)\.stackTrace\b"
            r"|\bEnvironment\.StackTrace\b|\bnew Stack(Trace|Frame)\(|\bdebug_backtrace\("
            r"|\bBacktrace::\w*capture\(\)[^\n;]{0,40}\.to_string|\bsys\.gettrace\("
            r"|\bcaller_locations\b|\bcaller(\(\d?\))?(\.(any|first|find|grep|each|select)|\[\d)"
            r"|\.__globals__\b|\bgc\.get_(objects|referrers)\b|\bimport __main__\b"
            r"|\bsys\.modules(\.get\(|\[)\s*[\"']__main__|\binspect\.getsource\w*\("
        ),
        READS: (
            r"(?i:\bopen|read_?(text|bytes|file\w*)|include_(str|bytes)!|\bload\w*)\([^\n]{0,80}"
            rf"[\"'][^\"'\n]{{0,80}}(?<!\w)(tests?|__tests__|testdata|__snapshots__)/{_NO_SETTINGS}"
            rf"|[\"'][^\"'\n]{{0,80}}(?<!\w)(tests?|__tests__|testdata|__snapshots__)/{_NO_SETTINGS}"
            r"[^\"'\n]{1,80}[\"']\)?\.(read|open)"
        ),
        ENDS: (
            r"(?<!\w)os\._exit\b(?!\s*\()|(?<!\w)(os\._exit|_exit|_Exit|quick_exit|process\.exit|process\.reallyExit|(os|syscall)\.Exit"
            r"|process::exit|System\.exit|exitProcess|Environment\.Exit|System\.halt|exit!)"
            r"\s*\(\s*(0|EXIT_SUCCESS)?\s*\)"
            r"|(?<![\w.:$])exit\s*\(\s*(0|EXIT_SUCCESS)\s*\)|\.halt\(0\)"
            r"|\bprocess\.exitCode\s*=\s*0\b|\btrap\s.{0,300}\bexit 0\b"
            r"|\bkill\s.{0,300}\$\{?PPID\b"
        ),
        RUNS_TESTS: (
            r"\b(?:\w*[Pp]rint\w*|f?puts|write\w*|console|cout|echo|say)\b[^;]{0,300}?"
            r"([\"'`](?:\\n)?(?:--- PASS: |ok(?: |\\t)+\d|TAP version \d|test result: ok"
            r"|# pass \d|PASS(?:\\n)?[\"'`]|\d+ (?:tests? )?pass(?:ed|ing)\b|Ran \d+ tests? in "
            r"|Benchmark[A-Z_]\w*(?:-\d+)?(?: |\\t)).*)"
        ),
        TAKES: (
            r"^\s*(?:import|from) (?:_?pytest|unittest\.mock|mock|nose)\b"
            r"|^\s*from unittest import mock"
            r"|(?:\bfrom|\brequire\()\s*[\"'](?:@jest/globals|vitest|node:test|sinon|chai)[\"']"
            r"|^\s*import (?:static )?org\.(?:junit|mockito|assertj)\b|\bunittest\.SkipTest\b"
        ),
        "patches what is printed": (
            r"\bsys\.(__)?std(out|err)(__)?\s*=(?!=)|\bbuiltins\.print\s*=(?!=)|\bSystem\.setOut\("
            r"|\bconsole\.\w+\s*=(?![=>])|\bprocess\.stdout\.write\s*=(?![=>])|\bConsole\.SetOut\("
        ),
        PATCHES: (
            r"\b(_?pytest|unittest|builtins|(?<!\.)(math|operator|warnings))\.(?!showw|formatw)[\w.]+"
            r"\s*=(?!=)"
            r"|\b(Object\.assign|defineProperty|mock\.method)\(\s*assert\b|\bassert\[[^\]]+\]\s*=(?!=)"
            r"|\bsys\.(meta_path|path_hooks)\b|\.__code__\s*=(?!=)"
            r"|\bsetattr\(\s*(_?pytest|unittest|builtins|math|operator|warnings)\b|\b__builtins__\b"
            r"|^\s*(?:async\s+)?to(?:Be(?:CloseTo|Defined|Truthy)?|(?:Strict)?Equal|Match(?:Object)?|Throw(?:Error)?"
            r"|Contain(?:Equal)?|Have(?:Length|Property|BeenCalled\w*))\s*\([^()\n]{0,99}\)\s*\{"
            r"|\bexpect\.extend\(\{\s*to[A-Z]|\bassert\.\w+\s*=(?![=>])|\bdef pytest_\w+\("
            r"|\brequire\(\s*[\"'](node:)?assert(/strict)?[\"']\s*\)[\w.]*\s*=(?![=>])"
            r"|\b(Array|Object|String|Number|Boolean|Map|Set)\.prototype\.(every|some|includes|indexOf|map"
            r"|filter|sort|join|toString|valueOf|hasOwnProperty|has|equals)\s*=(?!=)"
            r"|\b(Object\.is|JSON\.stringify|Array\.isArray|Math\.\w+)\s*=(?![=>])"
        ),
        "patches the clock": (
            r"\bint\s+(clock_gettime|gettimeofday)\s*\([^;]*\{|\bclock_t\s+clock\s*\([^;]*\{"
            r"|\bdef (self|Process)\.clock_gettime\b|\*Time::HiRes::\w+\s*=|\bos\.clock\s*=(?!=)"
        ),
    }.items()
}


def _loud(text: str, ruler: Ruler) -> Iterator[tuple[int, str]]:
    for number, line in _code(text):
        for what, pattern in _LOUD.items():
            if match := pattern.search(line):
                yield number, f"{what}: {_shown(match)}"
        for name in re.findall(r"[\"']([^\"'\s]+\.\w+)[\"']", line) if ruler.files else ():
            if ruler.names_file(name):
                yield number, f"reaches for the ruler's own {name}"


def _code(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not _COMMENT.match(line):
            yield number, line


def _shown(match: re.Match[str]) -> str:
    return match.group().strip()[:40]
