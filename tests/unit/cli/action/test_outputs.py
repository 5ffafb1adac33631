"""Later steps get every output, in the metric's own sign, and nothing that was not found."""

from __future__ import annotations

from typing import Any

import pytest

from autoresearch_ci.cli.action.outputs import (
    OUTPUTS,
    comparison_outputs,
    last_object,
    named_outputs,
    no_outputs,
    own_lines,
    published_outputs,
    run_outputs,
    verdict,
)
from autoresearch_ci.cli.action.step_summary import comparison_part

TOTALS = {"kept": 2, "baseline": 2.0, "best": 1.9, "iterations": 7, "tokens": 5, "cost_usd": 0.5}


def facts(direction: str = "minimize", **more: Any) -> dict[str, Any]:
    config = {"metric.direction": direction}
    return {"totals": TOTALS, "branch": "autoresearch/t", "config": config, **more}


CONFIRMED = {"base": 2.0, "head": 1.8, "gain": 0.1, "ci_low": 0.08, "ci_high": 0.12, "holds": True}


def test_the_percentages_are_the_headlines() -> None:
    found = run_outputs(facts(confirmation=CONFIRMED), [])
    assert (found["delta-percent"], found["ci-low"], found["ci-high"]) == ("-10.0", "-12.0", "-8.0")
    found = run_outputs(facts("maximize", confirmation=CONFIRMED), [])
    assert (found["delta-percent"], found["ci-low"], found["ci-high"]) == ("10.0", "8.0", "12.0")


def test_an_interval_without_ends_is_left_out() -> None:
    found = run_outputs(facts(confirmation={**CONFIRMED, "ci_low": None, "ci_high": None}), [])
    assert (found["delta-percent"], found["ci-low"], found["ci-high"]) == ("-10.0", "", "")


def test_no_change_at_all_has_no_sign() -> None:
    found = run_outputs(facts(confirmation={**CONFIRMED, "gain": 0.0}), [])
    assert found["delta-percent"] == "0.0"


@pytest.mark.parametrize(("mode", "improved"), [("never", "true"), ("auto", "false")])
def test_unconfirmed_percentages_come_from_the_run_itself(mode: str, improved: str) -> None:
    unconfirmed = facts(confirmation=None)
    unconfirmed["config"]["confirm.mode"] = mode
    found = run_outputs(unconfirmed, [])
    assert (found["improved"], found["delta-percent"]) == (improved, "-5.0")
    assert "ci-low" not in found


def test_what_a_killed_run_had_kept_is_not_known_to_have_held() -> None:
    assert run_outputs(facts(), [])["improved"] == "false"


def test_a_gain_that_is_hard_to_believe_is_no_improvement_for_a_machine() -> None:
    found = run_outputs(facts(hard_to_believe=True, confirmation=CONFIRMED), [])
    assert (found["improved"], found["kept"]) == ("false", run_outputs(facts(), [])["kept"])


@pytest.mark.parametrize("origin", ["b" * 40, "a" * 40])
def test_a_night_alone_is_not_told_as_what_its_pull_request_gains(origin: str) -> None:
    known = facts(base="b" * 40, origin=origin)
    known["config"]["confirm.mode"] = "never"
    names = ("improved", "baseline", "delta-percent", "best", "kept", "iterations")
    alone = tuple(run_outputs(known, [])[name] for name in names)
    first = origin == known["base"]
    headline = ("true", "2.0", "-5.0") if first else ("false", "", "")
    assert alone == (*headline, "1.9", "2", "7")
    assert run_outputs(known | {"confirmation": CONFIRMED}, [])["improved"] == "true"


def test_repairs_are_told_by_how_many_failures_are_left() -> None:
    repairs = {"looked": True, "left": 3, "verdict": "broken"}
    found = run_outputs(facts(repairs=repairs, base="b", origin="a"), [])
    assert (found["failures"], found["verdict"]) == ("3", "broken")
    assert found["baseline"] == "2.0"  # also where a branch goes on


