"""`autoresearch-ci init`: from a repository, and perhaps a goal, to a configuration that runs.

What is detected and what a goal means is plan/'s business; whether it works is tried here, and
nothing is written that was not.
"""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_ci.cli import questions
from autoresearch_ci.cli.examples import example
from autoresearch_ci.cli.terminal import obey_signals
from autoresearch_ci.cli.trial import Trial, refuse_dangerous, surveyed, tried
from autoresearch_ci.config.flags import given
from autoresearch_ci.config.resolve import DEFAULT_PATH, Setting, load
from autoresearch_ci.config.schema import Config
from autoresearch_ci.errors import AutoresearchError, BaselineError, ConfigError
from autoresearch_ci.execution.command import Stop
from autoresearch_ci.measure.baseline import RedGuard
from autoresearch_ci.plan.brief import Brief, aimed, brief_of, drafts_of
from autoresearch_ci.plan.draft import Draft, draft_of, yaml_of
from autoresearch_ci.plan.goals import offers_for, rule_for, usual_offers
from autoresearch_ci.plan.stack import Stack, stack_of
from autoresearch_ci.plan.workflow_file import OURS, USES, workflow_text
from autoresearch_ci.safety.log_text import defuse
from autoresearch_ci.workspace.build_caches import build_caches
from autoresearch_ci.workspace.repository import Repository

_TRIES = 4
"""Drafts that are tried before giving up."""
_SHOWN = 6
"""Offers in a menu."""
_GOALS = ("GOAL.md", ".github/GOAL.md")
_LOOPBACK = "sandbox.network=loopback"
"""What a failure says whose cure is a 127.0.0.1."""
_HEADER = (
    "Written by autoresearch-ci init. Every key: autoresearch-ci config; docs/configuration.md.",
)


@dataclass(frozen=True, kw_only=True)
class _Place:
    """The repository, and what was found in it."""

    repository: Repository
    files: Sequence[str]
    stack: Stack
    path: str
    """Of the new configuration."""
    environment: Mapping[str, str]
    stop: Stop
    quick: bool


def main(options: argparse.Namespace) -> int:
    """Detect, ask, try, write."""
    with closing(Repository.open(Path.cwd())) as repository:
        return _init(options, _place(options, repository))


def _init(options: argparse.Namespace, place: _Place) -> int:
    uses = list(dict.fromkeys(options.use or ["nightly"]))
    told = list(_found(place.stack))
    new: dict[str, str] = {}
    if "nightly" in uses:
        print("\n".join(map(defuse, told)))
        told = []
        draft, trial = _settled(place, _drafts(options, place))
        new[place.path] = yaml_of(draft, _HEADER)
        told += trial.lines(load(text=new[place.path]).config.iterations) if trial else ()
    new |= _workflows(uses, place.stack, options)
    print("\n".join(map(defuse, told)))
    if options.dry_run:
        print("\n".join(f"\n--- {path}\n{text}" for path, text in new.items()))
        return 0
    _write(place.repository.root, new, force=options.force)
    print("\n".join(map(defuse, _next(new, uses, options))))
    return 0


def _place(options: argparse.Namespace, repository: Repository) -> _Place:
    versions = repository.files(repository.head())
    files = [path for path, version in versions.items() if version.regular]
    path = options.config or DEFAULT_PATH
    if not options.dry_run and not options.force:
        _refuse_existing(repository.root, _paths(options, path))
    return _Place(
        repository=repository,
        files=files,
        stack=stack_of(files, lambda path: repository.read(versions[path])),
        path=path,
        environment=options.environment,
        stop=obey_signals(),
        quick=options.quick,
    )


def _paths(options: argparse.Namespace, path: str) -> Iterator[str]:
    for use in options.use or ["nightly"]:
        yield USES[use][1]
        if use == "nightly":
            yield path


def _refuse_existing(root: Path, paths: Iterator[str]) -> None:
    there = [path for path in paths if os.path.lexists(root / path)]
    if there:
        raise ConfigError(
            f"{there[0]} is there already, and nothing is overwritten.\n"
            "do: --dry-run prints what would be written, --force replaces it."
        )


