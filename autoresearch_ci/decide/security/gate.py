"""What the gate of `security` says of a commit, given what scanners told of it and of its base.

CORE: values in, a verdict out; it fails closed. What was not looked at is a gap, whoever is to
blame: a scanner that crashed, a file that is too large, a provider that refused.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from autoresearch_ci.decide.gates import Age, GateVerdict, Judged, Ruling
from autoresearch_ci.decide.security.excuses import Excuse, Excuses
from autoresearch_ci.decide.security.weakness import (
    IMPORTS,
    MODEL,
    Severity,
    Weakness,
    merge,
    worst_first,
)

NEVER = "never"


def threshold_of(word: str) -> Severity | None:
    """`None` for `never`."""
    return None if word == NEVER else Severity(word)


@dataclass(frozen=True, kw_only=True)
class BaseWeaknesses:
    """What is known of the commit that the head is compared with."""

    weaknesses: Sequence[Weakness] = ()
    """In the files that differ; a file that was moved is called as the head calls it."""
    lines: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    """By file, each line that is as it was, and where it stood."""
    missing: str = ""
    """Why there is none; then nobody knows what is new."""


def held_open(hits: Sequence[Weakness]) -> tuple[Weakness, ...]:
    """What scanners told of what somebody proposes, whatever a model made of it.

    The proposal's own words may have persuaded the model, twice and with a quote. So it says there
    why it would refute a hit, and a person accepts the risk, at the base.
    """
    return tuple(
        replace(hit, status="open", answer=f"{hit.answer} (that excuses nothing that is proposed)")
        if hit.status == "disproven"
        else hit
        for hit in hits
    )


def gate(
    head: Sequence[Weakness],
    base: BaseWeaknesses | None,
    *,
    excuses: Excuses,
    threshold: Severity | None,
    unseen: Mapping[str, str],
    looked: int,
    allow_incomplete: bool = False,
    unread: Mapping[str, int] | None = None,
) -> GateVerdict[Weakness]:
    """The verdict on the head.

    `head`: as tools tell it, each with a fingerprint. `base`: `None` where all of the head is
    judged, whoever brought it. `unseen`: files and scanners to why. `looked`: how many files were.
    `unread`: kinds of code of which no scanner knows the language, to how many files: that decides
    nothing, and is a part of what the verdict says, as silence about them would look clean.
    """
    known = _Known(base, head) if base else None
    parts = {w.fingerprint: (w, known.age(w) if known else Age.NEW) for w in head}
    worse = {w.fingerprint for w in head if known and known.got_worse(w)}
    # What a comment of the base excuses stands there; a copy of it does not.
    copies = {name for name, (_, age) in parts.items() if known and age is Age.NEW}
    held = replace(
        excuses,
        of={
            name: excuse
            for name, excuse in excuses.of.items()
            if name not in worse and not (excuse.kind == "comment" and name in copies)
        },
    )
    items = [_judged(one, parts, held, threshold) for one in merge(head)]
    order = [*Age]
    items.sort(
        key=lambda j: (
            not j.blocks,
            j.item.severity.rank,
            order.index(j.age),
            j.item.path,
            j.item.line,
        )
    )
    verdict = GateVerdict(ruling=Ruling.PASS, reason="", items=tuple(items), unseen=unseen)
    ruling, reason = _ruled(verdict, base, threshold, looked, allow_incomplete)
    return replace(verdict, ruling=ruling, reason=f"{reason}{_silent_about(unread or {})}")


_KINDS_TOLD = 5


def _silent_about(unread: Mapping[str, int]) -> str:
    told = [f"{count} {kind}" for kind, count in unread.items()]
    if len(told) > _KINDS_TOLD:
        others = sum([*unread.values()][_KINDS_TOLD:])
        told = [*told[:_KINDS_TOLD], f"{others} of other kinds"]
    return f"; not looked at but for secrets: {', '.join(told)}" if told else ""


class _Known:
    """What stands at the base, each for one of the head's: one that is copied is there once."""

    def __init__(self, base: BaseWeaknesses, head: Sequence[Weakness]) -> None:
        self._base = base
        self._places = defaultdict[tuple[str, str], dict[tuple[int, int], Weakness]](dict)
        for weakness in worst_first(base.weaknesses)[::-1]:
            place = (weakness.line, weakness.last_line)
            self._places[weakness.rule, weakness.path][place] = weakness
        self._were: dict[str, Weakness] = {}
        taken: dict[str, str] = {}
        for weakness in head:
            if was := self._stood_there(weakness):
                self._were[weakness.fingerprint] = was
                taken[was.fingerprint] = weakness.fingerprint
        names = {w.fingerprint: w for w in base.weaknesses}
        for name in [w.fingerprint for w in head if w.fingerprint not in self._were]:
            other = name
            while other in taken:  # who stands where it stood has a name of its own to give
                other = taken[other]
            if other in names:
                self._were[name] = names[other]
                taken[other] = name

    def age(self, weakness: Weakness) -> Age:
        if self._base.missing:
            return Age.UNKNOWN
        was = self._were.get(weakness.fingerprint)
        return Age.OLD if was and was.severity.reaches(weakness.severity) else Age.NEW

    def got_worse(self, weakness: Weakness) -> bool:
        """Whether it stood there and was not as bad: the same words, that more people reach now."""
        was = self._were.get(weakness.fingerprint)
        return was is not None and not was.severity.reaches(weakness.severity)

    def _stood_there(self, weakness: Weakness) -> Weakness | None:
        """What it was when the same rule spoke of the same lines, and those are as they were."""
        lines = self._base.lines.get(weakness.path, {})
        marked = range(weakness.line, weakness.last_line + 1)
        were = [lines.get(line, 0) for line in marked]
        if not weakness.line or not all(were) or were[-1] - were[0] != len(marked) - 1:
            return None
        return self._places[weakness.rule, weakness.path].get((were[0], were[-1]))


