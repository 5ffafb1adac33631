"""A repository says in its own files what it is checked with; nothing is guessed beyond them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch_ci.measure.diagnostics.discovery.found import FILES_LIMIT
from autoresearch_ci.measure.diagnostics.discovery.shell_lines import as_tool, commands_in
from autoresearch_ci.measure.diagnostics.discovery.targets import TARGETS_LIMIT, Discovery, discover
from autoresearch_ci.measure.diagnostics.registry import TOOLS


def found(files: dict[str, str]) -> Discovery:
    return discover(files, lambda path: files[path].encode())


def commands(files: dict[str, str]) -> dict[str, str]:
    return {target.name: target.command for target in found(files).targets}


def reasons(files: dict[str, str], name: str) -> tuple[str, ...]:
    return next(target.reasons for target in found(files).targets if target.name == name)


def test_an_empty_repository_is_checked_with_nothing() -> None:
    assert found({}) == Discovery(targets=(), unread=())
    assert not found({"README.md": "run pytest and eslint"}).targets


PYTHON = {
    "pyproject.toml": """
        [project]
        name = "x"
        [project.optional-dependencies]
        dev = ["pytest>=8", "pyright"]
        [tool.ruff]
        line-length = 100
        [tool.mypy]
        packages = ["x"]
    """,
    "x/__init__.py": "",
    "tests/test_x.py": "",
}


def test_python_is_found_in_its_settings_and_dependencies() -> None:
    assert list(commands(PYTHON)) == ["mypy", "pytest", "python", "ruff"]
    assert reasons(PYTHON, "ruff") == ("pyproject.toml: [tool.ruff]",)
    assert reasons(PYTHON, "pytest") == ("pyproject.toml: depends on pytest",)


def test_a_second_type_checker_is_asked_where_something_sets_it_up_or_starts_it() -> None:
    alone = {**PYTHON, "pyproject.toml": PYTHON["pyproject.toml"].partition("[tool.mypy]")[0]}
    assert "pyright" in commands(alone)
    assert "pyright" not in commands(PYTHON)
    assert "pyright" in commands({**PYTHON, "pyrightconfig.json": "{}"})
    assert "pyright" in commands({**PYTHON, "Makefile": "types:\n\tpyright src\n"})


def test_settings_that_say_what_is_looked_at_are_left_to_say_it() -> None:
    assert not commands(PYTHON)["mypy"].endswith(" .")
    bare = {"mypy.ini": "[mypy]\nstrict = True\n", "a.py": ""}
    assert commands(bare)["mypy"].endswith(" .")
    own = {"setup.cfg": "[mypy]\nstrict = True\nfiles =\n  x\n[other]\n", "a.py": ""}
    assert commands(own)["mypy"].endswith("-output")
    other = {"tox.ini": "[mypy]\nstrict = True\n[flake8]\nfiles = x\n", "a.py": ""}
    assert commands(other)["mypy"].endswith(" .")


def test_a_tool_that_is_only_installed_says_nothing_of_what_it_looks_at() -> None:
    tox = "[testenv:mypy]\ndeps =\n  mypy\n  types-x\ncommands =\n  mypy --strict natural tests\n"
    files = {"tox.ini": tox, "pyproject.toml": "[tool.mypy]\nmypy_path = 'stubs'\n", "a.py": ""}
    assert commands(files)["mypy"].endswith("--strict natural tests")
    files["tox.ini"] = tox.partition("commands")[0]
    assert commands(files)["mypy"].endswith(" .")


def test_what_tox_runs_when_nobody_asks_for_more_is_what_is_asked() -> None:
    tox = "[testenv]\ncommands = {envpython} -m mypy {posargs:src {toxinidir}/lib}\n"
    asked = commands({"tox.ini": tox, "src/x/__init__.py": "", "setup.py": ""})
    assert asked["mypy"].endswith("-output src lib")
    tox = "[testenv]\ncommands = ruff check {posargs} {toxinidir}\n"
    assert commands({"tox.ini": tox, "a.py": ""})["ruff"].endswith("{report} .")
    tox = "[tool.tox]\nlegacy_tox_ini = 'commands = mypy {posargs:src}'\n"
    assert commands({"pyproject.toml": tox, "a.py": ""})["mypy"].endswith("-output src")


def test_settings_of_mypy_alone_do_not_put_tests_and_scripts_under_it() -> None:
    files = {"mypy.ini": "[mypy]\nstrict = True\n", "x/__init__.py": "", "setup.py": ""}
    files |= {"tests/__init__.py": "", "docs/conf.py": "", "tests/test_a.py": ""}
    assert commands(files)["mypy"].endswith("-output x")
    assert commands({**files, "y.py": ""})["mypy"].endswith("-output .")
    laid = {"mypy.ini": "[mypy]\n", "src/x/__init__.py": "", "src/y/__init__.py": ""}
    assert commands(laid)["mypy"].endswith("-output src")
    nested = {f"svc/{path}": text for path, text in files.items()}
    assert commands(nested)["svc: mypy"].endswith("-output x")
    hooks = "repos:\n- hooks:\n  - id: mypy\n"
    assert commands({**files, ".pre-commit-config.yaml": hooks})["mypy"].endswith("-output .")
    tox = "[testenv]\ncommands = mypy tests x\n"
    assert commands({**files, "tox.ini": tox})["mypy"].endswith("-output tests x")


def test_doctests_that_a_repository_runs_are_run() -> None:
    tox = "[testenv]\ncommands = py.test\n  py.test --tb short --doctest-modules --ignore bench\n"
    files = {"tox.ini": tox, "a.py": ""}
    assert commands(files)["pytest"] == (
        f"{TOOLS['pytest'].command} --doctest-modules --ignore bench"
    )
    for line in (
        "pytest --doctest-modules src",  # nothing says which others it collects
        "pytest --ignore slow",
        "pytest --doctest-glob=$FILES",
        "pytest -k fast --doctest-modules-of x",
    ):
        files["tox.ini"] = f"[testenv]\ncommands = {line}\n"
        assert commands(files)["pytest"] == TOOLS["pytest"].command
    files["tox.ini"] = "[testenv]\ncommands = pytest --doctest-glob='*.rst' --cov x {posargs}\n"
    assert commands(files)["pytest"].endswith(" --doctest-glob='*.rst'")


def test_tests_without_settings_are_found_by_their_names() -> None:
    assert reasons({"tests/test_a.py": ""}, "pytest") == ("tests/test_a.py: tests",)
    own = {"tox.ini": "[testenv]\ncommands =\n  pytest  --cov a\n", "test_a.py": ""}
    assert reasons(own, "pytest") == ("tox.ini: pytest --cov a",)


def test_tests_beside_a_package_that_has_its_own_are_not_forgotten() -> None:
    tested = "def test_a():\n    pass\n"
    files = {
        "a/pyproject.toml": "[tool.pytest]\n",
        "a/test_a.py": tested,
        "b/pyproject.toml": "",
        "b/tests/test_b.py": tested,
        "c/test_c.py": tested,
        "c/test_helpers.py": "URL = ''\n",
    }
    asked = commands(files)
    assert {"a: pytest", "b: pytest", "pytest"} <= asked.keys()
    assert asked["pytest"].endswith(" --ignore=a --ignore=b")
    del files["c/test_c.py"]
    assert "pytest" not in commands(files)  # who finds no test at all is never complete


def test_tests_of_unittest_are_run_as_the_repository_runs_them() -> None:
    files = {"checks/__init__.py": "", "tests/test_a.py": "class A(TestCase): ..."}
    files["Makefile"] = "test:\n\tpython3 -m unittest -v discover -s checks -p '*.py'\n"
    asked = commands(files)
    assert asked["unittest"] == "python -m unittest discover -v -s checks -p '*.py'"
    assert "pytest" not in asked
    files["Makefile"] = "test:\n\tbash -c 'python -m unittest $MORE'\n"
    assert commands(files)["unittest"] == TOOLS["unittest"].command


def test_a_test_script_that_no_adapter_knows_is_run_by_itself() -> None:
    def asked(**scripts: str) -> dict[str, str]:
        return commands({"package.json": json.dumps({"scripts": scripts}), "a.js": ""})

    assert "npm test" in asked(test="npm run lint && npm run unit", lint="eslint .", unit="mocha")
    assert "npm test" in asked(test="eslint . && ava")
    usual = TOOLS["npm test"].command
    assert asked(test="nyc mocha -r x t/")["npm test"] == f"{usual} -- --reporter spec"
    assert asked(test="mocha -R dot")["npm test"] == f"{usual} -- --reporter spec"
    for other in ("mocha && tape", "mocha t/ | tee log", "echo mocha"):
        assert asked(test=other).get("npm test", usual) == usual, other
    for known in ("jest --coverage", "npm run unit", "npm test", "cd x && eslint ."):
        assert "npm test" not in asked(test=known, unit="vitest run"), known
    assert not asked(test='echo "Error: no test specified" && exit 1')
    assert not asked(build="node build.js")
    below = {"package.json": '{"scripts": {"test": "turbo run test"}}', "b/package.json": "{}"}
    assert "npm test" not in commands(below)


def test_a_linter_that_complains_hides_no_tests_of_a_script() -> None:
    def asked(test: str, **scripts: str) -> str:
        package = {"test": test, "unit": "mocha -R dot", "lint": "eslint .", **scripts}
        found = commands({"package.json": json.dumps({"scripts": package}), "a.js": ""})
        return found["npm test"]

    usual = TOOLS["npm test"].command
    alone = "npm run --silent unit -- --reporter spec"
    assert asked("npm run lint && npm run unit") == alone
    assert asked("eslint . && npm run lint && npm run unit") == alone
    assert asked("npm run lint && npm run unit", unit="tape t/*.js") == "npm run --silent unit"
    for plain in (
        "npm run build && npm run unit",  # what it builds is tested
        "npm run style && npm run unit",  # nobody else asks it
        "npm run lint; npm run unit",
        "npm run lint || npm run unit",
        "npm run lint && npm run unit -- t/a.js",
        "npm run lint && npm run unit && npm run audit",
    ):
        assert asked(plain, build="tsc", style="standard", audit="node audit.js") == usual, plain
    assert asked("npm run lint && npm run unit", pretest="node make.js") == usual


def test_javascript_is_found_in_each_package() -> None:
    package = {
        "scripts": {"lint": "eslint src --max-warnings 0 --fix", "test": "vitest --watch"},
        "devDependencies": {"eslint": "9", "vitest": "3", "typescript": "5"},
    }
    files = {
        "packages/web/package.json": json.dumps(package),
        "packages/web/tsconfig.json": "{}",
        "packages/web/src/a.ts": "",
        "packages/web/node_modules/y/package.json": json.dumps(package),
        "tests/fixtures/z/package.json": json.dumps(package),
    }
    assert commands(files) == {
        "packages/web: eslint": "npx --no-install eslint --format json --output-file {report} "
        "src --max-warnings 0",
        "packages/web: tsc": "npx --no-install tsc --noEmit --pretty false",
        "packages/web: vitest": TOOLS["vitest"].command,
    }


def test_settings_of_a_compiler_that_no_package_brings_are_for_editors() -> None:
    files = {"package.json": '{"devDependencies": {"tape": "5"}}', "tsconfig.json": "{}"}
    assert "tsc" not in commands(files)
    assert "tsc" in commands({**files, "package.json": '{"peerDependencies": {"typescript": "5"}}'})
    assert "tsc" in commands({**files, "package.json": '{"scripts": {"types": "tsc --noEmit"}}'})
    root = '{"devDependencies": {"typescript": "5"}}'
    below = {"package.json": root, "web/package.json": "{}", "web/tsconfig.json": "{}"}
    assert "web: tsc" in commands(below)


def test_benchmarks_that_only_a_nightly_compiler_builds_break_no_build() -> None:
    files = {"Cargo.toml": "", "src/lib.rs": "", "benches/a.rs": "//! B\n#![feature(test)]\n"}
    assert " --lib --bins --tests --examples " in commands(files)["cargo"]
    del files["src/lib.rs"]
    assert " --workspace --bins --tests --examples " in commands(files)["cargo"]
    files["benches/a.rs"] = "use criterion::Criterion;\n"
    assert commands(files)["cargo"] == TOOLS["cargo"].command


def test_compiled_languages_are_found_by_the_file_at_the_top() -> None:
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["a"]\n',
        "a/Cargo.toml": "",
        "a/src/lib.rs": "#[tokio::test]\nfn a() {}\n",
        "svc/go.mod": "",
        "svc/x/x_test.go": "",
        "java/pom.xml": "",
        "java/core/pom.xml": "",
        "app/build.gradle.kts": "",
        "app/gradlew": "",
        "c/Makefile": "all: a.o\n\t$(CC) -c a.c\n",
        "c/a.c": "",
        "d/CMakeLists.txt": "enable_testing()\n",
    }
    assert set(commands(files)) == {
        *("cargo", "cargo test", "svc: go build", "svc: go vet", "svc: go test"),
        *("java: maven", "app: gradle", "c: gcc", "d: gcc", "d: junit"),
    }
    assert commands(files)["app: gradle"].startswith("./gradlew")
    del files["app/gradlew"]
    assert commands(files)["app: gradle"].startswith("gradle ")


def test_a_target_without_tests_would_never_be_complete() -> None:
    files = {"Cargo.toml": "", "src/lib.rs": "fn a() {}\n", "go.mod": "", "a.go": ""}
    assert set(commands(files)) == {"cargo", "go build", "go vet"}


WORKFLOW = """
on: push
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - run: pip install pytest mypy
      - run: |
          uv run mypy --strict src
          uv run pytest -x -n auto tests/unit
      - run: go test -race ./...
        working-directory: svc
      - run: shellcheck scripts/*.sh && actionlint
"""


def test_steps_of_workflows_say_how_their_tools_are_asked() -> None:
    files = {".github/workflows/ci.yml": WORKFLOW, "src/a.py": "", "svc/go.mod": ""}
    asked = commands(files)
    assert asked["mypy"].startswith("mypy --no-pretty")  # in the environment that is there
    assert asked["mypy"].endswith("--strict src")
    assert asked["pytest"] == TOOLS["pytest"].command  # all tests, to their end
    full = "$(go help testflag | grep -om1 -e -fullpath)"
    assert asked["svc: go test"] == f"go test -json {full} -race ./..."
    assert asked["shellcheck"] == TOOLS["shellcheck"].command
    assert asked["actionlint"] == TOOLS["actionlint"].command + ""
    assert ".github/workflows/ci.yml" in reasons(files, "mypy")[0]


@pytest.mark.parametrize(
    ("around", "flags"),
    [
        ("env: {RUSTFLAGS: -D warnings}\njobs: {t: {steps: [{run: cargo clippy}]}}", "-D warnings"),
        ("jobs: {t: {env: {RUSTFLAGS: -Dwarnings}, steps: [{run: cargo clippy}]}}", "-Dwarnings"),
        (
            "jobs: {t: {steps: [{run: cargo clippy, env: {RUSTFLAGS: --deny warnings}}]}}",
            "--deny w",
        ),
        (
            "env: {RUSTFLAGS: -Dwarnings}\n"
            "jobs: {t: {env: {RUSTFLAGS: ''}, steps: [{run: cargo clippy}]}}",
            "",
        ),
        ("jobs: {t: {steps: [{run: cargo clippy, env: {RUSTFLAGS: -C target-cpu=native}}]}}", ""),
    ],
)
def test_a_warning_fails_where_the_workflow_says_so_to_rustc(around: str, flags: str) -> None:
    files = {".github/workflows/ci.yml": around, "Cargo.toml": "", "src/lib.rs": ""}
    asked = commands(files)["cargo"]
    assert asked.startswith(f"RUSTFLAGS='{flags}") if flags else asked.startswith("cargo clippy")


@pytest.mark.parametrize("first", ["test: a", "all: lib test", ".PHONY: all\nall: check"])
def test_a_build_that_runs_the_tests_may_fail_where_make_tells_of_them(first: str) -> None:
    rules = f"{first}\nlib: a.o\n\t$(CC) a.c\ncheck: lib\n\t./run\n"
    files = {"Makefile": rules, "a.c": ""}
    assert commands(files)["gcc"] == "make -k -B || :"
    plain = {"Makefile": "all: lib\nlib: a.o\n\t$(CC) a.c\ncheck: lib\n\t./run\n", "a.c": ""}
    assert commands(plain)["gcc"] == "make -k -B"
    alone = {"Makefile": "all: lib test-data\nlib: a.o\n\t$(CC) a.c\n", "a.c": ""}
    assert commands(alone)["gcc"] == "make -k -B"


def test_java_that_make_compiles_is_built_by_it_where_nothing_else_builds() -> None:
    files = {"Makefile": "all: test\nlib:\n\tjavac A.java\ntest: lib\n\tjava A\n", "A.java": ""}
    assert commands(files)["javac"] == "make -k -B || :"
    assert "javac" not in commands({**files, "pom.xml": ""})


def test_a_formatter_is_a_check_only_where_it_only_looks() -> None:
    rules = "check:\n\truff format --check .\n\tblack -q --diff src\nformat:\n\truff format .\n"
    asked = commands({"Makefile": rules, "src/a.py": ""})
    assert asked["ruff format"] == "ruff format --check --no-cache ."
    assert asked["black"] == "black --check src"
    rules = "format:\n\truff format .\n\tblack .\n\tpip install black && ruff check --diff .\n"
    assert not {"ruff format", "black"} & {*commands({"Makefile": rules, "src/a.py": ""})}
    hooks = "repos: [{repo: r, hooks: [{id: ruff-format}]}]\n"
    assert "ruff format" in commands({".pre-commit-config.yaml": hooks, "src/a.py": ""})


@pytest.mark.parametrize(
    ("line", "tool", "asked"),
    [
        ('test -z "$(gofmt -l .)"', "gofmt", "gofmt -l ."),
        ("gofmt -s -d cmd pkg | tee /tmp/x", "gofmt", "gofmt -s -l cmd pkg"),
        ("test -z $(gofmt -sl $(git ls-files '*.go'))", "gofmt", "gofmt -l ."),
        ("gofmt -l -w .", "gofmt", None),
        ("gofmt -w .", "gofmt", None),
        ("cargo fmt --check", "cargo fmt", "cargo fmt -- --check -l"),
        ("cargo fmt --all -- --check", "cargo fmt", "cargo fmt --all -- --check -l"),
        ("cargo fmt --all", "cargo fmt", None),
        ("npx prettier . --check", "prettier", "npx prettier --check ."),
        (
            "prettier -c 'src/**/*.{js,ts}' --ignore-path .p",
            "prettier",
            "npx --no-install prettier --check 'src/**/*.{js,ts}' --ignore-path .p",
        ),
        ("yarn prettier -l $FILES", "prettier", "yarn prettier --check ."),
        ("prettier --check --write .", "prettier", None),
        ("prettier --write --list-different .", "prettier", None),
        ("npm install prettier --check-files", "prettier", None),
    ],
)
def test_a_formatter_of_any_language_is_asked_as_it_only_looks(
    line: str, tool: str, asked: str | None
) -> None:
    files = {"Makefile": f"check:\n\t{line}\n", "Cargo.toml": "", "a.go": "", "a.js": ""}
    assert commands(files).get(tool) == asked


