"""The program of a small process that starts commands in namespaces of their own.

A fork of it takes a tenth of what a fork of us does, and needs no program that is executed only to
confine the next one. It imports nothing of ours, knows no secret, and ends with us. What it is told
is starter.py's business.

Each command gets processes, shared memory, /proc, terminals and temporary folders that are new, in
mounts that were made before. Its first process is a fork of ours that waits for it: when that ends,
the kernel ends all others, and nobody sees it end before they have.

Each measurement gets folders that are new in the same sense: what it writes into them lies in
memory, above what stays as it is (overlayfs), and is gone when nobody holds these mounts any more.
"""

from __future__ import annotations

import _socket
import contextlib
import ctypes
import errno
import fcntl
import gc
import json
import os
import signal
import stat
import struct
import sys
from collections.abc import Callable
from typing import Any, NoReturn

_libc = ctypes.PyDLL(None, use_errno=True)
_CLONE = {"x86_64": 56, "aarch64": 220}
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_OPEN_TREE, _MOVE_MOUNT, _LANDLOCK, _RESTRICT = 428, 429, 444, 446
_SIBLING, _NEW_MOUNTS, _NEW_UTS, _NEW_IPC = 0x8000, 0x20000, 0x04000000, 0x08000000
_NEW_USER, _NEW_PROCESSES, _NEW_NET = 0x10000000, 0x20000000, 0x40000000
_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_PROGRAMS = 1, 2, 4, 8
_HERE, _BELOW, _COPY, _THE_DESCRIPTOR = -100, 0x8000, 1, 4
_AGAIN, _BIND, _DETACH = 0x20, 0x1000, 2
_SET_DUMPABLE, _DROP_BOUND, _NO_NEW_PRIVILEGES = 4, 24, 38
_SET_FILTER, _KEEP_SPECULATION, _SCOPES = 1, 4, 3
_SET_FLAGS, _UP_AND_RUNNING = 0x8914, 0x41
_CAPABILITIES_3 = 0x20080522
_FOLDER = os.O_PATH | os.O_DIRECTORY
_OF_A_PERSON = ("/proc/keys", "/proc/key-users")
"""What lies in keyrings is told to whoever has the user or the session."""
_MOST = 16
"""Descriptors that come with a request."""

START, MAKE_FRESH = b".", b"+"
"""What we can be asked for."""
STARTED, FAILED = b".", b"!"
"""What we tell first; then the command's exit code, a byte, or with which error it failed."""
REFUSED, NOT_EXECUTED = "refused", "not executed"
"""It could not be confined, or there is no such program."""


def serve(channel: int, *namespaces: int) -> None:
    """Until nobody is there to ask; then nothing that we started lives on.

    `namespaces`: of users that all commands are in, and of mounts that belongs to it; none: ours.
    """
    # Python ignores the first two, and so would commands. The last it handles, so that a command
    # could end the process that waits for it; what is not handled, the kernel keeps from that one.
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    for descriptor in (channel, *namespaces):
        os.set_inheritable(descriptor, False)
    if namespaces:  # ours can be left, and never entered again
        _check("join users", _libc.setns(namespaces[0], _NEW_USER))
        _check("own namespaces", _libc.unshare(_NEW_IPC | _NEW_UTS))
    _set(_SET_DUMPABLE, 0)
    processes = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)  # the views have another one
    names = [*(() if namespaces else ("mnt",)), "ipc", "uts"]
    home = [*namespaces[1:], *(os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in names)]
    mask = os.umask(0o022)
    gc.freeze()  # what a fork does not touch, it shares
    requests = _socket.socket(fileno=channel)
    room = _socket.CMSG_SPACE(4 * _MOST)
    running: list[int] = []
    while True:
        data, sent, _, _ = requests.recvmsg(1, room, _socket.MSG_CMSG_CLOEXEC)
        running = [process for process in running if _signal(process, 0)]
        if not data:
            for process in running:
                _signal(process, signal.SIGKILL)
            return
        given = [fd for _, _, raw in sent for (fd,) in struct.iter_unpack("i", raw)]
        made: list[int] = []
        if data == START:
            answer = _start(given, mask)
        else:
            answer, made = _make_fresh(given, processes)
        # Else what a measurement wrote would be kept until we are asked next.
        for namespace in home:
            _check("return", _libc.setns(namespace, 0))
        if answer > 0:
            with contextlib.suppress(ProcessLookupError):
                running.append(os.pidfd_open(answer))
        with contextlib.suppress(BrokenPipeError):
            rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack(f"{len(made)}i", *made))
            requests.sendmsg(
                [struct.pack("i", answer)], [rights] if made else [], _socket.MSG_NOSIGNAL
            )
        for descriptor in (*given, *made):
            os.close(descriptor)


