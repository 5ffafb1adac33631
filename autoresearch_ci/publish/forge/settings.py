"""What a publication is told by the configuration and the environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch_ci.experiment import Direction


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the configuration and the environment say."""

    branch: str
    """With the tag filled in."""
    base: str = ""
    """Branch to merge into; empty: the forge's default branch."""
    metric: str
    direction: Direction
    draft: bool = True
    ready: bool = False
    labels: Sequence[str] = ()
    reviewers: Sequence[str] = ()
    holdout: str = ""
    ruler: str = ""
    """The mark of what the numbers mean, see past_notebooks.py; empty: compare with nothing."""
    job: str = ""
    """Address of the job that runs."""
