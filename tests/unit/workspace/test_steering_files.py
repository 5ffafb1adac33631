"""What steers tools is editable only when the scope names exactly that file."""

from __future__ import annotations

import time

import pytest

from autoresearch_ci.workspace.scope import Scope
from autoresearch_ci.workspace.steering_files import STEERING_FILES, steered_tool
from tests.patience import promptly


def allowed(globs: list[str], path: str) -> bool:
    return Scope(include=globs).refusal(path) is None


def example(name: str) -> str:
    return name.replace("*", "x") + ("deep/file.txt" if name.endswith("/") else "")


@pytest.mark.parametrize("tool", STEERING_FILES)
def test_every_entry_of_the_table_opens_only_when_named_exactly(tool: str) -> None:
    for path in map(example, STEERING_FILES[tool]):
        for place in (path, f"src/{path}", f"src/{path.upper()}"):
            assert not allowed(["**"], place)
            assert not allowed(["src/", "*", f"{place}*"], place)
            assert allowed([place], place)
            assert steered_tool(place.lower().split("/")) == tool
        assert not allowed([path], f"deeper/{path}")


def test_no_entry_stands_twice_and_all_are_in_the_form_that_is_compared() -> None:
    names = [name for names in STEERING_FILES.values() for name in names]
    assert len(names) == len(set(names))
    assert [name for name in names if name != name.lower() or name.count("/") > 1] == []


@pytest.mark.parametrize(
    "path",
    [
        *("vite.config.ts", "babel.config.js", "tsconfig.json", "bunfig.toml", ".pnpmfile.cjs"),
        *(".justfile", "CMakeLists.txt", "build.rs", "rules.mk", ".bazelrc", "gradlew", "mix.exs"),
        *("Directory.Build.props", "settings.gradle", "build.sbt", "phpunit.dist.xml", "deno.json"),
        *(".babelrc", ".swcrc", "vitest.workspace.ts", "ava.config.js", "webpack.config.js"),
        *("tests/__init__.py", "x.dist-info/entry_points.txt", "node_modules/x/index.js"),
        *(".venv/lib/python3/site-packages/x.py", "__pycache__/bench.cpython-311.pyc"),
        *("spec/spec_helper.rb", ".config/nextest.toml", "Taskfile.dist.yml", ".mise/config.toml"),
        *("gradle/wrapper/gradle-wrapper.properties", "jest.config.mjs", ".npmrc", ".env.test"),
        *(".cargo/config.toml", "setup.cfg", "evaluate.pyc", "tsconfig.build.json", "Dockerfile"),
        *("src/Sub/Project.csproj", "CLAUDE.md", "AGENTS.md", ".cursorrules", ".vscode/tasks.json"),
    ],
)
def test_what_a_tool_finds_by_itself_is_not_open_to_a_wildcard(path: str) -> None:
    refused = Scope(include=["**"]).refusal(path)
    assert refused
    assert refused.startswith(f"out-of-scope: {path} (steers ")
    assert refused.endswith("; to allow it, name it outright in scope)")


@pytest.mark.parametrize(
    "path",
    [
        *("src/lexer.py", "src/config.py", "src/build/plan.py", "src/environment.ts", "make.py"),
        *("src/main/java/org/gradle/api/Task.java", "src/vite/index.ts", "docs/mise/guide.md"),
        *("data/packages.json", "src/jest.ts", "src/tests/helper.py", "lib/cargo/mod.rs", ".x"),
        *("src/buildings.py", "src/workspace/tree.py", "README.md", "src/env.py", "a.gitignore"),
    ],
)
def test_ordinary_files_are_not_steering_files(path: str) -> None:
    assert allowed(["**"], path)


def test_the_table_costs_microseconds_a_path() -> None:
    paths = [("src", f"pkg{number % 100}", f"mod{number}.py") for number in range(100_000)]
    start = time.process_time()
    assert not any(map(steered_tool, paths))
    assert time.process_time() - start < promptly(1)  # some 0.3 s on an idle machine
