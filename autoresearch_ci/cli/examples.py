"""The workflows to copy: examples/workflows, which a wheel holds beside our code."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_PLACES = (_PACKAGE / "workflows", _PACKAGE.parent / "examples" / "workflows")
"""As installed, and in a checkout of our own repository."""


def example(name: str) -> str:
    """The text of one of them. Raises `FileNotFoundError` when the installation lacks it."""
    place = next((place for place in _PLACES if (place / name).is_file()), _PLACES[0])
    return (place / name).read_text(encoding="utf-8")
