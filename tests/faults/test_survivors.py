"""What cannot be killed: the run ends with a word, loses nothing, and goes on when that has ended.

A process waits for a disk that has heard its request and does not answer (FUSE): no signal reaches
it until then.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from autoresearch_ci.config.schema import Sandbox
from autoresearch_ci.execution.sandbox.abilities import abilities, gives_view
from tests.adversarial.attacks import STRICT, Attack, attack, without_bubblewrap
from tests.faults.conftest import with_own_mounts
from tests.faults.invariant import lost, value

__all__ = ["attack"]
_FUSE = Path("/dev/fuse")
_LOOK_UP, _ATTRIBUTES, _BEGIN, _UNANSWERED = 1, 3, 26, (2, 36, 42)
"""Requests (linux/fuse.h)."""
_BEGUN = struct.pack("=IIIIHHIIHHI28x", 7, 31, 0, 0, 0, 0, 4096, 1, 0, 0, 0)
_FOLDER = struct.pack("=QII6Q10I", 9, 0, 0, 1, *[0] * 8, 0o40777, 2, *[0] * 3, 4096, 0)
_NOT_THERE, _UNKNOWN, _BROKEN = -2, -38, -5


class Disk:
    """An empty one; does not answer who is the first to look for something on it."""

    def __init__(self, asked: Path) -> None:
        """`asked`: a file that is there as soon as somebody has."""
        self._device = os.open(_FUSE, os.O_RDWR | os.O_CLOEXEC)
        self._asked = asked
        self._waiting: list[int] = []

    def mount(self, folder: Path) -> bool:
        options = f"fd={self._device},rootmode=40000,user_id=0,group_id=0,allow_other"
        words = (b"disk", bytes(folder), b"fuse", ctypes.c_ulong(0), options.encode())
        failed = ctypes.CDLL(None).mount(*words)
        threading.Thread(target=self._serve, daemon=True).start()
        return not failed

    def answer(self) -> None:
        self._tell(self._waiting.pop(), _BROKEN)

    def _serve(self) -> None:
        while True:
            request = os.read(self._device, 1 << 17)
            kind, number = struct.unpack_from("=4xIQ", request)
            if kind == _BEGIN:
                self._tell(number, 0, _BEGUN)
            elif kind == _ATTRIBUTES:
                self._tell(number, 0, _FOLDER)
            elif kind == _LOOK_UP and not self._asked.exists():
                self._waiting.append(number)
                self._asked.touch()
            elif kind not in _UNANSWERED:
                self._tell(number, _NOT_THERE if kind == _LOOK_UP else _UNKNOWN)

    def _tell(self, number: int, error: int, words: bytes = b"") -> None:
        os.write(self._device, struct.pack("=IiQ", 16 + len(words), error, number) + words)


@pytest.mark.skipif(not os.access(_FUSE, os.W_OK), reason="needs FUSE")
@pytest.mark.parametrize("user", ["auto", "keep"])
@pytest.mark.parametrize("mechanism", ["full", "container"])
def test_a_process_that_cannot_be_killed_is_an_error_and_costs_nothing(
    mechanism: str, user: str, attack: Attack, tmp_path: Path, script: Callable[..., None]
) -> None:
    if not gives_view(Sandbox(), abilities(None)) and mechanism == "full":
        pytest.skip("no full view here")
    script(value(9), value(8))
    asked = attack.open_folder / "asked"
    disk = Disk(asked)

    def body(folder: Path) -> None:
        stuck = f"cat {folder}/x & until test -e {asked}; do :; done"
        options = {
            **STRICT,
            "metric": f"cat value; ! grep -q 8 value || {{ {stuck}; }}",
            "sandbox-read": f"[{folder}, {attack.open_folder}]",
            "sandbox-user": user,
        }
        stopped = attack.run(**options)
        assert stopped.code == 3, stopped.told
        assert "processes that 'cat value; " in stopped.err
        (told,) = re.findall(r"could not be ended .*\(ps ([0-9 ]+) shows", stopped.err, re.DOTALL)
        states = [Path(f"/proc/{pid}/stat").read_text() for pid in told.split()]
        assert any(") D " in words for words in states), states
        assert "--resume" in stopped.err
        assert stopped.column("status") == ["baseline", "keep"], stopped.told
        assert lost(attack.repo) == []
        disk.answer()
        done = attack.run("--resume", **options)
        assert done.code == 0, done.told
        assert done.column("status") == ["baseline", "keep", "keep"], done.told
        assert attack.repo.kept() == ["experiment: try 9", "experiment: try 8"]

    with contextlib.ExitStack() as stack:
        if mechanism == "container":
            stack.enter_context(without_bubblewrap(tmp_path / "empty"))
        with_own_mounts(attack.open_folder, disk.mount, body)
