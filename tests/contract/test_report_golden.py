"""The reports of one small run, as people see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from autoresearch_ci.experiment import Direction, Experiment, Status
from autoresearch_ci.report.chart import progress_svg
from autoresearch_ci.report.pull_request import PullRequestInfo, body, title
from autoresearch_ci.report.run_summary import Confirmation, RunInfo
from autoresearch_ci.report.summary_page import summary_markdown
from autoresearch_ci.report.terminal_table import results_table

Golden = Callable[[str, str], None]


def row(
    iteration: int,
    status: Status,
    metric: float | None,
    delta: float | None,
    best: float,
    description: str,
    reason: str = "",
) -> Experiment:
    return Experiment(
        iteration=iteration,
        timestamp=f"2026-03-08T01:{iteration:02}:00Z",
        commit=f"{0xBEA057 + iteration * 0x1F31:06x}c0ffee",
        metric=metric,
        delta=delta,
        guard="pass",
        guard_metric=None,
        status=status,
        description=description,
        best=best,
        samples=2,
        ci_low=0.004 if status is Status.KEEP else None,
        ci_high=0.021 if status is Status.KEEP else None,
        seconds=61.5,
        tokens=1200,
        cost_usd=0.02,
        peak_memory_mb=310.0,
        proposer="search",
        attempts=1,
        reason=reason,
    )


RUN = (
    row(0, Status.BASELINE, 1.982, None, 1.982, "baseline"),
    row(1, Status.KEEP, 1.951, -0.031, 1.951, "raise MATRIX_LR from 0.04 to 0.057"),
    row(2, Status.DISCARD, 1.953, 0.002, 1.951, "lower WARMUP to 0", "+0.1 % (CI -0.4..0.6)"),
    row(3, Status.CRASH, None, None, 1.951, "BATCH 24 -> 32", "exit 1: out of memory"),
    row(4, Status.KEEP, 1.871, -0.08, 1.871, "use ReLU² instead of GELU | thanks @someone, #12"),
    row(5, Status.DISCARD, 9.7, 7.829, 1.871, "DEPTH 4 -> 40", "clearly worse after one run"),
    row(6, Status.NO_OP, None, None, 1.871, "", "the proposal changed nothing"),
)


def info(confirmation: Confirmation | None = None) -> RunInfo:
    return RunInfo(
        tag="nightly",
        branch="autoresearch/nightly",
        notebook_ref="refs/autoresearch/nightly",
        base_commit="1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d",
        metric_name="val_bpb",
        direction=Direction.MINIMIZE,
        metric_command="python trainer/train.py",
        guards=["pytest -q", "python bench.py  # peak_memory_mb <= 110 %"],
        goal="Lower validation bits per byte at a fixed time budget",
        stop_reason="6 of 6 iterations done",
        started="2026-03-08T01:00:00Z",
        seconds=430.5,
        host="runner-3, 2 cores, Linux 6.1",
        confirmation=confirmation,
    )


def confirmation(*, holds: bool, guard_runs: int = 0) -> Confirmation:
    head, gain = (1.871, 0.056) if holds else (1.9817, 0.00015)
    low, high = (0.05, 0.061) if holds else (-0.0041, 0.0044)
    return Confirmation(
        base=1.982,
        head=head,
        gain=gain,
        ci_low=low,
        ci_high=high,
        n_base=5,
        n_head=5,
        holds=holds,
        guard_runs=guard_runs,
    )


def test_the_summary_of_a_run_whose_gain_was_confirmed(matches_golden: Golden) -> None:
    found = confirmation(holds=True, guard_runs=5)
    matches_golden("summary-confirmed.md", summary_markdown(RUN, info(found)))


def test_the_summary_of_a_run_whose_gain_did_not_hold(matches_golden: Golden) -> None:
    matches_golden("summary-not-held.md", summary_markdown(RUN, info(confirmation(holds=False))))


def test_the_pull_request_of_a_run_whose_result_breaks_a_guard(matches_golden: Golden) -> None:
    why = "guard failed: exit code 1: 8 of 70 tests lost: test_a, test_b (pytest -q)"
    known = info(replace(confirmation(holds=True), holds=False, guard_runs=2, refusal=why))
    more = PullRequestInfo(head=RUN[4].commit, final=True)
    matches_golden("pull-request-refused.md", f"{title(RUN, known)}\n\n{body(RUN, known, more)}")


def test_the_summary_of_a_run_that_was_not_confirmed(matches_golden: Golden) -> None:
    matches_golden("summary.md", summary_markdown(RUN, info()))


def test_the_summary_of_a_run_without_a_gain(matches_golden: Golden) -> None:
    rows = [e for e in RUN if e.status is not Status.KEEP]
    matches_golden("summary-no-gain.md", summary_markdown(rows, info()))


def test_the_progress_picture(matches_golden: Golden) -> None:
    svg = progress_svg(
        RUN, direction=Direction.MINIMIZE, metric_name="val_bpb", title="Lower val_bpb"
    )
    matches_golden("progress.svg", svg)


def test_the_table_that_ends_a_run(matches_golden: Golden) -> None:
    matches_golden("table.txt", results_table(RUN, Direction.MINIMIZE) + "\n")


def test_the_pull_request_of_a_run_that_has_ended(matches_golden: Golden) -> None:
    known = info(confirmation(holds=True))
    more = PullRequestInfo(
        head=RUN[4].commit,
        chart="https://github.example/owner/name/blob/abc123/progress.svg?raw=true",
        job="https://github.example/owner/name/actions/runs/42",
        holdout="p95_ms",
        final=True,
    )
    matches_golden("pull-request.md", f"{title(RUN, known)}\n\n{body(RUN, known, more)}")


def test_the_pull_request_of_a_run_that_goes_on(matches_golden: Golden) -> None:
    rows, known = RUN[:3], info()
    text = body(rows, known, PullRequestInfo(head=RUN[1].commit))
    matches_golden("pull-request-going-on.md", f"{title(rows, known)}\n\n{text}")
