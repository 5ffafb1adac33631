"""What builds of a repository make: the folder of a bundle, programs, pages, run notebooks."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autoresearch_ci.experiment import ReadBytes
from autoresearch_ci.plan.file_contents import mapping, text_of, toml_of

Builder = tuple[str, str, str]
"""Command, program, reason."""


_WRITTEN = re.compile(r"(?:>|\s-o|--(?:out-?)?file|--output)[ =]*(?:\./)?([\w./-]+\.[cm]?js)\b")


def output_of(package: Mapping[str, Any]) -> str:
    """Glob of the folder that package.json says its files are built into, else the published file
    that its script `build` writes last; empty: not known."""
    listed = package.get("files")
    named = [package.get("module"), package.get("main"), package.get("browser")]
    named += listed if isinstance(listed, list) else []
    names = [name.removeprefix("./") for name in named if isinstance(name, str)]
    tops = [name.split("/")[0] for name in names]
    if top := next((t for t in tops if t in ("dist", "build", "lib", "es", "out", "esm")), ""):
        return f"{top}/**/*.*js"
    written = _WRITTEN.findall(str(mapping(package.get("scripts")).get("build")))
    return next((path for path in reversed(written) if path in names), "")


def page_of(package: Mapping[str, Any], known: Sequence[str]) -> Builder | None:
    """The page that Lighthouse, which has to be among what is installed, could look at."""
    scripts, installed = package.get("scripts"), package.get("devDependencies")
    if not (isinstance(installed, dict) and "lighthouse" in installed):
        return None
    if isinstance(scripts, dict) and "build" in scripts:
        folder = output_of(package).partition("/")[0]
        folder = folder or ("build" if "react-scripts" in str(package) else "dist")
        return "npm run --silent build", folder, "package.json: lighthouse and a script build"
    page = min((p for p in known if posixpath.basename(p) == "index.html"), key=len, default="")
    return ("", posixpath.dirname(page) or ".", f"{page}: is there") if page else None


def programs(paths: Sequence[str], read: ReadBytes) -> Iterator[Builder]:
    """The likeliest first."""
    known = frozenset(paths)
    if "Cargo.toml" in known:
        yield from _of_cargo(known, read)
    if "go.mod" in known and "main.go" in known:
        yield "go build -o built-program .", "built-program", "main.go: is there"
    if "CMakeLists.txt" in known:
        yield from _of_cmake(known, read)
    elif (path := "meson.build") in known and re.search(r"library\s*\(", text_of(read, path)):
        build = "meson setup build --buildtype=release --default-library=static"
        yield f"{build} && meson compile -C build", "'build/**/lib*.a'", f"{path}: library()"
    elif {"configure.ac", "configure.in"} & known:
        for path in sorted(p for p in known if posixpath.basename(p) == "Makefile.am"):
            if re.search(r"(?m)^lib_LTLIBRARIES\s*\+?=", text_of(read, path)):
                build = "autoreconf -fi && ./configure && make"
                yield build, "'**/.libs/lib*.a'", f"{path}: lib_LTLIBRARIES"
    for path in ("Makefile", "makefile", "GNUmakefile"):
        if path in known:
            yield from _of_make(path, text_of(read, path))


def sites(paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Commands that build pages and tell of what is wrong with them, and the reason."""
    known = frozenset(paths)
    for path in ("mkdocs.yml", "mkdocs.yaml"):
        if path in known:
            yield 'mkdocs build --site-dir "$TMPDIR/site"', f"{path}: is there"
    for folder in ("docs", "doc", "docs/source", "doc/source", "source"):
        if f"{folder}/conf.py" in known and {f"{folder}/index{e}" for e in (".rst", ".md")} & known:
            yield f'sphinx-build -q -b html {folder} "$TMPDIR/site"', f"{folder}/conf.py: is there"
            return


def notebook_run(paths: Sequence[str]) -> str:
    """Executes each from its first cell to its last; a cell that fails fails it."""
    named = " ".join(map(shlex.quote, paths))
    return f'jupyter nbconvert --to notebook --execute --output-dir "$TMPDIR" {named}'


