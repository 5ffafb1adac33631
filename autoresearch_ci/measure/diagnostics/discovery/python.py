"""How Python projects say that they are checked: settings, dependencies, environments, scripts."""

from __future__ import annotations

import posixpath
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from autoresearch_ci.measure.diagnostics.discovery.found import HOOKS, FoundHints, folders_above
from autoresearch_ci.measure.diagnostics.registry import TOOLS

_FILES = {
    "ruff": ("ruff.toml", ".ruff.toml"),
    "mypy": ("mypy.ini", ".mypy.ini"),
    "pyright": ("pyrightconfig.json",),
    "pytest": ("pytest.ini", ".pytest.ini", "pytest.toml", "conftest.py"),
}
_SECTIONS = {
    "mypy": r"\[mypy\]",
    "pytest": r"\[(?:tool:)?pytest\]",
}
_OF_TOOLS = ("ruff", "mypy", "pyright", "pytest")
_SCRIPTS: tuple[tuple[str, ...], ...] = (
    *(("hatch", "envs"), ("pdm", "scripts"), ("poe", "tasks"), ("taskipy",), ("tox",)),
    *(("rye", "scripts"), ("poetry", "scripts")),
)
"""Sections of `tool` that start commands."""
_TOX_ROOT = re.compile(r"\{(?:toxinidir|tox_root)\}(/(?=\w))?")
_POSARGS = re.compile(r"\{posargs(?::([^{}\n]{0,400}))?\}")
_MYPY_ALONE = TOOLS["mypy"].command.removesuffix(" .")
"""Where its settings say what it looks at."""
_LOOKED_AT = {"files", "packages", "modules"}
_OWN = re.compile(rf"(?m)^({'|'.join(sorted(_LOOKED_AT))})\s*=")
_PACKAGE = re.compile(
    r"(src(?=/)|(?!(?:tests?|testing|docs?|examples?|bench(?:marks?)?|scripts?|tools|ci)/)[A-Za-z_]\w*)"
    r"(?:(?<=src)/\w+)?/__init__\.pyi?"
)
"""One at the root, or all of `src`."""
_MODULE = re.compile(r"(?!(?:setup|conftest|noxfile|tasks|manage|fabfile|dodo)\.)\w+\.pyi?")
_PACKAGE_FILES = ("pyproject.toml", "setup.py", "setup.cfg", "tox.ini")
_TEST = re.compile(r"(.*/)?(test_[^/]*|[^/]*_test)\.py")
_IS_TESTED = re.compile(r"(?m)^\s*(async )?def test|^class \w*Test|\bTestCase\b")
_UNITTEST = re.compile(r"(?m)^\s*(from unittest import|import unittest\b(?!\.mock))")
_NEEDED_FILES = (
    *("requirements.txt", "requirements-dev.txt", "dev-requirements.txt", "Pipfile"),
    *("test-requirements.txt", "requirements-test.txt", "setup.py"),
)
_TESTS_LIMIT = 40
"""Files of tests that are read to find out who runs them."""
_DJANGO_TEST = "python manage.py test -v 2"


def look(found: FoundHints) -> None:
    python = next((path for path in found.paths if path.endswith(".py")), "")
    if not python:
        return
    found.add("python", "", f"{python}: Python")
    for tool, names in _FILES.items():
        for path in found.named(*names):
            folder = "" if tool == "pytest" else posixpath.dirname(path)
            own = tool == "mypy" and _OWN.search(found.text(path))
            command = _MYPY_ALONE if own else ""
            found.add(tool, folder, f"{path}: is there", command)
    for path in found.named("pyproject.toml"):
        _look_at_pyproject(found, path)
    for path in found.named("tox.ini", "setup.cfg"):
        text = _without_places(found.text(path))
        for tool, section in _SECTIONS.items():
            if match := re.search(rf"(?m)^{section}(?P<own>(?:\n(?!\[).*)*)", text):
                command = _MYPY_ALONE if tool == "mypy" and _OWN.search(match["own"]) else ""
                reason = f"{path}: {match[0].splitlines()[0]}"
                found.add(tool, posixpath.dirname(path), reason, command)
        found.mentions(text, path, posixpath.dirname(path))
    for path in found.named("noxfile.py", "tasks.py"):
        text = re.sub(r"[\"'],\s*[\"']", " ", found.text(path))  # argv lists
        found.mentions(re.sub(r"[\"'()]", "\n", text), path, posixpath.dirname(path))


def _look_at_pyproject(found: FoundHints, path: str) -> None:
    folder = posixpath.dirname(path)
    try:
        data = tomllib.loads(found.text(path))
    except (ValueError, RecursionError) as error:
        found.unread.append(f"{path}: is not TOML: {error}")
        return
    tools = _mapping(data.get("tool"))
    for tool in ("ruff", "mypy", "pyright"):
        if tool in tools:
            own = tool == "mypy" and _LOOKED_AT & set(_mapping(tools[tool]))
            found.add(tool, folder, f"{path}: [tool.{tool}]", _MYPY_ALONE if own else "")
    if "pytest" in tools:
        found.add("pytest", folder, f"{path}: [tool.pytest]")
    project, poetry = _mapping(data.get("project")), _mapping(tools.get("poetry"))
    needed = [data.get("dependency-groups"), project.get("optional-dependencies")]
    needed += [poetry.get("group"), poetry.get("dev-dependencies"), tools.get("uv")]
    needed += [_mapping(tools.get("pdm")).get("dev-dependencies")]
    words = {match[0].lower() for match in re.finditer(r"[A-Za-z][\w-]*", repr(needed))}
    checked = any(key[0] == "mypy" for key in found.hints) and "pyright" not in tools
    for tool in _OF_TOOLS:
        if tool == "pyright" and checked:
            continue  # a second checker, that nothing sets up or starts, is for editors
        if tool in words:
            found.add(tool, folder, f"{path}: depends on {tool}")
    for keys in _SCRIPTS:
        section: object = tools
        for key in keys:
            section = _mapping(section).get(key)
        for line in _lines(section):
            line = _without_places(line) if keys == ("tox",) else line
            found.mentions(line, f"{path} ([tool.{keys[0]}])", folder)


