"""Measured code in the full view: what is not listed does not exist, so nothing of it is reached.

Each attack is a program in the repository, run as the metric by a real run; all targets are decoys.
What a machine without bubblewrap keeps is in test_sandbox.py.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoresearch_ci.config.schema import Sandbox
from autoresearch_ci.execution.sandbox.abilities import abilities, gives_view
from tests.adversarial.attacks import (
    CALL,
    CREDENTIALS,
    ROOT,
    SERVE,
    STRICT,
    as_user,
    reached_terminals,
    refused,
)

if TYPE_CHECKING:
    from tests.adversarial.attacks import Attack, Listener
    from tests.conftest import Repo, Run

FOUND = abilities(None)
NO_VIEW = FOUND.why_no_view if not gives_view(Sandbox(), FOUND) else ""
pytestmark = pytest.mark.skipif(bool(NO_VIEW), reason=f"no view: {NO_VIEW}")
SEARCH = """
import os, stat
found, seen = [], 0
for folder, folders, files in os.walk("/"):
    folders[:] = [f for f in folders if os.path.join(folder, f) not in ("/usr", "/sys")]
    for name in files:
        path = os.path.join(folder, name)
        try:
            status = os.stat(path)
            if not stat.S_ISREG(status.st_mode) or path.startswith("/proc/kcore"):
                continue
            seen += 1
            # What was written before the test holds no secret of it; files of /proc have no size.
            if status.st_ctime < SINCE and status.st_size:
                continue
            text = open(path, "rb").read(1 << 16)
        except OSError:
            continue
        if WANTED in text and not path.endswith(("/attack", "/cmdline")):
            found.append(path)
print("FOUND", found, "of", seen)
""".replace("WANTED", "b'CANARY-' + b'4711'")


@as_user
def test_no_secret_lies_in_the_view_wherever_it_was(
    attack: Attack, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    home = tmp_path / "person"
    since = tmp_path.stat().st_ctime - 1
    (home / ".cargo" / "registry").mkdir(parents=True)  # of which more is shown
    (home / ".local" / "bin").mkdir(parents=True)
    pointed = home / "mounted" / "key"
    (repo.path / ".git" / "info" / "exclude").write_text(".env*\n")
    places = [home / name for name in CREDENTIALS]
    places += [pointed, repo.path / ".env.production", repo.path / ".git" / "description"]
    places += [attack.open_folder / "anybody", Path("/var/tmp") / f"view-test-{os.getpid()}"]
    for path in places:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("CANARY-4711")
        path.chmod(0o644)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{home / '.local' / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(pointed))
    monkeypatch.setenv("A_TOKEN", "CANARY-4711-of-the-environment")
    try:
        text = attack(SEARCH.replace("SINCE", str(since)), "--set", f"sandbox.user={user}")
    finally:
        places[-1].unlink()
    (told,) = re.findall(r"FOUND (\[.*\]) of (\d+)", text)
    assert told[0] == "[]"
    assert int(told[1]) > 20, "it has looked"


@as_user
def test_only_what_is_listed_exists(attack: Attack, repo: Repo, user: str) -> None:
    elsewhere = [repo.path, repo.path / "value", attack.open_folder, "/var/lib", "/etc/shadow"]
    elsewhere += ["/root/.bashrc", "/run/lock", "/etc/ssh", "/dev/kmsg", "/lost+found"]
    text = attack(
        f"""
import os
for path in map(bytes.fromhex, {[os.fsencode(p).hex() for p in elsewhere]!r}):
    for act in (os.stat, os.readlink, os.chdir, os.listdir, os.open):
        try:
            act(path, os.O_PATH) if act is os.open else act(path)
            if not os.path.isdir(path) or os.listdir(path):
                print("THERE", path)
        except FileNotFoundError:
            pass
        except OSError as error:
            if act is not os.readlink and act is not os.listdir:
                print("ODD", path, error)
print(*os.listdir("/"), *os.listdir("/var"), *os.listdir("/run"))
""",
        "--set",
        f"sandbox.user={user}",
    )
    there = set(re.findall(r"THERE b'(.*)'", text))
    assert there <= {str(attack.open_folder)}, text  # on the way to the tree
    assert "ODD" not in text
    assert {"lost+found", "boot", "media"} & set(text.split()) == set()


@as_user
def test_what_it_changes_elsewhere_is_not_changed(
    attack: Attack, tmp_path: Path, repo: Repo, user: str
) -> None:
    """Content, names, modes, times, attributes: on the way there it may make what it likes."""
    folders = [attack.open_folder, tmp_path, repo.path, repo.path / ".git" / "hooks"]
    for folder in folders:
        (folder / "precious").write_text("precious")
        for path in (folder, folder / "precious"):
            path.chmod(0o777)
    before = {folder: (folder / "precious").stat().st_ctime_ns for folder in folders}
    attack(
        f"""
