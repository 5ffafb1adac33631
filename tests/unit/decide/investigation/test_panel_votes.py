"""Votes are counted, not felt: who says the same, what stands, and whether a panel is a herd."""

from __future__ import annotations

from typing import Any

import pytest

from autoresearch_ci.decide.investigation.finding import Evidence
from autoresearch_ci.decide.investigation.panel_votes import (
    Candidate,
    RoleFinding,
    Vote,
    backed,
    dissent,
    figures,
    first_votes,
    flips_of,
    merged,
    standing,
)

QUOTE = (Evidence(kind="quote", path="a.py", line=3, text="while True:"),)
LOOP = "the loop asks for ever when the address is wrong"


def raised(role: str, claim: str = LOOP, line: int = 3, **changes: Any) -> RoleFinding:
    answer = {"severity": changes.pop("severity", "high"), **changes}
    name = f"{claim}{line}"
    return RoleFinding(
        role=role, answer=answer, claim=claim, path="a.py", line=line, evidence=QUOTE,
        fingerprint=name,
    )  # fmt: skip


def vote(role: str, word: Any, number: int = 1, **changes: Any) -> Vote:
    return Vote(candidate="F1", role=role, round=number, word=word, **changes)


def test_the_same_place_in_other_words_is_one_and_keeps_the_worst() -> None:
    other = raised("ben", "when the address is wrong it asks for ever", 6, severity="critical")
    (one,) = merged([raised("ada"), other])
    assert (one.roles, one.severity, one.first) == (("ada", "ben"), "critical", other)


@pytest.mark.parametrize(
    "other",
    [
        raised("ben", line=30),
        raised("ben", "the sum of prices is slow", 4),
    ],
)
def test_another_place_or_another_matter_is_another_finding(other: RoleFinding) -> None:
    assert len(merged([raised("ada"), other])) == 2


def test_two_matters_of_one_kind_at_one_place_are_one() -> None:
    one = raised("ada", category="failure")
    other = raised("ben", "nobody notices an outage", 4, category="failure")
    assert len(merged([one, other])) == 1


@pytest.mark.parametrize(
    ("confirms", "expected"),
    [(5, "confirmed"), (3, "confirmed"), (2, "probable"), (1, "minority"), (0, "dropped")],
)
def test_three_in_five_two_one_or_nobody(confirms: int, expected: str) -> None:
    candidate = Candidate(name="F1", raised=(raised("r0"),))
    votes = [vote(f"r{n}", "confirm" if n < confirms else "dispute") for n in range(5)]
    assert standing(candidate, votes, 5) == expected


def test_who_does_not_vote_does_not_confirm() -> None:
    candidate = Candidate(name="F1", raised=(raised("r0"),))
    votes = [vote("r0", "confirm"), vote("r1", "confirm"), vote("r2", "confirm")]
    assert standing(candidate, votes, 8) == "probable"


def test_the_last_word_counts_and_whoever_raised_it_stands_by_it_at_first() -> None:
    candidate = Candidate(name="F1", raised=(raised("ada"),))
    first = first_votes([candidate])
    assert standing(candidate, first, 5) == "minority"
    later = [*first, vote("ada", "dispute", 1, evidence=QUOTE), vote("ada", "abstain", 2)]
    assert standing(candidate, later, 5) == "dropped"
    assert dissent(candidate, later) == []
    assert (flips_of("ada", 1, later), flips_of("ada", 2, later)) == (1, 1)


def test_a_dispute_needs_evidence() -> None:
    assert backed(vote("ada", "dispute")).word == "abstain"
    assert backed(vote("ada", "dispute", evidence=QUOTE)).word == "dispute"
    assert backed(vote("ada", "confirm")).word == "confirm"


def test_a_herd_flips_and_agrees() -> None:
    candidates = merged([raised("ada"), raised("ben", "prices are summed slowly", 30)])
    names = [candidate.name for candidate in candidates]
    flipped = [
        Vote(candidate=name, role=role, round=1, word="dispute")
        for name in names
        for role in ("ada", "ben")
    ]
    herd = figures(candidates, [*first_votes(candidates), *flipped])
    assert (herd.flip_rate, herd.entropy, herd.alone, herd.is_herd) == (1.0, 0.0, 1.0, True)
    firm = [
        Vote(candidate=n, role=r, round=1, word="confirm") for n in names for r in ("ada", "ben")
    ]
    assert not figures(candidates, [*first_votes(candidates), *firm]).is_herd
    assert figures([], []).words() == (
        "flip rate: none\nentropy of the last votes: none\nseen by one role only: none"
    )
