"""The objective of a repair is a set: which failures are gone, which are new, what could be seen.

CORE: what was seen before and after -> one judgement. A count is fooled by a syntax error, a
deleted test, or one failure traded for another; a set is not. What the tools said is
measure/diagnostics/'s business, whether a flaky test is to blame flaky.py's.

Something is *unmasked* when it stands there now and could not be seen before: its target said
nothing, or was stopped at an earlier stage (a module that does not parse has no type errors). What
could have been seen before, and was not there, is *new*.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from autoresearch_ci.decide.failures.failure import (
    ENDED_EARLY,
    PLAN,
    Category,
    Diagnosis,
    Failure,
    ordered,
)
from autoresearch_ci.decide.failures.lost_tests import Standard, some, stable


class SetChange(enum.StrEnum):
    """What became of the set."""

    KEPT = "kept"
    """At least one failure is gone, none is new that counts, no test is lost."""
    MOVED = "moved"
    """Some are gone, and no more others, no worse ones, came instead."""
    REGRESSED = "regressed"
    NO_BETTER = "no better"
    INCOMPLETE = "incomplete"
    """A target that told everything before does not now."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a change did to the failures of all targets."""

    outcome: SetChange
    reason: str
    """One sentence."""
    gone: tuple[Failure, ...] = ()
    new: tuple[Failure, ...] = ()
    unmasked: tuple[Failure, ...] = ()
    """They join those that are left."""
    outweighed: tuple[Failure, ...] = ()
    """New, and nothing that stands against the change."""


Seen = Mapping[str, Diagnosis]
"""What was seen of one tree, by the name of the target."""


def compared(
    before: Seen,
    after: Seen,
    *,
    changed: Collection[str] = (),
    removed: Collection[str] = (),
    standards: Mapping[str, Standard] | None = None,
    outweighs: bool = False,
) -> Judgement:
    """The judgement on a change.

    `changed`: the paths it touches. What they hold now was not hidden by another file's error.
    `removed`: those of them that are gone. Where somebody cannot look, nobody knows that what was
    wrong there is mended with them.
    `standards`: by target, what its tests must reach where that is known better than from `before`
    (what flickers is not asked of anybody).
    `outweighs`: whether each failure that is gone, and was more than lint, may bring a warning of a
    rule that the same target tells of already: whoever lets those pass lets that one pass, too.
    """
    gone: list[Failure] = []
    new: list[Failure] = []
    unmasked: list[Failure] = []
    usual: list[Failure] = []
    lost: list[str] = []
    blind: list[str] = []
    dark: list[str] = []
    for name in sorted({*before, *after}):
        was, now = before.get(name, _NEVER), after.get(name, _NEVER)
        if now.incomplete and not was.incomplete:
            blind.append(f"{name}: {now.incomplete}")
        old = {failure.id: failure for failure in was.failures}
        current = {failure.id: failure for failure in now.failures}
        over = [old[key] for key in old if key not in current]
        ended = [f for f in mended(over, now) if f.code != ENDED_EARLY]
        ended += [f for f in over if f not in ended and _lets_run(f, was, now)]
        gone += ended
        if now.incomplete and was.incomplete:
            dark.append(f"{name}: {now.incomplete}")
        for failure in (current[key] for key in current if key not in old):
            hidden = _was_hidden(failure, was, ended, changed)
            common = outweighs and _is_usual(failure, was)
            (unmasked if hidden else usual if common else new).append(failure)
        if loss := _lost_tests(was, now, (standards or {}).get(name)):
            lost.append(f"{name}: {loss}")
    if lone := next((failure for failure in gone if failure.path in removed), None):
        blind += [f"{lone.path} is gone with its failures, and {told}" for told in dark]
    weight = sum(failure.category.rank < Category.LINT.rank for failure in gone)
    if len(usual) > weight:
        new, usual = [*new, *usual], []
    outcome, reason = _verdict(gone, new, lost, blind)
    if usual and outcome is SetChange.KEPT:
        rules = ", ".join(sorted({failure.code for failure in usual}))
        reason += f"; {len(usual)} more of the warnings that are there already: {rules}"
    if unmasked and outcome is SetChange.KEPT:
        reason += f"; {len(unmasked)} could not be seen before"
    return Judgement(
        outcome=outcome,
        reason=reason,
        gone=tuple(ordered(gone)),
        new=tuple(ordered(new)),
        unmasked=tuple(ordered(unmasked)),
        outweighed=tuple(ordered(usual)),
    )


def _is_usual(failure: Failure, was: Diagnosis) -> bool:
    rules = {old.code for old in was.failures if old.category is Category.WARNING}
    return failure.category is Category.WARNING and bool(failure.code) and failure.code in rules


_NEVER = Diagnosis(incomplete="was not looked at")


def mended(failures: Iterable[Failure], now: Diagnosis) -> list[Failure]:
    """Those, not listed any more, that are known to be mended.

    That a test passes is seen even where others could not be; a test that is skipped, deleted or
    renamed fails no more either, and is not mended.
    """
    passed = _passed(now)
    return [
        failure
        for failure in failures
        if (
            _test_of(failure) in passed
            if failure.category is Category.TEST and now.suite
            else not now.incomplete
        )
    ]


def _passed(now: Diagnosis) -> set[str]:
    ends = now.suite.of if now.suite else {}
    return {stable(test) for test, end in ends.items() if end == "passed"}


