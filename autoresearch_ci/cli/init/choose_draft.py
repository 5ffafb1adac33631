"""Which configuration is written: by rules, answers or a model, and proved before it counts.

`init` finds what there is and writes what comes of it; how a trial goes is try_config.py's part.
"""

from __future__ import annotations

import argparse
import re
import shlex
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from autoresearch_ci.cli.config import typed_from
from autoresearch_ci.cli.init.questions import Asks, Questions
from autoresearch_ci.cli.init.try_config import (
    LONGEST,
    SLOW,
    UNGUARDED,
    Trial,
    refuse_dangerous,
    surveyed,
    tried,
)
from autoresearch_ci.config.resolve import Setting, load
from autoresearch_ci.config.schema import Config
from autoresearch_ci.decide.command_screen import counted
from autoresearch_ci.errors import AutoresearchError, BaselineError, ConfigError
from autoresearch_ci.execution.command import Stop
from autoresearch_ci.llm.credentials import has_credentials
from autoresearch_ci.measure.baseline import RedGuard
from autoresearch_ci.measure.bench import SetupFailed
from autoresearch_ci.plan.brief import Brief, aimed, brief_of, drafts_of
from autoresearch_ci.plan.config_draft import (
    ConfigDraft,
    draft_of,
    installing,
    of_built,
    of_fewer_failures,
    of_nothing,
    of_tests_alone,
    yaml_of,
)
from autoresearch_ci.plan.direction import direction_of
from autoresearch_ci.plan.goals import offers_for, rule_for, usual_offers
from autoresearch_ci.plan.offers import SCORE
from autoresearch_ci.plan.stack import Stack
from autoresearch_ci.plan.suite_guards import guards_of
from autoresearch_ci.safety.log_text import defuse
from autoresearch_ci.workspace.build_caches import build_caches
from autoresearch_ci.workspace.repository import Repository
from autoresearch_ci.workspace.scratch import without_trees

_TRIES = 5
"""Drafts that are tried before giving up."""
_MODEL_TRIES = 2
_SHOWN = 6
"""Offers in a menu."""
_GOALS = ("GOAL.md", ".github/GOAL.md")
_LOOPBACK = "sandbox.network=loopback"
"""What a failure says whose cure is a 127.0.0.1."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The repository, and what was found in it."""

    repository: Repository
    files: Sequence[str]
    stack: Stack
    path: str
    """Of the new configuration."""
    environment: Mapping[str, str]
    stop: Stop
    quick: bool
    questions: Questions | None
    """`None`: nobody is asked."""
    warned: set[str] = field(default_factory=set)
    """What was said of the repository already."""
    bare: list[Sequence[ConfigDraft]] = field(default_factory=list)
    """What was tried without what it lacks, and is again if that cannot be installed."""
    lacks: list[str] = field(default_factory=list)
    """Why it cannot, in words."""
    untold: list[str] = field(default_factory=list)
    """Why something was not tried: what goes for all is the one error that ends it."""


# --- What could be run ----------------------------------------------------------------------------


class _NothingKnown(ConfigError):
    """No rule measures the goal here."""

    def __init__(self, goal: str, stack: Stack) -> None:
        super().__init__(_nothing_to_measure(goal, stack))
        self.goal = goal


def chosen(options: argparse.Namespace, place: Survey) -> tuple[ConfigDraft, Trial | None]:
    """What rules and answers say; a model where they say nothing."""
    typed = typed_from(options, place.repository.root)
    try:
        if place.questions:
            drafts = place.questions.settled(lambda asks: _drafts(options, place, asks))
        else:
            drafts = _drafts(options, place, None)
    except _NothingKnown as error:
        if not error.goal or not has_credentials(place.environment):
            raise
        return _of_model(error.goal, typed, place)
    return _with_what_it_needs(*_settled(place, drafts, typed), place)


def _with_what_it_needs(
    draft: ConfigDraft, trial: Trial | None, place: Survey
) -> tuple[ConfigDraft, Trial | None]:
    """Without the `setup` that has turned no test green, unless the metric needs it, or is
    another number there."""
    if not (trial and place.bare) or draft.guards or "setup" not in draft.more:
        return draft, trial
    more = {key: value for key, value in draft.more.items() if key != "setup"}
    with suppress(ConfigError, BaselineError):
        bare, again = _proved(replace(draft, more=more), place)
        exact = len({*trial.values}) == 1
        if not (exact and again and {*again.values} != {*trial.values}):
            return bare, again
    return draft, trial


