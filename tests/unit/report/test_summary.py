"""Reports stay true, bounded and inert whatever the journal holds."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from autoresearch_ci.experiment import Direction, Experiment, Status
from autoresearch_ci.report.chart import progress_svg
from autoresearch_ci.report.run_summary import Confirmation, RunInfo, expectations
from autoresearch_ci.report.summary_page import summary_markdown
from autoresearch_ci.report.terminal_table import results_table
from autoresearch_ci.safety.markdown_text import inline
from autoresearch_ci.safety.wording import duration, number, percent

MINIMIZE, MAXIMIZE = Direction.MINIMIZE, Direction.MAXIMIZE


def experiment(iteration: int, status: Status, metric: float | None, **fields: Any) -> Experiment:
    values: dict[str, Any] = {
        "iteration": iteration,
        "timestamp": "2026-03-08T01:00:00Z",
        "commit": f"{iteration:07x}",
        "metric": metric,
        "delta": None,
        "guard": "-",
        "guard_metric": None,
        "status": status,
        "description": f"change number {iteration}",
        "best": None,
        "samples": 1,
        "ci_low": None,
        "ci_high": None,
        "seconds": 1.0,
        "tokens": 0,
        "cost_usd": 0.0,
        "peak_memory_mb": None,
        "proposer": "script",
        "attempts": 1,
        "reason": "",
    }
    return Experiment(**(values | fields))


def run_info(**fields: Any) -> RunInfo:
    values: dict[str, Any] = {
        "tag": "t",
        "branch": "autoresearch/t",
        "notebook_ref": "refs/autoresearch/t",
        "base_commit": "a" * 40,
        "metric_name": "p95_ms",
        "direction": MINIMIZE,
        "metric_command": "./bench",
        "guards": [],
        "goal": "Faster",
        "stop_reason": "done",
        "started": "2026-03-08T01:00:00Z",
        "seconds": 5.0,
        "host": "laptop",
    }
    return RunInfo(**(values | fields))


def picture(experiments: Sequence[Experiment], direction: Direction = MINIMIZE) -> str:
    return progress_svg(experiments, direction=direction, metric_name="p95_ms", title="Faster")


def confirmed(**fields: Any) -> Confirmation:
    values: dict[str, Any] = {
        "base": 1.982,
        "head": 1.871,
        "gain": 0.056,
        "ci_low": 0.05,
        "ci_high": 0.061,
        "n_base": 5,
        "n_head": 5,
        "holds": True,
    }
    return Confirmation(**(values | fields))


BASELINE = experiment(0, Status.BASELINE, 100.0, description="baseline")
KEPT = experiment(1, Status.KEEP, 90.0, delta=-10.0)

HOSTILE_PIECES = (
    *(
        "|",
        "\\",
        "`",
        "``",
        "*",
        "_",
        "~~",
        "$x$",
        "&",
        ":",
        "a",
        "_a_",
        "\\|",
        "[^1]",
        "-->",
        "]]>",
    ),
    *("&#124;", "&#64;me", "<!-- -->", "<script>", "<img/src=x>", "</details>", "</text>"),
    *("[x](http://evil.example)", "![i](//evil.example/i.png)", "<https://evil.example>"),
    *("@octocat", "@org/team", "owner/repo#3", "fixes #1", "closes GH-2", " ", "\n", "\x1b[2J"),
    *("http://evil.example", "www.evil.example", "me@evil.example"),
    *("\u202e", "\u200b", "\ufffe", "\ud800"),
)
hostile = st.lists(st.sampled_from(HOSTILE_PIECES), min_size=1, max_size=8).map("".join)


def tokens(text: str) -> list[Token]:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    found: list[Token] = []
    for token in parser.parse(text):
        found += [token, *(token.children or [])]
    return found


def prose(text: str) -> str:
    """The words a reader sees outside code, cells and paragraphs apart."""
    return "\n".join(t.content for t in tokens(text) if t.type == "text")


@settings(max_examples=50)
@given(description=hostile, reason=hostile, goal=hostile)
def test_hostile_words_are_inert_in_markdown(description: str, reason: str, goal: str) -> None:
    rows = [
        BASELINE,
        experiment(1, Status.KEEP, 90.0, description=description),
        experiment(2, Status.DISCARD, 99.0, description=description, reason=reason),
    ]
    text = summary_markdown(
        rows, run_info(goal=goal, metric_name=reason, host=goal, stop_reason=reason)
    )
    kinds = {t.type for t in tokens(text)}
    assert not kinds & {"link_open", "image", "em_open", "s_open", "code_inline"}
    raw = {t.content.strip() for t in tokens(text) if t.type in ("html_inline", "html_block")}
    allowed = {"<span>", "</span>", "</details>"}
    assert all(html in allowed or html.startswith("<details>\n<summary>Tried") for html in raw)
    seen = prose(text)
    assert not re.search(r"@\w|#\w|://|www\.|GH-\d", seen, re.IGNORECASE)
    assert "\u202e" not in text
    assert "\x1b" not in text


@settings(max_examples=40)
@given(hostile)
def test_a_hostile_description_cannot_break_the_table(description: str) -> None:
    rows = [BASELINE, experiment(1, Status.KEEP, 90.0, description=description), KEPT]
    found = [t.type for t in tokens(summary_markdown(rows, run_info()))]
    assert found.count("tr_open") == 3
    assert found.count("td_open") == 2 * found.count("th_open")


@settings(max_examples=40)
@given(description=hostile, title=hostile)
def test_the_picture_is_well_formed_whatever_the_words(description: str, title: str) -> None:
    rows = [BASELINE, experiment(1, Status.KEEP, 90.0, description=description)]
    svg = progress_svg(rows, direction=MINIMIZE, metric_name=title, title=title)
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(svg).iter()}
    assert tags <= {"svg", "style", "rect", "text", "line", "path", "circle", "g", "title"}


@pytest.mark.parametrize("count", [1, 7, 40])
def test_every_kept_description_appears_once(count: int) -> None:
    rows = [BASELINE] + [
        experiment(i, Status.KEEP if i % 3 else Status.CRASH, 100.0 - i, description=f"idea<{i}>")
        for i in range(1, count + 1)
    ]
    seen = prose(summary_markdown(rows, run_info()))
    for row in rows[1:]:
        assert seen.count(row.description) == 1


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [BASELINE],
        [experiment(0, Status.BASELINE, None)],
        [experiment(i, Status.CRASH, None) for i in range(5)],
        [BASELINE, *(experiment(i, Status.CRASH, 0.0) for i in range(1, 5))],
        [experiment(0, Status.BASELINE, 0.0), experiment(1, Status.KEEP, -1.0)],
        [BASELINE, experiment(1, Status.DISCARD, 1e300), experiment(2, Status.KEEP, 1e-300)],
        [experiment(0, Status.BASELINE, 1e300), experiment(1, Status.KEEP, -1e300)],
        [BASELINE, experiment(1, Status.KEEP, None)],
        [experiment(7, Status.KEEP, 3.0)],
        [experiment(i, Status.DISCARD, 5.0) for i in range(3)],
    ],
    ids=range(11),
)
@pytest.mark.parametrize("direction", list(Direction))
def test_odd_journals_are_reported(rows: list[Experiment], direction: Direction) -> None:
    ElementTree.fromstring(picture(rows, direction))
    assert summary_markdown(rows, run_info(direction=direction))
    assert results_table(rows, direction)


@pytest.mark.parametrize("columns", [80, 120])
def test_no_row_of_the_final_table_is_broken_by_the_terminal(columns: int) -> None:
    rows = [BASELINE, replace(experiment(1, Status.KEEP, 4.0), description="word " * 40)]
    lines = results_table(rows, Direction.MINIMIZE, columns).splitlines()
    assert max(map(len, lines)) <= columns
    assert any(line.endswith("…") for line in lines)
    assert results_table(rows, Direction.MINIMIZE) == results_table(rows, Direction.MINIMIZE, 200)


def test_two_thousand_long_rows_fit_in_a_pull_request_body() -> None:
    words = "| <b> @everyone #1 `x` " * 40
    rows = [BASELINE] + [
        experiment(i, (Status.KEEP, Status.DISCARD)[i % 2], 1.0, description=words, reason=words)
        for i in range(1, 2000)
    ]
    text = summary_markdown(
        rows,
        run_info(
            goal=words * 9,
            metric_command=words * 99,
            guards=[words * 9] * 50,
            host=words * 9,
            stop_reason=words * 9,
        ),
    )
    assert len(text) < 60_000
    assert re.search(r"\d{3} more rows in `results.tsv`", text)


def test_a_gain_that_does_not_hold_is_the_first_thing_said() -> None:
    text = summary_markdown([BASELINE, KEPT], run_info(confirmation=confirmed(holds=False)))
    assert text.startswith("**The gain did not hold.**")


def test_a_result_that_breaks_a_guard_is_the_first_thing_said_and_harmless() -> None:
    why = "guard failed: @team ![x](https://x.example/y.png) <b>fixes #1</b> (pytest)"
    found = confirmed(holds=False, guard_runs=2, refusal=why)
    text = summary_markdown([BASELINE, KEPT], run_info(confirmation=found))
    assert text.startswith("**The gain did not hold: a guard fails on the result.** guard failed: ")
    assert "Seen in round 2" in text
    assert not any(part in text for part in ("![x](", "<b>", " @team"))


def test_no_improvement_is_said_plainly() -> None:
    text = summary_markdown([BASELINE, experiment(1, Status.DISCARD, 101.0)], run_info())
    assert text.startswith("**No improvement found.** p95_ms stays at 100 after 1 experiment.")


@pytest.mark.parametrize(
    ("direction", "head", "expected"),
    [
        (MINIMIZE, 1.871, "p95_ms 1.982 → 1.871, -5.6 % [95 % CI -6.1, -5.0], n=5+5"),
        (MAXIMIZE, 2.093, "p95_ms 1.982 → 2.093, +5.6 % [95 % CI +5.0, +6.1], n=5+5"),
    ],
)
def test_the_confirmed_headline_has_the_metrics_own_sign(
    direction: Direction, head: float, expected: str
) -> None:
    info = run_info(direction=direction, confirmation=confirmed(head=head))
    assert f"**{expected}**" in summary_markdown([BASELINE, KEPT], info)


@pytest.mark.parametrize(
    ("direction", "told"), [(MINIMIZE, "-6.1 to -5.0 %"), (MAXIMIZE, "+5.0 to +6.1 %")]
)
def test_an_interval_in_a_table_has_the_metrics_own_sign(direction: Direction, told: str) -> None:
    row = replace(KEPT, ci_low=0.05, ci_high=0.061)
    assert f"| {told} |" in summary_markdown([BASELINE, row], run_info(direction=direction))


def test_the_commands_can_be_run_again_character_for_character() -> None:
    command = "python -c 'print(\"p95_ms:  1\")'  &&\n  ./bench ```x```"
    code = [
        t.content for t in tokens(summary_markdown([BASELINE], run_info(metric_command=command)))
    ]
    assert command + "\n" in code


def test_figures_are_written_for_people() -> None:
    assert [number(v) for v in (0.9979, 1234567.0, 12.0, None, 1e-9)] == [
        "0.9979",
        "1234567",
        "12",
        "-",
        "1e-09",
    ]
    assert [percent(v) for v in (-0.056, 0.00015, 0.0, None, float("nan"))] == [
        "-5.6 %",
        "+0.015 %",
        "+0.0 %",
        "-",
        "-",
    ]
    large = (-13140 / 13141, 0.9994, 0.99999, 0.9999999, 1.0, -131.4)
    assert [percent(v) for v in large] == [
        "-99.992 %",
        "+99.9 %",
        "+99.999 %",
        "+100.0 %",
        "+100.0 %",
        "-13140.0 %",
    ]
    assert [duration(s) for s in (8.4, 200, 25500)] == ["8 s", "3 min 20 s", "7 h 05 min"]
    assert duration(math.inf) == duration(math.nan) == "-"  # a bundle of somebody's may say so


def test_common_descriptions_stay_readable_in_the_source() -> None:
    for text in ("raise MATRIX_LR from 0.04 to 0.057", "batch 524K to 262K (more steps)", "a - b"):
        assert inline(text) == text


@pytest.mark.parametrize("direction", list(Direction))
def test_what_was_foreseen_is_held_against_what_was_measured(direction: Direction) -> None:
    sign = -1 if direction is MINIMIZE else 1

    def tried(expected: float | None, gain: float) -> Experiment:
        delta = sign * gain * 100
        return experiment(1, Status.DISCARD, 100 + delta, delta=delta, expected=expected)

    rows = [tried(0.02, 0.03), tried(0.05, -0.01), tried(0.01, 0.04), tried(None, 0.5)]
    assert expectations(rows, direction) == (
        "Of 3 gains that a proposer foresaw, 1 came within half to twice of it, 1 undershot and "
        "1 overshot it."
    )
    assert expectations(rows[-1:], direction) == ""
