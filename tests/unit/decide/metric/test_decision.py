from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable
from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from autoresearch_ci.decide.metric.decision import LOOKS, judge
from autoresearch_ci.decide.metric.run_statistics import (
    DecisionRuns,
    Policy,
    RunStatistics,
    Side,
    next_calibration_run,
)
from autoresearch_ci.experiment import Decision, Direction, Status

MINIMIZE = Policy(direction=Direction.MINIMIZE)
Measure = Callable[[Side], float]


def calibrate(measure: Measure, policy: Policy = MINIMIZE) -> RunStatistics:
    values: list[float] = []
    while next_calibration_run(values, policy):
        values.append(measure(Side.INCUMBENT))
    return RunStatistics.calibrated(values, policy)


def decide(
    measure: Measure, session: RunStatistics, policy: Policy = MINIMIZE, name: str = "candidate"
) -> tuple[DecisionRuns, Decision]:
    evidence = session.begin(name)
    while isinstance(step := judge(evidence, session, policy), Side):
        evidence = evidence.plus(step, measure(step))
    return evidence, step


def noisy(seed: int, gain: float = 0.0, level: float = 100.0, spread: float = 0.02) -> Measure:
    """A metric to minimise whose candidate is `gain` better."""
    rng = random.Random(seed)
    true = {Side.INCUMBENT: level, Side.CANDIDATE: level - abs(level) * gain}
    return lambda side: true[side] + abs(level) * rng.gauss(0, spread)


def many(
    measure: Measure, iterations: int, policy: Policy = MINIMIZE
) -> list[tuple[DecisionRuns, Decision]]:
    session, decisions = calibrate(measure, policy), []
    for iteration in range(iterations):
        evidence, decision = decide(measure, session, policy, str(iteration))
        decisions.append((evidence, decision))
        session = session.after(evidence, decision, str(iteration))
    return decisions


# --- deterministic metrics


def test_two_long_equal_values_are_deterministic() -> None:
    assert not next_calibration_run([1.982345, 1.982345], MINIMIZE)
    assert RunStatistics.calibrated([1.982345, 1.982345], MINIMIZE).deterministic


def test_short_equal_values_are_asked_for_a_third_time() -> None:
    assert next_calibration_run([12.0, 12.0], MINIMIZE)
    assert not next_calibration_run([12.0, 12.0, 12.0], MINIMIZE)


@pytest.mark.parametrize(
    ("candidate", "status", "runs"),
    [
        (99.0, Status.KEEP, 3),
        (99.12345, Status.KEEP, 2),
        (100.0, Status.DISCARD, 1),
        (101.0, Status.DISCARD, 1),
    ],
)
def test_a_deterministic_metric_costs_one_run_and_a_keep_what_is_no_coincidence(
    candidate: float, status: Status, runs: int
) -> None:
    session = RunStatistics.calibrated([100.0] * 3, MINIMIZE)
    evidence, decision = decide(lambda side: candidate, session)
    assert decision.status is status
    assert evidence.runs == ((Side.CANDIDATE, candidate),) * runs


def test_a_winner_that_was_lucky_once_ends_determinism_instead_of_being_kept() -> None:
    session = RunStatistics.calibrated([120.0] * 3, MINIMIZE)
    values = iter([119.0, *[120.0] * 20])
    evidence, decision = decide(lambda side: next(values), session)
    assert decision.status is Status.DISCARD
    assert not session.after(evidence, decision, "c").deterministic


def test_min_effect_is_inclusive_for_a_deterministic_metric() -> None:
    policy = Policy(direction=Direction.MAXIMIZE, min_effect=0.02)
    session = RunStatistics.calibrated([100.0] * 3, policy)
    assert decide(lambda side: 102.0, session, policy)[1].status is Status.KEEP
    assert decide(lambda side: 101.9, session, policy)[1].status is Status.DISCARD


@pytest.mark.parametrize("seed", range(16, 20))
def test_a_counter_that_is_mostly_0_can_be_judged(seed: int) -> None:
    rng = random.Random(seed)
    decisions = many(lambda side: float(rng.random() < 0.3) * rng.choice([1, 2, 3]), 30)
    assert sum(decision.status is Status.KEEP for _, decision in decisions) == 0


