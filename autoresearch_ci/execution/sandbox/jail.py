"""What a command that runs repository code may see and change: files, network, processes, memory.

A `Jail` is the sandbox of one folder of ours: decided on first use, and the same from then on; all
of it is done to a command before it is executed, or the command does not start. What is run, and
when, is not decided here. Nothing is printed: what is on and what is missing is a value,
`Jail.protection`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from autoresearch_ci.config.schema import Sandbox
from autoresearch_ci.errors import ConfigError, WorkspaceError
from autoresearch_ci.execution.sandbox import places
from autoresearch_ci.execution.sandbox.abilities import (
    Abilities,
    Missing,
    Protection,
    abilities,
    describe,
    root_is_kept,
)
from autoresearch_ci.execution.sandbox.kernel import (
    LINUX,
    Confinement,
    Step,
    no_new_privileges,
    threads_have_users,
    weaker_root,
)
from autoresearch_ci.execution.sandbox.landlock import Ruleset
from autoresearch_ci.execution.sandbox.namespaces import Cover, Namespaces
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
    SharedMemory,
    entries_of,
    remove_entries,
)
from autoresearch_ci.execution.sandbox.users import User, named, nobody, unreachable

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
        self._namespaces: list[Namespaces] = []
        self._memory: SharedMemory | None = None
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

    def reaches(self, place: Path) -> bool:
        """Whether the commands' user may enter a folder."""
        return self.user is None or not unreachable(self.user, [str(place)])

    def hide(self, hidden: Sequence[str], shown: Sequence[str]) -> None:
        """From now on commands may not read these places; but for what is shown in them."""
        known = self._places
        self._places = replace(known, hidden=(*known.hidden, *hidden), shown=(*known.shown, *shown))
        self._forget()

    def sweep(self) -> None:
        """Empty the memory that commands share; none of them runs any more."""
        if self._memory:
            self._memory.empty()
        elif self.user and not self.abilities.namespaces:
            remove_entries(self.user.uid, self._known)

    def close(self) -> None:
        """Nothing of ours is left outside of the scratch folder; `enter` starts afresh."""
        self._forget()
        if self._memory:
            self._memory.remove()
            self._memory = None

    @functools.cached_property
    def _decision(self) -> tuple[User | None, Missing | None]:
        """Who runs the commands, and why not somebody else where that would be better."""
        name = self._asked.user
        if name == "keep" or (name == "auto" and os.geteuid()):
            return None, None
        user = nobody() if name == "auto" else named(name)
        if user.uid == os.geteuid():
            return None, None
        if os.geteuid():
            raise ConfigError(
                f"sandbox.user: only root can run commands as {name}.\n"
                "do: remove sandbox.user, or start autoresearch-ci as root."
            )
        above = next(path for path in self._places.scratch.parent.parents if path.exists())
        stop = unreachable(user, [str(above), *self._places.needed], self._places.write)
        if not stop:
            return user, None
        if name == "auto":
            return None, root_is_kept(self._who, user, stop)
        raise ConfigError(
            f"sandbox.user: {name} cannot reach {stop}, which the commands need.\n"
            f"do: chmod o+x {stop}, install the program for all users, or use auto or keep."
        )

    @property
    def abilities(self) -> Abilities:
        """What this machine allows the one who runs the commands. Raises `ConfigError`."""
        return abilities(self.user)

    def _renew(self) -> None:
        """For the folders as they are now: one that was deleted and made again is another."""
        wanted = self._places
        watched = [*map(str, wanted.own), *wanted.write, *wanted.services]
        now = [_identity(place) for place in watched]
        if self._made_for == now:
            return
        self._forget()
        if self._asked.read_only and self.abilities.landlock:
            self._ruleset = self._new_ruleset()
        self._made_for = now

    def _forget(self) -> None:
        self._confinements.clear()
        self._made_for = None
        while self._namespaces:
            self._namespaces.pop().close()
        if self._ruleset:
            self._ruleset.close()
            self._ruleset = None

    def _new_ruleset(self) -> Ruleset:
        wanted = self._places
        hidden = [*wanted.hidden, str(wanted.scratch.parent)]
        memory = SHARED_MEMORY
        if self.abilities.namespaces:
            hidden.append(str(SHARED_MEMORY))
            memory = self._shared_memory().shm
        own = [str(folder) for folder in wanted.own]
        return Ruleset(
            [*own, *wanted.write, *places.devices(), str(memory)],
            places.visible(hidden, [*wanted.shown, *wanted.write]),
        )

    def _confinement(self, network: bool) -> Confinement:
        kind, user = self.abilities.namespaces, self.user
        steps: list[Step] = []
        if kind:
            steps.append(("namespaces", self._prepared(network).enter))
        if user:
            self._known = self._known or entries_of(user.uid)
            # A namespace of users is the new user's own; the others only root can make.
            becoming = ("user", user.become)
            steps = [becoming, *steps] if kind == "user" else [*steps, becoming]
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
            # Of all that a step does, only a namespace of users is never a single thread's.
            forks=kind == "user" or not threads_have_users(),
            own=user.take if user else None,
        )

    def _prepared(self, network: bool) -> Namespaces:
        memory = self._shared_memory()
        covers = [Cover(str(SHARED_MEMORY), str(memory.shm))] * SHARED_MEMORY.is_dir()
        for service in self._places.services:
            nothing = str(memory.nothing) if Path(service).is_dir() else os.devnull
            covers.append(Cover(service, nothing))
        seals = self._asked.read_only and self.abilities.seals
        namespaces = Namespaces(
            self.abilities.namespaces,
            network=not network and self._asked.network != "allow",
            loopback=self._asked.network == "loopback",
            covers=covers,
            writable=[str(self._places.scratch), "/dev", *self._places.write] if seals else None,
        )
        own_user = self.user if self.abilities.namespaces == "user" else None
        namespaces.prepare(own_user.become if own_user else None)
        self._namespaces.append(namespaces)
        return namespaces

    def _filter(self, network: bool) -> Filter:
        refuse = NEVER_NEEDED if self._ruleset else (*NEVER_NEEDED, *OF_DEBUGGERS)
        families: Sequence[int] | None = None
        if not network and self._asked.network != "allow":
            if self.abilities.namespaces:
                families = NETWORK_FAMILIES
            elif self._asked.network == "deny":
                families = LOCAL_FAMILIES
        return Filter(families, refuse=refuse, spare=_ourselves())

    def _shared_memory(self) -> SharedMemory:
        self._memory = self._memory or SharedMemory(self._places.scratch, self.own)
        return self._memory


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
