"""Settings of tools that ask for less than before: a check that is off, a list of exceptions that
has grown, a limit that is wider. What code asks for itself is code_checks.py's business.

Whatever the format, settings are read as `key: value`; what a key means is one table, as tools
name the same things alike. Of a tool's own settings, any other change is one that may ask for less:
only what says how code is found and read is left alone.
"""

from __future__ import annotations

import configparser
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from autoresearch_ci.config import reader
from autoresearch_ci.decide import makefiles_and_scripts
from autoresearch_ci.decide.failures.shortcuts.code_checks import asks_less
from autoresearch_ci.decide.failures.shortcuts.other_tests import without_comments
from autoresearch_ci.decide.failures.shortcuts.pipeline_steps import SWALLOWED
from autoresearch_ci.decide.failures.shortcuts.suite import Shortcut
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.safety.untrusted_values import json_value

SETTINGS = re.compile(
    r"(^|/)(pyproject\.toml|setup\.cfg|tox\.ini|\.?pytest\.(ini|toml)|\.?mypy\.ini|\.?ruff\.toml"
    r"|\.flake8|\.?pylintrc(\.toml)?|\.coveragerc|pyrightconfig\.json|tsconfig[^/]*\.json"
    r"|\.eslintrc(\.\w+)?|eslint\.config\.[cm]?[jt]s|(jest|vitest|vite)\.config\.[cm]?[jt]s"
    r"|jest\.config\.json|package\.json|biome\.jsonc?|Cargo\.toml|\.?clippy\.toml|\.golangci\.ya?ml"
    r"|[Mm]akefile|GNUmakefile|CMakeLists\.txt|build\.gradle(\.kts)?|pom\.xml|\.clang-tidy"
    r"|\.shellcheckrc|(check|find)\w*\.xml|noxfile\.py|[^/]+\.(cs|fs|vb)proj)$"
    r"|(^|/)(\.cargo/config(\.toml)?|\.mvn/(maven|jvm)\.config|junit-platform\.properties|\.editorconfig"
    r"|Directory\.Build\.(props|targets)|META-INF/services/org\.junit\.[\w.]+)$"
)
_UNREAD = re.compile(
    r"(^|/)(\.rubocop(_todo)?\.yml|\.rspec|phpunit[^/]*\.xml(\.dist)?|phpstan[^/]*\.neon(\.dist)?"
    r"|psalm\.xml(\.dist)?|phpcs\.xml(\.dist)?|detekt[^/]*\.ya?ml|\.editorconfig|\.mocharc\.\w+"
    r"|(playwright|cypress|karma|stryker)\.conf(ig)?\.\w+|\.swiftlint\.yml|analysis_options\.yaml"
    r"|\.credo\.exs|\.luacheckrc|deno\.jsonc?|\.stylelintrc(\.\w+)?|\.yamllint(\.ya?ml)?|\.oxlintrc\.json"
    r"|\.prettierrc(\.\w+)?|prettier\.config\.\w+|\.?rustfmt\.toml"
    r"|nextest\.toml|\.?codecov\.ya?ml|(checkstyle|pmd|spotbugs)[^/]*\.xml|\.scalafix\.conf|\.hlint\.yaml)$"
)
"""Settings of checkers of which no value is read."""
_IGNORE_FILE = re.compile(r"(^|/)\.(eslint|prettier|stylelint|flake8|semgrep)ignore$")
_STRICT_WHEN_ON = re.compile(
    r"(?i)^(strict\w*|no_?implicit\w+|no_?unused\w+|noUncheckedIndexedAccess|noFallthrough\w*"
    r"|exactOptionalPropertyTypes|alwaysStrict|useUnknownInCatchVariables|allowUnreachableCode"
    r"|disallow_\w+|check_untyped_defs|warn_\w+|xfail_strict|strict_\w+|branch|failOnError"
    r"|failOnViolation|allWarningsAsErrors|(treat)?warningsAsErrors|noEmitOnError|bail|nullable"
    r"|enforceCodeStyleInBuild|runAnalyzers\w*)$"
)
_LAX_WHEN_ON = re.compile(
    r"(?i)^(ignore_errors|ignore_missing_imports|skipLibCheck|allow_untyped_\w+|allow_redefinition"
    r"|implicit_\w+|follow_imports_skip|allowJs|suppress\w*|passWithNoTests|noInlineConfig"
    r"|testFailureIgnore|skipTests|skip|maven\.test\.(?:skip|failure\.ignore)|ignoreFailures|continue_on_failure"
    r"|dangerouslyIgnoreUnhandledErrors|exit-zero|allow_failure)$"
)
_EXCEPTIONS = re.compile(
    r"(?i)^(ignore|extend-ignore|extend_ignore|exclude|extend-exclude|force-exclude|omit|disable"
    r"|disable_error_code|disabled|exclude_lines|exclude_also|ignorePatterns|ignores|unfixable"
    r"|testPathIgnorePatterns|coveragePathIgnorePatterns|modulePathIgnorePatterns|norecursedirs"
    r"|skips|deselect|collect_ignore|exclude-files|exclude-dirs|exclude-rules|allow|noWarn"
    r"|warningsNotAsErrors)$"
)
_CHECKS = re.compile(
    r"(?i)^(select|extend-select|enable|enable_error_code|filterwarnings|files|packages|include"
    r"|testpaths|testMatch|collectCoverageFrom|rules|Checks|plugins|extends|env_?list)$"
)
_FLOORS = re.compile(
    r"(?i)^(fail[-_]under|statements|branches|functions|lines|minimum|threshold|warningLevel)$"
)
_CEILINGS = re.compile(
    r"(?i)^(max[-_]?\w+|line-length|line_length|complexity|cognitive-complexity-threshold|timeout"
    r"|testTimeout|hookTimeout|too-many-\w+-threshold|retries|retry|reruns|maxWarnings)$"
)
_SCALAR_CHECKS = ("testpaths", "files", "packages", "python_files", "python_functions", "testMatch")
_LEVELS = {
    **dict.fromkeys(("off", "allow", "0", "none", "ignore", "skip"), 0),
    **dict.fromkeys(("warn", "warning", "1", "info", "information", "silent"), 1),
    **dict.fromkeys(("error", "deny", "2"), 2),
    "forbid": 3,
}
_DEMANDS = re.compile(
    r"(?<![\w-])(-Wall|-Wextra|-Werror\S*|-pedantic\S*|--strict\S*|--warnings-as-errors"
    r"|-D ?warnings|add_test\([^()]*\)|[\w.]+\.configs(?:\.\w+|\[[^\]]*\]))(?![\w-])"
)
_RELIEFS = re.compile(
    r"(?<![\w-])(-Wno-\S+|--ignore(?:-glob)?[= ]\S+|--deselect[= ]\S+|-[km][ =]\S+|--reruns\S*"
    r"|--(?:lf|last-failed|nf|sw|stepwise|co|collect-only|setup-only|setup-plan)(?![\w-])"
    r"|--disable-warnings|--exit-zero|--skip-\w+|--exclude[= ]\S+|-fpermissive"
    r"|--max-warnings[= ]\d+|--allow-warnings|-DskipTests\S*|-Dmaven\.test\.\S*|-x +test"
    r"|--testPathIgnorePatterns\S*|-p no:\S+|-w(?=[\s\"')]|$)|-DNDEBUG\b"
    r"|NDEBUG\b|WILL_FAIL +\w+|DISABLED +(?:TRUE|ON|1)"
    r"|(?:SKIP_RETURN_CODE|(?:PASS|SKIP)_REGULAR_EXPRESSION) +\S+"
    r"|if ?\((?! ?BUILD_TESTING)[^()\n]{1,80}\)\s{1,99}add_test\b"
    r"|testNamePattern\s*[:=]\s*[^\n,]+|(?:ex|in)cludeTestsMatching\b[^\n}]+|onlyIf\b[^\n]+"
    r"|<(?:rerunFailingTestsCount|(?:excluded)?[gG]roups)>[^<]*|<Compile +Remove=[^>\n]*"
    r"|--cap-lints\S*|severity\s*=\s*(?:none|silent|suggestion)|[\w.]*\.deactivate\b[^\n]*"
    r"|timeout\.mode\s*=\s*disabled"
    r"|transform\s*:\s*\{[^}]{0,200}?[jt]\]?sx?[^\"'\n]{0,20}[\"']\s*:\s*[\"'](?:\.{1,2}/|<rootDir>)[^\"'\n]*"
    r"|<(?:maven\.test\.[\w.]+|skip\w*|testFailureIgnore)>\s*true|<failOn\w+>\s*false|<exclude>[^<]*"
    r"|exclude +['\"(]\S+|enabled\s*=\s*false)"
)

