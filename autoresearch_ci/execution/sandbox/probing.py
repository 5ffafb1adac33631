"""Tries something in a forked child, so that whatever it does to a process is undone."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable

_ANSWER_BYTES = 4096


def answer_of_a_child(act: Callable[[], str]) -> str:
    """What `act` returns, or the words of the `OSError` that it raises."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of other threads' locks: `act` only makes system calls.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        _tell(writer, act)
    os.close(writer)
    with open(reader, "rb") as pipe:  # noqa: PTH123 - a descriptor
        answer = pipe.read(_ANSWER_BYTES)
    _, status = os.waitpid(child, 0)
    if status:
        return f"ended with status {status}"
    return answer.decode(errors="replace")


def _tell(writer: int, act: Callable[[], str]) -> None:
    """Never returns: what runs after it is the parent's business."""
    code = 1
    try:
        try:
            answer = act()
        except OSError as error:
            answer = error.strerror or str(error)
        os.write(writer, answer.encode(errors="replace")[:_ANSWER_BYTES])
        code = 0
    finally:
        os._exit(code)