def _of_cargo(known: frozenset[str], read: ReadBytes) -> Iterator[Builder]:
    data = toml_of(read, "Cargo.toml")
    name = mapping(data.get("package")).get("name")
    listed = data.get("bin")
    first = listed[0].get("name") if isinstance(listed, list) and listed else None
    program = first or (name if "src/main.rs" in known else None)
    if isinstance(program, str):
        yield "cargo build --release", f"target/release/{program}", "Cargo.toml: a program"


_TARGET = re.compile(
    r"(?im)^\s*add_(executable|library)\s*\(\s*\"?([\w.-]+|\$\{\w+\})\"?(?=[\s)])([^)]*)\)"
)
_AROUND = re.compile(
    r"(?i)tests?\b|(^|[/_.-])(tests?|examples?|demos?|samples?|bench\w*|fuzz\w*)[/_.-]"
)
"""What holds or shows a library, and is no part of it; of a path or a name."""
_NO_CODE = re.compile(r"\b(INTERFACE|ALIAS|IMPORTED|MODULE)\b")


def _of_cmake(known: frozenset[str], read: ReadBytes) -> Iterator[Builder]:
    """Programs of the top first, else the library, else a program that lies beside it."""
    found = [
        (kind.lower(), path, name, rest)
        for path in sorted(known, key=lambda path: (path.count("/"), path))
        if posixpath.basename(path) == "CMakeLists.txt" and not _AROUND.search(path)
        for kind, name, rest in _targets(text_of(read, path))
    ]
    for kind, path, name, rest in sorted(found, key=_rank):
        around = any(map(_AROUND.search, (f"{name}/", *rest.split())))
        if around or _NO_CODE.search(rest) or (kind == "executable" and "$" in name):
            continue
        built = "cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF"
        built = f"{built} && cmake --build build -j 4{'' if '$' in name else f' --target {name}'}"
        library = f"'build/**/lib*.{'so' if 'SHARED' in rest.split() else 'a'}'"
        made = f"'build/**/{name}'" if kind == "executable" else library
        yield built, made, f"{path}: add_{kind}({name})"


_SET = re.compile(r"(?im)^\s*set\s*\(\s*(\w+)\s+\"?([\w.-]+)\"?\s*\)")
_PROJECT = re.compile(r"(?im)^\s*project\s*\(\s*\"?([\w.-]+)")


def _targets(text: str) -> Iterator[tuple[str, str, str]]:
    """Kind, name and the rest of each; of a name that is set there what it is set to, as all else
    is built for one that is not known."""
    known = dict(_SET.findall(text) + [("PROJECT_NAME", name) for name in _PROJECT.findall(text)])
    for kind, name, rest in _TARGET.findall(text):
        yield kind, known.get(name[2:-1], name) if name.startswith("${") else name, rest


def _rank(target: tuple[str, str, str, str]) -> int:
    kind, path, _, rest = target
    if kind == "library":
        return 2 if "SHARED" in rest.split() else 1
    return 0 if posixpath.dirname(path) in ("", "src") else 3


_RULE = re.compile(r"(?m)^([\w./-]+)[ \t]*:(?![:=])(.*)\n\t(.*)")
_COMPILER = re.compile(r"\$\((?:CC|CXX|LD)\)")


def _of_make(path: str, text: str) -> Iterator[Builder]:
    """A rule that links a program of its own name."""
    for name, needs, recipe in _RULE.findall(text):
        around = "test" in name or any(map(_AROUND.search, (f"{name}/", *needs.split())))
        linked = _COMPILER.split(re.split(r" -c\b", recipe)[-1], maxsplit=1)[1:]
        written = rf"-o\s*(?:\$@|\$\(@\)|(?:\./)?{re.escape(name)})(?!\S)"
        is_program = not (around or posixpath.splitext(name)[1])
        if is_program and linked and re.search(written, linked[0]):
            yield f"make {name}", name, f"{path}: {name}"
    for match in re.finditer(r"(?m)^((?:[\w./-]+/)?lib[\w.-]+\.a)\s*:(?![:=])", text):
        yield f"make {match[1]}", match[1], f"{path}: {match[1]}"
