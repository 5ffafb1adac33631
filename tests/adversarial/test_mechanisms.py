"""Every way out that we know, tried with every mechanism: what gets through is what is declared.

One program tries them all, as the metric and then as a guard of a real run, so that what the first
leaves behind is there for the second to find; all targets are decoys. Without any confinement half
of them succeed, which shows that they are attacks: the others are closed by what is done for each
measurement (folders put back, processes ended) and to every command (seccomp). The rows are those
of the table in docs/sandbox.md.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autoresearch_ci.config.schema import Sandbox
from autoresearch_ci.execution.sandbox import bubblewrap
from autoresearch_ci.execution.sandbox.abilities import abilities, gives_view
from autoresearch_ci.execution.sandbox.kernel import MACHINE
from tests.adversarial.attacks import CREDENTIALS, PYTHON, ROOT, in_a_container, without_bubblewrap

if TYPE_CHECKING:
    from tests.adversarial.attacks import Attack
    from tests.conftest import Repo

Tally = Callable[[str, int], None]
FOUND = abilities(None)
FULL = gives_view(Sandbox(), FOUND) and not FOUND.filters
CONTAINER = FOUND.landlock >= 6 and not FOUND.filters

HARNESS = """#!PYTHON
import contextlib, ctypes, errno, fcntl, json, os, resource, signal, socket, stat, struct
import subprocess, sys, time
T = json.loads(bytes.fromhex("TARGETS"))
box, tree = os.path.dirname(os.environ["HOME"]), os.getcwd()
libc = ctypes.CDLL(None, use_errno=True)
socket.setdefaulttimeout(1)
inherited = [int(name) for name in os.listdir("/proc/self/fd") if int(name) > 2]
inherited = [number for number in inherited if os.path.lexists(f"/proc/self/fd/{number}")]
attacks = []
def attack(act):
    attacks.append(act)
def call(number, *arguments):
    found = libc.syscall(number, *arguments)
    if found < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return found
"""
FILES = """
@attack
def read_a_credential():
    return any(open(path).read() for path in T["credentials"])
@attack
def read_the_checkout():
    return open(T["checkout"]).read()
@attack
def read_what_is_the_holdouts_alone():
    return open(T["held"]).read()
@attack
def read_through_a_link_in_the_tree():
    os.symlink(T["credentials"][0], "way")
    try:
        return open("way").read()
    finally:
        os.unlink("way")
@attack
def read_through_a_descriptor_of_the_folder():
    there = os.open(os.path.dirname(T["credentials"][0]), os.O_PATH)
    return open(os.open(os.path.basename(T["credentials"][0]), os.O_RDONLY, dir_fd=there)).read()
@attack
def read_through_proc():
    return open("/proc/self/root" + T["credentials"][0]).read()
@attack
def read_what_was_opened_as_a_path():
    return open(f"/proc/self/fd/{os.open(T['credentials'][0], os.O_PATH)}").read()
@attack
def read_by_executing():
    return b"CANARY" in subprocess.run(["/bin/sh", T["credentials"][0]], capture_output=True).stderr
@attack
def list_a_home():
    return os.listdir(T["home"])
@attack
def write_elsewhere():
    return open(T["precious"], "a").write("x")
@attack
def empty_elsewhere():
    os.truncate(T["precious"], 1)
    return True
@attack
def move_elsewhere():
    open("mine", "w").close()
    os.rename("mine", T["precious"] + ".new")
    return True
@attack
def link_elsewhere():
    os.link(T["precious"], "linked")
    os.unlink("linked")
    return True
@attack
def change_a_mode():
    os.chmod(T["precious"], 0o640)
    return True
@attack
def change_a_time():
    os.utime(T["precious"], (42, 42))
    return True
@attack
def change_an_attribute():
    os.setxattr(T["precious"], b"user.note", b"x")
    return True
@attack
def tell_that_a_file_exists():
    return os.stat(T["precious"])
@attack
def tell_that_a_file_exists_by_its_name():
    os.chdir(os.path.dirname(T["precious"]))
    os.chdir(tree)
    return True
