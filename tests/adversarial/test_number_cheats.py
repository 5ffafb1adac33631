"""Ways to a better number that are no better code: each is played for real.

The metric counts units of work in a frozen benchmark, so it never varies; each cheat is followed
by its honest twin, which really does less. What only the ruler's own process could tell is not
kept out: it is told.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.adversarial.attacks import without_bubblewrap

if TYPE_CHECKING:
    from tests.conftest import Repo, Result, Run, Script

Tally = Callable[[str, int], None]
Played = Mapping[str, tuple[str, str]]
"""By name: the module, and words of the reason."""

BENCH = """\
import json, pathlib, time

ticks = 0


def tick():
    global ticks
    ticks += 1


import work

began = time.perf_counter()
answer = work.solve(tick)
took = time.perf_counter() - began
assert answer == 42, answer
pathlib.Path("answers.json").write_text(json.dumps(answer))
print("cost:", ticks if took > 0 else 0)
"""
SECOND_NUMBER = "import atexit\natexit.register(lambda: print('co' + 'st: 1'))\n"
"""Hidden from a reader, so that counting must find it."""


def honest(ticks: int) -> str:
    return f"def solve(tick):\n    for _ in range({ticks}):\n        tick()\n    return 42\n"


def kept_in(place: str) -> str:
    """Works once, and remembers the answer there."""
    return f"""\
import os
import pathlib


def solve(tick):
    place = {place}
    if place.exists():
        return int(place.read_text())
    for _ in range(90):
        tick()
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("42")
    return 42
"""


def served(how: str) -> str:
    """Asks a process that an earlier run left behind, and leaves one behind."""
    return f"""\
import os
import pathlib
import socket
import subprocess
import sys

SERVER = '''
import socket, sys
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen()
while True:
    listening.accept()[0].sendall(b"42")
'''


def solve(tick):
    path = str(pathlib.Path(os.environ["HOME"]).parent / "home" / "s")
    try:
        asking = socket.socket(socket.AF_UNIX)
        asking.connect(path)
        return int(asking.recv(10))
    except OSError:
        pass
    for _ in range(90):
        tick()
    {how}
    return 42
"""


POPEN = (
    "subprocess.Popen([sys.executable, '-c', SERVER, path],"
    " stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL{more})"
)
DAEMON = """
import os
over, held = os.pipe()
if not os.fork():
    os.close(held)
    os.setsid()
    if os.fork():
        os._exit(0)
    import pathlib, time
    os.read(over, 1)  # until the run that started it is over: nothing is left for itself
    place = pathlib.Path(os.environ["HOME"]) / "answer"
    for _ in range(600):
        place.write_text("42")
        time.sleep(0.1)
    os._exit(0)
"""

DETECTING_CI = "import os\n\n" + honest(90).replace(
    "range(90)", "range(1 if {'C' + 'I', 'GITHUB_ACTIONS'} & set(os.environ) else 90)"
)
"""Hidden from a reader, so that there must be nothing to detect."""

CERTAIN: Played = {
    "a patched clock": (
        "import time\ntime.perf_counter = lambda: 0\n" + honest(90),
        "work.py:2 patches time.perf_counter",
    ),
    "a clock patched by name": (
        "import time as t\nsetattr(t, 'perf_counter', lambda: 0)\n" + honest(90),
        "patches time.perf_counter",
    ),
}
"""Refused by the text of the change."""
LOUD: Played = {
    "an exit after the print": (
        "import os\nos.write(1, b'cost: 1\\n')\nos._exit(0)\n",
        "work.py:2: looks like the metric's own line; "
        "work.py:3 ends the process as if all were well: os._exit(0)",
    ),
    "the ruler's own variable": (
        honest(90).replace("    return", "    tick.__globals__['ticks'] = 1\n    return"),
        "work.py:4 reaches into its caller: .__globals__",
    ),
    "a changed output": (
        "import sys\n\n\nclass Out:\n    def write(self, text):\n"
        "        return sys.__stdout__.write(text.replace('90', '1'))\n\n"
        "    def flush(self):\n        pass\n\n\nsys.stdout = Out()\n\n\n" + honest(90),
        "work.py:12 patches what is printed: sys.stdout =",
    ),
    "its caller's name": (
        "import inspect\n\n" + honest(90).replace("range(90)", "range(len(inspect.stack()) // 9)"),
        "work.py:4 reaches into its caller: inspect.stack",
    ),
}
"""Told by the text of the change; no run can show them, as they are the ruler's own process."""
RUN: Played = {
    "detecting CI": (DETECTING_CI, "+0.0"),
    "a fake line": (honest(90) + "print('cost: 1')\n", "the number was printed 2 times"),
    "a second number": (SECOND_NUMBER + honest(90), "the number was printed 2 times"),
    "a cache at home": (kept_in("pathlib.Path.home() / '.cache' / 'answer'"), "+0.0"),
    "a cache in TMPDIR": (kept_in("pathlib.Path(os.environ['TMPDIR']) / 'answer'"), "+0.0"),
    "a cache beside the code": (kept_in("pathlib.Path('build/answer')"), "+0.0"),
    "a cache among compiled files": (kept_in("pathlib.Path('__pycache__/answer')"), "+0.0"),
    "answers of an earlier run": (kept_in("pathlib.Path('answers.json')"), "+0.0"),
    "a daemon": (kept_in("pathlib.Path(os.environ['HOME']) / 'answer'") + DAEMON, "+0.0"),
    "a warm server": (served(POPEN.format(more="")), "+0.0"),
    "a server of its own session": (served(POPEN.format(more=", start_new_session=True")), "+0.0"),
}
"""Nothing is read: what a run leaves behind is worth nothing to the next. Each is played twice."""


