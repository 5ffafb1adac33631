"""What makes a test check less, a tool look less closely, or an error vanish is found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoresearch_ci.decide.failures.shortcuts.detect import shortcuts

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # each worker reads all of it
ROWS, ALONE = (
    yaml.load((Path(__file__).parent / "data" / name).read_text("utf-8"), _LOADER)
    for name in ("loosened.yml", "left_alone.yml")
)
NEUTRAL = [
    (
        "pyproject.toml",
        "[tool.pytest.ini_options]\n",
        '[tool.pytest.ini_options]\npythonpath = "src"\n',
    ),
    (
        "pyproject.toml",
        "[tool.mypy]\nstrict = true\n",
        '[tool.mypy]\nstrict = true\nmypy_path = "src"\n',
    ),
    ("pyproject.toml", "[tool.mypy]\n", "[tool.mypy]\nstrict = true\nwarn_unreachable = true\n"),
    (
        "pyproject.toml",
        "[project]\nversion = '1'\n",
        "[project]\nversion = '2'\ndependencies = ['a']\n",
    ),
    (
        "pyproject.toml",
        "[tool.hatch.build]\ninclude = ['a']\n",
        "[tool.hatch.build]\ninclude = ['b']\n",
    ),
    (
        "tsconfig.json",
        '{"compilerOptions": {"lib": ["es5"]}}',
        '{"compilerOptions": {"lib": ["es2022"]}}',
    ),
    (
        "tsconfig.json",
        '{"compilerOptions": {}}',
        '{"compilerOptions": {"target": "es2022", "types": ["node"]}}',
    ),
    ("jest.config.js", "module.exports = {};", "module.exports = {testEnvironment: 'jsdom'};"),
    ("Cargo.toml", "[dependencies]\na = '1'\n", "[dependencies]\na = '2'\nb = '1'\n"),
    ("setup.cfg", "[metadata]\nname = a\n", "[metadata]\nname = a\nversion = 2\n"),
    (
        ".gitlab-ci.yml",
        "test:\n  script: [pytest]\n",
        "test:\n  image: python\n  script: [pytest]\n",
    ),
    ("ci.sh", "set -e\npytest\n", "set -e\npip install x\npytest\nmypy\n"),
    ("x.ts", "f(x: string) {}", "f(many: string) { /* any: of them */ }"),
    ("x.ts", "const a = 1;", "const any = [1].some((b) => b > 0); f({ any: any(a) });"),
    ("x.go", "f()\n", "if err != nil {\n\treturn nil, err\n}\n"),
    ("x.js", "f();", "f().then((x) => x, (e) => { throw new Wrong(e); });"),
    ("x.py", "f()\n", "try:\n    f()\nexcept Exception as e:\n    return Failed(e)\n"),
]


def found(path: str, before: str | None, after: str) -> set[str]:
    change = {path: None if before is None else before.encode()}, {path: after.encode()}
    return {finding.rule for finding in shortcuts(*change, runs_examples=bool)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["path"])
def test_what_makes_a_failure_go_away_is_found(row: Mapping[str, Any]) -> None:
    assert row["rule"] in found(row["path"], row["before"], row["after"])


@pytest.mark.parametrize(("path", "before", "after"), NEUTRAL)
def test_what_only_says_how_code_is_found_and_read_is_left_alone(
    path: str, before: str, after: str
) -> None:
    assert not found(path, before, after)


@pytest.mark.parametrize("row", ALONE, ids=lambda row: row["path"])
def test_what_only_looks_like_one_is_left_alone(row: Mapping[str, Any]) -> None:
    assert not found(row["path"], row["before"], row["after"])