import os
for where in map(bytes.fromhex, {[os.fsencode(f).hex() for f in folders]!r}):
    path = where + b"/precious"
    for act in (
        lambda: os.makedirs(where, exist_ok=True),
        lambda: open(where + b"/planted", "w"),
        lambda: os.chmod(path, 0o600),
        lambda: os.utime(path, (42, 42)),
        lambda: os.setxattr(path, b"user.note", b"x"),
        lambda: os.unlink(path),
        lambda: os.link(path, b"link"),
        lambda: os.rename("value", where + b"/planted"),
    ):
        try:
            act()
        except OSError:
            pass
""",
        "--set",
        f"sandbox.user={user}",
    )
    for folder in folders:
        assert (folder / "precious").stat().st_ctime_ns == before[folder]
        assert not os.path.lexists(folder / "planted")


@as_user
def test_no_socket_of_others_is_reached(
    attack: Attack, tmp_path: Path, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of tmux, agents, databases: known to us or not, wherever they lie."""
    tools = attack.open_folder / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{tools}")
    run = Path("/run") if ROOT else tmp_path
    paths = [
        attack.open_folder / "s",
        tools / "s",
        tmp_path / "s",
        run / f"view-test-{os.getpid()}",
        tools / "relative",
        tools / "late",
    ]
    services = [socket.socket(socket.AF_UNIX) for _ in paths]
    told = attack.open_folder / "told"
    told.mkdir()
    told.chmod(0o777)

    def listen(service: socket.socket, path: Path) -> None:
        folder = os.open(path.parent, os.O_PATH)  # the name that it is known by is not this one
        hidden = path.name == "relative" or len(str(path)) > 100
        service.bind(f"/proc/self/fd/{folder}/{path.name}" if hidden else str(path))
        os.close(folder)
        path.chmod(0o777)
        service.listen()
        service.settimeout(0)

    def listen_late() -> None:
        while not (told / "started").exists():
            if over.wait(0.02):
                return
        listen(services[-1], paths[-1])
        (told / "listens").touch()

    over, late = threading.Event(), threading.Thread(target=listen_late)
    late.start()
    try:
        for service, path in list(zip(services, paths, strict=True))[:-1]:
            listen(service, path)
        text = attack(
            f"""
import os, socket, time
open("{told}/started", "w").close()
while not os.path.exists("{told}/listens"):
    time.sleep(0.01)
for path in {[str(p) for p in paths]!r}:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            socket.socket(socket.AF_UNIX, kind).connect(path)
            print("CONNECTED", path)
        except OSError as error:
            print("refused", error)
""",
            "--set",
            f"sandbox={{user: {user}, write: ['{told}']}}",
        )
        assert "CONNECTED" not in text
        assert len(refused(text)) == 2 * len(paths), text
        for service in services:
            with pytest.raises(BlockingIOError):
                service.accept()
    finally:
        over.set()
        late.join()
        for service, path in zip(services, paths, strict=True):
            service.close()
            path.unlink(missing_ok=True)


@as_user
def test_it_finds_no_process_but_its_own(attack: Attack, user: str) -> None:
    text = attack(
        """
import os
for name in filter(str.isdigit, os.listdir("/proc")):
    words = open(f"/proc/{name}/cmdline", "rb").read().split(b"\\0")
    print("PROCESS", name, words[0])
    print("ARGUMENTS", words[1:3], b"autoresearch" in b" ".join(words))
try:
    os.kill(-1, 0)
except OSError:
    pass
""",
        "--set",
        f"sandbox.user={user}",
    )
    names = re.findall(r"PROCESS (\d+) b'(.*)'", text)
    assert [Path(name).name for _, name in names[:1]] == [Path(sys.executable).name]
    assert len(names) <= 4, text
    assert re.findall(r"ARGUMENTS .* (\w+)", text)[0] == "False", "it has no name of ours"
    assert "autoresearch" not in "".join(name for _, name in names)


@pytest.mark.parametrize("network", ["deny", "loopback"])
@as_user
def test_nothing_arrives_without_a_network(
    attack: Attack, listener: Listener, user: str, network: str
) -> None:
    program = CALL.format(port=listener.port, name=listener.name) + SERVE
    flags = ("--set", f"sandbox.network={network}", "--set", f"sandbox.user={user}")
    text = attack(program, *flags)
    assert "CALLED tcp" not in text
    assert "CALLED abstract" not in text
    assert listener.heard == []