@pytest.fixture
def benchmark(repo: Repo) -> None:
    repo.write("work.py", honest(90))
    repo.write("bench.py", BENCH)
    repo.commit("a benchmark")


def measure(run: Run, gaming: str, *more: str) -> Result:
    flags = ("--metric-name", "cost", "--set", f"gaming={gaming}", "--iterations", "99", *more)
    return run(*flags, scope="work.py", metric=f"{sys.executable} bench.py")


def replay(
    run: Run, script: Script, played: Played, gaming: str, *more: str, times: int = 1
) -> Result:
    """Each cheat so many times, then its honest twin."""
    lines = []
    for number, (name, (text, _)) in enumerate(played.items(), start=1):
        # Where a cheat works at all, it works as much as the incumbent, neither more nor less.
        text = text.replace("range(90)", f"range({91 - number})")
        for again in range(times):
            lines.append({"description": name, "files": {"work.py": text + "# again\n" * again}})
        lines.append({"description": "honest", "files": {"work.py": honest(90 - number)}})
    script(*lines)
    return measure(run, gaming, *more)


def cheats(done: Result) -> list[dict[str, str]]:
    return [row for row in done.rows[1:] if row["description"] != "honest"]


def judge(done: Result, played: Played, tally: Tally, times: int = 1) -> None:
    """No cheat was kept, its reason names it, and each honest twin was kept."""
    twins = [row for row in done.rows if row["description"] == "honest"]
    tally("cheats tried", len(cheats(done)))
    tally("cheats kept", sum(row["status"] == "keep" for row in cheats(done)))
    tally("honest twins tried", len(twins))
    tally("honest twins kept", sum(row["status"] == "keep" for row in twins))
    whys = [why for _, why in played.values() for _ in range(times)]
    for row, why in zip(cheats(done), whys, strict=True):
        assert row["status"] in ("discard", "metric-error"), (row, done.told)
        assert why in row["reason"] or UNREAD.get(why, "?") in row["reason"], (row, done.told)
    assert [row["status"] for row in twins] == ["keep"] * len(played), done.told


@pytest.mark.usefixtures("benchmark")
def test_what_the_text_of_a_change_shows_for_certain_is_refused_unmeasured(
    run: Run, script: Script, tally: Tally
) -> None:
    done = replay(run, script, CERTAIN, "refuse")
    judge(done, CERTAIN, tally)
    assert {row["samples"] for row in cheats(done)} == {"0"}


@pytest.mark.usefixtures("benchmark")
@pytest.mark.parametrize("name", LOUD)
def test_a_loud_sign_is_told_in_row_summary_and_outputs_and_nothing_builds_upon_it(
    name: str, run: Run, script: Script
) -> None:
    text, why = LOUD[name]
    script(
        {"description": name, "files": {"work.py": text}},
        {"description": "more", "files": {"work.py": text + "# more\n"}},
    )
    done = measure(run, "refuse", "--set", "metric.extract.many=first")
    assert done.column("status") == ["baseline", "keep"], done.told
    assert done.rows[1]["doubt"].startswith("hard to believe: ")
    assert why in done.rows[1]["doubt"]
    assert why in done.out
    summary = (done.folder / "summary.md").read_text(encoding="utf-8")
    assert "**No guard and no holdout speaks for that**" in summary
    assert json.loads((done.folder / "run.json").read_text())["hard_to_believe"] is True


