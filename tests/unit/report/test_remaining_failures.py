"""What repairs came to: told with commits and evidence, bounded; nothing in it does anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from markdown_it import MarkdownIt

from autoresearch_ci.decide.failures.causes.ground import Cause
from autoresearch_ci.decide.failures.causes.verdicts import Verdict
from autoresearch_ci.decide.failures.failure import Category
from autoresearch_ci.decide.failures.repair_order import Left, left
from autoresearch_ci.experiment import Experiment, Status
from autoresearch_ci.report.remaining_failures import (
    REPAIRS_ROOM,
    blocked_markdown,
    not_ours,
    still_broken,
)
from tests.unit.decide.failures.test_repair_order import failure, row

EVIL = (
    "fixes #1 @everyone <img src=x> ![x](https://evil.example/a.png) [l](javascript:x) | a || b "
    "<!-- x --> ``` $x$ GH-2 https://evil.example </details> `code` **b**"
)
LINT = failure("ruff:a.py:F401:1", code="F401", message="`os` imported but unused")
TEST = failure(
    "pytest:tests.a::test_x", Category.TEST, tool="pytest", path="tests/a.py", message="assert 1"
)
NET = failure(
    "pytest:tests.a::test_net", Category.TEST, tool="pytest", path="tests/a.py", message="gaierror"
)
SECRET = failure("pytest:tests.a::test_key", Category.TEST, tool="pytest", message="KeyError")
VERDICTS = {NET.id: Verdict(cause=Cause.ENVIRONMENT, evidence="a name cannot be resolved")}
ROWS = [
    row(0, status=Status.BASELINE),
    row(1, "mypy:b.py:x:9", Status.KEEP, description="return a list"),
    row(2, TEST.id, description="count from 0", reason="1 new (ruff:x)"),
    row(3, TEST.id, description="count from 2", reason="the same failures as before"),
    row(4, SECRET.id, Status.NO_OP, description="nothing to do: no key is set"),
]


def repairs(experiments: Sequence[Experiment], found: Left) -> str:
    return f"{still_broken(found, experiments)}\n\n{not_ours(found, experiments)}".strip()


LEFT = left([LINT, TEST, NET, SECRET], ROWS, attempts=2, verdicts=VERDICTS)


def test_what_is_left_says_how_often_it_was_tried_and_what_is_blocked() -> None:
    text = repairs(ROWS, LEFT)
    assert "### Left (2)" in text
    assert "| lint | a.py:1 | F401: \\`os\\` imported but unused | 0 |" in text
    assert "| test | tests/a.py:1 | assert 1 | 2, blocked |" in text


def test_what_is_not_ours_has_its_cause_and_evidence_and_who_says_so() -> None:
    text = repairs(ROWS, LEFT)
    assert "### Not ours to repair (2)" in text
    assert "| environment | a name cannot be resolved |" in text
    assert "| nothing to do | claude says so, and nobody has checked it: no key is set |" in text


def test_a_run_without_repairs_says_nothing() -> None:
    assert repairs([row(0, status=Status.BASELINE), row(1)], Left()) == ""
    assert blocked_markdown(Left(), ROWS) == ""


def test_what_is_blocked_is_told_with_every_attempt_and_its_outcome() -> None:
    page = blocked_markdown(LEFT, ROWS)
    assert page.startswith("# Blocked (1)\n")
    assert "## tests/a.py:1: assert 1" in page
    assert "| 2 | 0000000 | count from 0 | discard: 1 new (ruff:x) |" in page
    assert "| 3 | 0000000 | count from 2 | discard: the same failures as before |" in page
    assert "# Not ours to repair (2)" in page
    assert "**environment**: a name cannot be resolved" in page
    assert "# Not tried to the end (1)" in page


def test_nothing_that_others_wrote_does_anything() -> None:
    evil = replace(TEST, path=EVIL, message=EVIL, code=EVIL, tool=EVIL, id=f"x:{EVIL}")
    net = replace(NET, message=EVIL)
    rows = [
        row(1, evil.id, description=EVIL, reason=EVIL),
        row(2, "x", Status.KEEP, failure=EVIL, description=EVIL),
        row(3, LINT.id, Status.NO_OP, description=f"nothing to do: {EVIL}", proposer=EVIL),
    ]
    verdicts = {net.id: Verdict(cause=Cause.UNSURE, evidence=EVIL)}
    found = left([evil, net, LINT], rows, attempts=1, verdicts=verdicts)
    assert len(found.aside) == 3
    for text in (repairs(rows, found), blocked_markdown(found, rows)):
        html = MarkdownIt("gfm-like", {"linkify": False}).render(text)
        plain = "".join(part.partition("</pre>")[2] for part in f"</pre>{html}".split("<pre>"))
        for bad in ("<a ", "<img", "<!--", "</details", "<strong>b<", "@everyone", "fixes #1"):
            assert bad not in plain, bad
        for table in html.split("<table>")[1:]:
            rows_of = table.partition("</table>")[0].split("<tr>")[1:]
            assert len({part.count("</td>") or part.count("</th>") for part in rows_of}) == 1


def test_many_failures_leave_a_page_of_bounded_size() -> None:
    many = [replace(TEST, id=f"pytest:{n}", message=f"{n} {EVIL * 4}") for n in range(400)]
    rows = [row(n, f"pytest:{n}", description=EVIL * 5, reason=EVIL * 5) for n in range(400)]
    found = left(many, rows, attempts=1)
    assert len(found.aside) == 400
    text = repairs(rows, found)
    assert len(text) <= 2 * REPAIRS_ROOM + 300
    assert "more rows in `blocked.md`." in text
    page = blocked_markdown(found, rows, 50_000)
    assert len(page) <= 50_000
    assert "The rest is left out, as the page would be too long" in page
