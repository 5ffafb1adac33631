"""What fails twice fails, and nothing that only a candidate does is forgiven."""

from __future__ import annotations

from collections.abc import Iterable

from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.experiment import GuardRun
from autoresearch_ci.measure.commands import Subject
from autoresearch_ci.measure.second_chance import TRIES, Measured, with_second_chance

CANDIDATE = Subject(changes={}, iteration=1, incumbent={})
UNMODIFIED = Subject(changes={}, iteration=0)
FLAKY = Knowledge().failing_now_and_then("guard 0")


class Command:
    """Passes and fails as told, for each side."""

    def __init__(self, candidate: Iterable[bool], others: Iterable[bool] = ()) -> None:
        self._candidate, self._others = iter(candidate), iter(others)

    def __call__(self, subject: Subject, knowledge: Knowledge) -> tuple[GuardRun, Knowledge]:
        passed = next(self._candidate if subject.is_candidate else self._others)
        return GuardRun(command="c", passed=passed, reason="" if passed else "exit 1"), knowledge


def tried(
    command: Command, subject: Subject = CANDIDATE, knowledge: Knowledge | None = None
) -> Measured[GuardRun]:
    return with_second_chance(
        "guard 0", command, subject, knowledge or Knowledge(), may_pass=lambda run: run.failed
    )


def test_what_passes_is_run_once() -> None:
    found = tried(Command([True]))
    assert (found.run.passed, len(found.runs), found.knowledge) == (True, 1, Knowledge())


def test_what_fails_twice_fails_and_nobody_asks_the_incumbent() -> None:
    found = tried(Command([False, False]))
    assert (found.run.passed, len(found.runs), found.knowledge) == (False, 2, Knowledge())


def test_a_failure_that_the_incumbent_shows_too_is_forgiven_and_remembered() -> None:
    found = tried(Command([False, True], [True, False]))
    assert (found.run.passed, found.forgiven, len(found.runs)) == (True, "exit 1", 4)
    assert found.knowledge == FLAKY


def test_a_candidate_that_makes_a_sound_command_unsound_is_refused() -> None:
    found = tried(Command([False, True], [True] * TRIES))
    assert not found.run.passed
    assert f"never failed in {TRIES} runs on the incumbent" in found.run.reason
    assert found.knowledge == Knowledge()


def test_a_command_that_is_known_to_be_flaky_costs_no_more_than_the_second_run() -> None:
    found = tried(Command([False, True]), knowledge=FLAKY)
    assert (found.run.passed, len(found.runs)) == (True, 2)


def test_unmodified_code_that_fails_once_teaches_that_the_command_is_flaky() -> None:
    found = tried(Command([], [False, True]), UNMODIFIED)
    assert (found.run.passed, found.knowledge) == (True, FLAKY)
    found = tried(Command([], [False, False]), UNMODIFIED)
    assert (found.run.passed, found.knowledge) == (False, Knowledge())
