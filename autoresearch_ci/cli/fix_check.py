"""`autoresearch-ci fix --check`: what is broken at HEAD, held against where it left its base.

Looks, asks for the verdict, and tells it everywhere that somebody listens. How a commit is looked
at is handed in. The base is looked at only where the verdict or a reader depends on it, and only at
targets that tell of failures or of tests; tests that fail otherwise than there run again at both.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Protocol

import autoresearch_ci
from autoresearch_ci.cli.action.runner_io import FileCommands
from autoresearch_ci.cli.assembly import make_redactor
from autoresearch_ci.cli.ci_job import run_url
from autoresearch_ci.cli.gate_commits import Compared, asked
from autoresearch_ci.cli.gate_files import (
    Gated,
    files_url,
    report_folder,
    say_to_forge,
    show,
    write_all,
)
from autoresearch_ci.config.resolve import Resolved
from autoresearch_ci.decide.failures.failure import Diagnosis, Failure
from autoresearch_ci.decide.failures.gate import (
    BaseFailures,
    gate,
    parse_words,
    suspects,
    wants_base,
)
from autoresearch_ci.decide.failures.objective import Seen
from autoresearch_ci.decide.failures.shortcuts import left_out
from autoresearch_ci.decide.failures.shortcuts.detect import BYTES_LIMIT, shortcuts
from autoresearch_ci.decide.gaming import Ruler, loud
from autoresearch_ci.decide.gates import GateVerdict, Judged
from autoresearch_ci.decide.moved_files import as_moved
from autoresearch_ci.errors import BaselineError
from autoresearch_ci.events import Note, Observer, Warning, redacted
from autoresearch_ci.report.annotations import annotated, code_quality
from autoresearch_ci.report.console import make_progress
from autoresearch_ci.report.failures_junit import failures_junit
from autoresearch_ci.report.fix_page import comment_markdown, gate_lines, gate_markdown
from autoresearch_ci.report.fix_report import GateReport, gate_json
from autoresearch_ci.report.html_findings import gate_html
from autoresearch_ci.report.sarif import failures_sarif
from autoresearch_ci.safety.log_text import json_text
from autoresearch_ci.safety.redaction import Redactor
from autoresearch_ci.workspace.repository import FileVersion, Repository
from autoresearch_ci.workspace.steering_files import steered_tool

LOOKS = 3
"""At each commit, where tests fail of which the verdict depends on whether they always do."""
_READ = 300
"""Changed files that are searched for shortcuts."""
_STARTED_FIRST = ("pytest", "Python's start-up")
"""What code run before the tests can say of them, no report contradicts."""
_LEADS = re.compile(
    r"""(?:^|[\s{,])["']?(pythonpath|module(?:NameMapper|Paths|Directories)|alias|paths|baseUrl
    |roots)["']?\s*[:=]|^\s*(?:replace\b|\[patch|-I)""",
    re.VERBOSE,
)
"""In settings of tools: where imports are looked for."""
_UNWATCHED = "pytest itself tells nothing of the run, and at the base it does: something else ran"


@dataclass(frozen=True, kw_only=True)
class CheckedCommit:
    """What one look at a commit, in a tree of its own, has seen."""

    seen: Seen
    """Of the targets that were asked for."""
    commands: Mapping[str, str]
    """Of every target that the commit has, looked at or not: what a person types at the root."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """By target, the end of what its tool printed."""
    doubts: Mapping[str, str] = field(default_factory=dict)
    """By target, why its answer is not believed, unless the base's is no better."""
    watched: Collection[str] = ()
    """The targets in which pytest itself told of its run."""
    imported: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By target, the file that each module of its tests came from, as far as that is known."""


def _other_code(was: Mapping[str, str], now: Mapping[str, str], files: Collection[str]) -> str:
    """Which module tests import from another file, although the one from before is among `files`.

    An import path, a stub or a package of the same name can do that, with no line of a test
    changed. Of files that are called conftest, Python has only the last.
    """
    for name, path in now.items():
        before = was.get(name, path)
        if before != path and before in files and not name.endswith("conftest"):
            return f"its tests import {name} from {path} instead of {before}, which is still there"
    return ""


class LookAtCommit(Protocol):
    """Looks at a commit."""

    def __call__(self, commit: str, only: Collection[str] | None = None) -> CheckedCommit:
        """`only`: the names of targets; `None`: all; none of them: it is only told which targets
        there are. Raises `BaselineError` where nothing can be run at that commit.
        """


@dataclass(frozen=True, kw_only=True)
class _Both:
    """What was seen of head and base."""

    head: tuple[CheckedCommit, ...]
    base: tuple[CheckedCommit, ...] = ()
    missing: str = ""
    """Why the base was not looked at."""
    files: Collection[str] = ()
    """Of the head."""

    def believed(self, look: CheckedCommit) -> Seen:
        """What was seen of the head; nothing that is told in another way than at the base."""
        usual = self.base[0].doubts if self.base else look.doubts
        doubts = {name: why for name, why in look.doubts.items() if name not in usual}
        watched = self.base[0].watched if self.base else ()
        doubts |= {name: _UNWATCHED for name in watched if name not in look.watched}
        usually = self.base[0].imported if self.base else {}
        doubts |= {
            name: why
            for name, files in look.imported.items()
            if (why := _other_code(usually.get(name, {}), files, self.files))
        }
        return {
            name: replace(found, incomplete=found.incomplete or doubts.get(name, ""))
            for name, found in look.seen.items()
        }


def check(
    resolved: Resolved,
    options: argparse.Namespace,
    open_look: Callable[[Observer], AbstractContextManager[LookAtCommit]],
    staged: Compared | None = None,
) -> int:
    """The exit code of the gate. Raises `AutoresearchError` where nothing can be compared.

    `staged`: what is about to be committed, and HEAD; `None`: HEAD and its base.
    """
    words, environment = parse_words(options.fail_on), options.environment
    files = FileCommands(environment)  # before anything that is looked at could write them
    pair = staged or asked(options)
    config, redactor = resolved.config, make_redactor(resolved.config, environment)
    told = pair.pull_request > 0 and config.publish.mode != "none"
    with (
        make_progress(sys.stderr if options.json else sys.stdout, json=False) as progress,
        closing(Repository.open(Path.cwd())) as repository,
    ):
        folder = report_folder(repository, pair.head, options.output)
        observe = redacted(progress, redactor.redact)
        if not staged and repository.changed():
            observe(Warning(message="uncommitted changes are not looked at: HEAD is"))
        with open_look(observe) as look:
            both = _looked(pair, look, words, told=told, observe=observe)
            both = replace(both, files=repository.files(pair.head))
        changed = _changed(repository, pair)
        verdict = gate(
            [both.believed(look) for look in both.head],
            BaseFailures(
                looks=[as_moved(look.seen, _moved(changed)) for look in both.base],
                targets=both.base[0].commands if both.base else (),
                missing=both.missing,
            ),
            words=words,
            changed=changed,
            allow=config.fix.allow,
            allow_incomplete=options.allow_incomplete,
            categories=config.fix.categories,
        )
        report = _report(pair, both, verdict, words, environment, redactor)
        doubts = map(redactor.redact, _doubts(repository, pair.head, changed, config.fix.allow))
        report = replace(report, doubts=tuple(doubts), staged=bool(staged))
        if told:
            text = comment_markdown(report, run_url(environment))
            say_to_forge("gate", text, pair, config, repository, environment, observe)
    told_of = gated(report)
    show(told_of, folder, "json" if options.json else "text")
    write_all(told_of, folder, files, environment)
    return verdict.exit_code


def gated(report: GateReport) -> Gated:
    """All of it."""
    annotations = annotated(report)
    facts = gate_json(report, [annotation.as_json() for annotation in annotations])
    summary = gate_markdown(report)
    mends = "autoresearch-ci fix   # repairs what is broken"
    if report.staged:
        mends = f"{report.again}   # once it is mended and added; `fix` repairs what is committed"
    asks = report.verdict.exit_code and report.standing
    return Gated(
        lines=[*gate_lines(report)],
        json=facts,
        files={
            "failures.json": json_text(facts, indent=1),
            "failures.sarif": json_text(failures_sarif(report), indent=1),
            "failures.xml": failures_junit(report),
            "gl-code-quality-report.json": json_text(code_quality(report), indent=1),
            "summary.md": summary,
            "report.html": gate_html(report, autoresearch_ci.__version__),
        },
        summary=summary,
        outputs={"failures": str(report.standing), "verdict": str(report.verdict.ruling)},
        annotations=annotations,
        next=mends if asks else "",
    )


def _looked(
    pair: Compared, look: LookAtCommit, words: Collection[str], *, told: bool, observe: Observer
) -> _Both:
    """All looks that the verdict needs. `told`: whether somebody reads what is old."""
    try:
        head = look(pair.head)
    except BaselineError as error:
        why = str(error).partition("\n")[0]
        seen = {"head": Diagnosis(incomplete=f"{pair.head[:12]} cannot be looked at: {why}")}
        return _Both(
            head=(CheckedCommit(seen=seen, commands={}),), missing="the head cannot be looked at"
        )
    both = _Both(head=(head,), missing=pair.missing)
    if not pair.base:
        return both
    tests = wants_base(words)
    asked = [
        name
        for name, found in head.seen.items()
        if (found.failures and (tests or told)) or (found.suite and tests)
    ]
    if asked:
        observe(Note(message=f"looking at the base {pair.base[:12]}: {', '.join(asked)}"))
    try:
        both = replace(both, base=(look(pair.base, asked),))
        return _again(pair, look, words, both, observe) if tests else both
    except BaselineError as error:
        why = str(error).partition("\n")[0]
        return replace(both, base=(), missing=f"{pair.base[:12]} cannot be looked at: {why}")


def _again(
    pair: Compared, look: LookAtCommit, words: Collection[str], both: _Both, observe: Observer
) -> _Both:
    """More looks at tests on whose failing the verdict may hang: some come and go."""
    doubtful = suspects([both.head[0].seen], [both.base[0].seen], words)
    if not doubtful:
        return both
    names = ", ".join(sorted(doubtful))
    observe(Note(message=f"looking {LOOKS - 1} times more, at what may come and go: {names}"))
    for _ in range(LOOKS - 1):  # in turns, as what goes on around them may change
        head, base = look(pair.head, doubtful), look(pair.base, doubtful)
        both = replace(both, head=(*both.head, head), base=(*both.base, base))
    return both


_Versions = tuple[FileVersion | None, FileVersion | None]


def _changed(repository: Repository, pair: Compared) -> dict[str, _Versions]:
    """The paths that differ, as base and head have them; nothing where there is no base."""
    if not pair.base:
        return {}
    old, new = repository.files(pair.base), repository.files(pair.head)
    found = {path: (old.get(path), new.get(path)) for path in sorted({*old, *new})}
    return {path: (was, now) for path, (was, now) in found.items() if was != now}


def _moved(changed: Mapping[str, _Versions]) -> dict[str, str]:
    """Files that stand elsewhere now, unchanged: old path to new; not those with a double."""
    gone, come = (
        defaultdict[FileVersion, list[str]](list),
        defaultdict[FileVersion, list[str]](list),
    )
    for path, (was, now) in changed.items():
        if was and not now:
            gone[was].append(path)
        elif now and not was:
            come[now].append(path)
    pairs = ((gone[version], come[version]) for version in [*gone] if version in come)
    return {old[0]: new[0] for old, new in pairs if len(old) == len(new) == 1}


def _doubts(
    repository: Repository, head: str, changed: Mapping[str, _Versions], allow: Collection[str]
) -> Iterator[str]:
    """What in the change makes failures go away and mends nothing: people judge it."""
    readable = (p for p, both in changed.items() if all(map(_readable(repository), both)))
    read = list(islice(readable, _READ))
    before, after = (
        {path: repository.read(v) if (v := changed[path][side]) else None for path in read}
        for side in (0, 1)
    )
    for found in shortcuts(before, after, allow=allow):
        yield f"{found.path}:{found.line} {found.what} [{found.rule}]"
    started = [path for path in read if steered_tool(path.lower().split("/")) in _STARTED_FIRST]
    old, new = ({path: texts[path] for path in started} for texts in (before, after))
    yield from loud(old, new, Ruler())
    for path in filter(lambda path: steered_tool(path.lower().split("/")), read):
        known, now = ((texts[path] or b"").decode(errors="replace") for texts in (before, after))
        for number, text in enumerate(now.splitlines(), start=1):
            if _LEADS.search(text) and text.strip() not in known:
                yield f"{path}:{number} says where imports are looked for: {text.strip()[:80]}"
    ignoring = [path for path in read if path.rpartition("/")[2] in left_out.NAMES]
    files = repository.files(head) if ignoring else ()
    yield from left_out.left_out(before, {path: after[path] for path in ignoring}, files)
    if (more := len(changed) - len(read)) > 0:
        yield f"{more} changed files were not searched for shortcuts"


def _readable(repository: Repository) -> Callable[[FileVersion | None], bool]:
    return lambda found: found is None or (found.regular and repository.size(found) <= BYTES_LIMIT)


def _report(
    pair: Compared,
    both: _Both,
    verdict: GateVerdict[Failure],
    words: Collection[str],
    environment: Mapping[str, str],
    redactor: Redactor,
) -> GateReport:
    """All that is told, without secrets."""
    hide = redactor.redact
    first = both.head[0]
    return GateReport(
        verdict=_without_secrets(verdict, hide),
        commit=pair.head,
        base=pair.base if both.base else "",
        no_base="" if both.base else hide(both.missing),
        words=tuple(sorted(words)),
        commands={name: hide(command) for name, command in first.commands.items()},
        outputs={name: hide(text) for name, text in first.outputs.items()},
        looks=len(both.head),
        files_url=files_url(pair.head, environment),
    )


def _without_secrets(
    verdict: GateVerdict[Failure], hide: Callable[[str], str]
) -> GateVerdict[Failure]:
    def items() -> Iterator[Judged[Failure]]:
        for judged in verdict.items:
            failure = judged.item
            item = replace(
                failure,
                id=hide(failure.id),
                path=hide(failure.path),
                message=hide(failure.message),
            )
            yield replace(judged, item=item)

    return replace(
        verdict,
        reason=hide(verdict.reason),
        items=tuple(items()),
        lost={name: hide(text) for name, text in verdict.lost.items()},
        unseen={name: hide(text) for name, text in verdict.unseen.items()},
    )