def _lets_run(failure: Failure, was: Diagnosis, now: Diagnosis) -> bool:
    """Whether tests pass of which nothing was known, as a run does not end there any more, or
    tells of each by itself."""
    known = {failure.tool, PLAN, *(map(stable, was.suite.of) if was.suite else ())}
    more = _passed(now) - known
    return bool(more) and (
        _test_of(failure) == failure.tool if was.suite is None else failure.code == ENDED_EARLY
    )


def _test_of(failure: Failure) -> str:
    return re.sub(r"(?<! )#[0-9]+$", "", failure.id.partition(":")[2])


def _lost_tests(was: Diagnosis, now: Diagnosis, standard: Standard | None) -> str:
    if standard is None:
        standard = Standard() if was.suite is None else Standard.of(was.suite)
    return standard.loss(now.suite)


def _verdict(
    gone: list[Failure], new: list[Failure], lost: list[str], blind: list[str]
) -> tuple[SetChange, str]:
    if new and (not gone or _worst(new) < _worst(gone) or len(new) > len(gone)):
        return SetChange.REGRESSED, f"{_of_new(new)}, {_told(gone, 'gone')}"
    if blind:
        return SetChange.INCOMPLETE, f"nobody can say: {'; '.join(blind)}"
    if lost:
        return SetChange.REGRESSED, "; ".join(lost)
    if new:
        return SetChange.MOVED, f"moved, not fixed: {_of_new(new)}, {_told(gone, 'gone')}"
    if gone:
        return SetChange.KEPT, _told(gone, "gone")
    return SetChange.NO_BETTER, "the same failures as before"


def _worst(failures: Iterable[Failure]) -> tuple[int, int]:
    return min((failure.category.rank, stage(failure)) for failure in failures)


def _told(failures: Collection[Failure], word: str) -> str:
    return f"{len(failures)} {word} ({some(f.id for f in failures)})" if failures else f"0 {word}"


def _of_new(failures: Collection[Failure]) -> str:
    """In words, as they are what stands against a change: an id may be a hash."""
    return f"{len(failures)} new ({some(map(_in_words, failures))})"


def _in_words(failure: Failure) -> str:
    if failure.category is Category.TEST or not failure.path:
        return failure.id
    place = f"{failure.path}:{failure.line}" if failure.line else failure.path
    return " ".join(filter(None, (failure.category, place, failure.code, failure.message)))


# --- What hides what ------------------------------------------------------------------------------

_FILE_BY_FILE = frozenset(
    {"ruff", "eslint", "shellcheck", "actionlint", "python", "pytest", "junit", "vitest", "jest"}
    | {"unittest"}
)
"""Tools whose look at one file does not depend on whether they could read another."""

_STAGES = {"syntax": 0, "collection": 0, "import": 1, "flow": 3, "link": 4}
"""By the code that our parsers give where a compiler has none of its own."""
_OF_RUST = (
    (re.compile(r"E0(4[0-3][0-9]|583|635|463)"), 1),  # names, modules and crates
    (re.compile(r"E0(38[0-9]|49[0-9]|50[0-9]|51[0-9]|59[0-9]|71[0-9])"), 3),  # who owns what
)
_BUILT = 2
"""Types, in the languages whose compilers check them."""
_CHECKED, _RUN = 5, 6
_LATER = {Category.CRITICAL: _CHECKED, Category.TYPE: _CHECKED}


def stage(failure: Failure) -> int:
    """How far its tool has come when it says this: 0 parsing, 1 names, 2 types, 3 flow, 4 linking,
    from 5 on what needs all of that.

    Where a stage goes wrong, tools say nothing of later ones.
    """
    if failure.category is not Category.BUILD:
        return _LATER.get(failure.category, _RUN)
    if failure.code in _STAGES:
        return _STAGES[failure.code]
    if failure.tool == "tsc":  # what it builds on is syntax; types are another category
        return 0
    return next((number for pattern, number in _OF_RUST if pattern.match(failure.code)), _BUILT)


def _holds(mask: Failure, path: str) -> bool:
    """Whether what is wrong there is wrong with this file, too: a folder's set-up is its files'."""
    folder, _, name = mask.path.rpartition("/")
    if mask.code == "collection":
        if name in ("conftest.py", "__init__.py"):
            return not folder or path.startswith(f"{folder}/")
        if "." not in name:
            return path.startswith(f"{mask.path}/")
    return mask.path == path


def _ran_on(ended: Collection[Failure], was: Diagnosis) -> bool:
    """Whether tests ran that did not before: the run stopped early, or told of none."""
    whole = was.suite is None and any(_test_of(failure) == failure.tool for failure in ended)
    return whole or any(failure.code == ENDED_EARLY for failure in ended)


def _was_hidden(
    failure: Failure, was: Diagnosis, ended: Collection[Failure], changed: Collection[str]
) -> bool:
    """Whether it could not be seen before."""
    masks = [f for f in ended if f.category is Category.BUILD and stage(f) < stage(failure)]
    if any(_holds(mask, failure.path) for mask in masks):
        return True
    if failure.category is Category.TEST and _ran_on(ended, was):
        return was.suite is None or _test_of(failure) not in was.suite.of
    if failure.tool in _FILE_BY_FILE and not was.incomplete:
        return False
    # In a file that the change touches and that nothing hid by itself, it is the change's doing.
    return failure.path not in changed and bool(was.incomplete or masks)
