"""What `fix` adds to the time of the tools it asks, on 200 lint failures and 50 failing tests.

A few lines of shell make the same edits, commit them and run the same tools as often as our loop
does, in alternating rounds on copies of the same repository, so the ratio holds on a machine
whose speed drifts. It looks at nothing that the tools say.

Both measure the same states: a clean tree. What a tool leaves behind is deleted between the
iterations of the shell loop, too, outside of the time that counts: a module that an earlier state
of the code compiled is nothing that a later one may be measured with, as it can be anything.
`--warm` leaves it there, for the price of that.

Processor time is what the tools and all that starts them used, from the first proposal to the last
row. It holds on a machine that others use, too, which no time on a clock does.

    python benchmarks/fix.py
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

LINT, TESTS = 200, 50
MODULES = 50
RUFF = "ruff check --no-fix --no-cache --output-format json --output-file {report} ."
PYTEST = "python -m pytest -q -p no:cacheprovider --junitxml {report}"
CONFIGURATION = f"""
fix:
  targets:
    - {{tool: ruff, command: "{RUFF}"}}
    - {{tool: pytest, command: "{PYTEST}"}}
"""
BARE = f"""
set -e
cp -r "$1/." .
git commit -qam repair
{RUFF.replace("{report}", "../ruff.json")} || true
{PYTEST.replace("{report}", "../pytest.xml")} > /dev/null || true
"""
AGAIN = f"{PYTEST.replace('{report}', '../again.xml')} > /dev/null || true\n"
"""A test that passes now is run again: luck does not hold."""
NEAR = 2 * f"{PYTEST.replace('{report}', '../near.xml')} -k $2 > /dev/null || true\n"
"""That test by itself, before and after: ours is run at other inputs, too."""


def modules() -> dict[str, str]:
    """Each has a wrong function, and unused imports."""
    names = [f"unused_{number}" for number in range(LINT // MODULES)]
    return {
        f"m{m}.py": "".join(f"import os as {name}\n" for name in names)
        + f"\n\ndef f(x):\n    return x - {m + 1}\n"
        for m in range(MODULES)
    }


def repairs() -> list[tuple[str, str, str]]:
    """(file, what stands there, what should), linters and tests in turns."""
    found = []
    for number in range(LINT // MODULES):
        for m in range(MODULES):
            found.append((f"m{m}.py", f"import os as unused_{number}\n", ""))
            if number == 0:
                found.append((f"m{m}.py", f"x - {m + 1}", f"x + {m + 1}"))
    return found


def make_repository(root: Path) -> None:
    root.mkdir(parents=True)
    for name, text in modules().items():
        (root / name).write_text(text)
    tests = [f"def test_{m}():\n    assert m{m}.f(1) == {m + 2}\n" for m in range(MODULES)]
    imports = "".join(f"import m{m}\n" for m in range(MODULES))
    (root / "test_all.py").write_text(imports + "\n\n" + "\n\n".join(tests))
    (root / ".github").mkdir()
    (root / ".github" / "autoresearch.yml").write_text(CONFIGURATION)
    git = ["git", "-C", str(root)]
    subprocess.run([*git, "init", "-q"], check=True)
    for name in ("user.name", "user.email"):
        subprocess.run([*git, "config", name, "b@example.org"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "broken"], check=True)


class Cost(NamedTuple):
    """Of an iteration."""

    wall: float
    cpu: float
    """Seconds of processors, user and system, of all processes."""


def bare_round(root: Path, start: int, count: int, *, warm: bool) -> Cost:
    """The shell loop's."""
    texts = modules()
    for path, old, new in repairs()[:start]:
        texts[path] = texts[path].replace(old, new)
    wall = cpu = 0.0
    for path, old, new in repairs()[start : start + count]:
        texts[path] = texts[path].replace(old, new)
        edit = root.parent / "edit"
        edit.mkdir(exist_ok=True)
        (edit / path).write_text(texts[path])
        is_test = not old.startswith("import")
        script = BARE + (AGAIN + NEAR if is_test else "")
        began = time.perf_counter(), of_children()
        argv = ["bash", "-c", script, "bare", str(edit), f"test_{path[1:-3]}"]
        subprocess.run(argv, cwd=root, check=True)
        wall += time.perf_counter() - began[0]
        cpu += of_children() - began[1]
        shutil.rmtree(edit)
        if not warm:
            subprocess.run(["git", "clean", "-qfdx"], cwd=root, check=True)
    return Cost(wall / count, cpu / count)


def of_children() -> float:
    """Processor seconds of all that has ended below this process."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def used_by(process: int) -> float:
    """Processor seconds of a process and all that has ended below it."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def our_round(root: Path, count: int) -> Cost:
    """Ours, from the first proposal to the last row."""
    argv = [sys.executable, "-m", "autoresearch_ci", "fix", "--tag", "b", "--json"]
    argv += ["--proposer", f"script:{root.parent / 'script.jsonl'}", "--iterations", str(count)]
    if (root / ".git" / "autoresearch" / "b").exists():
        argv.append("--resume")
    times: list[tuple[float, float, bool]] = []
    with subprocess.Popen(argv, cwd=root, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        for line in child.stdout:
            event = json.loads(line)
            if event["event"] in ("stage-started", "experiment-finished"):
                is_row = event["event"] == "experiment-finished"
                if is_row or event["stage"] == "propose":
                    times.append((time.perf_counter(), used_by(child.pid), is_row))
    if child.returncode:
        raise SystemExit(f"fix failed with status {child.returncode}")
    began, before, _ = next(moment for moment in times if not moment[2])
    rows = [moment for moment in times if moment[2] and moment[0] > began]
    return Cost((rows[-1][0] - began) / len(rows), (rows[-1][1] - before) / len(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--warm", action="store_true")
    options = parser.parse_args()
    count = max(2, options.iterations // options.rounds)
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as folder:
        bare, ours = Path(folder) / "bare" / "tree", Path(folder) / "ours" / "tree"
        make_repository(bare)
        make_repository(ours)
        lines = [
            {"description": f"repair {number}", "edits": [{"path": path, "old": old, "new": new}]}
            for number, (path, old, new) in enumerate(repairs())
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (ours.parent / "script.jsonl").write_text(text)
        pairs = []
        for number in range(options.rounds):
            tools = bare_round(bare, number * count, count, warm=options.warm)
            own = our_round(ours, (number + 1) * count)
            pairs.append((tools, own))
            print(f"round {number + 1}: tools {tools.wall:.2f} s, fix {own.wall:.2f} s", flush=True)
    tools, fix = (
        statistics.median(cost.wall for cost in side) for side in zip(*pairs, strict=True)
    )
    print(f"{60 / fix:.0f} iterations a minute, the tools alone {60 / tools:.0f}")
    for name, told in (("wall", "time"), ("cpu", "processor time")):
        ratio = statistics.median(getattr(b, name) / getattr(a, name) for a, b in pairs)
        print(f"{told}: fix / tools {ratio:.2f}; our own share {max(0.0, 1 - 1 / ratio):.0%}")


if __name__ == "__main__":
    main()
