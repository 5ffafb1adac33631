"""What commands run is read from their scripts, without the tasks that nobody asked for."""

from __future__ import annotations

import json
import time

import pytest

from autoresearch_ci.workspace.command_files import command_text

MAKE = """RUFF ?= .venv/bin/ruff
CC = gcc
.PHONY: bench lint all

all: bench lint
bench: build
\tpython bench.py

build:
\t$(CC) -O2 a.c
lint check: types
\t$(RUFF) check .
types:
\tmypy src
"""
PACKAGE = json.dumps(
    {
        "scripts": {
            "bench": "node bench.js",
            "test": "jest",
            "pretest": "npm run -s types",
            "types": "tsc --noEmit",
            "lint:js": "eslint .",
            "lint": "run-s 'lint:*'",
        },
        "devDependencies": {"eslint": "9"},
    }
)
FILES = {
    "Makefile": MAKE,
    "web/package.json": PACKAGE,
    "bench.py": "import fast\n# ruff likes this\nprint(fast.run())\n",
    "count.py": "import subprocess\nsubprocess.run(['bash', 'tools/all.sh'])\n",
    "tools/all.sh": "#!/bin/sh\nsh ./one.sh | wc -l\n",
    "tools/one.sh": "flake8 src\n",
    "cases.json": '["pylint"]',
    "loop.sh": "sh loop.sh; pylint\n",
    "odd.sh": "exec python 'pkg/n'\\ew.py\n",
    "whole.sh": "python -mpkg.tool\n",
    "pkg/new.py": "mypy\n",
    "pkg/tool/__main__.py": "isort\n",
    "pyproject.toml": '[tool.ruff]\n[tool.pytest]\naddopts = [\n "--cov",\n]\nx = "isort"\n',
}
TOOLS = ("ruff", "gcc", "mypy", "flake8", "pylint", "eslint", "tsc", "jest", "--cov", "isort")


@pytest.mark.parametrize(
    ("command", "tools"),
    [
        ("python bench.py", []),
        ("make bench", ["gcc"]),
        ("make -s lint", ["ruff", "mypy"]),
        ("make all", ["ruff", "gcc", "mypy"]),
        ("make", ["ruff", "gcc", "mypy"]),
        ("make CC=cc", ["ruff", "gcc", "mypy"]),
        ("python count.py", ["flake8"]),
        ("npm --prefix web run bench", []),
        ("cd web && npm test", ["tsc", "jest"]),
        ("cd web && npm run lint", ["eslint"]),
        ("cd web && npm ci && npx jest", ["jest"]),
        ("python bench.py --cases=cases.json", []),
        ("sh loop.sh", ["pylint"]),
        ("sh odd.sh", ["mypy"]),
        ("sh whole.sh", ["isort"]),
        ("python -m pytest -q", ["--cov"]),
        ("sh missing.sh 'open", []),
    ],
)
def test_only_what_is_asked_for_is_read(command: str, tools: list[str]) -> None:
    text = command_text([command], FILES, lambda path: FILES[path].encode())
    assert [tool for tool in TOOLS if tool in text] == tools


def test_no_script_is_too_odd_to_be_read() -> None:
    for odd in (b"\0ruff", b"\xff\xfe", b"{", b'{"scripts": [1]}', b"a:" * 10_000, b"\t" * 20_000):
        for name in ("Makefile", "package.json", "pytest.ini", "x"):
            command_text(["make a; npm a; pytest; sh x"], [name], lambda _, odd=odd: odd)


def test_a_large_script_that_many_commands_start_is_looked_through_once() -> None:
    def times_as_long(name: str) -> float:
        """As one command, twenty-one of them."""
        script = "".join(f"{name}{n} = ['{n}', \"{n}\"]\n" for n in range(4000)).encode()
        began = time.process_time()
        command_text(["python a.py"], ["a.py"], lambda _: script)
        once = time.process_time() - began
        for n in range(20):
            command_text([f"python a.py {n}"], ["a.py"], lambda _: script)
        return (time.process_time() - began) / once

    assert min(map(times_as_long, "abcde")) < 5  # the machine may have other things to do


@pytest.mark.parametrize(
    "line", ["python .", "python ./", 'python "." --fast', "cd x && python .;"]
)
def test_a_folder_that_a_script_runs_where_it_lies_is_read(line: str) -> None:
    files = {"bench/run.sh": f"set -e\n{line}\n", "bench/__main__.py": "print('deep')\n"}
    assert "deep" in command_text(["sh bench/run.sh"], files, lambda path: files[path].encode())
