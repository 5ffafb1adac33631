"""`autoresearch-ci fix`: repairs until nothing is broken; the loop is `run`'s."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from autoresearch_ci.cli.config import effective
from autoresearch_ci.cli.fix_check import check, gated
from autoresearch_ci.cli.fix_targets import CommitLooks, targets_of, unknown_skips, with_targets
from autoresearch_ci.cli.gate_commits import DEFAULT, asked, staged
from autoresearch_ci.cli.gate_files import report_folder, show
from autoresearch_ci.cli.run import run, tell_end
from autoresearch_ci.cli.terminal import obey_signals
from autoresearch_ci.config.fix import FixTarget
from autoresearch_ci.config.schema import Config
from autoresearch_ci.decide.failures.failure import Failure, summary
from autoresearch_ci.decide.failures.gate import NEW, named, parse_words
from autoresearch_ci.decide.failures.repair_order import Left, unseen_cure
from autoresearch_ci.decide.failures.same_cause import also, shown_once
from autoresearch_ci.decide.gates import GateVerdict, Ruling
from autoresearch_ci.errors import ConfigError, GateFailed
from autoresearch_ci.measure.diagnostics.discovery.targets import Discovery
from autoresearch_ci.preflight import Options
from autoresearch_ci.record.run_names import chosen_tag, run_store
from autoresearch_ci.record.run_records import peek_base
from autoresearch_ci.report.console import make_progress
from autoresearch_ci.report.fix_report import GateReport
from autoresearch_ci.report.run_folder import Finished
from autoresearch_ci.safety.log_text import defuse, json_text
from autoresearch_ci.workspace.repository import Repository

_NOT_LINT = ("build", "critical", "type", "test")


def main(options: argparse.Namespace) -> int:
    """Repair what is broken, and print what is left; with `--check` only tell."""
    if options.check:
        return _check(options)
    words = _asked_of_repairs(options)
    resolved, path = effective(options, command="fix")
    repository = Repository.open(Path.cwd())
    tag = chosen_tag(repository, options.tag, resume=options.resume, prefix="fix-")
    base = peek_base(run_store(repository, tag)) if options.resume else repository.head()
    config = _as_typed(resolved.config, options)
    found = targets_of(config, repository, base, symptom=options.symptom or "")
    _say(unknown_skips(config, repository, base), options)
    if options.dry_run:
        print(json_text(facts(found), indent=2) if options.json else shown(found))
        return 0
    config = with_targets(config, found)
    stop = obey_signals()
    with make_progress(sys.stdout, json=options.json) as observe:
        finished = run(
            replace(resolved, config=config),
            Options(
                start=Path.cwd(),
                config_path=path,
                tag=tag,
                resume=options.resume,
                output=options.output,
                command="fix",
            ),
            observe=observe,
            stop=stop,
            environment=options.environment,
        )
    tell_end(finished, "fix", verdict(finished), json=options.json)
    if options.until_green and not (finished.left and finished.left.green):
        raise GateFailed(f"--until-green: {_why_not_green(finished.left)}")
    if words and (why := _why_not_passed(finished.left, words, config.fix.categories)):
        raise GateFailed(f"--fail-on {', '.join(sorted(words))}: {why}")
    return 0


_OF_CHECKS = ("staged", "base", "proposed", "allow_incomplete")
"""Flags that say what is compared with what, and how."""
_OF_REPAIRS = ("symptom", "from_debug", "until_green", "dry_run")


def _asked_of_repairs(options: argparse.Namespace) -> Collection[str]:
    """What `--fail-on` names; empty: nothing. Raises `ConfigError` for what only a check knows."""
    for name in _OF_CHECKS:
        if getattr(options, name):
            flag = f"--{name.replace('_', '-')}"
            raise ConfigError(
                f"{flag} is for a look at a commit, and nothing is to be repaired there.\n"
                f"do: fix --check {flag}, or leave it out."
            )
    words = parse_words(options.fail_on) if options.fail_on else frozenset[str]()
    if NEW in words:
        raise ConfigError(
            "--fail-on new compares HEAD with its base, and a repair that breaks something is "
            "never kept.\n"
            "do: fix --check --fail-on new, or name what must not be left: build, type, test, "
            "lint, any."
        )
    return words


def shown(found: Discovery) -> str:
    """The targets with the reasons for them, for people."""
    lines = []
    for target in found.targets:
        lines += [target.name, f"  $ {target.command}"]
        lines += [f"  because {reason}" for reason in target.reasons]
    lines += [f"not read: {why}" for why in found.unread]
    lines = lines or ["nothing was found that says what is broken"]
    return "\n".join(map(defuse, lines))


def facts(found: Discovery) -> dict[str, Any]:
    """The same for programs."""
    return {
        "targets": [
            {"name": each.name, "command": each.command, "because": list(each.reasons)}
            for each in found.targets
        ],
        "unread": list(found.unread),
    }


def verdict(finished: Finished) -> list[str]:
    """What is left, in lines for people."""
    left = finished.left or Left()
    return [*_broken(finished, left), *_warned(left)]


def _broken(finished: Finished, left: Left) -> list[str]:
    if left.green:
        repaired = len(finished.ledger.history.kept)
        return ["green: nothing is broken" + ("" if repaired else ", there was nothing to do")]
    lines = [_headline(left)]
    causes = shown_once(left.failures, lambda f: f, lambda f: left.aside.get(f.id))
    for failure, tools in causes[:20]:
        why = left.aside.get(failure.id)
        lines.append(_line(failure) + also(tools) + (f" ({why})" if why else ""))
    if len(causes) > 20:
        lines.append(f"  and {len(causes) - 20} more")
    lines += [f"  {name} does not tell everything: {why}" for name, why in left.incomplete.items()]
    return [*lines, *_cure(left)]


def _why_not_green(left: Left | None) -> str:
    if left is None:
        return "nobody has looked at what is left."
    return "\n".join([f"{_headline(left)}.", *_cure(left)])


def _why_not_passed(left: Left | None, words: Collection[str], categories: Collection[str]) -> str:
    """Empty: nothing is left of what was named, and everything was looked at."""
    if left is None or left.incomplete:
        return _why_not_green(left)
    found = named((*left.failures, *left.warnings), words, categories)
    return f"still broken: {summary(found)}." if found else ""


def _cure(left: Left) -> list[str]:
    """Where something is broken, that may be why a target came no further."""
    return [unseen_cure(left.incomplete)] if left.incomplete and not left.failures else []


def _headline(left: Left) -> str:
    broken = f"still broken: {len(left.failures)}" if left.failures else "nothing seen is broken"
    if not left.incomplete:
        return broken
    names = ", ".join(left.incomplete)
    do = "does" if len(left.incomplete) == 1 else "do"
    return f"{broken}, but {names} {do} not tell everything"


def _warned(left: Left) -> list[str]:
    if not left.warnings:
        return []
    many = "s" if len(left.warnings) > 1 else ""
    said = f"besides: {len(left.warnings)} warning{many}, which --category warning repairs"
    return [said, *map(_line, left.warnings[:5])]


def _line(failure: Failure) -> str:
    place = f"{failure.path}:{failure.line}" if failure.line else failure.path
    words = failure.message.splitlines()[0] if failure.message else failure.id
    return f"  {failure.category} {place} {words[:120]}"


def _check(options: argparse.Namespace) -> int:
    """The gate: the base's rules for what a pull request brings."""
    if options.resume:
        raise ConfigError(
            "--resume goes on with repairs, and --check makes none: every check begins anew.\n"
            "do: leave out one of the two."
        )
    for name in _OF_REPAIRS:
        if getattr(options, name):
            flag = f"--{name.replace('_', '-')}"
            raise ConfigError(
                f"{flag} is for repairs, and --check makes none: nobody would look at it.\n"
                "do: leave out one of the two."
            )
    if options.staged:
        return _check_staged(options)
    pair = asked(options)
    resolved, path = effective(options, commit=pair.rules, only=True, command="fix")
    config = _as_typed(resolved.config, options)
    with closing(Repository.open(Path.cwd())) as repository:
        folder = report_folder(repository, pair.head, options.output)
        _say(unknown_skips(config, repository, pair.head, pair.base), options)
    looks = CommitLooks(
        config=config,
        config_path=path,
        environment=options.environment,
        stop=obey_signals(),
        folder=folder,
    )
    return check(replace(resolved, config=config), options, looks.opened)


