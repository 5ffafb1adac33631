"""What tools say is read as they mean it, and a tool that did not say everything is never clean.

`data/` holds what they printed, one recording a file: with `made_by_hand` where a tool cannot be
had here, else as it came, but for the paths of that machine. `expected` is what it means.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch_ci.config.fix import KNOWN_TOOLS
from autoresearch_ci.decide.failures.failure import Category, Diagnosis
from autoresearch_ci.decide.failures.objective import SetChange, compared
from autoresearch_ci.execution.command import CommandResult, Printed
from autoresearch_ci.measure.diagnostics.adapter import FAILURES_LIMIT, ToolOutput, as_told
from autoresearch_ci.measure.diagnostics.any_tool import by_pattern
from autoresearch_ci.measure.diagnostics.registry import TOOLS
from autoresearch_ci.safety.characters import has_hidden

DATA = Path(__file__).parent / "data"
RECORDINGS = {path.stem: json.loads(path.read_bytes()) for path in sorted(DATA.glob("*.json"))}
NOT_HAD = {"actionlint", "maven", "gradle", "sarif"}
"""Of which some recordings are made by hand."""


def said(
    stdout: str = "",
    *,
    code: int = 0,
    stderr: str = "",
    report: str | None = None,
    command: str = "",
    root: str = "/tree",
    dropped: int = 0,
    **rest: Any,
) -> ToolOutput:
    text = stdout + stderr
    result = CommandResult(
        command=command,
        exit_code=code,
        output=text,
        tail=text,
        stdout=Printed(text=stdout, in_time=stdout, dropped=dropped),
        stderr=Printed(text=stderr, in_time=stderr),
        **rest,
    )
    return ToolOutput(result=result, report=None if report is None else report.encode(), root=root)


def replayed(recording: Mapping[str, Any], **changes: Any) -> Diagnosis:
    told = {
        "stdout": recording["stdout"],
        "stderr": recording["stderr"],
        "code": recording["exit_code"],
        "report": recording.get("report"),
        "command": recording["command"],
    }
    return TOOLS[recording["adapter"]].parse(said(**{**told, **changes}))


def shown(diagnosis: Diagnosis) -> dict[str, Any]:
    """As `expected` has it."""
    found: dict[str, Any] = {
        "incomplete": diagnosis.incomplete,
        "failures": [
            f"{f.category} {f.path}:{f.line} {f.code} | {(f.message.splitlines() or [''])[0][:80]}"
            for f in diagnosis.failures
        ],
    }
    if diagnosis.suite is not None:
        found["tests"] = dict(sorted(diagnosis.suite.of.items()))
    return found


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording_is_read_as_its_tool_means_it(name: str) -> None:
    assert shown(replayed(RECORDINGS[name])) == RECORDINGS[name]["expected"]


def test_every_tool_has_a_recording_and_says_when_it_is_made_by_hand() -> None:
    assert {recording["adapter"] for recording in RECORDINGS.values()} == set(TOOLS)
    by_hand = {r["adapter"] for r in RECORDINGS.values() if r.get("made_by_hand")}
    assert by_hand == NOT_HAD


def test_the_configuration_knows_the_tools() -> None:
    assert set(TOOLS) == KNOWN_TOOLS


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_tool_tells_of_what_it_says_it_tells_of(name: str) -> None:
    told = {failure.category for failure in replayed(RECORDINGS[name]).failures}
    assert told <= set(TOOLS[RECORDINGS[name]["adapter"]].categories)


# --- Incomplete, never zero -----------------------------------------------------------------------

WHOLE_SUITES = {"make check", "make test", "npm test"}
COMPILERS = {"python", "tsc", "go build", "go vet", "gcc", "javac"}
SILENT_WHEN_WELL = {*COMPILERS, "gofmt", "cargo fmt", *WHOLE_SUITES}
"""Whose silence together with exit code 0 is what they say when all is well."""
BY_EXIT_CODE = WHOLE_SUITES
"""Of which nothing is known but whether they fail."""


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_that_says_nothing_is_incomplete(tool: str) -> None:
    parse = TOOLS[tool].parse
    assert bool(parse(said()).incomplete) is (tool not in SILENT_WHEN_WELL)
    for code in (1, 2, 3, 70, 126, 127, 134, 137, 139, -9, -11):
        found = parse(said(code=code))
        assert found.incomplete or (tool in BY_EXIT_CODE and found.failures), code
    assert parse(said(stderr="no-such-tool: command not found", code=127)).incomplete
    assert parse(said(timed_out=True)).incomplete


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_tool_that_was_killed_is_incomplete_whatever_it_said_before(name: str) -> None:
    for change in ({"code": -9}, {"code": 137}, {"timed_out": True}):
        assert replayed(RECORDINGS[name], **change).incomplete


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_failed_tool_without_a_failure_is_incomplete(name: str) -> None:
    diagnosis = replayed(RECORDINGS[name])
    assert diagnosis.failures or diagnosis.incomplete or RECORDINGS[name]["exit_code"] == 0
    clean = replayed({**RECORDINGS[name], "stdout": "", "stderr": "", "report": None}, code=1)
    assert clean.incomplete or RECORDINGS[name]["adapter"] in BY_EXIT_CODE


@pytest.mark.parametrize("name", RECORDINGS)
def test_what_breaks_off_in_the_middle_never_looks_clean(name: str) -> None:
    recording = RECORDINGS[name]
    if not recording["exit_code"]:
        return
    for part in ("stdout", "stderr", "report"):
        text = recording.get(part) or ""
        for end in range(0, len(text), max(1, len(text) // 25)):
            diagnosis = replayed({**recording, part: text[:end]})
            assert diagnosis.failures or diagnosis.incomplete


def test_output_that_was_cut_is_incomplete() -> None:
    recording = RECORDINGS["gcc-12-make"]
    assert "more than is kept" in replayed(recording, dropped=10).incomplete


@pytest.mark.parametrize("tool", TOOLS)
@settings(max_examples=25)
@given(data=st.data())
def test_any_text_is_read_without_an_accident(tool: str, data: st.DataObject) -> None:
    """Also one that is nearly what the tool writes."""
    own = [r for r in RECORDINGS.values() if r["adapter"] == tool]
    recording = data.draw(st.sampled_from(own))
    changes: dict[str, Any] = {}
    for part in ("stdout", "stderr", "report"):
        text = recording.get(part)
        if text is None:
            continue
        place = data.draw(st.integers(0, len(text)))
        noise = data.draw(st.sampled_from(['{"', "null", "[", "-1", "\x00", ":::", "\n\n", "é"]))
        changes[part] = text[:place] + noise + text[place + data.draw(st.integers(0, 9)) :]
    TOOLS[tool].parse(said(data.draw(st.text(max_size=60)), code=1))
    diagnosis = replayed(recording, **changes)
    assert isinstance(diagnosis, Diagnosis)
    assert diagnosis.failures or diagnosis.incomplete or not recording["exit_code"]


@pytest.mark.parametrize("tool", ["ruff", "eslint", "pyright", "jest", "sarif", "shellcheck"])
@pytest.mark.parametrize(
    "document",
    ["[" * 100_000, '{"a": 1' + "0" * 10_000 + "}", '[{"a": 1, "a": 2}]', "null", "3", '"x"', "{}"],
)
def test_hostile_json_is_incomplete(tool: str, document: str) -> None:
    assert TOOLS[tool].parse(said(document, code=1)).incomplete


def test_a_module_that_is_missing_is_no_finding_of_go_vet() -> None:
    words = "m.go:3:8: no required module provides package example.org/x; to add it:\n\tgo get x\n"
    (found,) = TOOLS["go vet"].parse(said(stderr=words, code=1)).failures
    assert (found.category, found.code, found.line) == (Category.BUILD, "import", 3)


def sarif(**run: Any) -> Diagnosis:
    tool = {
        "driver": {"name": "own", "rules": [{"id": "A"}]},
        "extensions": [{"rules": [{"id": "B", "properties": {"security-severity": "9.8"}}]}],
    }
    return TOOLS["sarif"].parse(said(json.dumps({"runs": [{"tool": tool, **run}]}), code=0))


DOCTEST = """048
049     Words of the file above it.
057         >>> size(3000, False, True)
Expected{}
Got{}

