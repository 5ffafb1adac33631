"""What is written is what is read, whoever wrote it and whatever a model put into a cell."""

from __future__ import annotations

import math
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.experiment import Direction, Experiment, HoldoutVerdict, Status
from autoresearch_ci.record.journal_tsv import (
    TEXT_LIMIT,
    format_row,
    header,
    parse_direction,
    parse_rows,
    recorded,
)
from autoresearch_ci.record.ledger import append_row

KARPATHY = (Path(__file__).parent / "data" / "karpathy-results.tsv").read_text()
HEADER = header(Direction.MINIMIZE)
KEPT = Experiment(
    iteration=3,
    timestamp="2026-01-02T03:04:05Z",
    commit="b2c3d4e",
    metric=0.97,
    delta=0.97 - 0.98,
    guard="pass",
    guard_metric=48200.0,
    status=Status.KEEP,
    description="raise MATRIX_LR from 0.04 to 0.057",
    best=0.97,
    samples=4,
    ci_low=0.0012345678,
    ci_high=0.02,
    seconds=61.23456,
    tokens=1200,
    cost_usd=0.0123,
    peak_memory_mb=None,
    proposer="search",
    attempts=1,
    reason="",
    expected=0.03,
)
COLUMNS = len(format_row(KEPT).split("\t"))
ANY_TEXT = st.text(max_size=40)
MAYBE_FLOAT = st.none() | st.floats()
COUNT = st.integers(0, 10**12)
EXPERIMENTS = st.builds(
    Experiment,
    iteration=COUNT,
    timestamp=ANY_TEXT,
    commit=ANY_TEXT,
    metric=MAYBE_FLOAT,
    delta=MAYBE_FLOAT,
    guard=st.sampled_from(["pass", "fail", "-"]),
    guard_metric=MAYBE_FLOAT,
    status=st.sampled_from(Status),
    description=st.text(),
    best=MAYBE_FLOAT,
    samples=COUNT,
    ci_low=MAYBE_FLOAT,
    ci_high=MAYBE_FLOAT,
    seconds=st.floats(0, 1e9),
    tokens=COUNT,
    cost_usd=st.floats(0, 1e6),
    peak_memory_mb=MAYBE_FLOAT,
    proposer=ANY_TEXT,
    attempts=COUNT,
    reason=st.text(),
    expected=MAYBE_FLOAT,
    holdout=st.sampled_from(HoldoutVerdict),
    doubt=st.text(),
    failure=st.text(),
)


def test_a_row_is_one_readable_line() -> None:
    assert format_row(KEPT).split("\t") == [
        *("3", "2026-01-02T03:04:05Z", "b2c3d4e", "0.97", "-0.01", "pass", "48200", "keep"),
        *("raise MATRIX_LR from 0.04 to 0.057", "0.97", "4", "0.00123457", "0.02", "61.235"),
        *("1200", "0.0123", "-", "search", "1", "-", "0.03", "-", "-", "-\n"),
    ]


def test_the_header_is_the_peers_then_ours() -> None:
    assert header(Direction.MAXIMIZE) == (
        "# metric_direction: higher_is_better\n"
        "iteration\ttimestamp\tcommit\tmetric\tdelta\tguard\tguard-metric\tstatus\tdescription\t"
        "best\tsamples\tci_low\tci_high\tseconds\ttokens\tcost_usd\tpeak_memory_mb\tproposer\t"
        "attempts\treason\texpected\tholdout\tdoubt\tfailure\n"
    )


@given(EXPERIMENTS)
def test_any_experiment_is_one_row_that_reads_back(experiment: Experiment) -> None:
    line = format_row(experiment)
    assert line.endswith("\n")
    assert len(line.splitlines()) == 1
    (read,) = parse_rows(HEADER + line)
    metric = experiment.metric
    assert read.metric == (metric if metric is not None and math.isfinite(metric) else None)
    assert (read.iteration, read.status) == (experiment.iteration, experiment.status)
    assert format_row(read) == line


@given(EXPERIMENTS)
def test_what_a_run_remembers_is_what_a_resumed_run_reads(experiment: Experiment) -> None:
    once = recorded(experiment)
    assert parse_rows(HEADER + format_row(once)) == (once,)
    assert recorded(once) == once


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_metrics_survive_exactly(value: float) -> None:
    assert recorded(Experiment(**{**vars(KEPT), "metric": value, "best": value})).best == value


