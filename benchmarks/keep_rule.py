"""How often does a keep rule keep nothing, claim too much, or miss a real win? One table.

    python benchmarks/keep_rule.py [--runs 200] [--seed 0] [--worlds gauss,drift] [--rules ours]

Every world is a source of noise; 200 simulated runs of 50 iterations each go through the real
`judge` and, beside it, through the rules of other tools, written down here from their sources.
The metric is minimised. Four kinds of proposals:

  null     every change is worth exactly 0
  mixed    15 % are real wins of 1 to 5 % (uniform), the rest is worth 0
  losing   nine in ten are 3 to 10 % worse (uniform), the rest is worth 0
  stacked  every change is 2 to 4 % better than what was kept before (uniform)

A candidate that ours calls promising is proposed again at once, which costs an iteration. The
worlds are assumptions except `bursty`, which is recorded; errors are standard errors over runs.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import NormalDist, fmean, median, stdev

from autoresearch_ci.decide.metric.decision import judge
from autoresearch_ci.decide.metric.noise import confirm_interval
from autoresearch_ci.decide.metric.run_statistics import (
    Policy,
    RunStatistics,
    Side,
    next_calibration_run,
)
from autoresearch_ci.experiment import Direction, Status

ITERATIONS = 50
POLICY = Policy(direction=Direction.MINIMIZE)
TRACE = Path(__file__).with_name("data") / "wall_times.tsv"

# --- worlds: an endless stream of factors, one per run of the metric command -------------------

Noise = Iterator[float]


def gauss(rng: random.Random) -> Noise:
    """Independent, 2 %."""
    while True:
        yield rng.gauss(1, 0.02)


def drift(rng: random.Random) -> Noise:
    """The runner wanders, AR(1) with sd 4 % and coefficient 0.985 a run; 1.2 % on top."""
    wander = rng.gauss(0, 0.04)
    while True:
        yield 1 + wander + rng.gauss(0, 0.012)
        wander = 0.985 * wander + rng.gauss(0, 0.04 * math.sqrt(1 - 0.985**2))


def heavy(rng: random.Random) -> Noise:
    """Student's t with 3 degrees of freedom, sd 2 %."""
    while True:
        chi = rng.gammavariate(1.5, 2.0)
        yield max(0.1, 1 + 0.02 * rng.gauss(0, 1) / math.sqrt(chi))


def bursty(rng: random.Random) -> Noise:
    """Real wall times of one script on a busy two-core machine, in a circle from a random place."""
    lines = TRACE.read_text().splitlines()[1:]
    trace = [float(line.split("\t")[0]) for line in lines]
    middle = fmean(trace)
    at = rng.randrange(len(trace))
    while True:
        yield trace[at] / middle
        at = (at + 1) % len(trace)


def bimodal(rng: random.Random) -> Noise:
    """Two CPU frequencies 8 % apart, a third of the time in the slow one; 0.5 % within."""
    slow = rng.random() < 1 / 3
    while True:
        yield (1.08 if slow else 1.0) * rng.gauss(1, 0.005)
        if rng.random() < (0.4 if slow else 0.2):
            slow = not slow


def warmup(rng: random.Random) -> Noise:
    """The machine gets 10 % faster over the first 60 runs or so; 1 % independent noise."""
    run = 0
    while True:
        yield (1 + 0.1 * math.exp(-run / 60)) * rng.gauss(1, 0.01)
        run += 1


def alternating(rng: random.Random) -> Noise:
    """15 % slower in every other phase of about ten runs; 1 % independent noise."""
    slow, length = rng.random() < 0.5, rng.randint(1, 10)
    while True:
        for _ in range(length):
            yield (1.15 if slow else 1.0) * rng.gauss(1, 0.01)
        slow, length = not slow, rng.randint(5, 15)


def slower(rng: random.Random) -> Noise:
    """From some moment on the machine is 15 % slower for good; 1 % independent noise."""
    before = rng.randint(20, 120)
    while True:
        yield (1.0 if before > 0 else 1.15) * rng.gauss(1, 0.01)
        before -= 1


def exact(rng: random.Random) -> Noise:
    """The same code always gives the same number."""
    while True:
        yield 1.0


def nearly_exact(rng: random.Random) -> Noise:
    """Whole milliseconds: 120, and one time in ten 119. Calibration often sees 120 only."""
    while True:
        yield 119 / 120 if rng.random() < 0.1 else 1.0


WORLDS: dict[str, Callable[[random.Random], Noise]] = {
    world.__name__: world
    for world in (
        gauss,
        drift,
        heavy,
        bursty,
        bimodal,
        warmup,
        alternating,
        slower,
        exact,
        nearly_exact,
    )
}

# --- proposals: the true relative gain of each ---------------------------------------------------


def null(rng: random.Random) -> float:
    return 0.0


def mixed(rng: random.Random) -> float:
    return rng.uniform(0.01, 0.05) if rng.random() < 0.15 else 0.0


def losing(rng: random.Random) -> float:
    return -rng.uniform(0.03, 0.1) if rng.random() < 0.9 else 0.0