def _signal(process: int, number: int) -> bool:
    """False, and its descriptor is closed, when it has ended."""
    try:
        signal.pidfd_send_signal(process, number)
    except ProcessLookupError:
        os.close(process)
        return False
    return True


def _start(given: list[int], mask: int) -> int:
    """The first process of the command's, a child of who asked; or an error's number, negative.

    What can be done before it is a process of its own is: a fork is slow where it is written to.
    """
    request, mounts, *outputs, told = given
    asked = json.loads(os.pread(request, os.fstat(request).st_size, 0))
    flags = signal.SIGCHLD | _SIBLING | _NEW_PROCESSES | (0 if asked["network"] else _NEW_NET)
    copies = [(os.POSIX_SPAWN_DUP2, stream, number) for number, stream in enumerate(outputs)]
    try:
        _make_place(asked, mounts)
        confine = _confinement(asked)
        os.environ["PATH"] = asked["environment"].get("PATH", os.defpath)
        number = _number(_CLONE)
        pid = _check("clone", _libc.syscall(number, ctypes.c_ulong(flags), 0, 0, 0, 0))
    except (OSError, ValueError) as error:
        _tell(told, REFUSED, error)
        return -errno.EINVAL
    if pid == 0:
        try:
            _first(asked, mask, confine, copies, told)
        finally:
            os._exit(1)
    return pid


def _make_fresh(given: list[int], processes: int) -> tuple[int, list[int]]:
    """0, and descriptors: a namespace of mounts, and the folder in it that holds what is new there.

    Or an error's number, negative. `processes`: the folder /proc.
    """
    request, mounts, told = given
    asked = json.loads(os.pread(request, os.fstat(request).st_size, 0))
    made: list[int] = []
    try:
        _check("join mounts", _libc.setns(mounts, _NEW_MOUNTS))
        _check("own mounts", _libc.unshare(_NEW_MOUNTS))
        store, kept = "/proc", asked["kept"]  # none of the folders lies in it, wherever they do
        trees = _mounted(kept)
        _mount("tmpfs", store, _NO_SUID | _NO_DEVICES, f"mode=0700,{asked['limits']}")
        for number, folder in enumerate(asked["layered"]):
            _layer(folder, f"{store}/{number}", asked["options"])
        _mount_again(kept, trees)
        for folder in asked["empty"]:
            name = f"{store}/{os.path.basename(folder)}"  # noqa: PTH119
            _make_like(name, os.stat(folder))  # noqa: PTH116
            _bind(name, folder)
        _check(store, _libc.umount2(_raw(store), _DETACH))
        made.append(os.open("self/ns/mnt", os.O_RDONLY, dir_fd=processes))
        made.append(os.open(asked["box"], _FOLDER))
    except (OSError, ValueError) as error:
        _tell(told, REFUSED, error)
        while made:
            os.close(made.pop())
        return -errno.EINVAL, made
    return 0, made


def _layer(folder: str, store: str, options: str) -> None:
    """Cover it with itself: what is changed from now on lies in `store`."""
    os.mkdir(store)  # noqa: PTH102
    os.chdir(folder)
    try:
        # No path but those of ours stands among the options, which have characters of their own.
        _make_like(f"{store}/upper", os.stat("."))  # noqa: PTH116
        os.mkdir(f"{store}/work")  # noqa: PTH102
        words = f"lowerdir=.,upperdir={store}/upper,workdir={store}/work,{options}"
        _mount("overlay", ".", _NO_SUID | _NO_DEVICES, words)
    finally:
        os.chdir("/")


def _make_like(folder: str, other: os.stat_result) -> None:
    os.mkdir(folder)  # noqa: PTH102
    os.chown(folder, other.st_uid, other.st_gid)
    os.chmod(folder, stat.S_IMODE(other.st_mode))  # noqa: PTH101
    os.utime(folder, ns=(other.st_mtime_ns, other.st_mtime_ns))