def _without_places(text: str) -> str:
    """As tox runs it when nobody asks for more: with what its braces stand for."""
    text = _TOX_ROOT.sub(lambda match: "" if match[1] else ".", text)
    return _POSARGS.sub(lambda match: match[1] or "", text.replace("{envpython}", "python"))


def look_for_packages(found: FoundHints) -> None:
    """What mypy looks at where its settings leave that to the command, and no command is there:
    the packages, as tests, examples and scripts beside them were perhaps never meant."""
    for (tool, folder), hints in [*found.hints.items()]:
        hooked = any(hint.reason.startswith(HOOKS) for hint in hints)  # which look at every file
        if tool != "mypy" or hooked or any(hint.command for hint in hints):
            continue
        inside = [path[len(folder) :].lstrip("/") for path in found.below(folder)]
        tops = sorted({match[1] for match in map(_PACKAGE.fullmatch, inside) if match})
        alone = any(_MODULE.fullmatch(path) for path in inside)
        if tops and not alone:
            where = " ".join(map(shlex.quote, tops))
            found.add(tool, folder, f"{', '.join(tops)}: packages", f"{_MYPY_ALONE} {where}")


def _lines(value: object, depth: int = 6) -> Iterator[str]:
    """Every text of a section, the arguments of a list as one."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping) and depth:
        for key, inner in value.items():
            if key not in ("dependencies", "deps", "extras"):
                yield from _lines(inner, depth - 1)
    elif isinstance(value, list) and depth:
        if value and all(isinstance(each, str) and " " not in each for each in value):
            yield " ".join(value)
        else:
            for inner in value:
                yield from _lines(inner, depth - 1)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def look_for_tests(found: FoundHints) -> None:
    """Tests that lie outside of every folder in which tests are run: a package of their own."""
    suites = {folder for tool, folder in found.hints if tool in ("pytest", "unittest")}
    if not suites and (django := _django(found)):
        found.add("unittest", *django, _DJANGO_TEST)
        return
    packages = {posixpath.dirname(path) for path in found.named(*_PACKAGE_FILES)} if suites else ()
    first: dict[str, str] = {}
    for path in filter(_TEST.fullmatch, found.paths):
        above = [*folders_above(path)]
        folder = next((folder for folder in above if folder in packages), "")
        if folder in first or suites & {*above}:
            continue
        if not suites or _IS_TESTED.search(found.text(path)):  # else a helper that is called so
            first[folder] = path
    if not suites and first and (command := _unittest(found)):
        found.add("unittest", "", f"{first['']}: unittest, and nothing speaks of pytest", command)
        return
    others = sorted({*suites, *first} - {""})
    ignored = "".join(f" --ignore={shlex.quote(name)}" for name in others)
    for folder, path in first.items():
        command = f"{TOOLS['pytest'].command}{ignored}" if ignored and not folder else ""
        found.add("pytest", folder, f"{path}: tests", command)


def _django(found: FoundHints) -> tuple[str, str] | None:
    """Folder and reason of a project whose own command finds tests in whatever folder."""
    for path in found.named("manage.py"):
        folder = posixpath.dirname(path)
        inside = {*found.below(folder)}
        test = next((p for p in sorted(inside) if re.search(r"(^|/)tests(\.py$|/)", p)), "")
        others = any(p not in inside for p in found.paths if _TEST.fullmatch(p))
        if test and not others and "django" in found.text(path):
            return folder, f"{path}: Django, {test}"
    return None


def _unittest(found: FoundHints) -> str:
    """How tests are run that need nothing else; empty: they do, or only some of them are found."""
    tests = [*filter(_TEST.fullmatch, found.paths)][:_TESTS_LIMIT]
    texts = [found.text(path) for path in tests]
    texts = [text for text in texts if _IS_TESTED.search(text)]
    if any("pytest" in text or not _UNITTEST.search(text) for text in texts) or not texts:
        return ""
    if any("pytest" in found.text(path) for path in found.named(*_NEEDED_FILES)):
        return ""
    tops = {path.partition("/")[0] if "/" in path else "" for path in tests}
    starts = {path.rpartition("/")[2].startswith("test") for path in tests}
    pattern = "" if starts == {True} else " -p '*_test.py'"
    packages = all(
        f"{folder}/__init__.py" in found.known
        for path in tests
        for folder in folders_above(path)
        if folder
    )
    if len(starts) > 1 or (not packages and len({posixpath.dirname(p) for p in tests}) > 1):
        return ""
    folder = next(iter(tops)) if len(tops) == 1 and not packages else ""
    where = f" -s {shlex.quote(posixpath.dirname(tests[0]))}" if folder else ""
    found_by = f" discover{where}{pattern}" if where or pattern else ""
    return f"python -m unittest{found_by} -v"
