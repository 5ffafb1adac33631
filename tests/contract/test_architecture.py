"""Who may import what: pure modules stay pure, outside things have one door, no circles.

Read from the source, so an import inside a function counts as well.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "autoresearch_ci"

CORE = (
    *("experiment", "scope", "decision", "session", "noise", "early_stop", "budget", "prices"),
    *("metrics", "outcomes", "gaming", "constants", "redaction", "secret_names", "untrusted"),
    *("journal", "report", "commit_messages", "events", "event_lines", "actions", "errors"),
    *("proposers.prompt", "proposers.digest", "proposers.text_edits", "proposers.diff_summaries"),
    "proposers.search",
    *("publish.memory", "publish.markers", "publish.settings", "publish.refusals"),
    *("job.trigger", "job.inputs", "job.outputs", "job.page", "earlier_change"),
)
"""Values in, values out: no clock, environment, disk, process or network."""
LENT = ("proposers", "proposers.draft", "proposers.quoting")
"""What CORE uses besides: the protocol and its nouns; a draft, whose regular expressions must not
run for ever, looks at the time."""
PURE = frozenset(
    {
        *("__future__", "ast", "binascii", "bisect", "builtins", "collections", "dataclasses"),
        *("decimal", "difflib", "enum", "errno", "functools", "hashlib", "html", "io", "itertools"),
        *("json", "math", "posixpath", "re", "shlex", "statistics", "tokenize", "typing"),
        *("unicodedata", "urllib.parse", "warnings", "xml.etree.ElementTree"),
        *("pathlib.PurePath", "pathlib.PurePosixPath", "random.Random"),
        # Libraries that turn values into values.
        *("defusedxml.ElementTree", "genai_prices", "junitparser", "pathspec", "regex"),
    }
)
DOORS = {
    "anthropic": {"proposers/messages_service.py", "proposers/bounded_http.py"},
    "git": {"git_process.py"},
    # Its objects, its errors, and as whom it is asked: the last two know nothing of pull requests.
    "github": {f"publish/{n}.py" for n in ("github", "github_answers", "github_credentials")},
    "rich": {"live.py", "doctor.py"},
    "subprocess": {"command/spawning.py", "git_process.py", "job/supervisor.py"},
    "yaml": {"config/reader.py"},
}
"""Where an outside thing is used, and nowhere else."""


@cache
def sources(folder: str) -> dict[str, Path]:
    """Name of each module below a folder, with its file."""
    found = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imported(path: Path) -> frozenset[str]:
    """`a.b` for `import a.b`, `a.b.c` for `from a.b import c`."""
    return frozenset(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def graph() -> Mapping[str, frozenset[str]]:
    """What of ours each module of ours imports."""
    modules = sources(PACKAGE)
    return {
        name: frozenset(
            word if word in modules else word.rpartition(".")[0]
            for word in imported(path)
            if word.split(".")[0] == PACKAGE
        )
        - {name, PACKAGE}
        for name, path in modules.items()
    }


def core() -> list[str]:
    named = [f"{PACKAGE}.{name}" for name in CORE]
    below = tuple(f"{name}." for name in named)
    return [name for name in sources(PACKAGE) if name in named or name.startswith(below)]


def test_nothing_is_imported_in_a_circle() -> None:
    try:
        TopologicalSorter(graph()).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("name", core())
def test_a_pure_module_imports_pure_modules_only(name: str) -> None:
    ours = {*core(), *(f"{PACKAGE}.{lent}" for lent in LENT)}
    assert graph()[name] <= ours
    outside = {word for word in imported(sources(PACKAGE)[name]) if word.split(".")[0] != PACKAGE}
    impure = {word for word in outside if not _is_pure(word)}
    assert impure == set()


def _is_pure(word: str) -> bool:
    parts = word.split(".")
    return any(".".join(parts[: n + 1]) in PURE for n in range(len(parts)))


def test_every_pure_module_that_is_named_exists() -> None:
    assert {f"{PACKAGE}.{name}" for name in (*CORE, *LENT)} <= sources(PACKAGE).keys()


@pytest.mark.parametrize("library", DOORS)
def test_an_outside_thing_has_one_door(library: str) -> None:
    users = {
        path.relative_to(ROOT / PACKAGE).as_posix()
        for path in sources(PACKAGE).values()
        if any(word.split(".")[0] == library for word in imported(path))
    }
    assert users == DOORS[library]


def test_only_the_mcp_proposer_imports_mcp() -> None:
    users = {
        name
        for name, path in sources(PACKAGE).items()
        if any(word.split(".")[0] == "mcp" for word in imported(path))
    }
    assert users
    assert all(name.startswith(f"{PACKAGE}.proposers.mcp_") for name in users)


def test_trainer_and_program_meet_at_lines_of_output_only() -> None:
    words = {
        folder: {word.split(".")[0] for path in sources(folder).values() for word in imported(path)}
        for folder in ("trainer", PACKAGE)
    }
    assert PACKAGE not in words["trainer"]
    assert words[PACKAGE].isdisjoint({"trainer", "torch", "numpy", "prepare", "train"})
