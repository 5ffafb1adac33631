"""Shortcuts outside of tests: errors that are swallowed, failures
that pipelines ignore, installs that are forced, code of others that is patched.

Comments that suppress a finding are another table's business.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from autoresearch_ci.config import reader
from autoresearch_ci.decide.failures.shortcuts import claimed
from autoresearch_ci.decide.failures.shortcuts.claimed import Signs
from autoresearch_ci.decide.failures.shortcuts.other_tests import blanked, without_comments
from autoresearch_ci.decide.failures.shortcuts.suite import Shortcut
from autoresearch_ci.decide.python_syntax import parsed
from autoresearch_ci.errors import ConfigError


@dataclass(frozen=True)
class _Habit:
    rule: str
    what: str
    files: str
    pattern: str


_NOTHING = r"(?: +(?:null|undefined|nullptr|NULL|None|nil|false|0|\" *\"|' *'|\[\]|\{\}))?\s*"
_SCRIPT, _JVM = r"\.[cm]?[jt]sx?$", r"\.(java|kt|scala|cs)$"
_PIPELINE = (
    r"(^|/)(\.github/.*\.ya?ml|action\.ya?ml|\.gitlab-ci\.yml|\.circleci/.*|azure-pipelines\.yml"
    r"|Jenkinsfile|[Mm]akefile|GNUmakefile|.*\.mk|justfile|Taskfile\.ya?ml|tox\.ini|noxfile\.py"
    r"|package\.json|Dockerfile[^/]*|\.pre-commit-config\.yaml|\.npmrc|pip\.conf)$|\.(sh|bash|zsh)$"
)
_TOOL = r"(?:python3?|pytest|ruff|mypy|npm|npx|node|tsc|eslint|jest|vitest|go|cargo|make|mvn)"
_HABITS = (
    _Habit(
        "test-recognised",
        "compares equal to everything",
        rf"{_JVM}|{_SCRIPT}|\.(rs|cc|cpp|cxx|h|hpp|rb|swift)$",
        r"\bboolean equals\([^)]*\)\s*\{\s*return true;|\bvalueOf\(\)\s*\{\s*return\s*[\"'`\d;]"
        r"|\bfn eq\([^)]*\)\s*->\s*bool\s*\{\s*true\s*\}"
        r"|\boperator==\s*\([^)]*\)[^{;]{0,20}\{\s*return true;|\bdef ==\([^)]*\)\s*true\b"
        r"|\bbool Equals\([^)]*\)\s*(?:=>\s*true|\{\s*return true;)",
    ),
    _Habit(
        "assertion-weakened",
        "says what assertions do",
        r"^(?!(.*[/_.-])?(tests?|check|spec)[/_.-]).*\.(c|cc|cpp|cxx|h|hpp)$",
        r"(?m:^[ \t]*#\s*(?:define|undef)\s+(?:assert|NDEBUG)\b)",
    ),
    _Habit(
        "scanner-silenced",
        "uses what nobody needs, so that no tool tells of it",
        rf"{_SCRIPT}|\.(c|cc|cpp|cxx|h|hpp|go|py)$",
        r"(?m:^[ \t]*_\s*=\s*(?!\w*gettext)(?P<idle>[A-Za-z]\w*)\s*;?\s*$)"
        r"|(?m:^[ \t]*void [A-Za-z]\w*;\s*$)"
        r"|(?m:^[ \t]+(?:const )?\w+[\s*]+(?P<unused>\w+)(?:\s*=[^;\n]*)?;\s*$)"
        r"[^{}]{0,400}?\(void\)\s*(?P=unused)\s*;",
    ),
    _Habit(
        "scanner-silenced",
        "keeps code in a text, where no tool looks",
        rf"{_SCRIPT}|\.py$",
        r"(?<![\w.])(?:(?:exec|eval)\(|(?:compile|__import__)\(\s*[brf]?[\"'])|\bnew Function\(",
    ),
    _Habit(
        "error-swallowed",
        "catches an error and does nothing",
        rf"{_SCRIPT}|{_JVM}|\.(c|cc|cpp|cxx|h|hpp|php|swift)$",
        rf"\bcatch\s*(?:\([^()]*\))?\s*\{{\s*(?:return{_NOTHING})?;?\s*\}}"
        rf"|\.(?:catch|then)\(\s*(?:[^;\n]{{0,300}},\s*)?(?:(?:\(\w*\)|\w+)\s*=>|function\s*\(\w*\))\s*"
        rf"(?:\{{\s*(?:return{_NOTHING})?;?\s*\}}|undefined|null)\s*\)"
        r"|\bfinally\s*\{[^{}]*\breturn\b",
    ),
    _Habit(
        "error-swallowed",
        "ignores an error",
        r"\.go$",
        r"if err != nil \{\s*(?:return(?: *(?:nil|0|false|\"\"|\" *\"),)* *nil\s*)?\}"
        r"|(?m:^[ \t]*err\s*=\s*nil\b)"
        r"|(?m:(?:^|[{;])[^\S\n]*_\s*(?:,\s*_\s*)?=(?!\s*[\w.]+\.(?:Close|Rollback)\(\)\s*return\b.*\berr)\s*\w[\w.]*\()|,\s*_\s*:?=\s*\w[\w.]*\("
        r"|(?m:^[ \t]*_\s*=\s*err\b)|\brecover\(\)\s*(?:\n|;|\})",
    ),
    _Habit(
        "error-swallowed",
        "gives up on an error or drops it",
        r"\.rs$",
        r"\.unwrap_unchecked\(\)|\.unwrap_or_default\(\)|\.unwrap_or_else\(\|_"
        r"|(?m:^[^\S\n]*let\s+_\s*=(?!\s*write(?:ln)?!))|\.ok\(\)\s*;|(?m:^[^\S\n]*drop\(\w+\()|\b(?:todo|unimplemented)!"
        r"|Err\(_\w*\)\s*=>\s*(?:\{\s*\}|\(\)|Default::default\(\))",
    ),
    _Habit(
        "error-swallowed",
        "gives up on an error or drops it",
        r"\.(rb|php)$",
        r"\brescue\s+nil\b|\brescue\b[^;\n]{0,99}[;\n]\s{0,99}end\b|\berror_reporting\(\s*0"
        r"|(?m:^(?![ \t]*[/*#])[^\n@]{0,200}(?<![\w$\"'.])@\$?\w{1,99}\()",
    ),
    _Habit(
        "error-swallowed",
        "claims that it is not null, or drops what it throws",
        r"\.(kts?|cs|swift)$",
        r"[\w)\]]!!?[.\[]|\w!!(?=[\s,;)])|\btry!|\bas!|\brunCatching\s*\{[^{}\n]{0,300}\}\s*(?:\n|\}|$)",
    ),
    _Habit(
        "failure-ignored",
        "ignores that a command fails",
        _PIPELINE,
        r"\|\|\s*(?:true|:|exit 0|echo\b[^\n\"]*)|;\s*(?:true|exit 0)\s*(?:$|\"|\n)"
        r"|\bset \+(?:e|o pipefail)\b"
        r"|(?m:^\t\s*@?-(?!-)\w)|(?m:^\.IGNORE\b)|(?m:^MAKEFLAGS\b[^=\n]*=.*-\w*[ik])"
        r"|\btrap\b.{0,300}\bexit 0\b|\btrap (?:''|\"\"|:) ERR\b"
        r"|\bif !? *(?:pytest|npm|npx|make|ruff|mypy|go|cargo|ctest|mvn)\b.{0,300}; *then"
        r"|(?m:^commands\s*=\s*- )"
        r"|--exit-zero\b|--passWithNoTests\b|--no-fail\b|--warn-only\b"
        r"|\bwhen:\s*(?:never|manual|on_fail\w*)\b"
        r"|(?m:^[ \t]*-?\s*continue-on-error:\s*(?!false)\S)|(?m:^[ \t]*allow_failure:\s*true)"
        r"|(?m:^[ \t]*-?\s*if:\s*(?:false|\$\{\{\s*false\s*\}\}))|ignore_outcome\s*=\s*true"
        r"|success_codes\s*=",
    ),
    _Habit(
        "failure-ignored",
        "changes what a checker does",
        _PIPELINE,
        r"\b(?:PYTHONOPTIMIZE|PYTEST_(?:ADDOPTS|PLUGINS|DISABLE\w*)|NODE_NO_WARNINGS|RUFF_\w+|HUSKY)"
        r"[\"']?\s*[=:]|(?m:^[ \t]*-?\s*(?:export )?SKIP\s*[=:])"
        r"|\bPYTHONWARNINGS[\"']?\s*[=:]\s*[\"']?(?!error)\w"
        rf"|(?m:^[ \t]*(?:function )?{_TOOL}\s*\(\)\s*\{{)|(?m:^[ \t]*alias {_TOOL}=)",
    ),
    _Habit(
        "failure-ignored",
        "leaves out what a hook looked at",
        r"(^|/)\.pre-commit-config\.yaml$",
        r"(?m:^[ \t]*-?\s*(?:exclude|stages):\s*\S.*)",
    ),
    _Habit(
        "install-forced",
        "forces an install",
        _PIPELINE,
        r"\b(?:npm|pnpm|yarn|bun)\b[^\n|;&\"]{0,300}\s(?:--force|-f|--legacy-peer-deps"
        r"|--ignore-engines"
        r"|--no-frozen-lockfile|--strict-peer-dependencies=false)\b|\bpip3?\b[^\n|;&]{0,300}\s(?:--no-deps"
        r"|--ignore-requires-python|--force-reinstall|--break-system-packages)\b"
        r"|--no-verify\b|--allow-unauthenticated\b|--force-yes\b|\bGOFLAGS=-mod=mod\b|GONOSUMDB"
        r"|GONOSUMCHECK|GOFLAGS=-insecure|--cap-lints\b|--ignore-platform-reqs?\b"
        r"|\bcargo install\b[^\n|;&]{0,300}\s(?:--force|-f)\b"
        r"|\bPIP_(?:NO_DEPS|BREAK_SYSTEM_PACKAGES)=1"
        r"|(?m:^[ \t]*(?:legacy-peer-deps|force|no-deps|ignore-engines)\s*=\s*true)",
    ),
)
_LANGUAGES = re.compile(rf"{_SCRIPT}|{_JVM}|\.(py|go|rs|c|cc|cpp|rb|php)$")
_OPENS_FILES = re.compile(
    r"(?<![\w.])open\(|\bread_(?:text|bytes|to_string)\b|\breadFile\w*\(|\bReadFile\(|\bfopen\("
    r"|\bFile(?:::open|\.read)|\bFiles\.(?:read|lines)|\bos\.Open\("
)
_LOOKS_FOR = re.compile(
    r"\b(?:[ri]?glob|walk|listdir|scandir|iterdir|readdir(?:Sync)?|ReadDir|WalkDir|Glob|read_dir|listFiles"
    r"|globSync|chr|fromhex|fromCharCode)\(|__file__[^\n]*\.parent\.parent"
)
"""For others' files, and how names of files are written that nobody should read."""
_VENDORED = re.compile(
    r"(^|/)(vendor|node_modules|third_party|thirdparty|site-packages)/|(^|/)patches/.*\.patch$"
    r"|(^|/)\.yarn/patches/"
)
_STUB = re.compile(r"^(?!(.*/)?(stubs|typings|[^/]*-stubs)/).*\.pyi$")
_LIMIT = re.compile(
    r"(?im)\b(?:timeout[-_]minutes|test[-_]?timeout|timeout|max[-_]time|deadline)[\"']?\s*[:=]\s*"
    r"[\"']?(?P<limit>\d+(?:\.\d+)?)|(?:-?-timeout[= ]|\btimeout +(?:-\w+ +\w+ +)?|\bTIMEOUT +)"
    r"(?P<flag>\d+(?:\.\d+)?)(?P<unit>[smh](?![a-z]))?"
)