def _judged(
    one: Weakness,
    known: Mapping[str, tuple[Weakness, Age]],
    excuses: Excuses,
    threshold: Severity | None,
) -> Judged[Weakness]:
    """Of what tools say together: each part counts by itself, and the newest says its age."""
    parts = [(*known[name], excuses.of.get(name)) for name in one.fingerprints]
    parts = [part for part in parts if part[0].rule not in IMPORTS] or parts
    still = [(p, age) for p, age, excuse in parts if excuse is None and p.status == "open"]
    excuse = None if still else parts[0][2]
    status = "accepted" if excuse else "open" if still else one.status
    age = min((age for _, age in still or [part[:2] for part in parts]), key=[*Age].index)
    return Judged(
        item=replace(one, status=status),
        age=age,
        target=", ".join(one.sources),
        blocks=threshold is not None
        and any(
            part.severity.reaches(threshold) and age in (Age.NEW, Age.UNKNOWN)
            for part, age in still
        ),
        note=_note(one, excuse, excuses),
    )


def _note(one: Weakness, excuse: Excuse | None, excuses: Excuses) -> str:
    if excuse:
        until = f", until {excuse.until}" if excuse.until else ""
        return f"{excuse.kind}: {excuse.why}{until}"
    gone = next((excuses.expired[n] for n in one.fingerprints if n in excuses.expired), None)
    late = f"was accepted until {gone.until}, and is open again: {gone.why}" if gone else ""
    return "; ".join(filter(None, (one.answer, late)))


def refuted(verdict: GateVerdict[Weakness]) -> tuple[Judged[Weakness], ...]:
    """What scanners told, and a model refuted by code."""
    return tuple(
        judged
        for judged in verdict.items
        if judged.item.status == "disproven" and judged.item.sources != (MODEL,)
    )


def _ruled(
    found: GateVerdict[Weakness],
    base: BaseWeaknesses | None,
    threshold: Severity | None,
    looked: int,
    allow_incomplete: bool,
) -> tuple[Ruling, str]:
    gaps = "; ".join(found.missed[:5])
    if len(found.missed) > 5:
        gaps += f"; and {len(found.missed) - 5} more"
    blocking = [judged for judged in found.items if judged.blocks]
    sure = [judged for judged in blocking if judged.age is Age.NEW]
    if sure:
        besides = f"; besides, not all was looked at: {gaps}" if gaps else ""
        return Ruling.FAIL, f"{_counted(sure, new=base is not None)}{besides}"
    if found.unseen and not looked:  # no permission makes something of nothing
        return Ruling.INCOMPLETE, f"nothing was looked at to the end: {gaps}"
    if blocking and base:
        told = _counted(blocking, new=False)
        return Ruling.INCOMPLETE, f"nobody can say whether {told} are new: {base.missing}"
    if found.unseen and not allow_incomplete:
        return Ruling.INCOMPLETE, f"not all was looked at: {gaps}"
    return Ruling.PASS, _well(found, base, threshold)


def _counted(items: Sequence[Judged[Weakness]], *, new: bool) -> str:
    """`3 new weaknesses (1 critical, 2 high)`."""
    counts = Counter(judged.item.severity for judged in items)
    told = ", ".join(f"{counts[severity]} {severity}" for severity in Severity if counts[severity])
    word = "weakness" if len(items) == 1 else "weaknesses"
    return f"{len(items)} {'new ' if new else ''}{word} ({told})"


def _well(
    found: GateVerdict[Weakness], base: BaseWeaknesses | None, threshold: Severity | None
) -> str:
    """Why it passes, and what is there all the same."""
    if not found.items:
        return "no weakness was found"
    there = _counted(found.items, new=False)
    if threshold is None:
        return f"{there} found; nothing fails this gate"
    asked = f"none is {'new, ' if base else ''}open and {threshold} or worse"
    by_model = [judged for judged in refuted(found) if judged.item.severity.reaches(threshold)]
    told = _counted(by_model, new=False)
    but = f"; besides, a model refuted {told} that scanners told" if by_model else ""
    return f"{there} found, {asked}{but}"
