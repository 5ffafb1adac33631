"""New files that would be found instead of a frozen one, or before it: the ruler has no twin.

A file that may not be edited is not safe when another one may be put in its place: Python takes
`evaluate/__init__.py` before `evaluate.py`, and `statistics.py` beside a script before its own;
node takes `evaluate` before `evaluate.js`; a compiler takes the nearest `util.h`. Which files may
be edited is scope.py's business; what the ruler imports, ruler_imports.py's.
"""

from __future__ import annotations

import bisect
import functools
import posixpath
import re
import sys
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence

from autoresearch_ci.safety.characters import without_hidden
from autoresearch_ci.workspace.ruler_imports import RulerImports, read_ruler

PYTHON_STANDARD = {name.lower() for name in sys.stdlib_module_names} - {
    "test",
    "this",
    "antigravity",
}
PYTHON_RUNNERS = re.compile(
    r"_?pytest(_.*)?|pluggy|iniconfig|py|xdist|execnet|coverage|hypothesis|nose2?|mock|tox|nox"
    r"|unittest2|packaging|pygments|exceptiongroup|pkg_resources|setuptools|_distutils_hack"
    r"|pyperf|asv|pytest_case_outcomes"
)
"""What test and benchmark runners import, theirs and ours."""
_HEADER_NAMES = """
    assert.h complex.h ctype.h errno.h fenv.h float.h inttypes.h iso646.h limits.h locale.h math.h
    setjmp.h signal.h stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h
    string.h tgmath.h threads.h time.h uchar.h wchar.h wctype.h unistd.h pthread.h sys/time.h
    sys/resource.h sys/types.h x86intrin.h immintrin.h gtest/gtest.h gmock/gmock.h
    benchmark/benchmark.h catch2/catch.hpp catch.hpp doctest.h doctest/doctest.h check.h cmocka.h
    unity.h criterion/criterion.h algorithm atomic cassert chrono cmath cstdio cstdlib cstring ctime
    iostream random thread vector"""
STANDARD_HEADERS = frozenset(_HEADER_NAMES.split())
"""Of C, C++ and their test runners."""
JVM_RUNNERS = re.compile(
    r"(^|/)(org/junit|junit|org/openjdk/jmh|org/testng|org/hamcrest|org/mockito|org/assertj"
    r"|org/scalatest|org/spockframework|kotlin/test)/(.*/)?[^/]+\.(java|kt|scala|groovy|class)$"
)
_PERL_NAMES = """
    base benchmark bytes carp config constant cwd data/dumper encode english errno exporter
    exporter/heavy fcntl feature fields file/basename file/path file/spec file/temp findbin
    getopt/long integer io/file io/handle json/pp lib list/util overload parent posix re
    scalar/util storable strict symbol test/builder test/more test/simple text/balanced
    tie/hash time/hires time/local utf8 vars version warnings warnings/register xsloader
    dynaloader"""
PERL_CORE = frozenset(_PERL_NAMES.split())


def same_file_key(path: str) -> str:
    """Equal for all paths that some file system takes for the same file.

    Windows drops dots and spaces at the end of a name, macOS ignores case and Unicode composition,
    and some characters that nobody sees: `.g<U+200C>it` is `.git` there (git's `next_hfs_char`).
    """
    if path.isascii() and path.isprintable():
        key = path.lower()
    else:
        path = unicodedata.normalize("NFD", without_hidden(path))
        key = unicodedata.normalize("NFD", path.casefold())
    if not key.endswith((".", " ")) and "./" not in key and " /" not in key:
        return key
    return "/".join(part.rstrip(". ") for part in key.split("/"))


