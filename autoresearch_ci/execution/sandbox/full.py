"""The mechanism `full`: which folders the view of a jail's commands is made of.

How such a view is given to a command is bubblewrap.py's business.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from autoresearch_ci.execution.sandbox import system_files
from autoresearch_ci.execution.sandbox.abilities import Abilities
from autoresearch_ci.execution.sandbox.bubblewrap import CODE, View
from autoresearch_ci.execution.sandbox.kernel import Confinement
from autoresearch_ci.execution.sandbox.landlock import SCOPE_ABI
from autoresearch_ci.execution.sandbox.namespaces import Namespaces
from autoresearch_ci.execution.sandbox.places import Places
from autoresearch_ci.execution.sandbox.seccomp import NETWORK_FAMILIES, Filter
from autoresearch_ci.execution.sandbox.system_files import ETC
from autoresearch_ci.execution.sandbox.users import User

_LINKS = 40
"""That the kernel follows."""


def view(wanted: Places, user: User | None, bare: Collection[str]) -> View:
    """Of what is there now. `bare`: toolchains that are no layers."""
    uid, gid = (user.uid, user.gid) if user else (os.geteuid(), os.getegid())
    home, asked = str(wanted.home or "/nonexistent"), filter(_is_of_etc, wanted.read)
    etc, found = system_files.shown(uid, gid, home, asked), listed(wanted)
    return replace(found, etc=etc, layered=[p for p in toolchains(wanted) if p not in bare])


def toolchains(wanted: Places) -> list[str]:
    """Folders that may be read, and of which nobody has said so."""
    said = {*_present(map(str, (wanted.scratch, *wanted.own, *wanted.read)))}
    system = [path for path in CODE if not Path(path).is_symlink()]
    places = (*system, *listed(wanted).shown)
    return [path for path in places if path not in said and Path(path).is_dir()]


def listed(wanted: Places) -> View:
    """The same without the files of the system, for questions."""
    shown, writable = _named(wanted)
    there = View(shown=_present(shown, writable), writable=_present(writable))
    return replace(there, covered=[path for path in _hidden(wanted) if there.sees(path)])


def _named(wanted: Places) -> tuple[list[str], list[str]]:
    """What may be read, and written, if it is there."""
    own = [*map(str, wanted.own)]
    writable = [*(map(str, wanted.kept) if wanted.sealed else own), *wanted.write]
    shown = [*wanted.shown, *(path for path in wanted.read if not _is_of_etc(path))]
    return [*shown, *(own if wanted.sealed else ())], writable


def _hidden(wanted: Places) -> list[str]:
    """What is there and to be covered, if it is shown."""
    named = {path for paths in _named(wanted) for path in paths}
    there_are = (path for path in wanted.hidden if path not in named and os.path.exists(path))  # noqa: PTH110
    return _present([*map(os.path.realpath, there_are), str(wanted.scratch.parent)])


def covered_in(wanted: Places, folders: Sequence[Path]) -> list[Path]:
    """What is hidden in these folders, the outermost: a layer above them would show it again."""
    inside = tuple(f"{folder}/" for folder in folders)  # as strings: each measurement asks
    found = [path for path in _hidden(wanted) if path.startswith(inside)]
    return [Path(p) for p in found if not p.startswith(tuple(f"{above}/" for above in found))]


def blocked(wanted: Places, user: User, needed: Sequence[str], write: Sequence[str] = ()) -> str:
    """The first place that this user cannot use in the view; empty: none.

    Told by owners and permissions, as folders above what is shown stop nobody there.
    """
    view = listed(wanted)
    asked = [*((path, os.X_OK) for path in needed), *((path, os.W_OK) for path in write)]
    return next((path for path, way in asked if not _may(view, user, path, way)), "")


def _may(view: View, user: User, path: str, way: int) -> bool:
    try:
        return all(user.may(place.stat(), os.X_OK) for place in _folders(view, path)) and user.may(
            os.stat(path),  # noqa: PTH116 - a string
            way,
        )
    except OSError:
        return False


def _folders(view: View, path: str) -> Iterator[Path]:
    """Of a place and of every link on the way to it: who is stopped there finds another program.

    Raises `OSError`.
    """
    for _ in range(_LINKS):
        folder = Path(os.path.realpath(os.path.dirname(path)))  # noqa: PTH120
        here = str(folder / os.path.basename(path))  # noqa: PTH119
        top = view.top(here)
        if not (top and view.top(os.path.normpath(path))):
            raise FileNotFoundError(path)
        yield from (place for place in Path(here).parents if place.is_relative_to(top))
        if not os.path.islink(here):  # noqa: PTH114
            return
        path = os.path.join(folder, os.readlink(here))  # noqa: PTH115, PTH118
    raise OSError(errno.ELOOP, path)


def confinement(
    place: Namespaces, found: Abilities, user: User | None, *, network: bool
) -> Confinement:
    """`network`: the machine's own, where Landlock keeps it from the sockets of others."""
    families = None if network else NETWORK_FAMILIES
    # It sees no process of others, so it may do what it likes with those that it sees.
    filtered = b"" if found.filters else Filter(families).code
    scoped = network and found.landlock >= SCOPE_ABI
    return place.confinement(user, network=network, scoped=scoped, filtered=filtered)


def _present(paths: Iterable[str], besides: Iterable[str] = ()) -> list[str]:
    """Each once, normalised, if it is there and not in `besides`."""
    wanted = dict.fromkeys(map(os.path.normpath, paths))
    return [path for path in wanted if os.path.exists(path) and path not in besides]  # noqa: PTH110


def _is_of_etc(path: str) -> bool:
    return path.startswith(f"{ETC}/")
