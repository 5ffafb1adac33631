"""Guards that fail now and then: whose fault that is, and how often they are run to find out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script


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
    done = run("--guard", "./guard")
    assert done.column("status") == ["baseline", "keep"], done.told
    assert calls.read_text() == "19911"


def test_once_a_guard_is_known_to_be_flaky_a_second_run_is_enough(
    run: Run, script: Script, calls: Path
) -> None:
    fails(calls, 1, 3, 5)
    script(*to(9, 8))
    done = run("--guard", "./guard")
    assert done.column("status") == ["baseline", "keep", "keep"], done.told
    assert calls.read_text() == "119988"
    assert "fails now and then on the unmodified code" in done.told


def test_a_candidate_that_makes_a_sound_guard_unsound_is_refused(
    run: Run, script: Script, calls: Path
) -> None:
    fails(calls, 2)
    script(*to(9))
    done = run("--guard", "./guard")
    assert done.column("status") == ["baseline", "discard"], done.told
    assert "never failed in 3 runs on the incumbent" in done.rows[1]["reason"]
    assert calls.read_text() == "199111"


def test_what_fails_twice_fails(run: Run, script: Script, calls: Path) -> None:
    fails(calls, 2, 3)
    script(*to(9))
    done = run("--guard", "./guard")
    assert done.column("status") == ["baseline", "discard"], done.told
    assert calls.read_text() == "199"


def test_a_guard_that_fails_twice_on_the_unmodified_code_ends_the_run(
    run: Run, script: Script, calls: Path
) -> None:
    fails(calls, 1, 2)
    script(*to(9))
    assert run("--guard", "./guard").code == 4
    assert calls.read_text() == "11"


def test_what_is_known_of_a_guard_survives_a_resumption(
    run: Run, script: Script, calls: Path
) -> None:
    fails(calls, 1, 3)
    script(*to(9))
    run("--guard", "./guard", "--iterations", "0")
    done = run("--guard", "./guard", "--resume", "--iterations", "1")
    assert done.column("status") == ["baseline", "keep"], done.told
    assert calls.read_text() == "1199"
