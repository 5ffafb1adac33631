"""What files of a repository say, as far as they can be read; nothing where they cannot."""

from __future__ import annotations

import tomllib
from typing import Any

from autoresearch_ci.experiment import ReadBytes
from autoresearch_ci.safety.untrusted_values import json_value


def text_of(read: ReadBytes, path: str, limit: int | None = None) -> str:
    """`limit`: bytes that are looked at."""
    try:
        return read(path)[:limit].decode("utf-8", errors="replace")
    except KeyError:
        return ""


def toml_of(read: ReadBytes, path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text_of(read, path))
    except (ValueError, RecursionError):
        return {}


def json_of(read: ReadBytes, path: str) -> dict[str, Any]:
    try:
        return mapping(json_value(read(path), limit=256_000))
    except (KeyError, ValueError):
        return {}


def mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
