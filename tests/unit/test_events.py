"""Events as JSON: what `--json` promises to programs."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from autoresearch_ci.events import (
    Event,
    ExperimentFinished,
    OutputLine,
    RunFinished,
    StageStarted,
    Warning,
    redacted,
    to_json,
)
from autoresearch_ci.record.journal_tsv import parse_rows

[EXPERIMENT] = parse_rows(
    "iteration\tcommit\tmetric\tdelta\tguard\tstatus\tdescription\treason\n"
    "0\ta1b2c3d\t1.0\t0\t-\tbaseline\tSECRET\tSECRET\n"
)


def test_an_event_is_named_first_and_keeps_its_field_order() -> None:
    event = RunFinished(
        stop_reason="done", kept=0, baseline=1.5, best=None, branch="b", report_dir="r"
    )
    assert json.dumps(to_json(event)) == (
        '{"event": "run-finished", "stop_reason": "done", "kept": 0, "baseline": 1.5, '
        '"best": null, "branch": "b", "report_dir": "r", "confirmed": "", "failed": false, '
        '"pushed": "", "pull_request": "", "repaired": ""}'
    )


def test_every_event_has_a_name_of_its_own() -> None:
    assert to_json(Warning(message="m"))["event"] == "warning"
    assert to_json(OutputLine(text="t"))["event"] == "output-line"
    assert len({kind.__name__ for kind in get_args(Event)}) == 8


def test_a_number_that_json_cannot_say_is_null() -> None:
    event = RunFinished(
        stop_reason="", kept=0, baseline=float("nan"), best=float("inf"), branch="", report_dir=""
    )
    assert to_json(event)["baseline"] is None
    assert to_json(event)["best"] is None


@pytest.mark.parametrize(
    "event",
    [
        Warning(message="a SECRET"),
        OutputLine(text="SECRET"),
        StageStarted(iteration=1, stage="metric", command="echo SECRET"),
        ExperimentFinished(experiment=EXPERIMENT),
    ],
    ids=lambda event: type(event).__name__,
)
def test_no_event_tells_what_is_to_be_removed(event: Event) -> None:
    seen: list[Event] = []
    redacted(seen.append, lambda text: text.replace("SECRET", "***"))(event)
    assert type(seen[0]) is type(event)
    assert "SECRET" not in str(seen[0])
    assert "***" in str(seen[0])
