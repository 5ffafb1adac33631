"""The files that a shell command names are found, however it names them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.workspace.command_files import command_files, made_environments

TRACKED = frozenset(
    [
        *(
            "trainer/train.py",
            "bench/run.sh",
            "bench/cases.json",
            "pkg/mod.py",
            "src/tool/__main__.py",
        ),
        *("app/__main__.py", "tests/test_a.py", "Makefile", "web/package.json", "a b.sh", "run.py"),
        *("web/sub/run.py", "pkg/__init__.py"),
    ]
)


@pytest.mark.parametrize(
    ("command", "files"),
    [
        ("python trainer/train.py --seed 1", ["trainer/train.py"]),
        ("./bench/run.sh", ["bench/run.sh"]),
        ("bash bench/run.sh --cases=./bench/cases.json", ["bench/run.sh", "bench/cases.json"]),
        ("python -m pkg.mod", ["pkg/mod.py"]),
        ("python -mpkg.mod", ["pkg/mod.py"]),
        ("python3 -m tool", ["src/tool/__main__.py"]),
        ("python app", ["app/__main__.py"]),
        ("pytest -q tests/test_a.py::test_x", ["tests/test_a.py"]),
        ("cd bench && ./run.sh | tail -1", ["bench/run.sh"]),
        ("cd web; cd sub; python run.py", ["run.py", "web/sub/run.py"]),
        ("(bench/run.sh);x=`trainer/train.py`", ["bench/run.sh", "trainer/train.py"]),
        ("bash -c 'python bench/run.sh && echo \"a b.sh\"'", ["bench/run.sh", "a b.sh"]),
        ("sh 'a b.sh'", ["a b.sh"]),
        ('"$PWD/bench/run.sh" ${PWD}/run.py', ["bench/run.sh", "run.py"]),
        ("CASES=bench/cases.json make bench", ["bench/cases.json", "Makefile"]),
        ("npm --prefix web test", ["web/package.json"]),
        ("python bench/../run.py", ["run.py"]),
        ("cat 'bench/run.sh", ["bench/run.sh"]),  # an open quote
        ("import(bench.run) # bench/run.sh", ["bench/run.sh"]),  # of whichever language
        ("sh a\u00a0run.py", []),
        ("pytest -q", []),
        ("", []),
    ],
)
def test_the_files_that_a_command_names_are_found(command: str, files: list[str]) -> None:
    assert command_files(command, TRACKED) == files


@given(st.text(max_size=80))
def test_any_command_is_read(command: str) -> None:
    assert set(command_files(command, TRACKED)) <= TRACKED


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("python -m venv .venv", [".venv"]),
        ("uv venv --seed venv && venv/bin/pip install .", ["venv"]),
        (".venv/bin/python -m pip install -e .", []),
        ("python -m venv .venv/inner", []),
    ],
)
def test_an_environment_that_setup_makes_is_known(line: str, made: list[str]) -> None:
    assert made_environments([line]) == made