@pytest.mark.usefixtures("benchmark")
@pytest.mark.parametrize("mechanism", ["as it is", "container"])
def test_what_a_run_leaves_behind_is_worth_nothing_to_the_next(
    run: Run, script: Script, tally: Tally, tmp_path: Path, mechanism: str, torture: bool
) -> None:
    with contextlib.ExitStack() as stack:
        if mechanism == "container":
            if not torture:
                pytest.skip("test_mechanisms.py has what is left between two commands")
            stack.enter_context(without_bubblewrap(tmp_path / "empty"))
        done = replay(run, script, RUN, "allow", "--set", "metric.extract.many=last", times=2)
    (holds,) = re.findall(r"sandbox: (\w+); measured code", done.out)
    judge(done, RUN, lambda what, count: tally(f"{holds}: {what}", count), times=2)


@pytest.mark.usefixtures("benchmark")
def test_a_cheat_that_is_allowed_does_win(run: Run, script: Script) -> None:
    """Otherwise the tests above would show nothing."""
    script({"description": "clock", "files": {"work.py": CERTAIN["a patched clock"][0]}})
    done = measure(run, "allow")
    assert done.column("status") == ["baseline", "keep"], done.told


@pytest.mark.usefixtures("benchmark")
def test_a_warning_measures_the_change_and_says_why_it_would_be_refused(
    run: Run, script: Script
) -> None:
    script({"description": "clock", "files": {"work.py": CERTAIN["a patched clock"][0]}})
    done = measure(run, "warn")
    assert done.column("status") == ["baseline", "keep"], done.told
    assert "plays against the ruler: work.py:2 patches time.perf_counter" in done.out + done.err


def saying(*said: str) -> str:
    """The ruler's own work, and a text that no reader of the change finds."""
    return honest(90).replace(
        "    return 42", "\n".join(f"    {line}" for line in [*said, "return 42"])
    )


UNREAD = {
    "after the command itself had ended": "",
    "too many to be looked at": "printed 2 times",
}
"""What comes late may, on a busy machine, come too late to be read at all: what is said then."""
FAKE = "import sys; sys.stdout.write('co' 'st: 1' + chr(10)); sys.stdout.flush()"
OUTLIVES = (
    "import subprocess; subprocess.Popen(['sh', '-c', "
    "'while kill -0 $PPID 2>/dev/null; do :; done; sleep 0.12; {}'])"
)
HIDDEN: Played = {
    "glue": (saying(FAKE, "sys.stdout.write('. ')"), "printed 2 times"),
    "glue behind a code": (saying(FAKE, "sys.stdout.write(chr(27) + '[')"), "printed 2 times"),
    "drowned": (
        saying(
            FAKE,
            "sys.stdout.write('x' * (1 << 20) + chr(10)); sys.stdout.flush()",
            OUTLIVES.format('head -c 3000000 /dev/zero | tr "\\\\0" y'),
        ),
        "too many to be looked at",
    ),
    "said after the end": (saying(OUTLIVES.format("echo x")), "after the command itself had ended"),
}


@pytest.mark.usefixtures("benchmark")
def test_what_hides_the_rulers_own_line_does_not_decide(
    run: Run, script: Script, tally: Tally
) -> None:
    done = replay(run, script, HIDDEN, "allow")
    judge(done, HIDDEN, tally)


@pytest.mark.parametrize(
    ("extract", "bench", "said"),
    [
        ("last_number: true", "print('cost:', ticks)", OUTLIVES.format("echo 1")),
        (
            "json: $.cost",
            "print(json.dumps({'cost': ticks}))",
            "print('{%scost%s: 1}' % ('\"', '\"')); print('. ', end='')",
        ),
        ("regex: '^cost: (\\d+)$'", "print('cost:', ticks)", f"{FAKE}; sys.stdout.write('. ')"),
        ("many: last", "print(ticks)", "print('1'); print('. ', end='')"),
    ],
)
def test_however_the_number_is_found_a_text_beside_it_does_not_decide(
    extract: str, bench: str, said: str, repo: Repo, run: Run, script: Script
) -> None:
    repo.write("work.py", honest(90))
    repo.write("bench.py", BENCH.replace('print("cost:", ticks if took > 0 else 0)', bench))
    repo.write(".github/autoresearch.yml", f"metric:\n  extract: {{{extract}}}\n")
    repo.commit("a benchmark")
    script(
        {"description": "hidden", "files": {"work.py": saying(said)}},
        {"description": "honest", "files": {"work.py": honest(9)}},
    )
    flags = ("--set", "gaming=allow", "--iterations", "2")
    done = run(*flags, scope="work.py", metric=f"{sys.executable} bench.py")
    # What comes late may, on a busy machine, come too late to be read at all.
    refused = ["metric-error", "discard"] if "kill -0" in said else ["metric-error"]
    assert done.column("status")[1] in refused, done.told
    assert done.column("status")[2:] == ["keep"], done.told