/tree/size.py:57: DocTestFailure"""


@pytest.mark.parametrize(
    ("wanted", "got", "told"),
    [
        (":\n    '2.9K'", ":\n    '3.0K'", "expected '2.9K', got '3.0K'"),
        (" nothing", ":\n    '3.0K'", "expected nothing, got '3.0K'"),
        (":\n    2", " nothing", "expected 2, got nothing"),
    ],
)
def test_a_doctest_says_first_what_is_wrong(wanted: str, got: str, told: str) -> None:
    message = DOCTEST.format(wanted, got)
    case = ElementTree.Element("testcase", {"classname": "size", "name": "size.size"})
    ElementTree.SubElement(case, "failure", {"message": message}).text = message
    suite = ElementTree.Element("testsuite")
    suite.append(case)
    report = ElementTree.tostring(suite, encoding="unicode")
    (found,) = TOOLS["pytest"].parse(said("1 failed in 1s", code=1, report=report)).failures
    assert found.message.splitlines()[0] == f"size(3000, False, True): {told}"
    assert "Words of the file" in found.message


def test_formatters_of_before_are_read_too() -> None:
    ruff = TOOLS["ruff format"].parse(
        said(
            "Would reformat: a.py\n1 file would be reformatted\n",
            stderr="error: Failed to parse b.py:3:7: Expected an identifier\n",
            code=2,
        )
    )
    black = TOOLS["black"].parse(
        said(
            stderr="error: cannot format /tree/b.py: Cannot parse: 3:7: def f(:\n"
            "would reformat /tree/a.py\n\nOh no!\n1 file would be reformatted, 1 file would fail"
            " to reformat.\n",
            code=123,
        )
    )
    for found in (ruff, black):
        assert [(f.category, f.path, f.line) for f in found.failures] == [
            (Category.BUILD, "b.py", 3),
            (Category.LINT, "a.py", 0),
        ]
        assert not found.incomplete


def test_a_formatter_that_lists_other_files_than_it_counts_is_incomplete() -> None:
    text = "Would reformat: a.py\n2 files would be reformatted\n"
    assert TOOLS["ruff format"].parse(said(text, code=1)).incomplete
    broken = said("1 file already formatted\n", stderr="error: out of memory", code=2)
    assert TOOLS["ruff format"].parse(broken).incomplete


def test_a_rule_of_an_extension_says_how_bad_a_result_of_sarif_is() -> None:
    rule = {"index": 0, "toolComponent": {"index": 0}}
    named = {"ruleId": "B", "message": {"text": "by its name"}}
    found = sarif(results=[{"rule": rule}, named, {"ruleId": "A", "ruleIndex": 0}])
    assert [(f.code, f.category) for f in found.failures] == [
        ("B", Category.CRITICAL),
        ("B", Category.CRITICAL),
        ("A", Category.WARNING),
    ]


def test_a_tool_that_tells_of_its_own_error_in_sarif_is_incomplete() -> None:
    notice = {"level": "error", "message": {"text": "cannot read b.py"}}
    found = sarif(results=[], invocations=[{"toolExecutionNotifications": [notice]}])
    assert found.incomplete == "own: cannot read b.py"


def test_entities_in_a_report_are_refused() -> None:
    bomb = '<!DOCTYPE t [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><testsuite>&b;</testsuite>'
    assert "not usable XML" in TOOLS["junit"].parse(said(report=bomb, code=1)).incomplete


def test_more_failures_than_are_told_apart_are_incomplete() -> None:
    lines = (f"a.py:{n}:1: error: m  [misc]" for n in range(1, FAILURES_LIMIT + 10))
    text = "\n".join([*lines, "Found 9 errors in 1 file"])
    diagnosis = TOOLS["mypy"].parse(said(text, code=1))
    assert len(diagnosis.failures) == FAILURES_LIMIT
    assert "more than" in diagnosis.incomplete


def test_a_long_line_of_text_is_read_in_no_time() -> None:
    """Patterns do not look at the same characters again and again."""
    for line in ("a" * 300_000, "a:" * 100_000, "a.c:1:" * 50_000, "([" * 100_000, " \t" * 100_000):
        for tool in TOOLS:
            TOOLS[tool].parse(said(line, stderr=line, code=1))


# --- Ids ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECORDINGS)
def test_ids_do_not_depend_on_where_the_tree_lies(name: str) -> None:
    recording = RECORDINGS[name]
    moved = {
        part: recording[part].replace("/tree", "/elsewhere/at/all")
        for part in ("stdout", "stderr", "report")
        if recording.get(part)
    }
    there = replayed(recording, **moved, root="/elsewhere/at/all")
    assert [f.id for f in there.failures] == [f.id for f in replayed(recording).failures]
    if there.suite is not None:
        assert there.suite == replayed(recording).suite


def test_paths_are_told_from_the_root_wherever_the_tool_ran() -> None:
    asked = said(root="/tree")
    inner = ToolOutput(result=asked.result, root="/tree", folder="packages/web")
    assert inner.path("src/a.ts") == "packages/web/src/a.ts"
    assert inner.path("../api/b.ts") == "packages/api/b.ts"
    assert inner.path("/tree/packages/web/a.ts") == "packages/web/a.ts"
    assert inner.path("./a.ts") == "packages/web/a.ts"
    assert inner.path("/usr/include/stdio.h") == "/usr/include/stdio.h"
    assert asked.path("../../etc/passwd") == "/etc/passwd"


@pytest.mark.parametrize(
    ("file", "frame", "path"),
    [
        ("pkg/test_a.py", "test_a.py:4: AssertionError", "pkg/test_a.py"),
        ("pkg/pkg/test_a.py", "pkg/test_a.py:4: AssertionError", "pkg/pkg/test_a.py"),
        ("test_a.py", "test_a.py:4: AssertionError", "pkg/test_a.py"),
        ("pkg/test_a.py", "pkg/test_a.py:4: AssertionError", "pkg/pkg/test_a.py"),
    ],
)
def test_pytest_names_files_from_where_its_settings_are(file: str, frame: str, path: str) -> None:
    case = (
        f'<testcase classname="t" name="test" file="{file}" line="2"><failure message="m">{frame}'
    )
    report = f"<testsuite tests='1'>{case}</failure></testcase></testsuite>"
    asked = said(code=1, report=report)
    (told,) = TOOLS["pytest"].read(replace(asked, folder="pkg")).failures
    assert (told.path, told.line) == (path, 4)


def test_no_two_files_are_called_alike_and_nothing_of_a_name_is_hidden() -> None:
    long = "a/" * 300
    names = [
        "a.py",
        "a\u200b.py",
        "a\tb.py",
        "a b.py",
        "a  b.py",
        "a\u115f.py",
        f"{long}b",
        f"{long}c",
    ]
    told = [as_told(name) for name in names]
    assert len({*told}) == len(names)
    assert told[0] == "a.py"
    assert not any(map(has_hidden, told))
    assert max(map(len, told)) < 600


@pytest.mark.parametrize("path", ["app/(shop)/[id]/page.tsx", "a b/c.ts", "x(1).ts"])
def test_odd_names_are_told_whole(path: str) -> None:
    text = f"{path}(3,5): error TS2304: Cannot find name 'x'.\n  It is not there.\n"
    (failure,) = TOOLS["tsc"].parse(said(text, code=2)).failures
    assert (failure.path, failure.line) == (path, 3)
    assert failure.message.endswith("It is not there.")
    (failure,) = TOOLS["gcc"].parse(said(f"{path}:3:5: error: no\n", code=1)).failures
    assert (failure.path, failure.line) == (path, 3)


# --- What the objective makes of them -------------------------------------------------------------


def outcome(before: str, after: str, *changed: str) -> SetChange:
    seen = [{"x": replayed(RECORDINGS[name])} for name in (before, after)]
    return compared(seen[0], seen[1], changed=changed).outcome


def test_recorded_repairs_are_judged_as_a_person_would() -> None:
    assert outcome("ruff-0.17.5", "ruff-0.17.5-clean") is SetChange.KEPT
    assert outcome("ruff-0.17.5", "ruff-0.17.5-config") is SetChange.INCOMPLETE
    assert outcome("ruff-0.17.5", "missing") is SetChange.INCOMPLETE
    assert outcome("pytest-9", "pytest-9-exit") is SetChange.INCOMPLETE
    assert outcome("pytest-9", "pytest-9-notests") is SetChange.INCOMPLETE
    assert outcome("pytest-9", "pytest-9-interrupted") is SetChange.INCOMPLETE
    assert outcome("pytest-9-conftest", "pytest-9", "conftest.py") is SetChange.KEPT
    assert outcome("pytest-9-interrupted", "pytest-9") is SetChange.NO_BETTER
    assert outcome("mypy-2.4.1-syntax", "mypy-2.4.1", "broken.py") is SetChange.KEPT
    assert outcome("mypy-2.4.1", "mypy-2.4.1-syntax") is SetChange.REGRESSED
    assert outcome("tsc-7.0.2-syntax", "tsc-7.0.2", "s.ts") is SetChange.KEPT
    assert outcome("tsc-7.0.2", "tsc-7.0.2-syntax", "s.ts") is SetChange.REGRESSED
    assert outcome("cargo-1.95.0-syntax", "cargo-1.95.0-types") is SetChange.KEPT
    assert outcome("cargo-1.95.0-types", "cargo-1.95.0-syntax") is SetChange.REGRESSED
    assert outcome("go-1.27.3-build-syntax", "go-1.27.3-build") is SetChange.KEPT
    assert outcome("javac-17-syntax", "javac-17", "B.java") is SetChange.KEPT
    assert outcome("tape-5-crash", "tape-5-ran-on", "a.js") is SetChange.KEPT
    assert outcome("tape-5-crash", "tape-5-crash-later", "a.js") is SetChange.KEPT
    # It ends no more, and yet no further test passes.
    assert outcome("tape-5-crash-later", "tape-5-ran-on", "a.js") is SetChange.REGRESSED
    assert outcome("tape-5-crash-later", "tape-5-crash", "a.js") is SetChange.REGRESSED
    assert outcome("tape-5-ran-on", "tape-5-crash", "a.js") is SetChange.REGRESSED


# --- Exit code and pattern ------------------------------------------------------------------------


def test_a_pattern_finds_lines_and_a_failure_without_one_is_incomplete() -> None:
    parse = by_pattern("lint", r"^(?P<path>\S+):(?P<line>\d+): (?P<message>.*)", Category.LINT)
    diagnosis = parse(said("a.x:3: bad\nnoise\nb.x:4: worse\n", code=1))
    assert [(f.path, f.line, f.message) for f in diagnosis.failures] == [
        ("a.x", 3, "bad"),
        ("b.x", 4, "worse"),
    ]
    assert "no line matches" in parse(said("something else", code=1)).incomplete
    assert not parse(said("all is well")).incomplete
    assert parse(said("a.x:3: bad", code=2)).incomplete


def test_an_exit_code_alone_is_one_failure_and_only_where_the_command_ran() -> None:
    parse = by_pattern("check", "", Category.TEST)
    (failure,) = parse(said(code=1, command="make check")).failures
    assert failure.id == "check:check"
    assert parse(said(code=2)).failures  # make's
    assert parse(said()) == Diagnosis()
    assert parse(said(code=127)).incomplete


@pytest.mark.parametrize("pattern", ["(", "(?P<what>.*)", "error: .*"])
def test_a_pattern_that_means_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"is not|has"):
        by_pattern("lint", pattern, Category.LINT)


def test_a_pattern_that_takes_for_ever_is_incomplete() -> None:
    parse = by_pattern("lint", r"^(?P<message>(a|aa|a?a)+)$", Category.LINT)
    assert "too long" in parse(said("a" * 1500 + "b", code=1)).incomplete