_ONLY_SETTINGS = re.compile(
    r"(^|/)(\.?pytest\.(ini|toml)|\.?mypy\.ini|\.?ruff\.toml|\.flake8|\.?pylintrc(\.toml)?|\.coveragerc"
    r"|pyrightconfig\.json|tsconfig[^/]*\.json|\.eslintrc(\.\w+)?|eslint\.config\.[cm]?[jt]s"
    r"|(jest|vitest)\.config\.\w+|biome\.jsonc?|\.?clippy\.toml|\.golangci\.ya?ml|\.clang-tidy)$"
)
_SECTIONS = re.compile(
    r"(?i)^(tool\.(mypy|pyright|basedpyright|ruff|black|pytest|coverage|pylint|flake8|ty|pyrefly)\b"
    r"|mypy\b|tool:pytest|pytest\b|flake8\b|coverage:|pylint|jest\.|eslintConfig\.|prettier\.|mocha\.|ava\.|c8\.|nyc\."
    r"|overrides\.|resolutions\.|scripts\.(pre|post)?(test|lint|check|typecheck)\b"
    r"|(workspace\.)?lints\.|profile\.test\.|package\.autotests|lib\.test$|test\.|\w+\.harness)"
)
"""Of files that hold other things, too: what a checker reads."""
_PACKAGING = re.compile(
    r"(project|build-system|dependency-groups|metadata|options)\b"
    r"|tool\.(hatch|setuptools|poetry|pdm|uv|flit|maturin|cibuildwheel|bumpversion)\b"
)
_NEUTRAL = re.compile(
    r"(?i)(^|[./])(python_?paths?|mypy_path|python_?version|target(-version)?|(?<=compilerOptions\.)lib|module|moduleResolution"
    r"|baseUrl|paths|rootDirs?|outDir|declaration|sourceMap|jsx\w*|types|typeRoots|esModuleInterop"
    r"|resolveJsonModule|isolatedModules|verbatimModuleSyntax|composite|references|incremental"
    r"|testEnvironment\w*|setupFiles\w*|globalSetup|transform\w*|moduleNameMapper|modulePaths|roots"
    r"|moduleFileExtensions|globals|env|parser|parserOptions|languageOptions|ecmaVersion|sourceType"
    r"|settings|asyncio_\w+|markers|minversion|required_plugins|cache\w*|log_\w+|junit\w*|format|indent\w*"
    r"|quote\w*|src|namespace-packages|venv\w*|python_executable|stubPath|console_output_style|version"
    r"|plugins|root|preset|edition)([./]|$)"
)
"""How code is found and read: no check is less for it."""

