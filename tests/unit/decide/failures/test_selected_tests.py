"""Of the repository's own command only the tests may be chosen."""

from __future__ import annotations

import shlex

import pytest

from autoresearch_ci.decide.failures.selected_tests import suite_command
from autoresearch_ci.decide.failures.test_runners import RUNNERS, Chosen, NotAllowed, Runner

FILES = (
    *("cart/cart_test.go", "t/cart.test.js", "tests/it.rs", "src/lib.rs", "CMakeLists.txt"),
    *("app/src/test/java/com/shop/CartTest.java", "tests/test_cart.py", "test/x.js"),
    "tests/a.py",
    "tests/b c.py",
    "src/x.py",
    "-rf",
    "@args",
)


def selected(command: str, *tests: str) -> str:
    return suite_command(command, FILES).selecting(tests, FILES)


def test_the_options_stay_and_the_tests_change() -> None:
    line = selected("uv run pytest -x -k 'sum or mean' tests/a.py", "tests/a.py::test_one[a-1]")
    assert shlex.split(line) == [
        *("uv", "run", "pytest", "-x", "-k", "sum or mean", "tests/a.py::test_one[a-1]")
    ]
    assert selected("pytest -c src/x.py tests", "tests/a.py") == "pytest -c src/x.py tests/a.py"


def test_without_tests_it_runs_as_it_was_given() -> None:
    assert selected("make test | tee log") == "make test | tee log"


@pytest.mark.parametrize("command", ["make test", "pytest tests; rm -rf x", "pytest $(x)", "a 'b"])
def test_a_command_that_is_more_than_pytest_takes_no_tests(command: str) -> None:
    with pytest.raises(NotAllowed, match="cannot be told"):
        selected(command, "tests/a.py")


@pytest.mark.parametrize(
    "test",
    [
        *("../a.py", "/etc/passwd", "tests/none.py", "-rf", "@args", "--pdb", "tests/./a.py"),
        *("tests/a.py\n", "tests/a.py::x\0", "", "tests/a.py::" + "x" * 600),
    ],
)
def test_a_test_is_a_file_of_the_commit(test: str) -> None:
    with pytest.raises(NotAllowed):
        selected("pytest", test)


def test_a_name_is_never_read_by_the_shell() -> None:
    line = selected("pytest", "tests/a.py::x; touch /tmp/y", "tests/b c.py::$(id)")
    assert shlex.split(line) == ["pytest", "tests/a.py::x; touch /tmp/y", "tests/b c.py::$(id)"]


@pytest.mark.parametrize(
    ("command", "tests", "line"),
    [
        (
            "python3 -m unittest -v tests.test_other",
            ["tests/test_cart.py::CartTest::test_total", "tests/test_cart.py"],
            "python3 -m unittest -v tests.test_cart.CartTest.test_total tests.test_cart",
        ),
        (
            "python -m unittest discover -s tests -p 'x*.py' -v",
            ["tests/test_cart.py::CartTest.test_total"],
            "python -m unittest discover -s tests -v -p test_cart.py -k CartTest.test_total",
        ),
        (
            "CI=1 npx jest --ci -t old t/cart.test.js",
            ["t/cart.test.js::adds (two)", "t/cart.test.js::a|b"],
            r"CI=1 npx jest --ci -t 'adds \(two\)|a\|b' t/cart.test.js",
        ),
        (
            "npx vitest run --config test/x.js 't/**/*.test.js'",
            ["t/cart.test.js"],
            "npx vitest run --config test/x.js t/cart.test.js",
        ),
        (
            "node_modules/.bin/mocha --require test/x.js --grep=old test",
            ["t/cart.test.js::adds"],
            "node_modules/.bin/mocha --require test/x.js --grep adds t/cart.test.js",
        ),
        (
            "node --import tsx --test --test-name-pattern old",
            ["t/cart.test.js::adds $1"],
            r"node --import tsx --test '--test-name-pattern=adds \$1' t/cart.test.js",
        ),
        (
            "go test -race -run TestOld ./...",
            ["cart/cart_test.go::TestTotal", "cart/cart_test.go::TestTax"],
            "go test -race -count=1 -run '^(TestTotal|TestTax)$' ./cart",
        ),
        (
            "go test ./...",
            ["cart/cart_test.go::TestTotal/one item"],
            "go test -count=1 -run '^TestTotal$/^one item$' ./cart",
        ),
        ("go test ./...", ["cart/cart_test.go"], "go test -count=1 ./cart"),
        (
            "cargo test --release -p shop old -- --nocapture older",
            ["tests/it.rs::adds", "tests/it.rs::taxes"],
            "cargo test --release -p shop --test it -- adds taxes --nocapture",
        ),
        (
            "cargo +stable test",
            ["src/lib.rs::cart::tests::adds"],
            "cargo +stable test -- cart::tests::adds",
        ),
        (
            "./gradlew --no-daemon :app:test --tests Old",
            ["app/src/test/java/com/shop/CartTest.java::adds"],
            "./gradlew --no-daemon :app:test --tests com.shop.CartTest.adds",
        ),
        (
            "mvn -q -pl app -Dtest=Old test",
            ["app/src/test/java/com/shop/CartTest.java::adds"],
            "mvn -q -pl app test '-Dtest=com.shop.CartTest#adds'",
        ),
        (
            "ctest --test-dir build -R old --output-on-failure",
            ["CMakeLists.txt::cart.adds"],
            r"ctest --test-dir build --output-on-failure -R '^(cart\.adds)$'",
        ),
    ],
)
def test_each_runner_is_told_in_its_own_way(command: str, tests: list[str], line: str) -> None:
    assert selected(command, *tests) == line


