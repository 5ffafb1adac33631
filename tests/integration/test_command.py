"""One command, whatever it does, ends in time, leaves nothing behind and costs us little.

Real processes only. "Gone" is asked of the kernel: each hiding process writes its pid to a file.
"""

from __future__ import annotations

import errno
import gc
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autoresearch_ci import errors
from autoresearch_ci.execution import processes
from autoresearch_ci.execution.command import (
    HEAD_BYTES,
    LINE_BYTES,
    TAIL_BYTES,
    CommandResult,
    Stop,
    run_command,
)
from autoresearch_ci.execution.environment import clean_environment
from tests.patience import promptly

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs the child subreaper")

Run = Callable[..., CommandResult]

IGNORES_SIGTERM = "trap '' TERM INT HUP; echo $$ >> pids; while :; do sleep 0.05; done"
HIDING = {
    "ignores SIGTERM": f"({IGNORES_SIGTERM}) & wait",
    "is the command itself": IGNORES_SIGTERM,
    "leaves the session": "setsid sh -c 'echo $$ >> pids; exec sleep 60' & sleep 60",
    "double-forks into its own session": (
        "(setsid sh -c 'trap \"\" TERM; (echo $$ >> pids; sleep 60) & sleep 60' &) & sleep 60"
    ),
    "clears its environment": "(env -i setsid sh -c 'echo $$ >> pids; sleep 60' &); sleep 60",
    "holds the pipe open": "(setsid sh -c 'echo $$ >> pids; while :; do echo x; done' &); sleep 60",
    "is stopped": "sh -c 'echo $$ >> pids; kill -STOP $$' & sleep 60",
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    env = clean_environment({}, home=tmp_path, tmp=tmp_path, inherit=os.environ)

    def run(command: object, **options: object) -> CommandResult:
        return run_command(command, **{"cwd": tmp_path, "env": env, **options})  # type: ignore[arg-type]

    return run


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A long-lived child of ours, like git plumbing, in a session of its own to make it harder."""
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        yield process
        process.kill()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def survivors(folder: Path) -> list[int]:
    pids = [int(pid) for pid in (folder / "pids").read_text().split()]
    assert pids, "the process that should hide never started"
    return [pid for pid in pids if alive(pid)]


def children() -> list[str]:
    """Ours, zombies included."""
    lists = Path("/proc/self/task").glob("*/children")
    return sorted(pid for pids in lists for pid in pids.read_text().split())


def wait_for(path: Path) -> None:
    """Until something stands in it: a shell makes a file before it writes there."""
    deadline = time.monotonic() + 10
    while not (path.exists() and path.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.005)


# --- results --------------------------------------------------------------------------------------


def test_a_result_says_what_happened(run: Run) -> None:
    began = time.monotonic()
    result = run("echo out; echo err >&2; exit 3")
    assert 0 < result.seconds < time.monotonic() - began
    assert (result.exit_code, result.output, result.tail) == (3, "out\nerr\n", "out\nerr\n")
    assert (result.timed_out, result.stopped) == (False, False)
    assert result.command == "echo out; echo err >&2; exit 3"


def test_a_sequence_is_an_argv_and_no_shell_reads_it(run: Run) -> None:
    result = run(["printf", "%s", "$HOME; `id` *"])
    assert result.output == "$HOME; `id` *"
    assert result.command == "printf %s '$HOME; `id` *'"


def test_a_killed_command_has_the_negative_signal_as_exit_code(run: Run) -> None:
    assert run("kill -SEGV $$").exit_code == -signal.SIGSEGV


@pytest.mark.parametrize(
    ("command", "exit_code"),
    [
        (["/no/such/program"], 127),
        (["no-such-program"], 127),
        ("no-such-program", 127),
        (["/etc/passwd"], 126),
        ("true \0", 126),
    ],
)
def test_a_command_that_cannot_start_is_a_result(run: Run, command: object, exit_code: int) -> None:
    lines: list[str] = []
    result = run(command, on_line=lines.append)
    assert result.exit_code == exit_code
    assert result.output.strip()
    assert lines == result.output.splitlines()


def test_standard_input_is_empty(run: Run) -> None:
    result = run("cat; echo end", timeout=5)
    assert (result.output, result.timed_out) == ("end\n", False)


def test_the_status_of_a_pipeline_is_the_users_own_choice(run: Run) -> None:
    assert run("false | true").exit_code == 0
    assert run("set -o pipefail; false | true").exit_code == 1


@linux
def test_peak_memory_is_that_of_the_largest_process_not_ours(run: Run) -> None:
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    size = ours + 60
    program = f"x = b'x' * ({size} << 20)"
    result = run(f'{sys.executable} -c "{program}"; true')
    assert result.peak_memory_mb is not None
    assert size < result.peak_memory_mb < size + 60
    assert run("true").peak_memory_mb is None


# --- output ---------------------------------------------------------------------------------------


def test_output_without_end_costs_little_memory_and_keeps_both_ends(run: Run) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    printed = "echo first; head -c 400000000 /dev/zero | tr '\\0' 'x'; echo; echo metric: 1.5"
    result = run(printed)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
    assert result.tail.endswith("x\nmetric: 1.5\n")
    assert len(result.tail) == TAIL_BYTES
    assert result.output.startswith("first\nxxx")
    assert result.output.endswith("x\nmetric: 1.5\n")
    printed_bytes = 400_000_000 + len("first\n\nmetric: 1.5\n")
    dropped = printed_bytes - HEAD_BYTES - TAIL_BYTES
    assert f"x\n[... {dropped} bytes not kept ...]\nx" in result.output


@pytest.mark.parametrize("size", [HEAD_BYTES, HEAD_BYTES + TAIL_BYTES, HEAD_BYTES + 7])
def test_output_that_fits_is_kept_whole(run: Run, tmp_path: Path, size: int) -> None:
    (tmp_path / "data").write_text("".join(f"{n:07}\n" for n in range(size // 8 + 1))[:size])
    result = run(["cat", "data"])
    assert result.output == (tmp_path / "data").read_text()
    assert result.tail == result.output[-TAIL_BYTES:]


def test_invalid_utf8_survives(run: Run) -> None:
    result = run(r"printf 'a\xff\xfeb\n'")
    assert result.output == "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b\n"


def test_lines_arrive_one_by_one_while_the_command_runs(run: Run) -> None:
    arrivals: list[tuple[str, float]] = []
    run(
        r"printf 'a\rb\r\nc'; sleep 1; printf 'd\n\xff\nno newline'",
        on_line=lambda line: arrivals.append((line, time.monotonic())),
    )
    assert [line for line, _ in arrivals] == [
        "a",
        "b",
        "cd",
        "\N{REPLACEMENT CHARACTER}",
        "no newline",
    ]
    assert arrivals[2][1] - arrivals[1][1] > 0.2


def test_a_long_line_is_cut(run: Run) -> None:
    lines: list[str] = []
    run("head -c 200000000 /dev/zero | tr '\\0' x; echo; echo end", on_line=lines.append)
    assert lines == ["x" * LINE_BYTES, "end"]


def test_on_line_can_have_the_command_killed(run: Run, tmp_path: Path) -> None:
    started = time.monotonic()
    result = run(
        f"echo go on; echo enough; {HIDING['leaves the session']}", on_line="enough".__eq__
    )
    assert time.monotonic() - started < promptly(2)
    assert (result.stopped, result.timed_out) == (True, False)
    assert result.exit_code != 0
    assert not (tmp_path / "pids").exists() or not survivors(tmp_path)


def test_an_exception_in_on_line_kills_everything_and_passes(run: Run, tmp_path: Path) -> None:
    def fail(line: str) -> None:
        wait_for(tmp_path / "pids")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(f"echo go; {HIDING['leaves the session']}", on_line=fail)
    assert not survivors(tmp_path)


# --- nothing survives -----------------------------------------------------------------------------


@linux
@pytest.mark.parametrize("hiding", HIDING)
def test_a_child_that_hides_is_gone_two_seconds_after_the_deadline(
    run: Run, tmp_path: Path, bystander: subprocess.Popen[bytes], hiding: str
) -> None:
    started = time.monotonic()
    short = min(promptly(0.5), 2)
    result = run(HIDING[hiding], timeout=short)
    assert time.monotonic() - started < short + promptly(2)
    assert result.timed_out
    assert result.exit_code < 0
    assert not survivors(tmp_path)
    assert bystander.poll() is None


@linux
@pytest.mark.parametrize("hiding", [h for h in HIDING if h != "is the command itself"])
def test_a_daemon_does_not_survive_a_normal_exit(
    run: Run, tmp_path: Path, bystander: subprocess.Popen[bytes], hiding: str
) -> None:
    ends_at_once = HIDING[hiding].removesuffix("sleep 60").removesuffix("wait")
    started = time.monotonic()
    result = run(f"{ends_at_once} while ! [ -s pids ]; do sleep 0.01; done; echo done; exit 7")
    assert time.monotonic() - started < promptly(3)
    assert (result.exit_code, result.timed_out) == (7, False)
    assert "done\n" in result.output
    assert not survivors(tmp_path)
    assert bystander.poll() is None


@linux
def test_a_quiet_daemon_that_holds_the_pipe_hardly_delays_us(run: Run) -> None:
    started = time.monotonic()
    result = run("setsid sleep 60 & echo done")
    assert result.exit_code == 0
    assert time.monotonic() - started < promptly(1)  # a tenth, on an idle machine


@linux
def test_processes_that_keep_forking_are_outrun(run: Run, tmp_path: Path) -> None:
    program = """if True:
        import os, time
        pids = os.open("pids", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if os.fork():
                os._exit(0)
            os.setsid()
            os.write(pids, b"%d\\n" % os.getpid())
    """
    run(["sh", "-c", '"$0" -c "$1" & sleep 0.3', sys.executable, program])
    pids = (tmp_path / "pids").read_text().split()
    time.sleep(0.2)
    assert (tmp_path / "pids").read_text().split() == pids
    assert not alive(int(pids[-1]))


def test_output_of_a_helper_that_outlives_the_shell_is_not_lost(run: Run) -> None:
    helper = 'exec > >(while read -r line; do echo "> $line"; done)'
    assert run(["bash", "-c", f"{helper}; echo a; echo metric: 1"]).output == "> a\n> metric: 1\n"


def test_a_command_that_closes_its_output_still_meets_its_deadline(run: Run) -> None:
    result = run("exec >&- 2>&-; sleep 60", timeout=0.2)
    assert result.timed_out
    assert result.seconds < promptly(2)


@pytest.mark.parametrize(("then", "late"), [("echo back", False), ("sleep 60", True)])
def test_time_in_which_everything_stood_still_is_not_the_commands(
    run: Run, then: str, late: bool
) -> None:
    """A laptop that was closed, a container that was paused: what was left is given again."""

    def stand_still(line: str) -> None:
        if line.isdigit():
            time.sleep(2.5)
            os.kill(int(line), signal.SIGCONT)

    result = run(f"echo $$; kill -STOP $$; {then}", timeout=1, on_line=stand_still)
    assert result.timed_out is late
    assert result.seconds < promptly(4)


def test_a_command_may_end_in_peace_when_asked(run: Run) -> None:
    result = run(
        "trap 'echo saved; exit 0' TERM; echo run; while :; do sleep 0.01; done",
        timeout=min(promptly(0.3), 2),
    )
    assert (result.timed_out, result.exit_code) == (True, 0)
    assert result.output.startswith("run\n")
    assert result.output.endswith("saved\n")


@linux
def test_commands_side_by_side_do_not_kill_each_other(run: Run, tmp_path: Path) -> None:
    long: list[CommandResult] = []
    helped = "sh -c 'sleep 0.6; echo helper' & (setsid sh -c 'sleep 0.6; echo daemon' &) ; sleep 1"
    thread = threading.Thread(target=lambda: long.append(run(helped)))
    thread.start()
    while thread.is_alive():
        assert run("(sh -c 'echo $$ >> pids; sleep 60' &); sleep 0.05").exit_code == 0
    thread.join()
    assert long[0].exit_code == 0
    assert sorted(long[0].output.split()) == ["daemon", "helper"]
    assert not survivors(tmp_path)


def test_a_child_of_another_thread_is_left_alone(run: Run) -> None:
    ours: list[subprocess.Popen[bytes]] = []

    def start(line: str) -> None:
        ours.append(subprocess.Popen(["sleep", "60"]))

    run("echo go; sleep 0.1", on_line=start)
    with ours[0] as process:
        assert process.poll() is None
        process.kill()


# --- stop -----------------------------------------------------------------------------------------


@linux
@pytest.mark.parametrize("hiding", ["ignores SIGTERM", "holds the pipe open"])
def test_a_stop_kills_everything_within_a_second(run: Run, tmp_path: Path, hiding: str) -> None:
    stop = Stop()
    asked: list[float] = []

    def ask() -> None:
        wait_for(tmp_path / "pids")
        asked.append(time.monotonic())
        stop.request()
        stop.request()

    thread = threading.Thread(target=ask)
    thread.start()
    with pytest.raises(errors.Interrupted):
        run(HIDING[hiding], stop=stop)
    assert time.monotonic() - asked[0] < promptly(1)
    thread.join()
    assert not survivors(tmp_path)


def test_a_process_that_the_system_refuses_is_not_the_commands_failure() -> None:
    code = (
        "import os, pathlib, resource\n"
        "from autoresearch_ci.execution.command import run_command\n"
        "os.geteuid() or os.setuid(65534)\n"  # no limit holds for root
        "resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))\n"
        "try:\n    run_command('true', cwd=pathlib.Path('/'), env={})\n"
        "except BlockingIOError as error:\n    print(error.errno)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == [str(errno.EAGAIN)], done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="Linux kills who uses most memory")
def test_when_memory_runs_out_all_of_a_command_is_killed_before_us() -> None:
    """What it has forked before anybody could tell it, too."""
    asked = "for _ in 1 2; do (read _; cat /proc/self/oom_score_adj) & done; echo; read _"
    reader, writer = os.pipe()
    with (
        os.fdopen(reader, "rb") as wait,
        processes.start(
            lambda: subprocess.Popen(
                ["sh", "-c", f"exec 3<&0; {asked.replace('read _;', 'read _ <&3;')}"],
                stdin=wait,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
        ) as tree,
    ):
        os.set_blocking(tree.pipes[0], True)
        assert os.read(tree.pipes[0], 1) == b"\n"
        tree.go_first()
        os.write(writer, b"\n" * 3)
        os.close(writer)
        first = min(int(Path("/proc/self/oom_score_adj").read_text()) + 500, 1000)
        told = [os.read(tree.pipes[0], 9) for _ in range(2)]
        assert b"".join(told).split() == [b"%d" % first] * 2


def test_where_no_process_is_left_to_end_a_command_with_that_is_tried_again() -> None:
    """As when it has taken all that a container may have."""
    asked = list[int]()

    def end() -> None:
        asked.append(len(asked))
        if len(asked) < 3:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    with processes.start(
        lambda: subprocess.Popen(["sleep", "60"], start_new_session=True), end
    ) as tree:
        assert tree.kill_all(10) == -signal.SIGKILL
    assert asked == [0, 1, 2]
    assert not tree.survivors


def test_after_a_stop_nothing_is_started(run: Run, tmp_path: Path) -> None:
    stop = Stop()
    stop.check()
    stop.request()
    with pytest.raises(errors.Interrupted, match="--resume"):
        run("touch started", stop=stop)
    assert stop.requested
    assert not (tmp_path / "started").exists()


def test_ctrl_c_reaches_us_and_not_the_command(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import os, signal\n"
        "from pathlib import Path\n"
        "from autoresearch_ci import errors\n"
        "from autoresearch_ci.execution.command import Stop, run_command\n"
        "stop = Stop()\n"
        "signal.signal(signal.SIGINT, lambda *_: stop.request())\n"
        'command = \'trap "echo INT > got" INT; trap "echo TERM > got; exit" TERM;\'\n'
        "command += 'echo > ready; while :; do sleep 0.02; done'\n"
        "try:\n"
        "    run_command(command, cwd=Path.cwd(), env=os.environ, stop=stop)\n"
        "except errors.Interrupted as error:\n"
        "    raise SystemExit(error.exit_code)\n"
    )
    ours = subprocess.Popen([sys.executable, program], cwd=tmp_path, process_group=0)
    wait_for(tmp_path / "ready")
    os.killpg(ours.pid, signal.SIGINT)  # what a terminal does
    os.killpg(ours.pid, signal.SIGINT)
    assert ours.wait(5) == 130
    assert (tmp_path / "got").read_text() == "TERM\n"


# --- cost -----------------------------------------------------------------------------------------


def test_many_commands_leak_no_descriptor_and_no_zombie(run: Run, tmp_path: Path) -> None:
    stop = Stop()
    run("true")
    gc.collect()  # what other tests left open is not closed meanwhile
    before = sorted(os.listdir("/dev/fd"))  # noqa: PTH208
    before_children = children()
    for _ in range(50):
        run("(sleep 60 >/dev/null 2>&1 &) ; true", stop=stop, timeout=60)
        run(["/no/such/program"], stop=stop)
    assert sorted(os.listdir("/dev/fd")) == before  # noqa: PTH208
    assert children() == before_children


def test_a_command_inherits_no_descriptor_of_ours(run: Run, tmp_path: Path) -> None:
    with (tmp_path / "ours").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        shown = run(["ls", "-l", "/dev/fd/"], stop=Stop()).output
    assert "ours" not in shown
    assert str(tmp_path) not in shown


# --- environment ----------------------------------------------------------------------------------


def test_the_command_sees_that_environment_and_nothing_else(run: Run, tmp_path: Path) -> None:
    names = {line.partition("=")[0] for line in run(["env"], env={"A": "1"}).output.splitlines()}
    assert names <= {"A"}


@linux
def test_a_command_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    """SIGKILL of all that is ours leaves nobody who could end it."""
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from autoresearch_ci.execution.command import run_command\n"
        "run_command('true', cwd=Path.cwd(), env=os.environ)\n"
        "run_command('echo $$ > pid; sleep 60 & echo $! >> pid; wait', "
        "cwd=Path.cwd(), env=os.environ)\n"
    )
    argv = [sys.executable, "-c", code]
    with subprocess.Popen(argv, cwd=tmp_path, start_new_session=True) as process:
        pids = tmp_path / "pid"
        try:
            soon(lambda: pids.exists() and len(pids.read_text().split()) == 2)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    soon(lambda: not any(running(pid) for pid in pids.read_text().split()))


def soon(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + promptly(2)
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def running(pid: str) -> bool:
    """Neither gone nor waiting for its parent, which may be us."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