_BESIDE = re.compile(
    r"(^|/)(\.cargo/.*|\.mvn/.*|junit-platform\.properties|\.editorconfig|Directory\.Build\.\w+)$"
)
"""Where settings stand that others add to."""
_OTHERS_CODE = re.compile(r"(?i)(^|[./])(moduleNameMapper|imports|alias|paths|replace)\b")
_FAKE = re.compile(r"(?i)(?<![a-z])(tests?|mocks?|fakes?|stubs?)(?![a-z])")
"""What an import finds in the place of what it names."""

Flat = Mapping[str, Any]


def lowered(path: str, before: str | None, after: str | None) -> Iterator[Shortcut]:
    """Where the settings in a file ask for less than they did, or the code is checked less."""
    if before is not None and after is not None:
        yield from asks_less(path, before, after)
    if _IGNORE_FILE.search(path):
        if more := {*(after or "").split("\n")} - {*(before or "").split("\n"), ""}:
            what = f"a tool leaves out {_shown(sorted(more)[0])}"
            yield Shortcut(rule="strictness-lowered", path=path, line=1, what=what)
        return
    if before and before.split() != (after or "").split() and _UNREAD.search(path):
        what = "settings of a checker are others, and nobody can say whether they ask for less"
        yield Shortcut(rule="strictness-lowered", path=path, line=1, what=what)
    if not SETTINGS.search(path) or before == after:
        return
    if before is None:
        yield from _brought(path, after or "")
        return
    if after is None:
        what = "the settings of a tool are gone"
        yield Shortcut(rule="strictness-lowered", path=path, line=1, what=what)
        return
    old, new = _flat(path, before), _flat(path, after)
    if old is None or new is None:
        if old is not None:
            what = "settings that nothing can read any more"
            yield Shortcut(rule="strictness-lowered", path=path, line=1, what=what)
        return
    yield from _other_checks(path, before, after)
    for key in {**old, **new}:
        if _PACKAGING.match(key):
            continue
        what = _weaker(key, old.get(key), new.get(key))
        if not what and (_ONLY_SETTINGS.search(path) or _SECTIONS.match(key)):
            what = _other(key, old.get(key), new.get(key))
        if what:
            line = _line(after, key)
            yield Shortcut(rule="strictness-lowered", path=path, line=line, what=f"{key} {what}")
    yield from _faked(path, before, after)
    demands = [m[1] for m in _DEMANDS.finditer(before)]
    for demand in demands:
        if demand not in {m[1] for m in _DEMANDS.finditer(after)}:
            what = f"no longer asks for {demand}"
            yield Shortcut(rule="strictness-lowered", path=path, line=1, what=what)
    known = {m[1] for m in _RELIEFS.finditer(before)}
    for match in _RELIEFS.finditer(after):
        if match[1] not in known:
            line = after.count("\n", 0, match.start()) + 1
            what = f"leaves something out: {match[1]}"
            yield Shortcut(rule="strictness-lowered", path=path, line=line, what=what)


