"""System calls that measured code never needs, refused with EPERM; and kinds of sockets.

A filter is a small program of the kernel's packet filter (`man 2 seccomp`, linux/filter.h). ptrace
and process_vm_* are not refused: Landlock keeps them within one command's own processes, and
LeakSanitizer and debuggers under test need them there. Without Landlock they are.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence

from autoresearch_ci.execution.sandbox.bpf import (
    BpfProgram,
    Instruction,
    answer,
    any_bit,
    at_least,
    different,
    equal,
    load,
)
from autoresearch_ci.execution.sandbox.kernel import LINUX, MACHINE, syscall

_X86, _ARM = "x86_64", "aarch64"
_AUDIT_ARCH = {_X86: 0xC000003E, _ARM: 0xC00000B7}
_SECCOMP = {_X86: 317, _ARM: 277}
_X32_BIT = 0x40000000

_NUMBERS: dict[str, tuple[int, int | None]] = {
    "acct": (163, 89), "add_key": (248, 217), "adjtimex": (159, 171), "bpf": (321, 280),
    "clock_adjtime": (305, 266), "clock_settime": (227, 112), "clone": (56, 220),
    "delete_module": (176, 106), "finit_module": (313, 273), "fremovexattr": (199, 16),
    "fsetxattr": (190, 7), "init_module": (175, 105), "ioctl": (16, 29), "ioperm": (173, None),
    "iopl": (172, None), "ioprio_set": (251, 30), "kexec_file_load": (320, 294),
    "kexec_load": (246, 104), "keyctl": (250, 219), "lremovexattr": (198, 15),
    "lsetxattr": (189, 6), "mount": (165, 40), "mq_open": (240, 180), "mq_unlink": (241, 181),
    "open_by_handle_at": (304, 265), "pivot_root": (155, 41), "prlimit64": (302, 261),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "ptrace": (101, 117),
    "reboot": (169, 142), "removexattr": (197, 14), "request_key": (249, 218),
    "sched_setaffinity": (203, 122), "sched_setattr": (314, 274), "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119), "setdomainname": (171, 162), "sethostname": (170, 161),
    "setns": (308, 268), "setpriority": (141, 140), "settimeofday": (164, 170),
    "setxattr": (188, 5), "socket": (41, 198), "socketpair": (53, 199), "swapoff": (168, 225),
    "swapon": (167, 224), "syslog": (103, 116), "umount2": (166, 39), "unshare": (272, 97),
    "userfaultfd": (323, 282),
}  # fmt: skip
"""On x86_64 and aarch64."""
_NEWER = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "clone3": 435, "pidfd_getfd": 438, "mount_setattr": 442, "cachestat": 451, "setxattrat": 463,
    "removexattrat": 466, "open_tree_attr": 467, "file_setattr": 469,
}  # fmt: skip
_NUMBERS |= {name: (number, number) for name, number in _NEWER.items()}
_OF_SCHEDULING = {
    "ioprio_set": 1,
    "sched_setaffinity": 0,
    "sched_setattr": 0,
    "sched_setparam": 0,
    "sched_setscheduler": 0,
    "setpriority": 1,
}
"""Which argument says whose. What is done to us, every later command inherits: also those of the
version that a candidate is compared with."""
_OF_ALL_OF_A_USER = {"setpriority": 2, "ioprio_set": 3}
_OF_INODES = (0x40086602, 0x40046602, 0x40087602, 0x40047602, 0x40086604, 0x40046604, 0x401C5820)
"""FS_IOC_SETFLAGS and its like (`man 2 ioctl_iflags`): flags and generations of files outlive what
they are about, and slow down (`chattr +S`) who comes next."""
_OF_TERMINALS = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX type for others."""
_WITH_CARE = (
    "clone", "clone3", "unshare", "socket", "socketpair", "ioctl", "prlimit64", *_OF_SCHEDULING,
)  # fmt: skip
OF_DEBUGGERS = ("ptrace", "process_vm_readv", "process_vm_writev")
OF_ATTRIBUTES = tuple(name for name in _NUMBERS if "setxattr" in name or "removexattr" in name)
"""Of any file of the user's, which no rule of Landlock's keeps. Where the answer is that a file
system has none, as many have not, `cp -p` and `install` copy permissions in another way."""
OF_QUEUES = ("mq_open", "mq_unlink")
"""POSIX message queues outlive who made them. Landlock has them opened by nobody, but a queue that
was to be made is there from then on, and anybody is told whether one is."""
_SOMETIMES = (*_WITH_CARE, *OF_DEBUGGERS, *OF_ATTRIBUTES, *OF_QUEUES)
NEVER_NEEDED = tuple(name for name in _NUMBERS if name not in _SOMETIMES)
"""perf_event_open is none of them: counted instructions are the best metric a shared machine has,
and the kernel's own rules (perf_event_paranoid) say who may count what."""