@pytest.mark.skipif(FOUND.landlock < 6, reason="abstract sockets are Landlock's since Linux 6.12")
@as_user
def test_with_the_network_abstract_sockets_are_still_out_of_reach(
    attack: Attack, listener: Listener, user: str
) -> None:
    program = CALL.format(port=listener.port, name=listener.name)
    text = attack(program, "--set", "sandbox.network=allow", "--set", f"sandbox.user={user}")
    assert "refused abstract" in text
    assert set(listener.heard) == {"tcp", "udp"}, "allow means allow"


@as_user
def test_the_persons_terminal_is_out_of_reach(attack: Attack, user: str) -> None:
    assert reached_terminals(attack, f"sandbox.user={user}") == ([], b"")


@as_user
def test_it_can_make_no_view_of_its_own(attack: Attack, user: str) -> None:
    """Neither mounts nor namespaces, nor a way back to what was there before."""
    text = attack(
        """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for name, act in {
    "userns": lambda: libc.unshare(0x10000000),
    "mountns": lambda: libc.unshare(0x20000),
    "mount": lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None),
    "umount": lambda: libc.umount2(b"/tmp", 2),
    "chroot": lambda: libc.chroot(b"/proc/1/root"),
    "remount": lambda: libc.mount(None, b"/usr", None, 32 | 4096, None),
}.items():
    print("DID" if act() == 0 else "refused", name)
for path in ("/proc/1/root/lost+found", "/proc/1/cwd/lost+found", "/oldroot", "/newroot"):
    print("THERE" if os.path.lexists(path) else "refused", path)
""",
        "--set",
        f"sandbox.user={user}",
    )
    assert "DID" not in text.replace("DID chroot", "")
    assert "THERE" not in text


# --- what must work -------------------------------------------------------------------------------


