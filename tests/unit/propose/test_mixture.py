"""Turns are fair and resume-stable, and a member that cannot propose does not stop the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from autoresearch_ci.errors import ProposerError
from autoresearch_ci.experiment import Direction, Proposal
from autoresearch_ci.propose.mixture import Member, MixtureProposer, turns
from autoresearch_ci.propose.proposer import (
    Context,
    CostlyProposerError,
    EditError,
    ModelRefused,
    Remaining,
    Request,
)
from tests.memory_tree import Files

CONTEXT = Context(
    goal="",
    direction=Direction.MINIMIZE,
    iteration=1,
    incumbent=Files({}),
    base=Files({}),
    at=lambda _: Files({}),
    history=(),
    seed=0,
)


class Stub:
    """Answers as told, and remembers who was asked what."""

    def __init__(self, name: str, answer: Callable[[Context], Proposal | None]) -> None:
        self.name = name
        self.asked: list[Request] = []
        self.left: Remaining | None = None
        self._answer = answer

    def propose(self, context: Context) -> Proposal | None:
        self.asked.append(context.request)
        self.left = context.remaining
        return self._answer(context)


def proposal(name: str, tokens: int = 0) -> Proposal:
    return Proposal(description="an idea", edits=(), proposer=name, tokens=tokens, cost_usd=tokens)


def willing(name: str, tokens: int = 0) -> Stub:
    return Stub(name, lambda _: proposal(name, tokens))


def empty(name: str) -> Stub:
    return Stub(name, lambda _: None)


def raising(name: str, error: Exception) -> Stub:
    def answer(_: Context) -> Proposal | None:
        raise error

    return Stub(name, answer)


def mixture(
    *stubs: Stub, first: str = "", notes: list[str] | None = None, **weights: int
) -> MixtureProposer:
    members = [
        Member(name=stub.name, proposer=stub, weight=weights.get(stub.name, 1)) for stub in stubs
    ]
    note = [].append if notes is None else notes.append
    return MixtureProposer(members, first=first, note=note)


def who(mix: MixtureProposer, iterations: range) -> str:
    found = [mix.propose(replace(CONTEXT, iteration=number)) for number in iterations]
    return "".join(one.proposer if one else "-" for one in found)


def test_a_list_alternates_and_the_first_begins() -> None:
    assert who(mixture(willing("a"), willing("b")), range(1, 6)) == "ababa"


def test_weights_are_turns_per_cycle() -> None:
    assert who(mixture(willing("a"), willing("b"), b=4), range(1, 11)) == "abbbbabbbb"


@pytest.mark.parametrize("weights", [[1], [1, 4], [2, 3], [3, 1, 2], [5, 5], [1, 1, 1]])
def test_nobody_gets_more_or_less_than_its_share_of_a_cycle(weights: list[int]) -> None:
    cycle = turns(weights)
    assert Counter(cycle) == dict(enumerate(weights))
    assert cycle[0] == 0


def test_equal_turns_are_spread_and_not_bunched() -> None:
    assert turns([2, 3]) == [0, 1, 1, 0, 1]


@pytest.mark.parametrize("weights", [[0, 1], [2, -1]])
def test_a_weight_below_one_is_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weight"):
        turns(weights)


def test_members_that_the_journal_could_not_tell_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="different names"):
        mixture(willing("a"), willing("a"))


def test_a_resumed_run_goes_on_with_the_member_whose_turn_it_was() -> None:
    whole = who(mixture(willing("a"), willing("b"), willing("c"), b=3), range(1, 12))
    resumed = who(mixture(willing("a"), willing("b"), willing("c"), b=3), range(6, 12))
    assert whole[5:] == resumed


def test_a_member_with_nothing_to_propose_is_followed_by_the_next_in_the_same_iteration() -> None:
    assert who(mixture(empty("a"), willing("b"), willing("c")), range(1, 4)) == "bbc"


def test_a_leader_is_asked_first_in_every_iteration_and_takes_no_turn() -> None:
    leader = willing("f")
    assert who(mixture(willing("a"), leader, willing("b"), first="f"), range(1, 4)) == "fff"
    silent = empty("f")
    assert who(mixture(silent, willing("a"), willing("b"), first="f", a=2), range(1, 7)) == "abaaba"
    assert len(silent.asked) == 6


def test_a_leader_that_is_alone_has_every_turn() -> None:
    assert who(mixture(willing("f"), first="f"), range(1, 3)) == "ff"


def test_nobody_left_with_an_idea_ends_the_run() -> None:
    assert mixture(empty("a"), empty("b")).propose(CONTEXT) is None


def test_a_refusal_is_answered_by_the_next_member_that_also_carries_its_cost() -> None:
    notes: list[str] = []
    refusal = ModelRefused("cyber", proposer="a", tokens=100, cost_usd=0.5)
    mix = mixture(raising("a", refusal), willing("b", tokens=7), notes=notes)
    found = mix.propose(CONTEXT)
    assert found
    assert (found.proposer, found.tokens, found.cost_usd) == ("b", 107, 7.5)
    assert "cyber" in notes[0]


def test_the_turn_of_a_member_that_failed_is_the_next_ones_who_carries_its_cost() -> None:
    failed = Stub("a", lambda _: replace(proposal("a"), edits=(), failed=True, tokens=100))
    found = mixture(failed, willing("b", tokens=7)).propose(CONTEXT)
    assert found
    assert (found.proposer, found.tokens) == ("b", 107)
    found = mixture(failed, empty("b")).propose(CONTEXT)
    assert found
    assert (found.proposer, found.failed, found.tokens) == ("a", True, 100)


def test_who_stands_in_may_use_up_what_those_before_have_left() -> None:
    failed = Stub("a", lambda _: replace(proposal("a", tokens=3), failed=True))
    dear = raising("b", CostlyProposerError("lost", tokens=2, cost_usd=2))
    last = willing("c")
    remaining = Remaining(usd=9, tokens=8, iteration_usd=7, iteration_tokens=6, seconds=60)
    mixture(failed, dear, last).propose(replace(CONTEXT, remaining=remaining))
    assert last.left
    assert (last.left.seconds or 60) < 60
    assert (last.left.usd, last.left.tokens) == (4, 3)
    assert (last.left.iteration_usd, last.left.iteration_tokens) == (2, 1)


def test_a_model_that_refused_once_is_asked_again_at_its_next_turn() -> None:
    a = raising("a", ModelRefused("cyber", proposer="a"))
    assert who(mixture(a, willing("b")), range(1, 4)) == "bbb"
    assert len(a.asked) == 2


def test_when_all_refuse_the_refusal_with_everything_it_cost_is_passed_on() -> None:
    first = raising("a", ModelRefused("cyber", proposer="a", tokens=1, cost_usd=1))
    second = raising("b", ModelRefused("bio", proposer="b", tokens=2, cost_usd=2))
    with pytest.raises(ModelRefused) as caught:
        mixture(first, second).propose(CONTEXT)
    assert caught.value.category == "bio"
    assert caught.value.proposal.tokens == 3


def test_an_edit_that_does_not_fit_is_a_discard_and_no_turn_for_another() -> None:
    b = willing("b")
    misfit = raising("a", EditError("no such text", description="x", proposer="a"))
    with pytest.raises(EditError, match="no such text"):
        mixture(misfit, b).propose(CONTEXT)
    assert not b.asked


def test_a_member_that_failed_for_good_is_left_out_and_its_cost_is_kept() -> None:
    notes: list[str] = []
    error = CostlyProposerError("out of credit\ndetails", tokens=9, cost_usd=0.25)
    a = raising("a", error)
    mix = mixture(a, willing("b"), notes=notes)
    found = mix.propose(CONTEXT)
    assert found
    assert (found.proposer, found.tokens, found.cost_usd) == ("b", 9, 0.25)
    assert who(mix, range(2, 6)) == "bbbb"
    assert len(a.asked) == 1
    assert notes == ["a is out for the rest of this run: out of credit"]


def test_the_last_member_to_fail_ends_the_run_with_its_error() -> None:
    mix = mixture(raising("a", ProposerError("no key")), raising("b", ProposerError("no money")))
    with pytest.raises(ProposerError, match="no money"):
        mix.propose(CONTEXT)


@pytest.mark.parametrize("request_kind", [Request.REPAIR, Request.REWORK])
def test_a_fix_is_asked_of_the_author_even_when_it_is_anothers_turn(request_kind: Request) -> None:
    a, b = willing("a"), willing("b")
    mix = mixture(a, b)
    again = replace(CONTEXT, request=request_kind, attempt=2, previous=proposal("b"))
    found = mix.propose(again)
    assert found
    assert found.proposer == "b"
    assert (a.asked, b.asked) == ([], [request_kind])


def test_nobody_else_repairs_what_its_author_gave_up() -> None:
    a = willing("a")
    again = replace(CONTEXT, request=Request.REPAIR, attempt=2, previous=proposal("b"))
    assert mixture(a, empty("b")).propose(again) is None
    refusal = raising("b", ModelRefused("cyber", proposer="b", tokens=5))
    found = mixture(a, refusal).propose(again)
    assert found
    assert (found.edits, found.tokens) == ((), 5)
    assert not a.asked
