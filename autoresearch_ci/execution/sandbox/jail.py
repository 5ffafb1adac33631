"""What a command that runs repository code may see and change: files, network, processes, memory.

A `Jail` is the sandbox of one folder of ours: decided on first use, and the same from then on; all
of it is done to a command before it is executed, or the command does not start. What is run, and
when, is not decided here. Nothing is printed: what is on and what is missing is a value,
`Jail.protection`.
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from autoresearch_ci.config.schema import Sandbox
from autoresearch_ci.errors import ConfigError, WorkspaceError
from autoresearch_ci.execution.sandbox import places, system_files
from autoresearch_ci.execution.sandbox.abilities import (
    Abilities,
    Missing,
    Protection,
    abilities,
    describe,
    full,
    root_is_kept,
)
from autoresearch_ci.execution.sandbox.bubblewrap import View, launcher, words_of
from autoresearch_ci.execution.sandbox.kernel import (
    LINUX,
    Confinement,
    Step,
    no_new_privileges,
    threads_have_users,
    weaker_root,
)
from autoresearch_ci.execution.sandbox.landlock import SCOPE_ABI, Ruleset, keep_out_of_scope
from autoresearch_ci.execution.sandbox.places import Places
from autoresearch_ci.execution.sandbox.seccomp import (
    LOCAL_FAMILIES,
    NETWORK_FAMILIES,
    NEVER_NEEDED,
    OF_DEBUGGERS,
    Filter,
)
from autoresearch_ci.execution.sandbox.shared_memory import (
    SHARED_MEMORY,
    MortalFolder,
    entries_of,
    remove_entries,
    sweep,
)
from autoresearch_ci.execution.sandbox.system_files import ETC
from autoresearch_ci.execution.sandbox.users import User, named, nobody, spare, unreachable

_THREADS = 50
"""That a filter may name; a command is started by one of the first."""


class Jail:
    """Prepared once for many commands; `enter` gives what is then done to each."""

    def __init__(self, asked: Sandbox, places: Places, *, who: str = "measured code") -> None:
        """`who`: what the commands are, for messages."""
        self._asked = asked
        self._places = places
        self._who = who
        self._ruleset: Ruleset | None = None
        self._made_for: object = None
        """The folders and sockets that ruleset and mounts are about."""
        self._confinements: dict[bool, Confinement] = {}
        self._view: View | None = None
        self._etc: MortalFolder | None = None
        self._known: set[str] = set()
        """What the commands' user had in everybody's shared memory before."""

    @property
    def user(self) -> User | None:
        """Who runs the commands; `None`: we ourselves. Raises `ConfigError`."""
        return self._decision[0]

    @property
    def services(self) -> tuple[str, ...]:
        """See `Places.services`."""
        return self._places.services

    @functools.cached_property
    def protection(self) -> Protection:
        """What is on, and what is missing and why. Raises `ConfigError`."""
        return describe(self._asked, self.abilities, *self._decision, self._places.services)

    @property
    def kept_root(self) -> Missing | None:
        """Why the commands are root's where `auto` would have them be another user's."""
        return self._decision[1]

    def own(self, root: Path, path: str = "") -> None:
        """Hand what we have just made below `root` to the one who runs the commands."""
        if self.user:
            self.user.own(root, path)

    def own_all(self, folder: Path) -> None:
        """The same for all below, when no command has run there yet."""
        if self.user:
            self.user.own_all(folder)

    def enter(self, *, network: bool = False) -> Confinement | None:
        """For `run_command`. `network`: this command has it, as installing and agents need it.

        Raises `ConfigError` or `WorkspaceError`.
        """
        if self._asked is UNCONFINED:
            return None
        try:
            self._renew()
            if network not in self._confinements:
                self._confinements[network] = self._confinement(network)
        except OSError as error:
            raise WorkspaceError(
                f"the confinement of commands cannot be prepared: {error}\n"
                "do: autoresearch-ci doctor says what is possible here; `sandbox` in the "
                "configuration asks for less."
            ) from error
        return self._confinements[network]

    @property
    def full(self) -> bool:
        """Whether commands see nothing but what is listed."""
        return full(self._asked, self.abilities)

    def reaches(self, place: Path) -> bool:
        """Whether the commands' user may enter a folder."""
        if self.full:
            return self.sees(str(place)) and not self._blocked(self.user, [str(place)], ())
        return self.user is None or not unreachable(self.user, [str(place)])

    def sees(self, path: str) -> bool:
        """Whether commands may read it, as far as it is our doing."""
        if self.full:
            return self._listed("").sees(path)
        if not (self._asked.read_only and self.abilities.landlock):
            return True
        real = Path(os.path.realpath(path))
        return any(real.is_relative_to(place) for place in self._readable())

    @property
    def toolchains(self) -> tuple[str, ...]:
        """What commands may read besides the system, their own and what the configuration says."""
        scratch = str(self._places.scratch)
        listed = self._listed("").added() if self.full else ()
        return tuple(sorted(path for path in listed if path != scratch))

    def hide(self, hidden: Sequence[str], shown: Sequence[str]) -> None:
        """From now on commands may not read these places; but for what is shown in them."""
        known = self._places
        self._places = replace(known, hidden=(*known.hidden, *hidden), shown=(*known.shown, *shown))
        self._forget()

    def sweep(self) -> None:
        """Empty the memory that commands share; none of them runs any more."""
        if self.user and not self.full:
            remove_entries(self.user.uid, self._known)

    def close(self) -> None:
        """Nothing of ours is left outside of the scratch folder; `enter` starts afresh."""
        self._forget()
        if self._etc:
            self._etc.remove()
            self._etc = None

    @functools.cached_property
    def _decision(self) -> tuple[User | None, Missing | None]:
        """Who runs the commands, and why not somebody else where that would be better."""
        name = self._asked.user
        if name == "keep" or (name == "auto" and os.geteuid()):
            return None, None
        user = nobody() if name == "auto" else named(name)
        if user.uid == os.geteuid():
            return None, None
        if name == "auto" and not full(self._asked, abilities(user)):
            user = spare(str(self._places.scratch)) or user
        if os.geteuid():
            raise ConfigError(
                f"sandbox.user: only root can run commands as {name}.\n"
                "do: remove sandbox.user, or start autoresearch-ci as root."
            )
        stop = self._stop(user)
        if not stop:
            return user, None
        if name == "auto":
            return None, root_is_kept(self._who, user, stop)
        raise ConfigError(
            f"sandbox.user: {name} cannot reach {stop}, which the commands need.\n"
            f"do: chmod o+x {stop}, install the program for all users, or use auto or keep."
        )

    def _stop(self, user: User) -> str:
        """The first place that the commands need, and this user cannot use; empty: none."""
        needed, write = self._places.needed, self._places.write
        if full(self._asked, abilities(user)):
            return self._blocked(user, needed, write)
        above = next(path for path in self._places.scratch.parent.parents if path.exists())
        return unreachable(user, [str(above), *needed], write)

    def _blocked(self, user: User | None, needed: Sequence[str], write: Sequence[str]) -> str:
        """The same in the full view, asked there: folders above what is shown stop nobody."""
        asked = [*(f"x{path}" for path in needed), *(f"w{path}" for path in write)]
        try_all = launcher(self._listed(""), user, network=True, filtered=b"")
        return words_of(try_all, ["sh", "-c", _FIRST_BLOCKED, "sh", *asked]) if asked else ""

    @property
    def abilities(self) -> Abilities:
        """What this machine allows the one who runs the commands. Raises `ConfigError`."""
        return abilities(self.user)

    def _renew(self) -> None:
        """For the folders as they are now: one that was deleted and made again is another."""
        wanted = self._places
        watched = [*map(str, wanted.own), *wanted.write, *wanted.services]
        watched += [*wanted.shown, *wanted.hidden] if self.full else []
        now = [_identity(place) for place in watched]
        if self._made_for == now:
            return
        self._forget()
        if self.full:
            self._view = self._listed(self._prepared_etc())
        elif self._asked.read_only and self.abilities.landlock:
            self._ruleset = self._new_ruleset()
        self._made_for = now

    def _listed(self, etc: str) -> View:
        """Of what is there now."""
        wanted = self._places
        writable = [*map(str, wanted.own), *wanted.write]
        shown = [*wanted.shown, *(path for path in wanted.read if not _is_below(path, str(ETC)))]
        covers = [path for path in wanted.hidden if path not in {*shown, *writable}]
        there = View(
            etc=etc, shown=_present(shown, writable), writable=_present(writable), covered=()
        )
        hidden = [*map(os.path.realpath, covers), str(wanted.scratch.parent)]
        return replace(
            there,
            covered=[path for path in _present(hidden) if there.sees(path)],
            nothing=f"{Path(etc).parent}/nothing" if etc else "",
        )

    def _prepared_etc(self) -> str:
        if self._etc is None:
            ours = f"tmpwork-etc-{os.geteuid()}-"
            sweep(Path(tempfile.gettempdir()), ours)
            self._etc = MortalFolder(Path(tempfile.gettempdir()), ours)
            (self._etc.path / "nothing").touch(0o000)
            uid, gid = (self.user.uid, self.user.gid) if self.user else (os.geteuid(), os.getegid())
            home = str(self._places.home or "/nonexistent")
            asked = [path for path in self._places.read if _is_below(path, str(ETC))]
            system_files.prepare(self._etc.path / "etc", uid, gid, home, asked)
        return str(self._etc.path / "etc")

    def _forget(self) -> None:
        self._confinements.clear()
        self._made_for = self._view = None
        if self._ruleset:
            self._ruleset.close()
            self._ruleset = None

    def _new_ruleset(self) -> Ruleset:
        wanted = self._places
        own = [str(folder) for folder in wanted.own]
        uid = self.user.uid if self.user else os.geteuid()
        writable = [*own, *wanted.write, *places.devices(uid), str(SHARED_MEMORY)]
        return Ruleset(writable, self._readable())

    def _readable(self) -> list[str]:
        """For Landlock: what lies on the way to it can neither be listed nor read."""
        wanted = self._places
        hidden = ["/", *wanted.hidden, str(wanted.scratch.parent)]
        shown = [*places.system(), *wanted.read, *wanted.shown, *wanted.write]
        return places.visible(hidden, [*shown, *map(str, wanted.own)])

    def _confinement(self, network: bool) -> Confinement:
        user = self.user
        steps: list[Step] = []
        if self._view:
            return self._viewed(self._view, network or self._asked.network == "allow")
        if user:
            self._known = self._known or entries_of(user.uid)
            steps.append(("user", user.become))
        elif not os.geteuid() and LINUX:
            steps.append(("capabilities", weaker_root()))
        if LINUX:
            steps.append(("no new privileges", no_new_privileges))
        if self._ruleset:
            steps.append(("Landlock", self._ruleset.enter))
        if not self.abilities.filters:
            steps.append(("seccomp", self._filter(network).enter))
        return Confinement(
            steps,
            forks=not threads_have_users(),
            own=user.take if user else None,
            end=user.kill_all if user and user.exclusive else None,
        )

    def _viewed(self, view: View, network: bool) -> Confinement:
        found = self.abilities
        steps: list[Step] = []
        if network and found.landlock >= SCOPE_ABI:
            steps.append(("no new privileges", no_new_privileges))
            steps.append(("Landlock", keep_out_of_scope))
        families = None if network else NETWORK_FAMILIES
        # It sees no process of others, so it may do what it likes with those that it sees.
        filtered = b"" if found.filters else Filter(families).code
        return launcher(view, self.user, network=network, filtered=filtered, steps=steps)

    def _filter(self, network: bool) -> Filter:
        refuse = NEVER_NEEDED if self._ruleset else (*NEVER_NEEDED, *OF_DEBUGGERS)
        families: Sequence[int] | None = None
        if not network and self._asked.network == "deny":
            families = LOCAL_FAMILIES
        return Filter(families, refuse=refuse, spare=_ourselves())


