"""What a repository is checked with, found in its own files; each target with the reasons for it.

Pure: names of files and a way to read them go in, nothing is run. A tool is asked as the
repository itself asks it (a script, a step of a workflow, a rule of a Makefile), with what makes
its answer readable added; where it says nothing, as adapter.py's table does.
"""

from __future__ import annotations

import posixpath
import re
import shlex
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autoresearch_ci.config import reader
from autoresearch_ci.decide.failures import Category
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.measure.diagnostics.plain_suites import NPM_TEST
from autoresearch_ci.measure.diagnostics.registry import TOOLS
from autoresearch_ci.safety.untrusted_values import json_value

Read = Callable[[str], bytes]
"""The content of one of the paths. Raises `KeyError`."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One tool in one folder."""

    name: str
    """`ruff`, `packages/web: eslint`."""
    tool: str
    """Its adapter's name."""
    command: str
    """A line of shell; `{report}` in it is the name of a file."""
    folder: str
    """Where it runs, relative to the root; empty: there."""
    reports: str
    """A pattern of files that the tool writes whatever it is told; empty: none."""
    reasons: tuple[str, ...]
    """Where the repository says so: `pyproject.toml: [tool.ruff]`."""


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """What was found."""

    targets: tuple[Target, ...]
    """What has to hold first comes first."""
    unread: tuple[str, ...]
    """Files that could have said more, and why they were not read."""


FILES_LIMIT = 400
"""Files that are read."""
_BYTES_LIMIT = 256_000
TARGETS_LIMIT = 60

_NOT_OURS = re.compile(
    r"(^|/)(node_modules|vendor|third_party|thirdparty|site-packages|\.?venv|\.tox|\.nox|dist"
    r"|target|build|fixtures|__fixtures__|testdata|test-data|snapshots)/",
    re.IGNORECASE,
)
"""Folders of code that others wrote, that is made, or that is broken on purpose."""


def discover(paths: Iterable[str], read: Read) -> Discovery:
    """The targets of a repository with these files."""
    found = _Found(sorted(path for path in paths if not _NOT_OURS.search(path)), read)
    for look in (_look_at_python, _look_at_javascript, _look_at_others, _look_at_pipelines):
        look(found)
    _look_at_make_tests(found)
    _look_at_tests_left(found)  # once everything else has said what it covers
    targets = [_target(tool, folder, hints) for (tool, folder), hints in found.hints.items()]
    targets.sort(key=lambda target: (_order(target.tool), target.folder, target.tool))
    if len(targets) > TARGETS_LIMIT:
        found.unread.append(f"only the first {TARGETS_LIMIT} of {len(targets)} targets are taken")
    return Discovery(targets=tuple(targets[:TARGETS_LIMIT]), unread=tuple(found.unread))


def _order(tool: str) -> int:
    return min((category.rank for category in TOOLS[tool].categories), default=0)


@dataclass(frozen=True)
class _Hint:
    reason: str
    command: str = ""
    """As the repository asks; empty: it only names the tool."""


