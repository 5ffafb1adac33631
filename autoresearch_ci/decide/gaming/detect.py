"""What a change adds that plays against the ruler instead of making the code better; runs nothing.

A patched clock, an object that equals everything, an exit in the middle of the tests, a comment
that silences a linter: each makes a number better, and each is plain to see in the text. Only what
the incumbent does not have yet counts: code that reads the stack today may go on doing so, move,
and be refactored.

Not promised: text can be written so that no reading of it finds out what it does. This stops the
shortcuts that models are known to take, and costs no measurement. Against somebody who aims at it,
only a holdout helps that no proposer knows.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from autoresearch_ci.decide.gaming.other_languages import COMMENTS, patterns_for
from autoresearch_ci.decide.gaming.python import Play, python_plays
from autoresearch_ci.decide.gaming.ruler import Ruler
from autoresearch_ci.decide.gaming.suppressions import Suppression, added

_BYTES_LIMIT = 2 * 2**20
"""Of one file; a larger one is data."""


def plays(
    before: Mapping[str, bytes | None], after: Mapping[str, bytes | None], ruler: Ruler
) -> list[str]:
    """What the files of a change do anew, as `train.py:12 patches time.perf_counter`.

    `before` and `after` hold the same paths, those that the change touches; `None`: not there.
    """
    return [*tricks(before, after, ruler), *map(str, silenced(before, after))]


def silenced(
    before: Mapping[str, bytes | None], after: Mapping[str, bytes | None]
) -> list[Suppression]:
    """The comments among them, which make a tool look away."""
    return added(before, after, _BYTES_LIMIT)


def tricks(
    before: Mapping[str, bytes | None], after: Mapping[str, bytes | None], ruler: Ruler
) -> list[str]:
    """The others among them, which play with any metric."""
    known = {play.what for path, text in before.items() for play in _found(path, text, ruler)}
    new: dict[str, str] = {}
    for path, text in sorted(after.items()):
        for play in _found(path, text, ruler):
            if play.what not in known:
                new.setdefault(play.what, f"{path}:{play.line} {play.what}")
    return list(new.values())


def _found(path: str, content: bytes | None, ruler: Ruler) -> Iterable[Play]:
    if content is None or len(content) > _BYTES_LIMIT:
        return ()
    first = content[:80].partition(b"\n")[0]
    if path.endswith((".py", ".pyi", ".pyw")) or (first[:2] == b"#!" and b"python" in first):
        try:
            return list(python_plays(ast.parse(content), ruler.at(path)))
        except (SyntaxError, ValueError):
            return ()  # it will not run either
        except (RecursionError, MemoryError):  # another Python may well run it
            return [Play(line=1, what="is nested too deeply to be read")]
    return _plain_plays(content.decode(errors="replace"), patterns_for(path))


def _plain_plays(text: str, patterns: Mapping[str, str]) -> Iterator[Play]:
    for number, line in enumerate(text.splitlines(), start=1):
        for pattern, what in patterns.items():
            if not line.lstrip().startswith(COMMENTS) and (match := re.search(pattern, line)):
                yield Play(line=number, what=f"{what}: {match.group().strip()[:40]}")


def sentence(found: Sequence[str]) -> str:
    """The reason for the journal; empty when nothing was found."""
    more = f", and {len(found) - 3} more" if len(found) > 3 else ""
    return f"plays against the ruler: {', '.join(found[:3])}{more}" if found else ""
