"""Ends the commands of a process that was killed itself, and so can no longer end anything.

One small shell lives beside us and holds the other end of a pipe: when that closes, for whatever
reason, it kills the process groups that were still running. What has left its group is found by the
next run on the machine (workspace/scratch.py).

The kernel's own way (`man 2 PR_SET_PDEATHSIG`) is about the thread that started a command, and ours
ends at once (spawning.py).
"""

from __future__ import annotations

import contextlib
import os

_SHELL = "/bin/sh"
_SCRIPT = """\
cd /
trap '' INT TERM HUP
groups=' '
while read -r what group; do
    case $what in
        +) groups="$groups$group " ;;
        -) groups="${groups%% $group *} ${groups#* $group }" ;;
    esac
done
for group in $groups; do kill -s KILL -- "-$group"; done
"""


class Survivor:
    """Of this process; a fork of it gets one of its own."""

    def __init__(self) -> None:
        self._pipe: int | None = None
        self._of: int | None = None

    def start(self) -> None:
        """Unless it is there."""
        if self._of == os.getpid():
            return
        self._pipe, self._of = None, os.getpid()
        reader, writer = os.pipe()
        streams = [
            (os.POSIX_SPAWN_DUP2, reader, 0),
            *((os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)),
        ]
        try:
            argv = [_SHELL, "-c", _SCRIPT]
            # A group of its own, as ours may be killed as one.
            os.posix_spawn(_SHELL, argv, {}, file_actions=streams, setpgroup=0)
        except OSError:  # no process can be started: what we were asked for will say so
            os.close(writer)
        else:
            self._pipe = writer
        finally:
            os.close(reader)

    def tell(self, what: str, group: int) -> None:
        """`+`: this process group has begun; `-`: it is over."""
        if self._pipe is not None and self._of == os.getpid():
            with contextlib.suppress(BrokenPipeError):
                os.write(self._pipe, b"%s %d\n" % (what.encode(), group))