@attack
def tell_that_a_socket_exists():
    return T["stream"] in open("/proc/net/unix").read()
@attack
def read_through_whoever_started_us():
    process = os.getpid()
    while process > 1:
        process = int(open(f"/proc/{process}/stat").read().rpartition(")")[2].split()[1])
        for way in ("root", "cwd/" + "../" * 20):
            with contextlib.suppress(OSError):
                return open(f"/proc/{process}/{way}" + T["credentials"][0]).read()
@attack
def read_by_a_handle():
    handle = struct.pack("Ii", 128, 0) + bytes(128)
    handle = ctypes.create_string_buffer(handle)
    call(303, -100, T["credentials"][0].encode(), handle, ctypes.byref(ctypes.c_int()), 0)
    there = os.open("/", os.O_RDONLY)
    return os.read(call(304, there, handle, os.O_RDONLY), 9)
@attack
def link_what_was_opened_as_a_path():
    there = os.open(T["precious"], os.O_PATH)
    os.link(f"/proc/self/fd/{there}", "linked", follow_symlinks=True)
    os.unlink("linked")
    return True
@attack
def find_a_secret_in_the_environment():
    return "HIDDEN" in "".join(os.environ.values())
@attack
def tell_a_job_from_a_laptop():
    return {"CI", "BUILD_NUMBER", "GITHUB_ENV"} & os.environ.keys()
@attack
def change_what_later_steps_obey():
    return open(T["steps"], "a").write("x")
@attack
def gain_privileges():
    return "NoNewPrivs:\\t0" in open("/proc/self/status").read()
@attack
def use_what_was_open_before():
    return inherited
@attack
def read_what_is_typed():
    return os.path.realpath("/proc/self/fd/0") != os.devnull
@attack
def watch_a_folder_of_others():
    return call(254, call(253), T["home"].encode(), 0xFFF)
@attack
def change_a_device():
    os.chmod("/dev/full", 0o666)
    return True
@attack
def change_what_covers_keys():
    os.utime("/proc/keys", (42, 42))
    return True
@attack
def make_a_device():
    os.mknod("disk", stat.S_IFBLK | 0o600, os.makedev(7, 0))
    os.unlink("disk")
    return True
@attack
def change_the_kernels_settings():
    for path in ("sys/kernel/core_pattern", "sys/vm/drop_caches", "sys/kernel/hostname"):
        with contextlib.suppress(OSError):
            return os.open(f"/proc/{path}", os.O_WRONLY)
@attack
def change_a_control_group():
    for folder, _, names in os.walk("/sys/fs/cgroup"):
        for name in names:
            with contextlib.suppress(OSError):
                return os.open(os.path.join(folder, name), os.O_WRONLY)
@attack
def mount_something():
    os.mkdir("mounted")
    try:
        if libc.mount(b"x", b"mounted", b"tmpfs", 0, None):
            raise OSError
        libc.umount2(b"mounted", 2)
        return True
    finally:
        os.rmdir("mounted")
"""
GIT = """
def git(*words):
    done = subprocess.run(["git", *words], capture_output=True)
    return T["unseen"]["word"].encode() in done.stdout
@attack
def read_another_branch():
    return git("cat-file", "-p", T["unseen"]["branch"])
@attack
def read_what_a_run_keeps():
    return git("cat-file", "-p", T["unseen"]["notebook"])
@attack
def read_what_no_ref_names():
    return git("cat-file", "-p", T["unseen"]["dropped"])
@attack
def read_all_objects():
    return git("cat-file", "--batch-all-objects", "--batch")
