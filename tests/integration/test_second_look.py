"""A candidate that looked better, but not surely so, is proposed again before anything new."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script


def uncertain(tmp_path: Path) -> str:
    """Prints 100, or 99.2 once the constant differs, plus the next of a fixed list of noises.

    The list is one with which four runs leave the question open and eight settle it.
    """
    dice = random.Random(4)
    noises = tmp_path / "noises"
    noises.write_text("".join(f"{round(dice.gauss(0, 0.5), 6)}\n" for _ in range(200)))
    calls = tmp_path / "calls"
    calls.touch()
    return (
        f"echo x >> {calls}; n=$(wc -l < {calls}); noise=$(sed -n ${{n}}p {noises}); "
        "level=99.2; grep -qx 'RATE = 1.0' a.py && level=100; "
        "awk -v a=$level -v b=$noise 'BEGIN {printf \"%.6f\\n\", a + b}'"
    )


def configured(run: Run, repo: Repo, tmp_path: Path, proposer: str, *flags: str) -> list[str]:
    repo.write("a.py", "RATE = 1.0\n")
    repo.commit()
    done = run(
        *("--metric-repeats-max", "4", "--iterations", "2", "--confirm", "never", *flags),
        scope="a.py",
        metric=uncertain(tmp_path),
        proposer=proposer,
    )
    assert done.rows[1]["reason"].startswith("promising"), done.told
    return [f"{row['status']} {row['description']}" for row in done.rows[1:]]


def test_a_promising_candidate_is_proposed_again_and_its_evidence_adds_up(
    run: Run, repo: Repo, tmp_path: Path
) -> None:
    first, second = configured(run, repo, tmp_path, "search")
    assert first.removeprefix("discard ") == second.removeprefix("keep ")
    assert second.startswith("keep ")


def test_a_second_look_survives_a_resume(run: Run, repo: Repo, tmp_path: Path) -> None:
    repo.write("a.py", "RATE = 1.0\n")
    repo.commit()
    options = {"scope": "a.py", "metric": uncertain(tmp_path), "proposer": "search"}
    flags = ("--metric-repeats-max", "4", "--confirm", "never", "--iterations")
    assert run(*flags, "1", **options).rows[1]["reason"].startswith("promising")
    done = run(*flags, "2", "--resume", **options)
    assert done.column("status")[1:] == ["discard", "keep"], done.told
    assert done.rows[1]["description"] == done.rows[2]["description"]


def test_a_script_says_what_each_iteration_proposes(
    run: Run, repo: Repo, script: Script, tmp_path: Path
) -> None:
    script(
        {"description": "one", "files": {"a.py": "RATE = 2.0\n"}},
        {"description": "two", "files": {"a.py": "RATE = 3.0\n"}},
    )
    rows = configured(run, repo, tmp_path, f"script:{script.path}")
    assert [row.rpartition(" ")[2] for row in rows] == ["one", "two"]
