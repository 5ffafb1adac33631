"""What is done to a command before it is executed; all or nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

from autoresearch_ci.execution.sandbox.kernel import PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, prctl

# chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service: what root
# needs to work on its own files. Not tracing, mounting, loading, raw devices, the clock.
_KEPT_CAPABILITIES = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10})
_MESSAGE_BYTES = 1000

Step = tuple[str, Callable[[], None]]
"""What is being done, for a message, and the doing."""


class Confinement:
    """Given to `run_command` as `enter`; may be used for any number of commands."""

    def __init__(
        self, steps: Sequence[Step], *, forks: bool, own: Callable[[int], None] | None
    ) -> None:
        """`forks`, `own`: see `Enter`; `None`: the output may stay ours."""
        self._steps = steps
        self._own = own
        self.forks = forks
        self._reader, self._writer = os.pipe()
        for descriptor in (self._reader, self._writer):
            os.set_blocking(descriptor, False)
            weakref.finalize(self, os.close, descriptor)

    def __call__(self) -> None:
        """Raises `OSError`: then nothing may be executed."""
        for name, step in self._steps:
            try:
                step()
            except OSError as error:
                message = f"{name}: {error.strerror or error}"
                os.write(self._writer, message.encode(errors="replace")[:_MESSAGE_BYTES])
                raise

    def own_output(self, descriptor: int) -> None:
        """The command may open again what it prints to."""
        if self._own:
            self._own(descriptor)

    def failure(self) -> str:
        """Why a command could not be confined; can be read once."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self._reader, _MESSAGE_BYTES).decode(errors="replace")
        return "no reason was given"


def no_new_privileges() -> None:
    """From here on no set-user-id program gives any."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def weaker_root() -> Callable[[], None]:
    """A step that leaves root only the capabilities that work on files and ports needs."""
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    dropped = [number for number in range(last + 1) if number not in _KEPT_CAPABILITIES]

    def drop() -> None:
        for number in dropped:
            try:
                prctl(PR_CAPBSET_DROP, number)
            except OSError as error:
                if error.errno != errno.EPERM:  # it has not even the capability to drop others
                    raise
                return

    return drop
