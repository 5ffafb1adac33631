"""Files that git's filter drivers give another content in a working tree than in a commit.

Git LFS is the common one: the commit holds a pointer of 130 bytes. No driver is run here: its
program is the user's, and the checkout holds what it made.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.workspace.git import user_settings
from autoresearch_ci.workspace.repository import FileVersion, Repository

_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/[^\n]*\n(?:[a-z0-9.-]+ [^\n]*\n)*?"
    rb"oid sha256:(?P<oid>[0-9a-f]{64})\n(?:[a-z0-9.-]+ [^\n]*\n)*?size (?P<size>[0-9]+)\n"
)
POINTER_BYTES = 1024
"""No pointer is larger, by its specification."""
_ANNEXED = b"/annex/objects/"
_NO_DRIVER = ("unspecified", "unset")
_POINTING = ("lfs", "annex")
"""What commits pointers wherever it is installed, here or not."""
_SEVERAL = 3
"""Files that a refusal names."""


def worktree_contents(
    repository: Repository, files: Mapping[str, FileVersion], modules: Mapping[str, str]
) -> dict[str, Path]:
    """Where the content lies of each file that a filter made; the others are as committed.

    `modules`: commits of the submodules that are checked out, of all levels, by path.

    Raises `WorkspaceError` when what a pointer names lies nowhere.
    """
    found, lost = _contents(repository, files)
    for name, commit in modules.items():
        module = Repository.open(repository.root / name)
        try:
            inside, lacking = _contents(module, module.files(commit))
        finally:
            module.close()
        found |= {f"{name}/{path}": place for path, place in inside.items()}
        lost += [f"{name}/{path}" for path in lacking]
    if lost:
        names = ", ".join(lost[:_SEVERAL]) + (", ..." if len(lost) > _SEVERAL else "")
        raise WorkspaceError(
            f"the content of {names} is not here, only the pointers that Git LFS commits, or "
            "git-annex.\n"
            "usually: LFS files were not fetched, or such a file was changed and not committed.\n"
            f"do: {_cure(modules, lost[0])}; for actions/checkout, lfs: true. git-annex: git annex "
            "get ."
        )
    return found


def _contents(
    repository: Repository, files: Mapping[str, FileVersion]
) -> tuple[dict[str, Path], list[str]]:
    """Where they lie, and which lie nowhere."""
    found: dict[str, Path] = {}
    lost: list[str] = []
    drivers = _drivers(repository, files)
    only_clean = _only_cleaning(repository) if drivers else set()
    for path, driver in drivers.items():
        place = _content(repository, path, files[path], made=driver not in only_clean)
        if place is None:
            lost.append(path)
        elif place != Path():
            found[path] = place
    return found, lost


def _cure(modules: Mapping[str, str], path: str) -> str:
    if any(path.startswith(f"{name}/") for name in modules):
        return "git submodule foreach --recursive git lfs pull"
    return "git lfs pull"


def only_filtered(repository: Repository, changed: Collection[str]) -> bool:
    """Whether what git calls changed while no filter runs is not changed at all."""
    if not changed:
        return True
    files = repository.files("HEAD")
    if not set(filtered_paths(repository, files)).issuperset(changed):
        return False
    return all(_is_unchanged(repository, path, files[path]) for path in changed)


def _only_cleaning(repository: Repository) -> set[str]:
    """Filters by which a new checkout has what is committed, as nbstripout's."""
    told = user_settings(repository.root, "^filter[.].*[.](smudge|process)$")
    process = {name.rpartition(".")[0] for name in told if name.endswith(".process")}
    plain = {name.removesuffix(".smudge") for name, command in told.items() if command == "cat"}
    return {name.removeprefix("filter.") for name in plain - process}


def filtered_paths(repository: Repository, files: Mapping[str, FileVersion]) -> list[str]:
    """The regular files for which `.gitattributes` names a filter."""
    return list(_drivers(repository, files))


