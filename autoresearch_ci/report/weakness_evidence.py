"""What was seen of each weakness that is repaired, before and after, in Markdown.

CORE: weaknesses and the journal in, text out. A line that holds a secret is never quoted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from autoresearch_ci.decide.failures import mended_ids
from autoresearch_ci.decide.weakness_failures import SECRETS
from autoresearch_ci.decide.weaknesses import Weakness
from autoresearch_ci.experiment import Experiment, Status
from autoresearch_ci.safety.markdown_text import block, inline

_ROOM = 20_000
"""Characters of all of it."""
_QUOTE = 800


def evidence_markdown(weaknesses: Mapping[str, Weakness], experiments: Sequence[Experiment]) -> str:
    """`weaknesses`: by the id that the journal has."""
    parts, room = ["### What was seen"], _ROOM
    left = 0
    for experiment in experiments:
        if experiment.status is not Status.KEEP:
            continue
        for name in mended_ids(experiment.failure)[0]:
            if name not in weaknesses:
                continue
            told = "\n\n".join(_of_one(weaknesses[name], experiment))
            room -= len(told)
            if room < 0:
                left += 1
            else:
                parts.append(told)
    if left:
        parts.append(f"{left} more: see the commits.")
    return "\n\n".join(parts) if len(parts) > 1 else ""


def _of_one(weakness: Weakness, experiment: Experiment) -> Iterator[str]:
    place = f"{weakness.path}:{weakness.line}" if weakness.line else weakness.path
    kind = f" (CWE-{weakness.cwe})" if weakness.cwe else ""
    yield (
        f"**{inline(weakness.title, 160)}**{kind}, {weakness.severity}, at {inline(place, 160)}. "
        f"Before, {inline(weakness.rule, 80)} told of it in:"
    )
    quote = next((piece.text for piece in weakness.evidence if piece.text), "")
    if weakness.family == SECRETS:
        yield "a line that holds a secret, which is not quoted. It stays in the history: revoke it."
    elif quote:
        yield block(quote, _QUOTE)
    commit = inline(experiment.commit[:12], 20)
    sources = inline(", ".join(weakness.sources), 120)
    yield (
        f"After, in {commit}: asked again, {sources} does not tell of it any more. No scanner "
        "tells of anything new in any file, at any severity."
    )