def _of_model(
    goal: str, typed: Sequence[Setting], place: Survey
) -> tuple[ConfigDraft, Trial | None]:
    """The first plan of the model that works; it is told once what was wrong."""
    from autoresearch_ci.cli.init.ask_model import asked_plan

    print(defuse(f"no rule measures {goal!r} here: Claude is asked"))
    complaint = ""
    for left in reversed(range(_MODEL_TRIES)):
        draft = asked_plan(goal, place.stack, place.files, typed, place.environment, complaint)
        try:
            return _proved(_with(draft, typed, place), place)
        except (ConfigError, BaselineError) as error:
            if not left:
                raise
            complaint = str(error)
            print(defuse(f"not {draft.metric['command']}: {complaint.splitlines()[0]}"))
    raise AssertionError("the last try raises")


def _drafts(options: argparse.Namespace, place: Survey, asks: Asks | None) -> list[ConfigDraft]:
    """The likeliest first. Raises `ConfigError` when nothing is known that could be measured."""
    typed = typed_from(options, place.repository.root)
    brief = _brief(typed, place)
    caches = build_caches(place.files)
    wants = brief.goal or _says_command(typed) or brief.verify
    offers = offers_for(brief.goal, place.stack) if brief.goal else usual_offers(place.stack)
    drafts = [draft_of(offer, place.stack, caches) for offer in offers]
    guards = tuple(guards_of(place.stack))
    blank = ConfigDraft(goal=brief.goal, scope=place.stack.scope, metric={}, guards=guards)
    if not wants and asks:
        drafts, brief = _asked_goal(drafts, place, caches, asks)
    if _says_command(typed):
        name = next((str(each.value) for each in typed if each.at == ("metric", "name")), "")
        way = direction_of(name, brief.goal)
        metric = {"direction": way} if way else {}
        drafts = [replace(draft, metric=metric) for draft in [*drafts, blank][:1]]
    drafts = [*drafts_of(brief, (drafts or [blank])[0]), *(aimed(brief, d) for d in drafts)]
    if drafts and asks and wants and not _says_command(typed):
        drafts = _asked_metric(drafts, asks)
    elif not drafts and asks and not has_credentials(place.environment):
        drafts = [*drafts_of(_asked_command(brief, asks), blank), blank]
    if asks and drafts:
        command = drafts[0].metric.get("command")
        same = [each for each in drafts if each.metric.get("command") == command]
        drafts = _asked_rest(same if wants else drafts, asks)
    if not drafts or not (drafts[0].metric or _says_command(typed)):
        raise _NothingKnown(brief.goal, place.stack)
    return [_with(draft, typed, place) for draft in drafts]


def _says_command(typed: Sequence[Setting]) -> bool:
    return any(setting.at[:2] == ("metric", "command") for setting in typed)


def _brief(typed: Sequence[Setting], place: Survey) -> Brief:
    """What `--goal` says, else a GOAL.md of the commit."""
    goal = next((str(setting.value) for setting in typed if setting.at == ("goal",)), "")
    if not goal:
        head = place.repository.head()
        pages = (place.repository.content(head, path) for path in _GOALS if path in place.files)
        goal = next((page.decode("utf-8", "replace") for page in pages if page), "")
    return brief_of(goal) if goal else Brief()


def _asked_goal(
    drafts: list[ConfigDraft], place: Survey, caches: Sequence[str], asks: Asks
) -> tuple[list[ConfigDraft], Brief]:
    shown = [f"{draft.goal}  ({draft.metric['command']})" for draft in drafts[:_SHOWN]]
    picked = asks.choice("goal", "What should get better?", shown, own=True)
    if isinstance(picked, int):  # who takes the likeliest wants the next where that does not work
        return drafts if not picked else [drafts[picked]], Brief()
    brief = brief_of(picked)
    offers = offers_for(brief.goal, place.stack)
    return [draft_of(offer, place.stack, caches) for offer in offers], brief


_NAMED = re.compile(r"(?:(lower|higher) +)?([A-Za-z_][\w./-]*): +(\S.*)", re.I)


def _asked_command(brief: Brief, asks: Asks) -> Brief:
    """For what no rule measures here."""
    words = "Which command prints the number? As in `lower seconds: python bench.py`, or no more "
    words += "than the command, of which the last number is taken."
    told = asks.words("command", words, "")
    if match := _NAMED.fullmatch(told):
        direction = "" if not match[1] else "minimize" if match[1][0] in "lL" else "maximize"
        return replace(brief, verify=match[3], metric=match[2], direction=direction)
    return replace(brief, verify=told, metric="")