@given(st.text())
def test_no_text_breaks_a_row_or_hides_in_a_cell(text: str) -> None:
    cell = format_row(Experiment(**{**vars(KEPT), "description": text})).split("\t")[8]
    assert 0 < len(cell) <= TEXT_LIMIT
    assert not {unicodedata.category(c) for c in cell} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("a\tb\r\nc\x00\x1b[31md", "a b c [31md"),
        ("a\u202eb\u200bc\u2066d\ufeff", "a b c d"),
        ("hidden\U000e0041\U000e0042\U000e0100tag", "hidden tag"),
        ("path \udcff.py", "path .py"),
        ("", "-"),
        ("\t\n", "-"),
        ("x" * 501, "x" * 499 + "…"),
        ("naïve 日本 🎉", "naïve 日本 🎉"),
    ],
)
def test_model_written_text_is_one_visible_cell(text: str, cell: str) -> None:
    row = format_row(Experiment(**{**vars(KEPT), "description": text}))
    assert row.split("\t")[8] == cell


def test_a_torn_last_line_is_ignored() -> None:
    text = HEADER + format_row(KEPT)
    for cut in range(1, len(format_row(KEPT)) + 1):
        assert parse_rows(text + format_row(KEPT)[:-cut]) == (recorded(KEPT),)


@pytest.mark.parametrize("direction", list(Direction))
def test_the_direction_is_read_back_only_from_a_whole_header(direction: Direction) -> None:
    whole = header(direction)
    assert parse_direction(whole) is direction
    assert parse_direction(whole.replace("\n", "\r\n")) is direction
    for cut in range(len(whole)):
        assert parse_direction(whole[:cut]) is None
    torn = whole[: whole.index("\n") + 1]  # what append leaves of a header torn in its second line
    assert parse_rows(torn + whole + format_row(KEPT)) == (recorded(KEPT),)


def test_an_unknown_direction_is_an_error() -> None:
    with pytest.raises(ValueError, match="sideways"):
        parse_direction("# metric_direction: sideways\nx\n")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda cells: cells[:-1], f"{COLUMNS - 1} cells under {COLUMNS}"),
        (lambda cells: [*cells, "x"], f"{COLUMNS + 1} cells under {COLUMNS}"),
        (lambda cells: ["x", *cells[1:]], "'x' is not a whole number"),
        (lambda cells: ["-", *cells[1:]], "the iteration is missing"),
        (lambda cells: [*cells[:3], "nan", *cells[4:]], "'nan' is not a plain finite number"),
        (lambda cells: [*cells[:7], "kept", *cells[8:]], "'kept' is not a valid Status"),
        (lambda cells: ["\0" * 100], f"1 cells under {COLUMNS}"),
    ],
)
def test_a_malformed_row_names_its_line(damage, reason: str) -> None:  # type: ignore[no-untyped-def]
    row = format_row(KEPT).rstrip("\n").split("\t")
    text = HEADER + format_row(KEPT) + "\t".join(damage(row)) + "\n"
    with pytest.raises(ValueError, match=f"line 4: .*{reason}"):
        parse_rows(text)


def test_a_file_that_is_no_journal_is_an_error() -> None:
    with pytest.raises(ValueError, match="line 2: expected the journal's column names"):
        parse_rows("\nname\tvalue\n")
    assert parse_rows("") == ()


def test_unknown_columns_are_ignored() -> None:
    titles, row = HEADER.split("\n")[1], format_row(KEPT)
    text = f"{titles}\tmood\n{row[:-1]}\tsunny\n"
    assert parse_rows(text) == (recorded(KEPT),)


def test_karpathys_journal_is_read() -> None:
    rows = parse_rows(KARPATHY)
    assert len(rows) == 20
    baseline, first, crash = rows[0], rows[1], rows[15]
    assert (baseline.status, baseline.metric, baseline.commit) == (Status.BASELINE, 0.9979, "")
    assert (baseline.peak_memory_mb, baseline.iteration) == (44.0 * 1024, 0)
    assert (first.status, first.commit, first.iteration) == (Status.KEEP, "bea057b", 1)
    assert first.delta == pytest.approx(0.986041 - 0.9979)
    assert (rows[3].status, rows[3].best) == (Status.DISCARD, 0.981773)
    assert (crash.status, crash.metric, crash.delta) == (Status.CRASH, None, None)
    assert (crash.peak_memory_mb, crash.samples) == (None, 0)
    kept = [row.metric for row in rows if row.status is Status.KEEP and row.metric is not None]
    assert rows[-1].best == min(kept)
    assert parse_direction(KARPATHY) is None


