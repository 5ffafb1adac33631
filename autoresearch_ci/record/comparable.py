"""Do two runs' numbers mean the same? What must be equal in their configuration, and its mark."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from autoresearch_ci.config.resolve import Config
from autoresearch_ci.safety.secret_values import looks_secret

_KEYS = ("metric", "guards", "holdout", "scope", "setup", "share", "cache", "env")
"""Numbers of two runs that differ in one of these would not compare."""


def ruler_of(config: Config) -> dict[str, Any]:
    """What the numbers of a run mean; targets and timeouts may change."""
    values = config.model_dump(mode="json", include=set(_KEYS))
    for key in ("target", "timeout"):
        values["metric"].pop(key)
    # A value of the environment may be a secret: only whether it changed matters here.
    text = json.dumps(values["env"], sort_keys=True)
    values["env"] = hashlib.sha256(text.encode()).hexdigest()
    return values


def ruler_mark(config: Config) -> str:
    """A name for what `ruler` says, short enough to be published with a notebook.

    It is the same whatever the secrets are: a hash of them could be guessed by trying.
    """
    env = {name: value for name, value in config.env.items() if not looks_secret(name, value)}
    values = json.dumps(ruler_of(config) | {"env": env}, sort_keys=True)
    return hashlib.sha256(values.encode()).hexdigest()[:32]
