"""Would early stopping have killed a winner? Every pair of real training curves as rivals.

    python benchmarks/early_stop.py

A pair is a winner when the candidate's final metric is better than the incumbent's. The curves are
`data/trainer_curves.tsv`: loss lines and final val_bpb of `trainer/train.py` with one constant
changed each, on a busy two-core machine (see `data/README.md`).
"""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from statistics import fmean

from autoresearch_ci.decide.metric.early_stop import Curve, Progress, behind
from autoresearch_ci.experiment import Direction

CURVES = Path(__file__).with_name("data") / "trainer_curves.tsv"


def read(path: Path) -> dict[str, tuple[float, list[Progress]]]:
    """Final metric and points of each run."""
    runs: dict[str, tuple[float, list[Progress]]] = {}
    for line in path.read_text().splitlines()[1:]:
        name, final, progress, loss = line.split("\t")
        runs.setdefault(name, (float(final), []))[1].append((float(progress), float(loss)))
    return runs


def stopped_at(incumbent: Curve, candidate: list[Progress]) -> float | None:
    """The progress at which the rule kills, asked after every point."""
    for k in range(1, len(candidate) + 1):
        if behind(incumbent, candidate[:k], Direction.MINIMIZE):
            return candidate[k - 1][0]
    return None


def main() -> None:
    runs = read(CURVES)
    print(f"{'final metric of the candidate':<32}{'pairs':>7}{'killed':>8}{'time saved':>12}")
    worse = {pair: runs[pair[1]][0] / runs[pair[0]][0] - 1 for pair in permutations(runs, 2)}
    for title, low, high in (
        ("better", -9.0, 0.0),
        ("up to 2 % worse", 0.0, 0.02),
        ("2 to 10 % worse", 0.02, 0.1),
        ("more than 10 % worse", 0.1, 99.0),
    ):
        pairs = [pair for pair, by in worse.items() if low <= by < high]
        ends = [stopped_at(Curve(points=tuple(runs[a][1])), runs[b][1]) for a, b in pairs]
        saved = [0.0 if end is None else 1 - end for end in ends]
        killed = sum(end is not None for end in ends)
        share = f"{fmean(saved):.0%}" if saved else "-"
        print(f"{title:<32}{len(pairs):>7}{killed:>8}{share:>12}")


if __name__ == "__main__":
    main()
