"""Refused before the baseline: programs that were built before, and that nobody builds again.

Every candidate would be measured by them, and none would differ. What was built is told by its
name, its first bytes, and the sources in scope that it may be made of.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from autoresearch_ci.errors import BaselineError
from autoresearch_ci.measure.ruler.installed_copies import InstalledCopy

_SOURCE = frozenset(
    {".c", ".cc", ".cpp", ".cxx", ".cu", ".f", ".f90", ".h", ".hpp", ".pxd", ".pyx", ".rs"}
)
_BUILDS = re.compile(r"\b(pip3? install|uv sync|build_ext|maturin|meson|cmake|make|ninja)\b")
_INSTALLS = re.compile(r"\b(pip3? install|uv sync|build_ext|build_clib)\b")
_COMPILERS = re.compile(
    r"\$\{?(?:CC|CXX|FC|CARGO|GO|MAKE)\b.*|"
    r"(?:[\w.]+-)*(?:gcc|g\+\+|cc|c\+\+|clang|clang\+\+|gfortran)(?:-[\d.]+)?|"
    r"(?:make|gmake|ninja|cmake|meson|scons|bazel|bazelisk|buck2|nvcc|emcc|rustc|cargo|"
    r"maturin|wasm-pack|go|zig|nim|ghc|cabal|stack|swift|swiftc|dotnet|dune|ocamlopt|mvn|mvnw|"
    r"gradle|gradlew|sbt|ant|mill|javac|kotlinc|scalac|tsc|esbuild|webpack|"
    r"vite|rollup|parcel|swc|babel|rspack|tsup|just|task)"
)
"""Programs that build something, whatever they are asked."""
TASK = re.compile(
    r"\b(?:npm|pnpm|yarn|bun|bunx|npx|deno|nx|turbo|lerna|rush|wireit)[ \t]+"
    r"(?:[\w@./=-]+[ \t]+){0,9}?(?:[\w-]+:)*(?:build|compile|bundle)(?::[\w-]+)*(?![\w/.-])"
)
"""A call of a runner that builds: its program may be a script that nobody knows by name."""
_BUILT = re.compile(rf"{_COMPILERS.pattern}|(?:[\w-]+:)?(?:build|compile|bundle)")
_JVM = frozenset({".java", ".kt", ".scala", ".groovy", ".clj"})
_SCRIPTS = frozenset({".ts", ".mts", ".cts", ".tsx", ".jsx", ".js", ".mjs", ".vue", ".svelte"})
_NATIVE = _SOURCE | {".go", ".rs", ".zig", ".swift", ".hs", ".nim", ".ml", ".cs", ".s", ".asm"}
_MAGIC = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\0asm")
"""How programs begin: on Linux, on macOS, WebAssembly."""
_OF_A_PROXY = re.compile(rb"\nmod\t[^\t\n]+\tv[^\t\n]+\th1:")
"""What Go notes in a program of a module that it has downloaded (`go version -m`)."""
_DEPENDENCIES = frozenset({"node_modules", ".venv", "venv", "vendor", "site-packages"})


def refuse_compiled(
    copy: InstalledCopy, scope: Iterable[str], command: str, *, words: Iterable[str], text: str
) -> None:
    """Raises `BaselineError` where a candidate may change sources that nobody compiles again.

    `command`: the one that decides. `words`, `text`: the programs of it and of its scripts, and
    what these say.
    """
    if not copy.compiled or _BUILDS.search(command) or _INSTALLS.search(text):
        return
    sources = [path for path in scope if PurePosixPath(path).suffix in _SOURCE]
    if sources and not any(map(_builds, words)):
        inside = copy.site == copy.record  # of the tree, whose place says nothing to anybody
        place = copy.compiled[0] if inside else str(copy.site / copy.compiled[0])
        raise BaselineError(
            f"measured code would use {place}, which was compiled "
            f"before the run: a change of {sources[0]} would not be measured.\n"
            "do: compile in the metric's and the guards' commands, for example\n"
            "  metric: {command: python setup.py -q build_ext --inplace && python bench.py}"
        )


def _real(path: Path) -> str:
    try:
        return os.path.realpath(path)
    except OSError:  # on its way stands what we may not enter
        return str(path)


def refuse_built(
    root: Path,
    tracked: frozenset[str],
    scope: Iterable[str],
    *,
    measured: Sequence[str],
    setup: Sequence[str],
    shared: Sequence[str],
) -> None:
    """Raises `BaselineError` where commands run what was built before, and nobody builds it again.

    `measured`, `setup`: the words of commands that may be programs or files. `shared`: folders that
    come from the checkout.
    """
    if any(map(_builds, measured)):
        return
    ends = {PurePosixPath(path).suffix: path for path in scope}
    built_here = any(_BUILT.fullmatch(PurePosixPath(word).name) for word in setup)
    place = _real(root)
    for word in measured:
        path = os.path.relpath(_real(root / word), place)
        parts = {*PurePosixPath(path).parts, *PurePosixPath(word).parts}
        outside = path == "." or path.startswith("../")
        if path in tracked or outside or parts & _DEPENDENCIES:
            continue
        if not built_here and not any(PurePosixPath(path).is_relative_to(s) for s in shared):
            continue
        source = next((ends[end] for end in _built_from(root / path) if end in ends), "")
        if source:
            raise BaselineError(
                f"measured code would use {path}, which was built before the run and is not built "
                f"again: a change of {source} would not be measured.\n"
                "usually: the build is a `setup` command, or its output is shared.\n"
                "do: build in the metric's and the guards' commands (make && ./bench); `cache` "
                "keeps what a build may reuse. If it is no product of this repository, have setup "
                "put it below $HOME, or commit it."
            )


def _builds(word: str) -> bool:
    """Whether a program, or a task of one, makes something of sources."""
    return bool(_COMPILERS.fullmatch(PurePosixPath(word).name) or TASK.fullmatch(word))


def _built_from(path: Path) -> frozenset[str]:
    """The extensions of what a compiler may have made a file, or a folder of files, from."""
    if path.is_dir():
        return _JVM if next(path.rglob("*.class"), None) else frozenset()
    if not path.is_file():
        return frozenset()
    if path.suffix in (".jar", ".war", ".class"):
        return _JVM
    if path.suffix in (".js", ".mjs", ".cjs"):
        return _SCRIPTS
    with contextlib.suppress(OSError), path.open("rb") as file:
        if file.read(4) in _MAGIC:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return frozenset() if _OF_A_PROXY.search(content) else _NATIVE
    return frozenset()