def swallowed(path: str, before: str | None, after: str | None) -> Iterator[Shortcut]:
    """What a file does of this that it did not do before, or did less often."""
    if _VENDORED.search(path) and before != after:
        what = "is code of others that is patched here"
        yield Shortcut(rule="vendored-patch", path=path, line=1, what=what)
        return
    if after is None:
        return
    if path.endswith((".py", ".pyi")):
        yield from _new(path, *_python_twice(before or "", after))
    if before is None and _STUB.search(path):
        what = "is read instead of the code beside it, which nothing checks then"
        yield Shortcut(rule="type-unchecked", path=path, line=1, what=what)
    if re.search(r"\.([cm]?tsx?|rs)$", path):
        yield from _new(path, *claimed.of_text(path, before or "", after))
    if (
        _LANGUAGES.search(path)
        and _OPENS_FILES.search(after)
        and not _OPENS_FILES.search(before or "")
    ):
        for match in (m for m in _LOOKS_FOR.finditer(after) if m[0] not in (before or "")):
            what = f"looks for a file and reads it, where nothing did: {match[0]}"
            line = after.count("\n", 0, match.start()) + 1
            yield Shortcut(rule="test-recognised", path=path, line=line, what=what)
    for habit in _HABITS:
        if re.search(habit.files, path):
            yield from _new(path, _found(habit, path, before or ""), _found(habit, path, after))
    if before is not None and re.search(rf"{_PIPELINE}|(^|/)CMakeLists\.txt$", path):
        yield from _longer(path, before, after)
        yield from _not_run(path, before, after)
    if before is not None and re.search(r"(^|/)(\.github/workflows/.*|\.gitlab-ci)\.ya?ml$", path):
        yield from _less_often(path, before, after)