def test_a_toolchain_in_a_closed_home_serves_another_user(
    attack: Attack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Roots's own tools are read by nobody, and the rest of that home is not there."""
    home = tmp_path / "closed"
    tools = home / ".tools" / "bin"
    tools.mkdir(parents=True)
    (home / ".tools" / "lib").mkdir()
    (tools / "tool").write_text("#!/bin/sh\ncat value\nls -A $(dirname $0)/../..\n")
    (tools / "tool").chmod(0o755)
    (home / "private").write_text("")
    home.chmod(0o700)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    done = attack.run(*attack.flags(), metric="id -u; tool; cat value", **STRICT)
    text = attack.printed(done)
    assert "private" not in text
    assert ".tools" in text
    if ROOT:
        assert "65534" in text
        assert "runs as root" not in done.told


def test_the_interpreter_of_a_shared_environment_in_a_closed_home_serves_another_user(
    attack: Attack, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As uv lays them out: the command's first word, `uv`, can be reached all the same."""
    home = tmp_path / "closed"
    interpreter = home / ".local/share/uv/python/cpython-3/bin/python3"
    interpreter.parent.mkdir(parents=True)
    interpreter.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    interpreter.chmod(0o755)
    home.chmod(0o700)
    repo.write(".gitignore", ".venv/\n")
    repo.write(
        "bench.py", "import os\nprint('uid', os.getuid(), '\\nvalue:', open('value').read())\n"
    )
    repo.commit("a project of uv's")
    python = repo.path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(interpreter)
    (repo.path / ".venv/pyvenv.cfg").write_text(f"home = {interpreter.parent}\n")
    tools = attack.open_folder / "bin"
    tools.mkdir(exist_ok=True)
    (tools / "uv").write_text('#!/bin/sh\nshift\nexec .venv/bin/python "$@"\n')
    (tools / "uv").chmod(0o755)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    done = attack.run(*attack.flags(), "--metric-name", "value", metric="uv run bench.py", **STRICT)
    text = attack.printed(done)
    assert "uid" in text, done.told
    if ROOT:
        assert "uid 65534" in text


@pytest.mark.parametrize("line", ["tool", "bash runme"])
@pytest.mark.parametrize("closed", ["tools", "tools/bin"])
def test_what_another_user_cannot_reach_is_never_replaced_by_the_next_of_its_name(
    attack: Attack,
    repo: Repo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    closed: str,
) -> None:
    """As `python` of a virtual environment made with `umask 077`: its link leads to everybody's."""
    search = []
    for name, value in (("tools", 5), ("next", 7)):
        folder = attack.open_folder / name / "bin"
        (folder.parent / "lib").mkdir(parents=True)
        folder.mkdir()
        real = attack.open_folder / f"{name}-{value}"
        real.write_text(f"#!/bin/sh\necho of {name}: {value}\n")
        real.chmod(0o755)
        (folder / "tool-1").symlink_to(real)
        (folder / "tool").symlink_to("tool-1")
        search.append(str(folder))
    (attack.open_folder / closed).chmod(0o700)
    repo.write("runme", "# a script\nset -e\ntool\n")
    repo.commit("a script")
    monkeypatch.setenv("PATH", ":".join([*search, os.environ["PATH"]]))
    done = attack.run(*attack.flags(), metric=line, **STRICT)
    assert "of tools: 5" in attack.printed(done)
    if ROOT:
        assert f"runs as root, because uid 65534 cannot reach {search[0]}/tool" in done.told


def test_a_tool_that_is_not_in_the_view_is_named_with_its_cure(
    attack: Attack, tmp_path: Path
) -> None:
    tool = attack.open_folder / "far" / "bin" / "tool"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\necho 5\n")
    tool.chmod(0o755)
    attack.plant(f"#!/bin/sh\nx={tool.parent}\n$x/tool\n")
    failed = attack.run(*attack.flags(), metric="./attack", **STRICT)
    assert failed.code != 0
    cure = re.search(r"--set 'sandbox.read=\[(.*?)\]'", failed.told)
    assert cure, failed.told
    assert cure[1] == str(tool.parent.parent)
    done = attack.run(
        *attack.flags("--set", f"sandbox.read=[{cure[1]}]", "--tag", "u"),
        metric="./attack", **STRICT,
    )  # fmt: skip
    assert done.code == 0, done.told


def test_what_may_be_read_may_not_be_written(attack: Attack) -> None:
    folder = attack.open_folder / "data"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "x").write_text("content")
    text = attack(
        f"print(open('{folder}/x').read())\ntry:\n    open('{folder}/x', 'w')\n"
        "except OSError as error:\n    print('refused', error)",
        "--set",
        f"sandbox.read=[{folder}]",
    )
    assert "content" in text
    assert len(refused(text)) == 1
    assert (folder / "x").read_text() == "content"


def test_the_run_and_doctor_say_what_is_seen(
    attack: Attack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "my-tools" / "bin"
    (tools.parent / "lib").mkdir(parents=True)
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    done = attack.run(*attack.flags("--set", "sandbox.require=full"), **STRICT)
    assert done.code == 0, done.told
    assert "sandbox: full; measured code" in done.out
    assert "sees the system, its toolchains and its own folders only" in done.out
    command = [sys.executable, "-m", "autoresearch_ci", "doctor"]
    doctor = subprocess.run(
        [*command, "--json", "--quick", "--metric", "cat value", "--scope", "value"],
        cwd=attack.repo.path, capture_output=True, text=True, check=False,
        env={**os.environ, "TMPDIR": tempfile.gettempdir()},
    )  # fmt: skip
    (found,) = [c["found"] for c in json.loads(doctor.stdout) if c["name"] == "view"]
    assert str(tools.parent) in found
    assert str(tools) not in found.replace(f"{tools.parent},", "")


@as_user
def test_an_agent_sees_its_draft_and_not_the_repository(
    attack: Attack, repo: Repo, run: Run, tmp_path: Path, user: str
) -> None:
    program = attack.open_folder / "tools" / "agent"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\necho 9 > value\n"
        f"for path in {shlex.quote(str(repo.path))} {attack.open_folder}/tmp/tmpwork-*/*/tree; do\n"
        "  test -e $path/.git && echo THERE $path\ndone\nls -A $HOME; true\n"
    )
    program.chmod(0o755)
    config = tmp_path / "config.yml"
    config.write_text(json.dumps({"proposer": {"command": str(program)}}))
    done = run(
        "--config", str(config), "--iterations", "1", "--set", f"sandbox.user={user}",
        proposer=None, **STRICT,
    )  # fmt: skip
    assert done.column("status") == ["baseline", "keep"], done.told
    assert "THERE" not in (done.folder / "logs" / "1.log").read_text()


@pytest.mark.parametrize("way", ["read", "write"])
def test_the_folder_of_everybodys_temporary_files_may_be_listed(attack: Attack, way: str) -> None:
    """Ours lie in it, and else it would be a new one for each command."""
    (attack.open_folder / "there").write_text("found\n")
    program = (
        f"print(open('{attack.open_folder}/there').read())\n"
        f"print('ours', os.listdir('{attack.open_folder}/tmp/tmpwork-0'))\n"
        f"open('{attack.open_folder}/made', 'w')\n"
    )
    steps = [
        f"try:\n    {line}\nexcept OSError as error:\n    print('refused', error)\n"
        for line in program.splitlines()
    ]
    text = attack("import os\n" + "".join(steps), "--set", f"sandbox.{way}=[/tmp]")
    assert "found" in text
    assert (attack.open_folder / "made").exists() == (way == "write"), text
    assert len(refused(text)) == (1 if way == "write" else 2), text
