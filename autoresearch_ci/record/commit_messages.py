"""Messages of the commits that a run makes: one line of somebody else's words, and our trailers."""

from __future__ import annotations

from collections.abc import Mapping

from autoresearch_ci.safety.markdown import subject as inert_subject

SUBJECT_LENGTH = 100
"""Characters of a description that go into a commit subject; the rest goes into the body."""
_RUN = "Autoresearch-Run"
_ITERATION = "Autoresearch-Iteration"
_METRIC = "Autoresearch-Metric"


def of_experiment(run: str, iteration: int, description: str, metric: float | None = None) -> str:
    """A candidate's; with its `metric`, once that was measured."""
    trailers: dict[str, object] = {_RUN: run, _ITERATION: iteration}
    if metric is not None:
        trailers[_METRIC] = repr(metric)
    return _message(f"experiment: {description}", trailers)


def of_note(run: str, iteration: int, text: str) -> str:
    """One of the notebook's."""
    return _message(text, {_RUN: run, _ITERATION: iteration})


def iteration_of(message: str) -> int | None:
    """The iteration that a message of ours names; `None`: it is not ours."""
    for line in message.splitlines():
        name, _, value = line.partition(": ")
        if name == _ITERATION and value.strip().isdigit():
            return int(value)
    return None


def _message(text: str, trailers: Mapping[str, object]) -> str:
    line = inert_subject(text)
    subject = line
    body = ""
    if len(line) > SUBJECT_LENGTH:
        subject = line[: SUBJECT_LENGTH - 1] + "…"
        body = f"{line}\n\n"
    return f"{subject}\n\n{body}" + "".join(f"{k}: {v}\n" for k, v in trailers.items())