def test_repairs_that_were_not_looked_at_again_are_no_verdict() -> None:
    found = run_outputs(facts(repairs={"looked": False, "left": 0, "verdict": "incomplete"}), [])
    assert (found["failures"], found["verdict"]) == ("2", "incomplete")
    nothing = facts(repairs={"looked": False, "left": 0, "verdict": "incomplete"}, totals={})
    assert run_outputs(nothing, [])["failures"] == ""


def test_a_gain_that_did_not_hold_is_no_improvement() -> None:
    found = run_outputs(facts(confirmation={**CONFIRMED, "holds": False}), [])
    assert found["improved"] == "false"


def test_a_comparison_is_told_in_the_metrics_own_sign() -> None:
    result = {
        "metric": "size",
        "direction": "minimize",
        "comparison": {"verdict": "improved", "gain": 0.05, "low": 0.04, "high": 0.061},
        "base_values": [2.0] * 3,
    }
    told = "**improved: size 2 → 1.9, -5.0 % [95 % CI -6.1, -4.0], n=3+3**"
    assert comparison_part(result, [2.0, 1.9], 0).startswith(told)
    result["comparison"] = {"verdict": "improved", "gain": None, "low": None, "high": None}
    assert "size 2 → 1.9, - [95 % CI -, -], n=3+3" in comparison_part(result, [2.0, 1.9], 0)


def test_a_comparison_of_nothing_claims_no_number() -> None:
    result = {"comparison": {"verdict": "nothing in scope to compare", "gain": 0}}
    told = "**nothing in scope to compare**: nothing was measured. Gate: passed."
    assert comparison_part(result, [], 0) == told
    assert comparison_outputs(result, []) == {"improved": "false"}


def test_nothing_kept_means_no_branch() -> None:
    found = run_outputs(facts() | {"totals": {**TOTALS, "kept": 0, "best": None}}, [])
    assert (found["improved"], found["branch"], found["delta-percent"]) == ("false", "", "")


def test_a_comparison_states_the_gain() -> None:
    result = {"comparison": {"verdict": "improved", "gain": 0.05, "low": 0.04, "high": 0.061}}
    found = comparison_outputs(result, [2.0, 1.9])
    assert found["improved"] == "true"
    assert (found["ci-low"], found["ci-high"]) == ("4.0", "6.1")
    for why in ("guard", "foul"):
        assert comparison_outputs({**result, why: "words"}, [2.0, 1.9])["improved"] == "false"


@pytest.mark.parametrize(
    ("code", "expected"),
    [(0, "pass"), (1, "fail"), (2, "incomplete"), (130, "incomplete"), (None, "incomplete")],
)
def test_a_verdict_is_closed(code: int | None, expected: str) -> None:
    assert verdict(code) == expected


def test_the_pull_request_is_the_one_that_was_published_last() -> None:
    lines = ["published: https://x/1", "x published: https://y/2", "published: run.bundle"]
    assert published_outputs(lines) == {"pull-request": "https://x/1"}
    assert published_outputs(["published: https://x/1 and more", "pushed: a b"]) == {}
    assert published_outputs(["pushed: ours-2"]) == {"branch": "ours-2"}


def test_a_run_that_ends_by_a_failure_says_what_it_had_published() -> None:
    ours = ["pushed: night", "published: https://x/1"]
    quoted = ["autoresearch-ci: the same failure", "published: https://evil/2", "pushed: other"]
    assert own_lines([*ours, *quoted], [], 5) == ours
    assert own_lines(quoted, ["pushed: printed"], 5) == []
    assert own_lines(quoted[1:], [], 5) == [], "its beginning is not remembered any more"
    assert own_lines(ours, ["pushed: printed"], 0) == [*ours, "pushed: printed"]


def test_every_output_is_always_there() -> None:
    assert tuple(no_outputs()) == OUTPUTS


def test_other_commands_name_their_outputs_in_json() -> None:
    lines = ["not {json", '{"old": 1}', '{"pull_request": "https://x\\n/1", "findings": 3}', "end"]
    assert named_outputs(last_object(lines)) == {"pull-request": "https://x /1", "findings": "3"}
    assert last_object(["[1]", "[" * 10_000]) == {}
