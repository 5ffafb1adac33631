"""The full view: what a command in it does and prints is what it would do and print outside."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autoresearch_ci.config.schema import Sandbox
from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.execution.command import CommandResult, run_command
from autoresearch_ci.execution.processes import kill_with_variable
from autoresearch_ci.execution.sandbox import bubblewrap, namespaces, system_files
from autoresearch_ci.execution.sandbox.abilities import abilities, gives_view
from autoresearch_ci.execution.sandbox.bubblewrap import View
from autoresearch_ci.execution.sandbox.jail import Jail
from autoresearch_ci.execution.sandbox.kernel import NotConfined
from autoresearch_ci.execution.sandbox.namespaces import Namespaces
from autoresearch_ci.execution.sandbox.places import Places
from autoresearch_ci.workspace.relocate import names

pytestmark = pytest.mark.skipif(
    not gives_view(Sandbox(), abilities(None)), reason=f"no view: {abilities(None).why_no_view}"
)
Runs = Callable[..., CommandResult]


@pytest.fixture
def jail(tmp_path: Path) -> Iterator[Jail]:
    own = tuple(tmp_path / "box" / name for name in ("tree", "home", "tmp"))
    for folder in own:
        folder.mkdir(parents=True)
    scratch = tmp_path / "box"
    places = Places(scratch=scratch, own=own, home=own[1], shown=(str(scratch),))
    jail = Jail(Sandbox(user="keep"), places)
    yield jail
    jail.close()


@pytest.fixture
def run(jail: Jail, tmp_path: Path) -> Runs:
    def run(command: str | list[str], **options: object) -> CommandResult:
        cwd = tmp_path / "box" / "tree"
        environment = {"PATH": os.defpath, "HOME": str(tmp_path / "box" / "home")}
        environment |= options.pop("env", {})  # type: ignore[operator]
        enter = jail.enter(network=bool(options.pop("network", False)))
        return run_command(command, cwd=cwd, env=environment, enter=enter, **options)  # type: ignore[arg-type]

    return run


@pytest.mark.parametrize("code", [0, 1, 7, 126, 255])
def test_exit_codes_are_the_commands(run: Runs, code: int) -> None:
    assert run(f"exit {code}").exit_code == code


def test_a_signal_and_a_missing_program_end_it_as_in_a_shell(run: Runs) -> None:
    assert run("kill -SEGV $$").exit_code == 128 + signal.SIGSEGV
    assert "SIGSEGV" in run("kill -SEGV $$").failure
    assert run(["no-such-program"]).exit_code == 127


def test_it_works_in_its_folder_and_leads_a_session_as_outside(run: Runs, tmp_path: Path) -> None:
    done = run("pwd; ps -o pid=,pgid=,sid= $$; kill -- -$$ & wait; exit 3")
    folder, numbers, *_ = done.output.splitlines()
    assert folder == str(tmp_path / "box" / "tree")
    assert len(set(numbers.split())) == 1, "its own group and session"
    assert done.exit_code == 128 + signal.SIGTERM, "it can signal its group, and nobody else"


def test_streams_stay_apart_and_helpers_hand_over_the_rest(run: Runs) -> None:
    done = run("exec > >(cat); echo out; echo err >&2", apart=True)
    assert (done.stdout.text, done.stderr.text) == ("out\n", "err\n")


def test_a_command_is_asked_to_end_before_it_is_killed(run: Runs) -> None:
    done = run("trap 'echo asked; exit 4' TERM; echo begun; sleep 60 & wait", timeout=0.5)
    assert done.timed_out
    assert "asked" in done.output


def test_nothing_outlives_it_whatever_it_does(run: Runs, tmp_path: Path) -> None:
    """Chains of processes that leave session and parent, faster than anybody can list them."""
    program = """
import os, time
for _ in range(20):
    if os.fork() == 0:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if os.fork():
                os._exit(0)
            os.setsid()
            open('alive', 'a').write('x')
