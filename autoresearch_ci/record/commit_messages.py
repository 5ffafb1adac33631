"""Messages of the commits that a run makes: one line of somebody else's words, and our trailers.

What stands around that line is the configuration's template, `commit.message`.
"""

from __future__ import annotations

from collections.abc import Sequence

from autoresearch_ci.config.schema import CommitStyle
from autoresearch_ci.decide.failures.past_changes import REPAIRED
from autoresearch_ci.safety.markdown_text import subject as inert_subject

SUBJECT_LENGTH = 100
"""Characters of a description that go into a commit subject; the rest goes into the body."""
PLAIN = CommitStyle()
"""How commits are written when nobody says."""
NOTE = CommitStyle(message="{description}")
"""How the notebook's are."""
_RUN = "Autoresearch-Run"
_ITERATION = "Autoresearch-Iteration"
_METRIC = "Autoresearch-Metric"
_REPAIRED_SHOWN = 1000
"""Failures that a commit's message names: pages read there what the journal has no room for, and a
later run asks it how often a failure was mended."""


def of_experiment(
    run: str,
    iteration: int,
    description: str,
    metric: float | None = None,
    *,
    repaired: Sequence[str] = (),
    style: CommitStyle = PLAIN,
) -> str:
    """A candidate's; with its `metric`, and what it `repaired`, once that was measured."""
    trailers: list[tuple[str, object]] = [(_RUN, run), (_ITERATION, iteration)]
    if metric is not None:
        trailers.append((_METRIC, repr(metric)))
    trailers += [(REPAIRED, inert_subject(name)) for name in repaired[:_REPAIRED_SHOWN]]
    # Only the words of others are made inert: a template may name a ticket.
    before, after = _around(style, run, iteration)
    return _message(inert_subject(description), trailers, before, after)


def of_note(run: str, iteration: int, text: str) -> str:
    """One of the notebook's."""
    return _message(inert_subject(text), [(_RUN, run), (_ITERATION, iteration)])


def repaired_in(message: str) -> list[str]:
    """The failures that a message of ours names as gone."""
    said = (line.partition(": ") for line in message.rpartition("\n\n")[2].splitlines())
    return [value for name, _, value in said if name == REPAIRED]


def iteration_of(message: str) -> int | None:
    """The iteration that a message of ours names; `None`: it is not ours."""
    for line in message.splitlines():
        name, _, value = line.partition(": ")
        if name == _ITERATION and value.strip().isdigit():
            return int(value)
    return None


def is_ours(message: str, run: str, style: CommitStyle) -> bool:
    """Whether a run of that tag writes this of some description: then nothing else is in it."""
    head, _, tail = message.rpartition("\n\n")
    subject, _, body = head.partition("\n\n")
    said = [line.partition(": ")[::2] for line in tail.splitlines()]
    named = dict(said)
    try:
        iteration = int(named[_ITERATION])
        metric = float(named[_METRIC]) if _METRIC in named else None
    except (KeyError, ValueError):
        return False
    before, after = _around(style, run, iteration)
    line = (body or subject).removeprefix(before).removesuffix(after)
    again = of_experiment(run, iteration, line, metric, repaired=repaired_in(message), style=style)
    return again == message


def _around(style: CommitStyle, run: str, iteration: int) -> tuple[str, str]:
    """What a template has before and after the description."""
    before, _, after = style.message.partition("{description}")
    known = {"tag": run, "iteration": iteration}
    return before.format(**known), after.format(**known)


def _message(
    line: str, trailers: Sequence[tuple[str, object]], before: str = "", after: str = ""
) -> str:
    body = ""
    room = SUBJECT_LENGTH - len(before) - len(after)
    if len(line) > room:
        body = f"{before}{line}{after}\n\n"
        line = line[: room - 1] + "…"
    subject = f"{before}{line}{after}"
    return f"{subject}\n\n{body}" + "".join(f"{k}: {v}\n" for k, v in trailers)