# From uditgoenka/autoresearch's own results-logging.md and commands/autoresearch.md.
PEER_1_0 = """\
iteration	commit	metric	delta	status	description
0	a1b2c3d	85.2	0.0	baseline	initial state — test coverage 85.2%
1	b2c3d4e	87.1	+1.9	keep	add tests for auth middleware edge cases
2	-	86.5	-0.6	discard	refactor test helpers (broke 2 tests)
3	-	0.0	0.0	crash	add integration tests (DB connection failed)
"""
PEER_1_6 = """\
# metric_direction: higher_is_better
iteration	commit	metric	delta	guard	status	description
0	a1b2c3d	85.2	0.0	pass	baseline	initial state — test coverage 85.2%
1	b2c3d4e	87.1	+1.9	pass	keep	add tests for auth middleware edge cases
2	-	88.9	+1.8	fail	discard	inline hot-path functions (guard: 3 tests broke)
3	-	0.0	0.0	-	crash	add integration tests (DB connection failed)
"""
PEER_2_0 = """\
# metric_direction: higher_is_better
iteration	commit	metric	delta	guard	guard-metric	status	description
0	a1b2c3d	85.2	0.0	pass	baseline	initial state — this row lacks a cell in their docs
1	b2c3d4e	87.1	+1.9	pass	48500	keep (reworked)	add auth tests (bundle +300 bytes)
2	-	88.0	+0.9	fail	51500	discard	add integration tests (exceeds 5% of 48200)
3	-	-	-	-	-	no-op	attempted to modify read-only config
"""
PEER_2_2 = """\
# metric_direction: higher_is_better
iteration	timestamp	commit	metric	delta	guard	guard-metric	status	description
0	2026-01-02T03:04:05Z	a1b2c3d	85.2	0.0	-	-	baseline	initial state
1	2026-01-02T03:05:05Z	b2c3d4e	87.1	+1.9	pass	-	keep	add tests
2	2026-01-02T03:06:05Z	-	86.5	-0.6	-	-	discard	refactor helpers
3	2026-01-02T03:07:05Z	-	-	-	-	-	metric-error	verify output was 'PASS'
"""


@pytest.mark.parametrize("text", [PEER_1_0, PEER_1_6, PEER_2_0, PEER_2_2])
def test_every_version_of_the_peers_journal_is_read(text: str) -> None:
    rows = parse_rows(text)
    assert [row.iteration for row in rows] == [0, 1, 2, 3]
    assert [row.commit for row in rows] == ["a1b2c3d", "b2c3d4e", "", ""]
    assert [row.status for row in rows[:3]] == [Status.BASELINE, Status.KEEP, Status.DISCARD]
    assert [row.metric for row in rows[:2]] == [85.2, 87.1]
    assert [row.best for row in rows] == [85.2, 87.1, 87.1, 87.1]
    assert (rows[1].delta, rows[3].metric, rows[3].samples) == (1.9, None, 0)


def test_the_peers_guard_numbers_are_read() -> None:
    rows = parse_rows(PEER_2_0)
    assert [row.guard for row in rows] == ["pass", "pass", "fail", "-"]
    assert [row.guard_metric for row in rows] == [None, 48500.0, 51500.0, None]


def test_append_adds_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "results.tsv"
    append_row(path, HEADER)
    append_row(path, format_row(KEPT))
    append_row(path, format_row(KEPT).rstrip("\n"))
    assert path.read_text() == HEADER + format_row(KEPT) * 2


@pytest.mark.parametrize("torn", ["4\t2026", "x" * 200_000])
def test_append_cuts_off_what_a_crash_left(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "results.tsv"
    path.write_text(HEADER + torn)
    append_row(path, format_row(KEPT))
    assert path.read_text() == HEADER + format_row(KEPT)


def test_append_cuts_off_a_torn_first_line(tmp_path: Path) -> None:
    path = tmp_path / "results.tsv"
    path.write_text("# metric_dir")
    append_row(path, HEADER)
    assert path.read_text() == HEADER


def test_append_does_not_follow_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("precious")
    (tmp_path / "results.tsv").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        append_row(tmp_path / "results.tsv", format_row(KEPT))
    assert (tmp_path / "elsewhere").read_text() == "precious"


# The limit on file size stands in for a full disk: a short write, then an error.
APPEND_ON_A_FULL_DISK = """
import pathlib, resource, signal, sys
from autoresearch_ci.record.ledger import append_row
path = pathlib.Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
room = path.stat().st_size + 10
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
try:
    append_row(path, "a row that is longer than ten bytes")
except OSError:
    print("refused")
"""


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "results.tsv"
    append_row(path, HEADER)
    child = subprocess.run(
        [sys.executable, "-c", APPEND_ON_A_FULL_DISK, path],
        stdout=subprocess.PIPE,
        check=True,
    )
    assert child.stdout == b"refused\n"
    assert path.read_text() == HEADER