_CODE_SETTINGS = re.compile(r"(^|/)(jest|vitest|vite)\.config\.[cm]?[jt]s$")
_STANDS_FOR = re.compile(r"[\"']([^\"'\n]{1,80})[\"']\s*:\s*([^\n,}]{1,120})")
_ASSET = re.compile(r"(?i)css|less|svg|png|jpe?g|gif|webp|ico|ttf|woff|md|mp[34]|wasm")


def _faked(path: str, before: str, after: str) -> Iterator[Shortcut]:
    """Where settings that are code have an import find something that is there for tests."""
    if not (_CODE_SETTINGS.search(path) and re.search(r"\b(?:alias|moduleNameMapper)\b", after)):
        return
    known = {match[0] for match in _STANDS_FOR.finditer(before)}
    for match in _STANDS_FOR.finditer(after):
        faked = _FAKE.search(match[2]) and not (_FAKE.search(match[1]) or _ASSET.search(match[1]))
        if faked and match[0] not in known:
            line = after.count("\n", 0, match.start()) + 1
            what = f"{match[1]} is {_shown(match[2])}"
            yield Shortcut(rule="strictness-lowered", path=path, line=line, what=what)


def _other_checks(path: str, before: str, after: str) -> Iterator[Shortcut]:
    """What a repository is checked with by a task of its own: another command checks another
    thing. Lines that a task gains take nothing away."""
    old, new = _own_checks(path, before), _own_checks(path, after)
    for name, lines in old.items():
        now = {SWALLOWED.sub("", line) for line in new.get(name, ())}
        lost = [line for line in lines if SWALLOWED.sub("", line) not in now]
        if lost:
            what = f"{name} no longer runs what it ran: {_shown(lost[0])}"
            yield Shortcut(rule="strictness-lowered", path=path, line=_line(after, name), what=what)


_MAKEFILE = re.compile(r"(^|/)([Mm]akefile|GNUmakefile|Makefile\.am)$")


def _own_checks(path: str, text: str) -> dict[str, list[str]]:
    if path.endswith("package.json"):
        scripts = makefiles_and_scripts.scripts_of(text)
        own = [name for name in scripts if makefiles_and_scripts.OWN_CHECKS.match(name)]
        reached = makefiles_and_scripts.scripts_reached(scripts, own)
        return {f"scripts.{name}": [line] for name, line in reached.items()}
    return makefiles_and_scripts.makefile(text).own_checks() if _MAKEFILE.search(path) else {}