def test_a_step_that_goes_elsewhere_is_followed() -> None:
    step = (
        "jobs:\n  t:\n    steps:\n    - run: |\n        cd web && npx eslint src\n        cd ..\n"
    )
    step += "        (cd svc; go test -race ./...)\n        mypy lib\n    - run: go vet ./...\n"
    files = {".github/workflows/a.yml": step, "web/src/a.js": "", "svc/go.mod": "", "lib/a.py": ""}
    asked = commands(files)
    assert asked["web: eslint"].endswith(" src")
    assert asked["svc: go test"].endswith("-race ./...")
    assert "go vet" not in asked  # there is no module at the root
    assert asked["mypy"].endswith(" lib")


def test_a_workflow_that_cannot_be_read_is_told() -> None:
    discovery = found({".github/workflows/ci.yml": "jobs: &a\n  x: *a\n", "a.py": ""})
    assert "ci.yml" in discovery.unread[0]
    assert "anchors" in discovery.unread[0]
    assert "not TOML" in found({"pyproject.toml": "[", "a.py": ""}).unread[0]
    assert "package.json" in found({"package.json": "{"}).unread[0]


def test_hooks_task_runners_and_other_settings_are_heard() -> None:
    files = {
        "a.py": "",
        ".pre-commit-config.yaml": "repos:\n- hooks:\n  - id: ruff-check\n  - id: mypy\n",
        "tox.ini": "[testenv]\ncommands =\n    pyright src\n[pytest]\naddopts = -q\n",
        "noxfile.py": 'session.run("ruff", "check", "src")\n',
        ".shellcheckrc": "",
    }
    assert set(commands(files)) == {"python", "ruff", "mypy", "pyright", "pytest", "shellcheck"}
    assert commands(files)["ruff"].endswith(" src")