@attack
def read_the_repositorys_own_objects():
    os.environ["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = T["unseen"]["objects"]
    try:
        return git("cat-file", "--batch-all-objects", "--batch")
    finally:
        del os.environ["GIT_ALTERNATE_OBJECT_DIRECTORIES"]
@attack
def read_the_repository_beside_the_tree():
    return git("--git-dir", T["unseen"]["git"], "cat-file", "-p", T["unseen"]["branch"])
"""
SOCKETS = """
def talk(kind, path):
    with socket.socket(socket.AF_UNIX, kind) as asking:
        asking.connect(path)
        asking.send(b"act for me")
        return True
@attack
def ask_a_service():
    return talk(socket.SOCK_STREAM, T["stream"])
@attack
def ask_a_service_beside_a_tool():
    return talk(socket.SOCK_STREAM, T["tool"])
@attack
def ask_a_service_by_datagram():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
        return asking.sendto(b"act for me", T["datagram"])
@attack
def ask_a_service_by_packets():
    return talk(socket.SOCK_SEQPACKET, T["packets"])
@attack
def ask_a_service_through_a_link():
    os.symlink(T["stream"], "s")
    try:
        return talk(socket.SOCK_STREAM, "s")
    finally:
        os.unlink("s")
@attack
def ask_a_service_through_proc():
    return talk(socket.SOCK_STREAM, "/proc/self/root" + T["stream"])
@attack
def ask_an_abstract_service():
    return talk(socket.SOCK_STREAM, "\\0" + T["abstract"])
@attack
def ask_an_abstract_service_by_datagram():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
        return asking.sendto(b"act for me", "\\0" + T["abstract"] + "-datagram")
"""
NETWORK = """
@attack
def reach_tcp():
    return socket.create_connection(("127.0.0.1", T["port"]), timeout=2)
@attack
def reach_tcp_by_its_mapped_address():
    with socket.socket(socket.AF_INET6) as asking:
        asking.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        asking.connect(("::ffff:127.0.0.1", T["port"]))
        return True
@attack
def reach_by_multipath_tcp():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262) as asking:
        asking.connect(("127.0.0.1", T["port"]))
        return True
@attack
def reach_by_fast_open():
    with socket.socket(socket.AF_INET) as asking:
        return asking.sendto(b"x", socket.MSG_FASTOPEN, ("127.0.0.1", T["port"]))
@attack
def reach_udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.2)
        asking.sendto(b"x", ("127.0.0.1", T["udp port"]))
        return asking.recv(9)
@attack
def reach_the_host_of_a_virtual_machine():
    return socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
@attack
def ask_the_kernel_for_all_sockets():
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4)
@attack
def hear_of_devices():
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15)
@attack
def see_packets():
    return socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
@attack
def see_connections_of_others():
    return f":{T['port']:04X} " in open("/proc/net/tcp").read()
"""
PROCESSES = """
@attack
def see_a_command_line_of_others():
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if T["secret argument"].encode() in open(f"/proc/{name}/cmdline", "rb").read():
                return True
@attack
def see_keys_of_others():
    return T["key"] in open("/proc/keys").read()
@attack
def see_an_environment_of_others():
    return b"HIDDEN" in open(f"/proc/{T['process']}/environ", "rb").read()
@attack
def signal_others():
    os.kill(T["process"], 0)
    return True
@attack
def slow_others_down():
    os.setpriority(os.PRIO_PROCESS, T["process"], 19)
    return True
@attack
def limit_others():
    resource.prlimit(T["process"], resource.RLIMIT_NOFILE, (10, 10))
    return True
@attack
def pin_others():
    os.sched_setaffinity(T["process"], {0})
    return True
@attack
def leave_others_the_rest_of_the_processor():
    os.sched_setscheduler(T["process"], os.SCHED_IDLE, os.sched_param(0))
    return True
@attack
def leave_others_the_rest_of_the_disk():
    return call(251, 1, T["process"], 3 << 13) == 0
@attack
def signal_others_by_a_descriptor():
    return call(424, os.pidfd_open(T["process"]), 0, None, 0) == 0
@attack
def trace_others():
    call(101, 0x4206, T["process"], 0, 0)
    call(101, 17, T["process"], 0, 0)
    return True
@attack
def read_the_memory_of_others():
    start = open(f"/proc/{T['process']}/maps").read(16).partition("-")[0]
    with open(f"/proc/{T['process']}/mem", "rb", 0) as memory:
        memory.seek(int(start, 16))
        return memory.read(4)
@attack
def see_files_of_others():
    return os.readlink(f"/proc/{T['process']}/fd/0")
