"""Files that others may write to, or swap for links, at the same instant: reached and read safely.

Below a folder no step on the way is ever a link. Programs that are not ours may change the tree
meanwhile, so a path is not checked and then used: each folder is opened from its parent, links
refused, and the last step is taken in the folder that is open. A path that turns into a link raises
`OSError` and nothing is touched. Of a single file, kind and size are looked at before its bytes.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self, cast

from autoresearch_ci.safety.untrusted_values import MIB, Unreadable, shown_size


def file_bytes(path: Path, limit: int, *, follow: bool = True) -> bytes:
    """A regular file's content, `limit` bytes at most; no pipe is waited for, no device opened.

    `follow`: whether `path` itself may be a link. Raises `Unreadable`, or `OSError` where there is
    nothing or nothing readable.
    """
    with _opened(path, limit, follow=follow) as file:
        parts = []
        left = limit + 1  # a file may grow, and those of /proc say that they are empty
        while left > 0 and (part := file.read(min(left, MIB))):
            parts.append(part)
            left -= len(part)
    if left <= 0:
        raise Unreadable(f"is larger than {shown_size(limit)}")
    return b"".join(parts)


def last_bytes(path: Path, count: int) -> bytes:
    """The end of a regular file that is no link, however large. Raises as `file_bytes` does."""
    with _opened(path, None, follow=False) as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - count))
        return file.read(count) or b""


@contextlib.contextmanager
def _opened(path: Path, limit: int | None, *, follow: bool) -> Iterator[io.FileIO]:
    _check(path.stat(follow_symlinks=follow), limit)
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
    with io.FileIO(descriptor) as file:
        _check(os.fstat(descriptor), limit)  # what was opened may not be what was looked at
        yield file


def _check(status: os.stat_result, limit: int | None) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise Unreadable("is a link")
    if stat.S_ISDIR(status.st_mode):
        raise Unreadable("is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("is a pipe, socket or device, not a file")
    if limit is not None and status.st_size > limit:
        raise Unreadable(f"is larger than {shown_size(limit)}")


_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
"""Never an existing file: it could be a second name of one that lies elsewhere."""
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""A pipe in a file's place shall not hang us."""
_HANDLE: int = getattr(os, "O_PATH", 0)
"""Holds a folder that may not be opened, on Linux; needs /proc."""
_DEEPEST = 64
"""Folders of a chain that are held open; more are opened again on the way back."""

_LINKS = 40
"""That are followed on the way to one file, as the kernel does."""
_LINK = frozenset({errno.ELOOP, errno.EMLINK})
"""A link where none may be; FreeBSD has a word of its own for it."""
MOVING = _LINK.union({errno.ENOTDIR, errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR})
"""What a step meets when somebody changes the tree at the same time."""


@contextlib.contextmanager
def folder(root: Path, path: str = "") -> Iterator[int]:
    """A folder below `root`, opened; `""` is `root` itself."""
    descriptor = os.open(root, _FOLDER)
    try:
        for name in path.split("/") if path else ():
            descriptor, parent = os.open(name, _FOLDER, dir_fd=descriptor), descriptor
            os.close(parent)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def place(root: Path, path: str) -> Iterator[tuple[int, str]]:
    """The open folder that holds `path`, and the name in it."""
    above, _, name = path.rpartition("/")
    with folder(root, above) as descriptor:
        yield descriptor, name


def status(root: Path, path: str) -> os.stat_result:
    """What lies at `path`; a link is described, not followed."""
    with place(root, path) as (at, name):
        return os.stat(name, dir_fd=at, follow_symlinks=False)


def read(root: Path, path: str, limit: int, *, one_name: bool = False) -> bytes | None:
    """Up to `limit` bytes of a regular file; `None` for anything else that lies there.

    `one_name`: also for a file that has a second name, which may be what somebody else keeps.
    """
    with place(root, path) as (at, name):
        descriptor = _open_file(at, name)
        if descriptor is None:
            return None
        with _stream(descriptor, "rb") as file:
            if one_name and os.fstat(descriptor).st_nlink != 1:
                return None
            return file.read(limit)


def write(root: Path, path: str, content: bytes, mode: int) -> None:
    """A new file; whatever had this name before must be gone."""
    with (
        place(root, path) as (at, name),
        _stream(os.open(name, _NEW, 0o600, dir_fd=at), "wb") as file,
    ):
        file.write(content)
        os.fchmod(file.fileno(), mode)


def link(root: Path, path: str, target: str) -> None:
    """A new symbolic link."""
    with place(root, path) as (at, name):
        os.symlink(target, name, dir_fd=at)


