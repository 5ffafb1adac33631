"""Fixtures of the attacks on the sandbox."""

from __future__ import annotations

from tests.adversarial.attacks import attack, listener

__all__ = ["attack", "listener"]