@attack
def count_what_others_do():
    event = struct.pack("IIQQQQQ", 1, 64, 1, 0, 0, 0, 1) + bytes(16)
    return call(298, event, T["process"], -1, -1, 0)
@attack
def have_others_killed_first():
    with open(f"/proc/{T['process']}/oom_score_adj", "r+") as file:
        return file.write(file.read())
@attack
def slow_the_timers_of_others():
    with open(f"/proc/{T['process']}/timerslack_ns", "w") as file:
        return file.write("50000")
@attack
def use_rings():
    return call(425, 1, ctypes.create_string_buffer(120))
@attack
def use_faults():
    return call(323, 1)
@attack
def use_programs_of_the_kernel():
    return call(321, 0, struct.pack("IIII", 2, 4, 8, 1) + bytes(56), 72)
@attack
def use_namespaces():
    child = os.fork()
    if child == 0:
        os._exit(libc.unshare(0x10000000) != 0)
    return os.waitpid(child, 0)[1] == 0
"""
LEFTOVERS = """
def left(look, leave):
    try:
        if look():
            return True
    except OSError:
        pass
    leave()
def left_file(path):
    return left(lambda: os.lstat(path), lambda: open(path, "x").close())
def left_attribute(path):
    return left(lambda: os.getxattr(path, "user.n"), lambda: os.setxattr(path, "user.n", b"1"))
@attack
def leave_a_file_at_home():
    return left_file(os.environ["HOME"] + "/.cache-of-it")
@attack
def leave_a_file_in_tmpdir():
    return left_file(os.environ["TMPDIR"] + "/it")
@attack
def leave_a_file_in_the_tree():
    return left_file("it")
@attack
def leave_a_file_in_git():
    return left_file(".git/it")
@attack
def leave_a_file_for_everybody():
    return left_file(f"/tmp/left-{T['port']}")
@attack
def leave_a_file_for_everybody_for_long():
    return left_file(f"/var/tmp/left-{T['port']}")
@attack
def leave_shared_memory():
    return left_file(f"/dev/shm/left-{T['port']}")
@attack
def leave_old_shared_memory():
    def leave():
        if libc.shmget(T["port"], 9, 0o1600) < 0:
            raise OSError
    return left(lambda: libc.shmget(T["port"], 0, 0) >= 0, leave)
@attack
def leave_a_message():
    name = f"/left-{T['port']}".encode()
    libc_rt = ctypes.CDLL("librt.so.1", use_errno=True)
    def look():  # one that may not be opened is there, too
        return libc_rt.mq_open(name, 0) >= 0 or ctypes.get_errno() == errno.EACCES
    return left(look, lambda: libc_rt.mq_open(name, os.O_CREAT | os.O_RDWR, 0o600, None))
@attack
def leave_an_attribute_of_a_frozen_file():
    return left_attribute("other")
@attack
def leave_a_flag():
    def flags(order, new=0):
        there = os.open("other", os.O_RDONLY)
        return struct.unpack("i", fcntl.ioctl(there, order, struct.pack("i", new)))[0]
    get, put = 0x80086601, 0x40086602
    return left(lambda: flags(get) & 0x80, lambda: flags(put, flags(get) | 0x80))
@attack
def leave_a_generation():
    there = os.open(".", os.O_RDONLY)
    return left(lambda: fcntl.ioctl(there, 0x80087601, bytes(8))[:2] == b"42",
                lambda: fcntl.ioctl(there, 0x40087602, b"42" + bytes(6)))
@attack
def leave_a_mode():
    return left(lambda: os.stat("other").st_mode & 0o777 == 0o642, lambda: os.chmod("other", 0o642))
@attack
def leave_a_time():
    return left(lambda: os.stat("other").st_mtime == 42, lambda: os.utime("other", (42, 42)))
@attack
def leave_an_attribute_of_the_box():
    return left_attribute(box)
@attack
def leave_an_attribute_of_gits_objects():
    return any([left_attribute(path) for path in gits_objects()])
def gits_objects():
    return open(".git/objects/info/alternates").read().splitlines()
