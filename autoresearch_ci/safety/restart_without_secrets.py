"""Takes secrets out of the process's environment, so that nothing we start inherits or finds them.

Deleting a variable leaves it in /proc/PID/environ. So the process starts itself again without the
secrets, which cross over in a sealed anonymous file, and then makes its memory unreadable for
others. Same process id, arguments, descriptors, folder, signals: a caller notices nothing.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from typing import NoReturn

from autoresearch_ci.safety.secret_values import must_leave

MARKER = "AUTORESEARCH_CI_SECRETS_FD"
"""Set between the two starts only: the descriptor that holds the secrets."""
_PR_SET_DUMPABLE, _PR_CAPBSET_DROP = 4, 24
_CAP_SYS_PTRACE = 19


def withhold() -> dict[str, str]:
    """The whole environment, secrets included, as the one mapping to read it from.

    Afterwards `os.environ` holds none. Returns at once when there are no secrets; else the process
    starts itself again, which must happen before anything else does: this function then returns in
    the new one. Where that is impossible it says so on stderr and does what can be done without.
    """
    kept = _handed_over()
    if kept is None:
        kept = {name: value for name, value in os.environ.items() if must_leave(name, value)}
        if not kept:
            return dict(os.environ)
        _warn(_start_again(kept))
        for name in kept:
            del os.environ[name]
    _close_memory()
    return {**os.environ, **kept}


def _start_again(kept: Mapping[str, str]) -> Exception:
    """Does not return, unless it fails: then with the reason."""
    try:
        _replace(kept)
    except (OSError, ValueError, AttributeError, ImportError) as error:
        return error


def _replace(kept: Mapping[str, str]) -> NoReturn:
    import fcntl  # not on every platform, and neither is memfd_create

    arguments = sys.orig_argv
    if not sys.executable or _program_is_gone(arguments):
        raise ValueError("the program was read from a pipe")
    content = [b"%d" % os.getpid(), *(os.fsencode(f"{k}={v}") for k, v in kept.items())]
    descriptor = os.memfd_create("autoresearch-ci", os.MFD_ALLOW_SEALING)  # inherited by execve
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(b"\0".join(content))
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _seals())
        clean = {name: value for name, value in os.environ.items() if name not in kept}
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os.execve(sys.executable, arguments, {**clean, MARKER: str(descriptor)})
    finally:
        os.close(descriptor)


def _program_is_gone(arguments: list[str]) -> bool:
    """Whether Python read the program from its standard input, which cannot be read again."""
    return not sys.argv[0] or sys.argv[0] == "-" or not arguments


def _seals() -> int:
    import fcntl

    return fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def _handed_over() -> dict[str, str] | None:
    """What the process before us left; `None` when it left nothing, whatever the marker says."""
    marker = os.environ.pop(MARKER, "")
    if not (marker.isascii() and marker.isdigit()):
        return None
    try:
        import fcntl

        descriptor = int(marker)
        # Only such a file has seals: a pipe or a terminal, which might never end, is not read.
        if fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) != _seals():
            return None
        content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    except (OSError, ValueError, OverflowError, AttributeError, ImportError):
        return None
    owner, *pairs = content.split(b"\0")
    if owner != b"%d" % os.getpid():
        return None
    os.close(descriptor)
    split = (os.fsdecode(pair).partition("=") for pair in pairs)
    return {name: value for name, _, value in split}


def _close_memory() -> None:
    """Nobody of our own user may read our memory, nor root without the right to trace others.

    What we start as root loses that right. Both last until the next execve of each.
    """
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        prctl(_PR_CAPBSET_DROP, _CAP_SYS_PTRACE, 0, 0, 0)  # refused when we are not root


def hide_arguments() -> None:
    """From others, who read them in /proc: all after the command's name, such as the holdout."""
    settings = sys.argv[2:]
    if not settings:
        return
    with contextlib.suppress(ImportError, OSError, ValueError, IndexError):
        import ctypes
        from pathlib import Path

        words = Path("/proc/self/cmdline").read_bytes().split(b"\0")
        kept = sum(len(word) + 1 for word in words[: len(sys.orig_argv) - len(settings)])
        # `man 5 proc_pid_stat`: fields 48 and 49, arg_start and arg_end; the third is the first.
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        start, end = int(fields[45]) + kept, int(fields[46])
        if words[-1] == b"" and 0 < kept < end - start + kept == len(b"\0".join(words)):
            ctypes.memset(start, 0, end - start)


def _warn(error: Exception) -> None:
    print(
        f"autoresearch-ci: secrets stay in this process's environment: {error}\n"
        "usually: it was not started as a program of its own, or not on Linux.\n"
        "do: start `autoresearch-ci` or `python -m autoresearch_ci`; until then any command that "
        "runs as the same user can read them in /proc.",
        file=sys.stderr,
    )