def test_what_would_change_files_or_hide_failures_is_never_taken_over() -> None:
    for line in (
        "ruff check --fix --unsafe-fixes --exit-zero .",
        "eslint --fix -o out.txt -f stylish src",
        "pytest --update-golden tests/contract",
        "jest -u --coverage",
        "mypy --junit-xml out.xml --install-types --non-interactive src",
        "ruff check --add-noqa .",
        "eslint --init",
        "go test -update ./...",
        "cargo clippy --fix --allow-dirty",
    ):
        ((_, command),) = commands_in(line)
        told = command.replace("--no-fix", "").split()
        for word in ("--fix", "unsafe", "zero", "update", "noqa", "init", "dirty", "stylish"):
            assert word not in " ".join(told), command
        assert not {"-u", "--install-types", "--coverage", "out.txt", "out.xml"} & set(told)


def test_names_that_are_not_started_are_no_reason() -> None:
    for line in (
        "pip install mypy ruff",
        "echo pytest",
        "# eslint .",
        "uv add --dev mypy",
        "mypyc x",
    ):
        assert not list(commands_in(line)), line
    assert [tool for tool, _ in commands_in("make && (mypy src; ruff check)")] == ["mypy", "ruff"]


def test_what_depends_on_a_variable_is_asked_as_usual() -> None:
    ((_, command),) = commands_in("ruff check ${{ matrix.folder }}")
    assert command == TOOLS["ruff"].command


