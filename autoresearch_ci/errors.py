"""Every expected failure and the exit code it ends the process with.

* AutoresearchError   expected; the message is for the user
  x GateFailed        a gate said no (`--fail-on`)                                exit 1
  x ConfigError       configuration or usage: file, line, key, nearest valid key  exit 2
  x WorkspaceError    the repository was refused, or git failed                   exit 3
  x BaselineError     the unmodified code cannot be measured                      exit 4
  x ProposerError     no usable proposer (key, API, budget)                       exit 5
  x PublishError      the forge refused; the message says where what was kept is  exit 6
  x StoppedByPerson   `/autoresearch stop` on the pull request                    exit 0
  x Interrupted       SIGINT or SIGTERM; everything is saved                      exit 130

A candidate that fails is not an error: it is a measurement, and becomes a row of the journal.
Every message says what happened, why that usually is, and what to do. None holds an environment
or a token.
"""

import errno
from pathlib import PurePath

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
_NO_WAY = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})

NO_ROOM_TO_START = frozenset({errno.EAGAIN, errno.ENOMEM})
"""The system refuses a process: nothing that the command can be blamed for."""


class AutoresearchError(Exception):
    """Base of every expected failure; `str(error)` is the paragraph shown to the user."""

    exit_code = 1


class GateFailed(AutoresearchError):
    """A gate's verdict is "fail"."""

    exit_code = 1


class ConfigError(AutoresearchError):
    """The configuration or the command line cannot be used."""

    exit_code = 2


class WorkspaceError(AutoresearchError):
    """The repository is in a state that we refuse, or git itself failed."""

    exit_code = 3


class BaselineError(AutoresearchError):
    """The unmodified code has no trustworthy measurement."""

    exit_code = 4


class ProposerError(AutoresearchError):
    """The proposer cannot propose, now or later."""

    exit_code = 5


class PublishError(AutoresearchError):
    """The forge refused what was to be published."""

    exit_code = 6


class StoppedByPerson(AutoresearchError):
    """Somebody who may asked that no further run starts."""

    exit_code = 0


class Interrupted(AutoresearchError):
    """The user or the runner asked us to stop."""

    exit_code = 130


def reason_of(error: OSError | RuntimeError) -> str:
    """What the system's refusal means to the user; empty when it can only be a mistake of ours."""
    if isinstance(error, RuntimeError):  # what Python makes of EAGAIN
        refused = str(error).startswith("can't start new thread")
        return _refused(str(error), "thread") if refused else ""
    place = error.filename if isinstance(error.filename, str) else ""
    if error.errno in _NO_ROOM:
        return (
            f"{error.strerror}: {error.filename or 'while writing a record'}\n"
            "usually: the disk is full (df -h, df -i), or the checkout is read-only.\n"
            "do: make room or make it writable, then start again with --resume; nothing that was "
            "kept is lost."
        )
    if error.errno == errno.EACCES:
        return (
            f"{error.strerror}: {place or 'while writing a record'}\n"
            "usually: it belongs to another user, such as root of an earlier job, or its mode or "
            "that of a folder above it forbids it.\n"
            "do: chown or chmod it, then start again with --resume; nothing that was kept is lost."
        )
    if error.errno in NO_ROOM_TO_START:
        return _refused(error.strerror or "", "process")
    if error.errno in _NO_WAY and not {".git", "autoresearch"}.isdisjoint(PurePath(place).parts):
        return (
            f"{error.strerror}: {place}\n"
            "usually: a command or a person moved or deleted .git, or the run's folder, while we "
            "ran.\n"
            "do: put it back, then start again with --resume."
        )
    return ""


def _refused(said: str, what: str) -> str:
    return (
        f"{said}: the system starts no further {what} or gives no memory.\n"
        "usually: a limit of processes or memory (ulimit -u, pids.max of the container), used "
        "up by this run or by others.\n"
        "do: raise it or end what else runs, then start again with --resume; nothing that was "
        "kept is lost."
    )
