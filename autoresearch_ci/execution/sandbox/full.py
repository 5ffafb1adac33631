"""The mechanism `full`: which folders the view of a jail's commands is made of.

How such a view is given to a command is bubblewrap.py's business.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from autoresearch_ci.execution.sandbox import system_files
from autoresearch_ci.execution.sandbox.abilities import Abilities
from autoresearch_ci.execution.sandbox.bubblewrap import View, launcher, words_of
from autoresearch_ci.execution.sandbox.kernel import Confinement, Step, no_new_privileges
from autoresearch_ci.execution.sandbox.landlock import SCOPE_ABI, keep_out_of_scope
from autoresearch_ci.execution.sandbox.places import Places
from autoresearch_ci.execution.sandbox.seccomp import NETWORK_FAMILIES, Filter
from autoresearch_ci.execution.sandbox.shared_memory import MortalFolder, sweep
from autoresearch_ci.execution.sandbox.system_files import ETC
from autoresearch_ci.execution.sandbox.users import User


def listed(wanted: Places, etc: str = "") -> View:
    """Of what is there now. `etc`: what is shown as /etc; without it the view is for questions."""
    writable = [*map(str, wanted.own), *wanted.write]
    shown = [*wanted.shown, *(path for path in wanted.read if not _is_of_etc(path))]
    covers = [path for path in wanted.hidden if path not in {*shown, *writable}]
    there = View(etc=etc, shown=_present(shown, writable), writable=_present(writable))
    hidden = [*map(os.path.realpath, covers), str(wanted.scratch.parent)]
    return replace(
        there,
        covered=[path for path in _present(hidden) if there.sees(path)],
        nothing=f"{Path(etc).parent}/nothing" if etc else "",
    )


def blocked(
    wanted: Places, user: User | None, needed: Sequence[str], write: Sequence[str] = ()
) -> str:
    """The first place that this user cannot use, asked in the view; empty: none.

    Folders above what is shown stop nobody there.
    """
    asked = [*(f"x{path}" for path in needed), *(f"w{path}" for path in write)]
    try_all = launcher(listed(wanted), user, network=True, filtered=b"")
    return words_of(try_all, ["sh", "-c", _FIRST_BLOCKED, "sh", *asked]) if asked else ""


_FIRST_BLOCKED = """
for place; do
    case $place in
        x*) [ -x "${place#x}" ] ;;
        w*) [ -w "${place#w}" ] ;;
    esac || { printf %s "${place#?}"; break; }
done
"""


class PreparedEtc:
    """Made on first use; it outlives us by a moment only."""

    def __init__(self) -> None:
        self._folder: MortalFolder | None = None

    def path(self, wanted: Places, user: User | None) -> str:
        if self._folder is None:
            above, ours = Path(tempfile.gettempdir()), f"tmpwork-etc-{os.geteuid()}-"
            sweep(above, ours)
            self._folder = MortalFolder(above, ours)
            (self._folder.path / "nothing").touch(0o000)
            uid, gid = (user.uid, user.gid) if user else (os.geteuid(), os.getegid())
            home, asked = str(wanted.home or "/nonexistent"), filter(_is_of_etc, wanted.read)
            system_files.prepare(self._folder.path / "etc", uid, gid, home, asked)
        return str(self._folder.path / "etc")

    def remove(self) -> None:
        if self._folder:
            self._folder.remove()
            self._folder = None


def confinement(view: View, found: Abilities, user: User | None, *, network: bool) -> Confinement:
    """`network`: the machine's own, in which Landlock keeps it from the sockets of others."""
    steps: list[Step] = []
    if network and found.landlock >= SCOPE_ABI:
        steps.append(("no new privileges", no_new_privileges))
        steps.append(("Landlock", keep_out_of_scope))
    families = None if network else NETWORK_FAMILIES
    # It sees no process of others, so it may do what it likes with those that it sees.
    filtered = b"" if found.filters else Filter(families).code
    return launcher(view, user, network=network, filtered=filtered, steps=steps)


def _present(paths: Iterable[str], besides: Iterable[str] = ()) -> list[str]:
    """Each once, normalised, if it is there and not in `besides`."""
    wanted = dict.fromkeys(map(os.path.normpath, paths))
    return [path for path in wanted if os.path.exists(path) and path not in besides]  # noqa: PTH110


def _is_of_etc(path: str) -> bool:
    return path.startswith(f"{ETC}/")
