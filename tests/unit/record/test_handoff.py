"""What an investigation hands on is read whoever wrote the file, and decides nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autoresearch_ci.decide.aims import Lead
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.record.handoff import read_handoff

PLACE = {"path": "a.py", "line": 3}


def written(tmp_path: Path, value: object) -> Path:
    path = tmp_path / "handoff.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_only_what_is_open_is_handed_on(tmp_path: Path) -> None:
    findings = [
        {
            "status": "open",
            "title": "off by one",
            "why": "w",
            "fix": "f",
            "path": "a.py",
            "line": 3,
        },
        {"status": "disproven", "title": "not it"},
    ]
    (lead,) = read_handoff(written(tmp_path, {"findings": findings}))
    assert lead == Lead(title="off by one", why="w", fix="f", path="a.py", line=3)


@pytest.mark.parametrize("value", ["", "{", "[]", "{}", '{"findings": {}}', "nul"])
def test_a_file_that_is_no_handoff_is_refused_with_what_to_do(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="name the handoff"):
        read_handoff(written(tmp_path, value))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--from-debug"):
        read_handoff(tmp_path / "none")


def test_values_of_any_type_and_size_are_bounded(tmp_path: Path) -> None:
    odd = {"status": "open", "title": ["x"], "why": "y" * 9_000, "path": None, "line": "3"}
    leads = read_handoff(written(tmp_path, {"findings": [odd, 1, None, *[odd] * 200]}))
    assert len(leads) == 50
    assert (leads[0].title, len(leads[0].why), leads[0].path, leads[0].line) == ("", 1_000, "", 0)
