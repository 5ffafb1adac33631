"""How much of what could be gained does the keyless proposer gain in a night? One table.

    python benchmarks/search.py [--seeds 24] [--iterations 60] [--worlds near,pair]
    python benchmarks/search.py --before main        # the same with the proposer of a commit
    python benchmarks/search.py --nights 3 --iterations 20      # `forgets` knows nothing of before

Each world is a file of constants and what they are truly worth, minimised; a run of the metric
adds noise of 0.3 %. The real `SearchProposer` proposes through the real second look, the real
`judge` decides. Beside it `random` draws one constant from its whole range. All see the same
worlds and the same noise, so `gap` is a paired difference.

  near    20 constants, half of them worth nothing; three are off by 1 to 2 octaves
  untuned 12 annotated ones, anywhere in three decades; two crash far above their best value
  mixed   floats, small integers, sizes, switches, words
  pair    10, two of which gain only when both move the same way
  exact   `near` without any noise
  null    20 that are all worth nothing: every keep is false

Of Optuna's TPE, which drew from whole ranges and changed five constants at once, 28 % were left
(near), 20 (untuned), 24 (mixed), 42 (pair) and 18 (exact), where 15, 9, 4, 52 and 3 are left now;
with three constants at most its pair was 56. Three nights of 20 leave 5 % of mixed, and 15 when
each forgets the last.

`left` is what a perfect night would still gain, in percent of what there was to gain at the
start; errors are 95 % confidence intervals over seeds.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import multiprocessing
import os
import random
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

from autoresearch_ci.decide.budget import stuck_level
from autoresearch_ci.decide.metric.decision import judge
from autoresearch_ci.decide.metric.run_statistics import (
    Policy,
    RunStatistics,
    Side,
    next_calibration_run,
)
from autoresearch_ci.experiment import (
    Decision,
    Direction,
    Experiment,
    FileEdit,
    Proposal,
    Status,
    Tree,
)
from autoresearch_ci.propose.mixture import SecondLook
from autoresearch_ci.propose.proposer import Context, Proposer
from autoresearch_ci.propose.search.constant_finder import find_constants
from autoresearch_ci.propose.search.constants import rewrite
from autoresearch_ci.propose.search.proposer import SearchProposer
from autoresearch_ci.propose.search.tune_comments import TunedValue

POLICY = Policy(direction=Direction.MINIMIZE)
PATH = "knobs.py"
NOISE = 0.003

# --- worlds ---------------------------------------------------------------------------------------

Cost = Callable[[TunedValue], float]
"""What a value of one constant costs, as a share of the best; infinite: a crash."""


@dataclass(kw_only=True)
class World:
    """A file, and what its constants are worth."""

    lines: list[str] = field(default_factory=list)
    costs: dict[str, Cost] = field(default_factory=dict)
    joint: Callable[[Mapping[str, TunedValue]], float] = lambda values: 0.0
    noise: float = NOISE

    def add(self, name: str, literal: str, cost: Cost, tune: str = "") -> None:
        self.lines.append(f"{name} = {literal}" + (f"  # tune: {tune}" if tune else ""))
        self.costs[name] = cost

    def text(self) -> bytes:
        return "\n".join((*self.lines, "")).encode()

    def true(self, data: bytes) -> float:
        """100 is the best; infinite: a crash."""
        values = {constant.name: constant.value for constant in find_constants(PATH, data)}
        paid = sum(cost(values[name]) for name, cost in self.costs.items())
        return 100 * (1 + paid + self.joint(values))


def bowl(best: float, weight: float, crash: float = math.inf) -> Cost:
    """`weight` one octave from the best, four times that at two; levels off beyond."""

    def cost(value: TunedValue) -> float:
        away = math.log2(float(value) / best)
        return math.inf if away > crash else weight * away**2 / (1 + away**2 / 16)

    return cost


def distance(best: float, unit: float, weight: float) -> Cost:
    return lambda value: weight * ((float(value) - best) / unit) ** 2


def worse(best: TunedValue, weight: float) -> Cost:
    return lambda value: 0.0 if value == best else weight


def literal(rng: random.Random) -> float:
    return float(f"{10 ** rng.uniform(-3, 1):.2g}")


def near(rng: random.Random) -> World:
    world = World()
    off = set(rng.sample(range(20), 3))
    for k in range(20):
        start = literal(rng)
        away, weight = rng.gauss(0, 0.25), 10 ** rng.uniform(-3, -2)
        if k in off:
            away, weight = rng.choice((-1, 1)) * rng.uniform(1, 2), 10 ** rng.uniform(-2.3, -2)
        elif rng.random() < 0.6:
            weight = 0.0
        world.add(f"KNOB_{k}", f"{start:g}", bowl(start * 2**away, weight))
    return world


def untuned(rng: random.Random) -> World:
    world = World()
    for k in range(12):
        low = 10 ** rng.uniform(-5, -1)
        start, best = (low * 10 ** rng.uniform(0.15, 2.85) for _ in range(2))
        crash = 4.0 if k < 2 else math.inf
        start = min(start, best * 2 ** (crash - 1))
        cost = bowl(best, 10 ** rng.uniform(-3, -2), crash)
        world.add(f"RATE_{k}", f"{start:.2g}", cost, f"{low:.2g}..{1000 * low:.2g} log")
    return world


def mixed(rng: random.Random) -> World:
    world = World()
    for k in range(4):
        start = literal(rng)
        away = rng.uniform(-1.5, 1.5)
        world.add(f"FLOAT_{k}", f"{start:g}", bowl(start * 2**away, 10 ** rng.uniform(-3, -2)))
    for k in range(3):
        best = rng.randint(2, 8)
        world.add(f"COUNT_{k}", str(rng.randint(2, 8)), distance(best, 2, 0.004), "1..10")
        size = rng.choice((-1, 0, 0, 1))
        world.add(f"SIZE_{k}", "2**10", bowl(2.0 ** (10 + size), 0.01))
        flag = rng.random() < 0.5
        world.add(f"FLAG_{k}", "True", worse(flag, rng.choice((0.0, 0.01, 0.02))))
    for k in range(2):
        ranks = dict(zip("abcd", rng.sample((0.0, 0.005, 0.02, 0.04), 4), strict=True))
        start_word = rng.choice("abcd")
        world.add(f"WORD_{k}", f'"{start_word}"', lambda v, r=ranks: r[str(v)], "[a, b, c, d]")
    world.add("MOMENTUM", "0.9", distance(rng.uniform(0.85, 0.97), 0.05, 0.01))
    world.add("DROPOUT", "0", distance(rng.choice((0.0, 0.15)), 0.15, 0.01), "0..0.5")
    return world


def pair(rng: random.Random) -> World:
    world = World()
    starts = [literal(rng) for _ in range(10)]
    for k, start in enumerate(starts):
        weight = 0.0 if k < 2 or rng.random() < 0.5 else 10 ** rng.uniform(-3, -2)
        world.add(f"KNOB_{k}", f"{start:g}", bowl(start * 2 ** rng.gauss(0, 0.25), weight))
    sign, along = rng.choice((-1, 1)), rng.choice((-1, 1)) * rng.uniform(1.2, 1.8)

    def valley(values: Mapping[str, TunedValue]) -> float:
        a, b = (math.log2(float(values[f"KNOB_{k}"]) / starts[k]) for k in range(2))
        return 0.03 * (a - sign * b) ** 2 + 0.01 * ((a + sign * b) / 2 - along) ** 2

    world.joint = valley
    return world


def exact(rng: random.Random) -> World:
    world = near(rng)
    world.noise = 0.0
    return world


def null(rng: random.Random) -> World:
    world = World()
    for k in range(20):
        world.add(f"KNOB_{k}", f"{literal(rng):g}", lambda value: 0.0)
    return world


WORLDS: dict[str, Callable[[random.Random], World]] = {
    world.__name__: world for world in (near, untuned, mixed, pair, exact, null)
}

# --- a night --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Files(Tree):
    data: bytes

    def read(self, path: str) -> bytes:
        if path != PATH:
            raise KeyError(path)
        return self.data

    def paths(self) -> list[str]:
        return [PATH]


class Uniform:
    """One constant, anywhere in its range."""

    def propose(self, context: Context) -> Proposal | None:
        rng = random.Random(f"{context.seed}/{context.iteration}")
        data = context.incumbent.read(PATH)
        ranges = {
            constant.name: constant for constant in find_constants(PATH, context.base.read(PATH))
        }
        constant = rng.choice(find_constants(PATH, data))
        first = ranges[constant.name]
        value: TunedValue
        if first.choices:
            value = rng.choice([choice for choice in first.choices if choice != constant.value])
        else:
            assert first.low is not None
            assert first.high is not None
            if first.log:
                value = first.low * (first.high / first.low) ** rng.random()
            else:
                value = rng.uniform(first.low, first.high)
            value = round(value) if isinstance(constant.value, int) else float(f"{value:.4g}")
        edit = FileEdit(path=PATH, content=rewrite(data, {constant: value}))
        return Proposal(description=constant.name, edits=(edit,), proposer="random")


@dataclass(kw_only=True)
class Night:
    """One run of the loop, with a metric that costs nothing."""

    world: World
    proposer: Proposer
    seed: int
    rng: random.Random
    direction: Direction = Direction.MINIMIZE
    trees: dict[str, Files] = field(default_factory=dict)
    history: list[Experiment] = field(default_factory=list)
    prefix: str = "c"
    """Of the names of its commits."""
    incumbent: str = "c0"
    past: tuple[Any, ...] = ()
    """What the proposer knows of earlier nights."""
    known: dict[str, float] = field(default_factory=dict)
    changed: int = 0
    """Constants of all proposals."""

    def go(self, iterations: int) -> Night:
        first = f"{self.prefix}0"
        self.trees.setdefault(first, Files(self.world.text()))
        baseline: list[float] = []
        while next_calibration_run(baseline, POLICY):
            baseline.append(self.measure(first))
        session = RunStatistics.calibrated(baseline, POLICY)
        self.record(first, Decision(status=Status.BASELINE), baseline, [])
        proposer = SecondLook(self.proposer)
        for iteration in range(1, iterations + 1):
            last = self.history[-1]
            again = self.trees[last.commit].data.hex() in session.carried
            proposal = proposer.propose(self.context(iteration, last if again else None))
            if proposal is None:
                break
            session = self.judged(f"{self.prefix}{iteration}", proposal, session)
        return self

    def context(self, iteration: int, promising: Experiment | None) -> Context:
        again = None
        if promising:
            edit = FileEdit(path=PATH, content=self.trees[promising.commit].data)
            again = Proposal(description=promising.description, edits=(edit,), proposer="search")
        return Context(
            goal="",
            direction=POLICY.direction,
            iteration=iteration,
            incumbent=self.trees[self.incumbent],
            base=self.trees[f"{self.prefix}0"],
            at=self.trees.__getitem__,
            history=tuple(self.history),
            seed=self.seed,
            promising=again,
            stuck=stuck_level(self.history),
            **({"past": self.past} if self.past else {}),  # unknown to older commits
        )

    def measure(self, commit: str) -> float:
        return self.true(commit) * self.rng.gauss(1, self.world.noise)

    def true(self, commit: str) -> float:
        if commit not in self.known:
            self.known[commit] = self.world.true(self.trees[commit].data)
        return self.known[commit]

    def judged(self, commit: str, proposal: Proposal, session: RunStatistics) -> RunStatistics:
        (edit,) = proposal.edits
        assert edit.content
        self.trees[commit] = Files(edit.content)
        self.changed += proposal.description.count(" from ")
        if math.isinf(self.true(commit)):
            self.record(commit, Decision(status=Status.CRASH), [], [], proposal.description)
            return session
        name = edit.content.hex()
        evidence = session.begin(name)
        while isinstance(step := judge(evidence, session, POLICY), Side):
            side = commit if step is Side.CANDIDATE else self.incumbent
            evidence = evidence.plus(step, self.measure(side))
        own, rival = evidence.values(Side.CANDIDATE), evidence.values(Side.INCUMBENT)
        self.record(commit, step, own, rival, proposal.description)
        return session.after(evidence, step, name)

    def record(
        self,
        commit: str,
        decision: Decision,
        own: list[float],
        rival: list[float],
        description: str = "",
    ) -> None:
        best = self.history[-1].best if self.history else None
        metric = median(own) if own else None
        before = median(rival) if rival else best
        kept = decision.status in (Status.KEEP, Status.BASELINE)
        self.incumbent = commit if kept else self.incumbent
        self.history.append(
            Experiment(
                iteration=len(self.history),
                timestamp="",
                commit=commit,
                metric=metric,
                delta=metric - before if metric is not None and before is not None else None,
                guard="-",
                guard_metric=None,
                status=decision.status,
                description=description,
                best=metric if kept else best,
                samples=len(own) + len(rival),
                ci_low=decision.ci_low,
                ci_high=decision.ci_high,
                seconds=0.0,
                tokens=0,
                cost_usd=0.0,
                peak_memory_mb=None,
                proposer="-" if decision.status is Status.BASELINE else "search",
                attempts=1,
                reason=decision.reason,
            )
        )


PROPOSERS: dict[str, Callable[[], Proposer]] = {
    "search": SearchProposer,
    "forgets": SearchProposer,
    "random": Uniform,
}


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a night came to."""

    left: float
    """Percent."""
    keeps: int
    runs: float
    """Of the metric, per experiment."""
    constants: float
    """Per experiment."""


