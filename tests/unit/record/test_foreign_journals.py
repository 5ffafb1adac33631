"""A peer's journal is read as what it says; what it lacks is told, never guessed in silence."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.errors import ConfigError
from autoresearch_ci.experiment import Direction, Status
from autoresearch_ci.record.foreign_journals import read_journal

DATA = Path(__file__).parent / "data"
HEAD = {"type": "config", "name": "x", "metricName": "runtime", "bestDirection": "lower"}


def lines(*entries: dict[str, Any]) -> bytes:
    return "".join(json.dumps(entry) + "\n" for entry in entries).encode()


def run(number: int, metric: object, status: str = "keep", **more: object) -> dict[str, Any]:
    return {"run": number, "commit": f"c{number}", "metric": metric, "status": status, **more}


def test_the_direction_of_karpathys_is_inferred_and_that_is_said() -> None:
    read = read_journal((DATA / "karpathy-results.tsv").read_bytes(), "results.tsv")
    assert read.direction is Direction.MINIMIZE
    assert read.metric == "val_bpb"
    assert any("inferred" in note for note in read.notes)


def test_a_direction_that_cannot_be_inferred_is_asked_for() -> None:
    text = b"commit\tscore\tmemory_gb\tstatus\tdescription\na\t1.0\t0\tkeep\tbaseline\n"
    with pytest.raises(ConfigError, match="--direction"):
        read_journal(text, "results.tsv")
    assert read_journal(text, "results.tsv", Direction.MAXIMIZE).rows[0].metric == 1.0


def test_a_direction_that_contradicts_the_journal_is_refused() -> None:
    with pytest.raises(ConfigError, match="minimize, not maximize"):
        read_journal(lines(HEAD, run(1, 1.0)), "log.jsonl", Direction.MAXIMIZE)


def test_the_peers_older_name_of_the_metric_is_known() -> None:
    text = (
        b"# metric_direction: lower_is_better\n"
        b"iteration\tcommit\terror_count\tdelta\tstatus\tdescription\n"
        b"0\ta\t12\t0\tbaseline\tstart\n1\tb\t9\t-3\tkeep\tfewer\n"
    )
    assert [row.metric for row in read_journal(text, "x").rows] == [12, 9]


def test_what_the_peer_repaired_is_kept_and_what_it_gave_up_is_not() -> None:
    text = "iteration\terror_type\tcommit\tmetric\tdelta\tstatus\tdescription\n"
    text += "0\t-\ta\t9\t0\tbaseline\tb\n"
    words = ("fixed", "rework", "recover", "blocked")
    rows = (f"{n}\ttest\tb\t{9 - n}\t-1\t{word}\tx\n" for n, word in enumerate(words, start=1))
    found = read_journal("".join((text, *rows)).encode(), "fix-results.tsv")
    assert [row.status for row in found.rows[1:]] == [Status.KEEP, *[Status.DISCARD] * 3]
    assert found.direction is Direction.MINIMIZE


def test_pis_runs_are_rows_with_its_first_as_the_baseline() -> None:
    content = lines(
        HEAD,
        run(1, 2.0, timestamp=1_700_000_000_000),
        run(2, 1.5),
        run(3, 1.0, "checks_failed"),
        run(4, 0, "crash"),
        run(5, 1.8, "discard"),
    )
    rows = read_journal(content, "log.jsonl").rows
    assert [row.status for row in rows] == [
        Status.BASELINE,
        Status.KEEP,
        Status.DISCARD,
        Status.CRASH,
        Status.DISCARD,
    ]
    assert [row.delta for row in rows] == [0, -0.5, -0.5, None, pytest.approx(0.3)]
    assert [row.guard for row in rows] == ["-", "-", "fail", "-", "-"]
    assert rows[0].timestamp == "2023-11-14T22:13:20+00:00"
    assert rows[-1].best == 1.5


def test_only_pis_newest_segment_counts_and_that_is_said() -> None:
    read = read_journal(lines(HEAD, run(1, 2.0), HEAD, run(1, 9.0), run(2, 8.0), HEAD), "log.jsonl")
    assert [row.metric for row in read.rows] == [9.0, 8.0]
    assert read.notes == ("1 earlier segment is left out: numbers of two baselines do not compare",)


PEERS = "iteration\tcommit\tmetric\tdelta\tguard\tstatus\tdescription"


@pytest.mark.parametrize(
    ("titles", "rows"),
    [
        (
            PEERS,
            [
                "0\ta\t100\t0\t-\tbaseline\tstart",
                "1\tb\t90\t-10\tpass\tkeep\tthe first night",
                "0\tc\t100\t0\t-\tbaseline\tstart",
                "1\td\t120\t20\tfail\tdiscard\tthe second",
            ],
        ),
        (
            "commit\tval\tmemory_gb\tstatus\tdescription",
            [
                "a\t100\t1\tkeep\tbaseline",
                "b\t90\t1\tkeep\tthe first night",
                "c\t100\t1\tkeep\tbaseline",
                "d\t120\t1\tdiscard\tthe second",
            ],
        ),
    ],
)
def test_of_several_runs_in_one_file_the_newest_counts_and_that_is_said(
    titles: str, rows: list[str]
) -> None:
    text = "\n".join(["# metric_direction: lower_is_better", titles, *rows, ""])
    read = read_journal(text.encode(), "results.tsv")
    assert [(row.status, row.metric, row.delta) for row in read.rows] == [
        (Status.BASELINE, 100, 0),
        (Status.DISCARD, 120, 20),
    ]
    assert read.notes == ("1 earlier run is left out: numbers of two baselines do not compare",)


def test_a_torn_last_line_is_left_out_and_a_broken_one_before_is_not() -> None:
    whole = lines(HEAD, run(1, 2.0))
    assert len(read_journal(whole + b'{"run": 2, "met', "log.jsonl").rows) == 1
    with pytest.raises(ConfigError, match="line 3 is no JSON"):
        read_journal(whole + b"{broken\n" + lines(run(2, 1.0)), "log.jsonl")


@pytest.mark.parametrize("metric", ["1.0", True, float("nan"), float("inf"), [1]])
def test_a_metric_that_is_no_number_is_refused(metric: object) -> None:
    with pytest.raises(ConfigError, match="the metric is no number"):
        read_journal(lines(HEAD, run(1, metric)), "log.jsonl")


def test_a_whole_number_beyond_every_float_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"log\.jsonl: not a journal that can be read"):
        read_journal(lines(HEAD, run(1, 10**400)), "log.jsonl")


@given(st.binary(max_size=200))
def test_whatever_a_file_holds_it_is_a_journal_or_a_clear_refusal(content: bytes) -> None:
    with suppress(ConfigError):
        assert read_journal(content, "x").rows
