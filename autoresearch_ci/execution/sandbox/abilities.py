"""What this machine lets us protect, found out by trying, and what is on or missing and why."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from autoresearch_ci.config.schema import Network, Protections, Sandbox
from autoresearch_ci.execution.sandbox import bubblewrap, landlock, loopback, namespaces, seccomp
from autoresearch_ci.execution.sandbox.kernel import (
    LINUX,
    answer_of_a_child,
    ends_with_us,
    no_new_privileges,
)
from autoresearch_ci.execution.sandbox.seccomp import Filter
from autoresearch_ci.execution.sandbox.users import User


@dataclass(frozen=True, kw_only=True)
class Abilities:
    """Of this process's children."""

    landlock: int
    """The kernel's version of Landlock; 0: none."""
    filters: str
    """Why seccomp filters cannot be used; empty: they can."""
    why_no_view: str
    """Why bubblewrap cannot give the full view; empty: it can."""
    why_not_fresh: str
    """Why no measurement can have new folders in it; empty: each has."""
    why_no_loopback: str
    """Why the network cannot end at the machine's own without a view; empty: it can."""


def abilities(user: User | None) -> Abilities:
    """Of our children once they are `user`; `None`: as we are."""
    return tried(user, os.geteuid())


@functools.cache
def tried(user: User | None, _ourselves: int) -> Abilities:
    """As few trials as tell it: one, where all works."""
    filtered = Filter(seccomp.NETWORK_FAMILIES).code if seccomp.supported() else b""
    not_fresh = namespaces.why_not_fresh(user, filtered)
    no_view, no_filters = namespaces.why_not(user, filtered) if not_fresh else "", ""
    if no_view or not filtered:
        no_filters = _why_no_filters()
    if no_view and no_filters and filtered:
        no_view = namespaces.why_not(user)
        not_fresh = no_view or namespaces.why_not_fresh(user)
    return Abilities(
        landlock=landlock.abi(),
        filters=no_filters,
        why_no_view=no_view,
        why_not_fresh=not_fresh,
        why_no_loopback=(no_filters or loopback.why_not()) if no_view else "",
    )


def _why_no_filters() -> str:
    if not seccomp.supported():
        return "no list of system calls for this kind of machine"
    trial = Filter()

    def enter() -> str:
        no_new_privileges()
        trial.enter()
        return ""

    return answer_of_a_child(enter)


_CURE_OF_VIEW = (
    "Start it where namespaces can be made: as root outside of a container, or as a user whom "
    "kernel.apparmor_restrict_unprivileged_userns=0 allows it (see docs/sandbox.md)."
)


@dataclass(frozen=True, kw_only=True)
class MissingProtection:
    """One protection that is not there."""

    what: str
    why: str
    cure: str

    def __str__(self) -> str:
        return f"{self.what}, because {self.why}. {self.cure}"


@dataclass(frozen=True, kw_only=True)
class Protection:
    """Of the commands of one run."""

    holds: Protections
    on: tuple[str, ...]
    off: tuple[MissingProtection, ...]
    network: Network
    """What is enforced, whatever was asked for."""
    loopback: bool
    """Whether it could have that."""
    hint: str
    """What a command that fails may have missed; empty when nothing was taken from it."""
    setup_hint: str
    """The same for setup, which has the network."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What was asked for, and where the commands of one run are."""

    asked: Sandbox
    found: Abilities
    user: User | None = None
    """Who runs them; `None`: we ourselves."""
    kept_root: MissingProtection | None = None
    """Why it is not another one, where that would be better."""
    reached: Sequence[str] = ()
    """Sockets of those who would act for them, outside of any confinement."""
    bare: Mapping[str, str] = field(default_factory=dict)
    """Toolchains that are no layers where others are, and why."""
    shares: bool = True
    """Whether they may use /dev/shm, without a view."""
    opened: Sequence[str] = ()
    """What is to be hidden, and lies in a folder that may be written to, without a view."""


