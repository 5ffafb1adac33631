"""The pull request's words: the number first, bounded, and nothing in them does anything."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from autoresearch_ci.config.resolve import load
from autoresearch_ci.experiment import Direction, Experiment, HoldoutVerdict, Spent, Status
from autoresearch_ci.publish.forge.github_body import (
    LIMIT,
    begin,
    is_marked,
    merged,
    room_for_report,
)
from autoresearch_ci.record.remote_notebooks import Lineage, Night
from autoresearch_ci.report.pull_request import PullRequestInfo, body, title
from autoresearch_ci.report.run_folder import metric_name
from autoresearch_ci.report.run_summary import Beside, Confirmation, PassedTests, RunInfo

EVIL = (
    "fixes #1 @everyone <img src=x> ![x](https://evil.example/a.png) [l](javascript:x) | a || b "
    "<!-- autoresearch-ci:end --> ``` $x$ GH-2 https://evil.example </details> `code` **b**"
)


def row(iteration: int, status: Status = Status.KEEP, **more: object) -> Experiment:
    values: dict[str, object] = {
        "iteration": iteration,
        "timestamp": "2026-01-01T00:00:00Z",
        "commit": f"{iteration:040x}",
        "metric": 100.0 - iteration,
        "delta": -1.0,
        "guard": "pass",
        "guard_metric": None,
        "status": status,
        "description": f"change {iteration}",
        "best": 100.0 - iteration,
        "samples": 4,
        "ci_low": 0.004,
        "ci_high": 0.02,
        "seconds": 60.0,
        "tokens": 100,
        "cost_usd": 0.01,
        "peak_memory_mb": None,
        "proposer": "search",
        "attempts": 1,
        "reason": "",
    }
    return Experiment(**{**values, **more})  # type: ignore[arg-type]


BASELINE = row(0, Status.BASELINE)


def info(**more: object) -> RunInfo:
    values: dict[str, object] = {
        "tag": "nightly",
        "branch": "autoresearch/nightly",
        "notebook_ref": "refs/autoresearch/notebook/nightly",
        "base_commit": "1" * 40,
        "metric_name": "val_bpb",
        "direction": Direction.MINIMIZE,
        "metric_command": "python train.py",
        "guards": ("pytest -q",),
        "goal": "Lower it",
        "stop_reason": "25 of 25 iterations done",
        "started": "2026-01-01T00:00:00Z",
        "seconds": 100.0,
        "host": "Linux x86_64, 2 CPUs, NVIDIA H100",
    }
    return RunInfo(**{**values, **more})  # type: ignore[arg-type]


MORE = PullRequestInfo(head="2" * 40, final=True)


def confirmation(*, holds: bool = True, head: float = 1.9) -> Confirmation:
    return Confirmation(
        base=2.0, head=head, gain=0.05, ci_low=0.04, ci_high=0.06, n_base=5, n_head=5, holds=holds
    )


def test_the_title_is_the_number() -> None:
    assert (
        title([BASELINE, row(10, delta=-10.0)], info())
        == "autoresearch: val_bpb 100 → 90 (-10.0 %)"
    )


def test_the_title_says_what_was_measured_again_at_the_end() -> None:
    told = title([BASELINE, row(10)], info(confirmation=confirmation()))
    assert told == "autoresearch: val_bpb 2 → 1.9 (-5.0 %)"


def test_the_title_has_the_percentage_of_the_headline() -> None:
    # Medians and pairs may differ, even in sign, where the machine drifts.
    found = confirmation(head=2.1)
    assert "2 → 2.1 (-5.0 %)" in title([BASELINE, row(10)], info(confirmation=found))


def test_a_gain_that_did_not_hold_is_no_headline() -> None:
    told = title([BASELINE, row(10)], info(confirmation=confirmation(holds=False)))
    assert "%" not in told
    assert "did not hold" in told


ALONE = row(10, guard="-", doubt="hard to believe: a gain of 98.9 %")
VOUCHED = row(10, doubt="a gain of 98.9 %")


def test_what_is_hard_to_believe_is_said_in_the_title_and_in_bold() -> None:
    rows = [BASELINE, row(5, guard="-", delta=-5.0), replace(ALONE, delta=-5.0)]
    assert title(rows, info()).endswith("(-10.0 %), hard to believe")
    text = body(rows, info(), MORE)
    assert "**Hard to believe: a gain of 98.9 %** (experiment 10)." in text
    assert "**No guard and no holdout speaks for that**" in text
    assert "| **Hard to believe: a gain of 98.9 %**: change 10 |" in text


def test_what_a_guard_vouches_for_is_said_in_bold_and_stands_in_no_title() -> None:
    rows = [BASELINE, row(5), VOUCHED]
    assert "believe" not in title(rows, info())
    text = body(rows, info(), MORE)
    assert "**Look twice: a gain of 98.9 %** (experiment 10)." in text
    assert "No guard" not in text


@pytest.mark.parametrize(
    ("guard", "command", "hard"),
    [
        ("-", "pytest -q", True),
        ("pass", "pytest -q", False),
        ("pass", "python train.py", True),  # reads what the metric has printed
    ],
)
def test_small_steps_without_a_witness_may_add_up_to_what_is_hard_to_believe(
    guard: str, command: str, hard: bool
) -> None:
    rows = [
        BASELINE,
        *(row(n, guard=guard, metric=100.0 - 19 * n, delta=-19.0) for n in range(1, 6)),
    ]
    guarded = info(guards=(command,))
    assert ("hard to believe" in title(rows, guarded)) is hard
    text = body(rows, guarded, MORE)
    head = "Hard to believe" if hard else "Look twice"
    assert f"**{head}: a gain of 95.0 % in all.**" in text
    assert ("No guard and no holdout" in text) is hard
    small = info(confirmation=confirmation())
    assert "believe" not in title(rows, small)


@pytest.mark.parametrize(("best", "hard"), [(200.0, False), (1000.0, False), (1100.0, True)])
def test_what_grows_is_hard_to_believe_more_than_tenfold(best: float, hard: bool) -> None:
    rows = [BASELINE, row(1, guard="-", metric=best, delta=best - 100)]
    grows = info(direction=Direction.MAXIMIZE)
    assert ("hard to believe" in title(rows, grows)) is hard
    gain = best / 100 - 1
    found = replace(confirmation(), base=100.0, head=best, gain=gain, ci_low=gain, ci_high=gain)
    assert ("hard to believe" in title(rows, replace(grows, confirmation=found))) is hard


def test_what_an_earlier_run_left_unvouched_is_still_hard_to_believe() -> None:
    rows, more = [BASELINE, row(1)], replace(MORE, earlier=(ALONE,), unvouched=(ALONE,))
    assert "hard to believe" in title(rows, info(), (ALONE,))
    assert "**Hard to believe: a gain of 98.9 %** (experiment 10 of an earlier run)." in body(
        rows, info(), more
    )


def test_the_words_of_a_doubt_do_nothing() -> None:
    text = body([BASELINE, replace(ALONE, doubt=f"hard to believe: {EVIL}")], info(), MORE)
    assert "@everyone" not in text
    assert "<img" not in text


def test_the_holdouts_verdicts_are_counted() -> None:
    gains, holds, denies = HoldoutVerdict.GAINS, HoldoutVerdict.HOLDS, HoldoutVerdict.DENIES
    rows = [BASELINE, row(1, holdout=gains), row(2, holdout=holds), row(3, Status.DISCARD)]
    more = replace(MORE, holdout="p95")
    text = body([*rows, row(4, Status.DISCARD, holdout=denies)], info(), more)
    assert (
        "p95, a holdout that no proposer sees, was asked about each would-be keep: it gains with "
        "1 of 2 kept changes; it holds with 1 of 2 kept changes; it did not confirm 1 other change."
    ) in text


def test_money_is_divided_by_the_gain_that_was_confirmed() -> None:
    paid = [replace(BASELINE, cost_usd=0.0), replace(row(10), cost_usd=10.0)]
    assert "$10.00 ($2.00 per percent)" in body(paid, info(confirmation=confirmation()), MORE)
    lost = body(paid, info(confirmation=confirmation(holds=False)), MORE)
    assert "$10.00." in lost
    assert "per percent" not in lost
    more = info(confirmation=confirmation(), outside_rows=Spent(tokens=7, cost_usd=2.0))
    assert "$12.00 ($2.40 per percent)" in body(paid, more, MORE)  # a call that was broken off


def test_titles_are_one_short_line() -> None:
    told = title([BASELINE, row(1)], info(metric_name="a\n\x1b[31m::error::" + "b" * 500))
    assert "\n" not in told
    assert "\x1b" not in told
    assert len(told) < 200


def test_all_that_the_page_promises_is_there() -> None:
    more = replace(
        MORE,
        chart="https://github.test/o/n/blob/abc/progress.svg?raw=true",
        job="https://github.test/o/n/actions/runs/1",
        holdout="p95",
        earlier=(row(3),),
        replaces="https://github.test/o/n/pull/1",
        ignored=("change 9",),
    )
    others = [row(2, Status.DISCARD, reason="worse"), row(3, Status.CRASH, metric=None)]
    text = body([BASELINE, row(1), *others], info(confirmation=confirmation()), more)
    for part in (
        "val_bpb 2 → 1.9, -5.0 % [95 % CI",
        "![val\\_bpb over the experiments](https://github.test/o/n/blob/abc/progress.svg?raw=true)"
        if "val\\_bpb" in text
        else "![val_bpb over the experiments](https://github.test/o/n/blob/abc/progress.svg",
        "### Kept (1)",
        "python train.py",
        "NVIDIA H100",
        "pytest -q",
        "p95, a holdout",
        "Cost: 3 experiments in 1 min 40 s, 400 tokens, $0.04",
        "autoresearch-ci compare 111111111111 222222222222",
        "/autoresearch stop",
        "Progress in letters",
        "Kept by earlier runs on this branch (1)",
        "Ignored, as asked:",
        "Continues https://github.test/o/n/pull/1",
        "Tried and not kept (2)",
        "actions/runs/1",
    ):
        assert part in text, part


def test_several_nights_cost_what_all_of_them_did() -> None:
    night = Night(
        notebook="n",
        date="2026-01-01T00:00:00Z",
        host="another machine",
        ruler="r",
        tried=10,
        kept=3,
        before=4.0,
        after=2.0,
        seconds=500.0,
        tokens=1000,
        cost_usd=9.98,
    )
    lineage = Lineage(origin="9" * 40, nights=(night,), apart=("tests/a.py",))
    known = info(lineage=lineage, confirmation=confirmation())
    text = body([BASELINE, row(1, cost_usd=0.01)], known, MORE)
    for part in (
        "Base (9999999, where this branch leaves it) and the result of 2 nights",
        "### Kept in this night (1)",
        "| 1 | 2026-01-01 | another machine | 10 | 3 | 4 → 2 | -50.0 % | 8 min 20 s, $9.98 |",
        "differs from 9999999: tests/a.py.",
        "Cost of all nights: 11 experiments in 10 min 00 s, 1,200 tokens, $10.00 ($2.00 per",
        "autoresearch-ci compare 999999999999 222222222222",
    ):
        assert part in text, part
    going_on = body([BASELINE, row(1)], info(lineage=lineage), MORE)
    assert "100 → 99 (-1.0 %) in this night alone" in going_on
    assert "not yet measured against the base" in title([BASELINE, row(1)], info(lineage=lineage))


def test_the_tests_of_guards_are_counted_beside_those_of_the_base() -> None:
    suites = [PassedTests(command=f"suite {n}", base=1412, head=1413) for n in range(7)]
    text = body([BASELINE, row(1)], info(suites=suites[:1]), MORE)
    assert "Tests: 1,413 passed (1,412 on the base) in suite 0." in text
    later = info(suites=suites, lineage=Lineage(origin="b" * 40))
    text = body([BASELINE, row(1)], later, MORE)
    assert "1,413 passed (1,412 where this night began) in suite 4; and 2 more guards." in text
    assert "Tests:" not in body([BASELINE, row(1)], info(), MORE)


@pytest.mark.parametrize(
    ("extract", "name"),
    [
        ("{junit: r.xml}", "failing tests"),
        ("{junit: r.xml, count: skipped}", "skipped tests"),
        ("{coverage: c.xml}", "coverage"),
        ("{last_number: true}", "metric"),
    ],
)
def test_a_title_says_what_is_counted_in_a_test_report(extract: str, name: str) -> None:
    text = f"scope: [value]\nmetric: {{command: make test, extract: {extract}}}\n"
    known = info(metric_name=metric_name(load(text=text).config))
    said = title([BASELINE, row(1)], known)
    assert said.startswith(f"autoresearch: {name} ")


def test_what_got_worse_is_named_beside_the_gain() -> None:
    beside = {
        "size": Beside(base=100, head=90, direction=Direction.MAXIMIZE),
        "peak memory, MB": Beside(base=100, head=101, direction=Direction.MINIMIZE),
        "seconds of a run": Beside(base=0.01, head=0.02, direction=Direction.MINIMIZE, grain=0.1),
    }
    text = body([BASELINE, row(1)], info(confirmation=replace(confirmation(), beside=beside)), MORE)
    assert "What got worse: size 100 → 90, -10.0 % (and not: peak memory, MB 100 → 101" in text
    del beside["size"]
    text = body([BASELINE, row(1)], info(confirmation=replace(confirmation(), beside=beside)), MORE)
    assert "What got worse: nothing that was watched (peak memory, MB 100 → 101, +1.0 %; " in text


def test_a_project_that_asks_is_told_who_proposed() -> None:
    rows = [BASELINE, row(1, proposer="claude"), row(2, Status.DISCARD, proposer="search")]
    assert "AI disclosure" not in body(rows, info(), MORE)
    text = body(rows, info(disclose="CONTRIBUTING.md"), MORE)
    assert "AI disclosure, as CONTRIBUTING.md asks: what was kept was proposed by claude" in text


def test_how_to_steer_it_takes_two_lines() -> None:
    text = body([BASELINE, row(1)], info(), MORE)
    (lines,) = (part for part in text.split("\n\n") if part.startswith("Steer it"))
    assert lines.count("\n") == 1


def test_a_base_that_has_moved_since_is_said() -> None:
    text = body([BASELINE, row(1)], info(), replace(MORE, moved="9" * 40))
    assert "moved to 9999999 since: what is said here is of its commit 1111111" in text


def test_while_it_runs_the_page_says_so() -> None:
    assert "still going on" in body([BASELINE, row(1)], info(), replace(MORE, final=False))


@pytest.mark.parametrize(
    "words", ["short", EVIL, "\u202e\U0001d54f" * 300, "|" * 500, "@a #1 " * 200]
)
def test_two_thousand_rows_fit(words: str) -> None:
    rows = [BASELINE]
    for number in range(1, 2000):
        status = Status.KEEP if number % 3 == 0 else Status.DISCARD
        rows.append(row(number, status, description=words, reason=words))
    many = info(
        guards=tuple(words * 9 for _ in range(50)),
        metric_command=words * 100,
        goal=words,
        host=words,
        metric_name=words,
        stop_reason=words,
        idle=rows[3:40:3],
    )
    more = replace(MORE, earlier=tuple(rows[:300]), ignored=(words,) * 50, holdout=words)
    text = body(rows, many, more)
    assert len(text) <= 60_000
    assert "more rows in `results.tsv`" in text
    lines = text.split("\n")
    assert lines.count("<details>") == lines.count("</details>")
    whole = merged("", text, "b")
    assert len(whole) < LIMIT


@pytest.mark.parametrize("room", [3_000, 15_000, 30_000])
def test_it_fits_into_whatever_room_people_leave(room: int) -> None:
    rows = [BASELINE, *(row(n, description=EVIL) for n in range(1, 300))]
    text = body(rows, info(), MORE, room)
    assert len(text) <= room
    assert text.startswith("**val")


def test_untrusted_words_do_nothing() -> None:
    rows = [
        BASELINE,
        row(1, description=EVIL),
        row(2, Status.DISCARD, description=EVIL, reason=EVIL),
    ]
    told = info(
        goal=EVIL,
        host=EVIL,
        metric_name=EVIL,
        stop_reason=EVIL,
        metric_command=EVIL,
        guards=(EVIL,),
    )
    more = replace(MORE, earlier=(row(3, description=EVIL),), ignored=(EVIL,), holdout=EVIL)
    text = body(rows, told, more)
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    flat = [t for token in tokens for t in (token, *(token.children or ()))]
    assert not [t for t in flat if t.type in ("image", "link_open")]
    html = "".join(t.content for t in flat if t.type in ("html_inline", "html_block"))
    assert set(re.findall(r"</?([a-z]+)", html)) <= {"details", "summary", "span"}
    outside = "".join(t.content for t in flat if t.type == "text")
    assert not re.search(r"@everyone|#1\b|https://evil", outside)
    assert "<!--" not in html


def test_people_cannot_be_cut_off_by_a_marker_in_our_words() -> None:
    rows = [BASELINE, row(1, description="x")]
    ours = body(rows, info(metric_command="<!-- autoresearch-ci:end --> x"), MORE)
    first = merged("theirs", ours, "b")
    second = merged(first, "short", "b")
    assert second == merged("theirs", "short", "b")


# --- markers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("theirs", ["", "before", "before\r\n\r\nlines", "é" * 100])
def test_our_part_is_replaced_and_theirs_stays(theirs: str) -> None:
    first = merged(theirs, "one", "b")
    edited = first + "\nafter"
    second = merged(edited, "two", "b")
    assert second.startswith(theirs)
    assert second.endswith("\nafter")
    assert "one" not in second.replace("before\r\n\r\nlines", "")
    assert merged(second, "two", "b") == second


def test_another_branchs_marker_is_not_ours() -> None:
    assert not is_marked(merged("", "x", "a"), "b")


def test_a_branch_name_cannot_end_the_comment() -> None:
    assert begin("x-->y").count("-->") == 1


def test_a_deleted_second_marker_does_not_duplicate_our_words() -> None:
    first = merged("theirs", "ours", "b").partition("<!-- autoresearch-ci:end")[0]
    second = merged(first, "newer", "b")
    assert second.count("newer") == 1
    assert "ours" not in second


def test_the_room_that_is_left_is_really_there() -> None:
    theirs = "x" * 1000
    ours = "y" * room_for_report(theirs, "b")
    assert len(merged(theirs, ours, "b")) < LIMIT
