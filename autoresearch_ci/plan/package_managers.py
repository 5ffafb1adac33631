"""Which package manager a repository uses, and how a bare runner gets what it needs; pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any

from autoresearch_ci.experiment import ReadBytes
from autoresearch_ci.measure.diagnostics.discovery.targets import Target


def install_commands(
    main: str, paths: Sequence[str], read: ReadBytes, targets: Sequence[Target]
) -> Iterator[str]:
    known = frozenset(paths)
    if main in ("JavaScript", "TypeScript"):
        yield from _install_of_node(known)
    elif main == "Python":
        yield from _install_of_python(known, read, targets)
    elif main == "Rust":
        yield "cargo fetch"
    elif main == "Go":
        yield "go mod download"
    elif main == "Java" and "pom.xml" in known:  # tests, too: who runs them is downloaded late
        yield f"{'./mvnw' if 'mvnw' in known else 'mvn'} -B -q test"


def _install_of_node(known: frozenset[str]) -> Iterator[str]:
    if "pnpm-lock.yaml" in known:
        yield "corepack enable && pnpm install --frozen-lockfile"
    elif "yarn.lock" in known:
        yield "corepack enable && yarn install --immutable"
    elif {"package-lock.json", "npm-shrinkwrap.json"} & known:
        yield "npm ci"
    elif "package.json" in known:
        yield "npm install"


_REQUIREMENTS = re.compile(
    r"(requirements[/_.-]?)?(dev|tests?)[\w.-]*(?<!\d)\.txt|requirements\.txt"
)
"""Not those of pages or releases, nor of another version of Python, as in `tests39`."""
_EXTRAS = ("test", "tests", "testing", "dev", "develop", "development")


def _install_of_python(
    known: frozenset[str], read: ReadBytes, targets: Sequence[Target]
) -> Iterator[str]:
    pip = "python -m pip install --quiet"
    data = _toml(read, "pyproject.toml")
    project = _mapping(data.get("project"))
    extras = [x for x in _EXTRAS if x in _mapping(project.get("optional-dependencies"))]
    groups = [x for x in _EXTRAS if x in _mapping(data.get("dependency-groups"))]
    if project or {"setup.py", "setup.cfg"} & known or "build-system" in data:
        named = f"[{','.join(extras)}]" if extras else ""
        yield f"{pip} -e '.{named}'"
    names = [n for n in known if _REQUIREMENTS.fullmatch(n)]
    yield from (f"{pip} -r {name}" for name in sorted(names))
    yield from (f"{pip} --group {name}" for name in groups[:2])
    told = " ".join((*extras, *groups, *names))
    suite = next((target for target in targets if target.tool == "pytest"), None)
    if suite and not re.search(r"test|dev", told):
        yield f"{pip} pytest"


_NEEDED = {
    "pytest-cov": r"\bpytest\b.* --cov\b",
    "pytest-benchmark": r" --benchmark-only\b",
    "asv": r"\basv run\b",
    **{tool: rf"(^|[\s'\"]){tool} " for tool in ("codespell", "mypy", "pyright", "ruff")},
    "mkdocs": r"\bmkdocs build\b",
    "sphinx": r"\bsphinx-build\b",
    "nbconvert ipykernel": r"\bjupyter nbconvert\b",
}


def tool_commands(commands: Sequence[str]) -> Iterator[str]:
    """What installs the tools of a configuration in Python, and nothing where they are there."""
    names = [n for n, way in _NEEDED.items() if any(re.search(way, line) for line in commands)]
    if names:
        yield f"python -m pip install --quiet {' '.join(names)}"


def _toml(read: ReadBytes, path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(read(path).decode("utf-8", errors="replace"))
    except (KeyError, ValueError, RecursionError):
        return {}


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
