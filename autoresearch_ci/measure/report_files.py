"""The reports that measured commands write into the measure tree: files of untrusted writers.

What stands in them, metrics/ and outcomes.py know.
"""

from __future__ import annotations

import os
from pathlib import Path

from autoresearch_ci.safety.bounded import MIB, MetricError, Refused
from autoresearch_ci.safety.files import file_bytes

REPORT_BYTES = 64 * MIB


def forget_report(tree: Path, name: str | None) -> None:
    """What lies there before the run is not this run's report."""
    path = _found(tree, name) if name else None
    if path and (path.is_symlink() or not path.is_dir()):
        path.unlink()


def read_report(tree: Path, name: str | None) -> bytes | MetricError | None:
    """What the command wrote, or why that is no report: no plain file, too large, not readable."""
    path = _found(tree, name) if name else None
    if path is None:
        return None
    try:
        return file_bytes(path, REPORT_BYTES, follow=False)
    except (Refused, PermissionError) as error:
        why = error if isinstance(error, Refused) else "is not readable"
        return MetricError(f"{name} {why}")


def _found(tree: Path, name: str) -> Path | None:
    """Where the report lies; `None` when nothing is there, or a link leads out of the tree."""
    path = tree / name
    inside = path.parent.resolve().is_relative_to(tree.resolve())
    return path if inside and os.path.lexists(path) else None