_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
LOCAL_FAMILIES = (_UNIX,)
"""Nothing leaves the machine through these, whatever network there is."""
NETWORK_FAMILIES = (_UNIX, _INET, _INET6)
"""For a network of its own; AF_VSOCK, say, would reach the host past it."""
_NETLINK_ROUTE = 0
_NEW_USER = 0x10000000

_NUMBER, _ARCH = load(0), load(4)
"""Of `struct seccomp_data`: which call it is, and of which kind of machine."""
_ALLOW, _ASK = answer(0x7FFF0000), answer(0x7FC00000)
_SET_FILTER, _KEEP_SPECULATION, _LISTENER = 1, 4, 8


def supported() -> bool:
    """Whether we have the numbers of this machine's system calls."""
    return LINUX and MACHINE in _SECCOMP


class Filter:
    """Compiled by the parent; `enter` is all that a child calls."""

    def __init__(
        self,
        families: Sequence[int] | None = None,
        *,
        refuse: Iterable[str] = NEVER_NEEDED,
        spare: Iterable[int] = (),
        asked: Sequence[int] = (),
    ) -> None:
        """`families`: of sockets that may be made; `None`: any. `refuse`: names of calls.

        `spare`: processes, groups and threads whose scheduling is not to be changed. `asked`: of
        sockets that whoever has what `enter` returns is asked for.
        """
        self._program = BpfProgram(program(MACHINE, families, refuse, spare, asked))
        self._flags = _KEEP_SPECULATION | (_LISTENER if asked else 0)
        self.code = self._program.code
        """For another program to enter."""
        self._number = _SECCOMP[MACHINE]

    def enter(self) -> int:
        """For good, for this process and all it starts. Raises `OSError`."""
        # Without the flag, older kernels slow down everything by a mitigation for browsers.
        given = self._program.pointed_to
        return syscall("seccomp", self._number, _SET_FILTER, self._flags, given)


def program(
    machine: str,
    families: Sequence[int] | None,
    refuse: Iterable[str],
    spare: Iterable[int] = (),
    asked: Sequence[int] = (),
) -> list[Instruction]:
    """The filter's code."""
    column = 0 if machine == _X86 else 1
    refused, unsupported = _refusal(errno.EPERM), _refusal(errno.EOPNOTSUPP)
    program = [_ARCH, *different(_AUDIT_ARCH[machine], refused), _NUMBER]
    if machine == _X86:
        program += at_least(_X32_BIT, refused)
    for name in refuse:
        number = _NUMBERS[name][column]
        if number is not None:
            program += equal(number, unsupported if name in OF_ATTRIBUTES else refused)
    with_care = {
        # A user namespace opens much of the kernel to anyone.
        "unshare": [_argument(0), *any_bit(_NEW_USER, refused)],
        "clone": [_argument(0), *any_bit(_NEW_USER, refused)],
        # Its flags lie in memory, where no filter looks; libc falls back to clone.
        "clone3": [_refusal(errno.ENOSYS)],
        # Limits of others: Landlock does not see it, and one of none ends whoever has it.
        "prlimit64": [_argument(0), *different(0, refused)],
        "ioctl": [_argument(1)],
        # The only other kind that makes pairs (TIPC) can talk to more than its pair.
        "socketpair": [_argument(0), *different(_UNIX, _refusal(errno.EOPNOTSUPP))],
        **{name: _scheduling(name, index, spare) for name, index in _OF_SCHEDULING.items()},
    }
    for order in (*_OF_INODES, *_OF_TERMINALS):  # as of a file system that has no such thing
        with_care["ioctl"] += equal(order, _refusal(errno.EOPNOTSUPP))
    if families is not None:
        with_care["socket"] = _socket(families, asked)
    for name, body in with_care.items():
        program += equal(_NUMBERS[name][column] or 0, *body, _NUMBER)
    return [*program, _ALLOW]


def _scheduling(name: str, index: int, spare: Iterable[int]) -> list[Instruction]:
    body, refused = [], _refusal(errno.EPERM)
    if name in _OF_ALL_OF_A_USER:
        body += [_argument(0), *equal(_OF_ALL_OF_A_USER[name], refused)]
    body.append(_argument(index))
    for number in spare:
        body += equal(number, refused)
    return body


def _socket(families: Sequence[int], asked: Sequence[int]) -> list[Instruction]:
    body, refused = [_argument(0)], _refusal(errno.EACCES)
    for family in (*families, *asked):
        body += equal(family, _ASK if family in asked else _ALLOW)
    # What lists the machine's addresses (getifaddrs), and no other part of the kernel.
    body += different(_NETLINK, refused)
    return [*body, _argument(2), *different(_NETLINK_ROUTE, refused)]


def _argument(index: int) -> Instruction:
    """The low half; both machines are little-endian, and the kernel cuts these to 32 bits."""
    return load(16 + 8 * index)


def _refusal(number: int) -> Instruction:
    return answer(0x00050000 | number)
