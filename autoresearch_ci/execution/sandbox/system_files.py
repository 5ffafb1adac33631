"""The /etc that measured code sees: what programs need of the machine's, and no secret.

A list of what is shown, because nobody has one of what is secret.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterable
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
_MANY = 20
"""Entries of a folder, from which on a mount costs less than a copy."""


def public() -> list[Path]:
    """What of the machine's own others may see, where it cannot be another one."""
    wanted = (*_SHOWN, "passwd", "group", "nsswitch.conf")
    return [path for name in wanted for path in sorted(ETC.glob(name))]


def prepare(
    target: Path, uid: int, gid: int, home: str, asked: Iterable[str] = ()
) -> tuple[str, ...]:
    """Make `target` such a folder. `asked`: paths below /etc that are to be there as well.

    Returns the folders of the machine's /etc that are to be mounted over empty ones.
    """
    target.mkdir(mode=0o755)
    wanted = [path for name in _SHOWN for path in sorted(ETC.glob(name))]
    mounted = []
    for source in (*wanted, *map(Path, asked)):
        with contextlib.suppress(OSError):  # what we may not read is not for others either
            if _is_large_and_public(source):
                (target / source.relative_to(ETC)).mkdir(mode=0o755, parents=True, exist_ok=True)
                mounted.append(str(source))
            else:
                _copy(source, target / source.relative_to(ETC))
    texts = {
        "passwd": _users(uid, gid, home),
        "group": f"root:x:0:\nnogroup:x:65534:\n{_user(f'grp:x:{gid}:', gid)}",
        "nsswitch.conf": _SWITCH,
    }
    for name, text in texts.items():
        (target / name).unlink(missing_ok=True)
        (target / name).write_text(text)
    if not (target / "hosts").exists():
        (target / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    return tuple(mounted)


def _is_large_and_public(folder: Path) -> bool:
    """Then it is shown as it is; one that holds anything unusual is copied without that."""
    count, pending = 0, [str(folder)]
    while pending and folder.is_dir():
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                count += 1
                if not _is_public(entry):
                    return False
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
    return count >= _MANY


def _users(uid: int, gid: int, home: str) -> str:
    """Programs look up who they are, and fail when there is nobody of that number."""
    own = f"user:x:{uid}:{gid}::{home}:/bin/sh"
    root = f"root:x:0:0:root:{home if uid == 0 else '/root'}:/bin/sh\n"
    nobody = "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    return f"{_user(own, uid)}{root}{nobody}" if uid else f"{root}{nobody}"


def _user(line: str, number: int) -> str:
    return f"{line}\n" if number else ""


def _copy(source: Path, target: Path) -> None:
    """A link at the top may lead out of /etc, to what is copied; those below stay as they are."""
    found = source.stat()
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if stat.S_ISDIR(found.st_mode):
        with contextlib.suppress(shutil.Error):  # files in it that we may not read
            shutil.copytree(source, target, symlinks=True, ignore=_unusual, dirs_exist_ok=True)
        target.chmod(0o755)
    elif stat.S_ISREG(found.st_mode) and found.st_size <= _LARGEST:
        shutil.copyfile(source, target)
        target.chmod(0o755 if found.st_mode & 0o111 else 0o644)


def _unusual(folder: str, _names: list[str]) -> list[str]:
    """What others may not read, and what is neither file, folder nor link."""
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if not _is_public(entry)]


def _is_public(entry: os.DirEntry[str]) -> bool:
    if entry.is_symlink():
        return True
    found = entry.stat(follow_symlinks=False)
    usual = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
    return usual and bool(found.st_mode & stat.S_IROTH)
