"""Bytes of the request per iteration over a scripted run: does the prompt grow with the history?

Runs the real proposer's rendering over 200 scripted iterations on the trainer (a keep every ninth,
crashes, guard failures, notes, ever longer history), prints the size at some of them, the slope
after iteration 10 with its 95 % interval, and how much of each request is byte-identical with the
one before, up to a cache mark.

    python benchmarks/prompt_size.py
    python benchmarks/prompt_size.py --files trainer/train.py trainer/prepare.py
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from autoresearch_ci.config.proposers import Claude
from autoresearch_ci.experiment import Direction, Experiment, Status, Tree
from autoresearch_ci.llm.tools import Dialect
from autoresearch_ci.propose.claude_request import build_request
from autoresearch_ci.propose.journal_digest import DiffSummaries
from autoresearch_ci.propose.proposer import Context, Remaining

ITERATIONS = 200
STATE_ALLOWANCE = 4096
_KNOB = re.compile(r"^([A-Z_]{3,}) = (\d+\.?\d*)", re.M)
_MARK = re.compile(r"# try \d+\n\Z")
_REASONS = (
    "0.9871 is not better than 0.9868 (noise 0.0004)",
    "guard failed: peak_memory_mb 9120 > 8300 + 10%",
    "the metric command exited with 1",
)
_WHY = (
    "so that the early steps move faster",
    "since the schedule decays before the model has converged",
    "to trade depth for more steps within the time budget",
    "which should regularise the embedding",
)


@dataclass(frozen=True)
class Files(Tree):
    """A commit."""

    files: Mapping[str, bytes]

    def read(self, path: str) -> bytes:
        return self.files[path]

    def paths(self) -> Sequence[str]:
        return sorted(self.files)


class Run:
    """A scripted run: a journal that grows and trees that change."""

    def __init__(self, files: Mapping[str, bytes], program: str) -> None:
        self.base = Files(files)
        self.trees = {"base": self.base}
        self.incumbent = self.base
        self.program = program
        self.rng = random.Random(7)
        self.best = 1.0
        self.history: list[Experiment] = [self._row(0, "base", Status.BASELINE, 1.0, "baseline")]

    def context(self, iteration: int) -> Context:
        return Context(
            goal="Lower validation bits per byte at a fixed time budget",
            direction=Direction.MINIMIZE,
            iteration=iteration,
            incumbent=self.incumbent,
            base=self.base,
            at=lambda commit: self.trees[commit],
            history=self.history,
            seed=0,
            stuck=min(3, iteration % 9 // 5),
            metric="val_bpb",
            program=self.program,
            notes=[f"try {word}" for word in ("a longer warm-up", "fewer heads", "weight tying")],
            remaining=Remaining(iterations=ITERATIONS - iteration + 1, usd=20 - iteration / 20),
        )

    def advance(self, iteration: int) -> None:
        """One iteration: a constant changes; every ninth change is kept."""
        path = self.rng.choice(self.incumbent.paths())
        text = self.incumbent.read(path).decode()
        knobs = list(_KNOB.finditer(text))
        commit = f"{iteration:040x}"
        # The size stays: a file that grows is not the history's doing.
        words, changed = "simplify the schedule", _MARK.sub("", text) + f"# try {iteration:04}\n"
        if knobs:
            knob = self.rng.choice(knobs)
            new = f"{knob[1]} = {float(knob[2]) * self.rng.choice((0.5, 0.8, 1.25, 2)):.4g}"
            changed = text[: knob.start()] + new + text[knob.end() :]
            words = f"change {knob[1]} from {knob[2]} to {new.rpartition(' ')[2]}"
        words += f" {self.rng.choice(_WHY)}"
        tree = Files({**self.incumbent.files, path: changed.encode()})
        self.trees[commit] = tree
        status, metric = Status.DISCARD, self.best + self.rng.uniform(0.0001, 0.02)
        if iteration % 9 == 0:
            status, metric, self.incumbent = Status.KEEP, self.best - 0.003, tree
        elif iteration % 7 == 0:
            status = Status.CRASH
        self.history.append(self._row(iteration, commit, status, metric, words))

    def _row(
        self, number: int, commit: str, status: Status, metric: float, words: str
    ) -> Experiment:
        before, crashed = self.best, status is Status.CRASH
        self.best = metric if status is Status.KEEP else self.best
        return Experiment(
            iteration=number,
            timestamp="2026-01-01T00:00:00+00:00",
            commit=commit,
            metric=None if crashed else metric,
            delta=None if crashed else metric - before,
            guard="-",
            guard_metric=None,
            status=status,
            description=words,
            best=self.best,
            samples=2,
            ci_low=None,
            ci_high=None,
            seconds=60.0,
            tokens=20_000,
            cost_usd=0.05,
            peak_memory_mb=None,
            proposer="claude",
            attempts=1,
            reason="" if status is Status.KEEP else self.rng.choice(_REASONS),
        )


def parts(request: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """What the service caches by, in its order, and whether a cache mark follows."""
    blocks = [*request["tools"], *request["system"], *request["messages"][0]["content"]]
    return [(json.dumps(block, ensure_ascii=False), "cache_control" in block) for block in blocks]


def cached_share(before: Mapping[str, Any], after: Mapping[str, Any]) -> float:
    """Share of `after` that was sent before, up to the last mark within the equal part."""
    equal = cached = 0
    now = parts(after)
    for old, new in zip(parts(before), now, strict=False):
        if old != new:
            break
        equal += len(new[0].encode())
        cached = equal if new[1] else cached
    return cached / sum(len(text.encode()) for text, _ in now)


SMALL = {"fast.py": b"WIDTH = 64\nDEPTH = 4\n"}


def main() -> None:
    """Print one table for the smallest of scopes and one for the files given."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", nargs="+", default=[Path("trainer/train.py")], type=Path)
    parser.add_argument("--program", default=Path("trainer/program.md"), type=Path)
    options = parser.parse_args()
    program = options.program.read_text() if options.program.is_file() else ""
    print("a scope of two lines")
    measure(SMALL, "")
    print("\n" + " ".join(str(path) for path in options.files))
    measure({str(path): path.read_bytes() for path in options.files}, program)


