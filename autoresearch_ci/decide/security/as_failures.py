"""Weaknesses as failures that a repair can end: which are aimed at, and what else counts as news.

CORE: values in, values out. Who looks is measure/weakness_target.py's business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from autoresearch_ci.decide.failures.failure import Category, Failure
from autoresearch_ci.decide.security.excuses import Excuses
from autoresearch_ci.decide.security.gate import BaseWeaknesses, gate
from autoresearch_ci.decide.security.weakness import Severity, Weakness

LEAST = Severity.HIGH
"""What is repaired is as bad as that, or as what fails the gate, whichever is milder."""
SECRETS = "a secret in the code"
_SHELLS = frozenset({"bandit/B602", "bandit/B604", "bandit/B605", "bandit/B609"})
_PROGRAMS = frozenset({"bandit/B404", "bandit/B603", "bandit/B607"})
"""That a program is started at all, told of each that is: all are low."""


def threshold(fail_on: str) -> Severity:
    """From which severity on a weakness is repaired, given what fails the gate."""
    named = Severity(fail_on) if fail_on in [*Severity] else LEAST
    return named if LEAST.reaches(named) else LEAST


def to_repair(
    head: Sequence[Weakness], base: BaseWeaknesses | None, excuses: Excuses, least: Severity
) -> tuple[Weakness, ...]:
    """What is open, bad enough, and not known to be old, worst first."""
    found = gate(head, base, excuses=excuses, threshold=least, unseen={}, looked=1)
    blocking = {
        name for judged in found.items if judged.blocks for name in judged.item.fingerprints
    }
    wanted = [
        weakness
        for weakness in head
        if weakness.fingerprint in blocking
        and weakness.fingerprint not in excuses.of
        and weakness.status == "open"
        and weakness.severity.reaches(least)
    ]
    return tuple(sorted(wanted, key=lambda w: (w.severity.rank, w.confidence.rank, w.path, w.line)))


def failure_id(target: str, weakness: Weakness) -> str:
    """The same as long as it is the same thing, as its fingerprint is."""
    return ":".join((target, weakness.path, weakness.rule, weakness.fingerprint))


def as_failures(
    target: str,
    weaknesses: Iterable[Weakness],
    *,
    wanted: Collection[str],
    known: Mapping[str, Weakness],
    least: Severity,
) -> tuple[Failure, ...]:
    """One for each; `wanted` are the fingerprints to repair, `known` what the base commit has.

    What was there and nobody asked about is a warning. What is new is as bad as it is. That a
    program is started is no news in a file of the base commit that starts a shell: a repair of that
    starts the program without one.
    """
    shells = {w.path for w in known.values() if w.rule in _SHELLS}
    failures = {}
    for weakness in weaknesses:
        if weakness.rule in _PROGRAMS and weakness.path in shells:
            continue
        name = weakness.fingerprint
        pressing = name in wanted or (name not in known and weakness.severity.reaches(least))
        failures[name] = Failure(
            category=Category.CRITICAL if pressing else Category.WARNING,
            tool=target,
            id=failure_id(target, weakness),
            path=weakness.path,
            line=weakness.line,
            code=weakness.rule,
            message=_message(weakness),
            urgency=weakness.severity.rank,
        )
    return tuple(failures.values())


def _message(weakness: Weakness) -> str:
    kind = f" (CWE-{weakness.cwe})" if weakness.cwe else ""
    parts = [f"{weakness.severity}: {weakness.title}{kind}"]
    parts += [text for text in (weakness.why, weakness.fix) if text and text != weakness.title]
    if weakness.family == SECRETS:
        parts.append("Read it from the environment; who has it must revoke it.")
    parts.append("Repair it where it stands: what is deleted, moved or silenced does not count.")
    return "\n".join(parts)