def test_bounds_are_told() -> None:
    many = {f"p{n:03}/package.json": '{"devDependencies": {"eslint": "9"}}' for n in range(500)}
    discovery = found(many)
    assert len(discovery.targets) == TARGETS_LIMIT
    assert any(str(FILES_LIMIT) in why for why in discovery.unread)
    assert any("targets" in why for why in discovery.unread)
    assert "larger" in found({"package.json": " " * 300_000}).unread[0]


@settings(max_examples=30)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                *("pyproject.toml", "package.json", "tox.ini", "Makefile", "a.py", "noxfile.py"),
                *(".github/workflows/a.yml", ".pre-commit-config.yaml", "setup.cfg", "x/go.mod"),
            ]
        ),
        st.one_of(
            st.text(max_size=80),
            st.sampled_from(["[" * 500, "a = " + "[" * 5000, "{" * 500, "jobs: 3", "repos: [1]"]),
        ),
    )
)
def test_no_file_is_an_accident(files: dict[str, str]) -> None:
    for target in found(files).targets:
        assert target.tool in TOOLS
        assert target.reasons
        assert target.command


def test_tests_that_only_their_own_command_runs_are_asked_for_as_a_whole() -> None:
    files = {
        "c/Makefile": "all: a.o\n\t$(CC) -c a.c\ncheck: all\n\t./run\n",
        "c/a.c": "",
        "js/package.json": '{"scripts": {"test": "tape test/*.js"}}',
        "post/package.json": (
            '{"scripts": {"pretest": "make x", "test": "tape a.js", "posttest": "npm audit"}}'
        ),
        "lint/package.json": (
            '{"scripts": {"pretest": "npm run lint", "lint": "eslint .", "test": "tape a.js"}}'
        ),
        "empty/package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\""}}',
        "new/package.json": '{"scripts": {"test": "node --test test/"}}',
        "web/package.json": '{"scripts": {"test": "vitest run"}}',
    }
    asked = {
        target.name: target.command
        for target in discover(files, lambda path: files[path].encode()).targets
    }
    assert asked["c: make check"] == "make check"
    assert asked["js: npm test"] == TOOLS["npm test"].command
    own = "npm test --silent --ignore-scripts"
    assert asked["post: npm test"] == f"npm run --silent pretest && {own}"
    assert asked["lint: npm test"] == own
    assert asked["new: node --test"].startswith("node --test --test-reporter=junit")
    assert "web: vitest" in asked
    assert not {"empty: npm test", "new: npm test", "web: npm test"} & set(asked)