_FIRST_BLOCKED = """
for place; do
    case $place in
        x*) [ -x "${place#x}" ] ;;
        w*) [ -w "${place#w}" ] ;;
    esac || { printf %s "${place#?}"; break; }
done
"""


def _present(paths: Iterable[str], besides: Iterable[str] = ()) -> list[str]:
    """Each once, normalised, if it is there and not in `besides`."""
    wanted = dict.fromkeys(map(os.path.normpath, paths))
    return [path for path in wanted if os.path.exists(path) and path not in besides]  # noqa: PTH110


def _is_below(path: str, root: str) -> bool:
    return path.startswith(f"{root}/")


def _identity(place: str) -> tuple[int, int] | None:
    """Tells a file from another one at its place; `None`: there is none."""
    try:
        found = os.stat(place)  # noqa: PTH116 - for every command
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _ourselves() -> list[int]:
    """This process, its group and its threads; the group is 0 where a container does not see it."""
    threads = [int(name) for name in os.listdir("/proc/self/task")][:_THREADS]  # noqa: PTH208
    return [number for number in {os.getpid(), os.getpgrp(), *threads} if number > 0]


UNCONFINED = Sandbox(network="allow", read_only=False, user="keep")
"""Nothing is done to a command, not even what is always done."""


def unconfined(scratch: Path) -> Jail:
    """For folders in which nothing runs."""
    return Jail(UNCONFINED, Places(scratch=scratch, own=()))