@attack
def leave_a_mode_of_gits_objects():
    return any([left(lambda: os.stat(path).st_mode & 0o777 == 0o711, lambda: os.chmod(path, 0o711))
                for path in gits_objects()])
@attack
def take_an_attribute_away():
    os.removexattr(T["precious"], b"user.taken")
    return True
@attack
def leave_a_key():
    def leave():
        call(248, b"user", f"left-{T['port']}".encode(), b"x", 1, -4)
    return left(lambda: call(250, 10, -4, b"user", f"left-{T['port']}".encode(), 0), leave)
@attack
def leave_a_time_of_a_device():
    mine = T["port"]  # other tests have the same machine
    return left(lambda: os.stat("/dev/full").st_mtime == mine,
                lambda: os.utime("/dev/full", (mine, mine)))
@attack
def leave_a_file_anywhere():
    there = ["/", "/dev", "/dev/pts", "/dev/mqueue", "/run", "/run/lock", "/var", "/var/lib"]
    there += ["/etc", "/home", "/mnt", "/sys/fs/cgroup", box, os.path.dirname(box)]
    return T["confined"] and any(is_left(f"{folder}/left-{T['port']}") for folder in there)
def is_left(path):
    with contextlib.suppress(OSError):
        return left_file(path)
@attack
def leave_a_name():
    return T["confined"] and left(
        lambda: os.uname().nodename == "left", lambda: call(170, b"left", 4)
    )
@attack
def leave_a_listener():
    def ask():
        with socket.socket(socket.AF_UNIX) as asking:
            return not asking.connect_ex(f"\\0left-{T['port']}")
    def leave():
        if os.fork() == 0:
            os.setsid()
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(f"\\0left-{T['port']}")
                server.listen()
                time.sleep(1)
            os._exit(0)
        time.sleep(0.05)
    return left(ask, leave)
"""
SURVIVORS = """
def outlive(how):
    end = time.monotonic() + LIVE
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            open(T["alive"] + "/" + how, "a").write("x")
        time.sleep(0.01)
    os._exit(0)
def apart():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
def double_fork():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            apart()
            os.chdir("/")
            outlive("double_fork")
        os._exit(0)
def chain():
    if os.fork() == 0:
        apart()
        end = time.monotonic() + LIVE
        while time.monotonic() < end:
            if os.fork():
                os._exit(0)
            os.setsid()
            with contextlib.suppress(OSError):
                open(T["alive"] + "/chain", "a").write("x")
        os._exit(0)
def spawned():
    code = f"import time, os\\nend = time.monotonic() + {LIVE}\\nwhile time.monotonic() < end:\\n"
    code += f"    open({T['alive'] + '/spawned'!r}, 'a').write('x')\\n    time.sleep(0.01)"
    apart_from_us = dict(stdin=-3, stdout=-3, stderr=-3, start_new_session=True, close_fds=True)
    subprocess.Popen([sys.executable, "-c", code], **apart_from_us)
def orphan_of_a_shell():
    path = T["alive"] + "/orphan_of_a_shell"
    loop = f"for i in $(seq {LIVE * 50}); do echo x >> {path}; sleep 0.02; done"
    os.system(f"(trap '' TERM HUP; setsid nohup sh -c '{loop}' > /dev/null 2>&1 < /dev/null &)")
def sibling():
    if libc.syscall(56, 0x8000 | signal.SIGCHLD, 0, 0, 0, 0) == 0:
        apart()
        outlive("sibling")
def reaper():
    if os.fork() == 0:
        libc.prctl(36, 1, 0, 0, 0)
        os.setsid()
        if os.fork() == 0:
            apart()
            if os.fork() == 0:
                outlive("reaper")
            os._exit(0)
        time.sleep(LIVE)
        os._exit(0)
def nameless():
    program = os.memfd_create("sh", 0)
    os.write(program, open("/bin/sh", "rb").read())
    line = f"while :; do echo x >> {T['alive']}/nameless; sleep 0.02; done & sleep LIVE; kill $!"
    if os.fork() == 0:
        apart()
        os.setsid()
        os.execve(program, ["sh", "-c", line], dict(os.environ))