def measure(files: Mapping[str, bytes], program: str) -> None:
    """Print the table of one scope."""
    run = Run(files, program)
    claude, diffs = Claude(), DiffSummaries()
    scope = list(files)
    sizes: list[int] = []
    beside: list[int] = []  # what the request holds besides the files, which change with keeps
    shares: list[float] = []
    seconds: list[float] = []
    before: dict[str, Any] | None = None
    for iteration in range(1, ITERATIONS + 1):
        began = time.perf_counter()
        request = build_request(
            run.context(iteration), claude, Dialect.NATIVE, globs=scope, diffs=diffs
        )
        seconds.append(time.perf_counter() - began)
        sizes.append(len(json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()))
        beside.append(sizes[-1] - sum(len(data) for data in run.incumbent.files.values()))
        if before and run.history[-1].status is not Status.KEEP:
            shares.append(cached_share(before, request))
        before = request
        run.advance(iteration)
    report(sizes, beside, shares, seconds, sum(len(data) for data in files.values()))


def report(
    sizes: Sequence[int],
    beside: Sequence[int],
    shares: Sequence[float],
    seconds: Sequence[float],
    files: int,
) -> None:
    """Print what was measured beside what was promised."""
    from scipy import stats

    print("iteration   bytes   ~tokens")
    for iteration in (1, 2, 5, 10, 25, 50, 100, 200):
        size = sizes[iteration - 1]
        print(f"{iteration:9} {size:7} {size // 4:9}")
    late = beside[10:]
    fit = stats.linregress(range(len(late)), late)
    margin = stats.t.ppf(0.975, len(late) - 2) * fit.stderr
    low, high = fit.slope - margin, fit.slope + margin
    verdict = "zero is inside" if low <= 0 <= high else "zero is outside"
    print(f"slope after iteration 10, files aside: {fit.slope:+.3f} bytes per iteration")
    print(f"  95 % interval {low:+.3f} to {high:+.3f}: {verdict}")
    limit = 1.3 * files + STATE_ALLOWANCE
    print(f"largest request {max(sizes)} bytes; 1.3 x files + 4 KB = {limit:.0f}", end="")
    print(f": ratio {max(sizes) / limit:.3f}")
    print(f"served from the cache when no file changed: {min(shares):.1%} at least")
    print(f"time to render: {median(seconds) * 1000:.2f} ms (median)")


if __name__ == "__main__":
    main()
