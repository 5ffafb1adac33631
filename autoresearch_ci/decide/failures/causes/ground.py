"""What verdicts on failures are made of: the causes there are, and what is known of a repository.

CORE. How a verdict is reached is verdicts.py's business.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property


class Cause(enum.StrEnum):
    """What has to change for a failure to go away."""

    CODE = "code"
    TEST = "test"
    """The test itself is wrong, whatever the code does."""
    WORKFLOW = "workflow"
    DEPENDENCY = "dependency"
    """A package of somebody else's: not installed, not declared, or of the wrong version."""
    ENVIRONMENT = "environment"
    """The machine: a secret, the network, the disk, a permission, a tool."""
    FLAKY = "flaky"
    """Some looks at the same code find it, others do not."""
    UNSURE = "unsure"
    """The machine or the code: what was shown does not tell which."""


Found = tuple[Cause, str] | None
"""A cause and the evidence for it; `None`: no evidence."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What is known of the repository; one value for all its failures."""

    paths: Collection[str] = ()
    """Its files, relative, `/` between parts."""
    tests: Mapping[str, str] = field(default_factory=dict)
    """Text of test files by path, as far as known: it tells whether a test sets a variable."""

    @cached_property
    def files(self) -> frozenset[str]:
        return frozenset(self.paths)

    @cached_property
    def places(self) -> frozenset[str]:
        """Files, and the folders that hold them."""
        found = set(self.files)
        for path in self.files:
            parts = path.split("/")
            found.update("/".join(parts[:end]) for end in range(1, len(parts)))
        return frozenset(found)

    def holds(self, path: str) -> bool:
        """Whether a path, as a tool shows it, is one of the repository's, or a folder of it."""
        return bool(self.named(path))

    def named(self, path: str) -> str:
        """The repository's own name for a path that a tool shows; empty: it has none."""
        if _NOT_OURS.search(path):
            return ""
        parts = path.replace("\\", "/").removeprefix("./").split("/")
        endings = ("/".join(parts[at:]) for at in range(min(len(parts), _DEEP)))
        return next((ending for ending in endings if ending in self.places), "")


_DEEP = 40
"""Folders above a file that are looked at."""
_NOT_OURS = re.compile(
    r"(^|/)(site-packages|dist-packages|node_modules|rustlib|vendor)/|/lib/python\d|/\.cargo/"
    r"|/pkg/mod/|^node:|^<|^java\.base/"
)

_TEST_FILE = re.compile(
    r"(^|/)(test_[^/]*|[^/]*_test|conftest)\.pyi?$|(^|/)[^/]+[._-](test|spec)\.[cm]?[jt]sx?$"
    r"|(^|/)(tests?|__tests__|specs?)/|_test\.go$|(^|/)src/test/|(Tests?|IT)\.(java|kt)$"
)


def is_test_file(path: str) -> bool:
    """Whether tests are what a file is for."""
    return bool(_TEST_FILE.search(path))