def make_folder(root: Path, path: str) -> int:
    """A folder, new or not, that is no link; returns its permissions."""
    with place(root, path) as (at, name):
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=at)
        descriptor = os.open(name, _FOLDER, dir_fd=at)
        try:
            return stat.S_IMODE(os.fstat(descriptor).st_mode)
        finally:
            os.close(descriptor)


def unlink(root: Path, path: str) -> None:
    """Remove a file or a link."""
    with place(root, path) as (at, name):
        os.unlink(name, dir_fd=at)


def rmdir(root: Path, path: str) -> None:
    """Remove an empty folder."""
    with place(root, path) as (at, name):
        os.rmdir(name, dir_fd=at)


def drop_empty_parents(root: Path, path: str) -> list[str]:
    """Remove the folders above `path` that hold nothing, as git does; returns which."""
    gone = []
    for above in Path(path).parents[:-1]:
        try:
            rmdir(root, above.as_posix())
        except OSError as error:
            if error.errno in MOVING:  # it holds something, or is no folder
                break
            raise
        gone.append(above.as_posix())
    return gone


def without_links(root: Path, path: str, known_as: Path) -> str | None:
    """`path` with what the links on the way to it lead to; `None`: out of `root`, or nowhere.

    What lies there may be a link itself. `known_as`: what absolute links call `root`.
    """
    names = {f"{known_as}/", f"{os.path.realpath(known_as)}/"}
    pending = path.split("/")[::-1]
    found: list[str] = []
    links = 0
    while pending:
        step = pending.pop()
        if step == "..":
            if not found:
                return None
            found.pop()
        elif step not in ("", "."):
            found.append(step)
            if not pending:
                break
            target = _link(root, "/".join(found))
            if target is None:
                continue
            links += 1
            own = next((name for name in names if f"{target}/".startswith(name)), "")
            if links > _LINKS or (target.startswith("/") and not own):
                return None
            found = [] if own else found[:-1]
            pending += target.removeprefix(own.rstrip("/")).split("/")[::-1]
    return "/".join(found)


def _link(root: Path, path: str) -> str | None:
    """Where it leads; `None`: it is no link."""
    try:
        with place(root, path) as (at, name):
            return os.readlink(name, dir_fd=at)
    except OSError:
        return None


def listing(
    root: Path, path: str = "", handle: int = _HANDLE
) -> tuple[os.stat_result, list[tuple[str, os.stat_result]]]:
    """Make a folder ours to list and change.

    Returns what it was, and names in it with what they are (links are described, not followed).
    `handle`: 0 does as systems do that have no `O_PATH`.
    """
    if not path:
        return _listing(None, str(root), handle)
    with place(root, path) as (at, name):
        return _listing(at, name, handle)


