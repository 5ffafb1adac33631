"""The mechanism `container`, without namespaces: Landlock, seccomp, as root a user of its own."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from autoresearch_ci.config.schema import Sandbox
from autoresearch_ci.execution.sandbox import places
from autoresearch_ci.execution.sandbox.abilities import Abilities
from autoresearch_ci.execution.sandbox.kernel import (
    LINUX,
    Confinement,
    Step,
    no_new_privileges,
    threads_have_users,
    weaker_root,
)
from autoresearch_ci.execution.sandbox.landlock import SCOPE_ABI, Ruleset, enter_scope
from autoresearch_ci.execution.sandbox.places import Places
from autoresearch_ci.execution.sandbox.seccomp import (
    LOCAL_FAMILIES,
    NEVER_NEEDED,
    OF_DEBUGGERS,
    Filter,
)
from autoresearch_ci.execution.sandbox.shared_memory import SHARED_MEMORY
from autoresearch_ci.execution.sandbox.users import User

T = TypeVar("T")
_THREADS = 50
"""That a filter may name; a command is started by one of the first."""


def ruleset(wanted: Places, user: User | None) -> Ruleset:
    """Of all its commands. Raises `OSError`."""
    uid = user.uid if user else os.geteuid()
    own = [str(folder) for folder in wanted.own]
    writable = [*own, *wanted.write, *places.devices(uid), str(SHARED_MEMORY)]
    return Ruleset(writable, readable(wanted))


def readable(wanted: Places) -> list[str]:
    """What lies on the way to it can neither be listed nor read."""
    hidden = ["/", *wanted.hidden, str(wanted.scratch.parent)]
    shown = [*places.system(), *wanted.read, *wanted.shown, *wanted.write]
    return places.visible(hidden, [*shown, *map(str, wanted.own)])


def confinement(
    asked: Sandbox, found: Abilities, user: User | None, rules: Ruleset | None, *, network: bool
) -> Confinement:
    """`rules`: `None` where Landlock is not wanted, or missing."""
    steps: list[Step] = []
    if user:
        steps.append(("user", user.become))
    elif not os.geteuid() and LINUX:
        steps.append(("capabilities", weaker_root()))
    if LINUX:
        steps.append(("no new privileges", no_new_privileges))
    if rules:
        steps.append(("Landlock", rules.enter))
    if not found.filters:
        refuse = NEVER_NEEDED if rules else (*NEVER_NEEDED, *OF_DEBUGGERS)
        closed = not network and asked.network == "deny"
        families: Sequence[int] | None = LOCAL_FAMILIES if closed else None
        steps.append(("seccomp", Filter(families, refuse=refuse, spare=_ourselves()).enter))
    forks, exclusive = not threads_have_users(), bool(user and user.exclusive)
    scoped = rules and found.landlock >= SCOPE_ABI and not (forks or exclusive)
    scope = Scope() if scoped else None
    end = scope.kill_all if scope else user.kill_all if user and exclusive else None
    own, within = user.take if user else None, scope.run if scope else None
    return Confinement(steps, forks=forks, own=own, within=within, end=end)


class Scope:
    """A thread of ours that has commands started, and can end all that they start, and no more.

    In one step that no fork escapes, as `User.kill_all`; the kernel passes over our own process.
    """

    def __init__(self) -> None:
        """Raises `OSError`."""
        self._thread = ThreadPoolExecutor(1, "scope")  # it ends with us
        self.run(enter_scope)

    def run(self, act: Callable[[], T]) -> T:
        return self._thread.submit(act).result()

    def kill_all(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # there is nobody in it
            self.run(lambda: os.kill(-1, signal.SIGKILL))


def _ourselves() -> list[int]:
    """This process, its group and its threads; the group is 0 where a container does not see it."""
    threads = [int(name) for name in os.listdir("/proc/self/task")][:_THREADS]  # noqa: PTH208
    return [number for number in {os.getpid(), os.getpgrp(), *threads} if number > 0]