def describe(of: Situation) -> Protection:
    """What is on, and what is missing."""
    asked, found, user = of.asked, of.found, of.user
    enforced, view = enforced_network(asked, found), gives_view(asked, found)
    on = [f"runs as uid {user.uid}"] if user else []
    hints = [f"{on[0]}, which may not reach what is yours alone (sandbox.user: keep)"] if on else []
    if view or (asked.read_only and found.landlock):
        by = f"bubblewrap {bubblewrap.program()[1]}" if view else f"Landlock {found.landlock}"
        does = "sees" if view else "reads"
        on.append(f"{does} the system, its toolchains and its own folders only ({by})")
        hints.append(
            "may only read the system, its toolchains, its tree, HOME and TMPDIR (sandbox.read and "
            "sandbox.write add more)"
        )
    if view and not found.why_not_fresh:
        on.append("starts each measurement in new folders (overlayfs)")
    if enforced != "allow":
        whose = "its own" if view else "TCP on the machine's"
        words = "no network" if enforced == "deny" else f"no network but {whose} loopback"
        on.append(f"has {words}")
        hints.append(f"has {words} (sandbox.network: {enforced})")
    if view:
        on.append("shares no memory with others")
    elif asked.read_only and found.landlock and not of.shares:
        on.append("has no /dev/shm")
        hints.append("has no /dev/shm (the repository or TMPDIR lies in it)")
    elif user:  # without one, what is missing says more
        on.append("may share memory with others while it runs, and leaves none behind")
    if LINUX:
        on.append("gains no privileges")
    return Protection(
        holds=holding(asked, found, user),
        on=tuple(on),
        off=tuple(_missing(of)),
        network=enforced,
        loopback=view or not found.why_no_loopback,
        hint=_sentence(hints),
        setup_hint=_sentence([hint for hint in hints if "network" not in hint]),
    )


def gives_view(asked: Sandbox, found: Abilities) -> bool:
    """Whether commands get the full view."""
    return asked.read_only and not found.why_no_view


def holding(asked: Sandbox, found: Abilities, user: User | None) -> Protections:
    """What can be relied on; docs/sandbox.md has the promises."""
    if gives_view(asked, found) and not found.filters:
        return "full"
    apart = user is not None or found.landlock >= landlock.SCOPE_ABI
    confined = asked.read_only and found.landlock >= landlock.TRUNCATE_ABI and not found.filters
    return "container" if confined and apart else "none"


def enforced_network(asked: Sandbox, found: Abilities) -> Network:
    """What measured code gets."""
    if gives_view(asked, found):
        return asked.network
    if found.filters:
        return "allow"
    return "deny" if asked.network == "loopback" and found.why_no_loopback else asked.network


def _missing(of: Situation) -> Iterator[MissingProtection]:
    if of.kept_root:
        yield of.kept_root
    if of.found.filters:
        yield MissingProtection(
            what="the system calls of measured code are not filtered",
            why=f"seccomp fails ({of.found.filters})",
            cure="Run where the container's security profile allows it.",
        )
    yield from (_of_view if gives_view(of.asked, of.found) else _of_container)(of)


def _of_view(of: Situation) -> Iterator[MissingProtection]:
    found = of.found
    if found.why_not_fresh:
        yield MissingProtection(
            what="one measurement can leave something for the next, as in the size of a folder",
            why=f"new folders for each are not to be had ({found.why_not_fresh})",
            cure="Use Linux 6.6 or newer, or set TMPDIR to a folder on another file system.",
        )
    for folder, why in of.bare.items():
        yield MissingProtection(
            what=f"measured code can connect to sockets that are made in {folder} while it runs",
            why=f"overlayfs makes no layer of that folder ({why})",
            cure="Move it to another file system, and mount nothing in it.",
        )
    if found.landlock < landlock.SCOPE_ABI:
        yield MissingProtection(
            what="setup and agents reach abstract sockets of other processes",
            why="they have the machine's network, and this kernel's Landlock "
            f"({found.landlock}) is too old",
            cure="Use Linux 6.12 or newer.",
        )


