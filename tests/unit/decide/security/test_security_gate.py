"""What the gate says: new fails, old never does, and what was not looked at is a gap."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autoresearch_ci.decide.gates import Age, GateVerdict, Ruling
from autoresearch_ci.decide.line_map import unchanged_lines
from autoresearch_ci.decide.security.excuses import Excuse, Excuses
from autoresearch_ci.decide.security.gate import BaseWeaknesses, gate, held_open, threshold_of
from autoresearch_ci.decide.security.weakness import Severity, Weakness, identified


def weakness(name: str, line: int = 1, **facts: Any) -> Weakness:
    told = {"rule": "bandit/B602", "severity": Severity.HIGH, "path": "a.py", "cwe": 78, **facts}
    sources = (told["rule"].partition("/")[0],)
    return Weakness(title="t", line=line, fingerprint=name, sources=sources, **told)


def judged(
    *head: Weakness, base: BaseWeaknesses | None = None, fail_on: str = "high", **facts: Any
) -> GateVerdict[Weakness]:
    rest = {"excuses": Excuses(), "unseen": {}, "looked": 3, **facts}
    return gate(head, base, threshold=threshold_of(fail_on), **rest)


OLD = weakness("old")


def test_what_is_new_fails() -> None:
    verdict = judged(OLD, weakness("new", line=9), base=BaseWeaknesses(weaknesses=[OLD]))
    assert verdict.ruling is Ruling.FAIL
    assert verdict.exit_code == 1
    assert verdict.reason == "1 new weakness (1 high)"
    assert [(j.item.fingerprint, j.age, j.blocks) for j in verdict.items] == [
        ("new", Age.NEW, True),
        ("old", Age.OLD, False),
    ]


def test_what_is_old_never_fails() -> None:
    assert judged(OLD, base=BaseWeaknesses(weaknesses=[OLD])).ruling is Ruling.PASS


def test_what_got_worse_is_new_and_no_older_excuse_holds_for_it() -> None:
    mild = weakness("old", severity=Severity.MEDIUM)
    base = BaseWeaknesses(weaknesses=[mild], lines={"a.py": {1: 1}})
    excuses = Excuses(of={"old": Excuse(kind="accepted", why="only members reach it")})
    assert judged(OLD, base=base).ruling is Ruling.FAIL
    assert judged(OLD, base=base, excuses=excuses).ruling is Ruling.FAIL
    assert judged(mild, base=BaseWeaknesses(weaknesses=[OLD])).ruling is Ruling.PASS


def test_without_a_base_all_of_it_counts() -> None:
    assert judged(OLD).ruling is Ruling.FAIL


@pytest.mark.parametrize("fail_on", ["critical", "high", "medium", "low"])
@pytest.mark.parametrize("severity", list(Severity))
def test_as_bad_as_asked_or_worse_fails(fail_on: str, severity: Severity) -> None:
    found = judged(weakness("x", severity=severity), base=BaseWeaknesses(), fail_on=fail_on)
    fails = severity.rank <= Severity(fail_on).rank
    assert found.ruling is (Ruling.FAIL if fails else Ruling.PASS)


def test_never_fails_on_nothing_and_still_tells_gaps() -> None:
    assert judged(OLD, fail_on="never").ruling is Ruling.PASS
    gap = judged(OLD, fail_on="never", unseen={"b.py": "binary"})
    assert gap.ruling is Ruling.INCOMPLETE


def test_an_unseen_file_is_incomplete_unless_that_is_allowed() -> None:
    found = judged(base=BaseWeaknesses(), unseen={"b.py": "binary"})
    assert found.ruling is Ruling.INCOMPLETE
    assert found.exit_code == 1
    assert "b.py: binary" in found.reason
    allowed = judged(base=BaseWeaknesses(), unseen={"b.py": "binary"}, allow_incomplete=True)
    assert allowed.ruling is Ruling.PASS


def test_no_permission_makes_something_of_nothing() -> None:
    found = judged(
        base=BaseWeaknesses(), unseen={"bandit": "it crashed"}, looked=0, allow_incomplete=True
    )
    assert found.ruling is Ruling.INCOMPLETE


def test_what_fails_fails_whatever_was_not_seen() -> None:
    found = judged(weakness("new"), base=BaseWeaknesses(), unseen={"b.py": "binary"})
    assert found.ruling is Ruling.FAIL
    assert "b.py: binary" in found.reason


def test_with_no_base_to_compare_with_nobody_can_say_what_is_new() -> None:
    found = judged(OLD, base=BaseWeaknesses(missing="a shallow clone"))
    assert found.ruling is Ruling.INCOMPLETE
    assert "a shallow clone" in found.reason
    assert judged(base=BaseWeaknesses(missing="a shallow clone")).ruling is Ruling.PASS


BEFORE = "def f(x):\n    run(x)\n"
AFTER = "import os\n\n\ndef g(x):\n    run(x)\n"


@pytest.mark.parametrize("comment", ["", "  # nosec"])
def test_a_copy_above_what_was_there_is_new_and_no_comment_excuses_it(comment: str) -> None:
    block = f"def f(x):\n    run(x){comment}\n"
    before, after = f"import os\n{block}", f"import sys\n{block}{block}"

    def told(content: str, *lines: int) -> tuple[Weakness, ...]:
        found = [weakness("", line=n) for n in lines]
        return identified(found, {"a.py": content}.get)

    was = told(before, 3)
    base = BaseWeaknesses(weaknesses=was, lines={"a.py": unchanged_lines(before, after)})
    excuse = Excuse(kind="comment", why="# nosec")
    excuses = Excuses(of={was[0].fingerprint: excuse} if comment else {})
    found = judged(*told(after, 3, 5), base=base, excuses=excuses)
    assert [j.age for j in found.items if j.blocks] == [Age.NEW]
    assert judged(*told(before, 3), base=base, excuses=excuses).ruling is Ruling.PASS


def test_lines_that_are_as_they_were_are_old_though_what_is_around_has_another_name() -> None:
    base = BaseWeaknesses(
        weaknesses=[weakness("was", line=2)], lines={"a.py": unchanged_lines(BEFORE, AFTER)}
    )
    assert judged(weakness("now", line=5), base=base).ruling is Ruling.PASS


@pytest.mark.parametrize(
    "changed",
    [{"line": 4}, {"rule": "bandit/B603"}, {"path": "b.py"}, {"end_line": 6}],
)
def test_other_lines_another_rule_or_file_are_new(changed: dict[str, Any]) -> None:
    base = BaseWeaknesses(
        weaknesses=[weakness("was", line=2)], lines={"a.py": unchanged_lines(BEFORE, AFTER + "y\n")}
    )
    found = weakness("now", **{"line": 5, **changed})
    assert judged(found, base=base).ruling is Ruling.FAIL


def test_lines_from_between_which_one_was_taken_are_not_as_they_were() -> None:
    before, after = "call(\n  x,\n  quote(y),\n)\n", "call(\n  x,\n)\n"
    was = weakness("was", line=1, end_line=4)
    base = BaseWeaknesses(weaknesses=[was], lines={"a.py": unchanged_lines(before, after)})
    assert judged(weakness("now", line=1, end_line=3), base=base).ruling is Ruling.FAIL


def test_old_and_new_at_one_place_are_one_that_is_new() -> None:
    new = weakness("new", rule="semgrep/shell")
    found = judged(OLD, new, base=BaseWeaknesses(weaknesses=[OLD]))
    assert [(j.age, j.blocks, j.item.sources) for j in found.items] == [
        (Age.NEW, True, ("bandit", "semgrep"))
    ]


def test_a_mild_new_word_beside_a_bad_old_one_does_not_fail() -> None:
    new = weakness("new", rule="semgrep/shell", severity=Severity.LOW)
    assert judged(OLD, new, base=BaseWeaknesses(weaknesses=[OLD])).ruling is Ruling.PASS


def test_what_is_excused_does_not_fail_and_is_told() -> None:
    why = Excuse(kind="accepted", why="behind a proxy", until="2027-01-31")
    found = judged(OLD, excuses=Excuses(of={"old": why}))
    assert found.ruling is Ruling.PASS
    assert found.items[0].item.status == "accepted"
    assert found.items[0].note == "accepted: behind a proxy, until 2027-01-31"


def test_an_import_neither_takes_an_excuse_from_its_use_nor_makes_it_new() -> None:
    imported = weakness("import", rule="bandit/B404", severity=Severity.INFO)
    why = Excuse(kind="comment", why="# nosec")
    assert (
        judged(OLD, imported, excuses=Excuses(of={"old": why})).items[0].note == "comment: # nosec"
    )
    assert judged(OLD, imported, base=BaseWeaknesses(weaknesses=[OLD])).items[0].age is Age.OLD


def test_an_excuse_of_one_tool_does_not_excuse_another() -> None:
    other = weakness("other", rule="semgrep/shell")
    excuse = Excuses(of={"old": Excuse(kind="comment", why="# nosec")})
    assert judged(OLD, other, excuses=excuse).ruling is Ruling.FAIL


@pytest.mark.parametrize("status", ["disproven", "unknown"])
def test_what_was_refuted_or_rests_on_nothing_is_told_and_does_not_fail(status: str) -> None:
    found = judged(weakness("x", status=status))
    assert found.ruling is Ruling.PASS
    assert found.items[0].item.status == status
    other = weakness("y", rule="semgrep/shell")
    assert judged(weakness("x", status=status), other).ruling is Ruling.FAIL


def test_a_refutation_that_lets_it_pass_is_in_the_reason() -> None:
    gone = weakness("x", status="disproven", answer="refuted, says a model: a constant")
    found = judged(gone)
    assert found.ruling is Ruling.PASS
    assert "a model refuted 1 weakness (1 high) that scanners told" in found.reason
    assert found.items[0].note == "refuted, says a model: a constant"
    assert "refuted" not in judged(replace(gone, sources=("model",))).reason


def test_no_refutation_excuses_what_is_proposed() -> None:
    hits = [
        weakness("x", status="disproven", answer="refuted, says a model: a constant"),
        weakness("y", line=9, answer="kept, says a model: it can be used"),
    ]
    held = held_open(hits)
    assert [hit.status for hit in held] == ["open", "open"]
    assert held[1] == hits[1]
    found = judged(*held, base=BaseWeaknesses())
    assert found.ruling is Ruling.FAIL
    assert "that excuses nothing that is proposed" in found.items[0].note


def test_what_stands_beside_something_refuted_is_open() -> None:
    gone = weakness("x", status="disproven", severity=Severity.CRITICAL)
    other = weakness("y", rule="semgrep/shell", severity=Severity.LOW)
    (one,) = judged(gone, other).items
    assert (one.item.status, one.blocks) == ("open", False)


def test_what_has_expired_is_open_again_and_says_so() -> None:
    gone = Excuse(kind="accepted", why="until the release", until="2026-01-31")
    found = judged(OLD, excuses=Excuses(expired={"old": gone}))
    assert found.ruling is Ruling.FAIL
    assert "open again" in found.items[0].note


def test_lines_are_mapped_around_what_changed() -> None:
    assert unchanged_lines("a\nb\nc\n", "a\nx\nb\nc\n") == {1: 1, 3: 2, 4: 3}
    assert unchanged_lines("a\nb\n", "") == {}
    assert unchanged_lines("", "a\n") == {}
    many = "\n".join(map(str, range(20_000)))
    other = "\n".join(map(str, range(20_000, 0, -1)))
    assert len(unchanged_lines(many, other)) < 20_000