def _check_staged(options: argparse.Namespace) -> int:
    """The gate before a commit: what no tool has anything to say of passes at once."""
    options.fail_on = options.fail_on or [*DEFAULT]
    found = staged(Path.cwd(), options.environment, parse_words(options.fail_on))
    resolved, path = effective(options, command="fix")
    config = _as_typed(resolved.config, options)
    with closing(Repository.open(Path.cwd())) as repository:
        targets = targets_of(config, repository, found.pair.head)
        asks = [
            target for target in with_targets(config, targets).fix.targets if found.asks(target)
        ]
        options.output = report_folder(repository, "staged", options.output)
        _say(unknown_skips(config, repository, found.pair.head, found.pair.base), options)
    left = [target.name for target in targets.targets if target.name not in {t.name for t in asks}]
    if left:
        _say([f"not asked before a commit: {', '.join(left)}"], options)
    if not asks or not found.paths:
        why = "nothing is staged that anybody else has something to say of"
        if options.json:
            nothing = GateVerdict[Failure](ruling=Ruling.PASS, reason=why)
            report = GateReport(verdict=nothing, commit=found.pair.head, staged=True)
            report = replace(report, words=tuple(options.fail_on))
            show(gated(report), options.output, "json")
        else:
            print(why)
        return 0
    looks = CommitLooks(
        config=config,
        config_path=path,
        environment=options.environment,
        stop=obey_signals(),
        folder=options.output,
        asks=found.asks,
    )
    return check(replace(resolved, config=config), options, looks.opened, found.pair)


def _say(lines: Sequence[str], options: argparse.Namespace) -> None:
    """What is told before anything is run; with `--json` beside what programs read."""
    for line in lines:
        print(defuse(line), file=sys.stderr if options.json else sys.stdout)


def _as_typed(config: Config, options: argparse.Namespace) -> Config:
    """What the command's own flags say."""
    if not config.repairs:
        raise ConfigError("fix: the metric is what is broken, and cannot be another one.")
    fix = config.fix
    if options.target:
        names = [f"target {n}" if n > 1 else "target" for n in range(1, len(options.target) + 1)]
        own = zip(names, options.target, strict=True)
        targets = tuple(FixTarget(tool=name, command=command) for name, command in own)
        fix = fix.model_copy(update={"targets": targets})
    if options.category or options.skip_lint:
        wanted = tuple(options.category) or fix.categories or _NOT_LINT
        if options.skip_lint:
            wanted = tuple(name for name in wanted if name in _NOT_LINT)
        fix = fix.model_copy(update={"categories": wanted})
    if options.from_debug:
        path = str(Path(options.from_debug).absolute())
        fix = fix.model_copy(update={"from_debug": path})
    return config.model_copy(update={"fix": fix})
