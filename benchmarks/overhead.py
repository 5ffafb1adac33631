"""Milliseconds per iteration of our loop, beside a bare shell loop that does the same git work.

All run in this process's lifetime on copies of the same repository, in alternating rounds, so the
ratio holds on a machine whose speed drifts. The bare loop writes, adds, commits, measures, resets
and appends a row; it promises nothing else. Ours runs with and without the confinement of commands;
the difference is its price.

    python benchmarks/overhead.py                    # a 10-file repository
    python benchmarks/overhead.py --files 100000     # a large one
    python benchmarks/overhead.py --claude           # proposals over HTTP from a local server that
                                                     # answers at once: the price of asking a model
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BARE_LOOP = """
i=$1
echo "X = $i" > f0.py
git add f0.py
git commit -qm "experiment $i"
metric=$(sh -c 'echo score: 1')
commit=$(git rev-parse HEAD)
git reset -q --hard HEAD~1
printf '%s\\t%s\\t%s\\n' "$i" "$commit" "$metric" >> ../bare.tsv
"""


UNCONFINED = """
from autoresearch_ci.cli import main, make_sandbox
from autoresearch_ci.execution.sandbox.jail import unconfined
make_sandbox.measured = lambda config, context, own: unconfined(context.scratch)
main.main()
"""


def make_repository(root: Path, files: int) -> None:
    """A repository of `files` small files, a hundred to a folder."""
    root.mkdir(parents=True)
    for number in range(1, files):
        folder = root / f"d{number // 100}"
        folder.mkdir(exist_ok=True)
        (folder / f"f{number}.txt").write_text(f"{number}\n")
    (root / "f0.py").write_text("X = -1\n")
    git = ["git", "-c", "user.name=b", "-c", "user.email=b@example.org", "-C", str(root)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "start"], check=True)
    for name in ("user.name", "user.email"):
        subprocess.run([*git, "config", name, "b@example.org"], check=True)


def bare_round(root: Path, start: int, count: int) -> list[float]:
    """Seconds of each iteration of the bare loop."""
    seconds = []
    for number in range(start, start + count):
        began = time.perf_counter()
        subprocess.run(["sh", "-c", BARE_LOOP, "bare", str(number)], cwd=root, check=True)
        seconds.append(time.perf_counter() - began)
    return seconds


@contextlib.contextmanager
def local_service() -> Iterator[dict[str, str]]:
    """The Messages API on loopback; every request gets one edit and a submit. Yields variables."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.messages_api import MessagesApi, calls, submit, tool

    numbers = itertools.count()

    def answer(body: dict[str, Any]) -> Any:
        number = next(numbers)
        editor = "str_replace_based_edit_tool"
        edit = tool(editor, command="create", path="f0.py", file_text=f"X = {number}\n")
        return calls(edit, submit(f"set {number}"))

    with MessagesApi() as api:
        api.answer(*[answer] * 10_000)
        yield {"ANTHROPIC_API_KEY": "sk-ant-local", "ANTHROPIC_BASE_URL": api.url}


def our_round(
    root: Path,
    tag: str,
    count: int,
    service: dict[str, str] | None = None,
    *,
    confined: bool = True,
) -> tuple[list[float], float, float]:
    """Seconds of each iteration as the journal has them, peak memory in MB, and CPU seconds in all.

    The latter include starting up and all that we start.
    """
    script = root.parent / "script.jsonl"
    lines = [
        json.dumps({"description": f"set {n}", "files": {"f0.py": f"X = {n}\n"}})
        for n in range(count)
    ]
    script.write_text("\n".join(lines) + "\n")
    program = ["-m", "autoresearch_ci"] if confined else ["-c", UNCONFINED]
    argv = [sys.executable, *program, "run", "--tag", tag, "--scope", "f0.py"]
    argv += ["--metric", "echo score: 1", "--metric-name", "score", "--iterations", str(count)]
    if service:
        argv += ["--proposer", "claude", "--set", "claude.dialect=native"]
    else:
        argv += ["--proposer", f"script:{script}"]
    environment = {**os.environ, **(service or {})}
    child = subprocess.Popen(argv, cwd=root, stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"our loop failed with status {status}")
    rows = (root / "autoresearch" / f"run-{tag}" / "results.tsv").read_text().splitlines()[1:]
    column = rows[0].split("\t").index("seconds")
    seconds = [float(row.split("\t")[column]) for row in rows[2:]]
    return seconds, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10)
    parser.add_argument("--iterations", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--claude", action="store_true")
    options = parser.parse_args()
    count = max(1, options.iterations // options.rounds)
    bare: list[float] = []
    ours: list[float] = []
    unconfined: list[float] = []
    ratios, prices, work = [], [], []
    peak = 0.0
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        service = stack.enter_context(local_service()) if options.claude else None
        for side in ("bare", "ours", "unconfined"):
            make_repository(Path(folder) / side / "repository", options.files)
        for number in range(options.rounds):
            theirs = bare_round(Path(folder) / "bare" / "repository", number * count, count)
            own, memory, busy = our_round(
                Path(folder) / "ours" / "repository", f"r{number}", count, service
            )
            free, _, idle = our_round(
                Path(folder) / "unconfined" / "repository",
                f"r{number}",
                count,
                service,
                confined=False,
            )
            unconfined += free
            prices.append(1000 * (statistics.median(own) - statistics.median(free)))
            work.append(1000 * (busy - idle) / count)
            bare += theirs
            ours += own
            peak = max(peak, memory)
            ratios.append(statistics.median(own) / statistics.median(theirs))
        shutil.rmtree(folder, ignore_errors=True)
    cpu = startup_cpu()
    print(f"{options.files} files, {len(ours)} iterations in {options.rounds} alternating rounds\n")
    print(f"{'':28}{'median ms':>10}{'min':>8}{'max':>8}")
    rows = {
        "bare shell loop": bare,
        "autoresearch-ci unconfined": unconfined,
        "autoresearch-ci run": ours,
    }
    for name, seconds in rows.items():
        ms = [1000 * s for s in seconds]
        print(f"{name:28}{statistics.median(ms):10.1f}{min(ms):8.1f}{max(ms):8.1f}")
    print(f"\nratio of medians, round by round: {statistics.median(ratios):.2f}")
    print(f"  ({', '.join(f'{r:.2f}' for r in ratios)})")
    best = 1000 * (min(ours) - min(unconfined))
    print(f"confinement: {statistics.median(prices):+.1f} ms an iteration, {best:+.1f} at best")
    print(f"  ({', '.join(f'{price:+.1f}' for price in prices)})")
    print(f"  of processor time, starting up included: {statistics.median(work):+.1f} ms")
    print(f"  ({', '.join(f'{ms:+.1f}' for ms in work)})")
    print(f"peak memory of our process: {peak:.0f} MB")
    print(f"CPU of autoresearch-ci --help: {cpu:.2f} s")


def startup_cpu() -> float:
    """User and system seconds of `--help`, median of five."""
    samples = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "autoresearch_ci", "--help"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        samples.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(samples)


if __name__ == "__main__":
    main()