def _new(path: str, old: Signs, new: Signs) -> Iterator[Shortcut]:
    known = Counter((rule, words) for rule, _, _, words in old)
    for rule, line, what, words in new:
        if known[rule, words]:
            known[rule, words] -= 1
        else:
            yield Shortcut(rule=rule, path=path, line=line, what=f"{what}: {words[:80]}")


def _found(habit: _Habit, path: str, text: str) -> Signs:
    if re.search(rf"{_SCRIPT}|{_JVM}|\.(c|cc|cpp|cxx|h|hpp|go|rs|php|swift)$", path):
        # A comment in an empty block says why it is empty, and is no handling either.
        rust = path.endswith(".rs")
        text = blanked(without_comments(text, rust=rust), rust)
    return [
        (
            habit.rule,
            text.count("\n", 0, match.start()) + 1 + match[0].startswith("\n"),
            habit.what,
            " ".join(_line_of(text, match).split()),
        )
        for match in re.finditer(habit.pattern, text)
        if not _is_given(text, match)
    ]


def _is_given(text: str, match: re.Match[str]) -> bool:
    """Whether it is an argument that is not used, which who calls it may ask for."""
    name = match.groupdict().get("idle")
    heads = re.findall(r"\b(?:def|func|function)\b[^\n(]*\(([^\n]*)", text[: match.start()])
    return bool(name and heads and re.search(rf"\b{name}\b", heads[-1]))