def stacked(rng: random.Random) -> float:
    return rng.uniform(0.02, 0.04)


PROPOSALS = {proposals.__name__: proposals for proposals in (null, mixed, losing, stacked)}

# --- what is simulated ---------------------------------------------------------------------------


@dataclass(kw_only=True)
class Bench:
    """Measures true values through noise, and counts."""

    noise: Noise
    true: float = 100.0
    """The incumbent's."""
    runs: int = 0

    def measure(self, value: float) -> float:
        self.runs += 1
        return value * next(self.noise)


@dataclass(kw_only=True)
class Outcome:
    """One simulated run of 50 iterations."""

    false_keeps: int = 0
    wins: int = 0
    wins_kept: int = 0
    runs: int = 0
    """Of the metric command, without baseline and confirmation."""
    gained: float = 0.0
    """True relative gain of the final state."""
    claimed: float = 0.0
    """The headline."""


Rule = Callable[[Bench, Iterator[float]], Outcome]


def ours(bench: Bench, proposals: Iterator[float]) -> Outcome:
    """The rule of this repository, with its fresh confirmation as the headline."""
    outcome, start = Outcome(), bench.true
    baseline: list[float] = []
    while next_calibration_run(baseline, POLICY):
        baseline.append(bench.measure(bench.true))
    session = RunStatistics.calibrated(baseline, POLICY)
    bench.runs, again, name = 0, False, ""
    gain = 0.0
    for iteration in range(ITERATIONS):
        if not again:
            gain, name = next(proposals), f"candidate {iteration}"
            outcome.wins += gain > 0
        evidence = session.begin(name)
        candidate = bench.true * (1 - gain)
        while isinstance(step := judge(evidence, session, POLICY), Side):
            value = bench.measure(candidate if step is Side.CANDIDATE else bench.true)
            evidence = evidence.plus(step, value)
        session = session.after(evidence, step, name)
        again = name in session.carried
        if step.status is Status.KEEP:
            tally(outcome, gain)
            bench.true = candidate
    outcome.runs = bench.runs
    outcome.gained = 1 - bench.true / start
    if outcome.false_keeps + outcome.wins_kept:
        base, head = [], []
        for pair in range(5):
            for side in (base, head) if pair % 2 else (head, base):
                side.append(bench.measure(start if side is base else bench.true))
        outcome.claimed = confirm_interval(base, head, POLICY.direction)[0]
    return outcome


def tally(outcome: Outcome, gain: float) -> None:
    if gain > 0:
        outcome.wins_kept += 1
    else:
        outcome.false_keeps += 1


def peer(
    baseline: Callable[[Callable[[], float]], list[float]],
    summary: Callable[[list[float]], float],
    accept: Callable[[Callable[[], float], list[float]], list[float] | None],
) -> Rule:
    """The frame of the others: the incumbent is what was measured when it was kept.

    `accept(measure the candidate, incumbent's values)` gives the candidate's values to keep it.
    """

    def run(bench: Bench, proposals: Iterator[float]) -> Outcome:
        outcome, start = Outcome(), bench.true
        incumbent = baseline(lambda: bench.measure(bench.true))
        first, bench.runs = summary(incumbent), 0
        for gain in islice(proposals, ITERATIONS):
            outcome.wins += gain > 0
            candidate = bench.true * (1 - gain)
            values = accept(lambda value=candidate: bench.measure(value), incumbent)
            if values is not None:
                tally(outcome, gain)
                bench.true, incumbent = candidate, values
        outcome.runs = bench.runs
        outcome.gained = 1 - bench.true / start
        outcome.claimed = 1 - summary(incumbent) / first
        return outcome

    return run


def repeated(
    times: int, summary: Callable[[list[float]], float], margin: float = 0.0
) -> tuple[
    Callable[[Callable[[], float]], list[float]],
    Callable[[list[float]], float],
    Callable[[Callable[[], float], list[float]], list[float] | None],
]:
    """Run so often, summarise, keep when better than the best by more than `margin`."""

    def measure_all(measure: Callable[[], float]) -> list[float]:
        return [measure() for _ in range(times)]

    def accept(measure: Callable[[], float], incumbent: list[float]) -> list[float] | None:
        values = measure_all(measure)
        old, new = summary(incumbent), summary(values)
        return values if (old - new) / new > margin else None

    return measure_all, summary, accept


def two_baseline_floor(bench: Bench, proposals: Iterator[float]) -> Outcome:
    """karpathy/autoresearch issue 560: better by twice what two baselines differ."""
    floor = 0.0

    def baseline(measure: Callable[[], float]) -> list[float]:
        nonlocal floor
        first, second = measure(), measure()
        floor = 2 * abs(first - second)
        return [first]

    def accept(measure: Callable[[], float], incumbent: list[float]) -> list[float] | None:
        value = measure()
        return [value] if incumbent[0] - value > floor else None

    return peer(baseline, median, accept)(bench, proposals)


