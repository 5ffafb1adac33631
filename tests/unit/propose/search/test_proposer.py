"""The keyless proposer: better than chance, never twice the same, a function of its context."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import mean

import pytest

from autoresearch_ci.errors import ProposerError
from autoresearch_ci.experiment import Direction, Experiment, PastRun, Proposal, Status, Tree
from autoresearch_ci.propose.proposer import Context, Request
from autoresearch_ci.propose.search.constant_finder import find_constants
from autoresearch_ci.propose.search.proposer import SearchProposer
from autoresearch_ci.propose.search.tune_comments import Kind
from tests import journal_rows
from tests.memory_tree import Files
from tests.patience import promptly

BASE = b"""\
LR = 0.04
WEIGHT_DECAY = 0.2
BETAS = (0.8, 0.95)
DEPTH = 8
BATCH = 2**19
WARMUP = 0.0
FUSED = True
OPT = "sgd"  # tune: ["sgd", "adam", "muon"]
UNUSED_A = 0.3
UNUSED_B = 64
"""

Objective = Callable[[bytes], float | None]


def training(data: bytes) -> float:
    """A smooth toy with an interaction and two constants that do nothing; the optimum is 1."""
    v = {c.name: c.value for c in find_constants("a.py", data)}
    lr, decay, depth, batch = (float(v[name]) for name in ("LR", "WEIGHT_DECAY", "DEPTH", "BATCH"))
    return (
        1.0
        + 0.3 * math.log(lr / 0.08) ** 2
        + 0.1 * math.log(decay / 0.08) ** 2
        + 0.15 * math.log(depth / (12 if lr < 0.1 else 6)) ** 2
        + 0.1 * (math.log2(batch) - 17.5) ** 2
        + 3 * (float(v["BETAS[0]"]) - 0.7) ** 2
        + 20 * (float(v["BETAS[1]"]) - 0.9) ** 2
        + {"sgd": 0.3, "adam": 0.1, "muon": 0.0}[str(v["OPT"])]
    )


class Bench:
    """Keeps whatever is strictly better, as the loop does without noise."""

    def __init__(
        self,
        objective: Objective,
        base: Mapping[str, bytes],
        *,
        direction: Direction = Direction.MINIMIZE,
        seed: int = 0,
        guard: Callable[[bytes], bool] = lambda _: True,
    ) -> None:
        self.objective, self.direction, self.seed = objective, direction, seed
        self.guard = guard
        self.trees = {"c0": Files(base)}
        self.incumbent = "c0"
        self.history: list[Experiment] = []
        self.past: tuple[PastRun, ...] = ()
        self.record("c0", Status.BASELINE, objective(base["a.py"]), proposer="-")

    @property
    def best(self) -> float:
        return self.history[-1].best or 0.0

    def at(self, commit: str) -> Tree:
        return self.trees[commit]

    def context(self, stuck: int = 0, request: Request = Request.PROPOSE) -> Context:
        return Context(
            goal="",
            direction=self.direction,
            iteration=len(self.history),
            incumbent=self.trees[self.incumbent],
            base=self.trees["c0"],
            at=self.at,
            history=tuple(self.history),
            seed=self.seed,
            request=request,
            stuck=stuck,
            past=self.past,
        )

    def record(
        self,
        commit: str,
        status: Status,
        metric: float | None,
        *,
        proposer: str = "search",
        guard: str = "-",
    ) -> None:
        kept = status in (Status.KEEP, Status.BASELINE)
        self.incumbent = commit if kept else self.incumbent
        self.history.append(
            journal_rows.row(
                len(self.history),
                timestamp="",
                commit=commit,
                metric=metric,
                delta=None,
                guard=guard,
                status=status,
                description="",
                best=metric if kept else self.best,
                seconds=0.0,
                proposer=proposer,
                reason="",
            )
        )

    def measure(self, proposal: Proposal) -> None:
        commit = f"c{len(self.history)}"
        edits = {edit.path: edit.content or b"" for edit in proposal.edits}
        self.trees[commit] = Files({**self.trees[self.incumbent].files, **edits})
        data = self.trees[commit].files["a.py"]
        metric = self.objective(data)
        if metric is None:
            self.record(commit, Status.CRASH, None)
        elif not self.guard(data):
            self.record(commit, Status.DISCARD, metric, guard="fail")
        else:
            better = self.direction.better(metric, self.best)
            self.record(commit, Status.KEEP if better else Status.DISCARD, metric)

    def run(self, iterations: int, *, stuck: int = 0) -> Bench:
        proposer = SearchProposer()
        for _ in range(iterations):
            proposal = proposer.propose(self.context(stuck))
            assert proposal is not None
            self.measure(proposal)
        return self

    def measured(self) -> list[bytes]:
        return [self.trees[row.commit].files["a.py"] for row in self.history]


def random_search(seed: int, iterations: int) -> float:
    rng = random.Random(seed)
    best = training(BASE)
    for _ in range(iterations):
        data = BASE
        for constant in find_constants("a.py", BASE)[::-1]:
            if constant.choices:
                text = repr(rng.choice(constant.choices))
            else:
                assert constant.low is not None
                assert constant.high is not None
                if constant.log:
                    value = math.exp(rng.uniform(math.log(constant.low), math.log(constant.high)))
                else:
                    value = rng.uniform(constant.low, constant.high)
                text = repr(round(value) if constant.kind is Kind.INT else value)
                text = f"2**{round(math.log2(value))}" if constant.kind is Kind.POWER else text
            data = data[: constant.start] + text.encode() + data[constant.end :]
        best = min(best, training(data))
    return best


def propose(bench: Bench, stuck: int = 0) -> Proposal:
    proposal = SearchProposer().propose(bench.context(stuck))
    assert proposal is not None
    return proposal


def test_thirty_proposals_beat_random_search_on_average() -> None:
    searched = [Bench(training, {"a.py": BASE}, seed=seed).run(30).best for seed in range(4)]
    drawn = [random_search(seed, 30) for seed in range(40)]

    assert mean(searched) < mean(drawn) - 0.05


def test_the_mirror_image_is_maximised_just_as_well() -> None:
    mirrored = Bench(lambda data: -training(data), {"a.py": BASE}, direction=Direction.MAXIMIZE)

    assert mirrored.run(20).measured() == Bench(training, {"a.py": BASE}).run(20).measured()


def test_a_resumed_run_proposes_what_the_uninterrupted_one_would_have() -> None:
    stopped = Bench(training, {"a.py": BASE}, seed=7).run(12)
    for _ in range(8):  # a new process for every iteration
        stopped.measure(propose(stopped))

    assert stopped.measured() == Bench(training, {"a.py": BASE}, seed=7).run(20).measured()


def test_the_seed_and_the_iteration_change_the_proposal() -> None:
    runs = [Bench(training, {"a.py": BASE}, seed=seed).run(3).measured() for seed in (1, 2)]

    assert runs[0] != runs[1]


def test_single_constant_changes_alternate_with_joint_ones_of_at_most_three() -> None:
    bench = Bench(lambda data: 1.0 + (data != BASE), {"a.py": BASE}, seed=3)
    counts = []
    for _ in range(8):
        proposal = propose(bench)
        counts.append(proposal.description.count(" from "))
        bench.measure(proposal)

    assert set(counts[::2]) == {1}
    assert set(counts[1::2]) <= {1, 2, 3}
    assert max(counts[1::2]) > 1


def test_no_change_is_of_more_than_three_constants_however_long_nothing_was_kept() -> None:
    bench = Bench(lambda data: 1.0 + (data != BASE), {"a.py": BASE}, seed=3)
    counts = []
    for stuck in range(20):
        proposal = propose(bench, stuck=stuck)
        counts.append(proposal.description.count(" from "))
        bench.measure(proposal)

    assert set(counts) <= {1, 2, 3}


def test_first_steps_are_short() -> None:
    texts = [b"LR = 0.04\n", b"LR = 0.04  # tune: 4e-6..4 log\n"]
    for text, factor in zip(texts, (1.5, 10**0.88), strict=True):
        firsts = [propose(Bench(lambda _: 1.0, {"a.py": text}, seed=s)) for s in range(12)]
        ratios = [float(first.description.split()[-1]) / 0.04 for first in firsts]
        assert all(0.99 / factor <= ratio <= 1.01 * factor for ratio in ratios)
        assert len(set(ratios)) > 2


def test_nothing_is_measured_twice_and_a_spent_space_ends_the_run() -> None:
    space = b'A = True\nB = 2**1  # tune: 1..4\nC = "x"  # tune: [x, y]\n'
    bench = Bench(lambda data: float(len(set(data))), {"a.py": space})

    for _ in range(11):
        bench.measure(propose(bench))

    assert len(set(bench.measured())) == 12
    assert SearchProposer().propose(bench.context()) is None


def test_what_another_proposer_tried_is_not_tried_again() -> None:
    bench = Bench(lambda _: 1.0, {"a.py": b"A = True\n"})
    bench.trees["c1"] = Files({"a.py": b"A = False  # another way to write it\n"})
    bench.record("c1", Status.DISCARD, 2.0, proposer="claude")

    assert SearchProposer().propose(bench.context()) is None


def after(night: Bench, data: bytes, objective: Objective, seed: int = 0) -> Bench:
    """A night that begins with `data` and knows what was tried in another one."""
    rows = tuple(replace(row, commit=f"past {row.commit}") for row in night.history)
    second = Bench(objective, {"a.py": data}, seed=seed)
    second.past = (PastRun(history=rows, at=lambda name: night.at(name.removeprefix("past "))),)
    return second


def test_what_the_night_before_tried_is_not_tried_again() -> None:
    space = b"A = 2**1  # tune: 1..4\nB = True\n"
    first = Bench(lambda data: float(data != space), {"a.py": space}).run(3)
    second = after(first, space, first.objective).run(2)

    assert len({*first.measured(), *second.measured()}) == 6
    assert SearchProposer().propose(second.context()) is None


def test_what_was_kept_and_is_gone_is_tried_again() -> None:
    first = Bench(lambda data: float(b"True" in data), {"a.py": b"A = True\n"}).run(1)
    second = after(first, b"A = True\n", first.objective)

    assert propose(second).description == "switch A from True to False"


def test_around_other_code_it_is_tried_again() -> None:
    first = Bench(lambda data: float(b"True" not in data), {"a.py": b"A = True\n"}).run(1)
    second = after(first, b"A = True\nprint(1)\n", first.objective)

    assert propose(second).description == "switch A from True to False"


def test_the_second_night_knows_which_way_was_better() -> None:
    def lower_is_better(data: bytes) -> float:
        return float(find_constants("a.py", data)[0].value)

    first = Bench(lower_is_better, {"a.py": b"A = 1.0\n"})
    for value in (b"A = 2.0\n", b"A = 1.5\n"):
        name = f"c{len(first.history)}"
        first.trees[name] = Files({"a.py": value})
        first.record(name, Status.DISCARD, lower_is_better(value))

    def lowered(night: Bench) -> bool:
        return propose(night).description.startswith("lower A ")

    knowing = [after(first, b"A = 1.0\n", lower_is_better, seed) for seed in range(10)]
    unknowing = [Bench(lower_is_better, {"a.py": b"A = 1.0\n"}, seed=seed) for seed in range(10)]
    assert sum(map(lowered, knowing)) >= 9
    assert 2 <= sum(map(lowered, unknowing)) <= 8


def test_what_git_has_lost_of_a_night_does_no_harm() -> None:
    def lost(name: str) -> Tree:
        return Files({})

    first = Bench(training, {"a.py": BASE}).run(5)
    second = Bench(training, {"a.py": BASE})
    second.past = (PastRun(history=tuple(first.history), at=lost), PastRun(history=(), at=lost))
    assert propose(second)


def test_the_range_does_not_drift_with_what_is_kept() -> None:
    def higher_is_better(data: bytes) -> float:
        return -float(find_constants("a.py", data)[0].value)

    bench = Bench(higher_is_better, {"a.py": b"A = 1.0\n"}).run(25)

    assert 3.0 < -bench.best <= 4.0
    bench.trees["edited"] = Files({"a.py": b"A = 4.0  # another proposer's remark\n"})
    bench.record("edited", Status.KEEP, -4.0, proposer="claude")
    assert all(b.find(b"A = ") == 0 and float(b.split()[2]) <= 4 for b in bench.run(8).measured())


def test_values_are_written_with_at_most_four_significant_digits() -> None:
    bench = Bench(training, {"a.py": BASE}).run(20)

    for data in bench.measured():
        for constant in find_constants("a.py", data):
            if constant.kind in (Kind.FLOAT, Kind.INT):
                assert len(constant.literal.replace(".", "").strip("0")) <= 4


@pytest.mark.parametrize("failure", ["crash", "guard"])
def test_values_that_crash_or_break_a_guard_are_avoided(failure: str) -> None:
    base = b"A = 1.0  # tune: 0..2\nB = 1.0  # tune: 0..2\n"

    def tried_above_one(*, fails: bool, seed: int) -> int:
        def a_of(data: bytes) -> float:
            return float(find_constants("a.py", data)[0].value)

        def objective(data: bytes) -> float | None:
            bad = fails and a_of(data) > 1
            return None if bad and failure == "crash" else 0.5 if bad else 1.0

        def passes(data: bytes) -> bool:
            return not fails or a_of(data) <= 1

        bench = Bench(objective, {"a.py": base}, seed=seed, guard=passes).run(40)
        return sum(a_of(data) > 1 for data in bench.measured()[11:])

    failing = sum(tried_above_one(fails=True, seed=seed) for seed in (0, 4))
    harmless = sum(tried_above_one(fails=False, seed=seed) for seed in (0, 4))
    assert failing < harmless / 1.5


def test_rows_that_say_nothing_are_skipped() -> None:
    bench = Bench(training, {"a.py": BASE})
    bench.record("", Status.NO_OP, None)
    bench.record("", Status.DISCARD, 0.5)
    bench.trees["deleted"] = Files({})
    bench.trees["broken"] = Files({"a.py": b"LR = 1.0  # tune: lower than before\n"})
    bench.trees["outside"] = Files({"a.py": BASE.replace(b"LR = 0.04", b"LR = 40.0")})
    for commit in ("deleted", "broken", "outside"):
        bench.record(commit, Status.DISCARD, 2.0, proposer="claude")
    bench.record("outside", Status.DISCARD, math.nan)
    bench.record("c0", Status.DISCARD, math.nan)

    before = len(bench.history)
    assert len(bench.run(12).history) == before + 12


def test_constants_that_another_proposer_added_or_removed_are_followed() -> None:
    bench = Bench(lambda _: 1.0, {"a.py": b"A = 1.0\nB = 2.0\n"})
    bench.trees["c1"] = Files({"a.py": b"B = 2.0\nNEW = 3.0\n", "new.py": b"N = 5\n"})
    bench.record("c1", Status.KEEP, 0.5, proposer="claude")
    said = ""
    for _ in range(12):
        proposal = propose(bench)
        said += proposal.description + "\n"
        bench.measure(proposal)

    assert " A from" not in said
    assert " B from" in said
    assert " NEW from" in said
    assert " N from" in said


def test_an_attempt_cannot_lift_a_skip() -> None:
    bench = Bench(lambda _: 1.0, {"a.py": b"A = 1.0\nB = 2.0  # tune: skip\nSEED = 3\n"})
    bench.trees["c1"] = Files({"a.py": b"A = 1.0\nB = 2.0\nSEED = 3  # tune: 1..9\n"})
    bench.record("c1", Status.KEEP, 0.5, proposer="claude")

    assert all(data.count(b"B = 2.0") for data in bench.run(8).measured())
    assert all(data.count(b"SEED = 3") for data in bench.measured())


def test_a_constant_whose_condition_does_not_hold_is_left_alone() -> None:
    text = b"OPT = 'a'  # tune: [a, b]\nMOM = 0.9  # tune: 0..0.99 when OPT == b\nLR = 0.1\n"
    bench = Bench(lambda data: 1.0 if b"'a'" in data else 2.0, {"a.py": text}).run(10)

    assert all(b"MOM = 0.9 " in data for data in bench.measured())
    bench.objective = lambda data: 0.5
    bench.trees["b"] = Files({"a.py": text.replace(b"'a'", b"'b'")})
    bench.record("b", Status.KEEP, 0.5)
    assert any(b"MOM = 0.9 " not in data for data in bench.run(8).measured())


def test_a_proposal_reads_as_a_sentence_and_touches_only_its_literals() -> None:
    text = b'\xef\xbb\xbfLR = 1e-4\r\nOPT = "sgd"  # tune: ["sgd", "caf\xc3\xa9"]'
    said = set()
    for seed in range(12):
        proposal = propose(Bench(lambda _: 1.0, {"a.py": text}, seed=seed))
        said.add(proposal.description)
        (edit,) = proposal.edits
        assert edit.path == "a.py"
        assert edit.content is not None
        assert edit.content.startswith(b"\xef\xbb\xbfLR = ")
        assert edit.content.endswith(b'"  # tune: ["sgd", "caf\xc3\xa9"]')
        assert edit.content.count(b"\r\n") == 1

    assert 'switch OPT from "sgd" to "café"' in said
    assert any(sentence.startswith("raise LR from 1e-4 to ") for sentence in said)
    assert any(sentence.startswith("lower LR from 1e-4 to ") for sentence in said)


def test_one_name_in_two_files_is_told_apart_by_its_path() -> None:
    bench = Bench(lambda _: 1.0, {"a.py": b"A = 1.0\n", "b/c.py": b"A = 1.0\n"})

    assert propose(bench).description.split()[1] in ("a.py:A", "b/c.py:A")


@pytest.mark.parametrize("request_", [Request.REPAIR, Request.REWORK])
def test_repairs_are_declined(request_: Request) -> None:
    bench = Bench(training, {"a.py": BASE})

    assert SearchProposer().propose(bench.context(request=request_)) is None


def test_a_scope_without_constants_says_how_to_annotate() -> None:
    with pytest.raises(ProposerError, match=r"# tune: 1e-4\.\.1 log"):
        propose(Bench(lambda _: 1.0, {"a.py": b"print(1)\n", "b.yaml": b"a: 1\n"}))


def test_a_malformed_annotation_in_the_base_stops_the_run() -> None:
    with pytest.raises(ProposerError, match=r"^a\.py:1: "):
        propose(Bench(lambda _: 1.0, {"a.py": b"A = 1  # tune: up\n"}))


def test_a_resume_after_three_hundred_experiments_takes_under_half_a_second() -> None:
    bench = Bench(training, {"a.py": BASE + b"# padding\n" * 2000})
    rng = random.Random(1)
    for index in range(1, 301):
        value = f"LR = {rng.uniform(0.01, 0.16):.4g}".encode()
        data = bench.trees["c0"].files["a.py"].replace(b"LR = 0.04", value)
        bench.trees[f"c{index}"] = Files({"a.py": data})
        bench.record(f"c{index}", Status.DISCARD, 2.0 + rng.random())

    started = time.process_time()
    propose(bench)

    assert time.process_time() - started < promptly(0.5)