def filter_of_new(repository: Repository, files: Mapping[str, FileVersion]) -> Callable[[str], str]:
    """Which filter would change what is committed of a file that is not there yet; empty: none.

    No driver is run, so such a file would be committed as it is, in the place of a pointer.
    """

    @functools.cache
    def of(path: str) -> str:
        if not _names_filters(repository, files):
            return ""
        driver = repository.attribute("filter", [path])[path]
        if driver in _NO_DRIVER or driver in _only_cleaning(repository):
            return ""
        set_up = user_settings(repository.root, f"^filter[.]{re.escape(driver)}[.]")
        return driver if set_up or driver in _POINTING else ""

    return of


def is_pointer(content: bytes) -> bool:
    """Whether a commit holds no more than where the content lies: Git LFS, git-annex."""
    return bool(_POINTER.fullmatch(content)) or content.startswith(_ANNEXED)


def _drivers(repository: Repository, files: Mapping[str, FileVersion]) -> dict[str, str]:
    """The filter of each of these.

    Only where a committed one does, as what else a checkout says was never part of the commit, or
    the clone's own, as git-annex writes it.
    """
    if not _names_filters(repository, files):
        return {}
    drivers = repository.attribute("filter", (p for p in files if files[p].regular))
    return {path: name for path, name in drivers.items() if name not in _NO_DRIVER}


def _names_filters(repository: Repository, files: Mapping[str, FileVersion]) -> bool:
    rules = [p for p in files if p.rpartition("/")[2] == ".gitattributes" and files[p].regular]
    texts = map(repository.read, (files[path] for path in rules))
    return any(b"filter" in text for text in (_own_rules(repository), *texts))


def _own_rules(repository: Repository) -> bytes:
    try:
        return (repository.common_dir / "info" / "attributes").read_bytes()
    except OSError:
        return b""


def _content(repository: Repository, path: str, version: FileVersion, *, made: bool) -> Path | None:
    """`Path()`: the commit's own is right. `made`: a checkout is given another one."""
    place = repository.root / path
    pointer = _pointer(repository, version)
    if pointer:
        oid, size = pointer
        known = repository.common_dir / "lfs" / "objects" / oid[:2] / oid[2:4] / oid
        return next((p for p in (known, place) if _is_of(p, oid, size)), None)
    # A file that is changed in the checkout is as committed, like any other: that is said.
    if made and not _holds(place, version) and repository.untouched(path):
        return place
    return None if _is_annexed(repository, version) else Path()


def _is_unchanged(repository: Repository, path: str, version: FileVersion) -> bool:
    place = repository.root / path
    pointer = _pointer(repository, version)
    if pointer and _is_of(place, *pointer):
        return True
    return _holds(place, version) or repository.untouched(path)


def _pointer(repository: Repository, version: FileVersion) -> tuple[str, int] | None:
    if repository.size(version) > POINTER_BYTES:
        return None
    match = _POINTER.fullmatch(repository.read(version))
    return (match["oid"].decode(), int(match["size"])) if match else None


def _is_annexed(repository: Repository, version: FileVersion) -> bool:
    """Whether the commit holds what git-annex writes in the place of a file."""
    small = repository.size(version) <= POINTER_BYTES
    return small and repository.read(version).startswith(_ANNEXED)


def _is_of(place: Path, oid: str, size: int) -> bool:
    try:
        if place.is_symlink() or place.stat().st_size != size:
            return False
        with place.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == oid
    except OSError:
        return False


def _holds(place: Path, version: FileVersion) -> bool:
    """Whether a file is, byte for byte, what the commit has."""
    try:
        size = place.stat().st_size
        algorithm = "sha1" if len(version.blob) == 40 else "sha256"
        digest = hashlib.new(algorithm, b"blob %d\0" % size, usedforsecurity=False)
        with place.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError:
        return False
    return not place.is_symlink() and digest.hexdigest() == version.blob
