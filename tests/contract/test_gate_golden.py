"""What the gate of `fix` says of one commit, as people and machines see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from autoresearch_ci import __version__
from autoresearch_ci.decide.failures.failure import Category, Failure, Problem, identified
from autoresearch_ci.decide.gates import Age, GateVerdict, Judged, Ruling
from autoresearch_ci.report.annotations import annotated, code_quality
from autoresearch_ci.report.failures_junit import failures_junit
from autoresearch_ci.report.fix_page import comment_markdown, gate_lines
from autoresearch_ci.report.fix_report import GateReport, gate_json
from autoresearch_ci.report.sarif import failures_sarif

Golden = Callable[[str, str], None]


def failure(tool: str, category: Category, path: str, line: int, **words: str) -> Failure:
    problem = Problem(category=category, path=path, line=line, **{"message": "", **words})
    (found,) = identified(tool, [problem])
    return found


def judged(found: Failure, age: Age, note: str = "") -> Judged[Failure]:
    blocks = age in (Age.NEW, Age.UNKNOWN)
    return Judged(item=found, age=age, target=found.tool, blocks=blocks, note=note)


REPORT = GateReport(
    verdict=GateVerdict(
        ruling=Ruling.FAIL,
        reason="2 new failures (1 critical, 1 test); pytest: 1 of 12 tests lost (1 skipped): "
        "tests.test_api::test_timeout",
        items=(
            judged(
                failure(
                    "ruff",
                    Category.CRITICAL,
                    "src/api.py",
                    41,
                    code="F821",
                    message="Undefined name `tiemout`, thanks @someone",
                ),
                Age.NEW,
            ),
            judged(
                failure(
                    "pytest",
                    Category.TEST,
                    "tests/test_api.py",
                    17,
                    name="tests.test_api::test_retries[3 | 4]",
                    message="AssertionError: assert 3 == 4",
                ),
                Age.NEW,
                "failed in 2 of 3 looks, at the base in 0 of 3 looks",
            ),
            judged(
                failure(
                    "ruff", Category.LINT, "src/old.py", 3, code="E501", message="Line too long"
                ),
                Age.OLD,
            ),
            judged(
                failure(
                    "pytest",
                    Category.TEST,
                    "tests/test_net.py",
                    5,
                    name="tests.test_net::test_dns",
                    message="TimeoutError",
                ),
                Age.FLAKY,
                "failed in 1 of 3 looks, at the base in 2 of 3 looks",
            ),
        ),
        lost={"pytest": "1 of 12 tests lost (1 skipped): tests.test_api::test_timeout"},
    ),
    commit="c0ffee0123456789c0ffee0123456789c0ffee01",
    base="beef456789beef456789beef456789beef456789",
    words=("new",),
    commands={"ruff": "ruff check .", "pytest": "pytest --junit-xml={report}", "mypy": "mypy"},
    looks=3,
    doubts=("src/api.py:12 `except Exception: pass` [error-swallowed]",),
    files_url="https://github.com/owner/name/blob/c0ffee0123456789c0ffee0123456789c0ffee01/",
)
RUN = "https://github.com/owner/name/actions/runs/1"


def test_the_comment(matches_golden: Golden) -> None:
    matches_golden("gate-comment.md", comment_markdown(REPORT, RUN))


def test_the_comment_of_a_gate_that_cannot_say(matches_golden: Golden) -> None:
    verdict = GateVerdict[Failure](
        ruling=Ruling.INCOMPLETE,
        reason="not all was looked at: mypy: mypy could not be started: mypy: not found",
        unseen={"mypy": "mypy could not be started: mypy: not found"},
    )
    report = replace(
        REPORT,
        verdict=verdict,
        base="",
        no_base="the default branch is not in this clone",
        outputs={"mypy": "sh: 1: mypy: not found\n", "ruff": "All checks passed!\n"},
        looks=1,
    )
    matches_golden("gate-incomplete.md", comment_markdown(report, RUN))


def test_the_terminal(matches_golden: Golden) -> None:
    matches_golden("gate.txt", "\n".join(gate_lines(REPORT)) + "\n")


def test_the_files_for_tools(matches_golden: Golden) -> None:
    told = annotated(REPORT)
    found = {
        "failures.json": gate_json(REPORT, [annotation.as_json() for annotation in told]),
        "failures.sarif": failures_sarif(REPORT),
        "gl-code-quality-report.json": code_quality(REPORT),
    }
    for name, value in found.items():
        text = json.dumps(value, indent=1).replace(f'"{__version__}"', '"0.0.0"')
        matches_golden(f"gate-{name}", f"{text}\n")
    matches_golden("gate-failures.xml", failures_junit(REPORT).decode().replace("><", ">\n<"))
    commands = "".join(f"{annotation.command()}\n" for annotation in told)
    matches_golden("gate-annotations.txt", commands)
