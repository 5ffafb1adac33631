"""What became of each weakness: fixed is only what would have been told again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autoresearch_ci.decide.investigation.finding import Evidence
from autoresearch_ci.decide.security.weakness import Severity, Weakness
from autoresearch_ci.decide.security.weakness_history import (
    Chapter,
    Entry,
    ScannedHistory,
    continued,
)
from autoresearch_ci.record.weakness_records import read, written

DAY = "2026-11-30"
FULL = ScannedHistory(
    commit="c" * 40, day=DAY, files={"a.py", "b.py"}, present={"a.py", "b.py"}, scanners={"bandit"}
)


def weakness(name: str = "0" * 16, **facts: Any) -> Weakness:
    told = {"path": "a.py", "line": 3, "severity": Severity.HIGH, "title": "a shell", **facts}
    return Weakness(rule="bandit/B602", fingerprint=name, sources=("bandit",), **told)


def first(*told: Weakness) -> tuple[Entry, ...]:
    return continued((), told, replace(FULL, day="2026-11-01", commit="a" * 40)).entries


def then(known: tuple[Entry, ...], *told: Weakness, **looked: Any) -> Chapter:
    return continued(known, told, replace(FULL, **looked))


def test_it_is_new_then_persists_and_keeps_the_day_it_was_found() -> None:
    known = first(weakness())
    found = then(known, weakness(line=9))
    assert found.ages == {"0" * 16: "persisting"}
    (entry,) = found.entries
    assert (entry.first, entry.last, entry.line) == ("2026-11-01", DAY, 9)
    assert then((), weakness()).ages == {"0" * 16: "new"}


def test_what_is_looked_at_again_and_not_told_is_fixed_once() -> None:
    found = then(first(weakness()))
    assert found.entries[0].status == "fixed"
    assert found.gone == {"fixed": ("high a.py:3: a shell [bandit/B602]",)}
    later = then(found.entries, day="2026-12-01")
    assert later.gone == {}
    assert later.entries[0].ended == DAY


@pytest.mark.parametrize("looked", [{"files": {"b.py"}}, {"scanners": {"zizmor"}}])
def test_what_was_not_looked_at_again_is_unknown_and_never_fixed(looked: dict[str, Any]) -> None:
    found = then(first(weakness()), **looked)
    assert found.entries[0].status == "unknown"
    assert "fixed" not in found.gone
    assert then(found.entries, weakness()).ages == {"0" * 16: "persisting"}


def test_a_file_that_is_gone_is_a_weakness_less() -> None:
    found = then(first(weakness()), files={"b.py"}, present={"b.py"})
    assert found.entries[0].status == "fixed"


SINK = "subprocess.call(name, shell=True)"
BOTH = replace(
    weakness(),
    sources=("bandit", "model"),
    evidence=(
        Evidence(kind="quote", path="a.py", line=3, text=SINK),
        Evidence(kind="quote", path="a.py", line=30, text="def of_a_request(name):"),
    ),
)


@pytest.mark.parametrize(
    ("text", "scanners", "status"),
    [
        ("def of_a_request(name):\n    subprocess.call(name)\n", {"bandit"}, "fixed"),
        (f"if name:\n    {SINK}  # moved\n", {"bandit"}, "unknown"),
        (SINK.replace(", ", ",\n    "), {"bandit"}, "unknown"),
        ("", {"zizmor"}, "unknown"),
        (None, {"bandit"}, "unknown"),
    ],
)
def test_what_a_scanner_and_a_model_told_is_fixed_when_it_looked_again_and_the_code_is_gone(
    text: str | None, scanners: set[str], status: str
) -> None:
    known = read(written(first(BOTH)))
    found = then(known, scanners=scanners, read=lambda path: text)
    assert found.entries[0].status == status
    gone = then(known, files={"b.py"}, present={"b.py"})
    assert gone.entries[0].status == "fixed"


def test_what_a_model_alone_told_is_not_fixed_by_being_silent_about_it() -> None:
    alone = replace(BOTH, sources=("model",))
    assert then(first(alone), read=lambda path: "").entries[0].status == "unknown"


def test_what_was_fixed_and_is_told_again_is_reopened() -> None:
    fixed = then(first(weakness())).entries
    found = then(fixed, weakness(), day="2026-12-02")
    assert found.ages == {"0" * 16: "reopened"}
    assert (found.entries[0].status, found.entries[0].first) == ("open", "2026-11-01")


def test_it_is_the_same_under_any_of_its_names() -> None:
    known = first(weakness(same=("0" * 16, "1" * 16)))
    assert then(known, weakness("1" * 16)).ages == {"1" * 16: "persisting"}


def test_two_that_become_of_one_are_one_old_and_one_new() -> None:
    known = first(weakness(same=("0" * 16, "1" * 16)))
    found = then(known, weakness(), weakness("1" * 16, line=7))
    assert sorted(found.ages.values()) == ["new", "persisting"]
    assert len(found.entries) == 2


def test_it_is_read_as_it_was_written_and_anything_else_is_no_history() -> None:
    known = first(weakness(), weakness("1" * 16, path="b.py"))
    assert read(written(known)) == known
    for content in (None, b"", b"{", b"[]", b'{"version": 2, "entries": []}', b"\xff"):
        assert read(content) == ()
    odd = b'{"version": 1, "entries": [3, {}, {"names": [], "line": "x"}]}'
    assert read(odd) == ()
