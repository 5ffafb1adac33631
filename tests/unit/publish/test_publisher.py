"""What a run was told at its start is known to the process that resumes it."""

from __future__ import annotations

import dataclasses
import json

from autoresearch_ci.publish.publisher import StartPoint, recalled
from autoresearch_ci.workspace.earlier_change import EarlierChange


def test_what_people_asked_for_survives_a_resumption() -> None:
    change = EarlierChange(commit="c" * 40, description="d", files={"f": ("a\n", None)})
    began = StartPoint(branch="b", unwanted=(change,), again=(change,), heard="2026-01-03")
    found = recalled(json.loads(json.dumps(dataclasses.asdict(began))))
    assert (*found.unwanted, *found.again, found.heard) == (change, change, "2026-01-03")


def test_a_record_whose_journal_is_none_is_not_recalled() -> None:
    assert recalled(dataclasses.asdict(StartPoint(branch="b", kept="garbage\n"))) == StartPoint()
