"""Measured code that reaches for what is not its own: each attempt is refused, nothing arrives.

Each attack is a program in the repository, run as the metric by a real run; all targets are decoys.
What holds here holds without bubblewrap; the full view is test_view.py's.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import autoresearch_ci
from autoresearch_ci.config.schema import Sandbox
from autoresearch_ci.errors import Interrupted
from autoresearch_ci.execution.command import CommandResult, Stop, run_command
from autoresearch_ci.execution.sandbox import loopback
from autoresearch_ci.execution.sandbox.abilities import abilities
from autoresearch_ci.execution.sandbox.jail import Jail
from autoresearch_ci.execution.sandbox.kernel import MACHINE, Confinement, dumpable, ends_with_us
from autoresearch_ci.execution.sandbox.places import Places
from autoresearch_ci.execution.sandbox.seccomp import Filter
from autoresearch_ci.execution.sandbox.shared_memory import entries_of, remove_entries
from autoresearch_ci.execution.sandbox.users import User, nobody, unreachable
from tests.adversarial.attacks import (
    CALL,
    MODES,
    PYTHON,
    ROOT,
    STRICT,
    as_user,
    in_a_container,
    reached_terminals,
    refused,
    without_bubblewrap,
)

if TYPE_CHECKING:
    from tests.adversarial.attacks import Attack, Listener
    from tests.conftest import Repo, Run, Script

FOUND = abilities(None)
EFFECTIVE = re.search(r"(?m)^CapEff:\s*(\w+)", Path("/proc/self/status").read_text())
UNDOES_NICE = bool(EFFECTIVE and int(EFFECTIVE[1], 16) >> 23 & 1)
"""CAP_SYS_NICE, which root of a container seldom has."""
NO_LOOPBACK = FOUND.filters or loopback.why_not()
needs_landlock = pytest.mark.skipif(not FOUND.landlock, reason="this kernel has no Landlock")
needs_filters = pytest.mark.skipif(bool(FOUND.filters), reason=f"no seccomp: {FOUND.filters}")
as_root = pytest.mark.skipif(not ROOT, reason="only root can become somebody else")


@pytest.fixture(autouse=True)
def no_view(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with without_bubblewrap(tmp_path_factory.mktemp("empty")):
        yield


# --- ourselves ------------------------------------------------------------------------------------


@as_user
def test_confining_a_command_confines_no_thread_of_ours(attack: Attack, user: str) -> None:
    """It is a thread of ours that starts it, confined; nothing of that may be the process's."""

    def ours() -> dict[str, list[str]]:
        wanted = ("Uid:", "Gid:", "Groups:", "CapEff:", "CapBnd:", "NoNewPrivs:", "Seccomp:")
        status = Path("/proc/self/status").read_text().splitlines()
        found = {line.split()[0]: line.split()[1:] for line in status if line.startswith(wanted)}
        links = [
            str(Path(f"/proc/self/{name}").readlink())
            for name in ("cwd", "ns/mnt", "ns/net", "ns/ipc")
        ]
        return {**found, "links": links, "dumpable": [str(dumpable())]}

    before = ours()
    text = attack("#!/bin/sh\nid -u\n", "--set", f"sandbox.user={user}")
    assert (str(os.geteuid()) in text.splitlines()) == (user == "keep"), text
    assert ours() == before
    assert "confined" not in {thread.name for thread in threading.enumerate()}
    (attack.open_folder / "mine").write_text("no Landlock here")


def test_what_is_done_to_any_of_our_threads_reaches_no_later_command(tmp_path: Path) -> None:
    """By a candidate in another slot, say, that may change those which are younger than itself."""
    box = tmp_path / "box"
    for name in ("tree", "home"):
        (box / name).mkdir(parents=True)
    own = (box / "tree", box / "home")
    jail = Jail(Sandbox(user="keep"), Places(scratch=box, own=own, shown=(str(box),)))
    environment = {"PATH": os.defpath, "HOME": str(box / "home")}

    def scheduled() -> str:
        line = "taskset -p $$ | grep -o '[^ ]*$'; chrt -p $$ | grep -o '[^ ]*$'; nice; ionice"
        return run_command(line, cwd=box / "tree", env=environment, enter=jail.enter()).output

    def give(thread: int, policy: int, nice: int, ionice: str, processors: set[int]) -> None:
        with contextlib.suppress(ProcessLookupError):  # it may have ended meanwhile
            os.sched_setaffinity(thread, processors)
            os.sched_setscheduler(thread, policy, os.sched_param(0))
            os.setpriority(os.PRIO_PROCESS, thread, nice)
            subprocess.run(["ionice", "-c", ionice, "-p", f"{thread}"], check=thread == os.getpid())

    before, nice = scheduled(), os.getpriority(os.PRIO_PROCESS, 0)
    processors = os.sched_getaffinity(0)
    threads = [int(path.name) for path in Path("/proc/self/task").iterdir()]
    try:
        for thread in threads:
            give(thread, os.SCHED_BATCH, nice + 2 * UNDOES_NICE, "3", {min(processors)})
        assert scheduled() == before
        assert len(before.splitlines()) == 5, before
    finally:
        for thread in threads:
            give(thread, os.SCHED_OTHER, nice, "0", processors)
        jail.close()


# --- environment ----------------------------------------------------------------------------------

OF_CI = """
    CI CONTINUOUS_INTEGRATION BUILD_NUMBER BUILD_ID RUN_ID GITHUB_ACTIONS GITHUB_RUN_ID
    GITHUB_WORKSPACE RUNNER_OS RUNNER_NAME GITLAB_CI CI_JOB_ID CI_PROJECT_DIR GITEA_ACTIONS
    FORGEJO_ACTIONS JENKINS_URL JENKINS_HOME WORKSPACE HUDSON_URL BUILDKITE CIRCLECI TRAVIS
    APPVEYOR TF_BUILD AGENT_NAME TEAMCITY_VERSION BITBUCKET_BUILD_NUMBER DRONE WOODPECKER
    CODEBUILD_BUILD_ID SEMAPHORE CIRRUS_CI BAMBOO_BUILDKEY NETLIFY VERCEL RENDER
    HEROKU_TEST_RUN_ID KUBERNETES_SERVICE_HOST SYSTEM_TEAMFOUNDATIONCOLLECTIONURI
    TASKCLUSTER_ROOT_URL
""".split()  # noqa: SIM905
"""By which programs find out that they run in a CI job (`is-ci`, `ci-info` and their like)."""