"""
    (tmp_path / "box" / "tree" / "chains.py").write_text(program)
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    assert run([python, "chains.py"]).exit_code == 0
    alive = tmp_path / "box" / "tree" / "alive"
    before = alive.stat().st_size if alive.exists() else 0
    time.sleep(0.2)
    assert (alive.stat().st_size if alive.exists() else 0) == before


def test_no_signal_of_its_own_ends_the_one_who_waits_for_it(run: Runs) -> None:
    line = "for n in $(seq 1 64); do kill -$n 1 2>/dev/null; done; sleep 0.2; echo on; exit 3"
    done = run(line)
    assert (done.output, done.exit_code) == ("on\n", 3)


def test_when_we_are_killed_it_dies_as_well(tmp_path: Path) -> None:
    program = f"""
import os, sys
from pathlib import Path
from autoresearch_ci.config.schema import Sandbox
from autoresearch_ci.execution.command import run_command
from autoresearch_ci.execution.sandbox.jail import Jail
from autoresearch_ci.execution.sandbox.places import Places
box = Path({str(tmp_path)!r})
jail = Jail(Sandbox(user="keep"), Places(scratch=box, own=(box,), home=box))
run_command("setsid sh -c 'while :; do echo x >> alive; sleep .02; done' & wait", cwd=box,
            env={{"PATH": os.defpath}}, enter=jail.enter())
"""
    ours = subprocess.Popen([sys.executable, "-c", program])
    alive = tmp_path / "alive"
    while not alive.exists():
        assert ours.poll() is None
        time.sleep(0.02)
    ours.kill()
    ours.wait()
    until = time.monotonic() + 10
    while time.monotonic() < until:
        before = alive.stat().st_size
        time.sleep(0.2)
        if alive.stat().st_size == before:
            return
    pytest.fail("it goes on")


@pytest.mark.skipif(bool(abilities(None).why_not_fresh), reason="there are no layers")
def test_of_a_toolchain_a_command_reaches_the_sockets_that_are_listed(tmp_path: Path) -> None:
    """And reads all of it, also below a folder that is a part of it and shown as well."""
    box, tools = tmp_path / "box", tmp_path / "tools, odd: name"
    (tools / "part").mkdir(parents=True)
    (tools / "part" / "file").write_text("read\n")
    box.mkdir()
    names = ("listed", "other", "part/other")
    shown = (str(box), str(tools), str(tools / "part"))
    places = Places(scratch=box, own=(box,), shown=shown, read=(str(tools / "listed"),))
    program = (
        "import os, socket, sys\n"
        "os.chdir(sys.argv.pop(1))\n"
        "for name in sys.argv[1:]:\n"
        "    with socket.socket(socket.AF_UNIX) as asking:\n"
        "        print(name, asking.connect_ex(name) == 0, flush=True)\n"
        "print(open('part/file').read(), *sorted(os.listdir('.')))"
    )
    folder = os.open(tools, os.O_PATH)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, folder)
        for name in names:
            service = stack.enter_context(socket.socket(socket.AF_UNIX))
            service.bind(f"/proc/self/fd/{folder}/{name}")
            service.listen()
        jail = stack.enter_context(contextlib.closing(Jail(Sandbox(user="keep"), places)))
        python = shutil.which("python3", path="/usr/local/bin:/usr/bin") or sys.executable
        argv = [python, "-c", program, str(tools), *names]
        output = run_command(argv, cwd=box, env={}, enter=jail.enter()).output
    told = ["listed", "True", "other", "False", "part/other", "False", "read"]
    assert output.split() == [*told, "listed", "other", "part"]


def test_what_is_mounted_in_a_toolchain_is_there_and_no_folder_stops_a_run(tmp_path: Path) -> None:
    """As on a GPU machine, where a container's runtime mounts libraries into /usr."""
    refused = "/proc/sys/kernel"  # no layer can be made of it
    shown = (str(tmp_path), "/sys/fs", refused)
    places = Places(scratch=tmp_path, own=(tmp_path,), shown=shown)
    with contextlib.closing(Jail(Sandbox(user="keep"), places)) as jail:
        argv = ["ls", "/sys/fs/cgroup"]
        output = run_command(argv, cwd=tmp_path, env={}, enter=jail.enter()).output
        assert output.split() == sorted(os.listdir("/sys/fs/cgroup"))  # noqa: PTH208 - names
        bare = [missing for missing in jail.protection.off if refused in missing.what]
    assert len(bare) == jail.layers, "without any layers that is said of all of them"


