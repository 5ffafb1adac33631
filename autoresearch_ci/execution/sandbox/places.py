"""Which places a command may read and write, and which it must not see."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from autoresearch_ci.execution.sandbox import system_files
from autoresearch_ci.execution.sandbox.bubblewrap import CODE, GPUS, OF_GPUS, mounted_below
from autoresearch_ci.execution.sandbox.shared_memory import SHARED_MEMORY
from autoresearch_ci.safety.secret_values import points_to_secret

_OF_A_HOME = (
    ".ssh", ".netrc", ".aws", ".azure", ".config/gh", ".config/gcloud", ".config/hub", ".docker",
    ".kube", ".git-credentials", ".config/git/credentials", ".npmrc", ".pypirc", ".gnupg",
    ".cargo/credentials", ".cargo/credentials.toml", ".gradle/gradle.properties",
    ".m2/settings.xml", ".gem/credentials", ".nuget/NuGet/NuGet.Config",
    ".claude", ".claude.json", ".codex", ".gemini", ".local/share/keyrings", ".password-store",
)  # fmt: skip
_OF_A_RUNNER = (
    "/github/runner_temp", "/github/file_commands", "/github/workflow", "/github/home",
)  # fmt: skip
_DEVICES = (
    "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", *GPUS,
)  # fmt: skip
_SYSTEM = (*CODE, "/proc", "/sys/fs/cgroup", *OF_GPUS)
_SERVICES = (
    "/run/docker.sock", "/run/podman/podman.sock", "/run/containerd/containerd.sock",
    "/run/crio/crio.sock", "/run/dbus/system_bus_socket", "/run/systemd/private",
    "/run/systemd/io.systemd.*", "/run/user/{uid}",
)  # fmt: skip


def secrets(home: Path) -> list[str]:
    """Where the user who runs us, and the runner, keep credentials."""
    return [*(str(home / name) for name in _OF_A_HOME), *_OF_A_RUNNER]


def pointed_to(environment: Mapping[str, str], passed: Iterable[str]) -> list[str]:
    """The files of secrets that variables name, but for the variables that commands are given."""
    wanted = [name for name in environment if points_to_secret(name) and name not in set(passed)]
    return [path for name in wanted if Path(path := environment[name]).is_absolute()]


def devices(uid: int) -> list[str]:
    """What that user may write to though it is no file: nothing in it is kept.

    No terminals where one of them is that user's: they cannot be told from new ones.
    """
    found = [path for pattern in _DEVICES for path in _matches(pattern)]
    theirs = [path for path in _matches("/dev/pts/[0-9]*") if Path(path).stat().st_uid == uid]
    return found if theirs else [*found, "/dev/ptmx", "/dev/pts"]


def system() -> list[str]:
    """What is there for everybody, and tells nothing of anybody."""
    found = [*_SYSTEM, *(str(path) for path in system_files.public())]
    return [path for place in found for path in {place, os.path.realpath(place)}]


def services(environment: Mapping[str, str]) -> list[str]:
    """Sockets, or folders of them, of those who act for whoever asks, outside of any confinement.

    Landlock does not see who connects to a socket in the file system.
    """
    found = [path for pattern in _SERVICES for path in _matches(pattern.format(uid=os.getuid()))]
    found.append(environment.get("SSH_AUTH_SOCK", ""))
    found.append(environment.get("DOCKER_HOST", "").removeprefix("unix://"))
    real = (os.path.realpath(path) for path in found if path.startswith("/"))
    return list(dict.fromkeys(path for path in real if Path(path).exists()))


def sockets(wanted: Places, toolchains: Iterable[str]) -> list[str]:
    """Those of others in folders which are shown as toolchains, and not listed themselves.

    By the names that they were given, in our network, or are mounted at: looking for others takes
    too long.
    """
    with contextlib.suppress(OSError):
        lines = Path("/proc/net/unix").read_text(errors="surrogateescape").splitlines()
        named = (line.partition(" /")[2] for line in lines)
        tools = [path.rstrip("/") for path in toolchains if path != str(wanted.scratch)]
        shown = tuple(f"{path}/" for path in tools)
        found = {f"/{name}" for name in named if f"/{name}".startswith(shown)}
        found.update(path for tool in tools for path in mounted_below(tool))
        listed = (*wanted.read, *wanted.write)
        found = {path for path in found if not any(map(Path(path).is_relative_to, listed))}
        return sorted(path for path in found if Path(path).is_socket())
    return []


def visible(hidden: Iterable[str], shown: Iterable[str]) -> list[str]:
    """The fewest paths with all of `shown` beneath them, and nothing of `hidden`.

    The innermost of both kinds decides. A folder with a hidden place below is not among them, but
    its other entries are: such a folder cannot be listed, and what is added to it later cannot be
    seen.
    """
    marks = {os.path.realpath(path): False for path in hidden}
    marks |= {os.path.realpath(path): True for path in shown}
    # A folder that is seen as a whole is not taken apart for what is seen in it.
    marks = {path: mark for path, mark in marks.items() if mark is not _around(path, marks)}
    marks = {path: mark for path, mark in marks.items() if os.path.lexists(path)}
    on_the_way = {str(parent) for path in marks for parent in Path(path).parents}
    found: list[str] = []
    pending = [("/", marks.get("/", False))]
    while pending:
        path, seen = pending.pop()
        below = _entries(path) if path in on_the_way else None
        if below is None:
            found += [path] * seen
            continue
        pending += [(entry, marks.get(entry, seen)) for entry in below]
        if not below:  # it may not be listed: the way to what is shown is open all the same
            way = {p for p in on_the_way.union(marks) if str(Path(p).parent) == path != p}
            pending += [(entry, marks.get(entry, False)) for entry in way]
    return sorted(found)


def _around(path: str, marks: Mapping[str, bool]) -> bool:
    """The mark of the innermost folder that holds it."""
    return next((marks[step] for p in Path(path).parents if (step := str(p)) in marks), False)


def _matches(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern))  # noqa: PTH207 - for every command


def _entries(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries if not entry.is_symlink()]
    except OSError:
        return []


@dataclass(frozen=True, kw_only=True)
class Places:
    """What a command works with."""

    scratch: Path
    """A folder of our own that holds all of `own`; what lies next to it is hidden."""
    own: tuple[Path, ...]
    """Folders that it may do everything with; they belong to its user."""
    home: Path | None = None
    """Its HOME, one of `own`."""
    sealed: bool = False
    """Whether `own` may be changed no more; what changes lies above it."""
    kept: tuple[Path, ...] = ()
    """Folders in it that may be changed all the same."""
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    """What else it may read and write to, as the configuration says."""
    hidden: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    """Of these, what is not hidden from all commands of its user."""
    shown: tuple[str, ...] = ()
    """To be seen even where `hidden` is."""
    needed: tuple[str, ...] = ()
    """Programs and folders that its user must be able to reach; `write`, too."""
    services: tuple[str, ...] = ()
    """Sockets, or folders of them, of those who would act for it outside of any confinement."""

    @property
    def memory(self) -> list[str]:
        """What it shares with all others: nothing, where something of ours lies in it."""
        ours = (os.path.realpath(path) for path in (*self.hidden, str(self.scratch)))
        return [] if any(SHARED_MEMORY in Path(p).parents for p in ours) else [str(SHARED_MEMORY)]