def _line_of(text: str, match: re.Match[str]) -> str:
    begin = text.rfind("\n", 0, match.start()) + 1
    end = text.find("\n", match.end() - 1)
    return text[begin : end if end >= 0 else len(text)]


def _python_twice(before: str, after: str) -> Iterator[Signs]:
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
        if isinstance(node, ast.Assign | ast.AugAssign) and "__all__" in ast.unparse(node)
        for item in ast.walk(node)
        if isinstance(item, ast.Constant)
    }
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
    return found


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
    blocks = (getattr(node, name, ()) for node in nodes for name in ("body", "orelse", "finalbody"))
    for block in (block for block in blocks if isinstance(block, list)):
        for number, node in enumerate(block):
            if not isinstance(node, ast.Try):
                continue
            rest, last = block[number + 1 :], (node.orelse or node.body)[-1]
            found = isinstance(last, ast.Return) or (node in within and isinstance(last, ast.Break))
            near = len(rest) < _FEW and _answers(node, rest, fixed)
            again = node in within and not any(isinstance(n, ast.Return | ast.Break) for n in rest)
            follows = found and (again or near)
            leaves = found or (rest != [] and isinstance(rest[-1], ast.Return | ast.Break))
            for handler in node.handlers:
                caught = ast.unparse(handler.type) if handler.type else "Exception"
                one = leaves if isinstance(handler.body[-1], ast.Continue) else follows
                if one and not _MISTAKES.search(caught):
                    yield handler


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


