"""A gate's verdict on a commit: pass, fail or incomplete, and each item that it speaks of.

CORE: nouns alone, of failures as of findings; failures/gate.py decides on failures.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Gateable = TypeVar("Gateable")


class Ruling(enum.StrEnum):
    """The verdict in a word."""

    PASS = "pass"
    FAIL = "fail"
    INCOMPLETE = "incomplete"
    """Something was not looked at, or cannot be compared: nobody can say that it is well."""


class Age(enum.StrEnum):
    """Where an item stands against the base."""

    NEW = "new"
    UNKNOWN = "not comparable"
    """The base could not be looked at to the end, and what was seen of it does not have this."""
    HIDDEN = "unmasked"
    """Could not be seen at the base, because of a failure there that is gone now."""
    OLD = "old"
    FLAKY = "flaky"
    """It comes and goes, and so it does at the base."""


@dataclass(frozen=True, kw_only=True)
class Judged(Generic[Gateable]):
    """One item, and what the gate makes of it."""

    item: Gateable
    age: Age
    target: str
    """Who told of it."""
    blocks: bool
    """Whether it alone would keep the gate from passing."""
    note: str = ""
    """What else is to be known: how often it was seen."""


@dataclass(frozen=True, kw_only=True)
class GateVerdict(Generic[Gateable]):
    """What a gate says, and of what."""

    ruling: Ruling
    reason: str
    """One sentence."""
    items: tuple[Judged[Gateable], ...] = ()
    """What blocks first; among those, what is most pressing."""
    lost: Mapping[str, str] = field(default_factory=dict)
    """By target, a sentence: what passed at the base and judges nothing any more."""
    absent: tuple[str, ...] = ()
    """Targets that the base is checked with, and the head is not."""
    unseen: Mapping[str, str] = field(default_factory=dict)
    """By target, why it was not looked at to the end."""

    @property
    def missed(self) -> tuple[str, ...]:
        """A sentence on each target that was not looked at to the end."""
        return tuple(f"{name}: {why}" for name, why in self.unseen.items())

    @property
    def gone(self) -> tuple[str, ...]:
        """A sentence on all that the base has and the head has not."""
        lost = (f"{name}: {what}" for name, what in self.lost.items())
        absent = (f"{name}: the base is checked with it, the head is not" for name in self.absent)
        return (*lost, *absent)

    @property
    def exit_code(self) -> int:
        return 0 if self.ruling is Ruling.PASS else 1

    def of(self, *ages: Age) -> tuple[Judged[Gateable], ...]:
        """The items of these ages."""
        return tuple(judged for judged in self.items if judged.age in ages)
