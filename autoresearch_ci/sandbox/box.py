"""One box's protection: decided on first use, and the same from then on."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path

from autoresearch_ci.errors import ConfigError, WorkspaceError
from autoresearch_ci.sandbox import places
from autoresearch_ci.sandbox.abilities import Abilities, abilities
from autoresearch_ci.sandbox.confinement import Confinement, Step, no_new_privileges, weaker_root
from autoresearch_ci.sandbox.landlock import Ruleset
from autoresearch_ci.sandbox.memory import (
    SHARED_MEMORY,
    Scratch,
    delete,
    entries_of,
    remove_entries,
)
from autoresearch_ci.sandbox.namespaces import Cover, Namespaces
from autoresearch_ci.sandbox.protection import Missing, Protection, describe, root_is_kept
from autoresearch_ci.sandbox.seccomp import (
    LOCAL_FAMILIES,
    NETWORK_FAMILIES,
    NEVER_NEEDED,
    OF_DEBUGGERS,
    Filter,
)
from autoresearch_ci.sandbox.syscalls import LINUX
from autoresearch_ci.sandbox.user import User, named, nobody, unreachable
from autoresearch_ci.sandbox.wish import Places, Wish

_THREADS = 50
"""That a filter may name; a command is started by one of the first."""


class Sandbox:
    """Prepared in the parent; `enter` gives what the child of a command then does to itself."""

    def __init__(self, wish: Wish, places: Places) -> None:
        self._wish = wish
        self._places = places
        self._ruleset: Ruleset | None = None
        self._made_for: object = None
        """The folders that the ruleset is about."""
        self._confinements: dict[bool, Confinement] = {}
        self._scratch: Scratch | None = None
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
        return describe(self._wish, self.abilities, *self._decision, self._places.services)

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
        if self._wish.nothing:
            return None
        try:
            self._renew_ruleset()
            if network not in self._confinements:
                self._confinements[network] = Confinement(self._steps(network))
        except OSError as error:
            raise WorkspaceError(
                f"the confinement of commands cannot be prepared: {error}\n"
                "do: autoresearch-ci doctor says what is possible here; `sandbox` in the "
                "configuration asks for less."
            ) from error
        return self._confinements[network]

    def sweep(self) -> None:
        """Empty the memory that commands share; none of them runs any more."""
        if self._scratch:
            self._scratch.empty()
        elif self.user and not self.abilities.namespaces:
            remove_entries(self.user.uid, self._known)

    def close(self) -> None:
        """Nothing of ours is left outside of the box; `enter` starts afresh."""
        self._confinements.clear()
        self._made_for = None
        if self._ruleset:
            self._ruleset.close()
            self._ruleset = None
        if self._scratch:
            delete(self._scratch.root)
            self._scratch = None

    @functools.cached_property
    def _decision(self) -> tuple[User | None, Missing | None]:
        """Who runs the commands, and why not somebody else where that would be better."""
        wish = self._wish.user
        if wish == "keep" or (wish == "auto" and os.geteuid()):
            return None, None
        user = nobody() if wish == "auto" else named(wish)
        if user.uid == os.geteuid():
            return None, None
        if os.geteuid():
            raise ConfigError(
                f"sandbox.user: only root can run commands as {wish}.\n"
                "do: remove sandbox.user, or start autoresearch-ci as root."
            )
        above = next(path for path in self._places.box.parent.parents if path.exists())
        stop = unreachable(user, [str(above), *self._places.needed], self._places.write)
        if not stop:
            return user, None
        if wish == "auto":
            return None, root_is_kept(self._wish.who, user, stop)
        raise ConfigError(
            f"sandbox.user: {wish} cannot reach {stop}, which the commands need.\n"
            f"do: chmod o+x {stop}, install the program for all users, or use auto or keep."
        )

    @property
    def abilities(self) -> Abilities:
        """What this machine allows the one who runs the commands. Raises `ConfigError`."""
        return abilities(self.user)

    def _renew_ruleset(self) -> None:
        """For the folders as they are now: one that was deleted and made again is another."""
        if not self._wish.read_only or not self.abilities.landlock:
            return
        now = [(s.st_dev, s.st_ino) for s in (folder.stat() for folder in self._places.own)]
        if self._made_for == now:
            return
        if self._ruleset:
            self._ruleset.close()
        self._confinements.clear()
        self._ruleset, self._made_for = self._new_ruleset(), now

    def _new_ruleset(self) -> Ruleset:
        wanted = self._places
        hidden = [*wanted.hidden, str(wanted.box.parent)]
        memory = SHARED_MEMORY
        if self.abilities.namespaces:
            hidden.append(str(SHARED_MEMORY))
            memory = self._scratch_folder().memory
        own = [str(folder) for folder in wanted.own]
        return Ruleset(
            [*own, *wanted.write, *places.devices(), str(memory)],
            places.visible(hidden, [*wanted.shown, *wanted.write]),
        )

    def _steps(self, network: bool) -> list[Step]:
        kind = self.abilities.namespaces
        steps: list[Step] = []
        if kind:
            steps.append(("namespaces", self._namespaces(network).enter))
        if self.user:
            self._known = self._known or entries_of(self.user.uid)
            # A namespace of users is the new user's own; the others only root can make.
            becoming = [("output", self.user.take_output), ("user", self.user.become)]
            steps = [*becoming, *steps] if kind == "user" else [*steps, *becoming]
        elif not os.geteuid() and LINUX:
            steps.append(("capabilities", weaker_root()))
        if LINUX:
            steps.append(("no new privileges", no_new_privileges))
        if self._ruleset:
            steps.append(("Landlock", self._ruleset.enter))
        if not self.abilities.filters:
            steps.append(("seccomp", self._filter(network).enter))
        return steps

    def _namespaces(self, network: bool) -> Namespaces:
        scratch = self._scratch_folder()
        covers = [Cover(str(SHARED_MEMORY), str(scratch.memory))] * SHARED_MEMORY.is_dir()
        for service in self._places.services:
            nothing = str(scratch.nothing) if Path(service).is_dir() else os.devnull
            covers.append(Cover(service, nothing))
        return Namespaces(
            self.abilities.namespaces,
            network=not network and self._wish.network != "allow",
            loopback=self._wish.network == "loopback",
            covers=covers,
        )

    def _filter(self, network: bool) -> Filter:
        refuse = NEVER_NEEDED if self._ruleset else (*NEVER_NEEDED, *OF_DEBUGGERS)
        families: Sequence[int] | None = None
        if not network and self._wish.network != "allow":
            if self.abilities.namespaces:
                families = NETWORK_FAMILIES
            elif self._wish.network == "deny":
                families = LOCAL_FAMILIES
        return Filter(families, refuse=refuse, spare=_ourselves())

    def _scratch_folder(self) -> Scratch:
        self._scratch = self._scratch or Scratch(self._places.box, self.own)
        return self._scratch


def _ourselves() -> list[int]:
    """This process, its group and its threads; the group is 0 where a container does not see it."""
    threads = [int(name) for name in os.listdir("/proc/self/task")][:_THREADS]  # noqa: PTH208
    return [number for number in {os.getpid(), os.getpgrp(), *threads} if number > 0]


UNCONFINED = Wish(network="allow", read_only=False, user="keep", nothing=True)
"""Nothing is asked for, and nothing is done."""