EXTREMES = [0.0, 5e-324, 1e-310, 1e-300, -1e-300, 1.0, -1.0, 99.0, 100.0, 1e299, 1e300, -1e300]


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("repeats_max", [1, 7])
def test_what_is_learnt_from_the_largest_and_the_smallest_metrics_is_finite(
    direction: Direction, repeats_max: int
) -> None:
    """The records hold it, and no word of theirs is for anything else."""
    policy, rng = Policy(direction=direction, repeats_max=repeats_max), random.Random(1)
    for _ in range(300):
        values = rng.sample(EXTREMES, rng.randint(2, 4))
        session = calibrate(lambda side, values=values: rng.choice(values), policy)
        for name in "abc":
            measure = lambda side, values=values: rng.choice(values)  # noqa: E731
            evidence, decision = decide(measure, session, policy, name)
            session = session.after(evidence, decision, name)
            steps = [step for group in session.null_steps for step in group]
            learnt = [*session.incumbent, *session.stale_errors, *steps, session.floor]
            assert all(map(math.isfinite, [*learnt, decision.ci_low, decision.ci_high]))


def test_two_values_of_the_same_code_end_determinism() -> None:
    session = RunStatistics.calibrated([100.0] * 3, MINIMIZE)
    evidence = DecisionRuns().plus(Side.CANDIDATE, 99.0).plus(Side.CANDIDATE, 99.5)
    assert isinstance(judge(evidence, session, MINIMIZE), Side)
    decision = Decision(status=Status.DISCARD)
    assert not session.after(evidence, decision, "a").deterministic


def test_a_kept_deterministic_candidate_is_what_the_next_one_must_beat() -> None:
    session = RunStatistics.calibrated([100.0] * 3, MINIMIZE)
    evidence, decision = decide(lambda side: 90.0, session)
    session = session.after(evidence, decision, "a")
    assert decide(lambda side: 95.0, session)[1].status is Status.DISCARD
    assert decide(lambda side: 89.0, session)[1].status is Status.KEEP


# --- noisy metrics


def test_the_first_run_is_the_candidates() -> None:
    session = calibrate(noisy(1))
    assert judge(session.begin("a"), session, MINIMIZE) is Side.CANDIDATE


def test_a_clear_loser_is_discarded_after_one_run_where_the_one_before_was_checked() -> None:
    """What is that far off may be a slower machine: the row says so, and can be judged anew."""
    for seed in range(20):
        measure = noisy(seed, gain=-0.2)
        session, found = calibrate(measure), []
        for name in "abcd":
            evidence, decision = decide(measure, session, name=name)
            session = session.after(evidence, decision, name)
            assert decision.status is Status.DISCARD
            found.append((len(evidence.runs), "clearly worse by old runs: -" in decision.reason))
        assert found == [(2, False), (1, True)] * 2


@pytest.mark.parametrize("slower", [1.15, 1.3, 2.0])
def test_a_machine_that_got_slower_while_the_first_was_proposed_is_no_loss(slower: float) -> None:
    for seed in range(20):
        session = calibrate(noisy(seed, spread=0.003))
        measure = noisy(seed, gain=0.05, level=100 * slower, spread=0.003)
        assert decide(measure, session)[1].status is Status.KEEP


def test_old_runs_alone_never_reject_for_long() -> None:
    """Else a machine that got slower for good makes a whole night reject everything unseen."""
    for seed in range(10):
        rows = many(noisy(seed, gain=-0.2), 30)
        screened = [not evidence.spent(Side.INCUMBENT) for evidence, _ in rows]
        assert 15 <= sum(screened) < 30
        assert not any(all(screened[k : k + 5]) for k in range(26))
        assert not all(screened[:2])


def test_a_machine_that_moved_is_noticed_and_then_every_rejection_has_a_fresh_run() -> None:
    for seed in range(10):
        fast, slow = noisy(seed, gain=-0.2, spread=0.01), noisy(seed, 0.05, 120.0, 0.01)
        session, moved = calibrate(fast), 0
        for iteration in range(12):
            measure = slow if iteration >= 4 else fast
            evidence, decision = decide(measure, session, name=str(iteration))
            session = session.after(evidence, decision, str(iteration))
            if decision.status is Status.KEEP:
                break
            unchecked = not evidence.spent(Side.INCUMBENT)
            assert not (moved and unchecked)
            moved += iteration >= 4 and not unchecked
        assert decision.status is Status.KEEP, "5 % better on a machine 20 % slower"