def _found(stack: Stack) -> Iterator[str]:
    languages = ", ".join(stack.languages[:4]) or "no language that is known"
    yield f"found: {languages}; {stack.files} files in {' '.join(stack.scope) or 'no scope'}"
    for target in stack.checks.targets:
        where = f" in {target.folder}" if target.folder else ""
        yield f"  {target.tool}{where} ({target.reasons[0]})"
    yield from (f"  benchmark: {each.command} ({each.reason})" for each in stack.benchmarks[:5])
    if stack.pipelines:
        yield f"  CI: {', '.join(stack.pipelines[:4])}"
    yield from (f"  not read: {why}" for why in stack.checks.unread[:3])


# --- What could be run ----------------------------------------------------------------------------


def _drafts(options: argparse.Namespace, place: _Place) -> list[Draft]:
    """The likeliest first. Raises `ConfigError` when nothing is known that could be measured."""
    typed = given(options)
    brief = _brief(typed, place)
    caches = build_caches(place.files)
    asks = questions.is_terminal() and not options.yes
    wants = brief.goal or _says_command(typed) or brief.verify
    offers = offers_for(brief.goal, place.stack) if brief.goal else usual_offers(place.stack)
    drafts = [draft_of(offer, place.stack, caches) for offer in offers]
    blank = Draft(goal=brief.goal, scope=place.stack.scope, metric={}, guards=_guards(place.stack))
    if not wants and asks:
        drafts, brief = _asked_goal(drafts, blank, place, caches)
    if _says_command(typed):
        drafts = [replace(draft, metric={}) for draft in [*drafts, blank][:1]]
    drafts = [*drafts_of(brief, (drafts or [blank])[0]), *(aimed(brief, d) for d in drafts)]
    if not drafts:
        raise ConfigError(_nothing_to_measure(brief.goal, place.stack))
    if asks:
        drafts = [_asked_rest(draft) for draft in drafts[:1]]
    return [_with(draft, typed, place) for draft in drafts]


def _guards(stack: Stack) -> tuple[Mapping[str, object], ...]:
    from autoresearch_ci.plan.guards import guards_of

    return tuple(guards_of(stack))


def _says_command(typed: Sequence[Setting]) -> bool:
    return any(setting.at[:2] == ("metric", "command") for setting in typed)


def _brief(typed: Sequence[Setting], place: _Place) -> Brief:
    """What `--goal` says, else a GOAL.md of the commit."""
    goal = next((str(setting.value) for setting in typed if setting.at == ("goal",)), "")
    if not goal:
        head = place.repository.head()
        pages = (place.repository.content(head, path) for path in _GOALS if path in place.files)
        goal = next((page.decode("utf-8", "replace") for page in pages if page), "")
    return brief_of(goal) if goal else Brief()


def _asked_goal(
    drafts: list[Draft], blank: Draft, place: _Place, caches: Sequence[str]
) -> tuple[list[Draft], Brief]:
    shown = [f"{draft.goal}  ({draft.metric['command']})" for draft in drafts[:_SHOWN]]
    picked = questions.choice("What should get better?", shown)
    if picked >= 0:
        return [drafts[picked]], Brief()
    brief = brief_of(questions.words("What should get better, in your words?", ""))
    offers = offers_for(brief.goal, place.stack)
    if offers or brief.verify:
        return [draft_of(offer, place.stack, caches) for offer in offers], brief
    command = questions.words("Which command prints the number?", "")
    name = questions.words("What is it called there, as in `name: 1.5`? (Enter: the last)", "")
    return [], replace(brief, verify=command, metric=name)


def _asked_rest(draft: Draft) -> Draft:
    scope = questions.words("Which files may be edited?", " ".join(draft.scope))
    usual = [str(guard["command"]) for guard in draft.guards]
    kept = questions.words("What must keep passing? (none: nothing)", "; ".join(usual))
    guards = draft.guards if kept == "; ".join(usual) else ({"command": kept},)
    return replace(
        draft, scope=tuple(shlex.split(scope)), guards=() if kept in ("none", "") else guards
    )


def _with(draft: Draft, typed: Sequence[Setting], place: _Place) -> Draft:
    """What was typed goes above what was found; a brief of the repository stays its program."""
    data = draft.data
    for setting in typed:
        if setting.at == ("goal",):
            continue
        inner = data
        for key in setting.at[:-1]:
            inner = inner.setdefault(str(key), {})
            if not isinstance(inner, dict):
                raise ConfigError(f"{setting.flag}: {key} is no mapping here, give it as a whole.")
        inner[str(setting.at[-1])] = setting.value
    if "program.md" in place.files:
        data.setdefault("program", "program.md")
    known = {"goal", "scope", "metric", "guards"}
    return Draft(
        goal=data.get("goal", ""),
        scope=tuple(data.get("scope", ())),
        metric=data.get("metric", {}),
        guards=tuple(
            g if isinstance(g, Mapping) else {"command": g} for g in data.get("guards", ())
        ),
        more={key: value for key, value in data.items() if key not in known},
        reasons=draft.reasons,
    )