def _answers(tried: ast.Try, rest: list[ast.stmt], fixed: Collection[str]) -> bool:
    """Whether what comes next is made of the same as what was tried; `fixed`: names that say
    nothing of it."""
    nodes = [inner for part in rest for inner in ast.walk(part)]
    stored = {
        node.id
        for node in (*nodes, *ast.walk(tried))
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    }
    given = _names(*tried.body, *tried.orelse) - stored - {"self", "cls", *fixed}
    ends = rest != [] and isinstance(rest[-1], ast.Return | ast.Raise)
    return ends and all(
        _names(node.value) & given and not isinstance(node.value, ast.BoolOp | ast.IfExp)
        for node in nodes
        if isinstance(node, ast.Return)
    )


_IGNORING = re.compile(r"(?:warnings\.)?(?:filterwarnings|simplefilter)\([\"']ignore")


def _says_nothing(node: ast.stmt) -> bool:
    return isinstance(node, ast.Return) and (
        node.value is None or ast.unparse(node.value) in ("None", "False", "0", "''", "[]", "{}")
    )


def _is_idle(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass | ast.Continue) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant | ast.Name)
    )


_SECONDS = {"s": 1, "m": 60, "h": 3600}


CHECKER = re.compile(
    r"\b(?:pytest|unittest|tox|nox|ruff|flake8|pylint|mypy|pyright|eslint|tsc|jest|vitest|mocha"
    r"|ctest|clippy|golangci-lint|shellcheck|\bset -\w*e"
    r"|(?:npm|pnpm|yarn|make|go|cargo|mvn|gradlew?)\b.{0,300}\b(?:test|check|lint|vet))\b"
)


def _not_run(path: str, before: str, after: str) -> Iterator[Shortcut]:
    """Lines with which a pipeline checks, and that are not there as they were."""
    if re.search(r"(^|/)([Mm]akefile|GNUmakefile|package\.json|.*\.(mk|ini|py|txt))$", path):
        return  # strictness.py's business
    old, new = [*_lines(before)], [*_lines(after)]
    now, known = {line for line, _ in new}, {line for line, _ in old}
    stricter = [command for line in now - known for command in _commands(path, line)]
    for plain, where in old:
        if not CHECKER.search(plain) or plain.startswith("#"):
            continue
        same = ((was, new) for was in _commands(path, plain) for new in stricter)
        if plain in now:
            elsewhere = where not in {there for line, there in new if line == plain}
            how = "runs elsewhere, or under a condition" if elsewhere else ""
        else:
            gone = not any(was[0] == new[0] and was[1] <= new[1] for was, new in same)
            how = "no longer runs what it ran" if gone else ""
        if how:
            yield Shortcut(rule="failure-ignored", path=path, line=1, what=f"{how}: {plain[:80]}")


_EVENTS = ("push", "pull_request", "merge_group", "schedule")
_CONDITIONS = (
    *("if", "shell", "working-directory", "continue-on-error", "rules", "only", "except", "when"),
    *("branches", "branches-ignore", "paths", "paths-ignore", "types", "ref", "repository"),
)
_CHECKOUT = re.compile(r"actions/checkout@")
_ALWAYS = re.compile(r"(?:always\(\)|!\s*cancelled\(\)|success\(\)|on_success|bash|False)?")