def _of_container(of: Situation) -> Iterator[MissingProtection]:
    asked, found, user = of.asked, of.found, of.user
    why = f"bubblewrap does not work here ({found.why_no_view})"
    if not found.why_no_view:
        why = "sandbox.read_only is off"
    if asked.read_only:
        closed = user is not None and user.exclusive and ends_with_us()
        where = "in folders that lead to its own" if closed else "outside of its folders"
        yield MissingProtection(
            what=f"measured code can tell what lies {where}, and connect to sockets there that its "
            "user may use",
            why=why,
            cure=_CURE_OF_VIEW,
        )
        yield from _of_landlock(found, user)
    if asked.read_only and of.opened and found.landlock:
        yield MissingProtection(
            what=f"measured code can read and change {of.opened[0]}, as its user may",
            why="it lies in a folder of sandbox.write, of which Landlock leaves out nothing",
            cure="List folders that hold only what it may change, or set TMPDIR to another one.",
        )
    given = enforced_network(asked, found)
    if given == "loopback":
        yield MissingProtection(
            what="whatever listens on the machine's 127.0.0.1 answers measured code",
            why=why,
            cure=_CURE_OF_VIEW,
        )
    elif given == "allow" != asked.network:
        yield MissingProtection(
            what=f"measured code has the network, although sandbox.network is {asked.network}",
            why=f"{why} and seccomp fails ({found.filters})",
            cure="Run where the container's security profile allows either.",
        )
    elif given != asked.network:
        yield MissingProtection(
            what="measured code has no network at all, although sandbox.network is loopback",
            why=f"{why} and {found.why_no_loopback}",
            cure="Give the container CAP_NET_ADMIN (--cap-add NET_ADMIN), or let it have the "
            "machine's network (sandbox.network: allow).",
        )
    if user is None:
        yield MissingProtection(
            what="one measurement can leave something in /dev/shm for the next",
            why=why,
            cure="Run where user namespaces are allowed, or let root give the commands to another "
            "user (sandbox.user).",
        )
    if of.reached:
        yield MissingProtection(
            what=f"measured code can ask {of.reached[0]} to act for it, outside of the sandbox",
            why=why,
            cure="Do not mount it, or run as a user (or group) that may not use it.",
        )


def _of_landlock(found: Abilities, user: User | None) -> Iterator[MissingProtection]:
    if not found.landlock:
        yield MissingProtection(
            what="measured code may write and read wherever its user may",
            why="this kernel has no Landlock",
            cure="Use Linux 5.13 or newer with landlock in /sys/kernel/security/lsm.",
        )
        return
    lacks = {
        landlock.TRUNCATE_ABI: ("files elsewhere can be emptied", "Linux 6.2"),
        landlock.SCOPE_ABI: (
            "measured code can signal its user's processes, and outlive its command",
            "Linux 6.12",
        ),
    }
    for version, (what, cure) in lacks.items():
        if found.landlock < version and user is None:  # another user may do neither
            yield MissingProtection(
                what=what,
                why=f"this kernel's Landlock ({found.landlock}) is too old",
                cure=f"Use {cure} or newer, or start autoresearch-ci as root (sandbox.user).",
            )


def _sentence(parts: Sequence[str]) -> str:
    if not parts:
        return ""
    *first, last = parts
    joined = f"{', '.join(first)} and {last}" if first else last
    return f"measured code {joined}"


def root_is_kept(who: str, user: User, stop: str) -> MissingProtection:
    """Why `auto` leaves the commands to root."""
    return MissingProtection(
        what=f"{who} runs as root",
        why=f"uid {user.uid} cannot reach {stop}",
        cure="Install what it needs for all users, or set TMPDIR to a folder that all can enter; "
        "sandbox.user: keep accepts it as it is.",
    )