def nights(job: tuple[str, str, int, int, int]) -> Found:
    """One night, or several of which each begins where the last one ended."""
    name, world_name, seed, iterations, count = job
    world = WORLDS[world_name](random.Random(f"{world_name} {seed}"))
    rng = random.Random(f"noise {world_name} {seed}")
    done = [Night(world=world, proposer=PROPOSERS[name](), seed=seed, rng=rng).go(iterations)]
    while len(done) < count:
        last = done[-1]
        tree = last.trees[last.incumbent]
        past = (*last.past, _past(last)) if name == "search" else ()
        new = Night(world=world, proposer=PROPOSERS[name](), seed=seed, rng=rng, past=past)
        new.prefix, new.incumbent = f"n{len(done)}-", f"n{len(done)}-0"
        new.trees[new.incumbent] = tree
        done.append(new.go(iterations))
    start, end = done[0].true("c0") - 100, done[-1].true(done[-1].incumbent) - 100
    rows = [row for one in done for row in one.history[1:]]
    return Found(
        left=100 * end / start if start else math.nan,
        keeps=sum(row.status is Status.KEEP for row in rows),
        runs=fmean(row.samples for row in rows),
        constants=sum(one.changed for one in done) / len(rows),
    )


def _past(night: Night) -> Any:
    from autoresearch_ci.experiment import PastRun

    return PastRun(history=tuple(night.history), at=night.trees.__getitem__)


