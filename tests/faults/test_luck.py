"""Measured code that goes wrong in every way: a row of the journal, and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.invariant import BRANCH, locks, lost, processes_of, value

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script

EVILS = {
    "memory": "ulimit -v 400000; exec python3 -c 'x = bytearray(10**9)'",
    "file size": "ulimit -f 500; exec cat /dev/zero > big",
    "processes": "for i in 1 2 3 4 5 6 7 8; do (sleep 600; sleep 600) & done; exit 1",
    "server": (
        'python3 -c \'import socket, time; s = socket.socket(); s.bind(("127.0.0.1", PORT));'
        ' s.listen(); open("up", "w"); time.sleep(600)\' >/dev/null 2>&1 &'
        " while ! test -e up; do sleep 0.01; done; exit 1"
    ),
    "pipes": 'mkfifo pipe "$HOME/pipe" "$TMPDIR/pipe"; (cat pipe &) ; exit 1',
    "modes": 'mkdir -p a/b; touch a/b/c; chmod -R 000 a value "$HOME" "$TMPDIR" .; exit 1',
    "read-only": "mkdir -p r/s; touch r/s/t; chmod -R 555 r .; exit 1",
    "deep": (
        'exec python3 -c \'import os\nfor _ in range(1000): os.mkdir("d"); os.chdir("d")\n1/0\''
    ),
    "many": (
        'exec python3 -c \'import os\nos.mkdir("m")\n'
        'for n in range(COUNT): os.close(os.open(f"m/{n}", os.O_CREAT))\n1/0\''
    ),
    "names": "touch -- \"$(printf 'new\\nline')\" \"$(printf '\\377\\376')\" -rf '*' ' '; exit 1",
    "repository": "rm -rf .git; git init -q . ; touch .git/index.lock; exit 1",
    "zeros": "head -c 200000000 /dev/zero; exit 1",
    "lines": "yes | head -c 30000000; exit 1",
    "one line": "head -c 60000000 /dev/zero | tr '\\0' x; exit 1",
    "no text": "printf '\\377\\376\\0\\033[2J'; exit 1",
    "stubborn": "trap '' TERM INT HUP; while :; do sleep 1; done",
    "session": "setsid sh -c 'trap \"\" TERM; sleep 600 & sleep 600' & exit 1",
    "orphan": "(setsid sh -c '(sleep 600 &)' &) ; exit 1",
    "stdout held": "sleep 600 & exit 1",
    "stopped": "kill -STOP $$; exit 1",
    "parent killed": "bash -c 'kill -9 $PPID; sleep 600'; exit 1",
    "no stdout": "exec >&- 2>&-; exit 0",
    "its folder": "rm -rf ./* ; exit 1",
}
SLOW = {"stubborn", "stopped"}
"""They end at the time limit."""


def script_of(evils: list[str], count: int, port: int) -> str:
    """The metric command: what it does depends on what the candidate says."""
    cases = "\n".join(f"'{name}')\n{EVILS[name]}\n;;" for name in evils)
    text = f'case "$(cat value)" in\n{cases}\nesac\ncat value\n'
    return text.replace("COUNT", str(count)).replace("PORT", str(port))


def free_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def high_water(pid: int) -> int:
    """KiB; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(found[0]) if found else 0


def test_whatever_measured_code_does_the_run_goes_on(
    run: Run, script: Script, repo: Repo, torture: bool
) -> None:
    names = list(EVILS)
    port = free_port()
    repo.write("evil.sh", script_of(names, 100_000 if torture else 3000, port))
    repo.commit("a metric")
    repo.write("untracked", "mine\n")
    before = repo.photograph()
    # Each thing twice: what the first leaves must not be there for the second.
    evils = [value(name) for name in names for _ in range(2 if torture else 1)]
    # Three that fail alike in a row would end the run: after two comes one that is only worse.
    worse = [100 + n for n in range(0, len(evils), 2)]
    triples = [line for n in worse for line in (*evils[n - 100 : n - 98], value(n))]
    script(value(9), *triples, value(8))
    process = run.start(
        "--iterations", "99", "--set", "metric.timeout=3s", real=True, metric="bash evil.sh"
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, high_water(process.pid))
        time.sleep(0.02)
    done = run.finish(process)
    assert done.code == 0, done.told
    *middle, last = done.rows[2:]
    assert last["status"] == "keep", done.told
    plain = {f"try {n}" for n in worse}
    ends = {row["description"] in plain: set[str]() for row in middle}
    for row in middle:
        ends[row["description"] in plain].add(row["status"])
    assert len(middle) == len(triples), done.told
    assert ends[False] <= {"crash", "metric-error"}, done.told
    assert ends[True] == {"discard"}, done.told
    assert repo.kept() == ["experiment: try 9", "experiment: try 8"]
    assert repo.photograph() == before
    assert run.leftovers() == []
    assert processes_of(repo) == []
    assert locks(repo) == []
    assert lost(repo) == []
    assert peak < 200 * 1024, f"{peak} KiB"
    assert all(p.stat().st_size < 2**23 for p in (done.folder / "logs").iterdir())
    repo.git("fsck", "--strict", "--no-dangling")
    assert repo.ref(BRANCH)
    assert os.path.exists(done.folder / "summary.md")  # noqa: PTH110
