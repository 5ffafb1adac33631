"""The /etc that measured code sees: what programs need of the machine's, and no secret.

A list of what is shown, because nobody has one of what is secret.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

ETC = Path("/etc")
_SHOWN = (
    "hosts", "host.conf", "resolv.conf", "gai.conf", "hostname", "localtime", "timezone",
    "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "os-release", "debian_version",
    "lsb-release", "redhat-release", "alpine-release", "machine-id",
    "ssl/certs", "ssl/openssl.cnf", "ssl/cert.pem", "ca-certificates", "ca-certificates.conf",
    "pki/tls/certs", "pki/tls/cert.pem", "pki/tls/openssl.cnf", "pki/ca-trust/extracted",
    "pki/java", "crypto-policies",
    "services", "protocols", "mime.types", "magic", "magic.mime", "fonts", "terminfo", "inputrc",
    "shells", "dotnet",
    "locale.alias", "locale.conf", "profile", "bash.bashrc", "perl", "R", "ImageMagick-6",
    "ImageMagick-7", "chromium", "chromium.d", "vulkan", "OpenCL", "glvnd", "java*", "python3*",
    "maven",
)  # fmt: skip
"""Not gitconfig, npmrc, pip.conf: they may hold tokens."""
_SWITCH = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\n"
_LARGEST = 4 << 20
"""Bytes of a file."""


@dataclass(frozen=True, kw_only=True)
class SystemFiles:
    """What there is of /etc; paths are absolute."""

    files: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    """Permissions and content of each."""
    links: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    """Of the machine's own, which are shown as they are."""

    def add(self, place: Path) -> None:
        """A link may lead out of /etc, to what is shown; those in a folder stay as they are."""
        found = place.stat()
        if stat.S_ISREG(found.st_mode) and found.st_size <= _LARGEST:
            mode = 0o755 if found.st_mode & 0o111 else 0o644
            self.files[str(place)] = mode, place.read_bytes()
        elif stat.S_ISDIR(found.st_mode) and _is_public_throughout(str(place)):
            self.folders.append(str(place))
        elif stat.S_ISDIR(found.st_mode):
            self._add_public(str(place))

    def _add_public(self, folder: str) -> None:
        with os.scandir(folder) as entries:
            for entry in filter(_is_public, entries):
                if entry.is_symlink():
                    self.links[entry.path] = os.readlink(entry.path)  # noqa: PTH115
                else:
                    with contextlib.suppress(OSError):
                        self.add(Path(entry.path))


def public() -> list[Path]:
    """What of the machine's own others may see, where it cannot be another one."""
    wanted = (*_SHOWN, "passwd", "group", "nsswitch.conf")
    return [path for name in wanted for path in sorted(ETC.glob(name))]


def shown(uid: int, gid: int, home: str, asked: Iterable[str] = ()) -> SystemFiles:
    """For a user and its HOME. `asked`: paths below /etc that are to be there as well."""
    found = SystemFiles()
    for place in (*(path for name in _SHOWN for path in sorted(ETC.glob(name))), *map(Path, asked)):
        with contextlib.suppress(OSError):  # what we may not read is not for others either
            found.add(place)
    texts = {
        "passwd": _users(uid, gid, home),
        "group": f"root:x:0:\nnogroup:x:65534:\n{_user(f'grp:x:{gid}:', gid)}",
        "nsswitch.conf": _SWITCH,
    }
    if f"{ETC}/hosts" not in found.files:
        texts["hosts"] = "127.0.0.1 localhost\n::1 localhost\n"
    found.files.update({f"{ETC}/{name}": (0o644, os.fsencode(t)) for name, t in texts.items()})
    return found


def _is_public_throughout(folder: str) -> bool:
    pending = [folder]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if not _is_public(entry):
                    return False
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
    return True


def _users(uid: int, gid: int, home: str) -> str:
    """Programs look up who they are, and fail when there is nobody of that number."""
    own = f"user:x:{uid}:{gid}::{home}:/bin/sh"
    root = f"root:x:0:0:root:{home if uid == 0 else '/root'}:/bin/sh\n"
    nobody = "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    return f"{_user(own, uid)}{root}{nobody}" if uid else f"{root}{nobody}"


def _user(line: str, number: int) -> str:
    return f"{line}\n" if number else ""


def _is_public(entry: os.DirEntry[str]) -> bool:
    """Neither what others may not read, nor what is no file, folder or link."""
    if entry.is_symlink():
        return True
    found = entry.stat(follow_symlinks=False)
    usual = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
    return usual and bool(found.st_mode & stat.S_IROTH)