def phases(seed: int, phase: int, true: dict[Side, float]) -> Measure:
    """A machine that is 15 % slower in every other phase of so many runs; 1 % noise."""
    rng, run = random.Random(seed), iter(range(10**6))
    return lambda side: true[side] * (1.15 if next(run) // phase % 2 else 1) * rng.gauss(1, 0.01)


@pytest.mark.parametrize("phase", [8, 10, 16])
def test_edits_that_are_truly_better_are_kept_while_the_machine_alternates(phase: int) -> None:
    kept = proposed = 0
    for seed in range(6):
        true = {Side.INCUMBENT: 100.0, Side.CANDIDATE: 97.0}
        measure = phases(seed, phase, true)
        session = calibrate(measure)
        for iteration in range(9):
            true[Side.CANDIDATE] = 100 * 0.97 ** (iteration + 1)
            evidence, decision = decide(measure, session, name=f"{iteration}")
            session = session.after(evidence, decision, str(iteration))
            proposed += 1
            if decision.status is Status.KEEP:
                kept, true[Side.INCUMBENT] = kept + 1, true[Side.CANDIDATE]
    assert kept / proposed >= 0.6


def test_while_the_machine_alternates_what_is_worse_than_its_worst_is_rejected_by_one_run() -> None:
    screened = checked = 0
    for seed in range(6):
        true = {Side.INCUMBENT: 100.0, Side.CANDIDATE: 106.0}
        measure = phases(seed, 10, true)
        session = calibrate(measure)
        for iteration in range(40):
            evidence, decision = decide(measure, session, name=f"{iteration}")
            assert decision.status is not Status.KEEP
            if session.drifting:
                alone = not evidence.spent(Side.INCUMBENT)
                slow = evidence.values(Side.CANDIDATE)[0] > 113
                assert slow or not alone
                screened, checked = screened + alone, checked + (not alone)
            session = session.after(evidence, decision, str(iteration))
    assert screened > 0.3 * (screened + checked)


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.0, 1.3, 2.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_gain_is_told_and_held_against_min_effect_on_the_machine_that_it_was_measured_on(
    speed: float, sign: int
) -> None:
    direction = Direction.MINIMIZE if sign > 0 else Direction.MAXIMIZE
    policy = Policy(direction=direction, min_effect=0.03)
    for seed in range(20):
        calibrated, rng = noisy(seed, spread=0.003), random.Random(seed)
        before = lambda side, m=calibrated: sign * m(side)  # noqa: E731
        true = {Side.INCUMBENT: sign * 100 / speed, Side.CANDIDATE: sign * 95 / speed}
        after = lambda side, t=true, r=rng: t[side] * r.gauss(1, 0.003)  # noqa: E731
        _, decision = decide(after, calibrate(before, policy), policy)
        assert decision.status is Status.KEEP, decision
        assert decision.ci_low is not None
        assert decision.ci_high is not None
        assert 0.04 < decision.ci_low < decision.ci_high < 0.06


def test_a_jump_of_the_machine_between_two_runs_decides_nothing() -> None:
    """Nor does it make all that follows look uncertain."""
    for jump in (0.8, 1.25):
        session = calibrate(noisy(3, spread=0.01))
        for k in range(6):  # the noise must be known
            seen, decision = decide(noisy(k, spread=0.01), session, name=str(k))
            session = session.after(seen, decision, str(k))
        measure, runs = noisy(3, gain=0.06, spread=0.01), iter(range(100))
        slow = lambda side, m=measure, r=runs, j=jump: m(side) * (j if next(r) >= 5 else 1)  # noqa: E731
        _, decision = decide(slow, session)
        assert decision.status is Status.KEEP, jump
        assert decision.ci_low is not None
        assert 0.03 < decision.ci_low < 0.06


def test_while_little_is_known_of_the_noise_no_difference_is_a_jump() -> None:
    """A few steps may be near each other by chance."""
    kept = 0
    for seed in range(40):
        measure = noisy(seed, gain=0.1)
        kept += decide(measure, calibrate(measure))[1].status is Status.KEEP
    assert kept >= 39


def test_a_gain_far_beyond_the_noise_is_no_jump_of_the_machine() -> None:
    for gain in (0.1, 0.5, 0.94):
        measure = noisy(2, gain=gain, spread=0.001)
        _, decision = decide(measure, calibrate(measure))
        assert decision.status is Status.KEEP


def test_what_the_machine_does_is_remembered_over_a_keep() -> None:
    session = RunStatistics.calibrated([100.0, 101, 115, 116, 100], MINIMIZE)
    kept = DecisionRuns(runs=((Side.CANDIDATE, 50.0), (Side.INCUMBENT, 100.0)))
    after = session.after(kept, Decision(status=Status.KEEP), "a")
    assert after.incumbent == (50.0, 50.5, 57.5, 58, 50, 50)
    around_zero = RunStatistics.calibrated([1.0, -2, 3, -1, 2], MINIMIZE)
    after = around_zero.after(kept, Decision(status=Status.KEEP), "a")
    assert after.incumbent == (50.0,)


@pytest.mark.parametrize("gain", [-0.04, -0.01, 0.0, 0.01, 0.02])
@pytest.mark.parametrize("min_effect", [0.0, 0.015])
def test_the_words_of_a_rejection_fit_its_interval(gain: float, min_effect: float) -> None:
    policy = Policy(direction=Direction.MINIMIZE, min_effect=min_effect)
    for seed in range(6):
        for _, decision in many(noisy(seed, gain=gain), 12, policy):
            if decision.status is Status.KEEP:
                continue
            low, high = decision.ci_low, decision.ci_high
            assert low is not None
            assert high is not None
            estimate, fits = (low + high) / 2, {}
            fits["clearly worse"] = high < 0
            fits["no better"] = high >= 0
            fits["below min_effect"] = 0 < high < min_effect
            fits["not surely above min_effect"] = 0 < estimate < min_effect <= high
            fits["promising"] = fits["undecided"] = estimate > 0
            word = decision.reason.partition(":")[0].removesuffix(" by old runs")
            assert fits[word], decision


def test_a_session_of_an_older_version_can_be_read() -> None:
    reader = TypeAdapter(RunStatistics)
    old = reader.dump_python(calibrate(noisy(1)), mode="json")
    del old["unchecked"]
    assert reader.validate_python(old, strict=False) == calibrate(noisy(1))


def test_a_keep_has_fresh_runs_of_the_incumbent_beside_the_candidates() -> None:
    kept = 0
    for seed in range(20):
        measure = noisy(seed, gain=0.15)
        evidence, decision = decide(measure, calibrate(measure))
        kept += decision.status is Status.KEEP
        assert evidence.spent(Side.INCUMBENT) == evidence.spent(Side.CANDIDATE)
        assert decision.ci_low is not None
        assert 0.05 < decision.ci_low < 0.2
    assert kept >= 19


def test_no_gain_of_what_cannot_fall_below_zero_exceeds_a_hundred_percent() -> None:
    for seed in range(20):
        rng = random.Random(seed)
        level = {Side.INCUMBENT: 13141.0, Side.CANDIDATE: 1.0}

        def measure(
            side: Side, rng: random.Random = rng, level: dict[Side, float] = level
        ) -> float:
            return level[side] * math.exp(rng.gauss(0, 0.3))

        _, decision = decide(measure, calibrate(measure))
        assert decision.ci_low is not None
        assert decision.ci_high is not None
        assert decision.ci_low < decision.ci_high <= 1


def test_an_incumbent_that_was_lucky_long_ago_does_not_make_a_keep() -> None:
    """The machine became 20 % faster after the calibration: everything looks better than before."""
    false_keeps = 0
    for seed in range(10):
        session = calibrate(noisy(seed))
        _, decision = decide(noisy(seed + 100, level=80.0), session)
        false_keeps += decision.status is Status.KEEP
    assert false_keeps <= 1


def test_nothing_real_means_hardly_any_keep() -> None:
    decisions = [pair for seed in range(8) for pair in many(noisy(seed), 40)]
    assert sum(decision.status is Status.KEEP for _, decision in decisions) <= 3


def test_heavy_tails_mean_hardly_any_keep() -> None:
    def bursts(seed: int) -> Measure:
        rng = random.Random(seed)
        return lambda side: 100 + 2 * rng.gauss(0, 1) * rng.expovariate(1) ** 2

    decisions = [pair for seed in range(8) for pair in many(bursts(seed), 40)]
    assert sum(decision.status is Status.KEEP for _, decision in decisions) <= 3


@pytest.mark.parametrize("repeats_max", [1, 2, 3, 7])
@pytest.mark.parametrize("repeats_min", [1, 3, 9])
def test_no_decision_spends_more_candidate_runs_than_repeats_max(
    repeats_max: int, repeats_min: int
) -> None:
    policy = Policy(direction=Direction.MINIMIZE, repeats_max=repeats_max, repeats_min=repeats_min)
    for gain in (-0.03, 0.0, 0.01, 0.02, 0.05):
        for evidence, _ in many(noisy(3, gain=gain), 15, policy):
            assert evidence.spent(Side.CANDIDATE) <= repeats_max
            assert evidence.spent(Side.INCUMBENT) <= repeats_max


def test_repeats_min_postpones_the_verdict_on_a_clear_loser() -> None:
    policy = Policy(direction=Direction.MINIMIZE, repeats_min=3)
    measure = noisy(1, gain=-0.3)
    evidence, _ = decide(measure, calibrate(measure, policy), policy)
    assert evidence.spent(Side.CANDIDATE) == 3


def test_both_directions_decide_alike() -> None:
    maximize = Policy(direction=Direction.MAXIMIZE)
    for seed in range(20):
        session = calibrate(noisy(seed))
        mirrored = RunStatistics.calibrated([-v for v in _baseline(seed)], maximize)
        down = decide(noisy(seed, gain=0.03), session)
        flipped = noisy(seed, gain=0.03)
        up = decide(lambda side, measure=flipped: -measure(side), mirrored, maximize)
        assert [value for _, value in down[0].runs] == [-value for _, value in up[0].runs]
        assert down[1] == replace(up[1], reason=up[1].reason.replace("'s -", "'s "))


def _baseline(seed: int) -> list[float]:
    measure = noisy(seed)
    values: list[float] = []
    while next_calibration_run(values, MINIMIZE):
        values.append(measure(Side.INCUMBENT))
    return values


def test_the_unit_of_the_metric_does_not_matter() -> None:
    for factor in (1024.0, 1 / 1024):
        for seed in range(5):
            plain = many(noisy(seed, gain=0.02), 15)
            scaled = many(noisy(seed, gain=0.02, level=100 * factor), 15)
            assert [d.status for _, d in plain] == [d.status for _, d in scaled]
            assert [len(e.runs) for e, _ in plain] == [len(e.runs) for e, _ in scaled]


def test_better_candidate_values_never_turn_a_keep_into_a_discard() -> None:
    measure = noisy(5, gain=0.06)
    session = calibrate(measure)
    evidence, decision = decide(measure, session)
    assert decision.status is Status.KEEP
    for less in (0.5, 1.0, 2.0):
        incumbent = iter(evidence.values(Side.INCUMBENT) + [100.0] * 9)
        candidate = iter(evidence.values(Side.CANDIDATE) + [80.0] * 9)
        values = {Side.INCUMBENT: incumbent, Side.CANDIDATE: candidate}
        better = decide(
            lambda side, v=values, x=less: next(v[side]) - x * (side is Side.CANDIDATE), session
        )
        assert better[1].status is Status.KEEP


@pytest.mark.parametrize("level", [0.0, -5.0, 1e-12])
def test_metrics_at_zero_or_below_it_are_decided(level: float) -> None:
    rng = random.Random(4)

    def measure(side: Side) -> float:
        return level + rng.gauss(0, 1) - 20 * (side is Side.CANDIDATE)

    assert decide(measure, calibrate(measure))[1].status is Status.KEEP


def test_a_metric_that_reaches_exactly_zero_is_a_hundred_percent() -> None:
    session = RunStatistics.calibrated([4.0] * 3, MINIMIZE)
    decision = decide(lambda side: 0.0, session)[1]
    assert (decision.status, decision.ci_low) == (Status.KEEP, 1.0)
    session = session.after(DecisionRuns().plus(Side.CANDIDATE, 0.0), decision, "a")
    assert decide(lambda side: 0.0, session)[1].status is Status.DISCARD
    assert decide(lambda side: 1.0, session)[1].status is Status.DISCARD
    assert decide(lambda side: -1.0, session)[1].status is Status.KEEP


def test_gains_below_min_effect_are_discarded_however_certain() -> None:
    policy = Policy(direction=Direction.MINIMIZE, min_effect=0.05)
    measure = noisy(2, gain=0.02, spread=0.001)
    evidence, decision = decide(measure, calibrate(measure, policy), policy)
    assert decision.status is Status.DISCARD
    assert decision.reason.startswith("below min_effect: +")
    assert len(evidence.runs) <= 4


# --- promising candidates


def promising(gain: float = 0.02) -> tuple[RunStatistics, DecisionRuns, Decision]:
    for seed in range(200):
        measure = noisy(seed, gain=gain)
        session = calibrate(measure)
        evidence, decision = decide(measure, session, name="tree")
        if decision.reason.startswith("promising"):
            return session.after(evidence, decision, "tree"), evidence, decision
    raise AssertionError("no promising candidate in 200 tries")


def test_a_promising_candidate_continues_where_it_stopped() -> None:
    session, evidence, decision = promising()
    assert decision.status is Status.DISCARD
    assert session.begin("tree").carried == evidence.runs
    assert session.begin("another").carried == ()


def test_a_second_look_measures_again_before_it_decides() -> None:
    session, _, _ = promising()
    evidence, _ = decide(noisy(7, gain=0.2), session, name="tree")
    assert 2 <= len(evidence.runs) <= 2 * MINIMIZE.repeats_max


def test_a_keep_of_another_candidate_voids_carried_evidence() -> None:
    session, _, _ = promising()
    kept = DecisionRuns().plus(Side.CANDIDATE, 90.0).plus(Side.INCUMBENT, 100.0)
    session = session.after(kept, Decision(status=Status.KEEP), "another")
    assert session.begin("tree").carried == ()


def test_no_candidate_is_promising_for_ever() -> None:
    session, _, decision = promising()
    looks = 1
    while decision.reason.startswith("promising"):
        runs = iter([1.0, -1.0] * 50)
        evidence, decision = decide(
            lambda side, r=runs: 100 - 1.4 * (side is Side.CANDIDATE) + 2 * next(r),
            session,
            name="tree",
        )
        session = session.after(evidence, decision, "tree")
        looks += 1
    assert looks <= LOOKS


# --- the whole run


def test_the_error_budget_of_a_run_without_keeps_is_bounded() -> None:
    session, spent = calibrate(noisy(1)), 0.0
    evidence = DecisionRuns().plus(Side.CANDIDATE, 99.0).plus(Side.INCUMBENT, 99.0)
    for iteration in range(1000):
        spent += session.test_level(0.1)
        session = session.after(evidence, Decision(status=Status.DISCARD), str(iteration))
    assert spent < 0.1


def test_a_keep_raises_the_level_of_the_next_test() -> None:
    session = calibrate(noisy(1))
    evidence = DecisionRuns().plus(Side.CANDIDATE, 90.0).plus(Side.INCUMBENT, 99.0)
    lost = session.after(evidence, Decision(status=Status.DISCARD), "a")
    once = session.after(evidence, Decision(status=Status.KEEP), "a")
    twice = once.after(evidence, Decision(status=Status.KEEP), "b")
    assert lost.test_level(0.1) < once.test_level(0.1) < twice.test_level(0.1) < 0.1


def test_a_session_read_back_from_json_decides_the_same() -> None:
    reader = TypeAdapter(RunStatistics)
    measure = noisy(11, gain=0.02)
    session = calibrate(measure)
    for iteration in range(12):
        evidence, decision = decide(measure, session, name=str(iteration % 5))
        session = session.after(evidence, decision, str(iteration % 5))
        again = reader.validate_json(reader.dump_json(session), strict=True)
        assert again == session
        replay = decide(noisy(iteration, gain=0.03), again, name="x")
        assert replay == decide(noisy(iteration, gain=0.03), session, name="x")


def test_one_repeat_falls_back_to_twice_the_spread_of_two_baselines() -> None:
    policy = Policy(direction=Direction.MINIMIZE, repeats_max=1)
    assert next_calibration_run([100.0], policy)
    assert not next_calibration_run([100.0, 102.0], policy)
    session = RunStatistics.calibrated([100.0, 102.0], policy)
    for value, status in ((98.0, Status.DISCARD), (96.0, Status.KEEP)):
        evidence, decision = decide(lambda side, v=value: v, session, policy)
        assert (decision.status, len(evidence.runs)) == (status, 1)
        assert decision.reason.startswith("unconfirmed: ")


# --- what the user is told


def test_the_user_is_told_noise_detectable_change_and_price() -> None:
    text = RunStatistics.calibrated(_baseline(3), MINIMIZE).describe(MINIMIZE, seconds_per_run=60)
    assert text.startswith("this metric on this runner varies by ")
    assert "up to 7 runs per decision it can detect changes of " in text
    assert "a decision takes about 4 min, at most 14 min" in text
    assert "warning" not in text


def test_the_user_is_told_when_min_effect_is_out_of_reach() -> None:
    policy = Policy(direction=Direction.MINIMIZE, min_effect=0.002)
    text = RunStatistics.calibrated(_baseline(3), policy).describe(policy, seconds_per_run=60)
    assert "warning: gains near 0.2 % will be missed" in text
    tiny = Policy(direction=Direction.MINIMIZE, min_effect=1e-160)
    assert "will be missed" in RunStatistics.calibrated(_baseline(3), tiny).describe(tiny, 60)


def test_the_user_is_told_that_a_metric_is_deterministic() -> None:
    text = RunStatistics.calibrated([3.0] * 3, MINIMIZE).describe(MINIMIZE, seconds_per_run=60)
    assert text == "this metric is deterministic on this runner: one run discards, up to three keep"


@pytest.mark.parametrize("repeats_max", [1, 7])
def test_noise_that_was_not_measured_is_not_called_zero(repeats_max: int) -> None:
    policy = Policy(direction=Direction.MINIMIZE, repeats_max=repeats_max, min_effect=0.03)
    text = RunStatistics.calibrated([3.0], policy).describe(policy, seconds_per_run=60)
    assert text.startswith("how much this metric varies on this runner was not measured")
    assert "0.00 %" not in text
    if repeats_max == 1:
        assert text.endswith("gains above 3.0 % are kept, unconfirmed")


@pytest.mark.parametrize("repeats_max", [1, 7])
def test_equal_values_that_prove_nothing_are_no_spread_of_zero_per_cent(repeats_max: int) -> None:
    policy = Policy(direction=Direction.MINIMIZE, repeats_max=repeats_max, exact=False)
    text = RunStatistics.calibrated([3.0, 3.0], policy).describe(policy, seconds_per_run=60)
    assert text.startswith("this metric was the same in all runs on this runner")
    assert "0.00 %" not in text


# --- whose doing it is


def slowing(loss: float, gain: float = 0.0, *, both: bool = False) -> Measure:
    """The incumbent is so much slower as soon as the candidate has run, or both are."""
    rng, ran = random.Random(1), [False]

    def measure(side: Side) -> float:
        ran[0] |= side is Side.CANDIDATE
        own = side is Side.CANDIDATE
        slower = loss if ran[0] and (both or not own) else 0.0
        return (100.0 * (1 + slower) * (1 - gain if own else 1.0)) + rng.gauss(0, 0.5)

    return measure


@pytest.mark.parametrize("loss", [0.05, 0.4, 3.0])
@pytest.mark.parametrize("gain", [0.0, 0.005])
def test_a_gain_that_is_the_incumbents_loss_is_distrusted(loss: float, gain: float) -> None:
    measure = slowing(loss, gain)
    _, decision = decide(measure, calibrate(measure))
    assert decision.status is Status.DISCARD
    assert decision.reason.startswith("distrusted, the incumbent is worse by ")


def test_a_number_that_beats_the_baselines_is_told_beside_which_it_lost() -> None:
    baseline = calibrate(noisy(1, spread=0.004))
    measure = noisy(2, gain=-0.1, level=80.0, spread=0.004)  # the machine is faster by now
    evidence, decision = decide(measure, baseline)
    candidate = statistics.median(evidence.values(Side.CANDIDATE))
    incumbent = statistics.median(evidence.values(Side.INCUMBENT))
    assert incumbent < candidate < min(baseline.incumbent)
    assert decision.reason.startswith("clearly worse: -")
    assert f" % beside the incumbent's {incumbent:.6g} (CI -" in decision.reason


def test_a_gain_that_is_larger_than_the_incumbents_loss_is_kept() -> None:
    for measure in (slowing(0.05, 0.3), slowing(0.0, 0.1), slowing(0.01, 0.1, both=True)):
        _, decision = decide(measure, calibrate(measure))
        assert decision.status is Status.KEEP, decision