def test_what_stands_on_standard_error_is_no_part_of_the_numbers_line(
    repo: Repo, run: Run, script: Script
) -> None:
    bar = "import sys\nsys.stderr.write('\\rstep 3/3')\nsys.stderr.flush()\n"
    repo.write("bench.py", f"{bar}print('cost:', open('work.py').read().count('9'))\n")
    repo.write("work.py", "9 9\n")
    repo.commit("a benchmark")
    script({"description": "less", "files": {"work.py": "9\n"}})
    flags = ("--metric-name", "cost", "--iterations", "1")
    done = run(*flags, scope="work.py", metric=f"{sys.executable} bench.py")
    assert done.column("status") == ["baseline", "keep"], done.told


@pytest.mark.parametrize("name", ["", "cost"])
def test_a_number_on_standard_error_is_not_replaced_by_one_on_standard_output(
    name: str, repo: Repo, run: Run, script: Script
) -> None:
    """Nor is a change refused for words on the stream that nobody looks at."""
    repo.write("work.py", honest(90))
    bench = BENCH.replace('print("cost:", ticks', 'import sys\nprint("cost:", ticks')
    repo.write("bench.py", bench.replace("else 0)", "else 0, file=sys.stderr)"))
    repo.commit("a benchmark")
    silent = "import os; os.dup2(os.open(os.devnull, os.O_WRONLY), 2)"
    said = "print('co' 'st: 1')" if name else "print(1)"
    script(
        {"description": "beside", "files": {"work.py": saying(said)}},
        {"description": "instead", "files": {"work.py": saying(silent, said)}},
        {"description": "honest", "files": {"work.py": honest(9) + "print('done')\n"}},
    )
    rule = ("--metric-name", name) if name else ("--set", "metric.extract.last_number=true")
    flags = ("--set", "gaming=allow", "--iterations", "3", *rule)
    done = run(*flags, scope="work.py", metric=f"{sys.executable} bench.py")
    beside = "metric-error" if name else "discard"
    assert done.column("status")[1:] == [beside, "metric-error", "keep"], done.told
    assert "by the unmodified code on standard error" in done.column("reason")[2]


@pytest.mark.parametrize("rule", ["name", "last_number"])
def test_what_a_helper_of_the_ruler_passes_on_late_is_no_chance(
    rule: str, repo: Repo, run: Run, script: Script
) -> None:
    """`> >(tee log)`, slow or quick by turns: a shell does not wait for it."""
    repo.write("work.py", honest(90))
    repo.write("bench.py", BENCH)
    repo.commit("a benchmark")
    passing = 'while read -r line; do grep -q 90 work.py || sleep 0.05; echo "$line"; done'
    script(
        {"description": "late", "files": {"work.py": honest(9)}},
        {"description": "gone", "files": {"work.py": saying("import os; os._exit(0)")}},
    )
    how = ("--metric-name", "cost") if rule == "name" else ("--set", f"metric.extract.{rule}=true")
    flags = ("--set", "gaming=allow", "--iterations", "2", *how)
    metric = f"{sys.executable} bench.py > >({passing})"
    done = run(*flags, scope="work.py", metric=metric)
    assert done.column("status")[1:] == ["keep", "metric-error"], done.told