def bootstrap_of_three(bench: Bench, proposals: Iterator[float]) -> Outcome:
    """autoresearch-mlx rigor.py: three seeds, stop at a losing one, bootstrap P(better) >= 0.95."""
    rng = random.Random(0)

    def accept(measure: Callable[[], float], incumbent: list[float]) -> list[float] | None:
        values: list[float] = []
        for _ in range(3):
            values.append(measure())
            if values[-1] >= fmean(incumbent):
                return None
        better = sum(
            fmean(rng.choices(values, k=3)) < fmean(rng.choices(incumbent, k=3)) for _ in range(200)
        )
        return values if better >= 190 else None

    three = repeated(3, fmean)[0]
    return peer(three, fmean, accept)(bench, proposals)


def mann_whitney(bench: Bench, proposals: Iterator[float]) -> Outcome:
    """Ten runs against the incumbent's ten old ones, U test at 5 %, better median (benchstat)."""
    ten, summary, _ = repeated(10, median)
    spread = math.sqrt(10 * 10 * 21 / 12)

    def accept(measure: Callable[[], float], incumbent: list[float]) -> list[float] | None:
        values = ten(measure)
        u = sum((new < old) + (new == old) / 2 for new in values for old in incumbent)
        return values if NormalDist().cdf((u - 50.5) / spread) > 0.975 else None

    return peer(ten, summary, accept)(bench, proposals)


RULES: dict[str, Rule] = {
    "ours": ours,
    "1 run < best": peer(*repeated(1, median)),
    "median of 5": peer(*repeated(5, median)),
    "2 x two-baseline": two_baseline_floor,
    "5 % min of 5": peer(*repeated(5, min, 0.05)),
    "bootstrap of 3": bootstrap_of_three,
    "U test 10 v 10": mann_whitney,
}


def simulate(job: tuple[str, str, str, int]) -> Outcome:
    rule, world, proposals, seed = job
    rng = random.Random(f"{world} {proposals} {seed}")
    noise = WORLDS[world](random.Random(rng.random()))
    kind = PROPOSALS[proposals]
    return RULES[rule](Bench(noise=noise), iter(lambda: kind(rng), None))


# --- the table -----------------------------------------------------------------------------------


def with_error(values: list[float], digits: int = 2) -> str:
    error = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{fmean(values):.{digits}f} ±{error:.{digits}f}"


def ratio_with_error(parts: list[int], wholes: list[int]) -> str:
    """Share in percent; the error treats each simulated run as one cluster."""
    whole = sum(wholes)
    if not whole:
        return "-"
    share = sum(parts) / whole
    spread = math.sqrt(sum((p - share * w) ** 2 for p, w in zip(parts, wholes, strict=True)))
    return f"{100 * share:.0f} ±{100 * spread / whole:.0f}"


def row(rule: str, world: str, results: dict[str, list[Outcome]]) -> str:
    nothing, some, worse, better = (results[name] for name in PROPOSALS)
    cells = [
        with_error([float(o.false_keeps) for o in nothing]),
        with_error([100 * (o.claimed - o.gained) for o in nothing]),
        with_error([o.runs / ITERATIONS for o in nothing]),
        ratio_with_error([o.wins_kept for o in some], [o.wins for o in some]),
        with_error([float(o.false_keeps) for o in some]),
        with_error([100 * o.gained for o in some], 1),
        with_error([100 * (o.claimed - o.gained) for o in some]),
        with_error([o.runs / ITERATIONS for o in some]),
        with_error([o.runs / ITERATIONS for o in worse]),
        ratio_with_error([o.wins_kept for o in better], [o.wins for o in better]),
        with_error([o.runs / ITERATIONS for o in better]),
    ]
    return f"{world:<12} {rule:<17}" + "".join(f"{cell:>13}" for cell in cells)


HEADER = (
    f"{'':<30}{'--- null world ---':>39}{'--- 15 % real wins of 1-5 % ---':>65}{'most worse':>13}"
    f"{'- all 2-4 % better -':>26}\n"
    f"{'world':<12} {'rule':<17}"
    + "".join(
        f"{cell:>13}"
        for cell in (
            "false keeps",
            "claim-true %",
            "runs/iter",
            "wins kept %",
            "false keeps",
            "true gain %",
            "claim-true %",
            "runs/iter",
            "runs/iter",
            "wins kept %",
            "runs/iter",
        )
    )
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="another number: fresh simulations")
    parser.add_argument("--worlds", default=",".join(WORLDS))
    parser.add_argument("--rules", default=",".join(RULES))
    parser.add_argument("--processes", type=int, default=1)
    args = parser.parse_args()
    print(HEADER)
    with multiprocessing.Pool(args.processes) as pool:
        for world in args.worlds.split(","):
            for rule in args.rules.split(","):
                results = {
                    kind: pool.map(
                        simulate,
                        [(rule, world, kind, args.seed * 10**6 + k) for k in range(args.runs)],
                    )
                    for kind in PROPOSALS
                }
                print(row(rule, world, results), flush=True)


if __name__ == "__main__":
    main()
