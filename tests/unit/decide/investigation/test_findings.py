"""What a claim rests on is checked, and what stays the same when lines move."""

from __future__ import annotations

from typing import Any

import pytest

from autoresearch_ci.decide.investigation.finding import (
    Checked,
    Execution,
    StatusRequirement,
    anchor,
    check,
    claim_key,
    enclosing,
    fingerprint,
    is_same_claim,
    settle,
)

TEXT = "\n".join(
    [
        "import os",
        "",
        "class Cart:",
        "    def total(self):",
        "        result = 1",
        "        return result + self.rest()",
        "",
        "    def other(self):",
        "        result = 1",
        "        return result",
    ]
)
FILES = {"cart.py": TEXT}
RUNS = {
    1: Execution(command="pytest a.py", exit_code=1, symptom=True),
    2: Execution(command="python probe.py", exit_code=1),
    3: Execution(command="python probe.py", exit_code=0),
    4: Execution(command="python probe.py", exit_code=1, broken=True),
    5: Execution(command="python probe.py", exit_code=1, controlled=False),
    6: Execution(command="python probe.py", exit_code=0, controlled=False),
}


def checked(*pieces: Any) -> Checked:
    return check(pieces, FILES.get, RUNS)


def quote(text: str, line: int = 0, path: str = "cart.py") -> dict[str, Any]:
    return {"kind": "quote", "path": path, "line": line, "text": text}


def command(run: int, exit_code: int | None = None) -> dict[str, Any]:
    return {"kind": "command", "run": run, "exit_code": exit_code}


def test_a_quote_is_anchored_where_it_really_stands() -> None:
    found = checked(quote("return result + self.rest()", line=4))
    assert [piece.line for piece in found.kept] == [6]
    assert found.kinds == {"quote"}


def test_of_two_places_the_nearer_one_is_meant() -> None:
    assert anchor(TEXT, "result = 1", 8) == 9
    assert anchor(TEXT, "result = 1", 4) == 5


@pytest.mark.parametrize(
    ("piece", "why"),
    [
        (quote("result = 2", line=5), "does not stand there"),
        (quote("result = 1"), "more than once"),
        (quote("return result + self.rest()", line=60), "in line 6, not near"),
        (quote("}", line=5), "too short"),
        (quote("def total(self):\nresult = 2", line=4), "does not stand there"),
        (quote("import os", path="../etc/passwd"), "no such text file"),
        (quote("import os", path="nothing.py"), "no such text file"),
        (quote("x" * 5000, line=1), "too long"),
        (command(99), "no such command was run"),
        (command(2, exit_code=0), "ended with exit code 1"),
        ({"kind": "rumour"}, "neither"),
        ("cart.py:5", "not an object"),
        ({"kind": "quote", "path": 3, "text": None}, "without path"),
        ({"kind": "command", "run": True}, "no such command"),
    ],
)
def test_what_does_not_stand_is_dropped_with_its_reason(piece: Any, why: str) -> None:
    found = checked(piece)
    assert found.kept == ()
    assert why in found.dropped[0]


def test_several_lines_may_be_indented_otherwise() -> None:
    assert anchor(TEXT, "def total(self):\n    result = 1\n", 3) == 4


def test_that_the_symptom_fails_proves_no_explanation() -> None:
    assert checked(command(1)).kinds == {"command"}
    assert checked(command(2)).kinds == {"command", "failing_command"}
    assert checked(command(3)).kinds == {"command", "passing_command"}


def test_what_may_fail_whatever_the_code_does_proves_nothing_by_failing() -> None:
    assert checked(command(5)).kinds == {"command"}
    assert checked(command(6)).kinds == {"command", "passing_command"}
    assert [checked(command(n)).kept[0].moot for n in RUNS] == [
        True,
        False,
        False,
        True,
        True,
        False,
    ]


def test_a_script_that_could_not_even_start_proves_nothing() -> None:
    assert checked(command(4)).kinds == frozenset()


RULES = {
    "confirmed": StatusRequirement(needs=("failing_command", "quote"), fields=("title",)),
    "disproven": StatusRequirement(needs=("command", "quote")),
    "inconclusive": StatusRequirement(),
}


def settled(claimed: str, found: Checked, refuted: str = "", **answer: str) -> tuple[str, bool]:
    result = settle(claimed, answer, found, RULES, otherwise="inconclusive", refuted=refuted)
    return result.status, bool(result.overruled)


def test_a_claim_is_confirmed_by_evidence_only() -> None:
    proof = checked(quote("result = 1", line=5))
    assert settled("confirmed", proof, title="t") == ("confirmed", False)
    assert settled("confirmed", Checked(), title="t") == ("inconclusive", True)
    assert settled("confirmed", checked(command(1)), title="t") == ("inconclusive", True)
    assert settled("confirmed", proof) == ("inconclusive", True)
    assert settled("disproven", Checked()) == ("inconclusive", True)
    assert settled("certain", proof) == ("inconclusive", True)


def test_an_experiment_that_fails_without_the_cause_too_confirms_nothing() -> None:
    proof = checked(quote("result = 1", line=5), command(2))
    for claimed, status in (("confirmed", "inconclusive"), ("disproven", "disproven")):
        found = settle(claimed, {"title": "t"}, proof, RULES, otherwise="inconclusive", spoilt=True)
        assert found.status == status


def test_a_prediction_that_did_not_come_true_disproves() -> None:
    proof = checked(quote("result = 1", line=5))
    assert settled("confirmed", proof, refuted="disproven", title="t") == ("disproven", True)
    assert settled("inconclusive", proof, refuted="disproven") == ("inconclusive", False)


def test_a_fingerprint_survives_moved_lines() -> None:
    moved = "# a comment\n\n" + TEXT
    one = fingerprint("r", "cart.py", enclosing("cart.py", TEXT, 5), "result = 1")
    other = fingerprint("r", "cart.py", enclosing("cart.py", moved, 7), "result = 1")
    assert one == other
    elsewhere = fingerprint("r", "cart.py", enclosing("cart.py", TEXT, 9), "result = 1")
    assert one != elsewhere


def test_the_place_is_found_in_other_languages_by_indentation() -> None:
    go = "package a\n\nfunc (c *Cart) Total() int {\n\tif x {\n\t\treturn 1\n\t}\n}\n"
    assert enclosing("a.go", go, 5) == "Total"
    assert enclosing("a.py", TEXT, 5) == "Cart.total"
    assert enclosing("broken.py", "def f(:\n    x = 1\n", 2) == "f"


def test_the_same_claim_in_other_order_is_the_same() -> None:
    one = claim_key("Cart.total begins at 1 instead of 0, so every sum is off by one")
    assert is_same_claim(one, claim_key("So every sum is off by one: Cart.total begins at 2"))
    assert not is_same_claim(one, claim_key("The tax rate is read before the locale is set"))