def test_a_line_after_the_end_that_decides_nothing_refuses_nobody(
    repo: Repo, run: Run, script: Script
) -> None:
    repo.write("work.py", honest(90))
    repo.write("bench.py", BENCH)
    repo.commit("a benchmark")
    less = saying(OUTLIVES.format("echo bye")).replace("range(90)", "range(9)")
    script(
        {"description": "less, and a child", "files": {"work.py": less}},
        {
            "description": "only late",
            "files": {"work.py": saying(OUTLIVES.format("echo cost: 1"), "import os; os._exit(0)")},
        },
    )
    flags = ("--metric-name", "cost", "--set", "gaming=allow", "--iterations", "2")
    done = run(*flags, scope="work.py", metric=f"{sys.executable} bench.py")
    assert done.column("status")[1:] == ["keep", "metric-error"], done.told
    said = ("after the command itself had ended", "cost was not printed")  # or it came too late
    assert any(words in done.column("reason")[2] for words in said)


def test_a_guards_number_is_read_where_the_unmodified_code_prints_it(
    repo: Repo, run: Run, script: Script
) -> None:
    repo.write("size.sh", "sh ./work.sh; printf 'size: %s\\n' $(wc -c < work.sh) >&2\n")
    repo.write("work.sh", "echo 10 > /dev/null\n")
    repo.write(
        ".github/autoresearch.yml",
        "metric: {command: 'cut -d\" \" -f2 work.sh'}\n"
        "guards: [{command: sh size.sh, metric: size, direction: minimize, tolerance: 10%}]\n",
    )
    repo.commit("a guard with a number")
    larger = "echo 9 > /dev/null" + " " * 40
    script(
        {"description": "larger", "files": {"work.sh": f"{larger}; echo size: $((1))\n"}},
        {"description": "honest", "files": {"work.sh": "echo 8 > /dev/null\n"}},
    )
    flags = ("--scope", "work.sh", "--set", "gaming=allow", "--iterations", "2")
    done = run(*flags, metric=None, scope=None)
    assert done.column("status")[1:] == ["discard", "keep"], done.told


def test_a_guards_number_in_the_metrics_output_is_not_hidden_behind_another(
    repo: Repo, run: Run, script: Script
) -> None:
    repo.write("work.py", honest(90))
    repo.write("bench.py", BENCH.replace('print("cost', 'print("size:", 100 + ticks)\nprint("cost'))
    command = f"{sys.executable} bench.py"
    repo.write(
        ".github/autoresearch.yml",
        f"metric: {{command: {command}, name: cost}}\n"
        f"guards: [{{command: {command}, metric: size, direction: maximize, tolerance: 10%}}]\n",
    )
    repo.commit("a guard with a number")
    hidden = saying("import sys; sys.stdout.write('si' 'ze: 190' + chr(10) + '. ')")
    script(
        {"description": "smaller", "files": {"work.py": honest(9)}},
        {"description": "hidden", "files": {"work.py": hidden.replace("range(90)", "range(9)")}},
        {"description": "honest", "files": {"work.py": honest(80)}},
    )
    flags = ("--scope", "work.py", "--set", "gaming=allow", "--iterations", "3")
    done = run(*flags, metric=None, scope=None)
    assert done.column("status")[1:] == ["discard", "discard", "keep"], done.told
    assert "size: the number was printed 2 times" in done.column("reason")[2]


def test_what_slows_the_incumbent_down_is_no_gain(
    repo: Repo, run: Run, script: Script, tmp_path: Path
) -> None:
    """Left where nothing is put back, as what slows a whole disk or machine down would be."""
    place = tmp_path / "kept"
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    repo.write("work.sh", "less=0\n")
    repo.write(
        "bench.sh",
        "n=$(cat $PLACE/n 2> /dev/null || echo 0); echo $((n + 1)) > $PLACE/n\n. ./work.sh\n"
        "test -e $PLACE/slow && all=4000 || all=1000\necho cost: $((all + n * 7 % 13 - less))\n",
    )
    repo.commit("a benchmark that varies")
    slowing = "less=0\nrm -f $PLACE/slow\ntrap 'touch $PLACE/slow' EXIT\n"
    script(
        {"description": "slows its rival down", "files": {"work.sh": slowing}},
        {"description": "honest", "files": {"work.sh": "rm -f $PLACE/slow\nless=300\n"}},
    )
    flags = ("--metric-name", "cost", "--env", f"PLACE={place}", "--iterations", "2")
    more = ("--confirm", "never", "--metric-repeats-min", "3")  # or it is rejected at first sight
    done = run(*flags, *more, scope="work.sh", metric="sh bench.sh")
    assert done.column("status")[1:] == ["discard", "keep"], done.told
    assert done.column("reason")[1].startswith("distrusted, the incumbent is worse by "), done.told
