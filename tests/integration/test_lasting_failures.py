"""A failure that lasts ends the run with its words, and takes nothing away that was kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script


def value(number: object) -> dict[str, Any]:
    return {"description": f"try {number}", "files": {"value": f"{number}\n"}}


CRASHES = "grep -q [0-9] value || { echo 'ValueError: no number' >&2; exit 3; }; cat value"


def test_the_same_crash_three_times_in_a_row_ends_the_run_with_its_words(
    run: Run, script: Script
) -> None:
    script(value("a"), value("b"), value("c"), value(9))
    done = run(metric=CRASHES)
    assert done.code == 5, done.told
    assert done.column("status")[1:] == ["crash"] * 3
    assert "3 times in a row: exit code 3: ValueError: no number" in done.err
    summary = (done.folder / "summary.md").read_text(encoding="utf-8")
    assert summary.startswith("**Stopped by a failure:** the same failure 3 times in a row")
    assert "ValueError: no number" in summary.splitlines()[0]
    assert "no improvement found" not in done.out
    assert json.loads((done.folder / "run.json").read_text())["failed"] is True


def test_a_machine_that_broke_meanwhile_is_named_instead_of_the_candidates(
    run: Run, script: Script, repo: Repo
) -> None:
    service = repo.path.parent / "service"
    service.touch()
    script(value(9), value(8), value(7), value(6), value(5))
    gone = (
        f"grep -q 8 value && rm -f {service}; test -e {service} || {{ echo service down; exit 7; }}"
    )
    done = run(metric=f"{gone}; cat value")
    assert done.code == 4, done.told
    assert done.column("status")[1:] == ["keep", "crash", "crash", "crash"]
    assert "what was kept fails, too: exit code 7: service down" in done.err
    assert repo.kept() == ["experiment: try 9"]


def test_what_failed_by_the_machine_is_measured_again_once_that_was_mended(
    run: Run, script: Script, repo: Repo
) -> None:
    service = repo.path.parent / "service"
    service.touch()
    breaks = f"grep -q 9 value && ! test -e {service}.mended && rm -f {service}"
    metric = f"{breaks}; test -e {service} || {{ echo service down; exit 7; }}; cat value"
    ideas = [value(9), value(8), value(7)]
    script(*ideas, *ideas)
    done = run(metric=metric)
    assert done.code == 4, done.told
    assert done.column("status")[1:] == ["crash"] * 3
    for name in ("service", "service.mended"):
        service.with_name(name).touch()
    done = run("--resume", "--confirm", "never", metric=metric)
    assert done.code == 0, done.told
    assert done.column("status")[4:] == ["keep"] * 3, done.told


def test_what_was_kept_before_is_confirmed_and_stays(run: Run, script: Script, repo: Repo) -> None:
    script(value(9), value("a"), value("b"), value("c"), value(8))
    done = run(metric=CRASHES)
    assert done.code == 5, done.told
    assert repo.kept() == ["experiment: try 9"]
    facts = json.loads((done.folder / "run.json").read_text(encoding="utf-8"))
    assert facts["confirmation"]["head"] == 9
    assert "Stopped because: the same failure" in (done.folder / "summary.md").read_text()


@pytest.mark.parametrize(
    "ends",
    [("a", "b", "9"), ("a", "b", "10", "c", "d"), ("a", "b")],
    ids=["a keep", "a discard between", "only two"],
)
def test_other_ends_between_are_no_failure_that_lasts(
    run: Run, script: Script, ends: tuple[str, ...]
) -> None:
    script(*map(value, ends))
    assert run(metric=CRASHES).code == 0


@pytest.mark.parametrize(
    ("hook", "code", "said"),
    [
        ("test -e {} || {{ date +%N; echo license expired $$; exit 1; }}", 4, "license expired"),
        ("grep -q 10 value || {{ echo no such number; exit 1; }}", 5, "no such number"),
        ("grep -q 10 value || {{ echo no $(cat value); exit 1; }}", 0, "no 6"),
        (
            "grep -q 10 value || {{ echo value:1:1: odd $(tr 6-9 a-d < value); "
            "echo Found 1 error.; exit 1; }}",
            0,
            "value:1:1: odd a",
        ),
    ],
    ids=["what it needs is gone", "the same words", "other words", "other findings"],
)
def test_a_hook_ends_the_run_where_it_refuses_the_unmodified_code_or_says_always_the_same(
    hook: str, code: int, said: str, run: Run, script: Script, repo: Repo
) -> None:
    service = repo.path.parent / "service"
    service.touch()
    repo.write(".git/hooks/pre-commit", f"#!/bin/sh\n{hook.format(service)}\n", mode=0o755)
    script(value(9), value(8), value(7), value(6))
    done = run("--set", "hooks=true", metric=f"rm -f {service}; cat value")
    assert done.code == code, done.told
    assert done.column("status")[1:] == ["hook-blocked"] * (3 if code else 4)
    assert said in done.told
    assert ("it refuses the unmodified code, too" in done.err) == (code == 4), done.told


def test_an_agent_that_is_lost_after_experiments_without_a_keep_is_no_success(
    run: Run, repo: Repo
) -> None:
    config = repo.path.parent / "config.yml"
    lost = repo.path.parent / "lost"
    agent = f"test -e {lost} && echo usage limit reached; test -e {lost} || echo 11 > value"
    config.write_text(
        "proposer: {command: " + json.dumps(agent) + "}\n"
        f"sandbox: {{write: [{repo.path.parent}]}}\n"
    )
    done = run("--config", str(config), proposer=None, metric=f"touch {lost}; cat value")
    assert done.code == 5, done.told
    assert "usage limit reached" in done.err


def test_a_guard_that_broke_meanwhile_ends_the_run_and_one_that_works_does_not(
    run: Run, script: Script, repo: Repo
) -> None:
    service = repo.path.parent / "service"
    service.touch()
    script(*map(value, (9, 8, 7, 6, 5)))
    guard = f"grep -q 8 value && rm -f {service}; test -e {service} || {{ echo gone; exit 7; }}"
    done = run("--guard", guard)
    assert done.code == 4, done.told
    assert done.column("status")[1:] == ["keep", "discard", "discard", "discard"]
    assert "what was kept fails, too: guard failed: exit code 7: gone" in done.err
    assert repo.kept() == ["experiment: try 9"]


def test_candidates_that_a_sound_guard_refuses_in_the_same_way_are_a_search(
    run: Run, script: Script, repo: Repo
) -> None:
    script(*map(value, (9, 8, 7, 6, 5)))
    done = run("--guard", "grep -q 10 value")
    assert done.code == 0, done.told
    assert done.column("status")[1:] == ["discard"] * 5


def holdout(command: str) -> tuple[str, str]:
    return "--set", "holdout=" + json.dumps({"command": command})


def test_a_holdout_that_broke_meanwhile_denies_nobody_and_ends_the_run(
    run: Run, script: Script, repo: Repo
) -> None:
    service = repo.path.parent / "service"
    service.touch()
    ideas = [*map(value, (9, 8, 7, 6))]
    script(*ideas, *ideas[1:])
    gone = f"grep -q 8 value && ! test -e {service}.mended && rm -f {service}"
    flags = holdout(f"{gone}; test -e {service} || {{ echo hidden words; exit 7; }}; cat value")
    done = run(*flags)
    assert done.code == 4, done.told
    assert done.column("status")[1:] == ["keep", "discard", "discard", "discard"]
    said = "the holdout could not be measured: it fails on what was kept, too"
    assert done.column("reason")[2:] == [said] * 3
    assert done.column("holdout")[1:] == ["gains", "-", "-", "-"]
    assert f"3 times in a row: {said}" in done.err
    assert "hidden words" not in done.told + (done.folder / "summary.md").read_text()
    for name in ("service", "service.mended"):
        service.with_name(name).touch()
    done = run("--resume", "--confirm", "never", *flags)
    assert done.column("status")[5:] == ["keep"] * 3, done.told


@pytest.mark.parametrize("on", ["any code", "the candidate"])
def test_a_holdout_that_fails_once_denies_only_what_alone_makes_it_fail(
    run: Run, script: Script, repo: Repo, on: str
) -> None:
    count = repo.path.parent / "count"
    fails = "test $((n % 2)) = 1" if on == "any code" else "grep -q 9 value && test $n = 4"
    script(value(9))
    command = f"n=$(cat {count} || echo 0); echo $((n+1)) > {count}; {fails} && exit 1; cat value"
    done = run(*holdout(command), "--confirm", "never")
    kept = on == "any code"
    assert done.column("status")[1:] == (["keep"] if kept else ["discard"]), done.told
    assert done.column("holdout")[1:] == (["gains"] if kept else ["no"])
    assert ("the holdout fails now and then" in done.told) is kept
