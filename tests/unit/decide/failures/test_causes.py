"""Whose fault a failure is: told by what real tools print, and not by words alone.

`data/causes/` holds what they printed of repositories that were made for it; `expected` is the
cause of each failure. Its traps: words that are compared, errors raised on purpose, mocks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch_ci.decide.failures.causes.ground import Cause, Ground, is_test_file
from autoresearch_ci.decide.failures.causes.verdicts import (
    Verdict,
    causes,
    detected_with,
    detection,
    is_editable,
    verdict,
)
from autoresearch_ci.decide.failures.failure import Category, Diagnosis, Failure
from autoresearch_ci.execution.command import CommandResult, Printed
from autoresearch_ci.measure.diagnostics.adapter import ToolOutput
from autoresearch_ci.measure.diagnostics.registry import TOOLS

HERE = Path(__file__).parent
RECORDINGS = {
    path.stem: json.loads(path.read_bytes())
    for path in sorted((HERE / "data/causes").glob("*.json"))
}
OLDER = {
    path.stem: json.loads(path.read_bytes())
    for path in sorted((HERE.parents[1] / "measure/diagnostics/data").glob("*.json"))
}


def diagnosed(recording: Mapping[str, Any], tool: str) -> Diagnosis:
    out, err = recording["stdout"], recording["stderr"]
    result = CommandResult(
        command=recording["command"],
        exit_code=recording["exit_code"],
        output=out + err,
        tail=out + err,
        stdout=Printed(text=out, in_time=out),
        stderr=Printed(text=err, in_time=err),
    )
    report = recording.get("report")
    said = ToolOutput(result=result, report=report.encode() if report else None, root="/tree")
    return TOOLS[tool].parse(said)


def printed(recording: Mapping[str, Any]) -> str:
    return str(recording["stdout"] + recording["stderr"])


def ground(recording: Mapping[str, Any]) -> Ground:
    return Ground(paths=recording["paths"], tests=recording.get("tests", {}))


def failing(message: str, **changes: Any) -> Failure:
    first = Failure(
        category=Category.TEST,
        tool="pytest",
        id="pytest:tests.test_a::test_a",
        path="tests/test_a.py",
        line=3,
        code="",
        message=message,
    )
    return replace(first, **changes)


def cause(message: str, *, output: str = "", on: Ground | None = None, **changes: Any) -> Cause:
    return verdict(failing(message, **changes), output=output, ground=on).cause


@pytest.mark.parametrize("name", RECORDINGS)
def test_what_real_tools_print_is_laid_at_the_right_door(name: str) -> None:
    recording = RECORDINGS[name]
    seen = diagnosed(recording, recording["tool"])
    told = causes({"t": seen}, {"t": printed(recording)}, ground(recording))
    found = {key: str(value.cause) for key, value in told.items()}
    assert found == {key: cause for key, cause in recording["expected"].items() if key}


def test_what_popular_libraries_raise_is_laid_at_the_right_door() -> None:
    recording = RECORDINGS["pytest-9-libraries"]
    told = causes(
        {"t": diagnosed(recording, "pytest")}, {"t": printed(recording)}, ground(recording)
    )
    for test, found in told.items():
        assert f"::test_{found.cause.replace('environment', 'env')}_" in test, found.evidence


@pytest.mark.parametrize("name", RECORDINGS)
def test_no_trap_of_code_that_shows_its_line_is_reported_as_somebody_else_s(name: str) -> None:
    recording = RECORDINGS[name]
    hidden = "line" in name  # `--tb=line` leaves out whether a line raises or calls
    for failure in diagnosed(recording, recording["tool"]).failures:
        found = verdict(failure, output=printed(recording), ground=ground(recording))
        if "test_traps" in failure.id and not hidden:
            assert found.cause is Cause.CODE, failure.id
        assert hidden or "test_env" not in failure.id or not is_editable(found.cause)


def expected(name: str) -> set[Cause]:
    if name in ("pytest-6.2.5", "pytest-8.3.5", "pytest-9") or name.startswith("unittest-3"):
        return {Cause.DEPENDENCY, Cause.CODE}
    if name.startswith("pytest") and ("conftest" in name or "nested" in name or "interr" in name):
        return {Cause.DEPENDENCY}
    others = {"actionlint-1.7": Cause.WORKFLOW, "go-1.27.3-build-import": Cause.ENVIRONMENT}
    return {others.get(name, Cause.CODE)}


@pytest.mark.parametrize("name", OLDER)
def test_code_is_to_blame_where_nothing_else_is_shown(name: str) -> None:
    seen = diagnosed(OLDER[name], OLDER[name]["adapter"])
    told = causes({"t": seen}, {"t": printed(OLDER[name])}, Ground())
    assert {found.cause for found in told.values()} <= expected(name)


def test_what_cannot_be_edited_away_is_not_edited() -> None:
    kept_off = {cause for cause in Cause if not is_editable(cause)}
    assert kept_off == {Cause.ENVIRONMENT, Cause.FLAKY, Cause.UNSURE}


# --- Traps and their real counterparts ------------------------------------------------------------


def section(*lines: str, name: str = "test_a") -> str:
    return "\n".join([f"_________ {name} _________", *lines, ""])


def test_what_the_machine_keeps_a_compiler_from_is_no_fault_of_the_file() -> None:
    told = "*** Error compiling './a.py'...\nOSError: [Errno 28] No space left on device\n"
    recording = {"stdout": told, "stderr": "", "exit_code": 1, "command": "x"}
    seen = diagnosed(recording, "python")
    (found,) = causes({"python": seen}, {"python": told}, Ground()).values()
    assert str(found) == "environment: OSError: [Errno 28] No space left on device"
    text = told.replace("OSError: [Errno 28] No space left on device", "SyntaxError: no")
    seen = diagnosed({**recording, "stdout": text}, "python")
    (found,) = causes({"python": seen}, {"python": text}, Ground()).values()
    assert found.cause is Cause.CODE


REFUSED = "ConnectionRefusedError: [Errno 111] Connection refused"


def test_evidence_of_another_test_is_none_of_this_one() -> None:
    other = section(
        "tests/test_b.py:4: in test_b",
        "/usr/lib/python3.11/socket.py:962: in getaddrinfo",
        "E   socket.gaierror: [Errno -2] Name or service not known",
        name="test_b",
    )
    own = section("tests/test_a.py:3: in test_a", "    f()", "E   ValueError: no")
    for output in (other + own, own + other, other):
        assert cause("ValueError: no", output=output) is Cause.CODE


def test_of_two_tests_of_the_same_name_the_one_in_the_file_counts() -> None:
    here = section("tests/test_a.py:3: in test_a", "    f()", "E   ValueError: no")
    there = section(
        "tests/test_b.py:3: in test_a",
        "    f()",
        "/usr/lib/python3.11/socket.py:962: in getaddrinfo",
        "    x()",
        "E   socket.gaierror: [Errno -2] Name or service not known",
    )
    assert cause("ValueError: no", output=there + here) is Cause.CODE
    twin = {"path": "tests/test_b.py", "id": "pytest:tests.test_b::test_a"}
    message = "socket.gaierror: [Errno -2] Name or service not known"
    assert cause(message, output=here + there, **twin) is Cause.ENVIRONMENT


@pytest.mark.parametrize(
    ("message", "is_it"),
    [
        (REFUSED, Cause.UNSURE),
        ("redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379.", None),
        ("AssertionError: " + REFUSED, Cause.CODE),
        ("assert 'x' == '[Errno 28] No space left on device'", Cause.CODE),
        ("ConnectionError: Connection refused by Responses - the call doesn't match", Cause.CODE),
        ("KeyError: 'API_TOKEN'", Cause.CODE),
        ("TimeoutError", Cause.CODE),
        ("Failed: Timeout (>5.0s) from pytest-timeout.", Cause.CODE),
        ("MemoryError", Cause.CODE),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'data.csv'", Cause.CODE),
    ],
)
def test_words_without_a_trace_prove_little(message: str, is_it: Cause | None) -> None:
    assert cause(message) is (is_it or Cause.UNSURE)


HANDLED = (
    "/usr/lib/python3.11/socket.py:962: in getaddrinfo",
    "    for res in _socket.getaddrinfo(host, port, family, type, proto, flags):",
    "E   socket.gaierror: [Errno -2] Name or service not known",
    "",
    "During handling of the above exception, another exception occurred:",
    "tests/test_a.py:3: in test_a",
    "    f()",
    "app.py:9: in f",
)


def test_an_error_that_is_handled_with_a_mistake_is_the_code_s() -> None:
    on = Ground(paths=["app.py", "tests/test_a.py"])
    slip = section(*HANDLED, "    return fallbck", "E   NameError: name 'fallbck' is not defined")
    wrapped = section(*HANDLED, "    raise AppError(1) from error", "E   app.AppError: 1")
    assert cause("NameError: name 'fallbck' is not defined", output=slip, on=on) is Cause.CODE
    assert cause("app.AppError: 1", output=wrapped, on=on) is Cause.ENVIRONMENT


def test_colours_hide_nothing() -> None:
    output = section(
        "\x1b[1m\x1b[31m/usr/lib/python3.11/socket.py\x1b[0m:962: in getaddrinfo",
        "    x()",
        "\x1b[1m\x1b[31mE   socket.gaierror: [Errno -2] Name or service not known\x1b[0m",
    )
    message = "socket.gaierror: [Errno -2] Name or service not known"
    assert cause(message, output=f"\x1b[31m{output}") is Cause.ENVIRONMENT


def test_an_error_of_the_system_is_known_within_a_rust_error_that_holds_it() -> None:
    message = (
        "thread 'a' panicked at src/lib.rs:1:1:\ncalled `Result::unwrap()` on an `Err` value: "
        'Io(Os { code: 28, kind: StorageFull, message: "No space left on device" })'
    )
    rust = {"tool": "cargo test", "path": "src/lib.rs"}
    assert cause(message, **rust) is Cause.ENVIRONMENT
    assert cause(message.replace("called", "assertion `called"), **rust) is Cause.CODE


@pytest.mark.parametrize("host", ["undefined", "null", "http"])
def test_a_host_that_only_a_bug_asks_for_is_the_code_s(host: str) -> None:
    message = f"Error: getaddrinfo ENOTFOUND {host}\n    at Lookup.onlookup (node:dns:122:26)"
    assert cause(message, tool="jest", path="src/a.test.js") is Cause.CODE


def test_a_file_of_the_repository_that_may_not_be_run_is_the_code_s() -> None:
    output = section(
        "app.py:3: in f",
        "    run()",
        "/usr/lib/python3.11/subprocess.py:1950: in _execute_child",
        "    raise child_exception_type(errno_num, err_msg, err_filename)",
        "E   PermissionError: [Errno 13] Permission denied: '/work/tree/scripts/build.sh'",
    )
    on = Ground(paths=["app.py", "scripts/build.sh"])
    message = "PermissionError: [Errno 13] Permission denied: 'scripts/build.sh'"
    assert cause(message, output=output, on=on) is Cause.CODE


@pytest.mark.parametrize(
    ("line", "is_it"),
    [
        ('monkeypatch.setenv("API_TOKEN", "x")', Cause.CODE),
        ('os.environ["API_TOKEN"] = "x"', Cause.CODE),
        ('monkeypatch.setenv("HOME", "x")', Cause.ENVIRONMENT),
        ('assert os.environ["API_TOKEN"] == "x"', Cause.ENVIRONMENT),
    ],
)
def test_a_variable_that_the_test_sets_is_no_missing_secret(line: str, is_it: Cause) -> None:
    output = section(
        "app.py:3: in f", "    x", "<frozen os>:679: in __getitem__", "E   KeyError: 'API_TOKEN'"
    )
    on = Ground(paths=["app.py", "tests/test_a.py"], tests={"tests/test_a.py": line})
    assert cause("KeyError: 'API_TOKEN'", output=output, on=on) is is_it


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("RuntimeError: SHOP_KEY is not set", "SHOP_KEY"),
        ("RuntimeError: SHOP_KEY must be set", "SHOP_KEY"),
        ("ValueError: Missing required environment variable: SHOP_ID", "SHOP_ID"),
        ("Error: The environment variable `SHOP_ID` is required", "SHOP_ID"),
        ("OpenAIError: pass api_key or set the OPENAI_API_KEY environment variable", "OPENAI_API"),
        ("SystemExit: error: SHOP_TOKEN is missing", "SHOP_TOKEN"),
        ("ValueError: ORDER_ID is missing", ""),
        ("ReferenceError: SHOP_KEY is not defined", ""),
        ("NameError: name 'SHOP_KEY' is not defined", ""),
        ("ValueError: SHOP_KEY is set twice", ""),
        ("ValueError: column SHOP_KEY is not set", ""),
        ("AssertionError: SHOP_KEY is not set", ""),
    ],
)
def test_that_a_variable_is_missing_is_said_in_many_words(message: str, name: str) -> None:
    output = section("app.py:3: in f", "    raise x", f"E   {message}")
    found = verdict(failing(message), output=output, ground=Ground(paths=["app.py"]))
    assert found.cause is (Cause.ENVIRONMENT if name else Cause.CODE)
    assert name in found.evidence


@pytest.mark.parametrize(
    "message",
    [
        "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
        "RuntimeError: No CUDA GPUs are available",
        "docker.errors.DockerException: Error while fetching server API version: ('x', 1)",
    ],
)
def test_what_the_machine_should_have_is_the_machine_s_unless_the_code_says_it(
    message: str,
) -> None:
    for place, source, is_it in (
        ("/usr/lib/python3/site-packages/x/y.py", "x()", Cause.ENVIRONMENT),
        ("app.py", "raise x", Cause.CODE),
    ):
        output = section(f"{place}:3: in f", f"    {source}", f"E   {message}")
        assert cause(message, output=output, on=Ground(paths=["app.py"])) is is_it


def test_a_module_is_the_repository_s_own_by_its_files() -> None:
    on = Ground(paths=["src/shop/__init__.py", "src/shop/a.py", "tests/test_a.py"])
    for name, is_it in (("shop.gone", Cause.CODE), ("yaml", Cause.DEPENDENCY)):
        message = f"ModuleNotFoundError: No module named '{name}'"
        assert cause(message, on=on, category=Category.BUILD, code="collection") is is_it


def test_a_name_that_a_star_may_bring_is_no_mistake_of_the_test() -> None:
    output = section("tests/test_a.py:3: in test_a", "    f()", "E   NameError: name 'f' is no")
    on = Ground(paths=["tests/test_a.py"], tests={"tests/test_a.py": "from shop import *\n"})
    assert cause("NameError: name 'f' is no", output=output) is Cause.TEST
    assert cause("NameError: name 'f' is no", output=output, on=on) is Cause.CODE


@pytest.mark.parametrize("tool", ["ruff", "eslint", "mypy", "sarif", "shellcheck"])
def test_what_is_said_of_a_text_is_never_the_machine_s(tool: str) -> None:
    message = "socket.gaierror: [Errno -2] Name or service not known: command not found"
    lint = {"tool": tool, "category": Category.LINT, "path": "app.py", "code": "X1"}
    assert cause(message, output=f"sh: 1: x: not found\n{message}", **lint) is Cause.CODE


@pytest.mark.parametrize(
    ("last", "is_it"),
    [
        ("/bin/sh: 1: shellcheck: not found", Cause.ENVIRONMENT),
        ("bash: line 1: no-such-tool: command not found", Cause.ENVIRONMENT),
        ("curl: (6) Could not resolve host: example.com", Cause.ENVIRONMENT),
        ("npm error code EBADENGINE", Cause.ENVIRONMENT),
        ("Cannot access central (https://repo.example) in offline mode", Cause.ENVIRONMENT),
        ("npm error code ERESOLVE", Cause.DEPENDENCY),
        ("make: *** [Makefile:2: check] Error 1", Cause.CODE),
        ("ValueError: the host could not be resolved", Cause.CODE),
        ("404 page not found", Cause.CODE),
        ("error: user alice not found", Cause.CODE),
    ],
)
def test_of_a_command_the_last_lines_tell(last: str, is_it: Cause) -> None:
    command = {"tool": "command", "path": "", "category": Category.LINT, "id": "command:check"}
    assert cause("make check fails", output=f"checking\n{last}\n", **command) is is_it


def test_only_who_sees_a_failure_and_none_finds_what_comes_and_goes() -> None:
    assert (detected_with(1, 0.5), detected_with(3, 0.5)) == (0, 0.75)
    assert detected_with(3, 0) == detected_with(3, 1) == 0
    assert detection(3) == (
        "3 looks at the same code: a test that fails once in so many runs is found out with this "
        "probability: 1 in 2: 75 %, 1 in 5: 48 %, 1 in 10: 27 %."
    )
    assert "99.9 %" in detection(100)


def test_a_test_file_is_told_by_its_name_or_folder() -> None:
    tests = ["tests/util.py", "test_a.py", "a_test.go", "src/a.test.ts", "src/test/java/A.java"]
    others = ["src/testing.py", "latest.py", "contest/a.py", "src/lib.rs", "protest.js"]
    assert [is_test_file(path) for path in tests + others] == [True] * 5 + [False] * 5


@settings(max_examples=40)
@given(message=st.text(max_size=300), output=st.text(max_size=500), path=st.text(max_size=30))
def test_whatever_is_printed_there_is_a_verdict_of_bounded_length(
    message: str, output: str, path: str
) -> None:
    for tool in ("pytest", "jest", "cargo test", "go test", "command"):
        found = verdict(failing(message, tool=tool, path=path), output=output)
        assert isinstance(found, Verdict)
        assert 0 < len(found.evidence) <= 300


@pytest.mark.parametrize("unit", ["E   ", "_ a _\n", "a.py:1: ", "a/", "\\", "'", "x::"])
def test_a_long_output_is_read_in_little_time(unit: str) -> None:
    text = unit * (400_000 // len(unit))
    verdict(failing(text[:4000]), output=section(text) + text, ground=Ground(paths=["a.py"]))