def _less_often(path: str, before: str, after: str) -> Iterator[Shortcut]:
    """Conditions under which a workflow checks, and that were not asked for before."""
    old, new = _conditions(before), _conditions(after)
    for what in old:
        changed = (
            f"{what} under another condition: {key} {value}"[:120]
            for key, value in new.get(what, {}).items()
            if value != old[what].get(key, "") and not _ALWAYS.fullmatch(value)
        )
        gone = what not in new and not what.startswith("runs ")
        for told in (f"no longer {what}",) if gone else changed:
            yield Shortcut(rule="failure-ignored", path=path, line=1, what=told)


def _conditions(text: str) -> dict[str, dict[str, str]]:
    """By what a workflow starts on, what its jobs are repeated with, and what they check."""
    try:
        told = reader.read_foreign(text, "workflow").data
    except (ValueError, RecursionError, ConfigError):
        return {}
    events = told.get("on") or {}
    events = events if isinstance(events, dict) else {str(event): None for event in _list(events)}
    found = {f"starts on {event}": _of(events[event]) for event in _EVENTS if event in events}
    jobs = told.get("jobs", told)
    for name, job in (jobs if isinstance(jobs, dict) else {}).items():
        scripts = [(step, str(_get(step, "run"))) for step in _list(_get(job, "steps"))]
        scripts.append((job, "\n".join(map(str, _list(_get(job, "script"))))))
        lines = {
            f"runs {line.strip()}": _of(step)
            for step, script in scripts
            for line in script.splitlines()
            if CHECKER.search(line)
        }
        if lines:
            found |= lines
            found[f"runs the job {name}"] = _of(job) | _of(_get(_get(job, "defaults"), "run"))
            used = (
                step
                for step in _list(_get(job, "steps"))
                if _CHECKOUT.match(str(_get(step, "uses")))
            )
            own = [_of(given) for step in used if not _get(given := _get(step, "with"), "path")]
            found[f"runs the code in {name}"] = own[-1] if own else {}
            matrix = _get(_get(job, "strategy"), "matrix")
            for key, values in (matrix if isinstance(matrix, dict) else {}).items():
                if key not in ("include", "exclude"):
                    found |= {f"repeats {name} with {key} {value}": {} for value in _list(values)}
    return found


