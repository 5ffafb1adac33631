"""Events as JSON: what `--json` promises to programs."""

from __future__ import annotations

import json
from typing import get_args

from autoresearch_ci.events import Event, OutputLine, RunFinished, Warning, to_json


def test_an_event_is_named_first_and_keeps_its_field_order() -> None:
    event = RunFinished(
        stop_reason="done", kept=0, baseline=1.5, best=None, branch="b", report_dir="r"
    )
    assert json.dumps(to_json(event)) == (
        '{"event": "run-finished", "stop_reason": "done", "kept": 0, "baseline": 1.5, '
        '"best": null, "branch": "b", "report_dir": "r"}'
    )


def test_every_event_has_a_name_of_its_own() -> None:
    assert to_json(Warning(message="m"))["event"] == "warning"
    assert to_json(OutputLine(text="t"))["event"] == "output-line"
    assert len({kind.__name__ for kind in get_args(Event)}) == 7


def test_a_number_that_json_cannot_say_is_null() -> None:
    event = RunFinished(
        stop_reason="", kept=0, baseline=float("nan"), best=float("inf"), branch="", report_dir=""
    )
    assert to_json(event)["baseline"] is None
    assert to_json(event)["best"] is None
