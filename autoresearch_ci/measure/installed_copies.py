"""A copy of the repository's own packages that was installed from it, and not as editable.

`pip install .` copies the code, and so does an index whose release a tool depends on. Whoever
imports it measures the copy: every candidate would score like the baseline. Which packages those
are is found from what installers record (https://packaging.python.org/specifications/recording-installed-packages/).
How they are replaced by the measure tree's, measure/redirection says.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
_SOURCE = frozenset(
    {".c", ".cc", ".cpp", ".cxx", ".cu", ".f", ".f90", ".h", ".hpp", ".pxd", ".pyx", ".rs"}
)
_BUILDS = re.compile(r"\b(pip3? install|uv sync|build_ext|maturin|meson|cmake|make|ninja)\b")
_NAME = re.compile(r"""^\s*name\s*=\s*["']?([\w.-]+)""", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class InstalledCopy:
    """One distribution."""

    record: Path
    """The folder that says so."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Dotted name to the folder, relative to the repository's root, in which the tree has it."""
    extras: Mapping[str, str] = field(default_factory=dict)
    """Dotted name to the folder of the copy, of modules that are in no commit: built, generated."""
    compiled: tuple[str, ...] = ()
    """Files of the copy that a compiler has written."""

    @property
    def places(self) -> tuple[str, ...]:
        """What nobody needs of it, when nothing of it is missing in the tree."""
        site = self.record.parent
        found = (site / name.replace(".", "/") for name in self.packages)
        each = (path if path.is_dir() else path.with_suffix(".py") for path in found)
        return () if self.extras else tuple(str(path) for path in each)


def installed_copies(
    site: Path, root: Path, tracked: frozenset[str], checkouts: Sequence[Path]
) -> Iterator[InstalledCopy]:
    """Of a folder of packages. `root` has the repository's files; `tracked` are their paths."""
    own = project_names(root, tracked)
    for folder in sorted(site.glob("*.dist-info")):
        name = re.split(r"-\d", folder.name.removesuffix(".dist-info"))[0]
        if not (_normal(name) in own or _is_from(_text(folder / "direct_url.json"), checkouts)):
            continue
        rows = [line.rsplit(",", 2)[0].strip('"') for line in _text(folder / "RECORD").splitlines()]
        if copy := _copy(folder, [row for row in rows if _MODULE.search(row)], tracked):
            yield copy


def refuse_compiled(copy: InstalledCopy, scope: Iterable[str], lines: Iterable[str]) -> None:
    """Raises `BaselineError` where a candidate may change sources that nobody compiles again."""
    sources = [path for path in scope if PurePosixPath(path).suffix in _SOURCE]
    if copy.compiled and sources and not any(_BUILDS.search(line) for line in lines):
        raise BaselineError(
            f"measured code would use {copy.record.parent / copy.compiled[0]}, which was compiled "
            f"before the run: a change of {sources[0]} would not be measured.\n"
            "do: compile in the metric's and the guards' commands, for example\n"
            "  metric: {command: python setup.py -q build_ext --inplace && python bench.py}"
        )


def project_names(root: Path, tracked: frozenset[str]) -> frozenset[str]:
    """Normalised names under which the repository's own distributions are published."""
    found = set()
    for path in tracked:
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
        elif name == "setup.cfg" and (named := _NAME.search(_text(root / path))):
            found.add(_normal(named[1]))
    return frozenset(found)


def _copy(record: Path, files: Sequence[str], tracked: frozenset[str]) -> InstalledCopy | None:
    packages: dict[str, str] = {}
    extras: dict[str, str] = {}
    compiled = []
    for top in _tops(files):
        parent = _parent(top, tracked)
        if parent is None:
            continue
        folder = PurePosixPath(top.removesuffix("/__init__.py")).parent
        packages[_dotted(top)] = (PurePosixPath(parent) / folder).as_posix()
        for file in files:
            if file != top and not file.startswith(f"{top.removesuffix('__init__.py')}"):
                continue
            if (PurePosixPath(parent) / file).as_posix() not in tracked:
                above = PurePosixPath(file).parent
                above = above.parent if file.endswith("/__init__.py") else above
                extras[_dotted(file)] = str(record.parent / above)
            if _LIBRARY.search(file):
                compiled.append(file)
    if not packages:
        return None
    return InstalledCopy(record=record, packages=packages, extras=extras, compiled=tuple(compiled))


def _tops(files: Sequence[str]) -> list[str]:
    """What is a package, or a lone module, and lies in no other: `a/__init__.py`, `b.py`."""
    found: list[str] = []
    for file in sorted(files, key=lambda file: file.count("/")):
        folders = {f"{parent}/__init__.py" for parent in PurePosixPath(file).parents}
        is_top = file.endswith("/__init__.py") or (file.endswith(".py") and "/" not in file)
        if is_top and not folders & set(found):
            found.append(file)
    return found


def _parent(top: str, tracked: frozenset[str]) -> str | None:
    """The repository's folder in which `top` lies; `None`: it has none, or several alike."""
    usual = [p for p in _PARENTS if (PurePosixPath(p) / top).as_posix() in tracked]
    others = [path.removesuffix(f"/{top}") for path in tracked if path.endswith(f"/{top}")]
    if usual:
        return usual[0]
    return others[0] if len(others) == 1 else None


def _dotted(file: str) -> str:
    return _MODULE.sub("", file).removesuffix("/__init__").replace("/", ".")


def _is_from(direct_url: str, checkouts: Sequence[Path]) -> bool:
    """Whether an installer copied it from one of the folders, or from below."""
    try:
        said = json.loads(direct_url or "{}")
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
