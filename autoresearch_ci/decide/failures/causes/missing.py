"""Which module a tool cannot find, and whether it would be the repository's own.

CORE: a failure and the repository's paths in, a name out. How modules are looked for differs by
language, and so does what a tool says when it finds none.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from autoresearch_ci.decide.failures.failure import Failure


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A module that is not there."""

    name: str
    own: bool
    """Whether the repository would be the one to hold it."""
    how: str
    """What the tool says."""
    system: bool = False
    """Whether it comes with packages of the operating system."""


def missing_from(failure: Failure, files: frozenset[str]) -> Missing | None:
    """`None`: nothing is missing, as far as the message says."""
    message = failure.message.strip()
    first = message.partition("\n")[0]
    return (
        _of_python(first, files)
        or _of_javascript(failure, message, files)
        or _of_rust(failure, first)
        or _of_c(failure, first, files)
        or _of_java(failure, first, files)
        or _of_go(failure, first)
    )


# --- Python ---------------------------------------------------------------------------------------

_PY_MODULE = re.compile(
    r"^(?:failed on setup with \")?(?:ModuleNotFound|Import)Error: No module named '?([\w.]+)'?"
    r"|^Cannot find implementation or library stub for module named \"([\w.]+)\""
    r"|^Import \"([\w.]+)\" could not be resolved|^Library stubs not installed for \"([\w.]+)\""
)
_PY_NAME = re.compile(
    r"^ImportError: cannot import name '[^']+' from (?:partially initialized module )?'([\w.]+)'"
)
_PY_PACKAGE = re.compile(
    r"^(?:\S+\.)?(?:PackageNotFoundError: No package metadata was found for (\S+)"
    r"|DistributionNotFound: The '([^']+)' |(?:Contextual)?VersionConflict: (.+))"
)


def _of_python(first: str, files: frozenset[str]) -> Missing | None:
    found = _PY_MODULE.match(first) or _PY_NAME.match(first)
    if found is None:
        package = _PY_PACKAGE.match(first)
        name = next(filter(None, package.groups()), "") if package else ""
        return Missing(name=name, own=False, how="it is not installed") if package else None
    name = next(filter(None, found.groups()))
    own = name.partition(".")[0] in _python_tops(files) or name.startswith(".")
    how = "it is not installed" if found.re is _PY_MODULE else "it has no such name"
    if own:
        how = "no file defines it" if found.re is _PY_MODULE else "its file has no such name"
    return Missing(name=name, own=own, how=how)


@lru_cache(maxsize=4)
def _python_tops(files: frozenset[str]) -> frozenset[str]:
    """Names under which something of the repository can be imported."""
    tops: set[str] = set()
    for path in files:
        stem, dot, end = path.rpartition("/")[2].partition(".")
        if dot and end.split(".")[-1] in ("py", "pyi", "pyx", "so"):
            tops.add(stem)
            tops.update(part for part in path.split("/")[:-1] if part.isidentifier())
    return frozenset(tops)


# --- JavaScript and TypeScript --------------------------------------------------------------------

_JS_MODULE = re.compile(
    r"(?m)^\s*(?:● [^\n]*\n+\s*)?(?:Error: )?(?:Cannot find (?:module|package) '(?P<a>[^'\n]+)'"
    r"|Failed to (?:resolve import|load url) \"?(?P<b>[^\"\s]+)\"?"
    r"|Unable to resolve path to module '(?P<c>[^'\n]+)'"
    r"|Could not find a declaration file for module '(?P<d>[^'\n]+)'"
    r"|Cannot find type definition file for '(?P<e>[^'\n]+)')"
)
_JS_TOOLS = ("jest", "vitest", "tsc", "eslint")


def _of_javascript(failure: Failure, message: str, files: frozenset[str]) -> Missing | None:
    if failure.tool not in _JS_TOOLS:
        return None
    told = message[:2000]
    found = _JS_MODULE.search(told)
    # In the middle of a test's message such words may be what it compares.
    if found is None or (failure.code != "collection" and found.start() > 0):
        return None
    name = next(filter(None, found.groups()))
    own = name.startswith((".", "/", "#", "~", "@/"))
    if not own:
        return Missing(name=name, own=False, how="it is not installed")
    return Missing(name=name, own=True, how="no file is there")


# --- Languages that are compiled ------------------------------------------------------------------

_CRATE = re.compile(
    r"(?:unresolved import|can't find crate for) `(\w+)"
    r"|(?:failed to resolve|cannot find)\b.*(?:unlinked|undeclared) crate(?: or module)? `(\w+)`"
)
_OWN_IN_RUST = ("crate", "self", "super")


def _of_rust(failure: Failure, first: str) -> Missing | None:
    if not failure.tool.startswith("cargo"):
        return None
    found = _CRATE.match(first)
    name = (found[1] or found[2]) if found else ""
    if not name or name in _OWN_IN_RUST:
        return None
    return Missing(name=name, own=False, how="no crate of that name is declared")


_OF_SYSTEM = re.compile(
    r"^(openssl/|curl/|zlib\.h|sqlite3\.h|Python\.h|python\d|libpq-fe\.h|mysql/|X11/|GL/|gtk/|ffi\.h"
    r"|bzlib\.h|lzma\.h|readline/|ncurses|libxml/|boost/|jni\.h|cuda)"
)


_LIBRARY = re.compile(
    r"(?:cannot find|unable to find library|library not found for) -l(\S+?):?( |$)"
)
_HEADER = re.compile(r"'?(?P<name>[\w./+-]+)'?(?:: No such file or directory$| file not found$)")


def _of_c(failure: Failure, first: str, files: frozenset[str]) -> Missing | None:
    if failure.tool != "gcc":
        return None
    if library := _LIBRARY.match(first):
        own = any(re.search(rf"(^|/)(lib)?{re.escape(library[1])}[./]", path) for path in files)
        how = "it was not built" if own else ""
        return Missing(name=f"the library {library[1]}", own=own, how=how, system=not own)
    found = _HEADER.match(first)
    if found is None or failure.code != "import":
        return None
    name = found["name"]
    if _OF_SYSTEM.match(name):
        return Missing(name=name, own=False, how="", system=True)
    base = posixpath.basename(name)
    if "/" not in name or any(path.endswith(f"/{base}") or path == base for path in files):
        return Missing(name=name, own=True, how="it is in no folder that is searched")
    return Missing(name=name, own=False, how="no folder that is searched holds it")


def _of_java(failure: Failure, first: str, files: Collection[str]) -> Missing | None:
    if failure.tool not in ("javac", "maven", "gradle"):
        return None
    found = re.match(r"package ([\w.]+) does not exist", first)
    if found is None:
        return None
    # The first two parts are what an organisation calls itself.
    top = "/".join(found[1].split(".")[:2]) + "/"
    root = found[1].partition(".")[0] + "/"
    own = any(f"/{top}" in f"/{path}" for path in files) or any(
        path.startswith(root) or f"/java/{root}" in f"/{path}" for path in files
    )
    how = "no file of it is there" if own else "it is not on the class path"
    return Missing(name=found[1], own=own, how=how)


_GO = re.compile(
    r"(?:no required module provides package|missing go\.sum entry for(?: module providing package"
    r")?) ([^\s;:]+)"
)


def _of_go(failure: Failure, first: str) -> Missing | None:
    found = _GO.match(first) if failure.tool.startswith("go ") else None
    return Missing(name=found[1], own=False, how="go.mod does not provide it") if found else None
