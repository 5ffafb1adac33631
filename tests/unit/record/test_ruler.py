"""The published mark of a configuration: other numbers, another mark; and no secret in it."""

from __future__ import annotations

from typing import Any

from autoresearch_ci.config.schema import Config
from autoresearch_ci.record.remote_notebooks import ruler_mark


def marked(**more: Any) -> str:
    given = {"scope": ["value"], "metric": {"command": "cat value"}, **more}
    return ruler_mark(Config.model_validate(given))


def test_what_changes_the_numbers_changes_the_ruler_mark() -> None:
    others = [
        marked(scope=["other"]),
        marked(metric={"command": "cat other"}),
        marked(env={"SECONDS": "12"}),
        marked(env={"SECONDS": "60"}),
        marked(guards=["make test"]),
    ]
    assert len({marked(), *others}) == 6


def test_what_leaves_the_numbers_as_they_are_leaves_the_ruler_mark() -> None:
    assert marked(metric={"command": "cat value", "timeout": 9}) == marked()
    assert marked(iterations=3) == marked()
    asked = [marked(holdout={"command": "cat other", "must": must}) for must in ("gain", "hold")]
    assert asked[0] == asked[1] != marked()


def test_nobody_can_guess_a_secret_by_trying_which_gives_the_ruler_mark() -> None:
    assert marked(env={"API_TOKEN": "hunter2"}) == marked(env={"API_TOKEN": "hunter3"}) == marked()
