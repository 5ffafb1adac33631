"""A repository of many files: what an iteration opens, writes and starts does not grow with it.

Their names are looked at, as everybody's are that could have been changed; that is one `stat` each.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.faults.invariant import value
from tests.faults.tracing import needs_strace

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script

METRIC = "cat value"
CALLS = "execve,open,openat,creat,unlink,unlinkat,rename,renameat,renameat2,link,linkat,mkdir"
PER_FOLDER = 100


def plant(repo: Repo, count: int) -> None:
    """Commit so many files in folders of a hundred; the checkout is sparse and holds none."""
    blob = repo.git("rev-parse", "HEAD:other")
    folder = _tree(repo, [f"100644 blob {blob}\tfile-{n}" for n in range(PER_FOLDER)])
    folders = [f"040000 tree {folder}\tfolder-{n}" for n in range(count // PER_FOLDER)]
    tree = _tree(repo, [*repo.git("ls-tree", "HEAD").splitlines(), *folders])
    commit = repo.git("commit-tree", tree, "-p", "HEAD", "-m", "many files")
    repo.git("sparse-checkout", "set", "--cone")
    repo.git("reset", "--quiet", "--hard", commit)


def _tree(repo: Repo, entries: list[str]) -> str:
    text = "".join(f"{entry}\n" for entry in entries).encode()
    argv = ["git", "mktree"]
    done = subprocess.run(argv, cwd=repo.path, input=text, check=True, capture_output=True)
    return done.stdout.decode().strip()


def work(log: Path) -> float:
    """Programs started, and files opened, made, moved or deleted, from one metric to the next."""
    counts = [0]
    for line in log.read_text(errors="replace").splitlines():
        if "execve(" in line and f'"{METRIC}"' in line:
            counts.append(0)
        elif "O_DIRECTORY" not in line and "(" in line:
            counts[-1] += 1
    return median(counts[-5:-2])  # neither the first, which import, nor the report


@needs_strace
def test_what_an_iteration_touches_does_not_grow_with_the_repository(
    run: Run, script: Script, repo: Repo, torture: bool, tmp_path: Path
) -> None:
    script(*(value(9 - n / 10) for n in range(6)))
    found = {}
    for count in (PER_FOLDER, 100_000 if torture else 3000):
        plant(repo, count)
        log = tmp_path / f"trace-{count}"
        under = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", str(log), "-e", f"trace={CALLS}"]
        tag = f"with-{count}"
        process = run.start(under=under, tag=tag, metric=METRIC)
        done = run.finish(process, timeout=300, tag=tag)
        assert done.code == 0, done.told
        assert done.column("status") == ["baseline", *["keep"] * 6], done.told
        found[count] = work(log)
    few, many = found.values()
    assert few > 20, found  # the trace tells something
    assert many < few * 1.2 + 10, found