def test_that_bubblewrap_failed_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotConfined, match=r"bwrap: .*nowhere"):
        Namespaces(View(shown=[str(tmp_path / "nowhere")]))


def test_a_missing_folder_starts_nothing(run: Runs, jail: Jail, tmp_path: Path) -> None:
    enter = jail.enter()
    (tmp_path / "box" / "tree").rmdir()
    with pytest.raises(WorkspaceError, match="could not be confined"):
        run_command("true", cwd=tmp_path / "elsewhere", env={}, enter=enter)


def test_a_folder_that_was_made_again_is_its_own_too(run: Runs, tmp_path: Path) -> None:
    """File systems give the new one the number of the old one, if nobody holds that."""
    for number in range(3):
        assert run(f"echo {number} > x && cat x").output == f"{number}\n"
        shutil.rmtree(tmp_path / "box" / "tree")
        (tmp_path / "box" / "tree").mkdir()


def test_who_starts_commands_may_be_killed_and_is_started_again(run: Runs) -> None:
    assert run("echo 1").output == "1\n"
    starter = namespaces.starter()
    os.kill(starter.pid, signal.SIGKILL)
    os.waitid(os.P_PID, starter.pid, os.WEXITED | os.WNOWAIT)
    assert run("echo 2").output == "2\n"
    assert namespaces.starter() is not starter


def test_its_environment_is_not_that_of_who_confines_it(run: Runs, tmp_path: Path) -> None:
    """A library of the tree's would be loaded outside of the view, and as root."""
    notes = tmp_path / "notes"
    loader = {"LD_DEBUG": "libs", "LD_DEBUG_OUTPUT": str(notes), "LD_LIBRARY_PATH": str(tmp_path)}
    done = run("echo $LD_LIBRARY_PATH; ls -d $LD_DEBUG_OUTPUT*; env", env=loader)
    assert f"{tmp_path}\n" in done.output.splitlines(keepends=True)
    assert list(tmp_path.glob("notes*")) == []
    names = [line.partition("=")[0] for line in done.output.splitlines() if "=" in line]
    assert {"LC_ALL"}.isdisjoint(names)


def test_its_memory_is_measured(run: Runs) -> None:
    """As far as it is more than ours, which Linux counts as a child's until it has a program."""
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wanted = int(2 * ours)
    done = run(f"head -c {wanted + 9}M /dev/zero | tail -c {wanted}M > /dev/null")
    assert done.peak_memory_mb is not None
    assert 0.9 * wanted < done.peak_memory_mb < 1.5 * wanted


def test_it_inherits_nothing_of_ours(run: Runs) -> None:
    done = run("ls /proc/self/fd | wc -l; cat /proc/1/cmdline | tr '\\0' ' '")
    count, line = done.output.splitlines()[:2]
    assert int(count) == 4  # and ls itself reads the folder
    assert "bind" not in line, "what it sees is nobody's to read"


def test_every_command_has_new_folders_for_everybody(run: Runs) -> None:
    places = "/tmp /var/tmp /dev/shm"
    line = f"for f in {places}; do ls -A $f; touch $f/left; done; ipcmk -M 9 -Q >/dev/null"
    assert "left" not in run(line).output + run(line).output
    assert run(f"{line}; ipcs | grep -c '^0x'").output.splitlines()[-1] == "2"


def test_what_a_measurement_writes_is_there_for_us_and_gone_after_it(
    run: Runs, jail: Jail, tmp_path: Path
) -> None:
    box = tmp_path / "box"
    (box / "tree" / "below").mkdir()
    for file in (box / "tree" / "below" / "file", box / "tmp" / "file"):
        file.write_text("1\n")
    line = "ls -A . ../home ../tmp below; rm -r below && echo 2 > below; echo 3 > ../home/new"
    jail.seal()
    with pytest.raises(AssertionError):
        run(line)
    for _ in range(2):
        with jail.fresh(box / "tmp") as seen:
            (seen / "tree" / "ours").write_text("4\n")
            assert run(line).output.split() == [".:", "below", "ours", "../home:", "../tmp:",
                                                "below:", "file"]  # fmt: skip
            assert run("cat below ../home/new ours").output == "2\n3\n4\n"
            assert (seen / "tree" / "below").read_text() == "2\n"
            assert list((seen / "tmp").iterdir()) == []
    assert (box / "tree" / "below" / "file").read_text() == "1\n"
    assert [list((box / name).iterdir()) for name in ("home", "tmp")] == [
        [],
        [box / "tmp" / "file"],
    ]


