"""Runs at the start of each Python: what an editable install says is looked for in another place.

A file of ours as text, with a call of `move` added; it is imported by nobody else, must run on any
Python 3 and may leave nothing behind but what it is for.
"""

from __future__ import annotations

# pathlib is not loaded yet, and every start of Python would wait for it.
# ruff: noqa: PTH100, PTH120
import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec

TYPE_CHECKING = False  # loading `typing` would take longer than all else here
if TYPE_CHECKING:
    from typing import Any

_TABLES = ("MAPPING", "NAMESPACES", "_redirections")
"""Of the finders that setuptools and `editables` write."""


def move(places: Any, added: Any) -> None:
    """`places`: folder to the one instead of it. `added`: folder of packages to what path files in
    it name, which Python passes over where it cannot see that place.

    An environment that lies in the checkout stays where it is: the measure tree has none.
    """

    def inside(path: Any, folder: str) -> bool:
        return isinstance(path, str) and (path + "/").startswith(folder + "/")

    def moved(path: Any) -> Any:
        for old, new in places.items():
            environment = sys.prefix != old and inside(sys.prefix, old) and inside(path, sys.prefix)
            if inside(path, old) and not environment:
                return new + path[len(old) :]
        return path

    for site in [path for path in sys.path if path in added]:
        sys.path += [path for path in added[site] if path not in sys.path]
    sys.path[:] = list(dict.fromkeys(moved(path) for path in sys.path))
    for finder in sys.meta_path:
        holders = [finder, sys.modules.get(getattr(finder, "__module__", ""))]
        for table in [getattr(holder, name, None) for holder in holders for name in _TABLES]:
            if isinstance(table, dict):
                for key, value in list(table.items()):
                    several = isinstance(value, list)
                    table[key] = [moved(path) for path in value] if several else moved(value)


def replace(packages: Any, extras: Any) -> None:
    """Have packages come from another folder than the one in which they are installed.

    `packages`: dotted name to the folder that holds it. `extras`: dotted name to the folder of
    modules of theirs that are found nowhere else.
    """

    class Finder:
        @staticmethod
        def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
            if name not in packages and name not in extras:
                return None
            folders = [packages[name]] if name in packages else path
            found = PathFinder.find_spec(name, folders, target)
            if found is None and name in extras:
                found = PathFinder.find_spec(name, [extras[name]], target)
            if found is None:  # and nobody else is asked: they would find the copy
                raise ModuleNotFoundError("No module named " + repr(name), name=name)
            return found

        invalidate_caches = staticmethod(PathFinder.invalidate_caches)

    if packages:
        sys.meta_path.insert(0, Finder)


_HERE = os.path.dirname(os.path.abspath(__file__))
_OWN = PathFinder.find_spec("sitecustomize", [path for path in sys.path if path != _HERE])
if _OWN and _OWN.loader:  # the user's, in whose place this one was found
    _OWN.loader.exec_module(module_from_spec(_OWN))