@dataclass
class _Found:
    paths: Sequence[str]
    read: Read
    hints: dict[tuple[str, str], list[_Hint]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    _reads: int = 0

    def __post_init__(self) -> None:
        self.known = frozenset(self.paths)

    def named(self, *names: str) -> Iterator[str]:
        """The paths with such a name."""
        for path in self.paths:
            if posixpath.basename(path) in names:
                yield path

    def text(self, path: str) -> str:
        """Empty where it cannot be read, or should not."""
        if self._reads >= FILES_LIMIT:
            if self._reads == FILES_LIMIT:
                self.unread.append(f"only {FILES_LIMIT} files are read: {path} and others are not")
                self._reads += 1
            return ""
        self._reads += 1
        try:
            content = self.read(path)
        except KeyError:
            return ""
        if len(content) > _BYTES_LIMIT:
            self.unread.append(f"{path}: is larger than {_BYTES_LIMIT // 1000} kB")
            return ""
        return content.decode("utf-8", errors="replace")

    def add(self, tool: str, folder: str, reason: str, command: str = "") -> None:
        hints = self.hints.setdefault((tool, folder), [])
        hint = _Hint(reason, command)
        if hint not in hints:
            hints.append(hint)

    def mentions(self, text: str, path: str, folder: str) -> None:
        """Tools that lines of one shell start, where its `cd` leads."""
        here = outside = folder
        for part in re.split(r"&&|;|\n", text.replace("\\\n", " ")):
            if part.lstrip().startswith("("):
                outside = here
            if moved := _CD.fullmatch(part):
                there = posixpath.normpath(posixpath.join(here, moved[1]))
                here = there if any(p.startswith(f"{there}/") for p in self.paths) else folder
                continue
            for tool, command in commands_in(part):
                needed = _WHERE.get(tool, ())
                if not needed or any(posixpath.join(here, n) in self.known for n in needed):
                    self.add(tool, here, f"{path}: {_short(command)}", command)
            if part.rstrip().endswith(")"):
                here = outside


_CD = re.compile(r"[\s(]*(?:cd|pushd)\s+[\"']?([\w./-]+)[\"']?\s*")


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"


def _target(tool: str, folder: str, hints: Sequence[_Hint]) -> Target:
    adapter = TOOLS[tool]
    own = next((hint.command for hint in hints if hint.command), "")
    return Target(
        name=f"{folder}: {tool}" if folder else tool,
        tool=tool,
        command=own or adapter.command,
        folder=folder,
        reports=adapter.reports,
        reasons=tuple(dict.fromkeys(hint.reason for hint in hints)),
    )


# --- Lines of shell -------------------------------------------------------------------------------

_LAUNCHERS = (
    r"(?:uv run|poetry run|pipenv run|pdm run|rye run|hatch run|python3? -m|npx(?: --no-install)?"
    r"|pnpm(?: exec)?|yarn(?: run)?|bunx)"
)
_STARTED = {
    "pytest": r"(?:pytest|py\.test)",
    "unittest": r"(?<=-m )unittest(?: discover)?",
    "ruff": r"ruff check",
    "mypy": r"mypy",
    "pyright": r"(?:based)?pyright",
    "tsc": r"tsc",
    "eslint": r"eslint",
    "jest": r"jest",
    "node --test": r"node --test",
    "vitest": r"vitest(?: run)?",
    "cargo": r"cargo (?:clippy|check)",
    "cargo test": r"cargo test",
    "go build": r"go build",
    "go vet": r"go vet",
    "go test": r"go test",
    "shellcheck": r"shellcheck",
    "actionlint": r"actionlint",
}
_START = re.compile(
    r"(?:^|[;&|(]|\s)(?P<launcher>" + _LAUNCHERS + r" )?(?P<tool>"
    r"" + "|".join(f"(?P<t{n}>{words})" for n, words in enumerate(_STARTED.values())) + r")"
    r"(?=[\s;&|)]|$)(?P<rest>[^;&|)#\n]*)"
)
_WHERE = {
    "cargo": ("Cargo.toml",),
    "cargo test": ("Cargo.toml",),
    "go build": ("go.mod",),
    "go vet": ("go.mod",),
    "go test": ("go.mod",),
}
_BEFORE = re.compile(
    r"(?:^|\s)(?:#|echo|pip3?|install|add|uninstall|which|command -v|cache|--with|-r|docker)"
    r"\s*(?:.*\s)?$"
)
"""What makes of a tool's name something that is installed or printed."""
_DROPPED = re.compile(
    r"(?:^|(?<=\s))(?:--fix(?:=\S+)?|--show-fixes|--unsafe-fixes|--exit-zero|--pretty|--quiet|-q"
    r"|--verbose|-v+|--colou?r(?:=\S+)?|--no-color|--no-fix|--no-cache|--cache|--install-types"
    r"|--non-interactive|--message-format[= ]\S+|--no-fail-fast|-json"
    r"|(?:--output-format|--output|--format|-f|-o|--output-file)(?:[= ]\S+))(?=\s|$)"
)
"""Arguments that change files, hide failures, or say how to print."""
_KEPT = re.compile(
    r"--?|--(?:config|project|strict|ext|max-warnings|select|extend-select|all-features|features"
    r"|workspace|all-targets|all|tests|locked|exclude|python-version|noEmit|build|severity|shell"
    r"|ignore-missing-imports|package|external-sources)(?:=.*)?|-[cpbDxSsPmt]|-race|-tags(?:=.*)?"
    r"|-gcflags=.*|-count=1"
)
"""Arguments that say what is looked at and how strictly. Any other may do anything."""


_OF_TESTS = ("pytest", "jest", "vitest", "node --test")
"""A part of the tests is what a line that starts one of these is often for."""


def commands_in(text: str, launcher: str = "") -> Iterator[tuple[str, str]]:
    """(tool, command that answers readably) for each known tool that a text starts.

    What follows the tool stays, but for what would change its answer; where that depends on a
    variable, the tool's usual command is taken.
    """
    names = list(_STARTED)
    for line in text.replace("\\\n", " ").splitlines():
        for match in _START.finditer(line):
            if _BEFORE.search(line[: match.start("tool")].rstrip() + " "):
                continue
            number = next(n for n in range(len(names)) if match[f"t{n}"] is not None)
            tool = names[number]
            rest = _DROPPED.sub("", match["rest"])
            rest = " ".join(rest.split())
            own = (match["launcher"] or launcher).strip()
            yield tool, _command(tool, own, match["tool"], rest)


def _command(tool: str, launcher: str, words: str, rest: str) -> str:
    adapter = TOOLS[tool]
    own = rest.split()
    usual = (
        tool in _OF_TESTS  # a part of the tests is what a line is often for
        or any(mark in rest for mark in ("$`<>{}" if _is_quoted(tool, rest) else "$`<>{}\"'*"))
        or any(word.startswith("-") and not _KEPT.fullmatch(word) for word in own)
    )
    if usual:
        return adapter.command if not launcher else _launched(adapter.command, launcher)
    if tool == "unittest":
        if own[:1] == ["discover"]:  # which must be the first word
            words, own = f"{words} discover", own[1:]
        return " ".join(("python -m", words, adapter.writes, *own))
    if tool == "shellcheck" and not own:
        return adapter.command
    if tool == "tsc" and not {"--noEmit", "-b", "--build"} & set(own):
        own.insert(0, "--noEmit")
    if tool in ("eslint", "ruff") and not any(not word.startswith("-") for word in own):
        own.append(".")
    if not launcher and tool in ("tsc", "eslint"):
        launcher = "npx --no-install"
    return " ".join(filter(None, (launcher, words, adapter.writes, *own)))


def _is_quoted(tool: str, rest: str) -> bool:
    """Whether quotes in what follows are of the command: without a pattern, other tests run."""
    return tool == "unittest" and not (rest.count('"') % 2 or rest.count("'") % 2)


def _launched(command: str, launcher: str) -> str:
    """The usual command, started as the repository starts it."""
    if launcher.startswith("python"):
        return command
    bare = command.removeprefix("npx --no-install ")
    return f"{launcher} {bare}"


# --- Python ---------------------------------------------------------------------------------------

_PYTHON_FILES = {
    "ruff": ("ruff.toml", ".ruff.toml"),
    "mypy": ("mypy.ini", ".mypy.ini"),
    "pyright": ("pyrightconfig.json",),
    "pytest": ("pytest.ini", ".pytest.ini", "pytest.toml", "conftest.py"),
}
_MYPY_ALONE = TOOLS["mypy"].command.removesuffix(" .")
"""Where its settings say what it looks at."""
_SECTIONS = {
    "mypy": r"\[mypy\]",
    "pytest": r"\[(?:tool:)?pytest\]",
}


def _look_at_python(found: _Found) -> None:
    python = next((path for path in found.paths if path.endswith(".py")), "")
    if not python:
        return
    found.add("python", "", f"{python}: Python")
    for tool, names in _PYTHON_FILES.items():
        for path in found.named(*names):
            folder = "" if tool == "pytest" else posixpath.dirname(path)
            own = re.search(r"(?m)^(files|packages|modules)\s*=", found.text(path))
            command = _MYPY_ALONE if tool == "mypy" and own else ""
            found.add(tool, folder, f"{path}: is there", command)
    for path in found.named("pyproject.toml"):
        _look_at_pyproject(found, path)
    for path in found.named("tox.ini", "setup.cfg"):
        text = found.text(path)
        for tool, section in _SECTIONS.items():
            if match := re.search(rf"(?m)^{section}", text):
                found.add(tool, posixpath.dirname(path), f"{path}: {match[0]}")
        found.mentions(text, path, posixpath.dirname(path))
    for path in found.named("noxfile.py"):
        text = re.sub(r"[\"'],\s*[\"']", " ", found.text(path))  # argv lists
        found.mentions(re.sub(r"[\"'()]", "\n", text), path, posixpath.dirname(path))


def _look_at_pyproject(found: _Found, path: str) -> None:
    folder = posixpath.dirname(path)
    try:
        data = tomllib.loads(found.text(path))
    except (ValueError, RecursionError) as error:
        found.unread.append(f"{path}: is not TOML: {error}")
        return
    tools = data.get("tool")
    for tool, key in (("ruff", "ruff"), ("mypy", "mypy"), ("pyright", "pyright")):
        if isinstance(tools, dict) and key in tools:
            own = isinstance(tools[key], dict) and {"files", "packages", "modules"} & set(
                tools[key]
            )
            command = _MYPY_ALONE if tool == "mypy" and own else ""
            found.add(tool, folder, f"{path}: [tool.{key}]", command)
    if isinstance(tools, dict) and "pytest" in tools:
        found.add("pytest", folder, f"{path}: [tool.pytest]")
    project = data.get("project")
    needed = [data.get("dependency-groups")]
    needed += [project.get("optional-dependencies")] if isinstance(project, dict) else []
    words = {match[0].lower() for match in re.finditer(r"[A-Za-z][\w-]*", repr(needed))}
    for tool in ("ruff", "mypy", "pyright", "pytest"):
        if tool in words:
            found.add(tool, folder, f"{path}: depends on {tool}")


_PYTHON_TEST = re.compile(r"(.*/)?(test_[^/]*|[^/]*_test)\.py")
_PACKAGE_FILES = ("pyproject.toml", "setup.py", "setup.cfg", "tox.ini")
_IS_TESTED = re.compile(r"(?m)^\s*(async )?def test|^class \w*Test|\bTestCase\b")


def _look_at_tests_left(found: _Found) -> None:
    """Tests that lie outside of every folder in which tests are run: a package of their own."""
    suites = {folder for tool, folder in found.hints if tool in ("pytest", "unittest")}
    packages = {posixpath.dirname(path) for path in found.named(*_PACKAGE_FILES)} if suites else ()
    first: dict[str, str] = {}
    for path in filter(_PYTHON_TEST.fullmatch, found.paths):
        above = [*_folders_above(path)]
        folder = next((folder for folder in above if folder in packages), "")
        if folder in first or suites & {*above}:
            continue
        if not suites or _IS_TESTED.search(found.text(path)):  # else a helper that is called so
            first[folder] = path
    others = sorted({*suites, *first} - {""})
    ignored = "".join(f" --ignore={shlex.quote(name)}" for name in others)
    for folder, path in first.items():
        command = f"{TOOLS['pytest'].command}{ignored}" if ignored and not folder else ""
        found.add("pytest", folder, f"{path}: tests", command)


def _folders_above(path: str) -> Iterator[str]:
    """From the nearest to the root, which is empty."""
    while path:
        path = posixpath.dirname(path)
        yield path


# --- JavaScript -----------------------------------------------------------------------------------

_ESLINT = re.compile(r"(^|/)(eslint\.config\.[cm]?[jt]s|\.eslintrc(\.(c?js|json|ya?ml))?)$")
_RUNNERS = re.compile(r"(^|/)(jest|vitest)\.config\.([cm]?[jt]s|json)$")


def _look_at_javascript(found: _Found) -> None:
    packages = {posixpath.dirname(path) for path in found.named("package.json")}
    for path in found.named("package.json"):
        _look_at_package(found, path)
    for path in found.named("tsconfig.json"):
        folder = posixpath.dirname(path)
        if folder in packages:
            found.add("tsc", folder, f"{path}: is there")
    for path in found.paths:
        if _ESLINT.search(path) and posixpath.dirname(path) in packages:
            found.add("eslint", posixpath.dirname(path), f"{path}: is there")
        if match := _RUNNERS.search(path):
            found.add(match[2], posixpath.dirname(path), f"{path}: is there")


def _look_at_package(found: _Found, path: str) -> None:
    folder = posixpath.dirname(path)
    try:
        data = json_value(found.text(path) or "{}", limit=_BYTES_LIMIT)
    except ValueError as error:
        found.unread.append(f"{path}: {error}")
        return
    if not isinstance(data, dict):
        return
    scripts = _scripts(data)
    for name, line in scripts.items():
        found.mentions(line, f"{path} ({name})", folder)
    for key in ("dependencies", "devDependencies"):
        needed = data.get(key)
        for tool in ("eslint", "jest", "vitest"):
            if isinstance(needed, dict) and tool in needed:
                found.add(tool, folder, f"{path}: depends on {tool}")
    part = _unknown_tests(scripts, "test", set())
    # Whoever hands on to packages below is no suite: those are looked at one by one.
    below = (p for p in _below(found, folder) if p.endswith("/package.json") and p != path)
    if part and not any(below):
        found.add(NPM_TEST, folder, f"{path} (test): {_short(part)}", _npm_test(scripts))


def _npm_test(scripts: Mapping[str, str]) -> str:
    """Without what comes after the tests (audits, uploads), and without linters and compilers that
    come before them: those are targets of their own, and a test is mended whatever they say."""
    before = scripts.get("pretest", "")
    for name in re.findall(r"\b(?:npm|yarn|pnpm) (?:run )?([\w:.-]+)", before):
        before += f"\n{scripts.get(name, '')}"
    needed = before and not any(commands_in(before))
    usual = TOOLS[NPM_TEST].command
    listed = _LISTED if _MOCHA.fullmatch(scripts.get("test", "").strip()) else ""
    if needed and "posttest" in scripts:
        return f"npm run --silent pretest && {usual} --ignore-scripts{listed}"
    if needed or not {"pretest", "posttest"} & set(scripts):
        return usual + listed
    return f"{usual} --ignore-scripts{listed}"


_MOCHA = re.compile(
    r"(?:(?:npx|nyc|c8|cross-env|\w+=\S+) +)*_?mocha\b(?!.* (?:-R|--reporter)\b)[^&|;<>]*"
)
_LISTED = " -- --reporter spec"
"""Whatever its settings say: mocha's own list of tests."""


_OTHER_SCRIPT = re.compile(r"(?:npm|pnpm|yarn|bun)(?: run)?(?: -s| --silent)* ([\w:.-]+)")
_NO_TEST = re.compile(r"(?:cd|pushd|echo|exit|true|rimraf|rm|mkdir|export|sleep)\b")


def _unknown_tests(scripts: Mapping[str, str], name: str, seen: set[str]) -> str:
    """The first command of a script that no adapter knows: nobody else runs it."""
    line = scripts.get(name, "")
    if name in seen:
        return ""
    seen.add(name)
    for part in filter(None, (part.strip(" ()\t") for part in re.split(r"&&|\|\||;|\n", line))):
        another = _OTHER_SCRIPT.fullmatch(part)
        if another and another[1] in scripts:
            if unknown := _unknown_tests(scripts, another[1], seen):
                return unknown
        elif not _NO_TEST.match(part) and not [*commands_in(part)]:
            return str(part)
    return ""


def _scripts(package: dict[str, Any]) -> dict[str, str]:
    scripts = package.get("scripts")
    told = scripts.items() if isinstance(scripts, dict) else ()
    return {name: line for name, line in told if isinstance(line, str)}


# --- Other languages ------------------------------------------------------------------------------

_C_FILE = re.compile(r"\.(c|cc|cpp|cxx|h|hpp|hh)$")


def _look_at_others(found: _Found) -> None:
    for path in _topmost(found.named("Cargo.toml")):
        folder = posixpath.dirname(path)
        found.add("cargo", folder, f"{path}: is there")
        if test := _rust_test(found, folder):
            found.add("cargo test", folder, f"{test}: tests")
    for path in found.named("go.mod"):
        folder = posixpath.dirname(path)
        for tool in ("go build", "go vet"):
            found.add(tool, folder, f"{path}: is there")
        if test := next((p for p in _below(found, folder) if p.endswith("_test.go")), ""):
            found.add("go test", folder, f"{test}: tests")
    for path in _topmost(found.named("pom.xml")):
        found.add("maven", posixpath.dirname(path), f"{path}: is there")
    for path in _topmost(found.named("build.gradle", "build.gradle.kts")):
        folder = posixpath.dirname(path)
        own = posixpath.join(folder, "gradlew") in found.known
        command = TOOLS["gradle"].command
        found.add(
            "gradle",
            folder,
            f"{path}: is there",
            command if own else command.replace("./gradlew", "gradle"),
        )
    compiled = any(_C_FILE.search(path) for path in found.paths)
    for path in _topmost(found.named("CMakeLists.txt")) if compiled else ():
        found.add("gcc", posixpath.dirname(path), f"{path}: is there", _CMAKE)
        if re.search(r"(?mi)^\s*(enable_testing|include\(CTest\))", found.text(path)):
            found.add("junit", posixpath.dirname(path), f"{path}: enable_testing", _CTEST)
    for path in sorted(found.named("Makefile", "makefile", "GNUmakefile"), key=_depth):
        text, folder = found.text(path), posixpath.dirname(path)
        if compiled and not _within(found, ("gcc",), folder) and _COMPILES.search(text):
            found.add("gcc", folder, f"{path}: compiles C")
        for line in text.replace("\\\n", " ").splitlines():  # each has a shell of its own
            if line[:1] == "\t":
                found.mentions(line[1:].lstrip("@-+"), path, folder)
    for path in found.named(".shellcheckrc"):
        found.add("shellcheck", posixpath.dirname(path), f"{path}: is there")
    for path in (".github/actionlint.yaml", ".github/actionlint.yml"):
        if path in found.known:
            found.add("actionlint", "", f"{path}: is there")


def _below(found: _Found, folder: str) -> Iterator[str]:
    return (path for path in found.paths if not folder or path.startswith(f"{folder}/"))


_RUST_FILES_LIMIT = 100
"""That are read to find out whether there are tests: who runs none is incomplete."""


def _rust_test(found: _Found, folder: str) -> str:
    sources = [path for path in _below(found, folder) if path.endswith(".rs")]
    sources.sort(key=lambda path: "tests/" not in path)
    for path in sources[:_RUST_FILES_LIMIT]:
        if re.search(r"#\[(?:\w+::)*(?:test|rstest|test_case|quickcheck)\b", found.text(path)):
            return path
    return ""


_CMAKE = "cmake -S . -B build && cmake --build build --clean-first -- -k"
_CTEST = (
    "cmake -S . -B build && cmake --build build && ctest --test-dir build --output-junit {report}"
)
_COMPILES = re.compile(r"\$[({](CC|CXX|CFLAGS|CXXFLAGS)[)}]|\b(gcc|g\+\+|clang(\+\+)?|cc)\b|\.o\b")


def _depth(path: str) -> tuple[int, str]:
    return path.count("/"), path


def _within(found: _Found, tools: Collection[str], folder: str) -> bool:
    """Whether one of the tools is asked there, or in a folder around it, of which it is a part."""
    around = {folder, ""}
    while folder := posixpath.dirname(folder):
        around.add(folder)
    return any(tool in tools and where in around for tool, where in found.hints)


def _topmost(paths: Iterable[str]) -> list[str]:
    """Those without another one above: members of a workspace belong to it."""
    kept: list[str] = []
    for path in sorted(paths, key=_depth):
        folders = {posixpath.dirname(other) for other in kept}
        above = posixpath.dirname(path)
        while above and above not in folders:
            above = posixpath.dirname(above)
        if above not in folders:
            kept.append(path)
    return kept


# --- Tests that only make runs --------------------------------------------------------------------

_CHECK_RULE = re.compile(r"(?m)^(check|test)\s*:(?!=)")


def _look_at_make_tests(found: _Found) -> None:
    """What is left to ask where nobody lists tests one by one: whether they pass at all."""
    for path in sorted(found.named("Makefile", "makefile", "GNUmakefile"), key=_depth):
        rule = _CHECK_RULE.search(found.text(path))
        folder = posixpath.dirname(path)
        known = (t for t, f in found.hints if not folder or f == folder)
        nested = _within(found, ("make check", "make test", "junit"), folder)
        if rule and not nested and not any(Category.TEST in TOOLS[t].categories for t in known):
            found.add(f"make {rule[1]}", folder, f"{path}: {rule[1]}")


# --- Pipelines ------------------------------------------------------------------------------------

_WORKFLOW = re.compile(r"\.github/workflows/[^/]+\.ya?ml")


def _look_at_pipelines(found: _Found) -> None:
    for path in found.paths:
        if _WORKFLOW.fullmatch(path):
            for folder, line in _steps(_yaml(found, path)):
                found.mentions(line, path, folder if _is_folder(found, folder) else "")
    if ".pre-commit-config.yaml" in found.known:
        path = ".pre-commit-config.yaml"
        for hook in _hooks(_yaml(found, path)):
            tool = {"ruff-check": "ruff", "mypy": "mypy", "eslint": "eslint"}.get(hook, hook)
            if tool in ("ruff", "mypy", "eslint", "shellcheck", "actionlint", "pyright"):
                found.add(tool, "", f"{path}: {hook}")


def _is_folder(found: _Found, folder: str) -> bool:
    return bool(folder) and any(path.startswith(f"{folder}/") for path in found.paths)


def _yaml(found: _Found, path: str) -> dict[str, Any]:
    try:
        return reader.read(found.text(path), path).data
    except ConfigError as error:
        found.unread.append(str(error))
        return {}


def _steps(workflow: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(folder, lines of shell) of each step that runs some."""
    jobs = workflow.get("jobs")
    for job in jobs.values() if isinstance(jobs, dict) else ():
        steps = job.get("steps") if isinstance(job, dict) else None
        for step in steps if isinstance(steps, list) else ():
            run = step.get("run") if isinstance(step, dict) else None
            if isinstance(run, str):
                folder = step.get("working-directory")
                yield (posixpath.normpath(folder) if isinstance(folder, str) else ""), run


def _hooks(settings: dict[str, Any]) -> Iterator[str]:
    repositories = settings.get("repos")
    for repository in repositories if isinstance(repositories, list) else ():
        hooks = repository.get("hooks") if isinstance(repository, dict) else None
        for hook in hooks if isinstance(hooks, list) else ():
            if isinstance(hook, dict) and isinstance(hook.get("id"), str):
                yield hook["id"]
