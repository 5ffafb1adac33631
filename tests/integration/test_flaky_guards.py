"""Guards that fail now and then: whose fault that is, and how often they are run to find out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script


GUARDED = ("--guard", "./guard", "--confirm", "never")
CONFIRMED = ("--guard", "./guard", "--confirm", "auto")


@pytest.fixture
def calls(tmp_path: Path, repo: Repo) -> Path:
    """One character a call of the guard: the first of `value`. Fails at the calls in `fails`."""
    repo.write(
        "guard",
        f"#!/bin/sh\nhead -c1 value >> {tmp_path}/calls\nn=$(wc -c < {tmp_path}/calls)\n"
        f'test ! -e {tmp_path}/fails || ! grep -qwe "$n" {tmp_path}/fails\n',
        mode=0o755,
    )
    repo.commit("guard")
    return tmp_path / "calls"


def fails(calls: Path, *numbers: int) -> None:
    calls.with_name("fails").write_text("".join(f"{number}\n" for number in numbers))


def to(*values: int) -> list[dict[str, object]]:
    return [{"description": f"to {value}", "files": {"value": f"{value}\n"}} for value in values]


def test_a_guard_that_fails_on_the_incumbent_too_blames_no_candidate(
    run: Run, script: Script, calls: Path
) -> None:
    fails(calls, 2, 5)
    script(*to(9))
    done = run(*GUARDED)
    assert done.column("status") == ["baseline", "keep"], done.told
    assert calls.read_text() == "19911"


def test_once_a_guard_is_known_to_be_flaky_a_second_run_is_enough(
    run: Run, script: Script, calls: Path
) -> None:
    fails(calls, 1, 3, 5)
    script(*to(9, 8))
    done = run(*GUARDED)
    assert done.column("status") == ["baseline", "keep", "keep"], done.told
    assert calls.read_text() == "119988"
    assert "fails now and then on the unmodified code" in done.told


def test_a_candidate_that_makes_a_sound_guard_unsound_is_refused(
    run: Run, script: Script, calls: Path
) -> None:
    fails(calls, 2)
    script(*to(9))
    done = run(*GUARDED)
    assert done.column("status") == ["baseline", "discard"], done.told
    assert "never failed in 3 runs on the incumbent" in done.rows[1]["reason"]
    assert calls.read_text() == "199111"


def test_what_fails_twice_fails(run: Run, script: Script, calls: Path) -> None:
    fails(calls, 2, 3)
    script(*to(9))
    done = run(*GUARDED)
    assert done.column("status") == ["baseline", "discard"], done.told
    assert calls.read_text() == "199"


def test_a_guard_that_fails_twice_on_the_unmodified_code_ends_the_run(
    run: Run, script: Script, calls: Path
) -> None:
    fails(calls, 1, 2)
    script(*to(9))
    assert run(*GUARDED).code == 4
    assert calls.read_text() == "11"


def test_what_is_known_of_a_guard_survives_a_resumption(
    run: Run, script: Script, calls: Path
) -> None:
    fails(calls, 1, 3)
    script(*to(9))
    run(*GUARDED, "--iterations", "0")
    done = run(*GUARDED, "--resume", "--iterations", "1")
    assert done.column("status") == ["baseline", "keep"], done.told
    assert calls.read_text() == "1199"


# --- on the result again --------------------------------------------------------------------------


def confirmation(done: Any) -> dict[str, Any]:
    facts = json.loads((done.folder / "run.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = facts["confirmation"]
    return found


def test_a_change_that_breaks_a_guard_half_of_the_time_is_no_gain_that_holds(
    run: Run, script: Script, repo: Repo, tmp_path: Path
) -> None:
    nines = tmp_path / "nines"
    repo.write(
        "guard",
        f"#!/bin/sh\ngrep -q 9 value || exit 0\necho x >> {nines}\n"
        f'test $(($(wc -l < {nines}) % 2)) = 1 || {{ echo "1 of 70 lost"; exit 3; }}\n',
        mode=0o755,
    )
    repo.commit("guard")
    script(*to(9))
    done = run(*CONFIRMED)
    assert (done.code, done.column("status")) == (0, ["baseline", "keep"]), done.told
    found = confirmation(done)
    assert (found["holds"], found["guard_runs"]) == (False, 2)
    assert "1 of 70 lost" in found["refusal"]
    summary = (done.folder / "summary.md").read_text(encoding="utf-8")
    assert summary.startswith("**The gain did not hold: a guard fails on the result.**")
    assert "1 of 70 lost" in summary
    assert "done: the gain did not hold: guard failed: exit code 3: 1 of 70 lost" in done.out


def test_guards_that_pass_run_as_often_as_the_pairs_and_that_is_said(
    run: Run, script: Script, calls: Path
) -> None:
    script(*to(9))
    done = run(*CONFIRMED, "--set", "confirm.repeats=3")
    assert (confirmation(done)["holds"], confirmation(done)["guard_runs"]) == (True, 3)
    assert calls.read_text() == "19" + "999"
    assert "and the guards passed 3 times" in (done.folder / "summary.md").read_text()


def test_one_failure_that_is_gone_at_once_asks_for_as_many_rounds_again(
    run: Run, script: Script, calls: Path
) -> None:
    fails(calls, 3)
    script(*to(9))
    done = run(*CONFIRMED, "--set", "confirm.repeats=2")
    assert confirmation(done)["holds"], done.told
    assert calls.read_text() == "19" + "99111" + "99"


def test_what_fails_twice_on_the_result_ends_the_confirmation(
    run: Run, script: Script, calls: Path
) -> None:
    fails(calls, 3, 4)
    script(*to(9))
    found = confirmation(run(*CONFIRMED))
    assert (found["holds"], found["guard_runs"]) == (False, 1)
    assert "now, too" not in found["refusal"]
    assert calls.read_text() == "19" + "99" + "1"


def test_a_guard_that_fails_on_everything_by_now_is_said_to(
    run: Run, script: Script, calls: Path
) -> None:
    fails(calls, *range(3, 20))
    script(*to(9))
    found = confirmation(run(*CONFIRMED))
    assert not found["holds"]
    assert found["refusal"].endswith("; the guards fail on the unmodified code now, too")


def test_a_guard_that_fails_on_the_base_too_blames_no_result(
    run: Run, script: Script, calls: Path
) -> None:
    fails(calls, 3, 5, 6)
    script(*to(9))
    done = run(*CONFIRMED, "--set", "confirm.repeats=3")
    assert confirmation(done)["holds"], done.told
    assert calls.read_text() == "19" + "991" + "99" + "9"


def test_a_number_is_held_against_its_tolerance_once(run: Run, script: Script, calls: Path) -> None:
    script(*to(9))
    guard = "{command: './guard && echo size: 1', metric: size}"
    done = run("--set", f"guards=[{guard}]", "--confirm", "auto")
    assert confirmation(done)["guard_runs"] == 1, done.told
    assert calls.read_text() == "19" + "9"


def test_a_gain_that_does_not_hold_anyway_is_guarded_no_further(
    run: Run, script: Script, calls: Path, tmp_path: Path
) -> None:
    script(*to(9))
    counter = tmp_path / "metrics"
    lucky = (
        f"echo x >> {counter}; if [ $(wc -l < {counter}) -gt 6 ]; then echo 10; else cat value; fi"
    )
    done = run(*CONFIRMED, metric=lucky)
    assert (confirmation(done)["holds"], confirmation(done)["guard_runs"]) == (False, 0)
    assert calls.read_text() == "19"


def test_without_time_left_the_guards_run_once_more_and_no_further(
    run: Run, script: Script, repo: Repo, tmp_path: Path
) -> None:
    slow = tmp_path / "slow"
    repo.write(
        "guard",
        f"#!/bin/sh\ngrep -q 9 value || exit 0\ntest ! -e {slow} || sleep 8\ntouch {slow}\n",
        mode=0o755,
    )
    repo.commit("guard")
    script(*to(9, 8))
    done = run(*CONFIRMED, "--minutes", "0.12", "--iterations", "1")
    assert done.column("status") == ["baseline", "keep"], done.told
    assert (confirmation(done)["holds"], confirmation(done)["guard_runs"]) == (True, 1)