def _first(
    asked: dict[str, Any],
    mask: int,
    confine: Callable[[], None],
    copies: list[tuple[int, int, int]],
    told: int,
) -> NoReturn:
    """`told`: where we say what failed, and when the command has ended."""
    try:
        os.setsid()
        os.umask(mask)
        _mount("proc", "/proc", _NO_SUID | _NO_DEVICES | _NO_PROGRAMS)
        covered = [path for path in _OF_A_PERSON if os.path.exists(path)]  # noqa: PTH110
        for path in covered:
            _bind(os.devnull, path)
        if not asked["network"]:
            _bring_up()
        _set(_SET_DUMPABLE, 1)  # else its files in /proc are not its own; `confine` takes it back
        _go_first()
        if asked["capabilities"]:  # root's are the settings of the kernel, and all devices
            _keep_settings(covered)
        os.chdir(asked["folder"])
        if asked["itself"]:
            _be_itself(*asked["itself"])
        confine()
    except OSError as error:
        _tell(told, REFUSED, error)
        os._exit(1)
    argv = asked["argv"]
    try:
        command = os.posix_spawnp(
            argv[0], argv, asked["environment"], file_actions=copies, setsid=True
        )
    except (OSError, ValueError) as error:
        _tell(told, NOT_EXECUTED, error)
        os._exit(1)
    os.closerange(0, told)
    os.closerange(told + 1, 1 << 16)
    os.write(told, STARTED)
    _wait_for(command, told)


def _keep_settings(covered: list[str]) -> None:
    """In /proc, and modes and times of what is not new in /dev; devices can be written to."""
    flags = ctypes.c_ulong(_AGAIN | _BIND | _READ_ONLY | _NO_SUID | _NO_PROGRAMS)
    own, new = os.stat("/dev").st_dev, ("pts", "shm", "mqueue")  # noqa: PTH116
    devices = [f"/dev/{name}" for name in os.listdir("/dev") if name not in new]  # noqa: PTH208
    bound = (path for path in devices if os.lstat(path).st_dev != own)
    for place in ("/proc", *covered, *bound):
        _check(place, _libc.mount(None, _raw(place), None, flags, None))


def _be_itself(uid: int, gid: int) -> None:
    """And not root, as who has made the mounts must be; it can change them no more."""
    _check("users", _libc.unshare(_NEW_USER))
    for name, line in (("uid_map", f"{uid} 0 1"), ("gid_map", f"{gid} 0 1")):
        place = os.open(f"/proc/self/{name}", os.O_WRONLY)
        os.write(place, line.encode())
        os.close(place)


def _make_place(asked: dict[str, Any], mounts: int) -> None:
    """We leave it again; what was started in it stays."""
    _check("join mounts", _libc.setns(mounts, _NEW_MOUNTS))
    _check("own namespaces", _libc.unshare(_NEW_MOUNTS | _NEW_IPC | _NEW_UTS))
    with contextlib.suppress(FileNotFoundError):
        _mount("devpts", "/dev/pts", _NO_SUID | _NO_PROGRAMS, "ptmxmode=0666,mode=620")
    for folder, inside in asked["fresh"]:
        _make_new(folder, inside)


def _go_first() -> None:
    """When memory runs out, rather than who measures; see processes.py."""
    with contextlib.suppress(OSError):
        place = os.open("/proc/self/oom_score_adj", os.O_RDWR)
        worse = min(int(os.read(place, 8)) + 500, 1000)
        os.write(place, b"%d" % worse)
        os.close(place)


def _wait_for(command: int, told: int) -> NoReturn:
    """And then for what it has left behind, which may pass on what it has printed."""
    ended = 1
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            os._exit(ended)
        if pid == command:
            code = os.waitstatus_to_exitcode(status)
            ended = code if code >= 0 else 128 - code  # as a shell says it
            with contextlib.suppress(BrokenPipeError):
                os.write(told, bytes([ended]))


