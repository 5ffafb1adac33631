"""What this machine lets us protect, found out by trying."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass

from autoresearch_ci.execution.sandbox import landlock, namespaces, seccomp
from autoresearch_ci.execution.sandbox.kernel import answer_of_a_child
from autoresearch_ci.execution.sandbox.namespaces import Kind, Namespaces
from autoresearch_ci.execution.sandbox.sandbox import no_new_privileges
from autoresearch_ci.execution.sandbox.seccomp import Filter
from autoresearch_ci.execution.sandbox.users import User


@dataclass(frozen=True, kw_only=True)
class Abilities:
    """Of this process's children."""

    landlock: int
    """The kernel's version of Landlock; 0: none."""
    filters: str
    """Why seccomp filters cannot be used; empty: they can."""
    namespaces: Kind
    why_no_namespaces: str = ""
    seals: bool = False
    """Whether a namespace can mount everything read-only (Linux 5.12)."""


def abilities(user: User | None) -> Abilities:
    """Of our children once they are `user`; `None`: as we are."""
    return _tried(user, os.geteuid())


@functools.cache
def _tried(user: User | None, _ourselves: int) -> Abilities:
    kind, why = _namespaces(user)
    sealed = Namespaces(kind, network=True, writable=["/dev"]) if kind else None
    return Abilities(
        landlock=landlock.abi(),
        filters=_filters(),
        namespaces=kind,
        why_no_namespaces=why,
        seals=sealed is not None and not _why_not(user, kind, sealed),
    )


def _filters() -> str:
    if not seccomp.supported():
        return "no list of system calls for this kind of machine"
    trial = Filter()

    def enter() -> str:
        no_new_privileges()
        trial.enter()
        return ""

    return answer_of_a_child(enter)


def _namespaces(user: User | None) -> tuple[Kind, str]:
    if not namespaces.supported():
        return "", "not for this kind of machine"
    why = ""
    kinds: tuple[Kind, ...] = ("root", "user")
    for kind in kinds:
        why = _why_not(user, kind, Namespaces(kind, network=True, loopback=True))
        if not why:
            return kind, ""
    return "", why


def _why_not(user: User | None, kind: Kind, trial: Namespaces) -> str:
    def enter() -> str:
        if user and kind == "user":
            user.become()
        trial.prepare()
        trial.enter()
        return ""

    return answer_of_a_child(enter)