@as_user
def test_nothing_in_its_environment_tells_measured_code_that_this_is_a_ci_job(
    attack: Attack, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    """So code that asks is measured as it will be used, and no second run in disguise is needed."""

    def seen(tag: str) -> set[str]:
        flags = ("--set", f"sandbox.user={user}", "--tag", tag, "--guard", "env; ./attack")
        setup = ("--set", "setup=[test $CI = true]")  # it may ask nobody, wherever it runs
        done = attack.run(*attack.flags(*flags, *setup), **attack.options)
        log = attack.repo.path / "autoresearch" / f"run-{tag}" / "logs" / "0.log"
        assert done.code == 0, done.told
        text = log.read_text(encoding="utf-8")
        # But for the scratch folder's name, which is new each time.
        neutral = re.sub(r"\b[0-9a-f]{16}\b", "NEW", text)
        lines = [line for line in neutral.splitlines() if re.match(r"\w+=", line)]
        assert len([line for line in lines if line.startswith("HOME=")]) == 3, text
        return set(lines)

    attack.plant("#!/bin/sh\nenv\n")
    for name in OF_CI:
        monkeypatch.delenv(name, raising=False)
    on_a_laptop = seen("laptop")
    for name in OF_CI:
        monkeypatch.setenv(name, "true" if name == "CI" else f"/tells/{name}")
    assert seen("runner") == on_a_laptop
    assert not [line for line in on_a_laptop if line.split("=")[0] in OF_CI]


# --- files ----------------------------------------------------------------------------------------

WRITES = "".join(
    f"""
try:
    {statement}
    print("WROTE", {statement!r})
except OSError as error:
    print("refused", error)
"""
    for statement in (
        "open(where + '/planted', 'w')",
        "os.mkdir(where + '/planted')",
        "os.symlink('x', where + '/planted')",
        "os.link('value', where + '/planted')",
        "os.rename('value', where + '/planted')",
        "os.mkfifo(where + '/planted')",
        "os.unlink(where + '/precious')",
        "os.rename(where + '/precious', 'mine')",
        "os.truncate(where + '/precious', 0)",
        "open(where + '/precious', 'a').write('x')",
    )
).replace("\n", "\n    ")


@needs_landlock
@as_user
def test_measured_code_writes_nowhere_but_in_its_own_folders(
    attack: Attack, repo: Repo, tmp_path: Path, user: str
) -> None:
    other_box = Path(tempfile.gettempdir()) / f"tmpwork-{os.getuid()}" / "other"
    other_box.parent.mkdir()
    folders = [
        attack.open_folder,
        tmp_path,
        repo.path,
        repo.path / ".git",
        repo.path / ".git" / "hooks",
        repo.path / ".git" / "autoresearch" / "t",
        other_box,
    ]
    for folder in folders:
        folder.mkdir(exist_ok=True, parents=True)
        (folder / "precious").write_text("precious")
        for path in (folder, folder / "precious"):
            path.chmod(0o777)
    text = attack(
        f"import os\nfor where in {[str(f) for f in folders]!r}:\n    {WRITES}",
        "--set",
        f"sandbox.user={user}",
    )
    assert "WROTE" not in text
    assert len(refused(text)) == 10 * len(folders)
    for folder in folders:
        assert (folder / "precious").read_text() == "precious"
        assert not os.path.lexists(folder / "planted")


FILE_COMMANDS = (
    "GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_STEP_SUMMARY",
)  # fmt: skip


@needs_landlock
@as_user
def test_what_later_steps_obey_is_as_we_left_it(
    attack: Attack, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    """Files that everybody may write to, in a folder that measured code knows."""
    folder = attack.open_folder / "_runner_file_commands"
    folder.mkdir()
    folder.chmod(0o777)
    for name in FILE_COMMANDS:
        (folder / name).write_text("ours\n")
        (folder / name).chmod(0o666)
        monkeypatch.setenv(name, str(folder / name))
    text = attack(
        f"""
import os
for name in {FILE_COMMANDS!r}:
    for path in (os.environ.get(name), {str(folder)!r} + "/" + name):
        try:
            with open(path, "a") as file:
                file.write("LD_PRELOAD=/evil.so\\n")
            print("APPENDED", path)
        except (OSError, TypeError) as error:
            print("refused", error)
""",
        "--set",
        f"sandbox.user={user}",
    )
    assert "APPENDED" not in text
    assert len(refused(text)) == 2 * len(FILE_COMMANDS), text
    assert {(folder / name).read_text() for name in FILE_COMMANDS} == {"ours\n"}


@needs_landlock
@as_user
def test_measured_code_reads_no_record_and_no_credential(
    attack: Attack, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    home, runner = tmp_path / "home", tmp_path / "runner"
    secrets = {
        home / ".ssh" / "id_ed25519",
        home / ".netrc",
        home / ".config" / "gh" / "hosts.yml",
        home / "mounted" / "key",
        runner / "git-credentials-1.config",
        repo.path / ".env",
        repo.path / ".git" / "modules" / "sub" / "config",
        repo.path / ".git" / "autoresearch" / "earlier" / "holdout" / "1.log",
    }
    for path in secrets:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("secret")
    harmless = home / ".config" / "harmless"
    harmless.write_text("harmless")
    for path in (tmp_path, *tmp_path.parents[:2]):
        assert path != Path("/tmp")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("RUNNER_TEMP", str(runner))
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(home / "mounted" / "key"))
    repo.git("config", "http.extraheader", "AUTHORIZATION: secret")
    store = repo.path / ".git" / "autoresearch"
    targets = [
        *map(str, secrets),
        str(repo.path / ".git" / "config"),
        str(store / "t/records.jsonl"),
    ]
    folders = [str(store), str(store / "t" / "pristine"), str(runner), str(home / ".ssh")]
    text = attack(
        f"""
import os
# Not in plain text: a script that names the checkout would not even be started.
for path in map(bytes.fromhex, {[t.encode().hex() for t in targets]!r}):
    try:
        print("READ", path, open(path).read())
    except OSError as error:
        print("refused", error)
for path in {folders!r}:
    try:
        print("LISTED", path, os.listdir(path))
    except OSError as error:
        print("refused", error)
try:
    print("may", open({str(harmless)!r}).read())
except OSError as error:
    print("may not", error)
""",
        "--set",
        "setup=[touch $HOME/made-by-setup]",
        "--set",
        f"sandbox.user={user}",
    )
    assert "READ" not in text
    assert "LISTED" not in text
    assert len(refused(text)) == len(targets) + len(folders), text
    assert "may not" in text, "what is listed is there, and nothing else"


@needs_landlock
@as_user
def test_what_lies_in_the_runners_temporary_folder_besides_our_box_is_hidden(
    attack: Attack, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    monkeypatch.setenv("RUNNER_TEMP", str(attack.open_folder))
    secret = attack.open_folder / "secret"
    secret.write_text("secret")
    secret.chmod(0o644)
    text = attack(f"print(open({str(secret)!r}).read())", "--set", f"sandbox.user={user}")
    assert "PermissionError" in text
    assert "\nsecret" not in text


@needs_landlock
def test_without_confinement_the_same_code_gets_through(attack: Attack) -> None:
    target = attack.open_folder / "planted"
    off = ("--set", "sandbox={read_only: false, user: keep, network: allow}")
    attack(f"open({str(target)!r}, 'w')", *off)
    assert target.exists(), "the tests above would prove nothing"


@needs_landlock
def test_what_the_configuration_lists_may_be_written(attack: Attack) -> None:
    target = attack.open_folder / "results"
    target.mkdir()
    target.chmod(0o777)
    attack(f"open('{target}/x', 'w')", "--set", f"sandbox.write=[{target}]")
    assert (target / "x").exists()


@needs_landlock
def test_what_lies_open_in_a_folder_that_may_be_written_to_is_said(tmp_path: Path) -> None:
    """Landlock leaves nothing out of a folder; what is hidden there must not be open in silence."""
    box, token = tmp_path / "boxes" / "all" / "box", tmp_path / "home" / "token"
    results = tmp_path / "home" / "results"
    for folder in (box, results):
        folder.mkdir(parents=True)
    token.write_text("secret")

    def tried(write: Path) -> tuple[bool, list[str]]:
        hidden = {"hidden": (str(token),), "write": (str(write),)}
        jail = Jail(Sandbox(user="keep"), Places(scratch=box, own=(box,), **hidden))
        line = ["sh", "-c", f"echo changed >> {shlex.quote(str(token))}"]
        done = run_command(line, cwd=box, env={"PATH": os.defpath}, enter=jail.enter())
        told = [f"{missing}" for missing in jail.protection.off if "sandbox.write" in f"{missing}"]
        jail.close()
        return done.exit_code == 0, told

    opened, (told,) = tried(token.parent)
    assert opened
    assert f"{token}, as its user may" in told
    assert tried(results) == (False, [])
    assert str(box.parent) in tried(tmp_path / "boxes")[1][0]


@needs_landlock
@as_user
def test_what_it_makes_can_be_moved_between_its_folders(attack: Attack, user: str) -> None:
    """As uv and virtualenv do with what they have downloaded, instead of copying it."""
    moves = "os.makedirs('a/b')\nopen('a/b/c', 'x').close()\nos.rename('a/b/c', 'c')\n"
    moves += "os.rename('a/b', os.environ['HOME'] + '/b')\nprint('MOVED')"
    assert "MOVED" in attack(f"import os\n{moves}", "--set", f"sandbox.user={user}")


# --- processes ------------------------------------------------------------------------------------

HUNT = """
import ctypes, os, re
bot = os.getppid()
while True:
    words = open(f"/proc/{bot}/cmdline").read()
    if "autoresearch_ci" in words and "attack" not in words.split("\\0")[0]:
        break
    bot = int(re.search(r"PPid:\\s+(\\d+)", open(f"/proc/{bot}/status").read())[1])
for name in ("environ", "mem", "maps", "root", "cwd", "fd"):
    try:
        path = f"/proc/{bot}/{name}"
        if name in ("root", "cwd"):
            os.listdir(path)
        elif name == "fd":
            open(path + "/1", "w")
        elif name == "mem":
            open(path, "rb").read(1)
        else:
            open(path, "rb").read()
        print("LOOKED INTO", name)
    except OSError as error:
        print("refused", name, error)
libc = ctypes.CDLL(None, use_errno=True)
print("TRACED" if libc.ptrace(16, bot, 0, 0) == 0 else "refused ptrace")
def change(what, call):
    try:
        call()
        print("CHANGED", what)
    except OSError as error:
        print("refused", what, error)
import resource
change("limit", lambda: resource.prlimit(bot, resource.RLIMIT_NOFILE, (99999, 99999)))
change("limit read", lambda: resource.prlimit(bot, resource.RLIMIT_NOFILE))
change("affinity", lambda: os.sched_setaffinity(bot, os.sched_getaffinity(0)))
change("priority", lambda: os.setpriority(os.PRIO_PROCESS, bot, 1))
for thread in os.listdir(f"/proc/{bot}/task"):
    for act in (os.sched_setaffinity, lambda it, _: os.setpriority(os.PRIO_PROCESS, it, 19)):
        try:
            act(int(thread), {min(os.sched_getaffinity(0))})
            print("CHANGED", open(f"/proc/{bot}/task/{thread}/comm").read())
        except OSError:
            pass
change("group", lambda: os.setpriority(os.PRIO_PGRP, os.getpgid(bot), 1))
change("user", lambda: os.setpriority(os.PRIO_USER, 0, 1))
change("scheduler", lambda: os.sched_setscheduler(bot, os.SCHED_BATCH, os.sched_param(0)))
resource.setrlimit(resource.RLIMIT_NOFILE, (99, 99))
os.sched_setaffinity(0, os.sched_getaffinity(0))
os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0))
print("may change itself")
try:
    os.kill(bot, 18)
    print("SIGNALLED")
except OSError as error:
    print("refused signal", error)
"""


@needs_landlock
@pytest.mark.skipif(FOUND.landlock < 6, reason="signals are Landlock's business since Linux 6.12")
@as_user
def test_measured_code_cannot_look_into_our_process_nor_signal_it(
    attack: Attack, run: Run, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    monkeypatch.setenv("DECOY_API_KEY", "sk-ant-CANARY")
    attack.plant(HUNT)
    temporary = Path(tempfile.gettempdir())
    child = replace(run, temporary=temporary).start(
        *attack.flags("--set", f"sandbox.user={user}"), real=True, **attack.options
    )
    text = attack.printed(run.finish(child))
    found = [
        line
        for line in text.splitlines()
        if line.startswith(("LOOKED", "TRACED", "SIGNAL", "CHANGED"))
    ]
    assert found == []
    assert len(refused(text)) == 15, text
    assert "may change itself" in text


@as_user
def test_no_setting_of_the_run_is_read_from_its_command_line(
    attack: Attack, run: Run, user: str
) -> None:
    """Such as what the holdout is, that nobody who proposes may know."""
    attack.plant(f"""#!{PYTHON}
import os
for name in filter(str.isdigit, os.listdir("/proc")):
    try:
        with open(f"/proc/{{name}}/cmdline", "rb") as file:
            words = file.read()
    except OSError:  # gone
        continue
    if b"autoresearch_ci" in words:
        print("OURS", words.rstrip(bytes(1)).split(bytes(1))[-1], b"CANARY" in words)
""")
    hidden = ("--set", "holdout={command: 'cat value; : CANARY'}")
    child = replace(run, temporary=Path(tempfile.gettempdir())).start(
        *attack.flags("--set", f"sandbox.user={user}", *hidden), real=True, **attack.options
    )
    text = attack.printed(run.finish(child))
    ours = [line for line in text.splitlines() if line.startswith("OURS")]
    assert "OURS b'run' False" in ours, text
    assert not [line for line in ours if line.endswith("True")]


@as_user
def test_no_command_gains_privileges(attack: Attack, user: str) -> None:
    text = attack(
        "#!/bin/sh\ngrep -E 'NoNewPrivs|CapEff' /proc/self/status", "--set", f"sandbox.user={user}"
    )
    assert "NoNewPrivs:\t1" in text
    capabilities = int(text.partition("CapEff:")[2].split()[0], 16)
    tracing, administration = 1 << 19, 1 << 21
    assert not capabilities & (tracing | administration)


@needs_landlock
@needs_filters
@as_user
def test_a_persons_terminal_is_neither_written_to_nor_read_from(attack: Attack, user: str) -> None:
    assert reached_terminals(attack, f"sandbox.user={user}") == ([], b"")


def test_a_persons_terminal_is_there_without_confinement(attack: Attack) -> None:
    off = "sandbox={read_only: false, user: keep, network: allow}"
    names, written = reached_terminals(attack, off)
    assert names, "the test above would prove nothing"
    assert b"ESCAPED" in written


@as_user
def test_a_command_can_still_print_through_dev_stderr(attack: Attack, user: str) -> None:
    text = attack(
        "#!/bin/sh\necho told > /dev/stderr; echo > /dev/null", "--set", f"sandbox.user={user}"
    )
    assert "told" in text
    assert "denied" not in text


@needs_filters
@pytest.mark.skipif(MACHINE != "x86_64", reason="the numbers are of x86_64")
@as_user
def test_system_calls_that_nothing_measured_needs_are_refused(attack: Attack, user: str) -> None:
    calls = {
        "io_uring_setup": (425, 1, 0),
        "keyctl": (250, 0, 0),
        "bpf": (321, 0, 0),
        "userfaultfd": (323, 0, 0),
        "unshare user": (272, 0x10000000, 0),
        "clone3": (435, 0, 0),
        "setns": (308, -1, 0),
        "x32 getpid": (0x40000000 + 39, 0, 0),
    }
    text = attack(
        f"""
import ctypes, socket
libc = ctypes.CDLL(None, use_errno=True)
for name, (number, *rest) in {calls!r}.items():
    libc.syscall(number, *rest)
    print("errno of", name, ctypes.get_errno())
for family, kind, protocol in ((40, 1, 0), (38, 5, 0), (16, 3, 9), (16, 3, 0)):
    try:
        socket.socket(family, kind, protocol)
        print("made", family, protocol)
    except OSError as error:
        print("errno of", family, protocol, error.errno)
""",
        "--set",
        f"sandbox.user={user}",
    )
    for name in calls:
        assert f"errno of {name} {38 if name == 'clone3' else 1}\n" in text
    for vsock_alg_audit in ("40 0", "38 0", "16 9"):
        assert f"errno of {vsock_alg_audit} 13\n" in text
    assert "made 16 0" in text, "what lists the machine's addresses"


# --- network --------------------------------------------------------------------------------------


@needs_filters
@as_user
def test_nothing_arrives_from_measured_code_without_a_network(
    attack: Attack, listener: Listener, user: str
) -> None:
    text = attack(
        CALL.format(port=listener.port, name=listener.name), "--set", f"sandbox.user={user}"
    )
    assert len(refused(text)) == 3, text
    assert listener.heard == []


@needs_landlock
@pytest.mark.skipif(FOUND.landlock < 6, reason="abstract sockets are Landlock's since Linux 6.12")
@as_user
def test_with_the_network_abstract_sockets_of_others_are_still_out_of_reach(
    attack: Attack, listener: Listener, user: str
) -> None:
    program = CALL.format(port=listener.port, name=listener.name)
    text = attack(program, "--set", "sandbox.network=allow", "--set", f"sandbox.user={user}")
    assert "refused abstract" in text
    assert set(listener.heard) == {"tcp", "udp"}, "allow means allow"


@pytest.mark.skipif(bool(NO_LOOPBACK), reason=f"no loopback: {NO_LOOPBACK}")
@needs_landlock
@as_user
def test_with_a_loopback_alone_servers_work_and_nothing_leaves_it(
    attack: Attack, listener: Listener, user: str
) -> None:
    """What listens on 127.0.0.1 answers; not so on other addresses, as a resolver's 127.0.0.53."""
    attack.plant(LOOPBACK.format(port=listener.port, name=listener.name))
    with socket.create_server(("127.0.0.2", 0)) as other, socket.socket(type=2) as resolver:
        resolver.bind(("127.0.0.2", other.getsockname()[1]))
        for outside in (other, resolver):
            outside.settimeout(0)
        flags = ("--set", "sandbox.network=loopback", "--set", f"sandbox.user={user}")
        text = attack.printed(
            done := attack.run(
                *attack.flags(*flags),
                metric=f"./attack {other.getsockname()[1]} 2>&1; cat value",
                **STRICT,
            )
        )
        for outside in (other, resolver):
            with pytest.raises(BlockingIOError):
                outside.recvfrom(1) if outside is resolver else outside.accept()
    assert "ANSWERED 127.0.0.1 20 times" in text, text
    assert "ANSWERED ::1 20 times" in text
    assert "DID" not in text
    assert len(refused(text)) == 12, text
    assert set(listener.heard) <= {"tcp"}
    assert "has no network but TCP on the machine's loopback" in done.told
    assert "whatever listens on the machine's 127.0.0.1 answers measured code" in done.told


LOOPBACK = """
import socket, subprocess, sys, threading
def answer(server):
    while True:
        asking = server.accept()[0]
        asking.sendall(asking.recv(100) * 2)
        asking.close()
for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    server = socket.create_server((host, 0), family=family)
    threading.Thread(target=answer, args=(server,), daemon=True).start()
    count = 0
    for _ in range(20):
        with socket.create_connection(server.getsockname()[:2], timeout=5) as asking:
            asking.sendall(b"x" * 50)
            count += len(asking.recv(100, socket.MSG_WAITALL)) == 100
    print("ANSWERED", host, count, "times")
elsewhere = ("127.0.0.2", int(sys.argv[1]))
def tcp(kind=socket.SOCK_STREAM, protocol=0, family=socket.AF_INET):
    made = socket.socket(family, kind, protocol)
    made.settimeout(0.5)
    return made
def fast():
    made = tcp()
    made.setsockopt(socket.IPPROTO_TCP, 34, 1)  # without a cookie
    made.sendto(b"x", socket.MSG_FASTOPEN, elsewhere)
    made.sendall(b"x")
def mapped():
    made = tcp(family=socket.AF_INET6)
    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    made.connect(("::ffff:127.0.0.2", elsewhere[1]))
def bound():
    made = tcp()
    made.bind(("127.0.0.2", 0))
    made.connect(elsewhere)
for act in (
    lambda: tcp().connect(elsewhere),
    fast,
    mapped,
    bound,
    lambda: tcp(socket.SOCK_DGRAM).sendto(b"x", elsewhere),
    lambda: tcp(socket.SOCK_RAW, 1),
    lambda: tcp(protocol=262),
    lambda: tcp(protocol=132),
    lambda: tcp().setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b""),
    lambda: tcp().setsockopt(socket.SOL_SOCKET, 27, 0),  # detach the filter
    lambda: socket.socket(40),  # vsock
    lambda: socket.socket(socket.AF_UNIX).connect("\\0{name}"),
):
    try:
        act()
        print("DID")
    except OSError as error:
        print("refused", error)
"""


def test_setup_has_the_network(attack: Attack, listener: Listener) -> None:
    attack.plant(CALL.format(port=listener.port, name=listener.name))
    attack.run(*attack.flags("--set", "setup=[./attack]"), **STRICT)
    assert set(listener.heard) >= {"tcp", "udp"}


@needs_filters
def test_guard_hook_and_holdout_have_no_network(
    attack: Attack, listener: Listener, script: Script
) -> None:
    """As the metric has none."""
    ran = attack.open_folder / "ran"
    ran.touch(0o666)
    program = CALL.format(port=listener.port, name=listener.name)
    attack.plant(f"{program}\nimport sys\nopen({str(ran)!r}, 'a').write(sys.argv[1] + '\\n')")
    attack.repo.write(".git/hooks/pre-commit", "#!/bin/sh\n./attack hook\n", mode=0o755)
    script({"description": "try 9", "files": {"value": "9\n"}})
    number = "extract: {last_number: true}"
    done = attack.run(
        *("--set", "hooks=true", "--guard", "./attack guard", "--confirm", "never"),
        *("--set", "calibrate=never", "--metric-repeats-max", "1"),
        *("--set", f"sandbox={{user: keep, write: ['{ran}']}}"),
        *("--set", f"holdout={{command: ./attack holdout && cat value, {number}}}"),
        **STRICT,
    )
    assert done.column("status") == ["baseline", "keep"], done.told
    assert set(ran.read_text().split()) == {"hook", "guard", "holdout"}
    assert listener.heard == []


@needs_filters
@needs_landlock
@as_user
def test_without_namespaces_the_network_is_still_denied_and_the_rest_is_reported(
    attack: Attack, listener: Listener, run: Run, user: str
) -> None:
    """As in a container with the default security profile."""
    from autoresearch_ci.execution.sandbox.kernel import no_new_privileges

    attack.plant(CALL.format(port=listener.port, name=listener.name))
    profile = Filter(refuse=["unshare", "mount"])

    def start() -> None:
        no_new_privileges()
        profile.enter()

    arguments = run.arguments(*attack.flags("--set", f"sandbox.user={user}"), **attack.options)
    done = subprocess.run(
        [sys.executable, "-m", "autoresearch_ci", *arguments],
        cwd=attack.repo.path,
        env={**os.environ, "TMPDIR": tempfile.gettempdir()},
        preexec_fn=start,
        capture_output=True,
        text=True,
        check=False,
    )
    text = attack.printed(run.result(done.returncode, done.stdout, done.stderr))
    assert len(refused(text)) == 3, text
    assert listener.heard == []
    told = done.stdout + done.stderr
    assert "has no network" in told
    if user == "keep":
        assert "one measurement can leave something in /dev/shm for the next, because" in told


# --- what measurements could leave for one another ------------------------------------------------


@as_user
def test_nothing_in_shared_memory_survives_a_measurement(attack: Attack, user: str) -> None:
    if user == "keep":
        pytest.skip("what is our own user's stays")
    name = f"/dev/shm/cache-{os.getpid()}"
    attack.plant(
        f"#!/bin/sh\ntest -e {name} && echo SEEN; echo x > {name} && echo kept\nipcmk -M 9"
    )
    done = attack.run(
        *attack.flags("--set", f"sandbox.user={user}", "--guard", "./attack"), **attack.options
    )
    text = attack.printed(done)
    assert text.count("kept") == 2
    assert "SEEN" not in text
    assert not Path(name).exists()
    store = attack.repo.path / ".git" / "autoresearch" / "t"
    box = hashlib.sha256(os.fsencode(store)).hexdigest()[:16]
    assert list(Path("/dev/shm").glob(f"*{box}*")) == []


@as_root
@pytest.mark.skipif(not Path("/proc/sysvipc/shm").exists(), reason="no System V memory here")
def test_another_users_system_v_memory_does_not_survive_either() -> None:
    """Where namespaces cannot be made: the memory, semaphores and queues of one uid."""
    nobodys = 54321
    make = ["setpriv", "--reuid", str(nobodys), "--clear-groups", "ipcmk"]
    for kind in (["-M", "9"], ["-S", "9"], ["-Q"]):
        subprocess.run([*make, *kind], check=True)
    assert len(entries_of(nobodys)) == 3
    remove_entries(nobodys, known=set())
    assert entries_of(nobodys) == set()


@as_root
@pytest.mark.parametrize("user", MODES[1:])
def test_a_socket_of_roots_is_refused_to_another_user(attack: Attack, user: str) -> None:
    path = attack.open_folder / "unknown.sock"
    with socket.socket(socket.AF_UNIX) as service:
        service.bind(str(path))
        path.chmod(0o660)
        service.listen()
        program = (
            f"import socket\nsocket.socket(socket.AF_UNIX).connect({str(path)!r})\nprint('IN')"
        )
        assert "PermissionError" in attack(program, "--set", f"sandbox.user={user}")


@as_root
@needs_landlock
@pytest.mark.parametrize("user", MODES[1:])
def test_what_anybody_may_use_elsewhere_is_closed_to_another_user(
    attack: Attack, user: str
) -> None:
    """Sockets, names, times below folders that lead to nothing of its own, as long as it runs.

    In a container: of a machine nothing is changed.
    """
    far = attack.open_folder / "far"
    far.mkdir()
    (far / "precious").write_text("")
    with socket.socket(socket.AF_UNIX) as deep, socket.socket(socket.AF_UNIX) as near:
        paths = [far / "socket", attack.open_folder / "socket"]
        for service, path in zip((deep, near), paths, strict=True):
            service.bind(str(path))
            service.listen()
        for path in (far, far / "precious", *paths):
            path.chmod(0o777)
        before = [(path.stat().st_mode, os.listxattr(path)) for path in (far, *paths)]
        with in_a_container(attack.open_folder):
            text = attack(
                f"""
import os, socket
for act in (
    lambda: socket.socket(socket.AF_UNIX).connect({str(paths[0])!r}),
    lambda: socket.socket(socket.AF_UNIX).connect({str(paths[1])!r}),
    lambda: os.stat({str(far / "precious")!r}),
    lambda: os.utime({str(far / "precious")!r}),
    lambda: os.chdir({str(far)!r}),
    lambda: os.open({str(far / "precious")!r}, os.O_PATH),
    lambda: os.readlink({str(far / "missing")!r}),
):
    try:
        act()
        print("DID")
    except PermissionError as error:
        print("refused", error)
    except OSError as error:
        print("TOLD", error)
""",
                "--set",
                f"sandbox.user={user}",
            )
        assert len(refused(text)) == 7, text
        after = [(path.stat().st_mode, os.listxattr(path)) for path in (far, *paths)]
        assert after == before, "nothing of it stays"


@needs_landlock
@as_user
def test_who_would_act_for_measured_code_is_named_where_it_can_be_asked(
    attack: Attack, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    path = attack.open_folder / "agent.sock"
    with socket.socket(socket.AF_UNIX) as service:
        service.bind(str(path))
        path.chmod(0o777)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        done = attack.run(*attack.flags("--set", f"sandbox.user={user}"), **STRICT)
        with in_a_container(attack.open_folder):
            closed = attack.run(
                *attack.flags("--set", f"sandbox.user={user}"), **STRICT, tag="closed"
            )
    assert (done.code, closed.code) == (0, 0), done.told + closed.told
    told = f"can ask {path} to act for it"
    assert (told in done.told) == (user == "keep" or not ends_with_us())
    assert (told in closed.told) == (user == "keep")


# --- another user ---------------------------------------------------------------------------------


@as_root
@pytest.mark.parametrize("user", MODES[1:])
def test_as_another_user_everything_works_and_is_put_back(
    attack: Attack, script: Script, user: str
) -> None:
    attack.repo.write("folder/a", "a\n")
    attack.repo.write("folder/b", "b\n")
    attack.plant(
        "#!/bin/sh\nid -u; echo spoilt > other; rm -r folder; mkdir new; chmod 0 new; ls -A $HOME; "
        "touch $HOME/x $TMPDIR/y; cat pycache 2>/dev/null; echo x > pycache"
    )
    script(
        {"description": "a", "files": {"value": "9\n", "deep/er/file": "x\n"}},
        {"description": "b", "files": {"value": "10\n", "folder/a": None}},
    )
    columns = ("status", "metric", "description")
    journals = {}
    for choice in (user, "keep"):
        flags = ["--set", "metric.extract.last_number=true", "--set", f"sandbox.user={choice}"]
        flags += ["--set", "setup=[touch made]"]
        flags += ["--scope", "value", "--scope", "folder/"]
        attack.run(
            *flags,
            "--guard",
            "test -e made -a -O made -a -O value -a -O folder -a -w other",
            scope="deep/",
            tag=choice,
            **attack.options,
        )
        done = attack.run.result(0, "", "", tag=choice)
        journals[choice] = [done.column(name) for name in columns]
        text = (done.folder / "logs" / "0.log").read_text()
        assert ("\n0\n" in text) == (choice == "keep")
        assert "denied" not in text
    assert journals[user] == journals["keep"]
    assert journals[user][0] == ["baseline", "keep", "discard"]


@as_root
@pytest.mark.parametrize("user", MODES[1:])
def test_the_users_own_hooks_can_ask_git_as_another_user(attack: Attack, user: str) -> None:
    hook = "#!/bin/sh\ntest $(id -u) -ge 60706 && git diff --cached --name-only | grep -q value\n"
    attack = attack.in_the_open()
    attack.repo.write(".git/hooks/pre-commit", hook, mode=0o755)
    text = json.dumps({"description": "a", "files": {"value": "9\n"}})
    attack.run.script.write_text(text)
    done = attack.run("--set", "hooks=true", "--set", f"sandbox.user={user}", **STRICT)
    assert done.column("status") == ["baseline", "keep"], done.told


@as_root
def test_a_user_that_cannot_reach_the_program_is_an_error_when_it_was_asked_for(
    run: Run, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "program").write_text("#!/bin/sh\ncat value\n")
    (closed / "program").chmod(0o755)
    done = run("--set", "sandbox.user=65534", metric=str(closed / "program"), **STRICT)
    assert done.code == 2
    assert "sandbox.user: 65534 cannot reach" in done.err


@as_root
def test_a_user_that_cannot_reach_our_folders_is_not_used_and_that_is_said(run: Run) -> None:
    done = run("--set", "sandbox.user=auto", **STRICT)  # pytest's folders are closed to others
    assert done.code == 0, done.told
    assert "measured code runs as root, because uid 6" in done.out
    assert done.out.count("measured code runs as root") == 1


@as_root
@needs_landlock
@pytest.mark.skipif(
    ROOT and bool(unreachable(nobody(), [autoresearch_ci.__file__])),
    reason="our own code lies where no other user may read it",
)
def test_an_ordinary_user_is_confined_too(attack: Attack, listener: Listener) -> None:
    decoy = attack.open_folder / "planted"
    attack = attack.in_the_open()
    attack.plant(
        CALL.format(port=listener.port, name=listener.name)
        + f"try:\n    open({str(decoy)!r}, 'w')\nexcept OSError:\n    print('refused file')\n"
    )
    for folder, folders, files in os.walk(attack.repo.path.parent):
        for name in (".", *folders, *files):
            os.chown(Path(folder) / name, 12345, 12345, follow_symlinks=False)
    os.chown(tempfile.gettempdir(), 12345, 12345)
    child = attack.run.fork(*attack.flags(), user=12345, **attack.options)
    child.join(60)
    told = (attack.repo.path.parent / "printed").read_text()
    text = attack.printed(attack.run.result(child.exitcode or 0, told, ""))
    assert len(refused(text)) == 4, text
    assert listener.heard == []


def test_a_baseline_that_fails_says_what_was_taken_from_it(attack: Attack) -> None:
    done = attack.run(metric="false", **STRICT)
    assert done.code == 4
    assert "note: measured code " in done.err


@pytest.mark.skipif(FOUND.landlock < 6, reason="signals are Landlock's business since Linux 6.12")
@as_user
def test_chains_of_forks_end_with_their_command(attack: Attack, user: str) -> None:
    """Each link leaves its session and its parent, faster than anybody can list them."""
    alive = attack.open_folder / "alive"
    alive.touch()
    alive.chmod(0o666)
    attack.plant(
        f"""#!{PYTHON}
import os, time
for _ in range(8):
    if os.fork() == 0:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if os.fork():
                os._exit(0)
            os.setsid()
            open({str(alive)!r}, "a").write("x")
"""
    )
    flags = attack.flags("--set", f"sandbox.user={user}", "--set", f"sandbox.write=[{alive}]")
    with subprocess.Popen(["sleep", "30"], start_new_session=True) as bystander:
        done = attack.run(*flags, **attack.options)
        assert bystander.poll() is None, "of our user, too, and nothing that we have started"
        bystander.kill()
    assert done.code == 0, done.told
    assert alive.stat().st_size > 0
    before = alive.stat().st_size
    time.sleep(0.3)
    assert alive.stat().st_size == before


@pytest.mark.skipif(not FOUND.landlock, reason="without Landlock nothing is out of reach")
@pytest.mark.parametrize("place", ["repo", "TMPDIR", ""])
def test_shared_memory_in_which_something_of_ours_lies_is_out_of_reach(
    tmp_path: Path, place: str
) -> None:
    """A rule on a folder allows all below it."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        scratch = Path(name if place == "TMPDIR" else tmp_path, "box")
        checkout = Path(name if place == "repo" else tmp_path, "repo")
        for folder in (scratch / "tree", checkout / ".git"):
            folder.mkdir(parents=True)
        Path(name, "theirs").write_text("theirs\n")
        own, hidden = (scratch / "tree",), (str(checkout / ".git"),)
        places = Places(scratch=scratch, own=own, shown=(str(scratch),), hidden=hidden)
        with contextlib.closing(Jail(Sandbox(user="keep"), places)) as jail:
            line = f"touch new {name}/new; cat {name}/theirs"
            environment = {"PATH": os.defpath}
            run_command(line, cwd=own[0], env=environment, enter=jail.enter())
            assert ("has no /dev/shm" in jail.protection.on) == bool(place)
        assert (own[0] / "new").exists()
        assert Path(name, "new").exists() != bool(place)


def jail_of(box: Path, user: str) -> Jail:
    own = tuple(box / name for name in ("tree", "home", "tmp"))
    places = Places(scratch=box, own=own, home=own[1], shown=(str(box),), write=(str(box.parent),))
    jail = Jail(Sandbox(user=user), places)
    for folder in own:
        folder.mkdir(parents=True)
        jail.own(folder)
    return jail


@pytest.mark.skipif(FOUND.landlock < 6, reason="signals are Landlock's business since Linux 6.12")
@as_user
def test_what_a_command_left_ends_with_it_also_while_another_one_runs(
    attack: Attack, user: str
) -> None:
    """As where several candidates are measured at once."""
    alive = attack.open_folder / "alive"
    alive.touch()
    alive.chmod(0o666)
    loop = f"while sleep 0.02; do echo x >>{alive}; done"
    wait = f"until test -s {alive}; do sleep 0.02; done"
    leaves = f"setsid sh -c '{loop}' </dev/null >/dev/null 2>&1 & {wait}"
    boxes = [attack.open_folder / name for name in ("one", "other")]
    jails = [jail_of(box, user) for box in boxes]
    stop, started = Stop(), attack.open_folder / "started"

    def run(line: str, number: int, stop: Stop | None = None) -> CommandResult:
        tree, environment = boxes[number] / "tree", {"PATH": os.environ["PATH"]}
        enter = jails[number].enter()
        return run_command(line, cwd=tree, env=environment, enter=enter, stop=stop)

    with ThreadPoolExecutor() as side:
        other = side.submit(run, f"touch {started}; sleep 60", 1, stop)
        try:
            while not started.exists():
                time.sleep(0.01)
            assert run(leaves, 0).exit_code == 0
            before = alive.stat().st_size
            time.sleep(0.3)
            assert alive.stat().st_size == before
            assert other.running()
        finally:
            stop.request()
    assert isinstance(other.exception(), Interrupted)
    for jail in jails:
        jail.close()


@as_root
@needs_landlock
def test_what_a_killed_run_left_in_shared_memory_is_gone_before_the_first_command(
    attack: Attack,
) -> None:
    jail = jail_of(attack.open_folder / "box", "auto")
    assert jail.user
    assert jail.user.exclusive
    left = Path(f"/dev/shm/left-{os.getpid()}")
    left.touch()
    os.chown(left, jail.user.uid, jail.user.gid)
    with contextlib.closing(jail):
        jail.enter()
        assert not left.exists()


@as_root
@pytest.mark.parametrize("given_up", [True, False])
def test_what_a_user_of_a_container_was_given_is_not_passed_on(given_up: bool) -> None:
    """As by `podman run --user 1000 --cap-add MKNOD`."""
    ask = "import os; from autoresearch_ci.execution.sandbox import kernel\n"
    ask += "kernel.give_up_ambient_capabilities()\n" if given_up else ""
    ask += "os.execvp('grep', ['grep', 'CapEff', '/proc/self/status'])"
    given = ["--securebits=+noroot", "--inh-caps=+mknod", "--ambient-caps=+mknod"]
    argv = ["setpriv", *given, sys.executable, "-c", ask]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert (int(done.stdout.split()[1], 16) == 0) == given_up


@as_root
def test_where_no_thread_can_be_another_user_the_command_becomes_it() -> None:
    """As on processors whose numbers of system calls we do not have."""
    enter = Confinement(user=(61150, 61151))
    done = run_command("id -u; id -g; id -G", cwd=Path("/"), env={"PATH": os.defpath}, enter=enter)
    assert done.output.split() == ["61150", "61151", "61151"]


@as_root
def test_a_root_that_may_not_kill_others_knows() -> None:
    ask = "from autoresearch_ci.execution.sandbox import kernel; print(kernel.may_kill_others())"
    argv = [sys.executable, "-c", ask]
    for before, told in (([], "True"), (["setpriv", "--bounding-set=-kill"], "False")):
        done = subprocess.run([*before, *argv], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == told


@as_root
def test_who_kills_all_of_its_user_is_ended_all_the_same() -> None:
    """Also before Linux 6.12, where who comes to end it can be signalled by it."""
    user = User(61150, 61150, exclusive=True)
    ready, told = os.pipe()
    for _ in range(20):
        fighter = os.fork()
        if not fighter:
            user.become()
            os.write(told, b".")
            end = time.monotonic() + 20
            while time.monotonic() < end:
                with contextlib.suppress(OSError):
                    os.kill(-1, signal.SIGKILL)
            os._exit(0)
        os.read(ready, 1)
        user.kill_all()
        assert os.waitstatus_to_exitcode(os.waitpid(fighter, 0)[1]) == -signal.SIGKILL
    os.close(ready)
    os.close(told)


# --- what is required -----------------------------------------------------------------------------


@needs_landlock
@needs_filters
def test_where_less_holds_than_is_required_nothing_is_run(
    attack: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = attack.open_folder / "run"
    target.mkdir(mode=0o777)
    attack.plant(f"#!/bin/sh\ntouch {target}/started\n")
    writes = ("--set", f"sandbox.write=[{target}]", "--set", "setup=[./attack]")
    refused = attack.run(*attack.flags("--set", "sandbox.require=full", *writes), **STRICT)
    assert refused.code == 2
    assert "sandbox.require is full, and this machine keeps container" in refused.err
    assert "bubblewrap does not work here" in refused.err
    assert not list(target.iterdir())
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    done = attack.run(*attack.flags(), **STRICT)  # `container` is enough
    assert done.code == 0, done.told
    assert "sandbox: container; measured code" in done.out
    assert "measured code can tell what lies " in done.told


# --- agent CLIs -----------------------------------------------------------------------------------


@needs_landlock
@as_user
def test_an_agent_edits_its_draft_and_nothing_else(
    attack: Attack, listener: Listener, run: Run, user: str, tmp_path: Path
) -> None:
    decoy = attack.open_folder / "planted"
    program = attack.open_folder / "agent"
    git = attack.repo.path / ".git"
    program.write_text(
        f"#!{PYTHON}\nimport os\nopen('value', 'w').write('9\\n')\n"
        + CALL.format(port=listener.port, name=listener.name)
        + f"""
for path in ({str(decoy)!r}, {str(git / "hooks" / "planted")!r}):
    attempt(path, lambda: open(path, "w"))
attempt("git", lambda: open({str(git / "HEAD")!r}))
print("uid", os.getuid())
"""
    )
    program.chmod(0o755)
    config = tmp_path / "config.yml"
    config.write_text(f"proposer: {{command: {shlex.quote(str(program))}}}\n")
    done = run(
        "--config",
        str(config),
        "--iterations",
        "1",
        "--set",
        f"sandbox.user={user}",
        proposer=None,
        **STRICT,
    )
    text = (done.folder / "logs" / "1.log").read_text()
    assert done.column("status") == ["baseline", "keep"], done.told + text
    assert not decoy.exists()
    assert len(refused(text)) == 4, text
    assert set(listener.heard) == {"tcp", "udp"}, text
    assert (f"uid {os.getuid()}" in text) == (user == "keep")


@as_root
def test_our_own_output_stays_our_own(attack: Attack, tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-m", "autoresearch_ci"]
    with log.open("w") as file:
        subprocess.run(
            [*command, *attack.run.arguments(*attack.flags(), **STRICT)],
            cwd=attack.repo.path,
            env={**os.environ, "TMPDIR": tempfile.gettempdir()},
            stdout=file,
            check=True,
        )
    assert log.stat().st_uid == 0
