"""`autoresearch-ci evals`: what journals say of the nights behind them, and what to do next.

It reads results.tsv of ours and of the peers, runs nothing, and asks no model.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autoresearch_ci.decide.trend import Evaluation, Forecast, evaluate, forecast
from autoresearch_ci.errors import ConfigError, WorkspaceError
from autoresearch_ci.experiment import Direction
from autoresearch_ci.record.foreign_journals import LARGEST, ForeignJournal, read_journal
from autoresearch_ci.record.run_history import is_commit
from autoresearch_ci.report.evaluation import (
    Checkpoint,
    beside,
    facts,
    forecast_words,
    markdown,
    rows,
    text,
)
from autoresearch_ci.report.run_summary import count
from autoresearch_ci.report.stored_run import configured, finite, newest_journal, run_facts
from autoresearch_ci.safety.log_text import defuse, json_text
from autoresearch_ci.safety.markdown_text import inline
from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import Unreadable
from autoresearch_ci.safety.wording import number, shortened
from autoresearch_ci.workspace.repository import Repository

FAIL_ON = ("plateau", "regression", "goal-missed")
_COMMITS = 400
"""Attempts whose files are asked of git: the newest."""


@dataclass(frozen=True, kw_only=True)
class EvaluatedJournal:
    """One journal, and what is made of it."""

    path: str
    metric: str
    found: Evaluation
    forecast: Forecast | None = None
    """Of as many experiments as were asked for; with none asked for, of none."""

    @property
    def title(self) -> str:
        better = "lower" if self.found.direction is Direction.MINIMIZE else "higher"
        return f"{self.path}: {self.metric or 'metric'}, {better} is better"


def main(options: argparse.Namespace) -> int:
    """Evaluate each journal, or two side by side; 1 when what was asked for is not so."""
    words = _fail_on(options.fail_on)
    _refuse_senseless(options)
    paths = [Path(name) for name in options.compare or options.journals] or [_newest()]
    direction = Direction(options.direction) if options.direction else None
    read = [_read(path, direction, options) for path in paths]
    failed = list(_failed(words, read, compared=bool(options.compare)))
    if options.compare:
        _refuse_unlike(*read)
        _show_two(options.format, read[0], read[1], failed)
    else:
        _show(options.format, read, failed, options.forecast)
    return 1 if failed else 0


def _fail_on(given: Sequence[str]) -> list[str]:
    words = [word.strip() for text in given for word in text.split(",") if word.strip()]
    for word in words:
        if word not in FAIL_ON:
            raise ConfigError(f"--fail-on {word!r}: expected one of {', '.join(FAIL_ON)}.")
    return words


def _refuse_senseless(options: argparse.Namespace) -> None:
    """Not-a-number is reached by everything. Raises `ConfigError`."""
    if options.goal is not None and not math.isfinite(options.goal):
        raise ConfigError(f"--goal {options.goal}: expected a finite number.")
    if options.window < 1 or options.forecast < 0:
        raise ConfigError("--window and --forecast: expected a whole number, --window from 1 on.")


def _newest() -> Path:
    """As somebody would type it here."""
    here = Path.cwd()
    found = newest_journal(here)
    return found.relative_to(here) if found.is_relative_to(here) else found


def _read(path: Path, direction: Direction | None, options: argparse.Namespace) -> EvaluatedJournal:
    content = _content(path, LARGEST)
    journal = read_journal(content, str(path), direction)
    told = run_facts(path)
    target = options.goal
    if target is None:
        target = finite(configured(told, "metric.target"))
    found = evaluate(
        journal.rows,
        journal.direction,
        target=target,
        window=options.window,
        files=_files(path, journal),
        notes=journal.notes,
    )
    return EvaluatedJournal(
        path=str(path),
        metric=journal.metric or str(configured(told, "metric.name") or ""),
        found=found,
        forecast=forecast(journal.rows, options.forecast) if options.forecast else None,
    )


def _content(path: Path, limit: int) -> bytes:
    try:
        return file_bytes(path, limit)
    except (OSError, Unreadable) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{path}: {reason}.\ndo: name a journal, such as results.tsv.") from error


def _files(path: Path, journal: ForeignJournal) -> dict[int, list[str]]:
    """What each attempt changed, when the journal lies in the repository that has them."""
    attempts = [e for e in journal.rows[-_COMMITS:] if e.iteration and is_commit(e.commit)]
    try:
        with closing(Repository.open(path.resolve().parent)) as repository:
            touched = repository.touched({e.commit for e in attempts})
    except WorkspaceError:
        return {}
    return {e.iteration: touched[e.commit] for e in attempts if e.commit in touched}


def _refuse_unlike(one: EvaluatedJournal, other: EvaluatedJournal) -> None:
    """Numbers of two metrics do not compare. Raises `ConfigError`."""
    if one.found.direction is not other.found.direction:
        raise ConfigError(
            f"--compare: in {one.path} {one.found.direction} is better, in {other.path} "
            f"{other.found.direction}: these are two metrics."
        )
    if one.metric and other.metric and one.metric != other.metric:
        raise ConfigError(
            f"--compare: {one.path} is of {one.metric!r}, {other.path} of {other.metric!r}."
        )


def _failed(words: Sequence[str], read: Sequence[EvaluatedJournal], *, compared: bool) -> list[str]:
    """A sentence on each condition that holds."""
    last = read[-1]
    sentences = [
        f"incomplete: {one.path} holds no number that could be judged"
        for one in read
        if words and one.found.best is None
    ]
    for one in read if not compared else [last]:
        if "plateau" in words and one.found.plateau is not None:
            sentences.append(f"plateau: {one.path} since #{one.found.plateau}")
        if "goal-missed" in words:
            sentences += _missed(one)
        if "regression" in words and not compared and one.found.regressed:
            sentences.append(f"regression: {one.path} ends worse than its baseline")
    if "regression" in words and compared and _is_worse(read[0].found, last.found):
        sentences.append(
            f"regression: {last.path} ends at {number(last.found.best)}, {read[0].path} at "
            f"{number(read[0].found.best)}"
        )
    return sentences


def _missed(one: EvaluatedJournal) -> list[str]:
    if one.found.target is None:
        raise ConfigError(
            f"--fail-on goal-missed: {one.path} has no goal.\n"
            "do: say it with --goal NUMBER, or set metric.target in the configuration."
        )
    if one.found.reached:
        return []
    return [f"goal-missed: {one.path} ends at {number(one.found.best)}"]


def _is_worse(one: Evaluation, other: Evaluation) -> bool:
    """Whether `other` ends worse."""
    if one.best is None or other.best is None:
        return False
    return one.direction.better(one.best, other.best)


# --- Showing --------------------------------------------------------------------------------------


def _show(
    form: str, read: Sequence[EvaluatedJournal], failed: Sequence[str], more: int = 0
) -> None:
    if form == "json":
        values = [_facts(one, more) for one in read]
        print(json_text({"journals": values, "failed": list(failed)}, indent=2))
        return
    page = markdown if form == "markdown" else text
    pages = [page(one.title, _rows(one, more)) for one in read]
    print("\n\n".join(page.rstrip() for page in pages))
    for sentence in failed:
        print(defuse(f"failed: {sentence}"))


def _facts(one: EvaluatedJournal, more: int) -> dict[str, Any]:
    told = facts(one.path, one.metric, one.found)
    if more:
        told["forecast"] = None if one.forecast is None else asdict(one.forecast)
    return told


def _rows(one: EvaluatedJournal, more: int) -> list[Checkpoint]:
    told = rows(one.found)
    return [*told, ("forecast", forecast_words(one.forecast))] if more else told


def _show_two(
    form: str, one: EvaluatedJournal, other: EvaluatedJournal, failed: Sequence[str]
) -> None:
    if form == "json":
        _show(form, [one, other], failed)
        return
    table = beside((one.path, other.path), one.found, other.found)
    words = _more(one, other)
    if form == "markdown":
        head, *body = ([inline(cell, 300) for cell in row] for row in table)
        lines = [head, ["---"] * 3, *body]
        print("\n".join(f"| {' | '.join(line)} |" for line in lines))
        print(f"\n{inline(words, 500)}")
    else:
        cells = [[defuse(shortened(cell, 60)) for cell in row] for row in table]
        width = [max(len(row[n]) for row in cells) for n in range(2)]
        for first, second, third in cells:
            print(f"{first:{width[0]}}  {second:{width[1]}}  {third}".rstrip())
        print(defuse(words))
    for sentence in failed:
        print(defuse(f"failed: {sentence}"))


def _more(one: EvaluatedJournal, other: EvaluatedJournal) -> str:
    """Which gained more; one run each proves nothing of the next."""
    first, second = one.found.gain, other.found.gain
    if first is None or second is None:
        return "nobody can say which gained more: one of them has no percentage"
    if first == second:
        return "neither gained more than the other"
    best = one if first > second else other
    tried = count(one.found.iterations, "experiment"), count(other.found.iterations, "experiment")
    return (
        f"{best.path} gained more ({tried[0]} against {tried[1]}). One run each: another seed may "
        "say otherwise; `autoresearch-ci compare` measures the two results in turns."
    )