@pytest.mark.parametrize(
    ("scripts", "tool", "asked"),
    [
        ({"test": "node --test --watch a.js"}, "node --test", "node --test {w} a.js"),
        (
            {"pretest": "npm run build", "test": "node --import tsx --test t/*.ts"},
            "node --test",
            "npm run --silent pretest && node --test {w} --import tsx t/*.ts",
        ),
        (
            {
                "test": "npm run lint && npm run build && npm run all",
                "lint": "eslint . && prettier -c .",
                "build": "tsc -p .",
                "all": "c8 node --test --test-reporter=spec a.js && tsd && node --test b.js",
            },
            "node --test",
            "npm run --silent build && node --test {w} a.js b.js",
        ),
        (
            {"test": "rimraf out && cross-env A=1 NODE_OPTIONS='-r x' jest -c j.js -t x"},
            "jest",
            "npx --no-install -c 'rimraf out' && A=1 NODE_OPTIONS='-r x' npx --no-install jest {w} "
            "-c j.js",
        ),
        (
            {"test": "tsc --noEmit && vitest run && npm run b", "b": "vitest run --config b.js"},
            "vitest",
            "npx --no-install vitest run --reporter=json --outputFile={report}",
        ),
        (
            {"test": "TZ=UTC npm run tz && jest --coverage", "tz": "date && jest tz.js"},
            "jest",
            "npx --no-install jest {w}",
        ),
        (
            {"test": "NODE_OPTIONS='-r x' B=1 npm run unit", "unit": "node --test a.js"},
            "node --test",
            "NODE_OPTIONS='-r x' B=1 node --test {w} a.js",
        ),
        (
            {"test": "npm run b && npm run unit -- -c j.js -t x", "b": "tsc", "unit": "jest"},
            "jest",
            "npm run --silent b && npx --no-install jest {w} -c j.js",
        ),
        ({"test": "npm run test", "watch": "jest --watch"}, "jest", "npx --no-install jest {w}"),
        (
            {"test": "node --import a --import ./b --test --test-reporter spec 't t/*' 2>&1 | x"},
            "node --test",
            "node --test {w} --import a --import ./b 't t/*'",
        ),
        ({"test": "tap|node --test"}, "node --test", "node --test {w}"),
        (
            {"test": "npm run make && node --test", "make": "node make.js"},
            "node --test",
            "npm run --silent make && node --test {w}",
        ),
        (
            {"test": "node -e 'a && b; c' && B=2 npm run all", "all": "jest --config='a b' C=3"},
            "jest",
            "node -e 'a && b; c' && B=2 npx --no-install jest {w} --config='a b'",
        ),
    ],
)
def test_a_runner_is_asked_as_the_script_test_asks_it_after_what_that_builds(
    scripts: dict[str, str], tool: str, asked: str
) -> None:
    package = {"scripts": scripts, "devDependencies": {"vitest": "1"} if tool == "vitest" else {}}
    told = commands({"package.json": json.dumps(package), "a.js": ""})
    assert told[tool] == asked.replace("{w}", TOOLS[tool].writes)
    assert not {"jest", "vitest", "node --test"} - {tool} & set(told)
    assert ("npm test" in told) == ("tsd" in str(scripts)), "but for what else tests"