class Cursor:
    """Lists folder after folder of a tree, each opened from the nearest above it still open.

    Else a tree of a thousand levels would cost a million steps.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: dict[str, int] = {}
        """The last folder and those above it, from the outermost."""

    def listing(self, path: str) -> tuple[os.stat_result, list[tuple[str, os.stat_result]]]:
        """As the function; the folders above it have been listed before."""
        above, _, name = path.rpartition("/")
        return _listing(self.folder(above), name) if path else listing(self._root)

    def folder(self, path: str) -> int:
        """One that can be opened, as those that have been listed; not to be closed."""
        for known in reversed(list(self._open)):
            if not known or f"{path}/".startswith(f"{known}/"):
                break
            os.close(self._open.pop(known))
        else:
            known, self._open[""] = "", os.open(self._root, _FOLDER)
        for name in path.removeprefix(known).split("/"):
            if name:
                descriptor = os.open(name, _FOLDER, dir_fd=self._open[known])
                known = f"{known}/{name}" if known else name
                self._open[known] = descriptor
                if len(self._open) > _DEEPEST:
                    os.close(self._open.pop(next(above for above in self._open if above)))
        return self._open[known]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            os.close(self._open.popitem()[1])


def _listing(
    at: int | None, name: str, handle: int = _HANDLE
) -> tuple[os.stat_result, list[tuple[str, os.stat_result]]]:
    with _ours(at, name, handle) as (descriptor, was), os.scandir(descriptor) as found:
        return was, [(entry.name, entry.stat(follow_symlinks=False)) for entry in found]


@contextlib.contextmanager
def _ours(at: int | None, name: str, handle: int = _HANDLE) -> Iterator[tuple[int, os.stat_result]]:
    """A folder, opened and made ours to list and change; with what it was before."""
    was = None
    try:
        descriptor = os.open(name, _FOLDER, dir_fd=at)
    except PermissionError:
        was = _force_open(at, name, handle)
        descriptor = os.open(name, _FOLDER, dir_fd=at)
    try:
        if was is None:
            was = os.fstat(descriptor)
            mode = stat.S_IMODE(was.st_mode)
            if mode & 0o700 != 0o700:
                os.fchmod(descriptor, mode | 0o700)
        yield descriptor, was
    finally:
        os.close(descriptor)


def _force_open(at: int | None, name: str, handle: int) -> os.stat_result:
    """Give ourselves a folder that may not be opened; returns what it was."""
    if handle:
        flags = handle | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, dir_fd=at)
        try:
            was = os.fstat(descriptor)
            mode = stat.S_IMODE(was.st_mode) | 0o700
            os.chmod(f"/proc/self/fd/{descriptor}", mode)  # noqa: PTH101
        finally:
            os.close(descriptor)
        return was
    was = os.stat(name, dir_fd=at, follow_symlinks=False)
    if not stat.S_ISDIR(was.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
    # What somebody puts in its place just now gains our own permissions, if it is no link.
    os.chmod(name, stat.S_IMODE(was.st_mode) | 0o700, dir_fd=at, follow_symlinks=False)
    return was


def remove(root: Path, path: str) -> None:
    """Delete a file or a whole folder, also when a command took away its permissions."""
    with contextlib.ExitStack() as stack:
        try:
            at, name = stack.enter_context(place(root, path))
            if not stat.S_ISDIR(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
                os.unlink(name, dir_fd=at)
                return
        except (FileNotFoundError, NotADirectoryError):
            return
        with _ours(at, name) as (top, _):
            # What lies deeper is moved up first: the cost does not grow with the depth.
            pending = _without_files(top, top)
            while pending:
                below = pending.pop()
                with _ours(top, below) as (descriptor, _):
                    pending += _without_files(descriptor, top)
                os.rmdir(below, dir_fd=top)
        os.rmdir(name, dir_fd=at)


def _without_files(descriptor: int, top: int) -> list[str]:
    """Delete the files of a folder and move its folders to `top`; returns the names they have."""
    with os.scandir(descriptor) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    names = []
    for name, is_folder in found:
        if not is_folder:
            os.unlink(name, dir_fd=descriptor)
        elif descriptor == top:
            names.append(name)
        else:
            moved = f".{secrets.token_hex(8)}"
            with _ours(descriptor, name):  # who moves a folder must be allowed to write into it
                try:
                    os.rename(name, moved, src_dir_fd=descriptor, dst_dir_fd=top)
                except OSError as error:
                    if error.errno != errno.EXDEV:
                        raise
                    # Below a layer, where nothing has run that would have nested it deeply.
                    shutil.rmtree(name, dir_fd=descriptor)
                else:
                    names.append(moved)
    return names


def copy(source: tuple[Path, str], target: tuple[Path, str]) -> bool:
    """Copy a regular file or a link with its mode, as if unread; the target must not be there.

    Pipes, sockets and devices are not worth restoring. Returns whether something was copied.
    """
    with contextlib.ExitStack() as stack:
        try:
            at, name = stack.enter_context(place(*source))
            found = os.stat(name, dir_fd=at, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return False
        to, new = stack.enter_context(place(*target))
        if stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(name, dir_fd=at), new, dir_fd=to)
        else:
            descriptor = _open_file(at, name)
            if descriptor is None:
                return False
            with (
                _stream(descriptor, "rb") as old,
                _stream(os.open(new, _NEW, 0o600, dir_fd=to), "wb") as file,
            ):
                shutil.copyfileobj(old, file, 1 << 20)
                os.fchmod(file.fileno(), stat.S_IMODE(found.st_mode))
        # When it was read says how often it was copied, which is our doing.
        times = (found.st_mtime_ns, found.st_mtime_ns)
        os.utime(new, ns=times, dir_fd=to, follow_symlinks=False)
    return True


def _open_file(at: int, name: str) -> int | None:
    """A regular file, opened for reading; `None` for anything else."""
    try:
        if not stat.S_ISREG(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
            return None
        descriptor = os.open(name, _OLD, dir_fd=at)
    except OSError as error:
        if error.errno in {
            *_LINK,
            errno.ENXIO,
            errno.EOPNOTSUPP,
        }:  # it became a link or a socket just now
            return None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    return descriptor


def _stream(descriptor: int, mode: str) -> BinaryIO:
    return cast("BinaryIO", os.fdopen(descriptor, mode))
