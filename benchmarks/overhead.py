"""Milliseconds per iteration of our loop, beside a bare shell loop that does the same git work.

All run in this process's lifetime on copies of the same repository, in alternating rounds, so the
ratio holds on a machine whose speed drifts. The bare loop writes, adds, commits, measures, resets
and appends a row; it promises nothing else. Ours runs with each mechanism that confines commands
and without; the difference is its price. On a busy machine look at the least, and at ratios, or go
before the others: `chrt -f 1 python benchmarks/overhead.py`, as root and not for long.

    python benchmarks/overhead.py                    # a 10-file repository
    python benchmarks/overhead.py --files 100000     # a large one
    python benchmarks/overhead.py --commands 200     # a command alone, new folders included
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
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from autoresearch_ci.config.schema import Sandbox
from autoresearch_ci.execution.command import run_command
from autoresearch_ci.execution.sandbox.abilities import Abilities
from autoresearch_ci.execution.sandbox.jail import Jail, unconfined
from autoresearch_ci.execution.sandbox.places import Places
from autoresearch_ci.execution.sandbox.users import User

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


PROGRAMS = {
    "full": "from autoresearch_ci.cli import main; main.main()",
    "container": """
from autoresearch_ci.execution.sandbox import bubblewrap
bubblewrap.program = lambda: ("", "")
from autoresearch_ci.cli import main
main.main()
""",
    "unconfined": """
from autoresearch_ci.cli import main, make_sandbox
from autoresearch_ci.execution.sandbox.jail import unconfined
make_sandbox.measured = lambda config, context, own: unconfined(context.scratch)
main.main()
""",
}


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
    mechanism: str = "full",
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
    argv = [sys.executable, "-c", PROGRAMS[mechanism], "run", "--tag", tag, "--scope", "f0.py"]
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


class Container(Jail):
    """Without a view, whatever this machine allows."""

    def __init__(self, places: Places, user: User | None) -> None:
        super().__init__(Sandbox(), places)
        self._of = user

    @property
    def abilities(self) -> Abilities:
        return replace(super().abilities, why_no_view="it is not wanted")

    @property
    def _decision(self) -> tuple[User | None, None]:  # type: ignore[override]
        return self._of, None


def command_rounds(count: int) -> dict[str, list[float]]:
    """Milliseconds of `true` in new folders, each mechanism in each round."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        Path(name).chmod(0o755)
        jails: dict[str, Jail] = {}
        boxes: dict[str, Path] = {}
        other = User(60800, 60800, exclusive=True) if not os.geteuid() else None
        for side in ("unconfined", "full", "container", "container, our user"):
            box = boxes[side] = Path(name, side.replace(", ", "-"))
            own = tuple(box / folder for folder in ("tree", "home", "tmp"))
            places = Places(scratch=box, own=own, home=own[1], shown=(str(box),))
            if side == "unconfined":
                jails[side] = unconfined(box)
            elif side == "full":
                jails[side] = Jail(Sandbox(), places)
            elif other or side != "container":
                jails[side] = Container(places, other if side == "container" else None)
            for folder in own:
                folder.mkdir(parents=True)
                jails[side].own(folder)
            stack.callback(jails[side].close)
        jails["full"].seal()
        found: dict[str, list[float]] = {side: [] for side in jails}
        for _ in range(count + 3):
            for side, jail in jails.items():
                box = boxes[side]
                began = time.perf_counter()
                if side.startswith("container"):
                    (box / "tmp").rmdir()
                    (box / "tmp").mkdir()
                    jail.own(box / "tmp")
                with jail.fresh(box / "tmp") if side == "full" else contextlib.nullcontext():
                    done = run_command(
                        ["true"], cwd=box / "tree", env={"PATH": os.defpath}, enter=jail.enter()
                    )
                    jail.sweep()
                found[side].append(1000 * (time.perf_counter() - began))
                assert not done.failure, done
        return {side: each[3:] for side, each in found.items()}


def told_commands(count: int) -> None:
    found = command_rounds(count)
    print(
        f"a command, {count} rounds\n\n{'':28}{'median ms':>10}{'min':>8}{'more':>8}{'at best':>8}"
    )
    base = found["unconfined"]
    for side, each in found.items():
        more = statistics.median(mine - bare for mine, bare in zip(each, base, strict=True))
        print(
            f"{side:28}{statistics.median(each):10.1f}{min(each):8.1f}{more:+8.1f}"
            f"{min(each) - min(base):+8.1f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10)
    parser.add_argument("--iterations", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mechanisms", nargs="+", choices=PROGRAMS, default=list(PROGRAMS))
    parser.add_argument("--claude", action="store_true")
    parser.add_argument("--commands", type=int, default=0)
    options = parser.parse_args()
    if options.commands:
        told_commands(options.commands)
        return
    count = max(1, options.iterations // options.rounds)
    sides = options.mechanisms
    bare: list[float] = []
    found: dict[str, list[float]] = {side: [] for side in sides}
    ratios: dict[str, list[float]] = {side: [] for side in sides}
    work: dict[str, list[float]] = {side: [] for side in sides}
    peak = 0.0
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        os.environ["TMPDIR"] = str(folder)
        service = stack.enter_context(local_service()) if options.claude else None
        for side in ("bare", *sides):
            make_repository(folder / side / "repository", options.files)
        for number in range(options.rounds):
            theirs = bare_round(folder / "bare" / "repository", number * count, count)
            bare += theirs
            for side in sides:
                place = folder / side / "repository"
                ours, memory, busy = our_round(place, f"r{number}", count, service, mechanism=side)
                found[side] += ours
                ratios[side].append(statistics.median(ours) / statistics.median(theirs))
                work[side].append(1000 * busy / count)
                peak = max(peak, memory)
        print(f"{options.files} files, {options.rounds} alternating rounds of {count} iterations\n")
        print(
            f"{'':20}{'median ms':>10}{'min':>8}{'max':>8}{'ratio':>8}{'of least':>9}{'CPU ms':>8}"
        )
        for side, seconds in {"bare shell loop": bare, **found}.items():
            ms = [1000 * s for s in seconds]
            print(
                f"{side:20}{statistics.median(ms):10.1f}{min(ms):8.1f}{max(ms):8.1f}"
                + (
                    f"{statistics.median(ratios[side]):8.2f}{min(seconds) / min(bare):9.2f}"
                    f"{statistics.median(work[side]):8.1f}"
                    if side in found
                    else ""
                )
            )
        print("\nratio: of medians, round by round; CPU: of an iteration, starting up included")
        print(f"peak memory of our process: {peak:.0f} MB")
        print(f"CPU of autoresearch-ci --help: {startup_cpu():.2f} s", flush=True)


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
