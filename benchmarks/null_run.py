"""The real loop on a real noisy command, with proposals that are worth exactly nothing.

The metric is the wall time of a small Python script; every proposal changes a comment. Whatever is
kept is a false keep, and an honest headline claims nothing.

    python benchmarks/null_run.py                  # 50 iterations, a few minutes
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

WORK = """# idea 0
import time

began = time.perf_counter()
total = 0
for number in range(400_000):
    total += number * number % 7
print(f"seconds: {time.perf_counter() - began:.6f}")
"""


def make_repository(root: Path) -> None:
    """One script that measures itself."""
    root.mkdir()
    (root / "work.py").write_text(WORK)
    git = ["git", "-c", "user.name=b", "-c", "user.email=b@example.org", "-C", str(root)]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start"]):
        subprocess.run([*git, *words], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "repository"
        make_repository(root)
        script = Path(folder) / "script.jsonl"
        lines = [
            {
                "description": f"reword {n}",
                "edits": [{"path": "work.py", "old": "# idea 0", "new": f"# idea {n}"}],
            }
            for n in range(1, options.iterations + 1)
        ]
        script.write_text("\n".join(map(json.dumps, lines)) + "\n")
        argv = [sys.executable, "-m", "autoresearch_ci", "run", "--tag", "null"]
        argv += ["--scope", "work.py", "--metric", f"{sys.executable} work.py"]
        argv += ["--metric-name", "seconds", "--iterations", str(options.iterations)]
        argv += ["--proposer", f"script:{script}"]
        subprocess.run(argv, cwd=root, check=True, stdout=subprocess.DEVNULL)
        run_folder = root / "autoresearch" / "run-null"
        text = (run_folder / "results.tsv").read_text().splitlines()[1:]
        rows = [dict(zip(text[0].split("\t"), row.split("\t"), strict=True)) for row in text[1:]]
        facts = json.loads((run_folder / "run.json").read_text())
        headline = (run_folder / "summary.md").read_text().splitlines()[0]
    tried = rows[1:]
    print(f"iterations            {len(tried)}")
    print(f"kept (all false)      {facts['totals']['kept']}")
    print(f"runs per iteration    {statistics.mean(int(r['samples']) for r in tried):.2f}")
    print(f"headline              {headline}")


if __name__ == "__main__":
    main()
