"""What is asked for: by the configuration, and by what a command works with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Network = Literal["deny", "loopback", "allow"]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the configuration asks for."""

    network: Network = "deny"
    read_only: bool = True
    """Whether writing and reading is confined to `Places`."""
    user: str = "auto"
    """`auto`, `keep`, or a name or number."""
    who: str = "measured code"
    """What the commands are, for messages."""
    nothing: bool = False
    """Not even what is always done."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """What a command works with."""

    box: Path
    """A folder of our own that holds all of `own`; what lies next to it is hidden."""
    own: tuple[Path, ...]
    """Folders that it may do everything with; they belong to its user."""
    write: tuple[str, ...] = ()
    """What else it may write to, as the configuration says."""
    hidden: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    """To be seen even where `hidden` is."""
    needed: tuple[str, ...] = ()
    """Programs and folders that its user must be able to reach; `write`, too."""
    services: tuple[str, ...] = ()
    """Sockets, or folders of them, of those who would act for it outside of any confinement."""