# --- the table ------------------------------------------------------------------------------------


def before(commit: str, arguments: list[str]) -> dict[str, list[Found]]:
    """What this very file finds with the package of another commit."""
    root = Path(__file__).resolve().parent.parent
    archive = subprocess.run(
        ["git", "archive", commit, "autoresearch_ci"], cwd=root, check=True, capture_output=True
    )
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as packed:
            packed.extractall(folder, filter="data")
        done = subprocess.run(
            [sys.executable, __file__, *arguments, "--json"],
            env={**os.environ, "PYTHONPATH": folder},
            check=True,
            stdout=subprocess.PIPE,
        )
    found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return {world: [Found(**one) for one in several] for world, several in found.items()}


def interval(values: list[float], digits: int = 1) -> str:
    """Mean with a 95 % confidence interval."""
    error = 1.96 * stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{fmean(values):.{digits}f} ±{error:.{digits}f}"


def row(world: str, name: str, found: list[Found], ours: list[Found]) -> str:
    left = [one.left for one in found]
    gap = [one.left - own.left for one, own in zip(found, ours, strict=True)]
    blank = math.isnan(left[0])
    cells = [
        "-" if blank else interval(left),
        "-" if blank or found is ours else interval(gap),
        interval([float(one.keeps) for one in found]),
        interval([one.runs for one in found]),
        interval([one.constants for one in found]) if name != "random" else "1",
    ]
    return f"{world:<9}{name:<10}" + "".join(f"{cell:>14}" for cell in cells)


