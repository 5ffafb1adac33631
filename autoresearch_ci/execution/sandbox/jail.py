"""What a command that runs repository code may see and change: files, network, processes, memory.

A `Jail` is the sandbox of one folder of ours: decided on first use, and the same from then on; all
of it is done to a command before it is executed, or the command does not start. What is run, and
when, is not decided here. Nothing is printed: what is on and what is missing is a value,
`Jail.protection`.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from autoresearch_ci.config.schema import Sandbox
from autoresearch_ci.errors import ConfigError, WorkspaceError
from autoresearch_ci.execution.sandbox import container, full
from autoresearch_ci.execution.sandbox.abilities import (
    Abilities,
    MissingProtection,
    Protection,
    Situation,
    abilities,
    describe,
    gives_view,
    root_is_kept,
)
from autoresearch_ci.execution.sandbox.container import Closed
from autoresearch_ci.execution.sandbox.kernel import Confinement, NotConfined, ends_with_us
from autoresearch_ci.execution.sandbox.landlock import Ruleset
from autoresearch_ci.execution.sandbox.namespaces import Namespaces, no_layers
from autoresearch_ci.execution.sandbox.places import Places, sockets
from autoresearch_ci.execution.sandbox.shared_memory import entries_of, remove_entries
from autoresearch_ci.execution.sandbox.users import (
    User,
    connectable,
    named,
    nobody,
    spare,
    unreachable,
)


class Jail:
    """Prepared once for many commands; `enter` gives what is then done to each."""

    def __init__(self, asked: Sandbox, places: Places, *, who: str = "measured code") -> None:
        """`who`: what the commands are, for messages."""
        self._asked = asked
        self._places = places
        self._who = who
        self._ruleset: Ruleset | None = None
        self._closed: Closed | None = None
        self._made_for: object = None
        """The folders and sockets that ruleset and mounts are about."""
        self._held: list[int] = []
        """Of the folders, so that no new one gets the number of one that was deleted."""
        self._confinements: dict[bool, Confinement] = {}
        self._made: Namespaces | None = None
        self._is_fresh = False
        self._known: set[str] | None = None
        """What the commands' user had in everybody's shared memory before."""

    @property
    def user(self) -> User | None:
        """Who runs the commands; `None`: we ourselves. Raises `ConfigError`."""
        return self._decision[0]

    @property
    def reached(self) -> list[str]:
        """Sockets of those that commands could ask to act for them, outside of any confinement."""
        closed = self._asked.read_only and self._closes
        if self.full or closed:
            return []
        return [path for path in self._places.services if connectable(path, self.user)]

    @functools.cached_property
    def protection(self) -> Protection:
        """What is on, and what is missing and why. Raises `ConfigError`."""
        user, kept_root = self._decision
        return describe(
            Situation(
                asked=self._asked,
                found=self.abilities,
                user=user,
                kept_root=kept_root,
                reached=self.reached,
                bare=self._bare if self.layers else {},
                shares=bool(self._places.memory),
                opened=container.opened(self._places),
            )
        )

    @property
    def kept_root(self) -> MissingProtection | None:
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
        assert self._is_fresh or not self._places.sealed, "it would find what must not change"
        with _prepared():
            if not self._is_fresh:  # else nothing can have changed
                self._renew()
            if network not in self._confinements:
                self._confinements[network] = self._confinement(network)
        return self._confinements[network]

    @property
    def layers(self) -> bool:
        """Whether each measurement can have folders of its own, see `fresh`."""
        return self.full and not self.abilities.why_not_fresh

    def seal(self, kept: Sequence[Path] = ()) -> None:
        """From now on commands run in `fresh` only, and their folders stay as they are.

        `kept`: but for these, where it is asked for.
        """
        self._places = replace(self._places, sealed=True, kept=tuple(kept))
        self._forget()

    @contextlib.contextmanager
    def fresh(self, *empty: Path, keep: bool = False) -> Iterator[Path]:
        """One measurement: what its commands write to their folders is lost with the block.

        At the path, which is another name of the folder that holds theirs, we find it before.
        `empty`: those that begin as that. `keep`: what is written to folders that are kept stays,
        and is found by all that come after. Raises `WorkspaceError`.
        """
        with contextlib.ExitStack() as stack:
            with _prepared():
                self._renew()
                assert self._made, "sealed where no layers can be made"
                layered = [folder for folder in self._places.own if folder not in empty]
                kept = [*full.covered_in(self._places, layered), *self._places.kept * keep]
                made = self._made.fresh(self._places.scratch, layered, empty, kept)
                seen = stack.enter_context(made)
            self._is_fresh = True
            try:
                yield seen
            finally:
                self._is_fresh = False

    @property
    def keeps_to_itself(self) -> bool:
        """Whether commands can change nothing that others have: no folder but their own, no
        service, unless on a loopback of their own."""
        held, network = self.protection.holds, self.protection.network
        apart = network == "deny" or (network == "loopback" and self.full)
        return held != "none" and apart and not self._asked.write

    @property
    def full(self) -> bool:
        """Whether commands see nothing but what is listed."""
        return gives_view(self._asked, self.abilities)

    def reaches(self, place: Path) -> bool:
        """Whether the commands' user may enter a folder."""
        if self.full:
            if self.user:
                return not full.blocked(self._places, self.user, [str(place)])
            return self.sees(str(place)) and os.access(place, os.X_OK)
        return self.user is None or not unreachable(self.user, [str(place)])

    def sees(self, path: str) -> bool:
        """Whether commands may read it, as far as it is our doing."""
        if self.full:
            return full.listed(self._places).sees(path)
        if not (self._asked.read_only and self.abilities.landlock):
            return True
        real = Path(os.path.realpath(path))
        return any(real.is_relative_to(place) for place in container.readable(self._places))

    @property
    def toolchains(self) -> tuple[str, ...]:
        """What commands may read besides the system, their own and what the configuration says."""
        scratch = str(self._places.scratch)
        listed = full.listed(self._places).added() if self.full else ()
        return tuple(sorted(path for path in listed if path != scratch))

    def hide(self, hidden: Sequence[str], shown: Sequence[str]) -> None:
        """From now on commands may not read these places; but for what is shown in them."""
        known = self._places
        self._places = replace(known, hidden=(*known.hidden, *hidden), shown=(*known.shown, *shown))
        self.__dict__.pop("_bare", None)
        self.close()

    @contextlib.contextmanager
    def beside(self, read: Sequence[str]) -> Iterator[Jail]:
        """For commands that read these, too, and in all else are as the others are now."""
        if not read:
            yield self
            return
        with _prepared():
            self._renew()  # what is closed to their user stays so
        other = copy.copy(self)
        other._places = replace(self._places, read=(*self._places.read, *read))
        other._confinements, other._held = {}, []
        other._made_for = other._made = other._ruleset = None
        try:
            yield other
        finally:
            other._forget()

    def sweep(self) -> None:
        """Empty the memory that commands share; none of them runs any more."""
        if self.user and not self.full:
            remove_entries(self.user.uid, self._known or set())

    def close(self) -> None:
        """Nothing of ours is left outside of the scratch folder; `enter` starts afresh."""
        self._forget()
        if self._closed:
            self._closed.open()
            self._closed = None

    @property
    def _closes(self) -> bool:
        """Whether what lies elsewhere is closed to the commands' user: never on a machine."""
        return bool(self.user and self.user.exclusive and ends_with_us())

    @functools.cached_property
    def _decision(self) -> tuple[User | None, MissingProtection | None]:
        """Who runs the commands, and why not somebody else where that would be better."""
        name = self._asked.user
        if name == "keep" or (name == "auto" and os.geteuid()):
            return None, None
        user = nobody() if name == "auto" else named(name)
        if user.uid == os.geteuid():
            return None, None
        if name == "auto" and not gives_view(self._asked, abilities(user)):
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
        if gives_view(self._asked, abilities(user)):
            return full.blocked(self._places, user, needed, write)
        above = next(path for path in self._places.scratch.parent.parents if path.exists())
        return unreachable(user, [str(above), *needed], write)

    @functools.cached_property
    def _bare(self) -> dict[str, str]:
        """Toolchains that are no layers, and why."""
        folders = full.toolchains(self._places)
        return no_layers(folders) if self.layers else dict.fromkeys(folders, "")

    @property
    def abilities(self) -> Abilities:
        """What this machine allows the one who runs the commands. Raises `ConfigError`."""
        return abilities(self.user)

    def _renew(self) -> None:
        """For the folders as they are now: one that was deleted and made again is another."""
        wanted = self._places
        if self.full:
            closed = sockets(wanted, self._bare) if self._bare else ()
            wanted = replace(wanted, hidden=(*wanted.hidden, *closed))
        watched = [*map(str, wanted.own), *wanted.write, *wanted.services]
        watched += [*wanted.shown, *wanted.hidden] if self.full else []
        now = [_identity(place) for place in watched]
        if self._made_for == now:
            return
        self._forget()
        if self.full:
            self._made = Namespaces(full.view(wanted, self.user, self._bare))
        elif self._asked.read_only and self.abilities.landlock:
            self._ruleset = container.ruleset(wanted, self.user)
            if self.user and self._closes and not self._closed:
                self._closed = Closed(self.user, wanted)
        self._made_for = now
        if self._made or self._ruleset:
            held = [path for path in (*map(str, wanted.own), *wanted.write) if _identity(path)]
            self._held = [os.open(path, os.O_PATH | os.O_CLOEXEC) for path in held]

    def _confinement(self, network: bool) -> Confinement:
        found, user = self.abilities, self.user
        if self._made:
            network = network or self._asked.network == "allow"
            return full.confinement(self._made, found, user, network=network)
        if user and self._known is None:
            # What is there of one that is nobody else's is a killed run's.
            self._known = set() if user.exclusive else entries_of(user.uid)
            self.sweep()
        rules, folder = self._ruleset, self._places.scratch
        return container.confinement(
            self._asked, found, user, rules, folder=folder, network=network
        )

    def _forget(self) -> None:
        self._confinements.clear()
        self._made_for = None
        while self._held:
            os.close(self._held.pop())
        if self._made:
            self._made.close()
            self._made = None
        if self._ruleset:
            self._ruleset.close()
            self._ruleset = None


@contextlib.contextmanager
def _prepared() -> Iterator[None]:
    try:
        yield
    except (OSError, NotConfined) as error:
        raise WorkspaceError(
            f"the confinement of commands cannot be prepared: {error}\n"
            "do: autoresearch-ci doctor says what is possible here; `sandbox` in the "
            "configuration asks for less."
        ) from error


def _identity(place: str) -> tuple[int, int] | None:
    """Tells a file from another one at its place; `None`: there is none."""
    try:
        found = os.stat(place)  # noqa: PTH116 - for every command
    except OSError:
        return None
    return found.st_dev, found.st_ino


UNCONFINED = Sandbox(network="allow", read_only=False, user="keep")
"""Nothing is done to a command, not even what is always done."""


def unconfined(scratch: Path) -> Jail:
    """For folders in which nothing runs."""
    return Jail(UNCONFINED, Places(scratch=scratch, own=()))