_READ_FIRST = re.compile(
    r"(^|/)\.?(mypy\.ini|ruff\.toml|pytest\.(ini|toml))$|pyrightconfig\.json$"
    r"|META-INF/services/org\.junit\.[\w.]+$"
)
"""Tools that find one of these read no pyproject.toml; JUnit takes part of others in each test."""


def _brought(path: str, after: str) -> Iterator[Shortcut]:
    """A new file may say what others have not said, and keep them from being read."""
    if _READ_FIRST.search(path):
        what = "is read instead of settings that stand elsewhere, or besides"
        yield Shortcut(rule="strictness-lowered", path=path, line=1, what=what)
    if _BESIDE.search(path) and (relief := _RELIEFS.search(after)):
        what = f"leaves something out: {relief[1]}"
        line = after.count("\n", 0, relief.start()) + 1
        yield Shortcut(rule="strictness-lowered", path=path, line=line, what=what)
    for key, value in (_flat(path, after) or {}).items():
        if what := _weaker(key, None, value):
            line = _line(after, key)
            yield Shortcut(rule="strictness-lowered", path=path, line=line, what=f"{key} {what}")


def _weaker(key: str, old: Any, new: Any) -> str:
    """How a value asks for less; empty: it does not."""
    name = key.rpartition(".")[2]
    told = f"was {_shown(old)}, is {_shown(new)}"
    if _STRICT_WHEN_ON.match(name) and _is_on(old) and not _is_on(new):
        return told
    if _LAX_WHEN_ON.match(name) and _is_on(new) and not _is_on(old):
        return told
    is_list = isinstance(old, list) or isinstance(new, list) or "per-file-ignores" in key
    if name in _SCALAR_CHECKS and old is not None and old != new and not isinstance(old, list):
        return told
    more = [item for item in _list(new) if item not in _list(old)]
    fewer = [item for item in _list(old) if item not in _list(new)]
    if is_list and more and (_EXCEPTIONS.match(name) or "per-file-ignores" in key):
        return f"has more: {_shown(more)}"
    if is_list and fewer and _CHECKS.match(name):
        return f"has lost: {_shown(fewer)}"
    if name == "filterwarnings" and any(str(item).startswith("ignore") for item in more):
        return f"has more: {_shown(more)}"
    one, other = _number(old), _number(new)
    if _FLOORS.match(name) and one is not None and (other is None or other < one):
        return told
    if _CEILINGS.match(name) and one is not None and other is not None and other > one:
        return told
    if old is not None and (level := _level(old)) is not None:
        now = _level(new)
        if now is not None and now < level and not _FLOORS.match(name):
            return told
        if new is None and level >= _LEVELS["error"] and isinstance(old, str):
            return told
    if _OTHERS_CODE.search(key) and _FAKE.search(str(new)) and new != old:
        return told
    if name in ("overflow-checks", "debug-assertions") and new is False is not old:
        return told
    if (
        old is None
        and _level(new) == 0
        and isinstance(new, str)
        and new.lower() in ("off", "allow")
    ):
        return f"is {_shown(new)}"
    return ""


def _other(key: str, old: Any, new: Any) -> str:
    """How it differs, unless it is known to ask for more."""
    name = key.rpartition(".")[2]
    one, other = _number(old), _number(new)
    more = {*map(str, _list(new))} - {*map(str, _list(old))}
    fewer = {*map(str, _list(old))} - {*map(str, _list(new))}
    level, now = _level(old), _level(new)
    if (
        old == new
        or _NEUTRAL.search(key)
        or (_STRICT_WHEN_ON.match(name) and _is_on(new))
        or (_LAX_WHEN_ON.match(name) and not _is_on(new))
        or (_EXCEPTIONS.match(name) and not more)
        or (_CHECKS.match(name) and not fewer and isinstance(new, list))
        or (_FLOORS.match(name) and other is not None)
        or (_CEILINGS.match(name) and one is not None)
        or (now is not None and now >= (2 if level is None else level))
        or "per-file-ignores" in key
        or (name == "addopts" and _options(old) <= _options(new))
    ):
        return ""
    return f"was {_shown(old)}, is {_shown(new)}"


