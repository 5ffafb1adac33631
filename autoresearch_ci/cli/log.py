"""`autoresearch-ci log`: the notebook in a terminal; what was tried, and a branch of any of it.

It reads git and runs nothing. A restored attempt becomes a branch of its own: the checkout, the
index and every other ref stay as they are.
"""

from __future__ import annotations

import argparse
import dataclasses
import glob
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from autoresearch_ci.cli.terminal import redacted
from autoresearch_ci.decide.metric.taken_back import told
from autoresearch_ci.decide.trend import relative
from autoresearch_ci.errors import ConfigError, WorkspaceError
from autoresearch_ci.experiment import Direction, Experiment, HoldoutVerdict, Status
from autoresearch_ci.record.read_notebooks import (
    ReadNotebook,
    attempt_of,
    chosen_notebook,
    has_attempt,
    notebooks,
)
from autoresearch_ci.report import stored_run
from autoresearch_ci.report.console import say
from autoresearch_ci.report.run_summary import CRASHED, count, run_summary
from autoresearch_ci.report.summary_page import interval
from autoresearch_ci.report.terminal_table import aligned
from autoresearch_ci.safety.log_text import defuse, json_text
from autoresearch_ci.safety.wording import commit_name, duration, number, percent, shortened, signed
from autoresearch_ci.workspace.repository import Repository

_DIFF = 2_000_000
"""Characters of a diff that are shown."""
USAGE = "log | log TAG | log show N [TAG] | log restore N [TAG]"


def main(options: argparse.Namespace) -> int:
    """List runs or attempts, show one, or make a branch of it; 1 when `--grep` finds nothing."""
    words: list[str] = options.words
    with closing(Repository.open(Path.cwd())) as repository:
        if words and words[0] in ("show", "restore"):
            book, attempt = _named(repository, words)
            return (_show if words[0] == "show" else _restore)(repository, book, attempt, options)
        if len(words) > 1:
            raise ConfigError(f"log: what is meant by {words[1]!r}? Expected: {USAGE}.")
        if options.grep:
            return _grep(repository, words, options)
        if words:
            book = chosen_notebook(repository, words[0])
            return _print_rows(_one(book, options), options)
        return _print_rows(_all(repository, options), options)


def _named(repository: Repository, words: Sequence[str]) -> tuple[ReadNotebook, Experiment]:
    if len(words) not in (2, 3) or not re.fullmatch("[0-9]{1,9}", words[1]):
        raise ConfigError(f"log {words[0]}: expected the number of an experiment: {USAGE}.")
    book = chosen_notebook(repository, words[2] if len(words) == 3 else None)
    return book, attempt_of(repository, book, int(words[1]), to_read=words[0] == "show")


def _print(lines: Sequence[str], options: argparse.Namespace) -> int:
    for line in lines:
        print(redacted(line, options.environment))
    return 0


def _print_rows(lines: Sequence[str], options: argparse.Namespace) -> int:
    """Each is one line of a terminal, however narrow."""
    if options.json:
        return _print(lines, options)
    say([redacted(line, options.environment) for line in lines], sys.stdout)
    return 0


def _all(repository: Repository, options: argparse.Namespace) -> Sequence[str]:
    books = notebooks(repository)
    rows = [
        (book.tag, book.rows, book.metric or _metric_here(repository, book.tag), book.unread)
        for book in books
    ]
    if options.json:
        facts = [run_facts(row, book.direction) for row, book in zip(rows, books, strict=True)]
        return [json_text({"notebooks": facts}, indent=2)]
    if not books:
        return ["there is no notebook here: no run was made in this repository yet"]
    return runs_table(rows)


def _one(book: ReadNotebook, options: argparse.Namespace) -> Sequence[str]:
    if options.json:
        facts = [attempt_facts(e, book.tag) for e in book.rows]
        return [json_text({"tag": book.tag, "experiments": facts}, indent=2)]
    return attempts_table(listed(book.rows)) if not book.unread else [defuse(book.unread)]