def _asked_metric(drafts: Sequence[ConfigDraft], asks: Asks) -> list[ConfigDraft]:
    """Those that measure with the command that is picked: who agrees to a goal sees what is run."""
    commands = list(dict.fromkeys(str(draft.metric["command"]) for draft in drafts))[:_SHOWN]
    picked = asks.choice("metric", "What shall measure it?", commands)
    return [draft for draft in drafts if draft.metric["command"] == commands[int(picked)]]


def _asked_rest(drafts: Sequence[ConfigDraft], asks: Asks) -> list[ConfigDraft]:
    """What is said of the first goes for those that may stand in for it."""
    draft = drafts[0]
    scope = asks.words("scope", "Which files may be edited?", shlex.join(draft.scope))
    known = {str(guard["command"]): guard for guard in draft.guards}
    told = asks.words("guard", "What must keep passing?", "; ".join(known) or "none")
    if told == "none":
        kept = []
    elif told == "; ".join(known):
        kept = list(known)
    else:  # one line of shell would have the exit code of its last command only
        kept = [part.strip() for part in told.split(";") if part.strip()]
    try:
        globs = tuple(shlex.split(scope))
    except ValueError as error:
        raise ConfigError(f"the files {scope!r}: {error}.\ndo: quote as in a shell.") from error
    guards = tuple(known.get(command, {"command": command}) for command in kept)
    if globs != draft.scope:
        drafts = [replace(each, scope=globs) for each in drafts]
    if guards != draft.guards:
        drafts = [replace(each, guards=guards, told_guards=True) for each in drafts]
    return list(drafts)


def _with(draft: ConfigDraft, typed: Sequence[Setting], place: Survey) -> ConfigDraft:
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
    return ConfigDraft(
        goal=data.get("goal", ""),
        scope=tuple(data.get("scope", ())),
        metric=data.get("metric", {}),
        guards=tuple(map(_watched, data.get("guards", ()))),
        more={key: value for key, value in data.items() if key not in known},
        reasons=draft.reasons,
        least=draft.least,
        title=draft.title,
        told_guards=draft.told_guards or any(setting.at[0] == "guards" for setting in typed),
    )


def _watched(guard: Mapping[str, Any] | str) -> Mapping[str, Any]:
    """By the number, where a count would fail nothing."""
    found = guard if isinstance(guard, Mapping) else {"command": guard}
    return found if "metric" in found else {**found, **counted(str(found["command"]))}


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


def _settled(
    place: Survey, drafts: Sequence[ConfigDraft], typed: Sequence[Setting]
) -> tuple[ConfigDraft, Trial | None]:
    """The first that works and looks at the scope, else one that works; noise is only told.

    What is not installed is installed in a `setup`, and a guard that is red is eased, but for
    guards that somebody wrote. Raises what was wrong with the first when none works.
    """
    errors: list[AutoresearchError] = []
    worse: list[tuple[ConfigDraft, Trial]] = []
    why: list[str] = []
    left = [*drafts[:_TRIES]]
    while left:
        draft, *others = left
        try:
            found, trial = _proved(draft, place, LONGEST if len(drafts) == 1 else 2 * SLOW)
        except SetupFailed as error:  # before any metric
            if not place.bare or place.lacks:
                raise
            print(defuse(f"warning: not installed, which init --force tries again: {_told(error)}"))
            place.lacks.append(_told(error))
            left = [*place.bare[-1]]
            continue
        except (ConfigError, BaselineError) as error:
            if _may_be_uninstalled(error, draft, place):
                place.bare.append(left)
                ready = [installing(each, place.stack) for each in left]
                print(defuse(f"not installed: {_told(error)}"))
                print(defuse(f"installing first: {' && '.join(ready[0].more['setup'])}"))
                # another metric may need nothing; a guard is the same for all
                left = ready if isinstance(error, RedGuard) else [ready[0], *others]
                continue
            if isinstance(error, RedGuard):
                if "setup" in draft.more:
                    left = [installing(each, place.stack) for each in left]
                return _settled(place, _eased(left, error, place, typed), typed)
            errors.append(error)
            why.append(f"not {_called(draft)}: {_told(error)}")
        else:
            reason = against(draft, trial) if trial else ""
            if trial is None or len(drafts) == 1 or not reason:
                if reason and trial and not trial.blind:  # that is told of every trial
                    print(defuse(f"warning: {reason}"))
                return _explained(found, why, trial), trial
            worse.append((found, trial))
            why.append(f"not yet {_called(draft)}: {reason}")
        place.untold.append(why[-1])
        left = others
    if place.untold and place.untold != why:  # then something was tried
        print("\n".join(map(defuse, place.untold)))
    if not worse:
        raise errors[0]
    found, trial = min(worse, key=lambda each: (each[1].blind, each[1].seconds > SLOW))
    return _explained(found, [], trial), trial