@pytest.mark.parametrize(
    ("command", "test"),
    [
        ("python -m unittest", "tests/test_cart.py::x; id"),
        ("python -m unittest", "tests/b c.py"),
        ("mvn test", "app/src/test/java/com/shop/CartTest.java::a+b"),
        ("gradle test", "app/src/test/java/com/shop/CartTest.java::--init-script=x"),
        ("ctest", "CMakeLists.txt"),
        ("npx jest", "t/cart.test.js::--config=x"),
        ("go test -args -x", "cart/cart_test.go"),
        ("npm test", "t/cart.test.js"),
        ("node test/x.js --test", "t/cart.test.js"),
        ("gradle build", "app/src/test/java/com/shop/CartTest.java"),
    ],
)
def test_what_the_runner_would_read_as_something_else_is_refused(command: str, test: str) -> None:
    with pytest.raises(NotAllowed):
        selected(command, test)


@pytest.mark.parametrize("runner", RUNNERS, ids=lambda runner: runner.name)
def test_no_runner_gets_an_option_out_of_a_name(runner: Runner) -> None:
    """Whatever it is told stands behind an option of ours, or begins with a file's name."""
    for name in ("=x", "$(id)", "`id`", "a b", "..", "\\", "'", '"'):
        chosen = [Chosen(path="t/cart.test.js", name=name)]
        try:
            told = runner.told(chosen)
        except NotAllowed:
            continue
        options = [word for word in told if word.startswith("-")]
        assert all(word.split("=")[0] in KNOWN for word in options), told


KNOWN = ("-t", "-k", "-p", "--grep", "--test-name-pattern", "-count", "-run", "--", "-R")


@pytest.mark.parametrize(
    ("command", "has_run", "output"),
    [
        ("go test ./...", True, "ok  \tshop/cart\t0.002s\n"),
        ("go test ./...", True, "--- FAIL: TestX (0.00s)\nFAIL\nFAIL\tshop/cart\t0.002s\nFAIL\n"),
        ("go test ./...", False, "ok  \tshop/cart\t0.002s [no tests to run]\n"),
        ("go test ./...", False, "FAIL\tshop/cart [build failed]\nFAIL\n"),
        ("python -m unittest", False, "Ran 0 tests in 0.000s\n\nOK\n"),
        (
            *("python -m unittest", False),
            "ERROR: test_x (unittest.loader._FailedTest.test_x)\nRan 1 test in 0.010s\n",
        ),
        ("npx vitest run", True, "\x1b[2m      Tests \x1b[22m \x1b[1m1 failed\x1b[22m (1)\n"),
        ("cargo test", False, "test result: ok. 0 passed; 0 failed; 0 ignored; 3 filtered out\n"),
        ("cargo test", True, "test result: FAILED. 0 passed; 1 failed; 0 ignored\n"),
        ("npx mocha", False, "\n  0 passing (1ms)\n"),
        ("npx jest", False, "Tests:       2 skipped, 2 total\n"),
        ("npx jest", True, "Tests:       1 failed, 2 skipped, 3 total\n"),
        ("npx vitest run", False, "      Tests  2 skipped (2)\n"),
        ("npx vitest run", True, "      Tests  1 passed | 1 skipped (2)\n"),
        ("node --test", False, "# tests 1\n# pass 0\n# fail 0\n# skipped 1\n"),
        ("ctest", False, "No tests were found!!!\n"),
        ("ctest", True, "0% tests passed, 1 tests failed out of 1\n"),
        ("mvn test", False, "[ERROR] No tests matching pattern\n"),
        ("make test", True, ""),
    ],
)
def test_what_selects_nothing_shows_nothing(command: str, has_run: bool, output: str) -> None:
    assert suite_command(command, FILES).has_run(output) is has_run