_FAMILIES = {
    # importlib: a package, then extension modules, sources, bytecode; type checkers: stubs first.
    "Python": ".py .pyw .pyi .pyc .pyo .so .pyd",
    # require: the exact name, then .js, .json, .node, then the folder's index; bundlers and
    # TypeScript have orders of their own over the same names.
    "JavaScript": """
        .d.ts .d.mts .d.cts .js .mjs .cjs .jsx .ts .mts .cts .tsx .json .node .wasm .vue .svelte""",
    "Ruby": ".rb .so .bundle .jar",
    "Lua": ".lua .luac .so",
    "Perl": ".pm .pmc",
    "PHP": ".inc .php .phar",  # spl_autoload: .inc first
    "Emacs": ".eln .elc .el",
    "Java": ".java .class",
    # make's built-in rules: whatever `bench` can be made from, or is already.
    "make": ".c .cc .cpp .cxx .c++ .m .mm .s .sx .asm .f .f90 .p .l .y .o .obj .a .out",
}
_BY_SUFFIX = {
    end: [family for family, ends in _FAMILIES.items() if end in ends.split()]
    for end in " ".join(_FAMILIES.values()).split()
}
_HEADERS = (".h", ".hh", ".hpp", ".hxx", ".h++", ".inl", ".ipp", ".tcc", ".cuh")
_C = (".c", ".cc", ".cpp", ".cxx", ".c++", ".cu", ".m", ".mm", *_HEADERS)
_INDEX = {"Python": "__init__", "JavaScript": "index", "Lua": "init"}
# React Native's and other bundlers': `x.native.js` before `x.js`.
_PLATFORM = re.compile(r"\.(native|ios|android|web|windows|macos|server|browser)$")
_PYTHON = (".py", ".pyw", ".pyi")

_JVM = (".java", ".kt", ".scala", ".groovy")
_JVM_ROOTS = frozenset({"java", "kotlin", "scala", "groovy"})
"""Below such a folder, by convention, a file's place is its package."""
_SOURCE_ROOTS = _JVM_ROOTS | {"src", "test", "tests", "main", "app", "lib", "classes"}
_NODE_PATH = re.compile(r"\bNODE_PATH=[\"']?([^\s\"';&|]+)")
_PROGRAM = re.compile(r"[^.]+(\.\d+)*(\.(exe|cmd|bat|com|sh))?")
_VENDOR = re.compile(r"/?\bvendor/")
_PLACES = {"Ruby": ("lib", "spec", "test"), "Perl": ("lib", "t/lib", "blib/lib")}
"""On the search path by convention of the test runners."""