def _grep(repository: Repository, words: Sequence[str], options: argparse.Namespace) -> int:
    """In every notebook, or in that of one run."""
    found = _matcher(options.grep)
    books = [chosen_notebook(repository, words[0])] if words else notebooks(repository)
    hits = [(book, e) for book in books for e in listed(book.rows) if found(e)]
    if options.json:
        facts = [attempt_facts(e, book.tag) for book, e in hits]
        _print([json_text({"experiments": facts}, indent=2)], options)
    elif hits:
        rows = attempts_table([e for _, e in hits], [book.tag for book, _ in hits])
        _print_rows(rows, options)
    return 0 if hits else 1


def _matcher(pattern: str) -> Callable[[Experiment], bool]:
    """As `git log --grep -i`: a regular expression anywhere in what was said of it."""
    try:
        known = re.compile(pattern, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise ConfigError(f"--grep {pattern!r} is no regular expression: {error}.") from error

    def found(e: Experiment) -> bool:
        words = (e.description, e.reason, e.failure, e.doubt, e.proposer, str(e.status), e.commit)
        return any(map(known.search, words))

    return found


def _show(
    repository: Repository, book: ReadNotebook, e: Experiment, options: argparse.Namespace
) -> int:
    has = bool(e.commit) and e.iteration > 0 and has_attempt(repository, book, e)
    diff = repository.diffs([e.commit], _DIFF).get(e.commit, "") if has else ""
    if options.json:
        return _print([json_text(attempt_facts(e, book.tag) | {"diff": diff}, indent=2)], options)
    log = _log(repository, book.tag, e.iteration)
    return _print(list(attempt_lines(e, book.tag, book.direction, diff, log)), options)


def _log(repository: Repository, tag: str, iteration: int) -> str:
    """Where the output of its commands lies, when the run was made here."""
    for command in ("run", "fix"):
        name = f"{command}-{tag.removeprefix(f'{command}-')}"
        path = repository.root / "autoresearch" / name / "logs" / f"{iteration}.log"
        if path.is_file():
            return str(path)
    return ""


def _restore(
    repository: Repository, book: ReadNotebook, e: Experiment, options: argparse.Namespace
) -> int:
    if not e.commit:
        raise ConfigError(
            f"experiment {e.iteration} of {book.tag} has no commit: {e.reason or e.status}."
        )
    branch = options.branch or f"restored/{book.tag}-{e.iteration}"
    _refuse_taken(repository, branch)
    repository.update_ref(f"refs/heads/{branch}", e.commit, None)
    if options.json:
        facts = {"branch": branch, "commit": e.commit}
        return _print([json_text(facts)], options)
    return _print(
        [
            defuse(f"{branch} is at {e.commit[:12]}: {e.description}"),
            f"do: git switch {branch}, or git cherry-pick {e.commit[:12]}",
        ],
        options,
    )


def _refuse_taken(repository: Repository, branch: str) -> None:
    """Also names that git would read as an option, or that are no name. Raises `ConfigError`."""
    if not repository.is_branch_name(branch):
        raise ConfigError(f"--branch {branch!r} cannot be the name of a branch.")
    if repository.ref(f"refs/heads/{branch}"):
        raise WorkspaceError(
            f"there is a branch {branch} already.\n"
            f"do: choose another with --branch, or look at it: git log {branch}"
        )


# --- Words and facts ------------------------------------------------------------------------------

_WIDTH = 70
_RUNS = ("tag", "began", "tried", "kept", "baseline", "best", "change", "metric")
_RUNS_RIGHT = (False, False, True, True, True, True, True, False)
_ATTEMPTS = ("#", "status", "commit", "metric", "delta", "proposer", "change")
_ATTEMPTS_RIGHT = (True, False, False, True, True, False, False)

LogRow = tuple[str, Sequence[Experiment], str, str]
"""A notebook: tag, rows, name of the metric, why it has no rows."""


def _metric_here(repository: Repository, tag: str) -> str:
    """Of a run whose folder lies here: only what is published says so in the notebook, too."""
    for journal in repository.root.glob(f"autoresearch/*-{glob.escape(tag)}/results.tsv"):
        if name := stored_run.metric_name(journal):
            return name
    return ""


def runs_table(books: Sequence[LogRow]) -> list[str]:
    """A line for each notebook, in their order."""
    lines = [_RUNS, *map(_run, books)]
    return aligned(lines, _RUNS_RIGHT)


def _run(book: LogRow) -> tuple[str, ...]:
    tag, rows, metric, unread = book
    result = run_summary(rows)
    began = rows[0].timestamp[:16].replace("T", " ") if rows else "-"
    return (
        defuse(tag),
        defuse(began),
        str(len(result.kept) + len(result.others)),
        str(len(result.kept)),
        number(result.baseline),
        number(result.best),
        percent(result.change),
        defuse(shortened(unread or metric, _WIDTH)),
    )


def attempts_table(rows: Sequence[Experiment], tags: Sequence[str] = ()) -> list[str]:
    """A line for each experiment. `tags`: of which run each is, where they are of several."""
    header, right = _ATTEMPTS, _ATTEMPTS_RIGHT
    lines = [_attempt(e) for e in rows]
    if not tags:
        return aligned([header, *lines], right)
    named = [(defuse(tag), *line) for tag, line in zip(tags, lines, strict=True)]
    return aligned([("tag", *header), *named], (False, *right))


def _attempt(e: Experiment) -> tuple[str, ...]:
    return (
        str(e.iteration),
        str(e.status),
        defuse(commit_name(e.commit)),
        number(None if e.status in CRASHED else e.metric),
        signed(e.delta),
        defuse(shortened(e.proposer, 20)) or "-",
        defuse(shortened(e.description, _WIDTH)),
    )


def attempt_lines(
    e: Experiment, tag: str, direction: Direction, diff: str, log: str = ""
) -> Iterator[str]:
    """One experiment in full. `log`: where its output lies; empty: not here."""
    yield defuse(f"experiment {e.iteration} of {tag}: {e.status}")
    yield defuse(f"  {e.description or '-'}")
    for label, words in _facts(e, direction):
        if words:
            yield defuse(f"  {label:10} {words}")
    if log:
        yield defuse(f"  {'log':10} {log}")
    yield ""
    yield from map(defuse, diff.rstrip("\n").split("\n") if diff else ["(no diff is left of it)"])


def _facts(e: Experiment, direction: Direction) -> Iterator[tuple[str, str]]:
    yield "commit", e.commit
    yield "reason", e.reason
    yield "look", e.doubt
    yield "failure", e.failure
    if e.metric is not None and e.status not in CRASHED:
        rival = None if e.delta is None else e.metric - e.delta
        gain = relative(direction, rival, e.metric)
        yield "metric", f"{number(e.metric)}, incumbent {number(rival)}, gain {percent(gain)}"
    if e.ci_low is not None:
        spread = "the same in every run:" if e.ci_low == e.ci_high else "95 % CI of it"
        yield "delta", f"{signed(e.delta)}, {spread} {interval(e, direction)}"
    yield "expected", "" if e.expected is None else f"a gain of {percent(e.expected)}"
    yield "guard", e.guard if e.guard != "-" else ""
    yield "holdout", str(e.holdout) if e.holdout is not HoldoutVerdict.NONE else ""
    spent = [count(e.samples, "run"), duration(e.seconds)]
    spent += [f"{e.tokens:,} tokens"] if e.tokens else []
    spent += [f"${e.cost_usd:.2f}"] if e.cost_usd else []
    yield "spent", ", ".join(spent)
    yield "proposer", e.proposer
    yield "at", e.timestamp


def run_facts(book: LogRow, direction: Direction) -> dict[str, Any]:
    """A notebook for programs."""
    tag, rows, metric, unread = book
    result = run_summary(rows)
    return {
        "tag": tag,
        "metric": metric,
        "direction": str(direction),
        "began": rows[0].timestamp if rows else None,
        "tried": len(result.kept) + len(result.others),
        "kept": len(result.kept),
        "baseline": result.baseline,
        "best": result.best,
        "unread": unread or None,
    }


def attempt_facts(e: Experiment, tag: str) -> dict[str, Any]:
    """One experiment for programs, under the journal's names."""
    return {"tag": tag, **dataclasses.asdict(e)}


def listed(rows: Sequence[Experiment]) -> list[Experiment]:
    """As people read them; the baseline is none of the attempts."""
    return [e for e in told(rows) if e.status is not Status.BASELINE]