@pytest.mark.parametrize(
    "line",
    [
        "A=1 node --test a.js && A=2 node --test b.js",
        "node --test a.js && cross-env A=2 node --test b.js",
        "TZ=UTC jest && TZ=Asia/Tokyo jest",
        "A=1 jest && A=2 jest && npm test --workspaces",
    ],
)
def test_runs_with_variables_of_their_own_are_those_of_the_script(line: str) -> None:
    package = {"scripts": {"test": line}, "devDependencies": {"jest": "1"}}
    files = {"jest.config.js": "", "b/package.json": "{}"} if "jest" in line else {}
    asked = commands({"package.json": json.dumps(package), "a.js": "", **files})
    assert asked["npm test"] == "npm test --silent"
    assert not {"jest", "node --test"} & set(asked)


@pytest.mark.parametrize(
    "line",
    [
        *("jest && tape b.js", "tape b.js && jest", "npx ava && jest"),
        *("node test/run.js && jest", "node ./test && jest", "npm run unit -- --grep x && jest"),
    ],
)
def test_a_runner_beside_one_that_we_know_is_asked_by_the_script(line: str) -> None:
    package = {"scripts": {"test": line, "unit": "mocha"}}
    assert "npm test" in commands({"package.json": json.dumps(package), "a.js": ""})


