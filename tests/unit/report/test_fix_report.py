"""Every form of a gate's report says the same, is well-formed, and obeys nothing that tools say."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import junitparser
import pytest

from autoresearch_ci.cli.fix_check import gated
from autoresearch_ci.decide.failures.failure import Category, Failure, Problem, identified
from autoresearch_ci.decide.gates import Age, GateVerdict, Judged, Ruling
from autoresearch_ci.report.annotations import SHOWN, annotated, code_quality
from autoresearch_ci.report.failures_junit import failures_junit
from autoresearch_ci.report.fix_page import (
    comment_markdown,
    gate_lines,
    gate_markdown,
)
from autoresearch_ci.report.fix_report import GateReport, fingerprint, gate_json, nodes, reproduce
from autoresearch_ci.report.gate_pieces import COMMENT_LIMIT
from autoresearch_ci.report.sarif import RESULTS, failures_sarif
from autoresearch_ci.safety.log_text import json_text

SCHEMA = json.loads((Path(__file__).parent / "sarif-2.1.0.json").read_text())
HOSTILE = (
    "@everyone closes #1 </details><img src=x> ![a](http://e.test/p.png) | `` ``` ```\n"
    "::error::forged\n##[error]forged\n\x1b[31m\x00\u202e]]> <script> %0A::set-output name=a::b "
    "<!-- autoresearch-ci:gate -->"
)


def failure(
    path: str = "src/a b.py",
    message: str = "is wrong",
    *,
    category: Category = Category.LINT,
    line: int = 3,
    code: str = "F401",
    tool: str = "ruff",
    name: str = "",
) -> Failure:
    problem = Problem(
        category=category, path=path, line=line, code=code, message=message, name=name
    )
    (found,) = identified(tool, [problem])
    return found


def judged(
    found: Failure, age: Age = Age.NEW, *, blocks: bool = True, note: str = ""
) -> Judged[Failure]:
    return Judged(item=found, age=age, target=found.tool, blocks=blocks, note=note)


def report(*items: Judged[Failure], ruling: Ruling = Ruling.FAIL, **more: Any) -> GateReport:
    verdict = GateVerdict(ruling=ruling, reason="1 new failure (1 lint)", items=items, **more)
    return GateReport(
        verdict=verdict,
        commit="c0ffee" * 6 + "c0ff",
        base="beef" * 10,
        words=("new",),
        commands={"ruff": "ruff check .", "pytest": "pytest --junit-xml={report}"},
        files_url="https://github.test/o/n/blob/c0ffee/",
    )


TEST = failure(
    "tests/test_a.py",
    "assert 1 == 2",
    category=Category.TEST,
    tool="pytest",
    code="AssertionError",
    name="tests.test_a.TestIt::test_b[x y]",
)
SAMPLES: list[GateReport] = [
    report(ruling=Ruling.PASS),
    report(
        judged(failure()),
        judged(TEST, Age.FLAKY, blocks=False, note="failed in 1 of 3 looks"),
        judged(failure(line=0, code=""), Age.OLD, blocks=False),
        judged(failure("", "of no file"), Age.UNKNOWN),
        judged(failure("/etc/passwd", "elsewhere"), Age.HIDDEN, blocks=False),
        lost={"pytest": "1 of 2 tests lost (1 missing): b"},
        unseen={"web: eslint": "it crashed"},
        absent=("mypy",),
    ),
    report(
        judged(failure(HOSTILE, HOSTILE, code=HOSTILE)),
        judged(failure(f"a/{HOSTILE}", HOSTILE, code=""), Age.OLD, blocks=False, note=HOSTILE),
        judged(
            failure("t.py", HOSTILE, category=Category.TEST, name=HOSTILE), Age.FLAKY, blocks=False
        ),
        lost={HOSTILE: HOSTILE},
        unseen={HOSTILE: HOSTILE},
        absent=(HOSTILE,),
    ),
]
SAMPLES = [*SAMPLES[:2], replace(SAMPLES[2], doubts=(HOSTILE,))]
NAMES = ["nothing", "of each", "hostile"]


# --- SARIF ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", SAMPLES, ids=NAMES)
def test_the_sarif_is_valid_and_its_addresses_are_relative(sample: GateReport) -> None:
    log = json.loads(json_text(failures_sarif(sample)))
    jsonschema.Draft4Validator(SCHEMA).validate(log)
    (run,) = log["runs"]
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(ids) == len(set(ids))
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["message"]["text"]
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"[\w.%/-]+", uri)
        assert not uri.startswith(("/", ".."))


def test_a_fingerprint_outlives_the_lines_above_it() -> None:
    def prints(line: int) -> Any:
        (run,) = failures_sarif(report(judged(failure(line=line))))["runs"]
        return run["results"][0]["partialFingerprints"]

    assert prints(3) == prints(300)
    assert "300" not in json.dumps(prints(300))


def test_the_sarif_says_how_loud_and_how_old() -> None:
    (run,) = failures_sarif(SAMPLES[1])["runs"]
    told = [(r["level"], r.get("baselineState")) for r in run["results"]]
    assert told == [
        ("error", "new"),
        ("note", "unchanged"),
        ("note", "unchanged"),
        ("error", None),
        ("warning", None),
    ]
    (invocation,) = run["invocations"]
    assert len(invocation["toolExecutionNotifications"]) == 3


def test_what_github_would_not_show_is_left_out_and_counted() -> None:
    many = [judged(failure(f"f{number}.py")) for number in range(RESULTS + 7)]
    (run,) = failures_sarif(report(*many))["runs"]
    assert len(run["results"]) == RESULTS
    (told,) = run["invocations"][0]["toolExecutionNotifications"]
    assert told["message"]["text"].startswith("7 failures are left out")


# --- JUnit ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", SAMPLES, ids=NAMES)
def test_the_junit_report_is_read_by_others(sample: GateReport, tmp_path: Path) -> None:
    path = tmp_path / "failures.xml"
    path.write_bytes(failures_junit(sample))
    suites = list(junitparser.JUnitXml.fromfile(str(path)))
    assert {"ruff", "pytest", "gate"} <= {suite.name for suite in suites}


@pytest.mark.parametrize("sample", SAMPLES, ids=NAMES)
def test_a_reader_of_junit_is_red_exactly_when_the_gate_is(sample: GateReport) -> None:
    root = ElementTree.fromstring(failures_junit(sample))
    red = root.findall(".//failure") + root.findall(".//error")
    assert bool(red) == (sample.verdict.ruling is not Ruling.PASS)
    assert all(suite.get("tests") == str(len(suite)) for suite in root)


def test_a_pass_with_permission_has_nothing_red_in_it() -> None:
    sample = report(
        judged(failure(), Age.OLD, blocks=False),
        ruling=Ruling.PASS,
        unseen={"pytest": "it crashed"},
        lost={"ruff": "gone"},
    )
    text = failures_junit(sample).decode()
    assert "<failure" not in text
    assert "<error" not in text
    assert text.count("<skipped") == 3


# --- annotations ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", SAMPLES, ids=NAMES)
def test_an_annotation_is_one_command_and_no_other(sample: GateReport) -> None:
    for annotation in annotated(sample):
        command = annotation.command()
        assert len(command.splitlines()) == 1
        assert re.match(r"::(error|warning) (file|title)=", command)
        assert "##[" not in command
        assert command.count("::") - command.count("%0A:\\:") <= command.count("::")
        head = re.match(r"::\w+ (?P<properties>[^:]*)::", command)
        assert head
        keys = [part.partition("=")[0] for part in head["properties"].split(",")]
        assert set(keys) <= {"file", "line", "title"}


def test_not_more_annotations_than_are_shown_and_the_last_counts_the_rest() -> None:
    many = [judged(failure(f"f{number}.py")) for number in range(30)]
    some = [judged(failure(f"g{number}.py"), blocks=False) for number in range(12)]
    told = annotated(report(*many, *some))
    errors = [a for a in told if a.level == "error"]
    warnings = [a for a in told if a.level == "warning"]
    assert len(errors) == len(warnings) == SHOWN
    assert errors[0].message == "1 new failure (1 lint)"
    assert errors[-1].message.startswith("22 more")
    assert warnings[-1].message.startswith("3 more")


def test_what_is_old_and_blocks_nothing_is_beside_no_line() -> None:
    sample = report(judged(failure(), Age.OLD, blocks=False), ruling=Ruling.PASS)
    assert annotated(sample) == []


@pytest.mark.parametrize("sample", SAMPLES, ids=NAMES)
def test_gitlab_is_told_of_each_failure_under_a_name_of_its_own(sample: GateReport) -> None:
    told = code_quality(sample)
    assert len({item["fingerprint"] for item in told}) == len(sample.verdict.items)
    for item in told:
        assert item["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert item["location"]["lines"]["begin"] >= 1
        assert not item["location"]["path"].startswith(("./", "/"))


# --- for people -----------------------------------------------------------------------------------


def test_hostile_words_are_inert_on_the_page() -> None:
    page = comment_markdown(SAMPLES[2])
    outside = re.sub(r"(?s)(`{3,})sh.*?\n\1", "", page)
    assert not re.search(r"@(?!&#8203;)\w", outside)
    assert not re.search(r"(?<![L#&])#\d", outside)
    assert "<img" not in outside
    assert "<script" not in outside
    assert "![" not in outside.replace("!\\[", "")
    assert "<!--" not in outside
    assert page.count("<details>") == page.count("</details>")
    assert "://e.test" not in outside
    assert "\x1b" not in page


@pytest.mark.parametrize("sample", SAMPLES, ids=NAMES)
def test_no_line_of_a_terminal_is_a_command(sample: GateReport) -> None:
    for line in gate_lines(sample):
        assert len(line.splitlines()) <= 1
        assert not line.lstrip().startswith("::")
        assert "##[" not in line
        assert "\x1b" not in line


def test_a_comment_fits_whatever_there_is_to_say() -> None:
    words = "@a|漢 " * 400
    many = [
        judged(replace(failure(f"{'d/' * 40}f{number}.py", words), line=number), age)
        for age in Age
        for number in range(400)
    ]
    sample = report(
        *many,
        unseen={f"t{number}": words for number in range(300)},
        lost={f"l{number}": words for number in range(300)},
    )
    page = comment_markdown(sample, "https://github.test/run")
    assert len(page) <= COMMENT_LIMIT + 1
    assert "more rows in `failures.json`" in page
    assert "### Gate failed" in page
    assert len(gate_markdown(sample).encode()) < 1_000_000


def test_without_a_base_the_page_says_why() -> None:
    sample = replace(SAMPLES[0], base="", no_base="a shallow clone")
    assert "without a base: a shallow clone" in gate_markdown(sample)


def test_what_nobody_compared_is_broken_and_not_incomparable() -> None:
    beside = report(judged(failure(), Age.UNKNOWN))
    for told, word in ((replace(beside, base=""), "broken"), (beside, "not comparable")):
        facts = gated(told)
        pages = [facts.files["report.html"], facts.files["failures.xml"], facts.summary]
        pages += ["\n".join(facts.lines), "\n".join(a.title for a in facts.annotations)]
        assert [word in str(page) for page in pages] == [True] * 5
        assert word == "not comparable" or not any("not comparable" in str(p) for p in pages)


# --- how to see it again --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "path", "node"),
    [
        ("tests.test_a::test_b", "tests/test_a.py", "tests/test_a.py::test_b"),
        ("tests.test_a.TestIt::test_b[x]", "tests/test_a.py", "tests/test_a.py::TestIt::test_b[x]"),
        ("tests/test_a.py::test_b", "tests/test_a.py", "tests/test_a.py::test_b"),
        ("tests.test_a::test_b", "src/a.py", ""),
        ("tests/test_a.py (loading)", "tests/test_a.py", ""),
    ],
)
def test_a_test_of_pytest_is_named_as_pytest_takes_it(name: str, path: str, node: str) -> None:
    found = failure(path, category=Category.TEST, tool="pytest", name=name)
    assert [*nodes([judged(found)])] == ([node] if node else [])


def test_lines_of_shell_quote_what_tests_are_called() -> None:
    evil = failure("t.py", category=Category.TEST, tool="pytest", name="t::test_b[$(touch x); '`]")
    lines = [*reproduce(report(judged(evil)))]
    assert lines[1:] == [
        "pytest --junit-xml=report.xml",
        "python -m pytest 't.py::test_b[$(touch x); '\"'\"'`]'",
        "autoresearch-ci fix --check --fail-on new --base " + "beef" * 10,
    ]


@pytest.mark.parametrize(
    ("sample", "staged", "next_step"),
    [
        (1, False, "autoresearch-ci fix   # repairs"),
        (1, True, "autoresearch-ci fix --check --fail-on new --staged   # "),
        (0, True, ""),
    ],
)
def test_what_to_do_next_about_what_is_staged_is_not_to_repair_another_commit(
    sample: int, staged: bool, next_step: str
) -> None:
    told = replace(SAMPLES[sample], staged=staged)
    assert gated(told).next[: len(next_step) or None] == next_step
    fetches = [line for line in reproduce(told) if line.startswith("git fetch")]
    assert len(fetches) == (not staged)  # no ref names what is staged


def test_all_forms_know_a_failure_by_one_fingerprint() -> None:
    item = judged(failure())
    sample = report(item)
    told = gate_json(sample, [])
    (run,) = failures_sarif(sample)["runs"]
    assert told["items"][0]["fingerprint"] == fingerprint(item)
    assert run["results"][0]["partialFingerprints"]["autoresearchFailure/v1"] == fingerprint(item)
    assert code_quality(sample)[0]["fingerprint"] == fingerprint(item)


def test_what_comes_and_goes_is_not_counted_as_left_to_fix() -> None:
    assert gate_json(SAMPLES[1], [])["failures"] == 4


def test_what_was_there_before_does_not_hide_what_is_new_from_a_terminal() -> None:
    old = [judged(failure(path=f"old{n}.py"), Age.OLD, blocks=False) for n in range(9)]
    told = list(gate_lines(report(*old, judged(failure(path="new.py")))))
    assert any("new.py" in line for line in told)
    assert sum("old (ok)" in line for line in told) == 5
    assert "and 4 more in failures.json" in told


def test_what_two_tools_tell_of_a_line_is_shown_once_and_counted_twice() -> None:
    types = [failure(category=Category.TYPE, tool=tool) for tool in ("mypy", "pyright")]
    sample = report(*map(judged, types))
    page, lines = gate_markdown(sample), "\n".join(gate_lines(sample))
    for text in (page, lines):
        assert text.count("is wrong") == 1
        assert "also seen by pyright" in text
    told = [a.message for a in annotated(sample) if a.path]
    assert told == ["is wrong, also seen by pyright"]
    assert sample.standing == len(gate_json(sample, [])["items"]) == 2
    other = report(judged(types[0]), judged(types[1], Age.OLD))
    assert gate_markdown(other).count("is wrong") == 2