TITLES = ("left %", "gap to search", "keeps", "runs/exp.", "constants/exp.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=24)
    parser.add_argument("--first", type=int, default=0, help="another number: fresh worlds")
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--nights", type=int, default=1, help="one after the other")
    parser.add_argument("--worlds", default=",".join(WORLDS))
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--before", default="", help="a commit whose proposer is tried beside ours")
    parser.add_argument("--json", action="store_true", help="only ours, for another of these")
    args = parser.parse_args()
    names = ["search"] if args.json else [n for n in PROPOSERS if n != "forgets" or args.nights > 1]
    old: dict[str, list[Found]] = {}
    if args.before:
        same = ("seeds", "first", "iterations", "nights", "worlds", "processes")
        given = [text for key in same for text in (f"--{key}", str(getattr(args, key)))]
        old = before(args.before, given)
    if not args.json:
        print(f"{'world':<9}{'proposer':<10}" + "".join(f"{title:>14}" for title in TITLES))
    ours: dict[str, list[Found]] = {}
    with multiprocessing.Pool(args.processes) as pool:
        for world in args.worlds.split(","):
            for name in names:
                seeds = range(args.first, args.first + args.seeds)
                jobs = [(name, world, seed, args.iterations, args.nights) for seed in seeds]
                found = pool.map(nights, jobs)
                if name == "search":
                    ours[world] = found
                if not args.json:
                    print(row(world, name, found, ours[world]), flush=True)
            if world in old:
                print(row(world, args.before[:9], old[world], ours[world]), flush=True)
    if args.json:
        print(json.dumps({world: [vars(one) for one in found] for world, found in ours.items()}))


if __name__ == "__main__":
    main()
