"""What a repository is made of, found in names and contents of its files."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from autoresearch_ci.config.resolve import load
from autoresearch_ci.decide.command_screen import objections
from autoresearch_ci.plan.config_draft import (
    ConfigDraft,
    draft_of,
    installing,
    of_fewer_failures,
    of_tests_alone,
    yaml_of,
)
from autoresearch_ci.plan.goals import offers_for, rule_for, usual_offers
from autoresearch_ci.plan.offers import benchmark_runs, binary, complexity, suite_time
from autoresearch_ci.plan.package_managers import beside_setup, in_the_checkout, tool_commands
from autoresearch_ci.plan.stack import Stack, stack_of
from autoresearch_ci.plan.suite_guards import guards_of


def of(**files: str) -> Stack:
    """Names have `__` for `/` and `_DOT_` for `.`; contents are given."""
    return stack({name.replace("__", "/").replace("_DOT_", "."): t for name, t in files.items()})


def stack(files: dict[str, str]) -> Stack:
    return stack_of(files, lambda path: files[path].encode())


PYTHON = {
    "pyproject.toml": "[project]\nname='a'\n[project.optional-dependencies]\ntest=['pytest']\n",
    **{f"src/pkg/m{n}.py": "def f(): pass\n" for n in range(5)},
    "src/pkg/tests/test_m.py": "def test_m(): pass\n",
    "docs/conf.py": "",
    "setup.py": "",
    "README.md": "# A\n",
}
NODE = {
    "package.json": '{"main": "dist/index.js", "scripts": {"build": "tsc", "test": "uvu"}}',
    "package-lock.json": "{}",
    "tsconfig.json": "{}",
    **{f"src/m{n}.ts": "" for n in range(5)},
    "src/m1.test.ts": "",
    "bench/package.json": "{}",
}
RUST = {
    "Cargo.toml": "[package]\nname = 'a'\n",
    "src/lib.rs": "#[test]\nfn t() {}",
    "src/main.rs": "",
    "fuzz/f.rs": "",
}
C = {
    "Makefile": "all: prog\nprog: a.o\n\t$(CC) -o prog a.o\ncheck:\n\t./prog\n",
    **{f"m{n}.c": "" for n in range(4)},
    "tests/t.c": "",
}
GO = {
    "go.mod": "module a\n",
    **dict.fromkeys(("a.go", "b.go", "sub/c.go", "sub/d.go", "sub/e.go", "in/f.go"), ""),
    "_examples/x.go": "",
    "sub/c_test.go": "func BenchmarkC(b *testing.B) {}\n",
}
JAVA = {
    "pom.xml": "",
    **{f"src/main/java/a/{name}.java": "" for name in ("A", "B", "FieldSpec", "MethodSpec")},
    "src/test/java/a/ATest.java": "",
}


@pytest.mark.parametrize(
    ("files", "main", "scope", "install"),
    [
        (PYTHON, "Python", "src/pkg/**/*.py", "python -m pip install --quiet -e '.[test]'"),
        (NODE, "TypeScript", "src/**/*.ts", "npm ci"),
        (RUST, "Rust", "src/lib.rs", "cargo fetch"),
        (C, "C/C++", "/*.c", ""),
        ({"go.mod": "module a", "a.go": "", "a_test.go": ""}, "Go", "a.go", "go mod download"),
        (JAVA, "Java", "src/main/**/*.java", "mvn -B -q test"),
        ({"README.md": "", "docs/a.md": "", "tool.py": ""}, "Python", "tool.py", ""),
        ({f"docs/p{n}.md": "" for n in range(9)}, "docs", "docs/**/*.md", ""),
        ({"README.md": "", "style.md": "", "config.sample.js": ""}, "docs", "README.md", ""),
        ({"a.ipynb": "{}", "README.md": ""}, "notebooks", "a.ipynb", ""),
        ({"q/a.sql": "", "q/schema.sql": ""}, "SQL", "q/a.sql", ""),
        ({"prompts/a.md": "", "prompts/b.md": ""}, "prompts", "prompts/a.md", ""),
    ],
)
def test_each_stack_is_recognised(
    files: dict[str, str], main: str, scope: str, install: str
) -> None:
    found = stack(files)
    assert (found.main, found.scope[0]) == (main, scope)
    assert found.counted.endswith("file" if found.files == 1 else "files")
    assert found.install[:1] == ((install,) if install else ())


def test_scripts_of_pages_are_no_language_where_another_has_sources() -> None:
    pages = {f"docs/s{n}.js": "" for n in range(60)}
    found = stack({"CMakeLists.txt": "", "a.cpp": "", "a.h": "", **pages})
    assert (found.languages, found.scope) == (("C/C++",), ("a.cpp", "a.h"))
    assert "JavaScript" in stack({"a.cpp": "", "package.json": "{}", **pages}).languages
    assert stack(pages).main == "JavaScript"


def test_a_benchmark_among_the_sources_is_out_of_scope() -> None:
    sources = dict.fromkeys((f"m{n}.cc" for n in range(4)), "")
    found = stack({"CMakeLists.txt": "", "m_benchmark.cc": "", "bench/b_bench.cc": "", **sources})
    assert found.scope == ("/*.cc", "!/m_benchmark.cc")


def test_what_is_installed_is_for_tests_and_not_for_pages_or_another_python() -> None:
    names = ("requirements.txt", "requirements-tests39.txt", "requirements-docs.txt")
    names += ("requirements/testing.txt", "requirements-dev.txt", "dev.requirements.txt")
    names += ("tests/requirements.txt",)
    files = {"a.py": "", "test_a.py": "def test_a(): 1", **dict.fromkeys(names, "pytest\n")}
    found = stack(files).install
    assert [line.rpartition(" ")[2] for line in found] == sorted({*names} - {*names[1:3]})


@pytest.mark.parametrize(
    ("files", "installed"),
    [
        (
            {
                "setup.py": "",
                "tox.ini": "[testenv]\ndeps =\n  pytest>=6\n  pytest-mock\n  {x}: no\n",
            },
            ["-e '.'", "'pytest>=6' pytest-mock"],
        ),
        ({"setup.cfg": "[options.extras_require]\ntest = pytest\n"}, ["-e '.[test]'"]),
        (
            {"setup.py": "", "setup.cfg": "[options]\ntests_require = nose\n"},
            ["-e '.'", "nose pytest"],
        ),
        (
            {"pyproject.toml": "[tool.hatch.envs.test]\ndependencies = ['pytest', 'a @ x']\n"},
            ["pytest"],
        ),
        (
            {
                "pyproject.toml": "[tool.poetry.group.t.dependencies]\npytest = '^8'\nfaker = '*'\n"
                "[tool.poetry.group.docs.dependencies]\nsphinx = '*'\n"
            },
            ["pytest faker"],
        ),
        (
            {"pyproject.toml": "[tool.pdm.dev-dependencies]\nt = ['pytest-xdist']\n"},
            ["pytest-xdist"],
        ),
        (
            {"pyproject.toml": "[dependency-groups]\ndev = ['pytest']\n"},
            ["--upgrade pip", "--group dev"],
        ),
        (
            {
                "requirements-develop.txt": "blessed>=1.14\n",
                "pyproject.toml": "[tool.cibuildwheel]\ntest-requires = 'pytest pytest-cov'\n",
            },
            ["-r requirements-develop.txt", "pytest"],
        ),
        (
            {
                "requirements-test.txt": "pytest-xdist\n",
                "tox.ini": "[pytest]\naddopts = --cov=a -ra\n  -n auto -p no:randomly "
                "-p pytest_socket\ntimeout = 5\nfaulthandler_timeout = 9\n"
                "required_plugins = pytest-order>=1 --pre -e . x@https://a.b/c $(id) a;b ../d "
                "pytest-x>= evil==1\u0661\n",
            },
            [
                "-r requirements-test.txt",
                "pytest-cov pytest-timeout pytest-socket 'pytest-order>=1'",
            ],
        ),
        (
            {
                "pyproject.toml": "[dependency-groups]\ntest = ['pytest']\n"
                "[tool.pytest.ini_options]\naddopts = ['--benchmark-skip', '-m', 'not n 1']\n"
                "asyncio_mode = 'auto'\n",
            },
            ["--upgrade pip", "--group test", "pytest-benchmark pytest-asyncio"],
        ),
    ],
    ids=[
        *("tox", "extra", "setuptools", "hatch", "poetry", "pdm", "group", "not listed"),
        *("plugins", "plugins of a table"),
    ],
)
def test_what_tests_need_is_read_where_python_says_it(
    files: dict[str, str], installed: list[str]
) -> None:
    found = stack({**files, "a.py": "", "tests/test_a.py": "def test_a(): 1"})
    pip = "python -m pip install --quiet "
    assert [line.removeprefix(pip) for line in found.install] == installed
    draft = installing(draft_of(next(complexity(found)), found, ()), found)
    assert draft.more["setup"][:2] == ["python -m venv .venv", f".venv/bin/{found.install[0]}"]


@pytest.mark.parametrize(
    ("lock", "manager", "installed"),
    [
        ({"pnpm-lock.yaml": "lockfileVersion: '9.0'\n"}, "", "pnpm@10 && pnpm install"),
        ({"pnpm-lock.yaml": "lockfileVersion: 5.4\n"}, "", "pnpm@7 && pnpm install"),
        ({"pnpm-lock.yaml": ""}, "pnpm@9.1.0+sha512.a", "pnpm@9.1.0 && pnpm install"),
        (
            {"yarn.lock": "# DO NOT\n# yarn lockfile v1\n"},
            "",
            "yarn@1 && yarn install --frozen-lockfile",
        ),
        (
            {"yarn.lock": "__metadata:\n"},
            "yarn@4.5.0",
            "cli-dist@4.5.0 && yarn install --immutable",
        ),
        ({"package-lock.json": "{}"}, "npm@10.1.0", "npm ci"),
        ({}, "", "npm install"),
    ],
)
def test_the_package_manager_of_a_lock_file_installs_in_the_version_that_reads_it(
    lock: dict[str, str], manager: str, installed: str
) -> None:
    package = f'{{"packageManager": "{manager}", "scripts": {{"test": "ava"}}}}'
    (line,) = stack({**lock, "package.json": package, "index.js": ""}).install
    assert f"{installed} " in f"{line} "
    (own,) = in_the_checkout([line], ())
    assert "--global" not in own, "it may write nowhere else"
    assert own == line or own.startswith(f"npx --yes --package={line.split()[4]} ")
    assert not [*objections(line), *objections(own)]
    tool = [line.partition(" && ")[0]] if "--global" in line else []
    assert beside_setup([line]) == tool, "scripts may start it"


def test_what_reads_the_output_of_pytest_asks_for_no_plugin() -> None:
    assert not [*tool_commands(["python -m pytest -q | tail -n 1"])]
    (line,) = tool_commands(["tail -n 1 a && python -m pytest -q -n 2"])
    assert line.endswith(" pytest-xdist")


def test_tests_among_the_sources_are_not_in_scope() -> None:
    assert "!src/pkg/tests/" in stack(PYTHON).scope
    assert "!*.test.ts" in stack(NODE).scope


def test_a_source_that_is_called_like_a_benchmark_elsewhere_stays_in_scope() -> None:
    files = {**RUST, **{f"src/m{n}.rs": "" for n in range(4)}, "benches/m1.rs": "#[bench]"}
    assert not any("m1" in glob for glob in stack(files).scope)


def test_a_test_at_the_root_is_not_in_the_scope_of_the_root() -> None:
    files = {**{f"{n}.c": "" for n in "abcd"}, "test.c": ""}
    assert stack(files).scope == ("/*.c", "!/test.c")


def test_what_a_script_starts_to_build_with_is_not_in_scope() -> None:
    scripts = '{"scripts": {"build": "node --no-warnings ./bin", "lint": "eslint src"}}'
    files = {"package.json": scripts, "bin/index.js": "", "src/index.js": ""}
    assert stack(files).scope == ("src/index.js",)


def test_a_glob_of_the_root_is_only_for_files_that_are_there() -> None:
    files = {"a.c": "", "b.c": "", "a.h": "", **{f"cpp/{n}.cpp": "" for n in range(4)}}
    assert stack(files).scope == ("/*.c", "/*.h", "cpp/**/*.cpp")


def test_in_go_the_root_is_a_package_like_any_other() -> None:
    assert stack(GO).scope == ("/*.go", "in/**/*.go", "sub/**/*.go", "!*_test.go")


def test_what_go_test_looks_at_already_is_only_tried_where_somebody_asks_for_it() -> None:
    assert not [o for o in usual_offers(stack(GO)) if "go vet" in o.metric["command"]]
    assert offers_for("no more lint warnings", stack(GO))


def test_go_is_compiled_once_and_timed_without_the_race_detector() -> None:
    found = stack({**GO, "Makefile": "test:\n\tgo test -race ./...\n"})
    offer = next(o for o in usual_offers(found) if o.title == "the time of the tests")
    assert [guard["command"] for guard in offer.guards] == ["go test -race ./... -v"]
    assert "-race" not in offer.metric["command"]
    draft = draft_of(offer, found, [])
    assert draft.metric["timeout"] == draft.guards[0]["timeout"] == "10m"
    built = draft.more["setup"]
    assert built == ["go test -run=^$ ./...", "go test -run=^$ -race ./..."]


def test_what_pytest_benchmark_measures_is_told_without_its_rounds() -> None:
    files = {"pyproject.toml": "", "a.py": "", "tests/test_bench.py": "def test_a(benchmark): 1\n"}
    offer = next(benchmark_runs(stack(files)))
    assert offer.goal == "Make the benchmarks faster"
    assert "&& grep -e fullname -e median benchmark.json" in offer.metric["command"]


def test_a_go_module_inside_the_repository_is_not_benchmarked_from_its_root() -> None:
    several = "func BenchmarkA(b *testing.B) {}\nfunc BenchmarkB(b *testing.B) {}\n"
    files = {"go.mod": "", "a.go": "", "a_test.go": several.splitlines()[0]}
    found = stack({**files, "bench/go.mod": "", "bench/b_test.go": several}).benchmarks
    assert [each.command.split()[-1] for each in found] == ["."]


def test_of_a_workspace_all_members_are_in_scope_or_the_one_that_it_is_about() -> None:
    crates = {f"crates/{c}/src/m{n}.rs": "" for c in "abcdef" for n in range(4)}
    assert stack({"Cargo.toml": "[workspace]\n", **crates}).scope == ("crates/**/*.rs",)
    packages = {f"packages/main/src/m{n}.ts": "" for n in range(20)}
    files = {"package.json": "{}", "tsconfig.json": "{}", **packages, "packages/aside/a.ts": ""}
    assert stack(files).scope == ("packages/main/**/*.ts",)


def test_sources_above_those_of_folders_are_in_scope_however_few() -> None:
    inner = {f"src/{name}/{n}.js": "" for name in ("plugin", "locale") for n in range(9)}
    assert stack({"package.json": "{}", "src/index.js": "", **inner}).scope == ("src/**/*.js",)


def test_examples_in_javascript_are_no_sources_of_typescript() -> None:
    files = {"package.json": "{}", "tsconfig.json": "{}", "src/a.ts": "", "examples/x/a.js": ""}
    assert stack(files).scope == ("src/a.ts",)
    assert "lib/b.js" in stack({**files, "lib/b.js": ""}).scope


def test_reporters_stand_before_the_files_that_node_tests() -> None:
    package = '{"scripts": {"test": "tsc && node --import tsx --test t/*.ts"}}'
    (guard,) = guards_of(stack({"package.json": package, "a.js": ""}))
    assert guard["command"].startswith(
        "npx --no-install -c tsc && node --test --test-reporter=spec"
    )
    assert guard["command"].endswith("=tests-report.xml --import tsx t/*.ts")


def test_what_is_named_for_tests_and_tasks_is_no_source() -> None:
    more = ["typing_tests/a.py", "tasks/a.py", "perf-testing/a.py", "benchmarking/b.py"]
    more += ["dev/bump.py"]
    files = {**PYTHON, **dict.fromkeys(more, "")}
    assert stack(files).scope == stack(PYTHON).scope


def test_a_class_that_is_called_like_a_test_among_the_sources_is_in_scope() -> None:
    assert stack(JAVA).tests == ("src/test/",)


def test_translations_are_no_pages_whose_english_could_be_read() -> None:
    pages = {"README.md": "", "README-de.md": "", "how-to.md": "", "locales/zh/a.md": ""}
    assert stack(pages).pages == ("README.md", "how-to.md")


def test_tests_that_only_a_script_starts_are_a_guard() -> None:
    offers = usual_offers(stack(NODE))
    assert offers[0].title == "bundle size"
    assert offers[0].guards[0]["command"] == "npm test --silent"


def test_what_is_built_before_the_tests_is_not_timed() -> None:
    made = "a-test: a.c\n\t$(CC) -o a-test a.c\n"
    first = usual_offers(stack({"Makefile": made, "a.c": ""}))[0]
    assert first.metric["command"] == "make a-test && autoresearch-ci score time -- ./a-test"
    assert [guard["command"] for guard in first.guards] == ["make a-test && ./a-test"]


def test_the_guard_of_pytest_compares_test_by_test() -> None:
    (guard,) = usual_offers(stack(PYTHON))[0].guards
    assert guard["junit"] in guard["command"]
    assert "--continue-on-collection-errors" not in guard["command"]


@pytest.mark.parametrize(
    "scripts",
    [
        '"test": "xo && ava --serial && tsd"',
        '"test": "npm run lint && npm run unit", "lint": "xo", "unit": "ava --serial"',
        '"test": "nyc --lines 100 --check-coverage --reporter=text ava --serial"',
    ],
    ids=["steps", "scripts", "coverage"],
)
def test_what_lints_and_counts_lines_is_no_part_of_the_time_of_the_tests(scripts: str) -> None:
    files = {"package.json": f'{{"scripts": {{{scripts}}}}}', "index.js": ""}
    (offer,) = offers_for("faster tests", stack(files))
    assert offer.metric["command"].endswith("score time -- npx --no-install ava --serial")
    assert offer.guards[0]["command"] == "npm test --silent"


@pytest.mark.parametrize("others", [(), ({"command": "tsc"},)])
def test_only_a_guard_that_is_the_script_alone_loses_its_linters_and_keeps_its_settings(
    others: tuple[dict[str, str], ...],
) -> None:
    found = stack({"package.json": '{"scripts": {"test": "xo && ava"}}', "index.js": ""})
    guards = ({"command": "npm test --silent", "timeout": "10m"}, *others)
    draft = ConfigDraft(goal="", scope=(), metric={}, guards=guards)
    calm = ({"command": "npx --no-install ava", "timeout": "10m"},)
    assert of_tests_alone(draft, found).guards == (guards if others else calm)


def test_a_script_that_starts_itself_is_followed_no_further() -> None:
    package = '{"scripts": {"test": "npm run unit", "unit": "npm run test"}}'
    (offer,) = offers_for("faster tests", stack({"package.json": package, "index.js": ""}))
    assert offer.metric["command"].endswith("score time -- npm test --silent")


def test_what_make_builds_for_its_tests_is_no_part_of_their_time() -> None:
    (offer,) = offers_for("faster tests", stack(C))
    assert offer.metric["command"] == "make check && autoresearch-ci score time -- make check"
    assert offer.least > 1, "each may be a program"


@pytest.mark.parametrize(
    ("files", "report"),
    [
        ({"pyproject.toml": "[tool.pytest.ini_options]\n", "a.py": ""}, "tests-report.xml"),
        (JAVA, "**/target/surefire-reports/TEST-*.xml"),
    ],
    ids=["pytest", "maven"],
)
def test_the_time_of_the_tests_is_what_their_report_says_and_not_that_of_the_tool(
    files: dict[str, str], report: str
) -> None:
    (offer,) = offers_for("faster tests", stack(files))
    assert offer.metric["extract"] == {"junit": report, "count": "seconds"}


def test_tests_of_c_are_timed_as_users_compile_it() -> None:
    for lists, text, optimised in (
        ("CMakeLists.txt", "enable_testing()\n", "cmake -S . -B build -DCMAKE_C_FLAGS=-O2 "),
        ("meson.build", "test('a', a)\n", "meson setup build --optimization=2 && "),
    ):
        (offer,) = offers_for("faster tests", stack({lists: text, "a.c": ""}))
        assert offer.metric["command"].startswith(optimised)
        assert offer.metric["extract"]["junit"] == offer.guards[0]["junit"]
        assert not set(optimised.split()) <= set(offer.guards[0]["command"].split())
        assert not list(objections(offer.guards[0]["command"]))


@pytest.mark.parametrize(
    "runs",
    [
        "\n ./run.sh",
        " ALL ./run.sh",
        " COMMAND ./t",
        '\n  # all\n  DEPENDS t COMMENT "a" COMMAND "$<TARGET_FILE:t>"',
        " COMMAND ${CMAKE_COMMAND} -E env A=1 ./t",
        " COMMAND ${CMAKE_COMMAND} --build . COMMAND ./t",
    ],
)
def test_a_target_of_cmake_that_runs_a_script_of_tests_is_a_guard(runs: str) -> None:
    only_builds = "add_custom_target(check DEPENDS t)\n"
    files = {"CMakeLists.txt": f"{only_builds}ADD_CUSTOM_TARGET(test{runs})\n", "a.c": ""}
    (offer,) = offers_for("faster tests", stack(files))
    assert offer.guards[0]["command"].endswith("&& cmake --build build --target test")
    assert offer.metric["command"].endswith("score time -- cmake --build build --target test")


@pytest.mark.parametrize(
    "builds",
    [
        *(" DEPENDS t", " ALL DEPENDS t", " ALL", " SOURCES t.c", "\n  # runs it\n  DEPENDS t"),
        *(' DEPENDS t COMMENT "the COMMAND of all"', " DEPENDS t COMMAND cmake -E echo built"),
        " COMMAND ${CMAKE_COMMAND} --build . --target t",
    ],
)
def test_a_target_of_cmake_that_only_builds_is_no_guard(builds: str) -> None:
    files = {"CMakeLists.txt": f"add_custom_target(tests{builds})\n", "a.c": ""}
    assert not offers_for("faster tests", stack(files))


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("CREATE TABLE t (a INT);\nINSERT INTO t VALUES (1);\n", False),
        ("create table u as\n  select a from t;\n", True),
        ("INSERT INTO u\nSELECT a FROM t;\n", True),
        ("", True),
    ],
)
def test_what_only_makes_and_fills_tables_is_loaded_and_no_query(text: str, offered: bool) -> None:
    offers = offers_for("make the queries cheaper", stack({"a.sql": text}))
    assert any("score sql" in each.metric["command"] for each in offers) is offered
    (offer,) = offers_for("make the queries cheaper", stack({"a.sql": text, "q.sql": "SELECT 1"}))
    assert (" --load a.sql" in offer.metric["command"]) is not offered


def test_tests_of_types_are_no_source() -> None:
    files = {"package.json": "{}", "tsconfig.json": "{}", "index.d.ts": "", "lib/a.js": ""}
    found = stack({**files, "test-d/a.ts": ""})
    assert found.scope[0] == "lib/a.js"


def test_a_benchmark_that_installs_first_is_no_ruler() -> None:
    scripts = (
        '"benchmark": "cd bench && npm i && node a.js", "bench": "node b.js", "perf": "node c"'
    )
    package = f'{{"scripts": {{{scripts}}}}}'  # and c is not there
    found = stack({"package.json": package, "index.js": "", "b.js": ""}).benchmarks
    assert [each.command for each in found] == ["node b.js"]
    assert not stack({"benchmark-prereq.sh": "mvn install:install-file a.jar\n"}).benchmarks


@pytest.mark.parametrize(
    ("argument", "starts"),
    [("'folder', type=Path", False), ("'n', nargs='?'", True), ("'--rounds', type=int", True)],
)
def test_a_benchmark_that_asks_for_arguments_is_not_started_without(
    argument: str, starts: bool
) -> None:
    text = f"p.add_argument({argument})\nprint(f'seconds: {{t}}')\n"
    assert bool(stack({"bench.py": text}).benchmarks) is starts


def test_what_shows_how_it_is_used_is_not_in_scope() -> None:
    shown = {"package.json": "{}", "queue.js": "", "example.js": "", "demo.mjs": ""}
    assert stack(shown).scope == ("queue.js",)


def test_tests_that_cmake_leaves_out_unless_it_is_asked_are_asked_for() -> None:
    lists = (
        'option(A_ENABLE_TESTING "Build tests" OFF)\noption(A_WITHOUT_TESTS "No tests" OFF)\n'
        "if(A_ENABLE_TESTING)\n  enable_testing()\nendif()\n"
    )
    asked = "cmake -S . -B build -DA_ENABLE_TESTING=ON && "
    for text in (
        lists,
        lists.replace("option(A", "cmake_dependent_option(\nA").replace("OFF", 'OFF "B" OFF'),
    ):
        guard = guards_of(stack({"CMakeLists.txt": text, "a.c": ""}))[0]
        assert guard["command"].startswith(asked)


@pytest.mark.parametrize(
    ("files", "built", "measured"),
    [
        (
            {
                "CMakeLists.txt": "if(S)\nadd_library(a SHARED a.c)\nelse()\n"
                "add_library(a STATIC a.c)\nendif()\nadd_executable(case test/case.c)\n"
            },
            "cmake --build build -j 4 --target a && ",
            "score size 'build/**/lib*.a'",
        ),
        (
            {"CMakeLists.txt": "add_subdirectory(src)", "src/CMakeLists.txt": "add_library(${N})"},
            "cmake --build build -j 4 && ",
            "score size 'build/**/lib*.a'",
        ),
        (
            {"CMakeLists.txt": "SET(LIB a)\nadd_library(${LIB} a.c)\nadd_library(${N} b.c)\n"},
            "cmake --build build -j 4 --target a && ",
            "score size 'build/**/lib*.a'",
        ),
        (
            {"CMakeLists.txt": "project(a C)\nadd_library(${PROJECT_NAME} a.c)\n"},
            "cmake --build build -j 4 --target a && ",
            "score size 'build/**/lib*.a'",
        ),
        (
            {"CMakeLists.txt": "add_library(a a.c)\nadd_executable(tool main.c)\n"},
            "cmake --build build -j 4 --target tool && ",
            "score size 'build/**/tool'",
        ),
        (
            {"lib/CMakeLists.txt": "add_library(a a.c)", "CMakeLists.txt": ""}
            | {"apps/CMakeLists.txt": "add_executable(shown shown.c)"},
            "cmake --build build -j 4 --target a && ",
            "score size 'build/**/lib*.a'",
        ),
        (
            {"configure.ac": "", "src/Makefile.am": "lib_LTLIBRARIES = liba.la\n"},
            "./configure && make && ",
            "score size '**/.libs/lib*.a'",
        ),
        (
            {"meson.build": "a = static_library('a', 'a.c')\n", "a.c": ""},
            "meson compile -C build && ",
            "score size 'build/**/lib*.a'",
        ),
        ({"Makefile": "liba.a: a.o\n\tar rcs $@ a.o\n"}, "make liba.a && ", "score size liba.a"),
    ],
    ids=["cmake", "below", "named", "project", "program", "apps", "automake", "meson", "make"],
)
def test_a_library_without_a_program_has_a_size_too(
    files: dict[str, str], built: str, measured: str
) -> None:
    command = next(binary(stack({**files, "a.c": ""}))).metric["command"]
    assert built in command
    assert command.endswith(f"autoresearch-ci {measured}")


def test_a_benchmark_comes_before_the_time_of_the_tests() -> None:
    files = {**PYTHON, "bench/bench_f.py": "print(f'mean_ms: {x}')\n"}
    first = usual_offers(stack(files))[0]
    assert (first.metric["command"], first.metric["name"]) == ("python bench/bench_f.py", "mean_ms")


def test_many_benchmarks_leave_room_for_other_numbers() -> None:
    names = {f"bench/bench_{n}.py": "from .a import b\nb()\n" for n in range(7)}
    titles = [offer.title for offer in usual_offers(stack({**PYTHON, **names}))]
    assert titles[:4] == [*["benchmarks"] * 3, "the time of the tests"]
    assert titles.count("benchmarks") == 7
    (found, *_) = stack({**PYTHON, **names}).benchmarks
    assert found.command == "python -m bench.bench_0", "what is imported relatively needs a package"


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"bench/test_f.py": "def test_f(benchmark): ...\n"}, "score bench -- 'python -m pytest"),
        (
            {"bench/test_f.py": "pytestmark = pytest.mark.benchmark\n"},
            "score time -- python -m pytest -q -p no:cacheprovider bench",
        ),
        (
            {"benches/f.rs": "criterion_main!(b);\n", "Cargo.toml": ""},
            "score bench -- 'cargo bench --bench f -- --output-format bencher",
        ),
        ({"c/benches/f.rs": "divan::main()"}, "score bench -- 'cd c && cargo bench --bench f'"),
        (GO, "-bench . -benchtime 100ms -count 3 ./sub'"),
        ({"benchmark/run.py": "f()\n"}, "score time -- python benchmark/run.py"),
        ({"bench.py": "import pyperf\n"}, "score bench -- 'python bench.py'"),
        ({"bench.js": "import { Bench } from 'tinybench'\n"}, "score bench -- 'node bench.js'"),
        (
            {
                "package.json": '{"name": "@a/our", "scripts": {"build": "tsc"}}',
                "bench/index.js": "require('benchmark'); require('../dist/a')\n"
                "s.add('our', f).add('another', g)\n",
            },
            "build && autoresearch-ci score bench --only our -- 'node bench/index.js'",
        ),
        (
            {"package.json": '{"scripts": {"bench": "vitest bench"}}'},
            "score bench -- 'npm run --silent bench -- --run'",
        ),
        (
            {
                "package.json": '{"scripts": {"benchmark:all": "node b/x.mjs"}}',
                "b/x.mjs": "import 'mitata'",
            },
            "score bench -- 'node b/x.mjs'",
        ),
        (
            {
                "package.json": '{"scripts": {"bench": "node ./b/run"}}',
                "b/run.js": "const suite = require('./suite')\n",
                "b/suite.js": "new benchmark.Suite()\n",
            },
            "score bench -- 'node ./b/run'",
        ),
        (
            {
                "package.json": '{"scripts": {"bench": "node ./b/run"}}',
                "b/package.json": '{"devDependencies": {"benchmark": "2"}}',
                **{f"b/{name}.js": "require('benchmark')\n" for name in ("run", "bench")},
            },
            "",
        ),
        (
            {
                "package.json": '{"scripts": {"bench": "node b/run.js", "prebench": "tsc"}}',
                "b/run.js": "require('benchmark')\n",
            },
            "score bench -- 'npm run --silent bench'",
        ),
        *(
            (
                {
                    "package.json": "{}",
                    workspaces: "",
                    "b/package.json": '{"devDependencies": {"benchmark": "2"}}',
                    "b/bench.js": "require('benchmark')\n",
                },
                "score bench -- 'node b/bench.js'",
            )
            for workspaces in ("pnpm-workspace.yaml", "lerna.json", "rush.json")
        ),
        ({"package.json": "{}", "src/a.bench.ts": ""}, "'npx --no-install vitest bench --run'"),
        ({"Makefile": "bench: a\n\thyperfine ./a\n"}, "score bench -- 'make bench'"),
        (
            {"Makefile": "benchmark:\n\t./a\n"},
            "make benchmark && autoresearch-ci score time -- make benchmark",
        ),
        (
            {"Makefile": "bench: a.o bench.o\n\t$(CC) a.o bench.o -o $@\n"},
            "make bench && autoresearch-ci score time -- ./bench",
        ),
        (
            {
                "CMakeLists.txt": "option(A_BENCH x OFF)",
                "b/CMakeLists.txt": "add_executable(a_bench a.cc)\n"
                "target_link_libraries(a_bench benchmark::benchmark)",
            },
            "-DA_BENCH=ON && cmake --build build -j 4 --target a_bench && "
            "autoresearch-ci score bench",
        ),
        (
            {"build.gradle.kts": 'plugins { id("me.champeau.jmh") }', "gradlew": ""},
            "score bench -- './gradlew --no-daemon --console=plain jmh'",
        ),
        (
            {"b/pom.xml": "jmh-core <finalName>benchmarks</finalName>", "pom.xml": ""},
            "package -DskipTests -pl b -am && autoresearch-ci score bench -- 'java -jar b/target/",
        ),
        ({"asv.conf.json": "{}"}, "asv run --python=same"),
        (
            {"Cargo.toml": "", "benches/a.rs": "#![feature(test)]"},
            "score bench -- 'RUSTC_BOOTSTRAP=1 cargo bench --bench a'",
        ),
        ({"bench.js": "import 'matcha'\n"}, ""),
    ],
)
def test_benchmarks_of_each_stack_are_found_unless_nobody_can_read_them(
    files: dict[str, str], command: str
) -> None:
    found = [offer.metric["command"] for offer in benchmark_runs(stack(files))]
    assert len(found) == bool(command)
    assert command in "".join(found)


@pytest.mark.parametrize(
    ("files", "goal", "command"),
    [
        (JAVA, "", "mvn test -B -o"),
        ({**JAVA, "b/pom.xml": ""}, "less complexity", "score complexity 'src/main/**/*.java'"),
        (
            {"build.gradle": "plugins { id 'java' }", "gradlew": "", "src/main/java/A.java": ""}
            | {"src/test/java/ATest.java": ""},
            "",
            "./gradlew check",
        ),
        ({"a.ipynb": "{}", "README.md": ""}, "", "jupyter nbconvert --to notebook --execute"),
        (
            {"mkdocs.yml": "", **{f"docs/{n}.md": "" for n in range(6)}},
            "no warnings of mkdocs",
            "-- 'mkdocs build --site-dir",
        ),
        (
            {"docs/conf.py": "", "docs/index.rst": "", **{f"docs/{n}.rst": "" for n in range(6)}},
            "fewer sphinx warnings",
            "-- 'sphinx-build -q -b html docs ",
        ),
    ],
    ids=["maven", "maven-goal", "gradle", "notebooks", "mkdocs", "sphinx"],
)
def test_what_no_tool_chain_is_needed_for_is_a_configuration_that_is_valid(
    files: dict[str, str], goal: str, command: str
) -> None:
    found = stack(files)
    offers = offers_for(goal, found) if goal else usual_offers(found)
    draft = draft_of(offers[0], found, ())
    assert command in draft.metric["command"]
    config = load(text=yaml_of(draft), path="a.yml").config
    assert not [objection for line in config.commands for objection in objections(line)]


@pytest.mark.parametrize(
    ("goal", "rule"),
    [
        ("raise test coverage to 90%", "coverage"),
        ("cover more lines with unit tests", "coverage"),
        ("cut the size of what users download", "bundle size"),
        ("reduce the executable's footprint", "binary size"),
        ("simplify the documentation", "readability"),
        ("split up complicated functions", "complexity"),
        ("improve tail latency", "percentile"),
        ("parse more MB/s", "throughput"),
        ("train a better model in the same time", "val_bpb"),
        ("make the page load faster", "Lighthouse"),
        ("faster decoding of images", "speed"),
        ("make the test suite faster", "test time"),
        ("Tests take too long: cut the time", "test time"),
        ("cut the time of the tests", "test time"),
        ("smaller bundle", "bundle size"),
        ("fix all type errors", "type errors"),
        ("fewer TypeScript errors", "type errors"),
        ("no more lint warnings", "lint"),
        ("lower p95 latency", "percentile"),
        ("a shorter response time", "latency"),
        ("convert more documents per second", "throughput"),
        ("every public function should be documented", "docs coverage"),
        ("README should be easier to understand", "readability"),
        ("ship less javascript to the browser", "bundle size"),
        ("higher throughput", "throughput"),
        ("use less memory", "memory"),
        ("shrink the binary size", "binary size"),
        ("make the library smaller", "binary size"),
        ("better Lighthouse score", "Lighthouse"),
        ("speed up SQL queries", "SQL"),
        ("lower val_bpb", "val_bpb"),
        ("reduce cyclomatic complexity", "complexity"),
        ("get rid of TODOs", "TODO count"),
        ("docstring coverage above 80%", "docs coverage"),
        ("document all public functions", "docs coverage"),
        ("make the README easier to read", "readability"),
        ("simplify the language of the docs", "readability"),
        ("make it faster", "speed"),
        ("reduce test duration", "test time"),
        ("Make our TypeScript code faster without hiding errors", "speed"),
        ("Reduce how long the fastest route search takes", "speed"),
        ("Document the classes and make the API faster", "speed"),
        ("Shrink the TypeScript check bundle size", "bundle size"),
        ("Simplify the code of the language server", "complexity"),
        ("Keep the tests green; use less memory", "memory"),
        ("In the parser, use less memory", "memory"),
        ("a README without spelling errors", "spelling"),
        ("The test suite must be faster, nothing else", "test time"),
    ],
)
def test_common_goals_have_a_rule(goal: str, rule: str) -> None:
    found = rule_for(goal)
    assert found
    assert found.name == rule


@pytest.mark.parametrize(
    "goal",
    [
        "Reduce import time without breaking tests",
        "Reduce import time and keep the test suite quick",
        "Reduce import time and do not break the test suite",
        "Lower startup time, tests must stay green",
        "Reduce training time per step, the test loss must not rise",
        "Reduce the time to find the shortest path",
        "Lower the build time of the latest image",
        "Lower the link time",
        "Faster builds",
        "Speed up the startup of the program",
        "Make parsing of json use smaller buffers",
    ],
)
def test_a_number_that_no_rule_knows_is_not_taken_for_another(goal: str) -> None:
    assert rule_for(goal) is None


def test_of_a_benchmark_with_several_numbers_the_goal_picks_one_and_memory_may_be_of_another() -> (
    None
):
    script = "print(f'p95_ms: {x}')\nprint(f'ops_per_sec: {y}')\n"
    found = stack({**PYTHON, "bench.py": script, "train.py": "print(f'val_bpb: {x}')\n"})
    goals = ("lower p95 latency", "raise the throughput")
    named = [offer.metric for goal in goals for offer in offers_for(goal, found)]
    told = [(metric["name"], metric["direction"]) for metric in named]
    assert told == [("p95_ms", "minimize"), ("ops_per_sec", "maximize")]
    assert len(offers_for("use less memory", found)) == 3
    (offer,) = offers_for("more operations per second", stack({**GO, "a_test.go": _GO_BENCHMARK}))
    assert offer.metric["name"] == "nanoseconds"
    assert not offers_for("lower p99", stack({**GO, "a_test.go": _GO_BENCHMARK}))


_GO_BENCHMARK = "func BenchmarkA(b *testing.B) {}\n"


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"go.mod": "module a\n", "a.go": "", "a_test.go": ""}, ""),  # that of its linker
        ({"Cargo.toml": "[package]\nname = 'a'\n", "src/lib.rs": "#[test]\nfn t() {}"}, ""),
        (
            {"go.mod": "module a\n", "a.go": "", "a_test.go": "func BenchmarkA(b *testing.B) {}\n"},
            "autoresearch-ci score bench -- 'go test -run=^$ -bench . -benchmem -benchtime 100ms",
        ),
        (
            {"Makefile": "test: a.c\n\t$(CC) a.c -o a\n\t./a\n", "a.c": ""},
            "",  # that of the compiler
        ),
        (PYTHON, "autoresearch-ci score time -- python -m pytest"),
    ],
)
def test_memory_is_that_of_the_code_and_not_of_what_builds_or_starts_it(
    files: dict[str, str], command: str
) -> None:
    found = offers_for("use less memory", stack(files))
    assert [str(offer.metric["command"]).startswith(command) for offer in found] == [
        True for _ in range(bool(command))
    ]
    assert {offer.metric["name"] for offer in found} <= {"bytes_per_op", "peak_memory_mb"}


@pytest.mark.parametrize(
    ("scripts", "command"),
    [
        (
            {"test": "npm run lint && npm run mocha", "mocha": "mocha", "lint": "x", "c": "nyc x"},
            "mocha",
        ),
        ({"test": "c8 ava"}, "ava"),
        ({"test": "mocha"}, ""),
    ],
)
def test_what_counts_lines_of_scripts_of_node_tells_their_coverage(
    scripts: dict[str, str], command: str
) -> None:
    package = json.dumps({"scripts": scripts})
    found = offers_for(
        "raise coverage", stack({"package.json": package, "a.js": "", "test/a.js": ""})
    )
    assert [str(offer.metric["command"]).endswith(command) for offer in found] == [True] * bool(
        command
    )
    assert all(offer.guards[0]["command"] == offer.metric["command"] for offer in found)
    assert {offer.metric["extract"]["coverage"] for offer in found} <= {
        "coverage/cobertura-coverage.xml"
    }


def test_what_shows_or_measures_is_no_place_for_tests_that_cover_lines() -> None:
    names = ("src/lib.rs", "tests/a.rs", "benches/test.rs", "examples/test.rs")
    rust = stack({"Cargo.toml": "[package]\nname = 'a'\n", **dict.fromkeys(names, "#[test]")})
    assert [offer.scope for offer in offers_for("raise coverage", rust)] == [("tests/**",)]


def test_what_helps_tests_of_go_is_a_source_unless_go_takes_it_for_a_test() -> None:
    files = {"go.mod": "module a", "a.go": "", "test_helpers.go": "", "a_test.go": ""}
    found = stack(files)
    assert (found.scope, found.tests) == (("a.go", "test_helpers.go"), ("*_test.go",))


def test_unittest_s_coverage_is_of_the_sources_alone() -> None:
    files = {
        "tox.ini": "[testenv]\ncommands = python -m unittest\n",
        "a/b.py": "",
        "tests/test_b.py": "",
    }
    (offer,) = offers_for("raise coverage", stack(files))
    assert "coverage run --source=a -m unittest" in offer.metric["command"]
    assert offer.metric["command"].endswith(" && python -m coverage xml -o coverage.xml")


@pytest.mark.parametrize(
    ("build", "named", "size"),
    [
        ("uglifyjs a.js > a.min.js", ["a.js", "a.min.js"], "a.min.js"),
        ("rollup -i b.js -o out.mjs", ["out.mjs"], "out.mjs"),
        ("rollup src/b.js --file dist/b.js", ["dist"], "'dist/**/*.*js'"),
        ("tsc", ["a.js"], ""),
        ("cat b.js > unpublished.js", ["a.js"], ""),
    ],
)
def test_a_bundle_is_what_is_built_and_published(build: str, named: list[str], size: str) -> None:
    package = json.dumps({"scripts": {"build": build}, "files": named})
    found = offers_for("smaller bundle", stack({"package.json": package, "b.js": "", "a.js": ""}))
    told = f"npm run --silent build && autoresearch-ci score size {size}"
    assert [offer.metric["command"] for offer in found] == [told] * bool(size)


def test_a_compiler_warns_when_it_is_asked() -> None:
    files = {"CMakeLists.txt": "enable_testing()\nproject(a C)\nadd_library(a a.c)\n", "a.c": ""}
    assert not offers_for("use less memory", stack(files))
    (offer,) = offers_for("fix the compiler's warnings", stack(files))
    assert "score problems --tool 'gcc' -- 'cmake -S . -B build -DCMAKE_C_FLAGS=-Wall " in str(
        offer.metric
    )


def test_a_program_that_make_links_to_show_or_test_a_library_is_not_what_gets_smaller() -> None:
    told = (("prog", "a", 1), ("simple_example", "a", 0), ("testme", "a", 0), ("b", "example/b", 0))
    for name, made_of, offered in told:
        rule = f"{name}: {made_of}.o a.h\n\t$(CC) $(LDFLAGS) $< -o $@\n"
        assert len(list(binary(stack({"Makefile": rule, "a.h": ""})))) == offered


def test_lighthouse_looks_at_the_page_that_is_built_or_there_if_it_is_installed() -> None:
    package = '{"devDependencies": {"lighthouse": "13"}, "scripts": {%s}}'
    static = {"package.json": package % "", "site/index.html": "", "site/old/index.html": ""}
    (offer,) = offers_for("make the page load faster", stack(static))
    assert offer.metric["command"] == "autoresearch-ci score lighthouse site"
    assert offer.scope == ("site/**/*.js", "site/**/*.html", "site/**/*.css")
    assert draft_of(offer, stack(static), ()).more["sandbox"] == {"network": "loopback"}
    built = stack({**static, "package.json": package % '"build": "vite build"', "src/a.js": ""})
    (offer,) = offers_for("better Lighthouse score", built)
    assert offer.metric["command"].startswith("npm run --silent build && ")
    assert offer.scope[0] == "src/a.js"
    assert not offers_for("better Lighthouse score", stack({**static, "package.json": "{}"}))


def test_tests_of_a_page_that_is_there_are_not_in_its_scope() -> None:
    files = {"package.json": '{"devDependencies": {"lighthouse": "13"}}', "index.html": ""}
    (offer,) = offers_for("better Lighthouse score", stack({**files, "a.js": "", "test/a.js": ""}))
    assert offer.scope[:2] == ("**/*.js", "!test/")


def test_a_shell_reads_no_more_than_globs_from_the_names_of_pages(tmp_path: Path) -> None:
    odd = ["-a$(touch x)/b.md", "a;touch x/b.md", "it's/`touch x`.md"]
    for name in odd:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("")
    (offer,) = offers_for("fix the spelling", stack(dict.fromkeys(odd, "")))
    echoed = offer.metric["command"].rpartition("codespell")[2]
    said = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {echoed}"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert said.stdout.splitlines() == [f"./{name}" for name in odd]
    assert not (tmp_path / "x").exists()


def test_a_percentage_to_reach_is_the_target() -> None:
    (offer,) = offers_for("raise coverage to 90%", stack(PYTHON))
    assert offer.metric["target"] == 90
    assert offer.goal == "raise coverage to 90%"
    assert offer.scope == ("src/pkg/tests/**",)
    go = stack({**GO, "a_test.go": ""})
    assert offers_for("raise coverage to 90%", go)[0].metric["target"] == 90
    assert "target" not in offers_for("cut the test time to 80%", stack(PYTHON))[0].metric


def test_coverage_is_that_of_the_sources_and_not_of_the_tests() -> None:
    few = {
        "pyproject.toml": "[tool.pytest.ini_options]\n",
        "tests/test_a.py": "def test_a(): pass\n",
    }
    for source, option in (("src/a.py", "--cov=src"), ("a.py", "--cov=a")):
        (offer,) = offers_for("raise coverage", stack({**few, source: "def f(): pass\n"}))
        assert f" {option} --cov-report" in offer.metric["command"]
    inner = {**few, **{f"a/{name}.py": "" for name in "bcde"}, "a/tests/test_b.py": ""}
    (offer,) = offers_for("raise coverage", stack(inner))
    assert " --cov=a --cov-report" in offer.metric["command"], "no option of what is left out"


@pytest.mark.parametrize(
    "files",
    [PYTHON, NODE, RUST, C, GO, JAVA],
    ids=["python", "node", "rust", "c", "go", "java"],
)
def test_every_offer_is_a_configuration_without_dangerous_commands(files: dict[str, str]) -> None:
    from autoresearch_ci.config.resolve import load
    from autoresearch_ci.decide.command_screen import objections
    from autoresearch_ci.plan.config_draft import yaml_of

    found = stack(files)
    for offer in usual_offers(found):
        config = load(text=yaml_of(draft_of(offer, found, []))).config
        assert config.metric.command == offer.metric["command"]
        assert [o.what for command in config.commands for o in objections(command)] == []


def test_packages_of_rust_that_nobody_else_gets_are_no_source_beside_one_that_is() -> None:
    user = "[package]\nname = 'user'\npublish = false\n"
    files = {**RUST, "user/Cargo.toml": user, "user/src/lib.rs": "", "derive/src/lib.rs": ""}
    files["derive/Cargo.toml"] = "[package]\nname = 'derive'\n"
    assert stack(files).scope == ("derive/src/lib.rs", "src/lib.rs", "src/main.rs")
    whole = {**files, "Cargo.toml": "[workspace]\nmembers = ['user']\n"}
    assert "user/**/*.rs" in stack(whole).scope
    table = "dependencies]\nuser = {path = 'user'}\n"
    assert "user/**/*.rs" in stack({**files, "Cargo.toml": f"[package]\n[{table}"}).scope
    tests = {**files, "Cargo.toml": f"[package]\n[dev-{table}"}
    assert "user/src/lib.rs" not in stack(tests).scope


def test_tests_of_what_cannot_be_installed_are_not_said_to_fail() -> None:
    lack = "what the tests need cannot be installed here"
    found = stack(PYTHON)
    (offer,) = complexity(found)
    draft = draft_of(offer, found, ())
    told = yaml_of(of_fewer_failures(draft, found, lack))
    assert lack in told
    assert "fail already" not in told
    assert "tests fail" not in told


@pytest.mark.parametrize(
    ("goal", "names"),
    [
        ("lower the p95 latency of requests", ["p95_ms"]),
        ("a shorter 99th percentile", ["p99_ms"]),
        ("improve tail latency", ["p95_ms", "p99_ms"]),
        ("lower p90 latency", []),
    ],
)
def test_of_percentiles_the_one_that_is_asked_for_is_measured(goal: str, names: list[str]) -> None:
    told = "\n".join(f'print(f"p{n}_ms: {{t}}")' for n in (50, 95, 99))
    found = offers_for(goal, stack({"bench.py": f"{told}\n", "handler.py": ""}))
    assert [offer.metric["name"] for offer in found] == names


def test_tests_of_rust_are_asked_for_once() -> None:
    ci = "jobs: {a: {steps: [{run: cargo test --tests --benches}]}}\n"
    offer = next(suite_time(stack({**RUST, ".github/workflows/a.yml": ci})))
    assert str(offer.metric["command"]).count("--tests --benches") == 2, "to build, and to run"
    assert "--tests --tests" not in str(offer.metric["command"])


def test_a_benchmark_that_a_script_starts_is_tried_once() -> None:
    files = {
        "package.json": '{"scripts": {"bench": "node bench.js"}}',
        "bench.js": "import './parts.js';\n",
        "parts.js": "import {Bench} from 'tinybench';\n",
    }
    (found,) = stack(files).benchmarks
    assert (found.command, found.is_tool) == ("node bench.js", True)


@pytest.mark.parametrize("way", ["-o ", "--outfile=", "--output ", "> "])
def test_what_a_script_writes_is_no_source(way: str) -> None:
    package = json.dumps({"scripts": {"prepublish": f"browserify -e index.js {way}./browser.js"}})
    found = stack({"package.json": package, "index.js": "", "browser.js": "", "other.js": ""})
    assert found.scope == ("index.js", "other.js")


def test_a_benchmark_that_is_left_out_as_a_test_is_not_left_out_twice() -> None:
    names = ("a.go", "b.go", "c.go", "d.go", "bench_test.go", "bench_util.go")
    found = stack({"go.mod": "", **dict.fromkeys(names, "")})
    assert found.scope == ("/*.go", "!*_test.go", "!/bench_util.go")


@pytest.mark.parametrize("package", ["benchmarked", "tinybench", "@a/bench-kit"])
def test_a_package_that_benchmarks_takes_as_long_as_it_likes(package: str) -> None:
    lines = ("run = require('{}')", 'import run from "{}"', "run = await import('{}')")
    for line in (line.format(package) for line in lines):
        (found,) = stack({"package.json": "{}", "a.js": "", "bench/index.js": line}).benchmarks
        assert found.is_tool
    own = {"package.json": "{}", "a.js": "", "bench/index.js": "require('./bench-data');\n"}
    assert not stack(own).benchmarks[0].is_tool


def test_the_tests_of_a_library_are_not_those_of_a_script_beside_it() -> None:
    rules = "all:\n\t$(CC) a.c -o tests/a\ntest: all\n\t./tests/a\n"
    found = stack({"Makefile": rules, "a.c": "", "a.h": "", "scripts/regex_test.py": ""})
    (guard,) = guards_of(found)
    assert guard == {"command": "make test"}
    assert not found.programs, "the rule `all` makes no program that is called so"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("Makefile", "a: a.c\n\t" + "$(CC) -o " * 20_000),
        ("bench.js", "require('" + "bench" * 30_000),
        ("bench.js", "go test " * 20_000),
    ],
)
def test_a_line_without_an_end_is_read_in_no_time(path: str, text: str) -> None:
    start = time.process_time()
    assert not stack({path: text, "package.json": "{}", "a.c": ""}).programs
    assert time.process_time() - start < 5.0, "the square of its length takes minutes"


@pytest.mark.parametrize("made", ["prog", "./prog", "$@", "$(@)"])
def test_a_rule_that_links_its_own_name_makes_a_program(made: str) -> None:
    found = stack({"Makefile": f"prog: a.o\n\t$(CC) a.o -o {made}\n", "a.c": ""})
    assert [program for _, program, _ in found.programs] == ["prog"]
