"""handoff.schema.json says to other tools what is written and what is read."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from autoresearch_ci.record.handoff_form import Handoff, handoff_text

COMMIT = "a" * 40
SHIPPED = Path(str(resources.files("autoresearch_ci") / "handoff.schema.json"))
FINDING: dict[str, Any] = {
    "fingerprint": "0123456789abcdef",
    "status": "open",
    "rule": "debug",
    "title": "off by one",
    "commit": COMMIT,
    "evidence": [{"kind": "quote", "path": "a.py", "line": 3, "text": "x + 3"}],
}
WHOLE: dict[str, Any] = {
    "version": 1,
    "source": "debug",
    "commit": COMMIT,
    "base": COMMIT,
    "status": "COMPLETE",
    "findings": [FINDING],
}


def told_by_the_file(value: object) -> bool:
    schema = json.loads(SHIPPED.read_text(encoding="utf-8"))
    return bool(jsonschema.Draft202012Validator(schema).is_valid(value))


def test_the_shipped_schema_is_the_one_the_form_generates(request: pytest.FixtureRequest) -> None:
    text = json.dumps(Handoff.model_json_schema(), indent=2) + "\n"
    if request.config.getoption("--update-golden", default=False):
        SHIPPED.write_text(text, encoding="utf-8")
    assert SHIPPED.read_text(encoding="utf-8") == text, "run: make golden"


def test_what_is_written_fits_the_shipped_schema() -> None:
    assert told_by_the_file(json.loads(handoff_text(WHOLE)))


@pytest.mark.parametrize(
    "changes",
    [
        *({"version": 2}, {"version": "2.1.0"}, {"commit": "HEAD"}, {"base": None}, {"run": "id"}),
        *({"status": "done"}, {"findings": [{**FINDING, "path": "/etc/passwd"}]}),
        *({"findings": [{**FINDING, "command": "id"}]}, {"findings": {}}),
    ],
)
def test_the_shipped_schema_refuses_what_the_reader_refuses(changes: dict[str, Any]) -> None:
    assert not told_by_the_file({**WHOLE, **changes})


@pytest.mark.parametrize("name", ["version", "source", "commit", "base", "status", "findings"])
def test_commit_base_and_status_are_always_there(name: str) -> None:
    assert not told_by_the_file({key: value for key, value in WHOLE.items() if key != name})