class Twins:
    """What is tracked at the base commit, looked up by what would shadow it."""

    def __init__(
        self,
        tracked: Collection[str],
        commands: Sequence[str],
        editable: Callable[[str], bool],
        read: Callable[[str], bytes] | None,
    ) -> None:
        """`editable`: whether a tracked file may be edited; `read`: its content."""
        self._tracked = frozenset(tracked)
        self._commands = commands
        self._editable = functools.cache(editable)
        self._read = read

    def refusal(self, path: str) -> str:
        """Why a file may not be made here; empty when it may, or is there already."""
        if path in self._tracked:
            return ""
        key = same_file_key(path)
        looks = (
            *(self._same_name, self._stub, self._package, self._imported),
            *(self._c_header, self._class, self._on_node_path, self._program, self._other),
        )
        return next((why for look in looks if (why := look(key))), "")

    def _same_name(self, key: str) -> str:
        """Another form of a frozen file: package or module, other extension or none."""
        return self._hides(("path", key), *_places(key), ("JavaScript", key), ("make", key))

    def _hides(self, *places: tuple[str, str]) -> str:
        """What is said of the first frozen file in one of these; empty: none is there."""
        known = (path for place in places for path in self._index.get(place, ()))
        frozen = next((path for path in known if not self._editable(path)), "")
        return f"would be found instead of the frozen {frozen}" if frozen else ""

    def _stub(self, key: str) -> str:
        """Type checkers read a stub, and then nothing of the module beside it, frozen or not."""
        stem, dot, end = key.rpartition(".")
        for known in self._index.get(("path", f"{stem}.py"), ()) if dot and end == "pyi" else ():
            return f"would be checked instead of {known}"
        return ""

    def _package(self, key: str) -> str:
        """`__init__.py` runs before every module below it, and makes all of them its own."""
        folder, name = posixpath.split(key)
        ends = tuple(_FAMILIES["Python"].split())
        if name.partition(".")[0] != "__init__" or not name.endswith(ends):
            return ""
        known = next((path for path in self._below(folder) if not self._editable(path)), "")
        return f"would run before the frozen {known}" if known else ""

    def _imported(self, key: str) -> str:
        """What the ruler imports by a name that would lead here."""
        for family, place in _places(key):
            if family not in ("Python", "Ruby", "Lua", "Perl", "PHP"):
                continue
            for folder in (*self._ruler.folders, *_PLACES.get(family, ())):
                start = f"{same_file_key(folder)}/" if folder else ""
                name = place.removeprefix(start) if place.startswith(start) else ""
                if name and (why := self._shadow(family, folder, name)):
                    return why
        return ""

    def _shadow(self, family: str, folder: str, name: str) -> str:
        """What a module `name` would be found instead of, in a folder that is searched."""
        known = list(self._known(family, name))
        if frozen := next((path for path in known if not self._editable(path)), ""):
            return f"would be found instead of the frozen {frozen}" if name in self._modules else ""
        if known:
            return ""  # the candidate's own
        first = name.partition("/")[0]
        if family == "Python" and (name in PYTHON_STANDARD or PYTHON_RUNNERS.fullmatch(first)):
            where = self._ruler.folders.get(folder, "")
            beside = f", beside the frozen {where}" if where in self._tracked else ""
            return f"would be imported instead of the installed {first}{beside}"
        if family == "Perl" and name in PERL_CORE:
            return f"would be imported instead of the installed {name.replace('/', '::')}"
        theirs = name if name in self._modules else first
        # What is missing below a package of the repository's own is for a proposal to make.
        if theirs in self._modules and not any(self._known(family, first)):
            return f"would be imported instead of the {theirs} that {self._modules[theirs]} imports"
        return ""

    def _known(self, family: str, name: str) -> Iterator[str]:
        """The tracked files that are the module `name`, wherever it is searched for."""
        for folder in (*self._ruler.folders, *_PLACES.get(family, ())):
            place = posixpath.join(same_file_key(folder), name)
            yield from self._index.get((family, place), ())
            if family == "Python":
                yield from self._below(place)

    def _c_header(self, key: str) -> str:
        """`#include "x.h"` takes the nearest, and what -I names before what is installed."""
        name = posixpath.basename(key)
        if why := self._hides(("header", name)):
            return why
        tail = "/".join(key.split("/")[-2:])
        if {name, tail} & STANDARD_HEADERS and self._c_files:
            return f"would be included instead of the installed {name}"
        return ""

    def _class(self, key: str) -> str:
        """The JVM and its compilers take the first of a name on their path, in whatever folder."""
        for known in self._index.get(("class", _class_name(key)), ()):
            if not self._editable(known) and _same_package(key, same_file_key(known)):
                return f"would be found instead of the frozen {known}"
        return ""

    def _on_node_path(self, key: str) -> str:
        """`require("judge")` looks into one folder after the other."""
        found = (
            match[1].split(":") for line in self._commands for match in _NODE_PATH.finditer(line)
        )
        folders = [same_file_key(posixpath.normpath(part)) for parts in found for part in parts]
        for family, place in _places(key) if folders else ():
            for start in folders if family == "JavaScript" else ():
                name = place.removeprefix(f"{start}/") if place.startswith(f"{start}/") else ""
                places = ((family, f"{other}/{name}") for other in folders)
                if name and (why := self._hides(*places)):
                    return why
        return ""

    def _program(self, key: str) -> str:
        """What a shell finds in a folder that the ruler puts on PATH, before what is installed."""
        folder, name = posixpath.split(key)
        for place, source in self._ruler.programs.items():
            if folder == same_file_key(place) and _PROGRAM.fullmatch(name):
                return f"would be run instead of an installed {name}: {source} has it on PATH"
        return ""

    def _other(self, key: str) -> str:
        """Languages whose modules are found by package, not by name."""
        folder = posixpath.dirname(key)
        if key.endswith("_test.go"):
            for known in self._index.get(("go tests", folder), ()):
                if not self._editable(known):
                    return f"would run in the same test program as the frozen {known}"
        for match in _VENDOR.finditer(key):
            for module in self._index.get(("go module", key[: match.start()]), ()):
                return f"would be found instead of what the frozen {module} names"
        new = ("JVM", "") in self._index and ("JVM", folder) not in self._index
        if new and JVM_RUNNERS.search(key):
            return "would be found instead of the installed class of that name"
        return ""

    @functools.cached_property
    def _index(self) -> dict[tuple[str, str], list[str]]:
        index: dict[tuple[str, str], list[str]] = {}
        for path in sorted(self._tracked):
            for place in (*_places(key := same_file_key(path)), *_groups(key)):
                index.setdefault(place, []).append(path)
        return index

    @functools.cached_property
    def _ruler(self) -> RulerImports:
        if self._read is None:
            return RulerImports(folders={"": ""})
        return read_ruler(self._commands, self._tracked, self._editable, self._read)

    @functools.cached_property
    def _modules(self) -> dict[str, str]:
        return {same_file_key(name): path for name, path in self._ruler.modules.items()}

    @functools.cached_property
    def _c_files(self) -> bool:
        return any(not self._editable(path) for path in self._index.get(("C", ""), ()))

    @functools.cached_property
    def _python_files(self) -> list[tuple[str, str]]:
        found = ((same_file_key(path), path) for path in self._tracked)
        return sorted((key, path) for key, path in found if key.endswith(_PYTHON))

    def _below(self, folder: str) -> Iterator[str]:
        """The Python files at any depth below a folder."""
        start = f"{folder}/" if folder else ""
        files = self._python_files
        for number in range(bisect.bisect_left(files, (start, "")), len(files)):
            key, path = files[number]
            if not key.startswith(start):
                return
            yield path


