"""What must hold after every fault, whatever it was: one repository, one story, one check.

(a) what was kept can be reached from the branch or the notebook; (b) all that is the user's is
untouched; (c) git finds no damage; (d) no process, lock or temporary folder is left; (e) every
iteration has exactly one verdict, in order; (f) the state is that of an undisturbed run.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.conftest import Repo, Result, Run

BRANCH = "refs/heads/autoresearch/t"
NOTEBOOK = "refs/autoresearch/notebook/t"
METRIC = "if grep -q crash value; then exit 3; fi; cat value; rm other; touch litter"
GUARD = "grep -qv 6 value"
VOLATILE = ("timestamp", "commit", "seconds", "peak_memory_mb")
"""Columns that no two runs share."""
STATUSES = ["baseline", "keep", "discard", "keep", "no-op", "keep", "discard"]


def value(number: object, **more: Any) -> Mapping[str, Any]:
    return {"description": f"try {number}", "files": {"value": f"{number}\n"}, **more}


STORY = (
    value(9),
    value(11),
    value("crash", repairs=[value("crash again"), value(8)]),
    value(8),
    value(6, repairs=[value(7)]),
    value(7.5),
)
"""Keeps, discards, a repaired crash, a no-op, a reworked guard."""


def wait_for(path: Path, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never appeared"
        time.sleep(0.01)


def killed(process: multiprocessing.Process, after: float | None = None) -> bool:
    """Whether the run was still going after so many seconds and its whole group was killed."""
    process.join(after)
    if process.exitcode is None:
        assert process.pid
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:  # it has not got as far as to lead a group
            os.kill(process.pid, signal.SIGKILL)
        process.join()
    assert process.exitcode is not None
    return process.exitcode < 0


def counted_git(repo: Repo, then: str = "", last: str = 'exec "$git" "$@"') -> tuple[str, Path]:
    """A PATH on which each call of `git` adds itself to a file and runs `then`, given `$n`.

    `last`: how it becomes the real git, `$git`.
    """
    folder = repo.path.parent / "bin"
    folder.mkdir(exist_ok=True)
    count = folder / "count"
    count.write_text("")
    lines = ("#!/bin/sh", f'echo "$*" >> {count}', f"n=$(($(wc -l < {count})))")
    script = "\n".join([*lines, f"git={shutil.which('git')}", then, last, ""])
    (folder / "git").write_text(script)
    (folder / "git").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}", count


def start_over(repo: Repo) -> None:
    """Forget the run, so that there is something left to disturb."""
    names = repo.git("for-each-ref", "--format=%(refname)", "refs/autoresearch", BRANCH)
    for name in names.splitlines():
        repo.git("update-ref", "-d", name)
    for folder in (repo.path / "autoresearch", repo.path / ".git" / "autoresearch"):
        shutil.rmtree(folder, ignore_errors=True)


def records(repo: Repo, tag: str = "t") -> str:
    path = repo.path / ".git" / "autoresearch" / tag / "records.jsonl"
    return path.read_text(errors="replace") if path.exists() else ""


def sealed(record: Mapping[str, Any]) -> bytes:
    """A line of the records, as this version of the program writes it."""
    body = json.dumps({k: v for k, v in record.items() if k != "crc32"}).encode()
    return body[:-1] + b', "crc32": "%08x"}\n' % zlib.crc32(body)


def verdicts(repo: Repo, tag: str = "t") -> list[dict[str, Any]]:
    """The experiments that the records hold, in the order written."""
    lines = [json.loads(line) for line in records(repo, tag).split("\n")[:-1]]
    return [line["experiment"] for line in lines if line["record"] == "verdict"]


def lost(repo: Repo, tag: str = "t") -> list[str]:
    """Kept experiments that neither branch nor notebook leads to."""
    reached = set(
        repo.git(
            *("rev-list", "--ignore-missing", f"refs/heads/autoresearch/{tag}"),
            f"refs/autoresearch/notebook/{tag}",
            "--",
        ).splitlines()
    )
    kept = [row for row in verdicts(repo, tag) if row["status"] == "keep"]
    return [row["description"] for row in kept if row["commit"] not in reached]


def processes_of(repo: Repo) -> list[str]:
    """Processes that still know the test's folder, by argument or by working folder."""
    found = []
    mark = os.fsencode(repo.path.parent)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            known = (folder / "cmdline").read_bytes() + os.fsencode((folder / "cwd").readlink())
        except OSError:
            continue
        if mark in known and int(folder.name) != os.getpid():
            found.append(known.decode(errors="replace"))
    return found


