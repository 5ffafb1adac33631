"""What several roles say, each alone: what of it is the same, how they voted, whether they herd.

Values in, values out. Votes are counted here and nowhere else; nobody is told how others voted.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from autoresearch_ci.decide.investigation.finding import (
    ANCHOR_LINES,
    SEVERITIES,
    Evidence,
    claim_key,
)

_ALIKE = 0.3
"""Share of words from which on two claims about one place are the same."""
_FLIPPING, _UNIFORM = 0.8, 0.3
"""More flips than this and less entropy than that is a herd."""

Word = Literal["confirm", "dispute", "abstain"]


@dataclass(frozen=True, kw_only=True)
class RoleFinding:
    """One finding of one role, found alone, with evidence that stands."""

    role: str
    answer: Mapping[str, Any]
    claim: str
    path: str
    line: int
    evidence: tuple[Evidence, ...]
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What is debated: one finding, or several that are the same."""

    name: str
    """`F1`: the same in every round."""
    raised: tuple[RoleFinding, ...]

    @property
    def roles(self) -> tuple[str, ...]:
        """Who saw it alone, in order."""
        return tuple(dict.fromkeys(one.role for one in self.raised))

    @property
    def first(self) -> RoleFinding:
        """Who sees it worst speaks for it."""
        return min(self.raised, key=lambda one: severity_rank(one.answer))

    @property
    def severity(self) -> str:
        """The highest that anybody gave."""
        return str(self.first.answer.get("severity", ""))

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        return tuple(dict.fromkeys(piece for one in self.raised for piece in one.evidence))


def severity_rank(answer: Mapping[str, Any]) -> int:
    """0 is the worst."""
    told = str(answer.get("severity", ""))
    return SEVERITIES.index(told) if told in SEVERITIES else len(SEVERITIES)


def merged(raised: Sequence[RoleFinding]) -> list[Candidate]:
    """The same place and nearly the same words is the same finding; worst first."""
    groups: list[list[RoleFinding]] = []
    for one in raised:
        same = next((g for g in groups if any(_is_same(one, other) for other in g)), None)
        if same is None:
            groups.append([one])
        else:
            same.append(one)
    groups.sort(key=lambda group: min(severity_rank(one.answer) for one in group))
    return [
        Candidate(name=f"F{number}", raised=tuple(group)) for number, group in enumerate(groups, 1)
    ]


def _is_same(one: RoleFinding, other: RoleFinding) -> bool:
    if one.fingerprint == other.fingerprint:
        return True
    if one.path != other.path or abs(one.line - other.line) > ANCHOR_LINES:
        return False
    mine, others = claim_key(one.claim), claim_key(other.claim)
    alike = len(mine & others) / max(1, len(mine | others))
    category = one.answer.get("category")
    return alike >= _ALIKE or bool(category and category == other.answer.get("category"))


# --- Votes ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Vote:
    """What one role says of one candidate in one round."""

    candidate: str
    role: str
    round: int
    """0: having raised it."""
    word: Word
    why: str = ""
    evidence: tuple[Evidence, ...] = ()
    severity: str = ""
    """Which it would give; empty: as it is."""


def first_votes(candidates: Iterable[Candidate]) -> list[Vote]:
    """Whoever raised something stands by it at first."""
    return [
        Vote(candidate=candidate.name, role=role, round=0, word="confirm")
        for candidate in candidates
        for role in candidate.roles
    ]


def last_votes(candidate: Candidate, votes: Iterable[Vote]) -> dict[str, Vote]:
    """By role, what each said last of it."""
    own = [vote for vote in votes if vote.candidate == candidate.name]
    return {vote.role: vote for vote in sorted(own, key=lambda vote: vote.round)}


Standing = Literal["confirmed", "probable", "minority", "dropped"]


def standing(candidate: Candidate, votes: Iterable[Vote], personas: int) -> Standing:
    """Three in five of all confirm it, two do, one does, or nobody."""
    confirms = sum(v.word == "confirm" for v in last_votes(candidate, votes).values())
    if confirms * 5 >= personas * 3:
        return "confirmed"
    return "probable" if confirms >= 2 else "minority" if confirms else "dropped"


def dissent(candidate: Candidate, votes: Iterable[Vote]) -> list[Vote]:
    """Who does not agree in the end, and with which reason."""
    return [vote for vote in last_votes(candidate, votes).values() if vote.word == "dispute"]


# --- Whether they think for themselves ------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Figures:
    """How independent they were."""

    flip_rate: float | None
    """Share of votes that differ from the one before; `None`: nobody voted twice."""
    entropy: float | None
    """Of the last votes on a finding, the mean: 0 all say the same, 1 all words alike often."""
    alone: float | None
    """Share of findings that only one role saw; `None`: there is none."""

    @property
    def is_herd(self) -> bool:
        if self.flip_rate is None or self.entropy is None:
            return False
        return self.flip_rate > _FLIPPING and self.entropy < _UNIFORM

    def words(self) -> str:
        told = {
            "flip rate": self.flip_rate,
            "entropy of the last votes": self.entropy,
            "seen by one role only": self.alone,
        }
        return "\n".join(f"{k}: {'none' if v is None else f'{v:.2f}'}" for k, v in told.items())


def figures(candidates: Sequence[Candidate], votes: Sequence[Vote]) -> Figures:
    """Of a whole panel."""
    flips = [flip for candidate in candidates for flip in _flips(candidate, votes)]
    spreads = [_entropy(last_votes(candidate, votes).values()) for candidate in candidates]
    alone = [len(candidate.roles) == 1 for candidate in candidates]
    return Figures(flip_rate=_mean(flips), entropy=_mean(spreads), alone=_mean(alone))


def _flips(candidate: Candidate, votes: Sequence[Vote]) -> list[bool]:
    """For each vote after a role's first one, whether it is another one."""
    own = [vote for vote in votes if vote.candidate == candidate.name]
    found = []
    for role in dict.fromkeys(vote.role for vote in own):
        cast = sorted((v for v in own if v.role == role), key=lambda vote: vote.round)
        found += [before.word != after.word for before, after in itertools.pairwise(cast)]
    return found


def flips_of(role: str, number: int, votes: Sequence[Vote]) -> int:
    """How many votes a role changed in a round."""
    before = {v.candidate: v.word for v in votes if v.role == role and v.round == number - 1}
    now = [vote for vote in votes if vote.role == role and vote.round == number]
    return sum(vote.candidate in before and before[vote.candidate] != vote.word for vote in now)


def _entropy(votes: Iterable[Vote]) -> float:
    counts = Counter(vote.word for vote in votes)
    total = sum(counts.values())
    shares = [count / total for count in counts.values()]
    return sum(-share * math.log(share) for share in shares) / math.log(3) if total else 0.0


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def backed(vote: Vote) -> Vote:
    """A dispute counts with evidence that stands, else it is an abstention."""
    if vote.word != "dispute" or vote.evidence:
        return vote
    return replace(vote, word="abstain", why=f"disputed without evidence: {vote.why}")
