"""Programs of the kernel's packet filter: they decide on packets, and on system calls (seccomp).

Of each of the operations (linux/filter.h) there is what we use; all jumps are forward.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence

Instruction = tuple[int, int, int, int]
"""Operation, how many lines to skip if it is true, and if it is false, and its value."""


def load(offset: int) -> Instruction:
    """Four bytes, of which the following speak until others are loaded."""
    return 0x20, 0, 0, offset


def answer(value: int) -> Instruction:
    return 0x06, 0, 0, value


def equal(value: int, *then: Instruction) -> list[Instruction]:
    return [(0x15, 0, len(then), value), *then]


def different(value: int, *then: Instruction) -> list[Instruction]:
    return [(0x15, len(then), 0, value), *then]


def at_least(value: int, *then: Instruction) -> list[Instruction]:
    return [(0x35, 0, len(then), value), *then]


def any_bit(of: int, *then: Instruction) -> list[Instruction]:
    return [(0x45, 0, len(then), of), *then]


class BpfProgram:
    """As the kernel takes it."""

    def __init__(self, lines: Sequence[Instruction]) -> None:
        self.code = b"".join(struct.pack("=HBBI", *line) for line in lines)
        self._held = ctypes.create_string_buffer(self.code, len(self.code))
        # struct sock_fprog: a count, padding, a pointer.
        self.pointed_to = struct.pack("@HP", len(lines), ctypes.addressof(self._held))