def locks(repo: Repo) -> list[str]:
    """Lock files and halves that git or we left."""
    folder = repo.path / ".git"
    names = [path for kind in ("*.lock", "*.new") for path in folder.rglob(kind)]
    big = [path for path in folder.rglob("tmp_*") if path.stat().st_size > 2**20]
    return sorted(str(path.relative_to(folder)) for path in (*names, *big))


def state(repo: Repo, done: Result) -> dict[str, Any]:
    """What must not depend on how often a run was disturbed."""
    rows = [{k: v for k, v in row.items() if k not in VOLATILE} for row in done.rows]
    return {
        "rows": rows,
        "kept": repo.git("log", "--reverse", "--format=%T %s%n%b", BRANCH),
        "notebook": repo.subjects(NOTEBOOK),
        "attempts": sorted(repo.git("log", "--format=%s", NOTEBOOK).splitlines()),
        "journal noted": repo.show(NOTEBOOK, "results.tsv")
        == (done.folder / "results.tsv").read_bytes(),
        "logs": sorted(path.name for path in (done.folder / "logs").iterdir()),
    }


@dataclass(frozen=True, kw_only=True)
class Story:
    """A repository in which the story can be run, disturbed, resumed and checked."""

    repo: Repo
    run: Run
    before: object
    """A photograph of all that is the user's."""
    expected: dict[str, Any]
    """The state that an undisturbed run ends in."""
    tally: Callable[[str, int], None]

    def fork(self, **options: Any) -> multiprocessing.Process:
        """Start the run, or continue it, in a process group of its own."""
        return self.run.fork(*self.arguments(), metric=METRIC, **options)

    def killed_in(self, iteration: int) -> None:
        """A run that was killed while, or just after, it worked on that iteration."""
        process = self.fork()
        wait_for(self.repo.path / "autoresearch" / "run-t" / "logs" / f"{iteration}.log")
        assert killed(process, after=0)

    def half_way(self, iteration: int = 3) -> Story:
        """What `killed_in` leaves: the session's first such run is killed, others get a copy."""
        self.run.in_state(f"killed in {iteration}", lambda: self.killed_in(iteration))
        return self.as_it_is_now()

    def arguments(self) -> list[str]:
        return ["--guard", GUARD, *(["--resume"] if '"verdict"' in records(self.repo) else [])]

    def resumed(self) -> Result:
        """Continue what a fault left: with `--resume` once there is a baseline."""
        return self.run(*self.arguments(), metric=METRIC)

    def check(
        self, done: Result | None = None, *, locked: tuple[str, ...] = (), after: str = ""
    ) -> None:
        """The invariant; without `done`, the run is resumed first.

        `locked`: locks that are not ours. `after`: what had happened, for the failure's report.
        """
        try:
            self._check(done, locked)
        except AssertionError as error:
            error.add_note(after)
            raise

    def _check(self, done: Result | None, locked: tuple[str, ...]) -> None:
        self.tally("kill points tried", 1)
        repo = self.repo
        done = done or self.resumed()
        assert done.code == 0, done.told
        missing = lost(repo)
        self.tally("experiments lost", len(missing))
        assert missing == []
        assert repo.photograph() == self.before
        repo.git("fsck", "--strict", "--no-dangling")
        assert self.run.leftovers() == []
        assert processes_of(repo) == []
        assert locks(repo) == sorted(locked)
        numbers = [row["iteration"] for row in verdicts(repo)]
        assert numbers == list(range(len(STATUSES)))
        assert state(repo, done) == self.expected
        self.tally("kill points resumed identically", 1)

    def start_over(self) -> None:
        start_over(self.repo)

    def as_it_is_now(self) -> Story:
        """The same, after a person has done something: that is what must stay untouched."""
        return replace(self, before=self.repo.photograph())
