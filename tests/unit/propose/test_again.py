"""What people want measured again comes first, in order, once, and is judged like anything else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoresearch_ci.experiment import Direction, Experiment, FileEdit, Proposal, Status
from autoresearch_ci.propose.mixture import NAME, AgainProposer
from autoresearch_ci.propose.proposer import Context, EditError, Request
from autoresearch_ci.workspace.earlier_change import EarlierChange
from tests import journal_rows
from tests.memory_tree import Files

OWN = Proposal(description="an idea", edits=(), proposer="own")
FIRST = EarlierChange(commit="a" * 40, description="faster", files={"f": ("x\n", "y\n")})
SECOND = EarlierChange(commit="b" * 40, description="", files={"f": ("no\n", "such\n")})
CODE = Files({"f": b"x\n"})
CONTEXT = Context(
    goal="",
    direction=Direction.MINIMIZE,
    iteration=1,
    incumbent=CODE,
    base=CODE,
    at=lambda _: CODE,
    history=(),
    seed=0,
)


class Own:
    def propose(self, context: Context) -> Proposal:
        return OWN


def row(proposal: Proposal) -> Experiment:
    return journal_rows.row(
        1,
        timestamp="",
        commit="c",
        metric=None,
        delta=None,
        status=Status.DISCARD,
        description=proposal.description,
        best=None,
        samples=0,
        seconds=0.0,
        proposer=proposal.proposer,
        reason="",
    )


def test_each_is_proposed_once_and_then_others_have_their_turn() -> None:
    proposer = AgainProposer(Own(), [FIRST, SECOND])
    first = proposer.propose(CONTEXT)
    assert first
    assert first.edits == (FileEdit(path="f", content=b"y\n"),)
    assert first.proposer == NAME
    assert first.description.endswith("faster")
    told = replace(CONTEXT, history=[row(first)])
    with pytest.raises(EditError, match="has changed since") as misfit:
        proposer.propose(told)
    told = replace(told, history=[*told.history, row(misfit.value.proposal)])
    assert proposer.propose(told) is OWN


def test_somebody_elses_row_of_that_name_does_not_count() -> None:
    proposer = AgainProposer(Own(), [FIRST])
    first = proposer.propose(CONTEXT)
    assert first
    told = replace(CONTEXT, history=[row(replace(first, proposer="claude"))])
    assert proposer.propose(told) == first


def test_one_whose_words_had_to_be_withheld_is_not_proposed_for_ever() -> None:
    proposer = AgainProposer(Own(), [SECOND, FIRST])
    withheld = row(Proposal(description="withheld", edits=(), proposer=NAME))
    first = proposer.propose(replace(CONTEXT, history=[withheld]))
    assert first
    assert first.description.endswith("faster")
    assert proposer.propose(replace(CONTEXT, history=[withheld, row(first)])) is OWN


def test_a_repair_is_nobodys_earlier_change() -> None:
    repair = replace(CONTEXT, request=Request.REPAIR, previous=OWN)
    assert AgainProposer(Own(), [FIRST]).propose(repair) is OWN
