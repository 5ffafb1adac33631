"""How Rust, Go, Java and C say that they are built and tested: the file at a project's top."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator

from autoresearch_ci.measure.diagnostics.discovery.found import FoundHints, depth, topmost
from autoresearch_ci.measure.diagnostics.discovery.pipelines import MAKEFILES
from autoresearch_ci.measure.diagnostics.registry import TOOLS

_RUST_FILES_LIMIT = 100
"""That are read to find out whether there are tests: who runs none is incomplete."""
_RUST_TEST = re.compile(r"#\[(?:\w+::)*(?:test|rstest|test_case|quickcheck)\b")
_RUST_BENCH = re.compile(r"(^|/)benches/[^/]+(/main)?\.rs$")
_UNSTABLE = re.compile(r"(?m)^\s*#!\[feature\(")
_NO_GO = re.compile(r"(^|/)_")
"""Folders that Go leaves out itself."""
_C_FILE = re.compile(r"\.(c|cc|cpp|cxx|h|hpp|hh)$")
_CMAKE = "cmake -S . -B build && cmake --build build --clean-first -- -k"
_CMAKE_ONCE = "cmake -S . -B build && cmake --build build -j 4"
_CUSTOM_TEST = re.compile(
    r"(?mi)^\s*add_custom_target\s*\(\s*(check|(?:unit|run_?)?tests?)\s+"
    r"(?:(?:ALL\s+)?|(?:\"[^\"]*\"|[^)\"])*?(?<=\s)COMMAND\s+)"
    r"(?-i:(?!(?:ALL|BYPRODUCTS|COMMAND|COMMENT|DEPENDS|JOB_\w+|SOURCES|USES_TERMINAL|VERBATIM"
    r"|WORKING_DIRECTORY|COMMAND_EXPAND_LISTS)\b))"
    r"(?!\"?(?:\$\{CMAKE_COMMAND\}|cmake\b)\"?\s+(?!-P|-E\s+(?:env|chdir|time)\s))[^\s)#]"
)
"""That runs something; one that only builds is green whatever the tests say."""
_CTEST = (
    "cmake -S . -B build{} && cmake --build build -j 4"
    " && ctest --test-dir build --output-junit {{report}}"
)
_SWITCHED_OFF = re.compile(
    r"(?im)^\s*(?:cmake_dependent_)?option\s*\("
    r"\s*((?!\w*(?:WITHOUT|DISABLE|SKIP|NO_))\w*TEST(?:S|ING)?)\s"
    r"[^()]*?[\s\"](?:OFF|FALSE|NO|0)\s*\)"
)
"""Tests that are built for who asks: without that there are none to fail."""
_COMPILES = re.compile(r"\$[({](CC|CXX|CFLAGS|CXXFLAGS)[)}]|\b(gcc|g\+\+|clang(\+\+)?|cc)\b|\.o\b")
_COMPILES_JAVA = re.compile(r"\$[({]JAVAC[)}]|\bjavac\b")
_GRADLE_FILES = ("build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts")


def look(found: FoundHints) -> None:
    for path in topmost(found.named("Cargo.toml")):
        folder = posixpath.dirname(path)
        found.add("cargo", folder, f"{path}: is there", _cargo(found, folder))
        if test := _rust_test(found, folder):
            found.add("cargo test", folder, f"{test}: tests")
    for path in found.named("go.mod"):
        folder = posixpath.dirname(path)
        if _NO_GO.search(path):
            continue
        for tool in ("go build", "go vet"):
            found.add(tool, folder, f"{path}: is there")
        if test := next((p for p in found.below(folder) if p.endswith("_test.go")), ""):
            found.add("go test", folder, f"{test}: tests")
    for folder, tool, path in _of_java(found):
        found.add(tool, folder, f"{path}: is there", _wrapped(found, tool, folder))
    if any(_C_FILE.search(path) for path in found.paths):
        _look_at_c(found)
    if any(path.endswith(".java") for path in found.paths):
        _look_at_made(found, "javac", ("gcc", "maven", "gradle", "javac"), _COMPILES_JAVA, "Java")


def _cargo(found: FoundHints, folder: str) -> str:
    """Without benchmarks that only a nightly compiler builds; empty: the usual command."""
    benches = [path for path in found.below(folder) if _RUST_BENCH.search(path)]
    if not any(_UNSTABLE.search(found.text(path)) for path in benches[:_RUST_FILES_LIMIT]):
        return ""
    library = any(path.endswith("src/lib.rs") for path in found.below(folder))
    kinds = f"{'--lib ' * library}--bins --tests --examples"
    return TOOLS["cargo"].command.replace("--all-targets", kinds)


def _rust_test(found: FoundHints, folder: str) -> str:
    sources = [path for path in found.below(folder) if path.endswith(".rs")]
    sources.sort(key=lambda path: "tests/" not in path)
    texts = ((path, found.text(path)) for path in sources[:_RUST_FILES_LIMIT])
    return next((path for path, text in texts if _RUST_TEST.search(text)), "")


def _of_java(found: FoundHints) -> Iterator[tuple[str, str, str]]:
    """(folder, tool, the file that says so). Of a project that has both, one: it is the same."""
    maven = {posixpath.dirname(path): path for path in topmost(found.named("pom.xml"))}
    gradle = {posixpath.dirname(path): path for path in topmost(found.named(*_GRADLE_FILES))}
    for folder in dict.fromkeys((*maven, *gradle)):
        both = folder in maven and folder in gradle
        if folder in maven and not (both and _asks_gradle_alone(found)):
            yield folder, "maven", maven[folder]
        else:
            yield folder, "gradle", gradle[folder]


def _asks_gradle_alone(found: FoundHints) -> bool:
    texts = [found.text(p) for p in found.paths if p.startswith(".github/workflows/")]
    words = "\n".join(texts)
    return bool(re.search(r"\bgradlew?\b", words)) and not re.search(r"\bmvnw?\b", words)


def _wrapped(found: FoundHints, tool: str, folder: str) -> str:
    """With the project's own wrapper where there is one."""
    command = TOOLS[tool].command
    if tool == "maven":
        own = posixpath.join(folder, "mvnw") in found.known
        return command.replace("mvn", "./mvnw", 1) if own else command
    own = posixpath.join(folder, "gradlew") in found.known
    return command if own else command.replace("./gradlew", "gradle", 1)


def _look_at_c(found: FoundHints) -> None:
    for path in topmost(found.named("CMakeLists.txt")):
        found.add("gcc", posixpath.dirname(path), f"{path}: is there", _CMAKE)
        text = found.text(path)
        if re.search(r"(?mi)^\s*(enable_testing|include\s*\(\s*CTest\s*\))", text):
            options = "".join(f" -D{name}=ON" for name in _SWITCHED_OFF.findall(text))
            command = _CTEST.format(options)
            found.add("junit", posixpath.dirname(path), f"{path}: enable_testing", command)
        elif rule := _CUSTOM_TEST.search(text):
            command = f"{_CMAKE_ONCE} && cmake --build build --target {rule[1]}"
            found.add("make test", posixpath.dirname(path), f"{path}: target {rule[1]}", command)
    _look_at_made(found, "gcc", ("gcc",), _COMPILES, "C")


def _look_at_made(
    found: FoundHints, tool: str, others: Collection[str], compiles: re.Pattern[str], language: str
) -> None:
    """What make builds, where none of `others` does already."""
    for path in sorted(found.named(*MAKEFILES), key=depth):
        folder = posixpath.dirname(path)
        if not found.is_asked_around(others, folder) and compiles.search(found.text(path)):
            found.add(tool, folder, f"{path}: compiles {language}")
