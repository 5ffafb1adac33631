"""A record is read back as it was written, and nothing else is read at all."""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.decide.failures.lost_tests import Rank, Standard
from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.decide.metric.early_stop import Curve
from autoresearch_ci.decide.metric.printed_lines import PrintedLines
from autoresearch_ci.decide.metric.run_statistics import RunStatistics, Side
from autoresearch_ci.experiment import Experiment, Spent, Status
from autoresearch_ci.record.record_lines import DECIDED, line_of, read_line
from autoresearch_ci.record.run_history import (
    Attempt,
    BranchRecord,
    CostRecord,
    DecisionRecord,
    History,
    IntentRecord,
    PushRecord,
    Record,
    StartRecord,
)
from autoresearch_ci.record.run_records import SuiteFiles
from autoresearch_ci.workspace.repository import FileVersion
from tests import journal_rows

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
KNOWLEDGE = st.builds(
    Knowledge,
    session=st.builds(
        RunStatistics,
        incumbent=st.lists(NUMBERS).map(tuple),
        null_steps=st.lists(st.lists(NUMBERS).map(tuple)).map(tuple),
        carried=st.dictionaries(
            st.text(), st.lists(st.tuples(st.sampled_from(Side), NUMBERS)).map(tuple)
        ),
    ),
    curve=st.none() | st.builds(Curve, points=st.lists(st.tuples(NUMBERS, NUMBERS)).map(tuple)),
    durations=st.dictionaries(st.text(), NUMBERS),
    blind=st.frozensets(st.text()),
    flaky=st.frozensets(st.text()),
    printed=st.dictionaries(st.text(), st.integers(0, 9)),
    baselines=st.dictionaries(st.text(), NUMBERS),
    outputs=st.dictionaries(
        st.text(),
        st.builds(
            PrintedLines,
            lines=st.integers(0, 9),
            kinds=st.dictionaries(st.text(), st.tuples(st.integers(0, 9), st.integers(0, 9))),
        ),
    ),
    holdout_spread=NUMBERS,
)


def row(iteration: int = 0) -> Experiment:
    return journal_rows.row(
        iteration,
        commit="a" * 40,
        metric=1.0,
        delta=None,
        status=Status.BASELINE,
        description="ä",
        best=1.0,
        samples=3,
        seconds=0.1,
        proposer="-",
        reason="",
    )


ATTEMPT = Attempt(
    iteration=1,
    attempt=1,
    commit="b" * 40,
    changes={"a": FileVersion("100644", "c" * 40), "gone": None},
    description="d",
    proposer="p",
    tokens=3,
    cost_usd=0.5,
)
RECORDS: list[Record] = [
    StartRecord(base="a", tag="t", branch=None, ruler={"x": [1]}, version="1", publish={}),
    BranchRecord(branch="b"),
    IntentRecord(iteration=1, attempt=1),
    CostRecord(iteration=1, tokens=5, cost_usd=0.25),
    ATTEMPT,
    DecisionRecord(experiment=row(), standards={"guard 0": "f.json"}),
    PushRecord(branch="b", replaces="", refs={"refs/heads/b": "a" * 40}),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.record)
def test_every_record_is_read_back_as_it_was(record: Record) -> None:
    line = line_of(record)
    assert line.endswith(b"\n")
    assert read_line(line[:-1]) == record


@given(KNOWLEDGE)
def test_what_was_learnt_is_read_back_as_it_was(knowledge: Knowledge) -> None:
    record = DecisionRecord(experiment=row(), knowledge=knowledge)
    line = line_of(record)
    assert line.startswith(DECIDED)
    assert read_line(line[:-1]) == record


@given(st.text(st.characters() | st.sampled_from("\0\x01ab8\udc80\udce9\udcff")))
def test_a_file_name_that_is_no_text_is_read_back_as_it_was(name: str) -> None:
    """Also one that looks as if it had been spelt for that."""
    version = FileVersion("100644", "c" * 40)
    changed = replace(ATTEMPT, changes={name: version, f"{name}2": None}, description=name)
    decided = DecisionRecord(experiment=replace(row(), reason=name), knowledge=Knowledge())
    for record in (changed, decided):
        assert read_line(line_of(record)[:-1]) == record


def altered(record: Record, /, **fields: Any) -> bytes:
    body = json.dumps({**json.loads(line_of(record)), **fields})
    content = json.loads(body)
    del content["crc32"]
    text = json.dumps(content).encode()
    return text[:-1] + b', "crc32": "%08x"}' % zlib.crc32(text)


@pytest.mark.parametrize(
    "line",
    [
        altered(ATTEMPT, more=1),
        altered(ATTEMPT, tokens="3"),
        altered(ATTEMPT, tokens=3.5),
        altered(ATTEMPT, changes={"a": {"mode": "100644"}}),
        altered(ATTEMPT, record="news"),
        altered(ATTEMPT, record=None),
        altered(RECORDS[5], experiment={}),
        altered(RECORDS[5], knowledge={"flaky": "metric"}),
        altered(RECORDS[5], memory={}),
    ],
)
def test_what_no_run_of_ours_writes_is_not_read(line: bytes) -> None:
    with pytest.raises((ValueError, KeyError)) as caught:
        read_line(line)
    assert len(str(caught.value)) < 400


def test_records_add_up() -> None:
    history = History()
    for record in RECORDS[:5]:
        history = history.after(record)
    assert (history.branch, history.attempts) == ("b", (ATTEMPT,))
    assert history.unfinished == Spent(tokens=5, cost_usd=0.25)
    history = history.after(RECORDS[5])
    assert (history.experiments, history.unfinished) == ([row()], Spent())
    history = history.after(CostRecord(iteration=0, tokens=1, cost_usd=0.0)).after(RECORDS[6])
    assert history.aside == Spent(tokens=1)
    assert history.pushed == RECORDS[6]
    with pytest.raises(ValueError, match="iteration 2 follows 0"):
        history.after(DecisionRecord(experiment=row(2)))


# --- which tests passed ---------------------------------------------------------------------------


def many_tests(count: int) -> Standard:
    ranks = {f"tests/test_{n // 100}.py::test_something_{n}[é]": Rank(n % 3) for n in range(count)}
    return Standard(ranks=ranks, sessions=1)


def test_fifty_thousand_tests_do_not_stand_in_a_record_and_are_written_once(tmp_path: Path) -> None:
    files, folder = SuiteFiles(tmp_path / "outcomes"), tmp_path / "outcomes"
    standards = {"guard 0": many_tests(50_000), "guard 1": Standard()}
    names = files.save(standards)
    record = DecisionRecord(experiment=row(), standards=names)
    assert len(line_of(record)) < 2000
    for path in folder.iterdir():
        path.chmod(0o400)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert files.save(standards) == SuiteFiles(folder).save(standards) == names
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert SuiteFiles(folder).load(names) == standards


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_could_not_be_read_back_is_not_written(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        line_of(DecisionRecord(experiment=replace(row(), ci_high=value), knowledge=Knowledge()))