for start in (double_fork, chain, spawned, orphan_of_a_shell, sibling, reaper, nameless):
    start()
"""
RUN = """
won = []
for act in attacks:
    try:
        if act():
            won.append(act.__name__)
    except (OSError, ValueError, AttributeError):
        pass
    os.chdir(tree)
print("WON", json.dumps(won), "OF", len(attacks))
"""
UNPROMISED = frozenset(
    {
        "see_a_command_line_of_others",  # row 17
        "see_connections_of_others",
        "see_keys_of_others",
        "tell_that_a_socket_exists",  # row 16
    }
)
"""What `container` does not keep, by the dashes of its column, as whichever user."""
UNPROMISED_AS_US = UNPROMISED | {
    "ask_a_service",  # row 14, where everybody may
    "ask_a_service_beside_a_tool",
    "ask_a_service_by_datagram",
    "ask_a_service_by_packets",
    "ask_a_service_through_a_link",
    "ask_a_service_through_proc",
    "tell_that_a_file_exists",  # row 16
    "tell_that_a_file_exists_by_its_name",
    "watch_a_folder_of_others",
    "pin_others",  # row 8, of its user and not ours; root's may not
    "slow_others_down",
    "leave_others_the_rest_of_the_processor",
    "leave_others_the_rest_of_the_disk",
    "change_a_mode",  # row 4
    "change_a_time",
    "change_a_device",
    "change_what_covers_keys",
    "leave_a_time_of_a_device",  # row 20, of what is ours
    "leave_shared_memory",  # row 13
    "leave_old_shared_memory",
    "leave_a_file_for_everybody",
}
OF_AN_AGENT = {
    *("reach_tcp", "reach_udp", "reach_tcp_by_its_mapped_address", "reach_by_multipath_tcp"),
    *("reach_by_fast_open", "reach_the_host_of_a_virtual_machine", "see_connections_of_others"),
    *("ask_the_kernel_for_all_sockets", "hear_of_devices", "tell_that_a_socket_exists"),
    "read_what_is_typed",  # its request
    "tell_a_job_from_a_laptop",  # it asks nobody, wherever it runs
}
"""What an agent may do besides: it has the network."""
CASES = {
    ("full", "keep"): frozenset[str](),
    ("full", "auto"): frozenset[str](),
    ("container", "keep"): UNPROMISED_AS_US,
    ("container", "auto"): UNPROMISED,
}
UNCONFINED = "sandbox={read_only: false, user: keep, network: allow"


@pytest.mark.skipif(MACHINE != "x86_64", reason="the numbers are of x86_64")
@pytest.mark.parametrize(("mechanism", "user"), CASES)
def test_what_gets_through_is_what_is_declared(
    mechanism: str,
    user: str,
    attack: Attack,
    tally: Tally,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not (FULL if mechanism == "full" else CONTAINER):
        pytest.skip(f"no {mechanism} here: {FOUND}")
    if user == "auto" and not ROOT:
        pytest.skip("only root has other users")
    with contextlib.ExitStack() as stack:
        if mechanism == "container":
            stack.enter_context(without_bubblewrap(tmp_path / "empty"))
            stack.enter_context(in_a_container(tmp_path, attack.open_folder))
        tried, won, of_agent = play(attack, tmp_path, monkeypatch, f"sandbox.user={user}")
    who = {"full": "", "auto": " as another user", "keep": " as our user"}
    words = mechanism + who.get(mechanism, who[user])
    tally(f"{words}: attacks tried", tried)
    tally(f"{words}: attacks succeeded", len(won))
    assert won <= CASES[mechanism, user]
    assert of_agent <= CASES[mechanism, user] | OF_AN_AGENT


@pytest.mark.skipif(MACHINE != "x86_64", reason="the numbers are of x86_64")
def test_without_confinement_they_are_attacks(
    attack: Attack, tally: Tally, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried, won, _ = play(attack, tmp_path, monkeypatch, UNCONFINED)
    tally("none: attacks tried", tried)
    tally("none: attacks succeeded", len(won))
    assert len(won) > 0.4 * tried, won


def test_where_bubblewrap_lies_beside_git_only_that_is_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a distribution's is installed."""
    system = tmp_path / "usr-bin"
    system.mkdir()
    (system / "git").symlink_to(str(shutil.which("git")))
    (system / "bwrap").write_text("#!/bin/sh\necho bubblewrap 99.0\n")
    (system / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(system))
    bubblewrap.program.cache_clear()
    assert bubblewrap.program() == (str(system / "bwrap"), "99.0")
    with without_bubblewrap(tmp_path / "empty"):
        assert bubblewrap.program() == ("", "")
        assert shutil.which("git") == str(system / "git")