def test_nobody_inherits_what_a_measurement_lies_in(run: Runs, jail: Jail, tmp_path: Path) -> None:
    """It would last as long as they do, and be theirs to write to."""
    jail.seal()
    before = _inherited()
    with jail.fresh() as seen:
        assert os.readlink(seen) == str(tmp_path / "box")  # noqa: PTH115 - a descriptor's
        assert _inherited() == before


def _inherited() -> set[int]:
    found = set()
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names
        with contextlib.suppress(OSError):  # that of the listing
            if os.get_inheritable(int(name)):
                found.add(int(name))
    return found


def test_programs_find_out_who_they_are(run: Runs, tmp_path: Path) -> None:
    done = run("id -un; getent passwd $(id -u) | cut -d: -f6; getent hosts localhost")
    assert done.output.splitlines()[1] == str(tmp_path / "box" / "home")
    assert done.exit_code == 0


def test_devices_are_its_own(run: Runs) -> None:
    done = run(
        "ls /dev; echo x > /dev/null; head -c 4 /dev/urandom | wc -c; script -qc tty /dev/null"
    )
    assert done.output.split()[-1].startswith("/dev/pts/0")
    harmless = "core fd full null ptmx pts random shm stderr stdin stdout tty urandom zero 4"
    gpus = ("nvidia", "dri", "kfd", "dxg")
    found = [name for name in done.output.split()[:-1] if not name.startswith(gpus)]
    assert found == harmless.split()


def test_the_nodes_of_a_gpu_are_those_of_the_machine(
    run: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any device that is not shown else will do for one."""
    node = Path("/dev/kmsg")
    if not node.is_char_device():
        pytest.skip(f"no {node} here")
    monkeypatch.setattr(bubblewrap, "GPUS", ("/dev/kms*", "/dev/nvidia*"))
    there = node.stat().st_rdev
    done = run(f"stat -c %t:%T {node}; ls -d /sys/devices")
    assert done.output.split() == [f"{os.major(there):x}:{os.minor(there):x}", "/sys/devices"]


def test_an_older_bubblewrap_is_not_taken_for_one(tmp_path: Path) -> None:
    old = tmp_path / "bwrap"
    old.write_text("#!/bin/sh\necho bubblewrap 0.4.1\n")
    old.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    code = "from autoresearch_ci.execution.sandbox import bubblewrap as b; print(b.program()[1])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == bubblewrap.program()[1]


_AS_ANYBODY = """
import os, signal, tempfile
from pathlib import Path
from autoresearch_ci.config.schema import Sandbox
from autoresearch_ci.execution.command import run_command
from autoresearch_ci.execution.sandbox.jail import Jail
from autoresearch_ci.execution.sandbox.places import Places
from autoresearch_ci.safety import untrusted_files as beneath
with tempfile.TemporaryDirectory() as name:
    box = Path(name, "box")
    box.mkdir()
    jail = Jail(Sandbox(), Places(scratch=box, own=(box,), home=box))
    print(jail.protection.holds, [str(missing) for missing in jail.protection.off])
    line = "id -u; grep CapEff /proc/self/status; ls /root; cat /proc/1/environ; kill -9 1"
    line += "; cat /proc/self/oom_score_adj; echo on"
    done = run_command(line, cwd=box, env={"PATH": os.defpath}, enter=jail.enter())
    print(done.output, done.exit_code)
    count = "grep -c : /proc/net/dev"
    for network in (False, True):
        entered = jail.enter(network=network)
        print(run_command(count, cwd=box, env={"PATH": os.defpath}, enter=entered).output.strip())
    jail.close()
    tree = box / "tree"
    (tree / "below" / "deep").mkdir(parents=True)
    (tree / "below" / "deep" / "file").touch()
    jail = Jail(Sandbox(), Places(scratch=box, own=(tree,)))
    jail.seal()
    with jail.fresh() as seen:
        beneath.remove(seen / "tree", "below")
        line = "mkdir below && touch below/new && ls below"
        enter = jail.enter()
        print(run_command(line, cwd=tree, env={"PATH": os.defpath}, enter=enter).output.strip())
        print(os.listdir(seen / "tree" / "below"), os.listdir(tree / "below"))
        starter = jail._made._starter.pid
        os.kill(starter, signal.SIGKILL)
        os.waitid(os.P_PID, starter, os.WEXITED | os.WNOWAIT)
        print(run_command("ls", cwd=tree, env={"PATH": os.defpath}, enter=enter).output.strip())
    jail.close()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="then all other tests are of an ordinary user")