_SHORT = 50
"""Characters of a command that still reads like a name."""


def _called(draft: ConfigDraft) -> str:
    command = str(draft.metric.get("command"))
    return draft.title if draft.title and len(command) > _SHORT else command


def _told(error: Exception) -> str:
    return without_trees(str(error).splitlines()[0])


_LACKS = re.compile(
    r"ModuleNotFoundError|No module named|ImportError|PackageNotFoundError|fixture '\w+' not found"
    r"|unrecognized arguments: --|[Cc]annot find (?:module|package)|ERR_MODULE_NOT_FOUND"
    r"|not found\s*$|missing packages|[Cc]ould not resolve|failed to (?:get|download|load source)"
    r"|in offline mode|errors? during collection|^do: (?:install|download) ",
    re.MULTILINE,
)
"""What commands say of that which nobody has installed, and what is advised then."""


_COMPILED = re.compile(r"\.(?:pyx|c|cpp|cc|rs)$")
"""What an extension of Python is made of."""


def _may_be_uninstalled(error: Exception, draft: ConfigDraft, place: Survey) -> bool:
    """Unless it cannot be installed. Of Node, and of an extension of Python that is not built,
    whatever fails: what is missed is said in many words, or in none."""
    stack = place.stack
    if place.lacks or isinstance(error, ConfigError) or installing(draft, stack) == draft:
        return False
    if stack.is_of_node:
        return stack.needs_modules and not (place.repository.root / "node_modules").is_dir()
    built = stack.main == "Python" and any(map(_COMPILED.search, place.files))
    return bool(built or _LACKS.search(str(error)))


def _eased(
    drafts: Sequence[ConfigDraft], error: RedGuard, place: Survey, typed: Sequence[Setting]
) -> list[ConfigDraft]:
    """With a guard that may pass. Raises the error where somebody wrote the one that does not."""
    if _brief(typed, place).guard or drafts[0].told_guards:
        cure = "do: autoresearch-ci fix repairs it; or name another one: --guard CMD"
        raise BaselineError(f"{error}\n{cure}") from error
    script, lack = drafts[0].guards[0]["command"], _LACK if place.lacks else ""
    mended = "autoresearch-ci fix mends the tests, and init --force looks again"
    ways: Mapping[Callable[..., ConfigDraft], str] = {
        of_tests_alone: f"of {script} only the tests are the guard",
        of_built: f"the code is built before {script}",
        partial(of_fewer_failures, lack=lack): "the guard is that no more tests fail than now in "
        f"{script}",
        of_nothing: f"no guard, so nothing says what a change breaks: {mended}",
    }
    for way, what in ways.items():
        if way is of_nothing and lack:
            raise _unguarded(script, place) from error
        calmer = [way(each, place.stack) for each in drafts]
        if calmer[0] != drafts[0]:
            print(defuse(f"warning: {what}: {_told(error)}"))
            break
    return calmer


_LACK = "what the tests need cannot be installed here"


def _unguarded(guard: str, place: Survey) -> BaselineError:
    """Nobody has agreed to go on without what they were shown as the guard."""
    return BaselineError(
        f"no guard, as {_LACK}: {place.lacks[-1]}\n"
        "usually: no network, or a registry or forge that cannot be reached.\n"
        f"do: {' && '.join(place.stack.install)} where it can, and init again, which takes along "
        f"what is installed and ignored; or name another guard than {guard}: --guard CMD; or go on "
        "without one, so that nothing says what a change breaks: --set guards=[]"
    )