def _get(value: object, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _of(value: object) -> dict[str, str]:
    held = value if isinstance(value, dict) else {}
    return {key: str(held[key]) for key in _CONDITIONS if key in held}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


_MOVES = re.compile(
    r"(?:cd|pushd)\s+(?!\"?\$(?:\(dirname|\{?GITHUB_WORKSPACE|\(git rev-parse --show-t))[^|&;]*"
    r"|popd\b.*|exit\b.*|return\b.*"
)
_OPENS = re.compile(
    r"(?:if|while|until|for|case)\b(?!.*\b(?:fi|done|esac)\b).*|(?:function\s+)?\w+\s*\(\)\s*\{|\(|\{"
    r"|.*<<-?\s*[\"']?(?P<end>\w+).*"
)
_CLOSES = re.compile(r"(?:fi|done|esac)\b.*|[})].*")


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Those of a block behind the key that runs it: under another, they are not run; each with how
    its script came there."""
    key, deep, moved = "", -1, [""]
    ends = [""]
    for line in text.splitlines():
        plain = line.strip(" \t-")
        if plain and len(line) - len(line.lstrip()) <= deep:
            key, deep = "", -1
        if _KEY.match(plain):
            moved, ends = [""], [""]
        closes = plain == ends[-1] if ends[-1] else len(ends) > 1 and _CLOSES.fullmatch(plain)
        if closes:
            moved.pop()
            ends.pop()
        yield (plain if plain.startswith("#") else key + plain), "; ".join(filter(None, moved))
        if _MOVES.fullmatch(plain):
            moved[-1] = f"{moved[-1]} {plain}".strip()
        elif not ends[-1] and not closes and (opens := _OPENS.fullmatch(plain)):
            moved.append(plain)
            ends.append(opens["end"] or "")
        if block := _BLOCK.match(line):
            key, deep = block["key"], block.start("key")


_BLOCK = re.compile(r"[ -]*(?P<key>(?:run|script): )[|>]")
_KEY = re.compile(r"(?:run|script): *")
_STARTED_BY = re.compile(
    r"(?:(?P<setting>(?:PYTHON(?:UNBUFFERED|FAULTHANDLER|DONTWRITEBYTECODE)=1|CI=(?:true|1)"
    r"|L(?:ANG|C_ALL)=\w+\.UTF-?8|\w+_COLOR=\d|RUST_BACKTRACE=\w+)\s+)"
    r"|python3? -m\s+|npx\s+|(?:uv|poetry|pdm|hatch) run\s+)"
)
"""None of these changes what is checked; other variables may: `PYTHONOPTIMIZE=2`."""
_TALKS = re.compile(
    r"(?:pytest|unittest|tox|ruff|mypy|go (?:test|vet)|cargo (?:test|check|clippy))\b"
)
"""To others, `-v` may say that they print their version and do nothing."""
_SAYS_MORE = re.compile(
    r"(?<!\s)\s++(?:-q+|-v+|-r[aAfEsxXpPwN]+|--verbose|--cov(?:-report)?=[\w./:-]+|--(?:color|tb|durations)=\w+"
    r"|(?P<stricter>-race|--strict(?:-markers|-config|-equality|-bytes)?))(?=\s|$)"
)
_PREPARES = re.compile(
    r"mkdir (?:-p )?[\w./-]+|(?:source|\.) (?:\./)?\.?venv/bin/activate|corepack enable"
    r"|(?:npm|pnpm|yarn|bun)(?: (?:ci|i|install|(?:run )?build))?(?: --?\w[\w-]*)*"
    r"|(?:python[\d.]* -m )?pip3? install .*"
    r"|(?:uv|poetry|pdm|bundle|composer) (?:sync|(?:pip )?install).*"
    r"|go (?:mod download|build).*|cargo (?:build|fetch).*|make (?:build|deps|install)"
    r"|(?:sudo )?apt(?:-get)? (?:-\S+ )*(?:update|install).*"
)


def _commands(path: str, line: str) -> Iterator[tuple[str, Counter[str]]]:
    """What a line runs and fails with, and what it does for it that may not be left out."""
    # From its own folder to the one where the repository begins.
    home = f'cd "$(dirname "$0"){"/.." * path.count("/")}"'
    key = _KEY.match(line)
    *before, last = re.split(r"\s*&&\s*", line[key.end() if key else 0 :].strip())
    if not all(part == home or _PREPARES.fullmatch(part) for part in before):
        return
    if re.search(r"[|;&<>`]|\$\(", " ".join([*before, last]).replace(home, "")):
        return
    does = Counter(before)
    while started := _STARTED_BY.match(last):
        does.update([started["setting"]] if started["setting"] else [])
        last = last[started.end() :]
    if _TALKS.match(last):
        does.update(m["stricter"] for m in _SAYS_MORE.finditer(last) if m["stricter"])
        last = _SAYS_MORE.sub("", last)
    yield " ".join([key[0].strip() if key else "", *last.split()]), does


def _longer(path: str, before: str, after: str) -> Iterator[Shortcut]:
    """Limits of time that are raised, one after the other."""
    old, new = (
        [
            (
                float(m["limit"] or m["flag"]) * _SECONDS[m["unit"] or "s"],
                text.count("\n", 0, m.start()) + 1,
                m[0],
            )
            for m in _LIMIT.finditer(text)
        ]
        for text in (before, after)
    )
    for (was, _, _), (now, line, words) in zip(old, new, strict=False):
        if now > was:
            what = f"may take longer: {was:g}, now {now:g}: {words.strip()}"
            yield Shortcut(rule="timeout-raised", path=path, line=line, what=what)