def _confinement(asked: dict[str, Any]) -> Callable[[], None]:
    """Of the first process, as what it starts is; that can neither look into it nor signal it."""
    kept, user, code = asked["capabilities"], asked["user"], asked["filter"]
    header = struct.pack("Ii", _CAPABILITIES_3, 0)
    low, high = kept & 0xFFFFFFFF, kept >> 32
    sets = struct.pack("6I", low, low, 0, high, high, 0)
    enter_filter = _filter(bytes.fromhex(code)) if code else None

    def confine() -> None:
        _set(_NO_NEW_PRIVILEGES, 1)
        if user:
            uid, gid = user
            os.setgroups([])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
        elif kept:  # root's programs get what is not out of bounds
            number = 0
            while kept >> number & 1 or not _libc.prctl(_DROP_BOUND, number, 0, 0, 0):
                number += 1
            if ctypes.get_errno() != errno.EINVAL:  # which says that there are no more
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "capabilities")
        _check("capabilities", _libc.capset(header, sets))
        _set(_SET_DUMPABLE, 0)
        if asked["scoped"]:
            _keep_out_of_scope()
        if enter_filter:
            enter_filter()

    return confine


def _keep_out_of_scope() -> None:
    """No abstract sockets and no signals of others (`man 7 landlock`)."""
    rules = (ctypes.c_uint64 * 3)(0, 0, _SCOPES)
    made = _check("scope", _libc.syscall(_LANDLOCK, ctypes.byref(rules), ctypes.sizeof(rules), 0))
    _check("scope", _libc.syscall(_RESTRICT, made, 0))
    os.close(made)


def _filter(code: bytes) -> Callable[[], None]:
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(held))
    number = _number(_SECCOMP)

    def enter() -> None:
        _check("seccomp", _libc.syscall(number, _SET_FILTER, _KEEP_SPECULATION, program))
        held.raw  # noqa: B018 - kept until then

    return enter


def _make_new(folder: str, inside: list[str]) -> None:
    """Empty, but for what is mounted `inside`."""
    trees = _mounted(inside)
    _mount("tmpfs", folder, _NO_SUID | _NO_DEVICES, "mode=1777")
    for place, tree in zip(inside, trees, strict=True):
        os.makedirs(os.path.dirname(place), 0o755, exist_ok=True)  # noqa: PTH103, PTH120
        is_folder = stat.S_ISDIR(os.fstat(tree).st_mode)
        os.mkdir(place) if is_folder else os.mknod(place)  # noqa: PTH102
    _mount_again(inside, trees)


def _mounted(places: list[str]) -> list[int]:
    """What is mounted there, for `_mount_again` when the places have been covered."""
    return [_check(place, _libc.syscall(_OPEN_TREE, _HERE, _raw(place), _COPY | _BELOW))
            for place in places]  # fmt: skip


def _mount_again(places: list[str], trees: list[int]) -> None:
    for place, tree in zip(places, trees, strict=True):
        _check(place, _libc.syscall(_MOVE_MOUNT, tree, b"", _HERE, _raw(place), _THE_DESCRIPTOR))
        os.close(tree)


def _mount(kind: str, place: str, flags: int, options: str = "") -> None:
    words = (_raw(kind), _raw(place), _raw(kind))
    _check(place, _libc.mount(*words, ctypes.c_ulong(flags), _raw(options) or None))


def _bind(source: str, place: str) -> None:
    words = (_raw(source), _raw(place), None, ctypes.c_ulong(_BIND), None)
    _check(place, _libc.mount(*words))


def _raw(path: str) -> bytes:
    """Of any name that a file may have."""
    return path.encode(errors="surrogateescape")


def _bring_up() -> None:
    with contextlib.closing(_socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)) as any_socket:
        # struct ifreq: the interface's name, its flags, and room.
        interface = struct.pack("16sH22x", b"lo", _UP_AND_RUNNING)
        fcntl.ioctl(any_socket.fileno(), _SET_FLAGS, interface)


def _number(of: dict[str, int]) -> int:
    machine = os.uname().machine
    if machine not in of:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), machine)
    return of[machine]


def _set(option: int, value: int) -> None:
    _check("prctl", _libc.prctl(option, value, 0, 0, 0))


def _check(what: str, result: int) -> int:
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), what)
    return int(result)


def _tell(told: int, what: str, error: OSError | ValueError) -> None:
    number = (error.errno if isinstance(error, OSError) else 0) or errno.EINVAL
    place = error.filename if isinstance(error, OSError) and error.filename else ""
    os.write(told, FAILED + json.dumps((what, number, str(place))).encode())


def main() -> None:
    """Its arguments: descriptors, see `serve`."""
    serve(*map(int, sys.argv[1:]))