def _nothing_to_measure(goal: str, stack: Stack) -> str:
    rule = rule_for(goal) if goal else None
    if rule:
        return (
            f"nothing here measures {rule.name}: it takes {rule.needs}.\n"
            "do: --metric CMD --metric-name NAME, a command that prints `NAME: value`."
        )
    what = f"no rule knows how to measure {goal!r}" if goal else "nothing was found to measure"
    return (
        f"{what} in this repository of {', '.join(stack.languages) or 'files of no known kind'}.\n"
        "do: --metric CMD --metric-name NAME --direction minimize, and --scope GLOB."
    )


# --- Whether it works -----------------------------------------------------------------------------


def _settled(place: _Place, drafts: Sequence[Draft]) -> tuple[Draft, Trial | None]:
    """The first that works. Raises what was wrong with the first when none does."""
    errors: list[AutoresearchError] = []
    for draft in drafts[:_TRIES]:
        try:
            return _proved(draft, place)
        except RedGuard as error:
            cure = "do: autoresearch-ci fix repairs it; or name another one: --guard CMD"
            raise BaselineError(f"{error}\n{cure}") from error
        except (ConfigError, BaselineError) as error:
            errors.append(error)
            if len(drafts) > 1:
                print(defuse(f"not {draft.metric.get('command')}: {str(error).splitlines()[0]}"))
    raise errors[0]


def _proved(draft: Draft, place: _Place) -> tuple[Draft, Trial | None]:
    config = _loaded(draft, place)
    refuse_dangerous(config)
    with surveyed(config, Path.cwd(), place.path) as context:
        if place.quick:
            return draft, None
        print(defuse(f"trying: {config.metric.command}"))
        try:
            return draft, tried(config, context, place.environment, place.stop)
        except BaselineError as error:
            if _LOOPBACK not in str(error) or "network" in draft.more.get("sandbox", {}):
                raise
    box = {**draft.more.get("sandbox", {}), "network": "loopback"}
    return _proved(replace(draft, more={**draft.more, "sandbox": box}), place)


def _loaded(draft: Draft, place: _Place) -> Config:
    if not draft.metric.get("command"):
        raise ConfigError("no metric.\ndo: --metric CMD, a command that prints the number.")
    return load(text=yaml_of(draft), path=place.path).config


# --- What is written ------------------------------------------------------------------------------


def _workflows(uses: Sequence[str], stack: Stack, options: argparse.Namespace) -> dict[str, str]:
    source = options.source or _own_source(options.environment)
    return {
        USES[use][1]: workflow_text(
            example(USES[use][0]),
            install=stack.install,
            host=stack.main not in ("Python", "docs", "prompts", "notebooks", "SQL", ""),
            source=source,
            header="Written by autoresearch-ci init.",
        )
        for use in uses
    }


def _own_source(environment: Mapping[str, str]) -> str:
    """The repository of the action that we run as, if we do."""
    name = environment.get("GITHUB_ACTION_REPOSITORY", "")
    return f"{name}@{environment['GITHUB_ACTION_REF']}" if name.endswith("autoresearch-ci") else ""


def _write(root: Path, new: Mapping[str, str], *, force: bool) -> None:
    if not force:
        _refuse_existing(root, iter(new))
    for path, text in new.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_symlink():
            place.unlink()
        place.write_text(text, encoding="utf-8")


def _next(
    new: Mapping[str, str], uses: Sequence[str], options: argparse.Namespace
) -> Iterator[str]:
    yield from (f"wrote: {path}" for path in new)
    if any(OURS in text for text in new.values()):
        yield f"next: put the repository that holds our workflows for {OURS}, or --source NAME@REF"
    yield f"next: git add {' '.join(new)} && git commit -m 'Add autoresearch'"
    if "nightly" in uses:
        named = f" --config {options.config}" if options.config else ""
        yield f"next: autoresearch-ci run{named}"
    if {"fix", "gate"} & {*uses}:
        yield "next: autoresearch-ci fix --dry-run shows what fix and gate look at"