def test_tests_of_another_folder_leave_their_report_there() -> None:
    files = {"package.json": '{"scripts": {"test": "cd web && vitest run"}}', "web/a.js": ""}
    files["web/package.json"] = '{"scripts": {"test": "vitest run"}}'
    found = discover(files, lambda path: files[path].encode()).targets
    assert [(each.tool, each.folder) for each in found] == [("vitest", "web")]


def test_a_runner_that_is_only_installed_is_none_where_the_script_test_starts_another() -> None:
    package = {"scripts": {"test": "node --test"}, "devDependencies": {"jest": "1"}}
    assert "jest" not in commands({"package.json": json.dumps(package), "a.js": ""})


def test_a_compiler_that_writes_what_is_tested_is_no_check() -> None:
    for compiler, flag in (("tsc -p x.json", ""), ("tsc --noEmit", " --ignore-scripts")):
        package = {"scripts": {"pretest": compiler, "test": "tape out/*.js"}}
        asked = commands({"package.json": json.dumps(package), "a.ts": ""})
        assert asked["npm test"] == f"npm test --silent{flag}"


def test_a_suite_as_a_whole_is_not_asked_where_tests_are_listed() -> None:
    files = {"Makefile": "test:\n\tpytest\n", "test_a.py": ""}
    assert "make test" not in {
        target.name for target in discover(files, lambda path: files[path].encode()).targets
    }


def test_what_a_build_brings_along_is_a_part_of_it() -> None:
    made = "all: a.o\n\t$(CC) -c a.c\ntest: all\n\t./a\n"
    files = {
        "CMakeLists.txt": "enable_testing()\n",
        "a.c": "",
        "tests/unity/Makefile": made,
        "tests/unity/example/makefile": made,
    }
    found = discover(files, lambda path: files[path].encode())
    assert [target.name for target in found.targets] == ["gcc", "junit"]
    del files["CMakeLists.txt"]
    found = discover(files, lambda path: files[path].encode())
    assert [target.folder for target in found.targets] == ["tests/unity", "tests/unity"]


def test_scripts_of_environment_managers_and_justfiles_are_heard() -> None:
    hatch = '[tool.hatch.envs.test.scripts]\nunit = ["python -m unittest discover -s a -p t*.py"]\n'
    poe = '[tool.poe.tasks]\nlint = "ruff check a"\ntypes = {cmd = "mypy a"}\n'
    pdm = '[tool.pdm.scripts]\nall = {composite = ["pyright a"]}\n'
    files = {"pyproject.toml": hatch + poe + pdm, "a/b.py": "", "justfile": "t:\n    pytest -q\n"}
    assert set(commands(files)) == {"python", "unittest", "ruff", "mypy", "pyright", "pytest"}
    assert commands(files)["ruff"].endswith(" a")
    grouped = '[tool.poetry.group.dev.dependencies]\npytest = "*"\n'
    assert "pytest" in commands({"pyproject.toml": grouped, "a.py": ""})


def test_tests_that_need_nothing_else_are_run_by_unittest() -> None:
    test = "import unittest\n\n\nclass A(unittest.TestCase):\n    def test_a(self): ...\n"
    files = {"tests/test_a.py": test, "a.py": ""}
    assert commands(files)["unittest"] == "python -m unittest discover -s tests -v"
    assert commands({**files, "tests/__init__.py": ""})["unittest"] == "python -m unittest -v"
    assert "pytest" not in commands(files)
    for other in ({"requirements.txt": "pytest\n"}, {"tests/test_b.py": "def test_b(): ...\n"}):
        assert "pytest" in commands({**files, **other})
    # Not all would be found from one folder.
    assert "pytest" in commands({**files, "more/test_b.py": test})


def test_django_finds_its_own_tests() -> None:
    files = {"web/manage.py": "import django\n", "web/shop/tests.py": "", "web/shop/test_a.py": ""}
    assert commands(files)["web: unittest"] == "python manage.py test -v 2"
    assert "pytest" in commands({**files, "setup.cfg": "[tool:pytest]\n"})
    # An example beside the tests of a library is not what it is tested with.
    assert "pytest" in commands({**files, "tests/test_b.py": "def test_b(): ...\n"})


