"""No new file is found instead of a frozen one, and ordinary new files are nobody's twins."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from autoresearch_ci.workspace.scope import Scope, build_scope
from tests.patience import promptly

BENCH = "import sys, statistics\nsys.path.insert(0, 'src')\nimport numpy as np, work\n"


def scope_of(
    files: Mapping[str, str],
    *globs: str,
    commands: tuple[str, ...] = ("python bench.py",),
) -> Scope:
    return build_scope(globs, [], commands, files, lambda path: files[path].encode())


def refusal(path: str, frozen: str, commands: tuple[str, ...] = ("true",)) -> str:
    """Why `path` may not be made beside a file that the scope excludes."""
    files = {frozen: "", "other/file.txt": ""}
    return scope_of(files, "**", f"!{frozen}", commands=commands).refusal(path) or ""


@pytest.mark.parametrize(
    ("frozen", "path"),
    [
        # Python: package and module, namespace package, extension, stub, another spelling.
        ("src/evaluate.py", "src/evaluate/__init__.py"),
        ("src/evaluate.py", "src/Evaluate/__init__.py"),
        ("src/evaluate.py", "src/evaluate/__init__.pyi"),
        ("src/evaluate.py", "src/evaluate.cpython-311-x86_64-linux-gnu.so"),
        ("src/evaluate.py", "src/evaluate.abi3.so"),
        ("src/evaluate.py", "src/evaluate.so"),
        ("src/evaluate.py", "src/evaluate.pyd"),
        ("src/evaluate.py", "src/evaluate.pyi"),
        ("src/evaluate.py", "src/evaluate-stubs/__init__.pyi"),
        ("src/evaluate/__init__.py", "src/evaluate.py"),
        ("src/evaluate/__init__.py", "src/evaluate.so"),
        ("src/evaluate/core.py", "src/evaluate/__init__.py"),
        ("src/evaluate/deep/core.py", "src/evaluate/__init__.py"),
        ("bench.py", "bench/__init__.py"),
        ("bench.py", "__init__.py"),
        # node, TypeScript and bundlers.
        ("src/evaluate.js", "src/evaluate"),
        ("src/evaluate.js", "src/evaluate.mjs"),
        ("src/evaluate.js", "src/evaluate.cjs"),
        ("src/evaluate.js", "src/evaluate.ts"),
        ("src/evaluate.js", "src/evaluate.tsx"),
        ("src/evaluate.js", "src/evaluate.native.js"),
        ("src/evaluate.js", "src/evaluate/index.js"),
        ("src/evaluate.min.js", "src/evaluate.min"),
        ("src/evaluate.ts", "src/evaluate.js"),
        ("src/evaluate.ts", "src/evaluate.d.ts"),
        ("src/cases.json", "src/cases.js"),
        ("src/cases.json", "src/cases"),
        ("src/evaluate/index.js", "src/evaluate.js"),
        ("src/evaluate/index.js", "src/evaluate.json"),
        ("src/evaluate/index.json", "src/evaluate/index.js"),
        ("src/evaluate/index.mjs", "src/evaluate/index"),
        # Others that look for a name.
        ("lib/judge.so", "lib/judge.rb"),
        ("lib/judge/init.lua", "lib/judge.lua"),
        ("lib/judge.lua", "lib/judge/init.lua"),
        ("lib/Judge.pm", "lib/Judge.pmc"),
        ("lib/judge.php", "lib/judge.inc"),
        ("lisp/judge.el", "lisp/judge.elc"),
        ("src/Judge.java", "src/Judge.class"),
        # The JVM: a class of that name in another folder of sources.
        ("frozen/util/Judge.java", "src/util/Judge.java"),
        ("bench/Judge.java", "src/main/java/Judge.kt"),
        ("a/src/main/java/org/x/Judge.java", "b/src/main/java/org/x/Judge.java"),
        ("src/test/java/org/x/Judge.java", "src/main/kotlin/org/x/Judge.kt"),
        ("src/test/java/org/x/Judge.java", "out/org/x/Judge.class"),
        # make, compilers.
        ("bench.c", "bench"),
        ("bench.c", "bench.o"),
        ("bench.cc", "bench.c"),
        ("include/util.h", "src/util.h"),
        ("include/util.hpp", "src/deep/util.hpp"),
        ("bench.c", "src/math.h"),
        ("bench.cc", "src/chrono"),
        ("bench.cc", "include/benchmark/benchmark.h"),
        # Go, the JVM.
        ("pkg/sort_test.go", "pkg/main_test.go"),
        ("go.mod", "vendor/example.org/x/y.go"),
        ("tools/go.mod", "tools/vendor/example.org/x/y.go"),
        ("src/test/java/a/WorkTest.java", "src/main/java/org/junit/jupiter/api/Assertions.java"),
        ("src/test/java/a/WorkTest.java", "src/main/java/junit/framework/Assert.java"),
    ],
)
def test_what_would_be_found_instead_of_a_frozen_file_is_refused(frozen: str, path: str) -> None:
    why = refusal(path, frozen)
    assert why.startswith(f"out-of-scope: {path} (")
    assert why.endswith("; to allow it, name it outright in scope)")
    assert "\n" not in why
    assert frozen in why or "instead of the installed" in why
    named = scope_of({frozen: "", "other/file.txt": ""}, "**", path, f"!{frozen}", commands=())
    assert named.refusal(path) is None


@pytest.mark.parametrize(
    ("frozen", "path"),
    [
        ("src/parser.py", "src/lexer.py"),
        ("src/parser.py", "src/parser_tables.py"),
        ("src/parser.py", "src/lexer/__init__.py"),
        ("src/parser.py", "src/parser.md"),
        ("src/parser.py", "src/parser/tables.py"),
        ("src/parser.py", "lib/parser.py"),
        ("src/parser.py", "utils/__init__.py"),
        ("src/parser.py", "src/parser.js"),
        ("src/parser.js", "src/lexer.js"),
        ("src/parser.js", "src/parser.test.js"),
        ("src/parser.js", "src/parser.css"),
        ("src/parser.js", "src/lexer"),
        ("src/index.js", "src/lexer/index.js"),
        ("include/util.h", "src/util.c"),
        ("include/util.h", "src/lexer.h"),
        ("bench.c", "src/lexer.c"),
        ("bench.c", "bench.md"),
        ("pkg/sort_test.go", "pkg/heap.go"),
        ("pkg/sort_test.go", "other/heap_test.go"),
        ("go.mod", "pkg/vendors/list.go"),
        ("src/lib.rs", "src/lexer.rs"),
        ("src/test/java/a/WorkTest.java", "src/main/java/a/Lexer.java"),
        ("src/test/java/org/a/model/User.java", "src/main/java/org/b/model/User.java"),
        ("bench/Main.java", "src/main/java/org/b/Main.java"),
        ("lib/judge.rb", "lib/lexer.rb"),
        ("data/math.csv", "src/math.h"),  # no C here
        ("src/test/a.txt", "src/main/java/org/junit/X.java"),  # nor Java
    ],
)
def test_ordinary_new_files_are_allowed(frozen: str, path: str) -> None:
    assert refusal(path, frozen) == ""


def test_no_stub_hides_a_module_from_type_checkers_that_may_be_edited() -> None:
    files = {"src/a.py": "", "src/b/__init__.py": "", "src/native.so": ""}
    scope = scope_of(files, "**", commands=("mypy .",))
    for path in ("src/a.pyi", "src/A.pyi", "src/b/__init__.pyi"):
        assert "would be checked instead of src/" in (scope.refusal(path) or ""), path
    for path in ("src/c.pyi", "stubs/a.pyi"):
        assert not scope.refusal(path), path
    assert not scope_of(files, "**", "src/a.pyi", commands=()).refusal("src/a.pyi")


PYTHON = {
    "bench.py": BENCH + "import pkg.missing\n",
    "src/work.py": "import scipy\n",
    "src/measure.py": "from PIL import Image\nfrom . import table\n",
    "src/table.py": "import pandas.io.json\n",
    "src/pkg/__init__.py": "",
    "src/pkg/inner.py": "",
    "tests/test_work.py": "import work, requests_mock\n",
    "tests/unit/__init__.py": "",
    "tests/unit/test_more.py": "import yaml\n",
}
GLOBS = ("**", "!src/measure.py", "!tests/", "tests/new/")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("statistics.py", "instead of the installed statistics"),
        ("src/statistics.py", "instead of the installed statistics, beside the frozen bench.py"),
        ("src/random.py", "instead of the installed random"),
        ("json/__init__.py", "instead of the installed json"),
        ("src/json/__init__.py", "instead of the installed json"),
        ("unittest/__init__.py", "instead of the installed unittest"),
        ("timeit.py", "instead of the installed timeit"),
        ("pytest.py", "instead of the installed pytest"),
        ("_pytest/__init__.py", "instead of the installed _pytest"),
        ("src/pytest_benchmark/plugin.py", "instead of the installed pytest_benchmark"),
        ("pytest_case_outcomes.py", "instead of the installed pytest_case_outcomes"),
        ("Statistics.PY", "instead of the installed statistics"),
        ("numpy.py", "instead of the numpy that bench.py imports"),
        ("src/numpy/__init__.py", "instead of the numpy that bench.py imports"),
        ("src/numpy/random.py", "instead of the numpy that bench.py imports"),
        ("numpy.cpython-311-x86_64-linux-gnu.so", "instead of the numpy that bench.py imports"),
        ("requests_mock.py", "instead of the requests_mock that tests/test_work.py imports"),
        ("yaml.py", "instead of the yaml that tests/unit/test_more.py imports"),
    ],
)
def test_what_the_ruler_imports_is_found_where_it_was(path: str, why: str) -> None:
    assert why in (scope_of(PYTHON, *GLOBS).refusal(path) or "")


@pytest.mark.parametrize(
    "path",
    [
        *("src/lexer.py", "lexer.py", "utils/__init__.py", "utils/text.py", "src/pkg/lexer.py"),
        "src/pkg/missing.py",
        # Below a package nothing is found by its own name alone.
        *("src/pkg/statistics.py", "src/pkg/json/__init__.py", "src/pkg/numpy.py"),
        # Only code that a proposal may edit imports it; and what is the candidate's own may move.
        *("src/scipy.py", "src/work/__init__.py", "work.py", "src/pkg/inner/__init__.py"),
        *("statistics.md", "src/statistics.js", "docs/json/format.py", "test.py"),
    ],
)
def test_new_modules_that_shadow_nothing_are_allowed(path: str) -> None:
    assert scope_of(PYTHON, *GLOBS).refusal(path) is None


def test_a_package_that_runs_by_its_name_is_no_search_path() -> None:
    files = {"tool/__init__.py": "", "tool/__main__.py": "", "tool/core.py": ""}
    scope = scope_of(files, "tool/", commands=("python -m tool",))
    assert scope.refusal("tool/types.py") is None
    assert scope.refusal("types.py") == "out-of-scope: types.py"


def test_a_module_of_ones_own_may_be_edited_whatever_its_name() -> None:
    files = {**PYTHON, "src/statistics.py": "", "numpy.py": ""}
    scope = scope_of(files, *GLOBS)
    assert scope.refusal("src/statistics.py") is None
    assert scope.refusal("numpy.py") is None
    assert scope.refusal("src/statistics/__init__.py") is None


@pytest.mark.parametrize(
    ("files", "command", "path"),
    [
        # Where an interpreter looks is read from commands, scripts and build files.
        ({"run/bench.py": ""}, "python run/bench.py", "run/statistics.py"),
        ({"run/x.txt": ""}, "cd run && python -m thing", "run/statistics.py"),
        ({"lib/x.txt": ""}, "PYTHONPATH=lib:other python bench.py", "other/statistics.py"),
        ({"t/x.txt": ""}, "python -m unittest discover -s t", "t/statistics.py"),
        ({"run/bench.py": ""}, "sh go.sh", "run/statistics.py"),
        ({"run/bench.py": "import torch\n"}, "sh go.sh", "run/torch.py"),
        ({"Makefile": "bench:\n\t@python run/bench.py\n", "run/bench.py": ""}, "make", "run/re.py"),
        (
            {"package.json": '{"scripts": {\n"b": "python run/bench.py"\n}}', "run/bench.py": ""},
            "npm run b",
            "run/re.py",
        ),
        ({"run/__main__.py": ""}, "python run", "run/re.py"),
        ({}, "python -m pyperf timeit x", "pyperf/__init__.py"),
        ({}, "python -m hyper.score x", "hyper/score.py"),
        (
            {"b.py": "import os, sys\nsys.path.append(os.path.join('deep', 'er'))\n"},
            "python b.py",
            "er/re.py",
        ),
        ({"run/b.py": "sys.path.insert(0, 'x')\n"}, "python run/b.py", "run/x/re.py"),
        (
            {"run/b.py": "import helper\n", "run/helper.py": "import jax\n"},
            "python run/b.py",
            "run/jax.py",
        ),
        ({"b": "#!/usr/bin/env python3\nimport jax\n"}, "./b", "jax.py"),
        # Other languages.
        ({"spec/b.rb": "require 'json'\n"}, "ruby -Ilib spec/b.rb", "lib/json.rb"),
        ({"b.lua": "local s = require('socket.core')\n"}, "lua b.lua", "socket/core.lua"),
        ({"t/b.t": "use Test::More;\n"}, "prove -l", "lib/Test/More.pm"),
        ({"t/b.pl": "use strict;\n"}, "perl t/b.pl", "lib/strict.pm"),
        ({"run/b.php": "<?php include 'score.php';\n"}, "php run/b.php", "score.php"),
    ],
)
def test_the_rulers_search_path_is_read_from_its_text(
    files: Mapping[str, str], command: str, path: str
) -> None:
    everything = {"bench.py": "", "go.sh": "cd run\npython run/bench.py\n", **files}
    scripts = {name for name in everything if name.rpartition(".")[2] in ("t", "lua", "rb", "php")}
    frozen = (f"!{name}" for name in (*everything, *scripts))
    scope = scope_of(everything, "**", *frozen, commands=(command,))
    assert "instead of the" in (scope.refusal(path) or ""), scope.refusal(path)
    assert scope.refusal(path.replace(path.rsplit("/", maxsplit=1)[-1], "lexer.md")) is None
    assert scope.refusal("lexer.py") is None


def test_a_file_that_a_search_finds_first_is_refused_in_every_folder_of_it() -> None:
    files = {"bench.py": "import evaluate\n", "src/evaluate.py": "", "src/a.py": ""}
    scope = scope_of(files, "**", "!src/evaluate.py")
    assert scope.refusal("evaluate.py") == (
        "out-of-scope: evaluate.py (would be found instead of the frozen src/evaluate.py; "
        "to allow it, name it outright in scope)"
    )


def test_what_is_first_on_nodes_search_path_is_no_twin() -> None:
    files = {"bench.js": "require('judge')\n", "lib/judge.js": "", "src/work.js": ""}
    scope = scope_of(files, "src/", commands=("NODE_PATH=src:./lib node bench.js",))
    assert "instead of the frozen lib/judge.js" in (scope.refusal("src/judge.js") or "")
    assert "instead of the frozen lib/judge.js" in (scope.refusal("src/judge/index.js") or "")
    assert scope.refusal("src/lexer.js") is None
    assert not scope_of(files, "src/", commands=("node bench.js",)).refusal("src/judge.js")


@pytest.mark.parametrize("line", ["PATH=$PWD/src/bin:$PATH", 'export PATH="src/bin:$PATH"'])
def test_no_program_is_found_before_those_that_the_ruler_calls(line: str) -> None:
    files = {"bench.sh": f"#!/bin/sh\n{line}\nawk 1 data\n", "src/bin/tool": "", "src/a": ""}
    scope = scope_of(files, "src/", commands=("sh bench.sh",))
    for name in ("awk", "python3.11", "time.sh"):
        assert "bench.sh has it on PATH" in (scope.refusal(f"src/bin/{name}") or ""), name
    for path in ("src/bin/tool", "src/bin/notes.md", "src/awk", "src/bin/lib/awk"):
        assert scope.refusal(path) is None, path


def test_no_module_takes_the_place_of_one_that_perl_brings() -> None:
    files = {"bench.pl": "use List::Util;\n", "src/Work.pm": ""}
    scope = scope_of(files, "src/", commands=("perl -Isrc -Mstrict bench.pl",))
    for name in ("strict.pm", "Exporter.pm", "List/Util.pm", "Time/HiRes.pm"):
        assert "instead of the" in (scope.refusal(f"src/{name}") or ""), name
    assert scope.refusal("src/Lexer.pm") is None


def test_text_of_any_kind_is_read() -> None:
    files = {"bench.py": "\0\udcff import '\n(".encode(errors="surrogateescape").decode("latin1")}
    files |= {"go.sh": "'\n\"\n$(((" * 99, "tests/test_a.py": "import\nfrom . import\nfrom x"}
    scope = scope_of(files, "src/", commands=("sh go.sh 'bench.py",))
    assert scope.refusal("src/lexer.py") is None


def test_a_hundred_thousand_files_cost_a_second_once_and_nothing_a_path() -> None:
    files = {f"src/pkg{n % 100}/mod{n}.py": "import numpy\n" for n in range(90_000)}
    files |= {f"tests/t{n % 10}/test_{n}.py": "import pytest\n" for n in range(10_000)}
    scope = scope_of(files, "src/", commands=("pytest -q",))
    start = time.process_time()
    assert scope.refusal("src/pkg1/lexer.py") is None
    first = time.process_time() - start
    start = time.process_time()
    for number in range(100):
        assert scope.refusal(f"src/pkg1/lexer{number}.py") is None
        assert scope.refusal(f"src/new{number}/__init__.py") is None
    assert time.process_time() - start < promptly(0.5)
    assert first < promptly(4)  # some 2 s on an idle machine
