"""A copy of the repository's own packages that was installed from it, and not as editable.

`pip install .` copies the code, and so does an index whose release a tool depends on. Whoever
imports it measures the copy: every candidate would score like the baseline. So it would where a
build came before the candidates and no command builds again. Which packages those
are is found from what installers record (https://packaging.python.org/specifications/recording-installed-packages/).
How they are replaced by the measure tree's, measure/redirection says.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from autoresearch_ci.errors import BaselineError
from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import Unreadable

_LARGEST = 4 << 20
_PARENTS = ("src", "", "lib", "python")
"""Where packages usually lie in a repository, the likeliest first."""
_LIBRARY = re.compile(r"\.(so|pyd)$")
_MODULE = re.compile(r"(\.py|(\.[\w-]+)?\.(so|pyd))$")
_DEPENDENCIES = frozenset({"node_modules", ".venv", "venv", "vendor", "site-packages"})
_NAME = re.compile(r"""(?:^|[\s(,])name\s*=\s*["']?([\w.-]+)""", re.MULTILINE)
_ASIDE = frozenset({"tests", "test", "testdata", "fixtures", "examples", "docs", "vendor"})
"""Folders whose projects are somebody else's, or made up."""
_EDITABLE = re.compile(r"_+editable_")
"""Modules of an editable install: they only say where the code lies."""


@dataclass(frozen=True, kw_only=True)
class InstalledCopy:
    """One distribution."""

    record: Path
    """The folder that says so."""
    site: Path
    """The folder of its files."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Dotted name to the folder, relative to the repository's root, in which the tree has it."""
    extras: Mapping[str, str] = field(default_factory=dict)
    """Dotted name to the folder of the copy, of modules that are in no commit: built, generated."""
    compiled: tuple[str, ...] = ()
    """Files of the copy that a compiler has written."""

    @property
    def places(self) -> tuple[str, ...]:
        """What nobody needs of it, when nothing of it is missing in the tree."""
        found = (self.site / name.replace(".", "/") for name in self.packages)
        each = (path if path.is_dir() else path.with_suffix(".py") for path in found)
        return () if self.extras else tuple(str(path) for path in each)


def installed_copies(
    site: Path, root: Path, tracked: frozenset[str], checkouts: Sequence[Path]
) -> Iterator[InstalledCopy]:
    """Of a folder of packages. `root` has the repository's files; `tracked` are their paths.

    Raises `BaselineError` where it is not plain which of the repository's files are its like.
    """
    own = project_names(root, tracked)
    for record, top, name in (*_wheels(site), *_eggs(site)):
        if _normal(name) in own or _is_from(_text(record / "direct_url.json"), checkouts):
            files = _installed(record, top)
            if files:
                yield _copy(record, top, files, tracked)


def _wheels(site: Path) -> Iterator[tuple[Path, Path, str]]:
    """The folder that describes a distribution, that of its files, and its name."""
    for name in _entries(site, ".dist-info"):
        yield site / name, site, re.split(r"-\d", name.removesuffix(".dist-info"))[0]


def _eggs(site: Path) -> Iterator[tuple[Path, Path, str]]:
    """What `setup.py install` leaves: a folder of its own, named on a path file."""
    for name in _entries(site, ".egg"):
        folder = site / name
        if folder.is_dir():
            yield folder / "EGG-INFO", folder, re.split(r"-\d", name)[0]


def _entries(site: Path, suffix: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(site) if name.endswith(suffix))  # noqa: PTH208
    except OSError:
        return []


def _installed(record: Path, top: Path) -> list[str]:
    """The modules of a distribution, relative to `top`."""
    rows = [line.rsplit(",", 2)[0].strip('"') for line in _text(record / "RECORD").splitlines()]
    if record.name == "EGG-INFO":
        rows = [path.relative_to(top).as_posix() for path in sorted(top.rglob("*"))]
    return [
        row
        for row in rows
        if _MODULE.search(row) and not row.startswith(("..", "/")) and not _EDITABLE.match(row)
    ]


def built_in_place(root: Path, tracked: frozenset[str]) -> InstalledCopy:
    """Libraries beside files of the commit, as `pip install -e .` leaves them, and a `make`."""
    folders = {str(PurePosixPath(path).parent) for path in tracked}
    places = sorted(f for f in folders if not _DEPENDENCIES & {*PurePosixPath(f).parts})
    found = [f"{folder}/{name}" for folder in places for name in _entries(root / folder, ".so")]
    compiled = tuple(path for path in map(os.path.normpath, found) if path not in tracked)
    return InstalledCopy(record=root, site=root, compiled=compiled)


def project_names(root: Path, tracked: frozenset[str]) -> frozenset[str]:
    """Normalised names under which the repository's own distributions are published."""
    found = set()
    for path in tracked:
        if _ASIDE & set(PurePosixPath(path).parts):
            continue
        name = PurePosixPath(path).name
        if name == "pyproject.toml":
            try:
                settings = tomllib.loads(_text(root / path))
            except tomllib.TOMLDecodeError:
                continue
            tool = settings.get("tool")
            poetry = tool.get("poetry") if isinstance(tool, dict) else None
            for section in (settings.get("project"), poetry):
                if isinstance(section, dict) and isinstance(section.get("name"), str):
                    found.add(_normal(section["name"]))
        elif name in ("setup.cfg", "setup.py"):
            found |= {_normal(each) for each in _NAME.findall(_text(root / path))}
    return frozenset(found)


def _copy(record: Path, site: Path, files: Sequence[str], tracked: frozenset[str]) -> InstalledCopy:
    packages: dict[str, str] = {}
    extras: dict[str, str] = {}
    for top in _tops(files):
        whole = top.removesuffix("/__init__.py")
        mine = [file for file in files if file == top or file.startswith(f"{whole}/")]
        found = _parents(top, mine, tracked)
        if len(found) != 1:
            if found or whole != top:
                raise _unplaced(record, whole, found)
            continue  # a lone module that is in no commit: a build has written it
        parent = PurePosixPath(found[0])
        packages[_dotted(top)] = (parent / PurePosixPath(whole).parent).as_posix()
        for file in mine:
            if (parent / file).as_posix() not in tracked:
                above = PurePosixPath(file.removesuffix("/__init__.py")).parent
                extras[_dotted(file)] = str(site / above)
    if not packages:
        raise _unplaced(record, files[0], ())
    compiled = tuple(file for file in files if _LIBRARY.search(file))
    return InstalledCopy(
        record=record, site=site, packages=packages, extras=extras, compiled=compiled
    )


def _tops(files: Sequence[str]) -> list[str]:
    """What is a package, or a module in none: `a/__init__.py`, `b.py`, `namespace/c.py`."""
    found: list[str] = []
    ordered = sorted(files, key=lambda file: (file.count("/"), not file.endswith("/__init__.py")))
    for file in ordered:
        if not {f"{parent}/__init__.py" for parent in PurePosixPath(file).parents} & set(found):
            found.append(file)
    return found


def _parents(top: str, mine: Sequence[str], tracked: frozenset[str]) -> list[str]:
    """The repository's folder in which `top` lies; several that are equally likely, or none."""
    ends = (path for path in tracked if path == top or path.endswith(f"/{top}"))
    folders = [path[: -len(top)].rstrip("/") for path in ends]
    if usual := [folder for folder in _PARENTS if folder in folders]:
        return usual[:1]
    shared = {f: sum(f"{f}/{file}" in tracked for file in mine) for f in folders}
    return sorted(f for f in folders if shared[f] == max(shared.values()))


def _unplaced(record: Path, name: str, folders: Sequence[str]) -> BaselineError:
    where = f"it could be that of {' or '.join(folders)}" if folders else "no file there is like it"
    return BaselineError(
        f"measured code may import {record.parent / name}, which was installed from this "
        f"repository, instead of the candidate: {where}.\n"
        "do: remove it from that environment (pip uninstall), or install it in place: "
        "pip install -e ."
    )


def _dotted(file: str) -> str:
    return _MODULE.sub("", file).removesuffix("/__init__").replace("/", ".")


def _is_from(direct_url: str, checkouts: Sequence[Path]) -> bool:
    """Whether an installer copied it from one of the folders, or from below."""
    if not direct_url:  # as most have none
        return False
    try:
        said = json.loads(direct_url)
    except ValueError:
        return False
    if not isinstance(said, dict) or not isinstance(said.get("url"), str):
        return False
    settings = said.get("dir_info")
    if isinstance(settings, dict) and settings.get("editable"):
        return False
    url = urlsplit(said["url"])
    place = Path(unquote(url.path)) if url.scheme == "file" else None
    return place is not None and any(place.is_relative_to(folder) for folder in checkouts)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _text(path: Path) -> str:
    try:
        return file_bytes(path, _LARGEST).decode(errors="replace")
    except (OSError, Unreadable):
        return ""
