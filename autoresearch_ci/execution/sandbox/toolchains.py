"""Which folders a command's programs are installed in, told by its environment and its words.

What is found is shown to measured code, so a folder counts as an installation by what lies in it,
and a home, or what holds credentials beside programs, never as a whole.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_PROGRAMS = frozenset({"bin", "sbin", "shims", "Scripts", "condabin"})
_MARKS = (
    "pyvenv.cfg", "conda-meta", "lib", "lib64", "libexec", "include", "share", "versions", "jmods",
    "Cellar", "pkg",
)  # fmt: skip
"""In an installation, beside the folder of its programs."""
_MIXED = (
    "", ".local", ".local/share", ".cargo", "go", ".config", ".cache", ".docker", ".claude",
    ".codex", ".gemini", ".composer", ".ssh", ".aws", ".gnupg", ".m2",
)  # fmt: skip
"""Of a home: their programs are shown, not what lies beside them."""
_OF_ALL = frozenset(
    f"/{name}"
    for name in (
        "", "boot", "dev", "etc", "github", "home", "media", "mnt", "opt", "proc", "root", "run",
        "srv", "sys", "tmp", "usr", "usr/local", "var", "var/lib", "var/run", "var/tmp", "bin",
        "sbin", "lib", "lib32", "lib64", "libx32", "dev/shm",
    )
)  # fmt: skip
"""Folders that hold more than one program, on every machine."""
_NEVER = re.compile("/(proc|sys|dev(?!/shm/)|run/secrets)/")
_STORES = ("/nix/store", "/gnu/store", "/snap")
"""Whatever is installed in them needs other parts of them."""
_NO_PATHS = frozenset({"HOME", "TMPDIR", "TMP", "TEMP", "PWD", "OLDPWD"})
_LINKS = 2000
"""That are followed in one folder of programs."""


@dataclass(frozen=True, kw_only=True)
class Toolchains:
    """`found` once for a run."""

    home: Path
    """Of the user who runs us."""
    apart: tuple[str, ...] = ()
    """Folders of which nothing is shown as a whole that holds them: the checkout."""
    _seen: dict[str, None] = field(default_factory=dict)
    _looked: set[str] = field(default_factory=set)

    def found(self, environment: Mapping[str, str], programs: Iterable[str]) -> list[str]:
        """Folders and files, absolute; links and what they lead to."""
        for name, value in environment.items():
            for place in value.split(os.pathsep) if name not in _NO_PATHS else ():
                if name == "PATH":
                    self._add_programs(place)
                elif place.startswith("/"):
                    self._add(place)
        for program in programs:
            for place in {program, os.path.realpath(program)}:
                self._add_programs(os.path.dirname(place))  # noqa: PTH120
        return list(self._seen)

    def _add_programs(self, folder: str) -> None:
        """A folder of PATH, and what the links in it start."""
        if not folder.startswith("/"):
            return
        self._add(self._installation(folder))
        real = os.path.realpath(folder)  # /bin is /usr/bin almost everywhere
        if real in self._looked:
            return
        self._looked.add(real)
        for target in _targets(real):
            self._add(self._installation(target))

    def _installation(self, folder: str) -> str:
        path = Path(os.path.normpath(folder))
        packages = [p for p in (path, *path.parents) if p.name == "node_modules"]
        if packages and not any(packages[-1].is_relative_to(place) for place in self.apart):
            return str(packages[-1])  # in which each uses others
        top = path.parent
        if path.name in _PROGRAMS and any((top / mark).exists() for mark in _MARKS):
            return str(path if self._is_wide(str(top)) else top)
        return str(path)

    def _add(self, place: str) -> None:
        path = os.path.normpath(place)
        store = next((store for store in _STORES if path.startswith(f"{store}/")), path)
        if store in self._seen or self._is_wide(store) or not os.path.exists(store):  # noqa: PTH110
            return
        self._seen[store] = None
        real = os.path.realpath(store)
        if real != store:
            self._add(real)
        for base in _bases(Path(store)):
            self._add(self._installation(base))

    def _is_wide(self, path: str) -> bool:
        """Whether it is more than a toolchain."""
        return path in self._wide or bool(_NEVER.match(path))

    @functools.cached_property
    def _wide(self) -> frozenset[str]:
        mixed = (str(self.home / name) for name in _MIXED)
        places = (str(self.home), *self.apart)
        above = (str(p) for place in places for p in Path(place).parents)
        return _OF_ALL.union(mixed, above, self.apart)


def _bases(prefix: Path) -> Iterator[str]:
    """Where the Python lies that a virtual environment was made from."""
    with contextlib.suppress(OSError):
        text = (prefix / "pyvenv.cfg").read_text(errors="replace")
        yield from re.findall(r"(?m)^home\s*=\s*(/.*?)\s*$", text)


def _targets(folder: str) -> Sequence[str]:
    """Where the programs lie that links in this folder lead to."""
    try:
        changed = os.stat(folder).st_mtime_ns  # noqa: PTH116
    except OSError:
        return ()
    return _followed(folder, changed)


@functools.cache
def _followed(folder: str, _changed: int) -> Sequence[str]:
    """Once, as it takes a while to follow the links of a system's folder."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        links = [entry.path for entry in entries if entry.is_symlink()]
        near = (os.path.join(folder, os.readlink(link)) for link in links[:_LINKS])  # noqa: PTH115, PTH118
        # Most of a system's lead to others of it, and need not be followed to the end.
        far = [path for path in near if not path.startswith(("/usr/", "/etc/"))]
        return tuple({os.path.dirname(os.path.realpath(path)): None for path in far})  # noqa: PTH120
    return ()
