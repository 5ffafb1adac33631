"""Whether system calls can be watched and disturbed here."""

from __future__ import annotations

import shutil
import subprocess

import pytest


def _can_trace() -> bool:
    strace = shutil.which("strace")
    argv = [strace or "", "-o", "/dev/null", "-e", "inject=fsync:error=EIO", "true"]
    return bool(strace) and subprocess.run(argv, check=False, capture_output=True).returncode == 0


needs_strace = pytest.mark.skipif(not _can_trace(), reason="needs strace, and the right to trace")