def against(draft: ConfigDraft, trial: Trial) -> str:
    """Why another number would be better; empty: nothing is.

    Its noise is no reason: what gets better must not depend on how busy the machine was.
    """
    if trial.blind:
        return trial.blindness
    if trial.seconds > SLOW:
        return f"one run takes {trial.seconds / 60:.0f} minutes, of which a night has few"
    if _is_mostly_start(draft, trial):
        value = statistics.median(trial.values)
        unit = "MiB" if draft.metric.get("name") == "peak_memory_mb" else "seconds"
        return f"{value:.2g} {unit} are mostly the start of what is run, not the code in scope"
    left = max(trial.values) if trial.reachable < 0 else trial.reachable
    if draft.metric.get("target") == 0 and left <= _FEW:
        return f"{left:g} left to mend in scope: no work for a night"
    return ""


_FEW = 3
"""Findings that a proposal or two mend."""
_START = 1.5
"""Times as long as without the code in scope, and it is that which takes next to nothing."""
_ENOUGH = 10.0
"""Seconds of tests that are worth it however long their build takes."""


def _is_mostly_start(draft: ConfigDraft, trial: Trial) -> bool:
    """By what a busy machine changes least: a share of the run, else the calmest of the values."""
    if "junit" in draft.metric.get("extract", {}):
        return statistics.mean(trial.values) < min(draft.least * trial.seconds, _ENOUGH)
    waits = trial.idle > 2 * max(trial.values)  # for what is not there
    start = 0.0 if waits or not draft.least else _START * trial.idle
    return min(trial.values) < max(draft.least, start)


_NOISY = 0.3
"""Where only larger gains are seen, whoever reads the file should know."""


def _explained(draft: ConfigDraft, why: Sequence[str], trial: Trial | None) -> ConfigDraft:
    """With what was tried before it, and what speaks against it."""
    told = [draft.reasons.get("metric", ""), *why]
    if trial and (reason := against(draft, trial)):
        told.append(f"warning: {reason}")
    if trial and trial.unguarded:
        told.append(f"warning: {UNGUARDED}")
    if trial and trial.detectable > _NOISY:
        told.append(
            f"warning: gains below {trial.detectable:.0%} were not seen in its noise where it was "
            "tried; a longer workload or a quieter machine shows smaller ones"
        )
    return replace(draft, reasons={**draft.reasons, "metric": "\n".join(told).strip()})


def _proved(
    draft: ConfigDraft, place: Survey, longest: float = LONGEST
) -> tuple[ConfigDraft, Trial | None]:
    """`longest`: seconds that one run of the metric may take."""
    config = _loaded(draft, place)
    refuse_dangerous(config)
    with surveyed(config, Path.cwd(), place.path) as context:
        for warning in context.warnings:
            if warning not in place.warned:
                print(defuse(f"warning: {warning}"))
            place.warned.add(warning)
        if place.quick:
            return draft, None
        print("\n".join(map(defuse, [*place.untold, f"trying: {config.metric.command}"])))
        place.untold.clear()
        try:
            trial = tried(config, context, place.environment, place.stop, longest)
        except BaselineError as error:
            if _LOOPBACK not in str(error) or "network" in draft.more.get("sandbox", {}):
                raise
        else:
            built = of_built(draft, place.stack)
            if (trial.blind or trial.unguarded) and built != draft and not draft.told_guards:
                with suppress(BaselineError):
                    found, again = _proved(built, place, longest)
                    if again and not (again.blind or again.unguarded):
                        return found, again
            return _with_all_results(draft, trial), trial
    box = {**draft.more.get("sandbox", {}), "network": "loopback"}
    return _proved(replace(draft, more={**draft.more, "sandbox": box}), place, longest)


def _with_all_results(draft: ConfigDraft, trial: Trial) -> ConfigDraft:
    """A benchmark that is skipped, or one more, makes another number of the rest, a file that a
    build no longer writes a smaller one, and so does a query that answers something else."""
    command = str(draft.metric["command"])
    for kind, option in (("bench", "--results"), ("size", "--least"), ("sql", "--answers")):
        start = f"{SCORE} {kind} "
        if trial.results and start in command and f" {option} " not in command:
            command = command.replace(start, f"{start}{option} {trial.results} ", 1)
    return replace(draft, metric={**draft.metric, "command": command})


def _loaded(draft: ConfigDraft, place: Survey) -> Config:
    if not draft.metric.get("command"):
        raise ConfigError("no metric.\ndo: --metric CMD, a command that prints the number.")
    if not draft.scope:
        raise ConfigError(
            "no file here is known to be a source of its own.\n"
            "do: --scope GLOB, the files that may be edited."
        )
    return load(text=yaml_of(draft), path=place.path).config