def play(
    attack: Attack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: str
) -> tuple[int, set[str], set[str]]:
    """How many attacks there were, and which of them succeeded: measured, and as an agent's."""
    home, alive = tmp_path / "person", attack.open_folder / "alive"
    credentials = [home / name for name in CREDENTIALS]
    precious, checkout = tmp_path / "elsewhere" / "precious", attack.repo.path / ".env.production"
    held = attack.open_folder / "held"
    for path in (*credentials, precious, checkout, held):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("CANARY")
        path.chmod(0o666)
    os.setxattr(precious, b"user.taken", b"x")
    alive.mkdir()
    alive.chmod(0o777)
    (attack.repo.path / ".git" / "info" / "exclude").write_text(".env*\n")
    monkeypatch.setenv("HOME", str(home))
    for name, value in (("A_TOKEN", "HIDDEN"), ("BUILD_NUMBER", "1"), ("CI", "true")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{attack.open_folder / 'tools'}")
    monkeypatch.setenv("GITHUB_ENV", str(tmp_path / "steps"))
    (tmp_path / "steps").touch()
    with services(attack.open_folder) as reached, other_process() as process:
        targets = {
            **reached,
            "key": a_key(reached["port"]),
            "process": process,
            "secret argument": SECRET_ARGUMENT,
            "credentials": [str(path) for path in credentials],
            "home": str(home),
            "checkout": str(checkout),
            "precious": str(precious),
            "held": str(held),
            "alive": str(alive),
            "steps": str(tmp_path / "steps"),
            "unseen": unseen(attack.repo),
            "confined": sandbox != UNCONFINED,
        }
        parts = (HARNESS, FILES, GIT, SOCKETS, NETWORK, PROCESSES, LEFTOVERS, RUN, SURVIVORS)
        program = "".join(parts).replace("LIVE", "5").replace("PYTHON", PYTHON, 1)
        program = program.replace("TARGETS", json.dumps(targets).encode().hex(), 1)
        write = f"sandbox.write=[{alive}]"
        if sandbox == UNCONFINED:
            sandbox = f"{UNCONFINED}, write: [{alive}]}}"
            write = sandbox
        attack.repo.write("attack", program, mode=0o755)
        attack.repo.commit("attack")
        agent = attack.open_folder / "tools" / "agent"
        agent.write_text("#!/bin/sh\n./attack\n")
        agent.chmod(0o755)
        config = tmp_path / "config.yml"
        config.write_text(json.dumps({"proposer": {"command": str(agent)}}))
        flags = attack.flags("--set", sandbox, "--set", write, "--guard", "./attack")
        asked = f"command: grep -q CANARY {held} && cat value, extract: {{last_number: true}}"
        try:
            done = attack.run(
                *flags,
                *("--set", f"holdout={{{asked}, read: [{held}]}}"),
                "--config",
                str(config),
                "--iterations",
                "1",
                proposer=None,
                **attack.options,
            )
            text = attack.printed(done)
            said = (done.folder / "logs" / "1.log").read_text(encoding="utf-8")
        finally:
            forget(reached["port"])
        won = {name for line in re.findall(r"WON (\[.*\]) OF", text) for name in json.loads(line)}
        (line,) = re.findall(r"WON (\[.*\]) OF", said.partition("exit code")[0])
        of_agent = set(json.loads(line))
        tried = int(re.findall(r"OF (\d+)", text)[1])
        before = {path.name: path.stat().st_size for path in alive.iterdir()}
        time.sleep(0.2)
        won |= {f"survive: {p.name}" for p in alive.iterdir() if p.stat().st_size > before[p.name]}
    survivors = {"chain", "double_fork", "spawned", "orphan_of_a_shell"}
    assert before.keys() == survivors | {"sibling", "reaper", "nameless"}, text
    return tried + len(before), won, of_agent


def unseen(repo: Repo) -> dict[str, str]:
    """What git has and the base commit does not lead to."""
    found = {"word": "UNSEEN-BY-MEASURED-CODE", "git": str(repo.path / ".git")}
    found["objects"] = f"{found['git']}/objects"
    repo.git("checkout", "-q", "-b", "elsewhere")
    for kind in ("branch", "notebook", "dropped"):
        repo.write("secret", f"{found['word']} {kind}")
        found[kind] = f"{repo.commit(kind)}:secret"
        if kind == "notebook":
            repo.git("update-ref", "refs/autoresearch/notebook/yesterday", "HEAD")
        repo.git("reset", "-q", "--hard", "HEAD~" if kind != "branch" else "HEAD")
    repo.git("checkout", "-q", "main")
    return found


def answer(echo: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            words, whom = echo.recvfrom(9)
            if whom is None:  # it was shut down
                return
            echo.sendto(words, whom)


@contextlib.contextmanager
def services(folder: Path) -> Iterator[dict[str, Any]]:
    """Sockets that anybody may use, and a port."""
    kinds = {
        "stream": socket.SOCK_STREAM,
        "datagram": socket.SOCK_DGRAM,
        "packets": socket.SOCK_SEQPACKET,
        "tools/tool": socket.SOCK_STREAM,
    }
    (folder / "tools").mkdir()
    with contextlib.ExitStack() as stack:
        found: dict[str, Any] = {}
        for name, kind in kinds.items():
            service = stack.enter_context(socket.socket(socket.AF_UNIX, kind))
            service.bind(str(folder / name))
            (folder / name).chmod(0o777)
            if kind is not socket.SOCK_DGRAM:
                service.listen()
            found[Path(name).name] = str(folder / name)
        port = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        found["port"] = port.getsockname()[1]
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        found["abstract"] = f"mechanisms-{found['port']}"
        abstract.bind(f"\0{found['abstract']}")
        abstract.listen()
        letters = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        letters.bind(f"\0{found['abstract']}-datagram")
        echo = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        echo.bind(("127.0.0.1", 0))
        found["udp port"] = echo.getsockname()[1]
        threading.Thread(target=answer, args=(echo,), daemon=True).start()
        yield found


SECRET_ARGUMENT = "CANARY-" + "OF-A-COMMAND-LINE"


@contextlib.contextmanager
def other_process() -> Iterator[int]:
    """A person's, with something to hide in its environment and, unwisely, in its command line."""
    argv = ["/bin/sh", "-c", "read x; :", SECRET_ARGUMENT]
    environment = {**os.environ, "A_TOKEN": "HIDDEN"}
    process = subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE)
    with process:
        yield process.pid
        process.communicate()


def a_key(port: int) -> str:
    """In the keyring of our session, where the kernel lets us have one."""
    name = f"mechanisms-{port}"
    timeout, session, seconds = 15, -3, 600
    call = ctypes.CDLL(None).syscall
    call(250, timeout, call(248, b"user", name.encode(), b"CANARY", 6, session), seconds)
    return name


def forget(port: int) -> None:
    """What attacks leave on this machine where nobody keeps them from it."""
    for place in ("/tmp", "/var/tmp", "/dev/shm"):
        Path(place, f"left-{port}").unlink(missing_ok=True)
    for place in ("/dev/full", "/proc/keys"):
        with contextlib.suppress(OSError):
            os.utime(place)
    subprocess.run(["ipcrm", "-M", str(port)], capture_output=True, check=False)
    with contextlib.suppress(OSError):
        ctypes.CDLL("librt.so.1").mq_unlink(f"/left-{port}".encode())
