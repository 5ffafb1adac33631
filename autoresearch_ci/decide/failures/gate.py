"""What the gate of `fix` says of a commit, given what is broken there and what was at its base.

CORE: values in, a verdict out; it fails closed. Who looks, how often, and at which base, is the
caller's business.

Several looks at one commit tell what comes and goes. That is forgiven only where it comes and goes
at the base, too: a failure that nobody ever saw there is new, however seldom it shows at the head.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from autoresearch_ci.decide.failures.failure import Category, Diagnosis, Failure, ordered, summary
from autoresearch_ci.decide.failures.lost_tests import Rank, Standard, lost_words
from autoresearch_ci.decide.failures.objective import Seen, compared, mended
from autoresearch_ci.decide.gates import Age, GateVerdict, Judged, Ruling
from autoresearch_ci.errors import ConfigError

NEW, ANY = "new", "any"
_COVERS: Mapping[str, frozenset[Category]] = {
    # What does not build is not looked at any further, so it answers every question with no; an
    # undefined name is told by linters and by type checkers.
    **{category: frozenset({Category.BUILD, category}) for category in Category},
    "type": frozenset({Category.BUILD, Category.CRITICAL, Category.TYPE}),
    "lint": frozenset({Category.BUILD, Category.CRITICAL, Category.LINT}),
    ANY: frozenset(Category) - {Category.WARNING},  # which its own tool lets pass
    NEW: frozenset(),
}
WORDS = ("build", "critical", "type", "test", "lint", "warning", ANY, NEW)
"""What `--fail-on` knows."""
_ASKS_FOR_TESTS = frozenset({NEW, ANY, "test"})


def parse_words(words: Iterable[str]) -> frozenset[str]:
    """Of `--fail-on`, each alone or several with commas; none means `any`. Raises `ConfigError`."""
    found = {part.strip() for word in words for part in word.split(",") if part.strip()}
    for word in sorted(found - {*WORDS}):
        near = difflib.get_close_matches(word, WORDS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"--fail-on {word!r}: expected one of {', '.join(WORDS)}.{hint}")
    return frozenset(found) or frozenset({ANY})


def named(
    failures: Iterable[Failure], words: Collection[str], categories: Collection[str] = ()
) -> list[Failure]:
    """Those that `words` name for what they are, however old they are. `categories`: see `gate`."""
    words = _with_warnings(words, categories)
    return [failure for failure in failures if _asked(failure, words)]


def _with_warnings(words: Collection[str], categories: Collection[str]) -> Collection[str]:
    return {*words, *({"warning"} if ANY in words and "warning" in categories else ())}


def wants_base(words: Collection[str]) -> bool:
    """Whether the verdict depends on the base even where nothing at the head is broken."""
    return bool(_ASKS_FOR_TESTS & {*words})


@dataclass(frozen=True, kw_only=True)
class BaseFailures:
    """What is known of the commit that the head is compared with."""

    looks: Sequence[Seen] = ()
    """The first at all targets that matter, further ones at some of them."""
    targets: Collection[str] = ()
    """All that it has, looked at or not."""
    missing: str = ""
    """Why there is none; then nothing is known of it."""


def gate(
    head: Sequence[Seen],
    base: BaseFailures,
    *,
    words: Collection[str],
    changed: Collection[str] = (),
    allow: Collection[str] = (),
    allow_incomplete: bool = False,
    categories: Collection[str] = (),
) -> GateVerdict[Failure]:
    """The verdict on the head.

    `head`: looks at one and the same commit, the first at all of its targets. `words`: see WORDS.
    `changed`: the paths that differ. `allow`: shortcuts that are none here, as `test-removed`.
    `categories`: what counts at all; what does not build hides the rest, so it always does.
    """
    words = _with_warnings(words, categories)
    first = head[0] if head else {}
    items: list[Judged[Failure]] = []
    lost: dict[str, str] = {}
    unseen: dict[str, str] = {}
    for name in first:
        now = united(head, name)
        told = _of_target(name, head, base, words, changed)
        items += [j if _counts(j.item, categories) else replace(j, blocks=False) for j in told]
        if now.incomplete:
            unseen[name] = now.incomplete
        tests = not categories or "test" in categories
        if tests and (loss := _lost_tests(name, now, base, allow)):
            lost[name] = loss
    places = {failure: at for at, failure in enumerate(ordered(j.item for j in items))}
    ages = [*Age]
    items.sort(key=lambda j: (not j.blocks, ages.index(j.age), places[j.item], j.target))
    verdict = GateVerdict(
        ruling=Ruling.PASS,
        reason="",
        items=tuple(items),
        lost=lost,
        absent=tuple(sorted({*base.targets} - {*first})),
        unseen=unseen,
    )
    ruling, reason = _ruled(verdict, len(first), base, words, allow_incomplete)
    return replace(verdict, ruling=ruling, reason=reason)


def united(looks: Sequence[Seen], name: str) -> Diagnosis:
    """All that looks at one commit told of a target; complete when one of them told everything."""
    told = [look[name] for look in looks if name in look]
    if not told:
        return Diagnosis(incomplete="was not looked at")
    failures = {
        failure.id: failure for diagnosis in reversed(told) for failure in diagnosis.failures
    }
    whole = any(not diagnosis.incomplete for diagnosis in told)
    return Diagnosis(
        failures=tuple(failures.values()),
        incomplete="" if whole else told[0].incomplete,
        suite=next((d.suite for d in told if d.suite and not d.incomplete), told[0].suite),
    )


def suspects(head: Sequence[Seen], base: Sequence[Seen], words: Collection[str]) -> frozenset[str]:
    """The targets whose tests fail otherwise than at the base, or fail the gate although they are
    old: another look says more of them.

    Linters and type checkers say the same whenever they are asked; a command that only says that
    it fails, of no file, may run tests.
    """
    return frozenset(
        name
        for name in (head[0] if head else {})
        for known in [{failure.id for failure in united(base, name).failures}]
        if any(
            (failure.category is Category.TEST or not failure.path)
            and (failure.id not in known or _asked(failure, words))
            for failure in united(head, name).failures
        )
    )


def _of_target(
    name: str,
    head: Sequence[Seen],
    base: BaseFailures,
    words: Collection[str],
    changed: Collection[str],
) -> list[Judged[Failure]]:
    now, was = united(head, name), united(base.looks, name)
    known = {failure.id for failure in was.failures}
    # What hid something is a failure that is gone; that a look ended early explains nothing.
    before_it = replace(was, incomplete="")
    judgement = compared({name: before_it}, {name: now}, changed=changed)
    hidden = {failure.id for failure in judgement.unmasked}
    was_seen = any(name in look for look in base.looks)
    seen, before = _times(now.failures, head, name), _times(now.failures, base.looks, name)
    found = []
    for failure in now.failures:
        at_head, at_base = seen[failure.id], before[failure.id]
        if failure.id in known:
            age = Age.OLD if at_head.steady and at_base.steady else Age.FLAKY
        elif name in base.targets or base.missing:
            unseen = Age.UNKNOWN if was.incomplete else Age.NEW
            age = Age.HIDDEN if failure.id in hidden else unseen
        else:  # the base is not checked with it, so nothing of what it tells stands there
            age = Age.NEW
        steady = at_head.steady and (at_base.steady or not at_base.failed)
        note = "" if steady else f"failed in {at_head}{f', at the base in {at_base}' * was_seen}"
        found.append(
            Judged(
                item=failure,
                age=age,
                target=name,
                blocks=_blocks(age, failure, words),
                note=note,
            )
        )
    return found


@dataclass(frozen=True, kw_only=True)
class _Times:
    """How often something was there."""

    failed: int
    looks: int
    """In which it is known whether it was."""

    @property
    def steady(self) -> bool:
        return self.failed == self.looks

    def __str__(self) -> str:
        return f"{self.failed} of {self.looks} looks"


def _times(failures: Sequence[Failure], looks: Sequence[Seen], name: str) -> dict[str, _Times]:
    failed, known = Counter[str](), Counter[str]()
    for diagnosis in (look[name] for look in looks if name in look):
        there = {failure.id for failure in diagnosis.failures}
        failed.update(there)
        known.update(there)
        known.update(f.id for f in mended((f for f in failures if f.id not in there), diagnosis))
    return {f.id: _Times(failed=failed[f.id], looks=known[f.id]) for f in failures}


def _counts(failure: Failure, categories: Collection[str]) -> bool:
    return not categories or failure.category in {*categories, Category.BUILD}


def _asked(failure: Failure, words: Collection[str]) -> bool:
    return any(failure.category in _COVERS[word] for word in words)


def _blocks(age: Age, failure: Failure, words: Collection[str]) -> bool:
    if age is Age.FLAKY:
        return False
    return _asked(failure, words) or (NEW in words and age in (Age.NEW, Age.UNKNOWN))


def _lost_tests(name: str, now: Diagnosis, base: BaseFailures, allow: Collection[str]) -> str:
    """Which tests passed in each look at the base, and judge nothing at the head."""
    suites = [look[name].suite for look in base.looks if name in look]
    known = [suite for suite in suites if suite]
    if not known:
        return ""
    standard = Standard.of(known[0])
    for suite in known[1:]:
        standard = standard.relaxed(suite)
    # That a test fails is told as a failure; here it only has to judge.
    judging = {t: Rank.ERROR for t, rank in standard.ranks.items() if rank is Rank.PASSED}
    asked = replace(standard, ranks=judging)
    worse = asked.worse(now.suite) if now.suite else {}
    kept = {test: how for test, how in worse.items() if not _allowed(test, how, allow)}
    if worse:
        return lost_words(kept, len(judging))
    return asked.loss(now.suite)


def _allowed(test: str, how: str, allow: Collection[str]) -> bool:
    rule = "test-removed" if how == "missing" else "test-skipped"
    return rule in allow or any(
        test.startswith((f"{path}::", f"{module}::", f"{module}."))
        for path in (entry.removeprefix(f"{rule}:") for entry in allow if f"{rule}:" in entry)
        for module in [path.removesuffix(".py").replace("/", ".")]  # as JUnit reports name it
    )


def _ruled(
    found: GateVerdict[Failure],
    targets: int,
    base: BaseFailures,
    words: Collection[str],
    allow_incomplete: bool,
) -> tuple[Ruling, str]:
    """`targets`: how many the head has."""
    blocking = [judged for judged in found.items if judged.blocks]
    sure = [j for j in blocking if j.age is not Age.UNKNOWN or _asked(j.item, words)]
    unseen = f"not all was looked at: {'; '.join(found.missed)}"
    if sure and found.unseen:  # what vanished there may only not have been seen
        return Ruling.FAIL, "; ".join([*_told(sure), unseen])
    if len(found.unseen) == targets:  # no permission makes something of nothing
        why = "; ".join(found.missed) or "there is no target"
        return Ruling.INCOMPLETE, f"nothing was looked at to the end: {why}"
    if found.unseen and not allow_incomplete:
        return Ruling.INCOMPLETE, unseen
    if not wants_base(words):  # who did not ask about tests is only told
        found = replace(found, lost={})
    if sure or found.gone:
        return Ruling.FAIL, "; ".join([*_told(sure), *found.gone])
    if allow_incomplete:
        return Ruling.PASS, _well(found, base)
    if NEW in words and base.missing:
        return Ruling.INCOMPLETE, f"nobody can say what is new: {base.missing}"
    if blocking:
        names = ", ".join(sorted({judged.target for judged in blocking}))
        told = summary([judged.item for judged in blocking])
        return (
            Ruling.INCOMPLETE,
            f"nobody can say whether {told} are new: at the base, {names} "
            + ("could not be looked at to the end"),
        )
    return Ruling.PASS, _well(found, base)


def _told(items: Sequence[Judged[Failure]]) -> list[str]:
    """`3 new failures (2 test, 1 lint)`."""
    groups = {age: [j.item for j in items if j.age is age] for age in Age}
    return [
        f"{len(group)} {'' if age is Age.UNKNOWN else f'{age} '}failure"
        f"{'' if len(group) == 1 else 's'} ({summary(group)})"
        for age, group in groups.items()
        if group
    ]


def _well(found: GateVerdict[Failure], base: BaseFailures) -> str:
    """Why it passes, and what is there all the same."""
    groups = {age: len(found.of(age)) for age in Age}
    names = {Age.UNKNOWN: "others"} if not base.looks else {}  # nobody compared anything
    there = ", ".join(f"{n} {names.get(age, age)}" for age, n in groups.items() if n)
    if there:
        return f"nothing that is asked about is broken; besides: {there}"
    more = f"; whether tests were lost is not known: {base.missing}" if base.missing else ""
    return f"nothing is broken{more}"