def _places(key: str) -> Iterator[tuple[str, str]]:
    """By which names, without extension, a file is found: (family, place)."""
    folder, name = posixpath.split(key)
    start = f"{folder}/" if folder else ""
    end = posixpath.splitext(name)[1]
    for family in _BY_SUFFIX.get(end, ()):
        stem = name.removesuffix(end)
        if end in (".so", ".pyd"):
            stem = name.partition(".")[0]  # evaluate.cpython-311-x86_64-linux-gnu.so
        elif family == "JavaScript":
            stem = _PLATFORM.sub("", stem.removesuffix(".d") if "ts" in end else stem)
        if family == "Python":  # x-stubs/ goes before x/ (PEP 561)
            start = start.replace("-stubs/", "/")
        if stem == _INDEX.get(family):
            if start:
                yield family, start[:-1]
            if family != "Python":
                yield family, f"{start}{stem}"
        elif stem:
            yield family, f"{start}{stem}"


def _groups(key: str) -> Iterator[tuple[str, str]]:
    """What else tracked files are looked up by."""
    folder, name = posixpath.split(key)
    yield "path", key
    if name.endswith(_HEADERS):
        yield "header", name
    if name.endswith(_C):
        yield "C", ""
    elif name.endswith("_test.go"):
        yield "go tests", folder
    elif name == "go.mod":
        yield "go module", folder
    elif name.endswith(_JVM):
        yield "JVM", ""
        yield "JVM", folder
        yield "class", _class_name(key)


def _class_name(key: str) -> str:
    """Of a source or class file of the JVM, without its package; else nothing that is one."""
    stem, end = posixpath.splitext(posixpath.basename(key))
    return stem if end in (*_JVM, ".class") else key


def _same_package(first: str, second: str) -> bool:
    """Whether two files in different folders may hold a class of the same full name."""
    one, two = (posixpath.dirname(key).split("/") for key in (first, second))
    if one == two:
        return False  # `_same_name` knows
    common: list[str] = []
    while one and two and one[-1] == two[-1]:
        common.append(one.pop())
        two.pop()
    if _JVM_ROOTS.intersection(common):
        return True
    at_root = [len(rest) <= 1 or rest[-1] in _SOURCE_ROOTS for rest in (one, two)]
    return any(at_root) if common else all(at_root)
