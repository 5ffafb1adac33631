"""What this machine is, for whoever compares numbers."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def machine() -> str:
    """This one in a few words."""
    parts = [
        f"{platform.system()} {platform.machine()}",
        f"{os.cpu_count()} CPUs",
        *_gpus(),
        f"Python {platform.python_version()}",
    ]
    return ", ".join(parts)


def _gpus() -> list[str]:
    """Model names of NVIDIA GPUs, as their kernel driver tells."""
    found = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    texts = [path.read_text(errors="replace") for path in found]
    return [line.partition(":")[2].strip() for text in texts for line in text.splitlines()[:1]]