def _options(value: Any) -> set[str]:
    """Those that leave something out are _RELIEFS."""
    return {*(value if isinstance(value, list) else str(value or "").split())}


def _is_on(value: Any) -> bool:
    return value is True or (
        isinstance(value, str) and value.strip().lower() in ("true", "yes", "on", "enable")
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    text = str(value).strip().replace("_", "")
    return float(text) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text) else None


def _level(value: Any) -> int | None:
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return _LEVELS.get(str(value).lower())


def _shown(value: Any) -> str:
    text = "not set" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _line(text: str, key: str) -> int:
    """Where a key stands; the first line where it does not."""
    name = re.escape(key.rpartition(".")[2])
    match = re.search(rf"(?m)^.*?[\"']?{name}[\"']?\s*[=:]", text)
    return text.count("\n", 0, match.start()) + 1 if match else 1


# --- Formats --------------------------------------------------------------------------------------


def _flat(path: str, text: str) -> Flat | None:
    """Settings by dotted key; `None`: unreadable."""
    try:
        return dict(_flattened(_parser(path)(text), ""))
    except (ValueError, RecursionError, ConfigError, configparser.Error):
        return None
    except AttributeError:  # configparser's own, at a line that goes on where no value is
        return None


def _parser(path: str) -> Callable[[str], Any]:
    if path.endswith(".toml"):
        return tomllib.loads
    if path.endswith((".json", ".jsonc", ".eslintrc")):
        return _json_with_comments
    if path.endswith((".yml", ".yaml")):
        return lambda text: reader.read(text, "settings").data
    if re.search(r"(\.ini|\.cfg|\.flake8|pylintrc|\.coveragerc)$", path):
        return _ini
    if re.search(r"(proj|\.xml|\.props|\.targets)$", path):
        return _elements
    return _by_line if path.endswith(".shellcheckrc") else _pairs


def _json_with_comments(text: str) -> Any:
    plain = re.sub(r",(\s*[}\]])", r"\1", without_comments(text))
    return json_value(plain or "{}", limit=1_000_000)


def _ini(text: str) -> Any:
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return {
        section: {key: _ini_value(value) for key, value in parser.items(section)}
        for section in parser.sections()
    }


def _ini_value(value: str | None) -> Any:
    text = (value or "").strip()
    if "\n" in text or ("," in text and " " not in text.replace(", ", ",")):
        return [item.strip() for item in re.split(r"[,\n]", text) if item.strip()]
    return text


_PAIR = re.compile(
    r"[\"']?(?P<key>[\w@][\w@/.-]*)[\"']?\s*[:=]\s*(?:\[\s*)?"
    r"(?:[\"'](?P<text>[^\"'\n]{0,60})[\"']|(?P<word>true|false|\d[\d_]*(?:\.\d+)?))"
)


def _pairs(text: str) -> Any:
    """Of code that holds settings: what stands beside a name."""
    found: dict[str, Any] = {}
    for match in _PAIR.finditer(without_comments(text)):
        word = match["word"]
        value: Any = (
            match["text"] if word is None else {"true": True, "false": False}.get(word, word)
        )
        found.setdefault(match["key"].replace(".", "/"), value)
    return found


_ELEMENT = re.compile(r"<([A-Za-z][\w.]{0,60})>([^<>\n]{0,300})</")
_ASSIGNED = re.compile(r"(?m)^[ \t]*([\w-]{1,60})[ \t]*=[ \t]*([^\n#]{0,300})")


def _elements(text: str) -> Any:
    """Of XML: what stands in an element that holds nothing else, each once."""
    found: dict[str, Any] = {}
    for match in _ELEMENT.finditer(text):
        items = [item.strip() for item in match[2].split(";")]
        found.setdefault(match[1], items if _EXCEPTIONS.match(match[1]) else match[2].strip())
    return found


def _by_line(text: str) -> Any:
    found: dict[str, list[str]] = {}
    for match in _ASSIGNED.finditer(text):
        found.setdefault(match[1], []).extend(re.split(r"[\s,]+", match[2].strip()))
    return found


def _flattened(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flattened(inner, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for number, item in enumerate(value):
            yield from _flattened(item, f"{prefix}.{number}")
    else:
        yield prefix, value