def test_an_ordinary_user_has_the_same_view(tmp_path: Path) -> None:
    python, version = "/usr/bin/python3", sys.version_info[:2]
    told = subprocess.run([python, "-V"], capture_output=True, text=True, check=False).stdout
    if not told.startswith(f"Python {version[0]}.{version[1]}."):
        pytest.skip("only this Python of ours may be started by others")
    tmp_path.chmod(0o777)
    done = subprocess.run(
        [python, "-c", _AS_ANYBODY],
        env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        cwd="/",
        user=61234,
        group=61234,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )
    if "No module named" in done.stderr:
        pytest.skip("our own code lies where no other user may read it")
    level, uid, capabilities, *rest = done.stdout.splitlines()
    if "Operation not permitted" in level:
        pytest.skip(level)
    assert (level, uid) == ("full []", "61234"), done.stdout + done.stderr
    assert int(capabilities.split()[1], 16) == 0
    assert "cannot access '/root'" in rest[0]
    assert "Permission denied" in rest[1]
    interfaces = Path("/proc/net/dev").read_text().count(":")
    first = min(int(Path("/proc/self/oom_score_adj").read_text()) + 500, 1000)
    assert rest[-8] == f"{first}", "when memory runs out, it is killed before us"
    assert rest[-7:-1] == ["on", " 0", "1", str(interfaces), "new", "['new'] ['deep']"]
    assert rest[-1] == "below", "who starts commands may be killed, and is started again"


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no shared memory")
def test_what_lies_in_shared_memory_is_seen_as_it_would_be_elsewhere() -> None:
    """A checkout, a toolchain and TMPDIR may; what else lies there is others'."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        box, tools, secret = (Path(name, part) for part in ("box", "tools", "repo/.git/config"))
        for folder in (box / "tree", tools, secret.parent):
            folder.mkdir(parents=True)
        for file in (tools / "program", secret):
            file.write_text("theirs\n")
        own = (box / "tree",)
        places = Places(scratch=box, own=own, shown=(str(box), str(tools)), hidden=(str(secret),))
        with contextlib.closing(Jail(Sandbox(user="keep"), places)) as jail:
            line = "cat $T/program; for p in $T . /dev/shm; do touch $p/new && echo $p; done 2>&-; "
            line += f"ls {name} /dev/shm"
            environment = {"T": str(tools), "PATH": os.defpath}
            done = run_command(line, cwd=box / "tree", env=environment, enter=jail.enter())
        told = ["theirs", ".", "/dev/shm", "/dev/shm:", "new", Path(name).name, f"{name}:"]
        assert done.output.split() == [*told, "box", "tools"]
        assert [path.name for path in tools.iterdir()] == ["program"]


def test_folders_may_have_names_of_any_bytes(tmp_path: Path) -> None:
    place = str(tmp_path / os.fsdecode(b"caf\xe9:,\n"))
    assert kill_with_variable("HOME", place) == 0
    assert names(place).search(b"#!%s/bin/python" % os.fsencode(place))
    assert os.fsencode(place) in system_files.shown(1, 1, place).files["/etc/passwd"][1]
