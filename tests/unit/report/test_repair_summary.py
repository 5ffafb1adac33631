"""What a run of repairs came to: counted by failures that are gone, true, bounded, and inert."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from autoresearch_ci.decide.failures.causes.verdicts import COMES_AND_GOES
from autoresearch_ci.decide.failures.failure import Category, Failure, mended_cell, mended_ids
from autoresearch_ci.decide.failures.repair_order import Left
from autoresearch_ci.experiment import Status
from autoresearch_ci.record.remote_notebooks import Lineage, Night
from autoresearch_ci.report.pull_request import body, title
from autoresearch_ci.report.repair_summary import SHOWN, outcome, repaired, repairs_of
from autoresearch_ci.report.run_summary import (
    RemainingFailure,
    Repairs,
    hard_to_believe,
    run_summary,
)
from autoresearch_ci.report.summary_page import summary_markdown
from tests.unit.report.test_pull_request import BASELINE, EVIL, MORE, info, row

KEPT = row(1, failure="ruff:a.py:F401:1; mypy:b.py:x:2", metric=1.0, delta=-1.0, best=1.0)
ROWS = [replace(BASELINE, metric=3.0, best=3.0), KEPT]
GREEN = Repairs(looked=True)


def failure(number: int, **more: str) -> Failure:
    values = {"path": "a.py", "code": "F401", "message": "unused", "tool": "ruff", **more}
    return Failure(category=Category.LINT, id=f"ruff:a.py:{number}", line=number, **values)


def test_what_is_gone_is_counted_whatever_came_to_light() -> None:
    assert repaired(ROWS) == 2  # though the number of failures fell by one
    assert repaired([row(1, Status.DISCARD, failure="x:y")]) == 0


def test_a_cell_holds_what_fits_and_the_number_of_the_rest() -> None:
    many = [f"ruff:{'a' * 90}:{number}" for number in range(50)]
    cell = mended_cell(many)
    assert len(cell) <= 500
    ids, more = mended_ids(cell)
    assert ids == many[: len(ids)]
    assert len(ids) + more == 50
    assert mended_ids("") == ([], 0)
    assert mended_ids(mended_cell(["one"])) == (["one"], 0)
    assert mended_ids(mended_cell(["x" * 600])) == (["x" * 600], 0)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (GREEN, "2 failures repaired, 0 left"),
        (Repairs(looked=True, left=4, flaky=1), "2 failures repaired, 4 left, 1 flaky"),
        (
            Repairs(looked=True, incomplete={"mypy": "crashed"}),
            "2 failures repaired, 0 left, 1 target not seen to the end",
        ),
        (Repairs(), "2 failures repaired, 1 left"),
        (Repairs(looked=True, earlier=5), "7 failures repaired, 0 left"),
    ],
)
def test_the_title_counts(found: Repairs, told: str) -> None:
    assert title(ROWS, info(repairs=found)) == f"autoresearch: {told}"


def test_a_night_whose_forerunners_looked_in_another_way_speaks_of_itself() -> None:
    assert outcome(ROWS, GREEN, continued=True) == "2 failures repaired in this night, 0 left"


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (GREEN, "green"),
        (Repairs(), "incomplete"),
        (Repairs(looked=True, left=1, incomplete={"a": "b"}), "broken"),
        (Repairs(looked=True, flaky=1), "broken"),
        (Repairs(looked=True, incomplete={"a": "b"}), "incomplete"),
    ],
)
def test_green_is_only_what_was_looked_at_to_the_end(found: Repairs, verdict: str) -> None:
    assert found.verdict == verdict


def test_nothing_is_said_in_percent_and_nothing_is_doubted_by_its_size() -> None:
    night = Night(
        notebook="refs/autoresearch/notebook/a",
        date="2026-01-01",
        host="Linux",
        ruler="",
        tried=3,
        kept=1,
        before=12.0,
        after=3.0,
        seconds=1.0,
        tokens=0,
        cost_usd=1.0,
    )
    lineage = Lineage(origin="2" * 40, nights=(night,))
    known = info(repairs=GREEN, lineage=lineage, metric_name="failures")
    for text in (body(ROWS, known, MORE), summary_markdown(ROWS, known)):
        assert " %" not in text
        assert "per percent" not in text
        assert "confirmed" not in text
        assert "| 12 → 3 | -9 |" in text
    assert not hard_to_believe(run_summary(ROWS), known)
    assert "believe" not in body(ROWS, known, MORE)


def test_kinds_that_were_left_alone_are_named_where_all_is_green() -> None:
    text = body(ROWS, info(repairs=replace(GREEN, categories=("build", "test"))), MORE)
    assert "Only failures of these kinds were to be repaired: build, test." in text


def test_each_failure_stands_beside_its_commit() -> None:
    text = body(ROWS, info(repairs=GREEN), MORE)
    assert "### Repaired (2)" in text
    for name in ("ruff:a.py:F401:1", "mypy:b.py:x:2"):
        assert f"| {name} | {KEPT.commit[:7]} | change 1 |" in text


def test_what_is_left_is_bounded_and_says_why() -> None:
    failures = tuple(failure(number) for number in range(1, 5_000))
    aside = {failures[0].id: "blocked after 3 attempts", failures[1].id: str(COMES_AND_GOES)}
    found = repairs_of(Left(failures=failures, aside=aside, incomplete={"tsc": "crashed"}))
    assert (found.left, found.flaky, len(found.shown)) == (4_998, 1, SHOWN)
    text = body(ROWS, info(repairs=found), MORE)
    assert len(text) < 65_000
    assert "| blocked after 3 attempts |" in text
    assert "4,799 more failures not shown." in text
    assert "- tsc: crashed" in text


def test_nothing_that_others_wrote_does_anything() -> None:
    left = RemainingFailure(id=EVIL, category=EVIL, path=EVIL, line=3, message=EVIL, why=EVIL)
    found = Repairs(looked=True, left=1, shown=[left], incomplete={EVIL: EVIL}, categories=(EVIL,))
    rows = [ROWS[0], replace(KEPT, failure=EVIL, description=EVIL)]
    known = info(repairs=found, stop_reason=EVIL, failed=True)
    for text in (body(rows, known, MORE), summary_markdown(rows, known)):
        tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
        flat = [t for token in tokens for t in (token, *(token.children or ()))]
        assert not [t for t in flat if t.type in ("image", "link_open")]
        html = "".join(t.content for t in flat if t.type in ("html_inline", "html_block"))
        assert set(re.findall(r"</?([a-z]+)", html)) <= {"details", "summary", "span"}
        assert "<!--" not in html
        outside = "".join(t.content for t in flat if t.type == "text")
        assert not re.search(r"@everyone|#1\b|https://evil", outside)
    assert "\n" not in title(rows, known)
