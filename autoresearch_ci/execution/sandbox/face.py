"""What a command that runs repository code may see and change: files, network, processes, memory.

What is run, and when, is not decided here. Nothing is printed: what is on and what is missing is a
value, `Sandbox.protection`.
"""

from __future__ import annotations

from pathlib import Path

from autoresearch_ci.execution.sandbox.abilities import Missing, Protection
from autoresearch_ci.execution.sandbox.sandbox import UNCONFINED, Sandbox
from autoresearch_ci.execution.sandbox.wish import Network, Places, Wish

__all__ = ["Missing", "Network", "Places", "Protection", "Sandbox", "Wish", "unconfined"]


def unconfined(box: Path) -> Sandbox:
    """For folders in which nothing runs."""
    return Sandbox(UNCONFINED, Places(box=box, own=()))
