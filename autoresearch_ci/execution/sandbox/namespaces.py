"""Commands in namespaces: mounts that bubblewrap makes once, and what is new for each of them.

As root, or in a namespace of users as anybody else. What they see is bubblewrap.py's business, and
starting them starter_process.py's.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from autoresearch_ci.execution.sandbox.bubblewrap import View, program
from autoresearch_ci.execution.sandbox.kernel import KEPT_CAPABILITIES, Confinement, NotConfined
from autoresearch_ci.execution.sandbox.starter import Starter
from autoresearch_ci.execution.sandbox.users import User

_NEW = ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net", "--cap-drop", "ALL")
_TOOLS = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}
_CLEAN = {"LC_ALL": "C", **_TOOLS}
_WAIT = ("--", "sh", "-c", "echo; read _")
_TOLD_BYTES = 4096
_OWNER = 0xB701
"""NS_GET_USERNS (`man 2 ioctl_ns`)."""
_BYTES_OF_A_FILE = 8192
"""On average: empty ones take memory, too, that is not counted."""
_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")


class Namespaces:
    """Mounts that were made for many commands, and who starts them there."""

    def __init__(self, view: View) -> None:
        """Raises `NotConfined` or `OSError`."""
        self._mounts = _Mounts(view)
        self._fresh: int | None = None
        """The mounts of the measurement that goes on."""
        self._starter = self._new_starter()
        self._room = _room()

    def confinement(
        self, user: User | None, *, network: bool, scoped: bool, filtered: bytes
    ) -> Confinement:
        kept = 0 if user or os.geteuid() else sum(1 << number for number in KEPT_CAPABILITIES)
        always = {
            "fresh": self._mounts.fresh,
            "network": network,
            "scoped": scoped,
            "filter": filtered.hex(),
            "user": [user.uid, user.gid] if user else None,
            "capabilities": kept,
            "itself": [os.geteuid(), os.getegid()] if os.geteuid() else None,
        }

        def start(
            argv: Sequence[str], cwd: Path, environment: Mapping[str, str], streams: Sequence[int]
        ) -> tuple[int, int]:
            what = {"argv": list(argv), "folder": str(cwd), "environment": dict(environment)}
            mounts = self._mounts.descriptor if self._fresh is None else self._fresh
            return self._alive().start(always | what, mounts, streams)

        return Confinement(own=user.take if user else None, start=start)

    def _new_starter(self) -> Starter:
        users = self._mounts.users
        return starter() if users is None else Starter(users, self._mounts.descriptor)

    def _alive(self) -> Starter:
        if not self._starter.alive:
            self._starter.close()
            self._starter = self._new_starter()
        return self._starter

    @contextlib.contextmanager
    def fresh(
        self,
        box: Path,
        layered: Sequence[Path],
        empty: Sequence[Path],
        kept: Sequence[Path] = (),
    ) -> Iterator[Path]:
        """Within the block whatever commands do to the folders in `box` is done to new ones.

        `layered` hold what they held before, but for what the view mounts in them only `kept`;
        `empty` hold nothing. The path is another name of `box`, where we see what they see, and may
        write as they may. What was written is lost with the block. Raises `NotConfined`.
        """
        request = {
            "box": str(box),
            "layered": [str(folder) for folder in layered],
            "empty": [str(folder) for folder in empty],
            "kept": [str(folder) for folder in kept],
            "limits": f"size={self._room},nr_inodes={self._room // _BYTES_OF_A_FILE}",
            # Without these the attributes that it needs are root's alone; and others' have no names
            # for a folder of below that was moved, so that moving one fails.
            "options": "userxattr" if os.geteuid() else "redirect_dir=on,index=off,metacopy=off",
        }
        self._fresh, inside = self._alive().make_fresh(request, self._mounts.descriptor)
        try:
            yield Path(f"/proc/self/fd/{inside}")
        finally:
            for descriptor in (inside, self._fresh):
                os.close(descriptor)
            self._fresh = None

    def close(self) -> None:
        if self._mounts.users is not None:
            self._starter.close()
        self._mounts.close()


_ours: list[Starter] = []


def starter() -> Starter:
    """One for all commands that root has started; a fork of us gets its own."""
    if not (_ours and _ours[-1].alive):
        _close()
        _ours.append(Starter())
    return _ours[-1]


@atexit.register
def _close() -> None:
    while _ours:
        _ours.pop().close()


def why_not(user: User | None, filtered: bytes = b"") -> str:
    """Why it does not work here, tried as a whole; empty: it does."""
    if not program()[0]:
        return "there is no bubblewrap (bwrap) 0.11 or newer"
    try:
        with contextlib.closing(Namespaces(View())) as place:
            return _tried(place, user, filtered, "true")
    except (OSError, NotConfined) as error:
        return str(error)


_CHANGES = """
set -e
cd tree
mv below above && mkdir below && mv above/file above/moved && rm -r above
echo 2 >> file && ! test -e "$0/tmp/file" && echo 3 > "$0/tmp/file" && echo 4 > "$0/home/file"
"""


def why_not_fresh(user: User | None, filtered: bytes = b"") -> str:
    """The same, of new folders for each measurement, on the file system of temporary files."""
    if not program()[0]:
        return why_not(user, filtered)
    try:
        with tempfile.TemporaryDirectory() as name:
            box = Path(name, "box")
            tree, home, temporary = (box / name for name in ("tree", "home", "tmp"))
            for folder in (tree / "below", home, temporary):
                folder.mkdir(parents=True)
            for file in (tree / "file", tree / "below" / "file", temporary / "file"):
                file.write_text("1\n")
            if user:
                user.own_all(box)
            with (
                contextlib.closing(Namespaces(View(shown=[str(box)]))) as place,
                place.fresh(box, [tree, home], [temporary]) as seen,
            ):
                if why := _tried(place, user, filtered, "sh", "-c", _CHANGES, str(box), at=box):
                    return f"overlayfs: {why}"
                said = [(seen / path).read_text() for path in ("tree/file", "tmp/file")]
                kept = [tree / "below" / "file", temporary / "file"]
                if said == ["1\n2\n", "3\n"] and all(path.exists() for path in kept):
                    return ""
    except (OSError, NotConfined) as error:
        return f"overlayfs: {error}"
    return "overlayfs: what was written is not there, or where it must not be"


def no_layers(folders: Sequence[str]) -> dict[str, str]:
    """Those of which the kernel makes no layer, and why."""
    return dict(_no_layers(tuple(folders), os.geteuid()))


@functools.cache
def _no_layers(folders: tuple[str, ...], ourselves: int) -> tuple[tuple[str, str], ...]:
    try:
        _Mounts(View(shown=folders, layered=folders)).close()
    except (OSError, NotConfined) as error:
        if len(folders) > 1:
            return tuple(bare for path in folders for bare in _no_layers((path,), ourselves))
        return ((folders[0], str(error).rpartition(": ")[2]),)
    return ()


def _tried(
    place: Namespaces, user: User | None, filtered: bytes, *argv: str, at: Path = Path("/")
) -> str:
    with Path(os.devnull).open("r+b", buffering=0) as nothing:
        made = place.confinement(user, network=False, scoped=False, filtered=filtered)
        assert made.start
        first, ended = made.start(argv, at, _TOOLS, [nothing.fileno()] * 3)
        status = os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
        os.close(ended)
    return f"a command in it ended with status {status}" if status else ""


def _room(groups: Path = _GROUPS, own: Path = _OWN_GROUPS) -> int:
    """Bytes that one measurement may write: half of the memory that there is, for us.

    `groups`, `own`: control groups, and in which we are (`man 7 cgroups`). Each of those above
    may limit it; in a container the outermost that is seen is ours, whatever it is called.
    """
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    named: list[str] = []
    with contextlib.suppress(OSError):
        named = own.read_text(errors="surrogateescape").splitlines()
    for line in ("0::/", "0:memory:/", *named):
        _, kinds, path = line.split(":", 2)
        if kinds in ("", "memory"):
            root = groups / kinds
            limit = "memory.limit_in_bytes" if kinds else "memory.max"
            inner = root / path.lstrip("/")
            for folder in (inner, *inner.parents):
                if folder.is_relative_to(root):
                    with contextlib.suppress(OSError, ValueError):  # "max"
                        found.append(int((folder / limit).read_text()))
    return min(found) // 2


class _Mounts:
    """Of a view, as they are now: kept by the kernel until they are closed."""

    def __init__(self, view: View) -> None:
        """Raises `NotConfined` or `OSError`."""
        self.fresh = view.fresh()
        self.users: int | None = None
        """The namespace of users that they belong to, unless it is ours."""
        own_users = ["--unshare-user"] if os.geteuid() else []
        with contextlib.ExitStack() as once_started:

            def give(content: bytes) -> int:
                descriptor = _readable(content)
                once_started.callback(os.close, descriptor)
                given.append(descriptor)
                return descriptor

            given: list[int] = []
            words = [*own_users, *_NEW, *view.arguments(give)]
            arguments = give(os.fsencode("\0".join([*words, ""])))
            reader, told = os.pipe()
            once_started.callback(os.close, told)
            info = open(reader, "rb", buffering=0)  # noqa: PTH123, SIM115 - closed below
            holder = subprocess.Popen(
                [program()[0], "--args", str(arguments), "--info-fd", str(told), *_WAIT],
                pass_fds=[*given, told],
                cwd="/",
                env=_CLEAN,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        with info, holder:
            self._hold(holder, info)

    def _hold(self, holder: subprocess.Popen[bytes], info: IO[bytes]) -> None:
        assert holder.stdin
        assert holder.stdout
        ready = holder.stdout.readline()
        if ready != b"\n":
            why = (ready + holder.stdout.read(_TOLD_BYTES)).decode(errors="replace").strip()
            raise NotConfined(why or f"bubblewrap ended with status {holder.wait()}")
        child = json.loads(info.read(_TOLD_BYTES))["child-pid"]
        try:
            self.descriptor = os.open(f"/proc/{child}/ns/mnt", os.O_RDONLY)
            if os.geteuid():
                # Not that of the command, which bubblewrap maps back from root's number.
                self.users = fcntl.ioctl(self.descriptor, _OWNER)
        finally:
            holder.stdin.close()
            holder.wait()
            with contextlib.suppress(ChildProcessError):  # ours, once bubblewrap has ended
                os.waitpid(child, 0)

    def close(self) -> None:
        os.close(self.descriptor)
        if self.users is not None:
            os.close(self.users)


def _readable(content: bytes) -> int:
    descriptor = os.memfd_create("given")
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