def test_who_names_packages_names_a_part_of_the_tests() -> None:
    rule = "test:\n\tgo test -race -v .\n\tgo test -race ./sub\n"
    files = {"go.mod": "", "a_test.go": "", "_examples/x/go.mod": "", "Makefile": rule}
    assert commands(files)["go test"].endswith(" -race ./...")
    assert not any("_examples" in name for name in commands(files))
    ci = "jobs: {a: {steps: [{run: cargo test -p one}, {run: cargo test one_test}]}}\n"
    rust = {"Cargo.toml": "", "src/lib.rs": "#[test]\nfn a() {}", ".github/workflows/a.yml": ci}
    assert commands(rust)["cargo test"] == TOOLS["cargo test"].command
    rust[".github/workflows/a.yml"] = ci.replace("-p one}", "--tests --benches}")
    assert commands(rust)["cargo test"].endswith(" --tests --benches"), "examples are no tests"


def test_the_tests_of_a_package_are_run_although_others_lie_below() -> None:
    files = {"package.json": '{"scripts": {"test": "uvu -r esm test"}}', "bench/package.json": "{}"}
    assert "npm test" in commands(files)
    for hands_on in ("pnpm -r test", "npm test --workspaces", "lerna run test", "yarn workspaces"):
        files["package.json"] = json.dumps({"scripts": {"test": hands_on}})
        assert "npm test" not in commands(files), hands_on


def test_what_only_looks_or_builds_is_no_suite() -> None:
    for line in ("prettier -c . && vitest run", "tsup && vitest run", "npx biome check && jest"):
        assert "npm test" not in commands({"package.json": json.dumps({"scripts": {"test": line}})})
    assert "npm test" in commands({"package.json": '{"scripts": {"test": "xo && ava && tsd"}}'})


def test_a_project_of_maven_and_gradle_is_asked_once() -> None:
    files = {"pom.xml": "", "build.gradle": "", "gradlew": "", "mvnw": ""}
    assert commands(files) == {"maven": "./mvnw -B -fae test"}
    files[".github/workflows/a.yml"] = "jobs: {a: {steps: [{run: ./gradlew build}]}}\n"
    assert set(commands(files)) == {"gradle"}


def test_a_rule_that_runs_all_programs_comes_before_one_of_them() -> None:
    made = "a_test: a.c\n\t$(CC) -o a_test a.c\nrun_tests: a_test b_test\n\t./all.sh\n"
    assert commands({"Makefile": made, "a.c": ""})["make test"] == "make run_tests"


def test_a_program_that_make_links_for_tests_is_run() -> None:
    made = "all: a-test\n\na-test: a.c\n\t$(CC) -o a-test a.c -DTEST\n"
    assert commands({"Makefile": made, "a.c": ""})["make test"] == "make a-test && ./a-test"
    assert "make test" not in commands({"Makefile": made.replace("-test", ""), "a.c": ""})


def test_automake_brings_a_rule_for_tests() -> None:
    files = {"configure.ac": "", "Makefile.am": "", "src/a.c": ""}
    assert commands(files)["make check"] == "autoreconf -fi && ./configure && make check"
    del files["Makefile.am"]
    assert "make check" not in commands(files)


REPORT = "--continue-on-collection-errors -o junit_family=xunit1 --junitxml={report}"


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("pytest -q tests/a.py", ("pytest", f"pytest {REPORT} -q tests/a.py", "")),
        ("cd pkg && A=b python -m pytest", ("pytest", f"A=b python -m pytest {REPORT}", "pkg")),
        ("uv run pytest -k 'a or b'", ("pytest", f"uv run pytest {REPORT} -k 'a or b'", "")),
        ("pytest --junitxml=own.xml -q", ("pytest", f"pytest {REPORT} -q", "")),
        (
            "npx vitest run --reporter dot src",
            ("vitest", f"npx vitest run {TOOLS['vitest'].writes} src", ""),
        ),
        ("ruff check --fix src", ("ruff", f"ruff check {TOOLS['ruff'].writes} src", "")),
        ("npx tsc --noEmit -p .", ("tsc", "npx tsc --pretty false --noEmit -p .", "")),
        (
            "node --test test/",
            ("node --test", f"node --test {TOOLS['node --test'].writes} test/", ""),
        ),
        ("python -m unittest discover", ("unittest", "python -m unittest discover -v", "")),
        ("go vet ./a", ("go vet", "go vet -json ./a", "")),
        ("black --check src", ("black", "black --check src", "")),
        *(
            (line, None)
            for line in (
                "pytest | tee out",
                "pytest && ruff check .",
                "pytest; true",
                "pytest $ARGS",
                "pytest > out",
                "pytest `cat args`",
                "pytest # all",
                "pytest\ntrue",
                "cd ../other && pytest",
                "tox -e pytest",
                "pytest-watch",
                "make check",
                "cargo test -- --nocapture",
                "sh pytest",
            )
        ),
    ],
)
def test_a_line_that_starts_a_tool_and_does_nothing_else_is_that_tool(
    line: str, read: tuple[str, str, str] | None
) -> None:
    assert as_tool(line) == read
