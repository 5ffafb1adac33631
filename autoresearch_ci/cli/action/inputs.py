"""Action inputs -> the command line's own arguments; pure.

An input that the command has no use for is an error, as a misspelt key is: it would otherwise be
believed to work.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from autoresearch_ci.errors import ConfigError

_PREFIX = "INPUT_"


@dataclass(frozen=True, kw_only=True)
class ActionInput:
    """One input of the action."""

    flag: str = ""
    """The command line's flag; empty: it is no flag, see `arguments`."""
    commands: tuple[str, ...] = ()
    """Which commands have a use for it; empty: all."""
    secret: bool = False
    """Masked in the log, and never part of a command line."""


INPUTS: Mapping[str, ActionInput] = {
    "command": ActionInput(),
    "config": ActionInput(flag="--config"),
    "goal": ActionInput(flag="--goal", commands=("run", "fix", "init")),
    "iterations": ActionInput(flag="--iterations", commands=("run", "fix", "debug")),
    "max-minutes": ActionInput(flag="--minutes", commands=("run", "fix", "debug")),
    "max-usd": ActionInput(flag="--budget-usd", commands=("run", "fix", "debug")),
    "proposer": ActionInput(flag="--proposer", commands=("run", "fix")),
    "model": ActionInput(flag="--claude-model", commands=("run", "fix", "debug")),
    "category": ActionInput(commands=("fix",)),
    "skip-lint": ActionInput(commands=("fix",)),
    "until-green": ActionInput(commands=("fix",)),
    "failing-command": ActionInput(flag="--command", commands=("debug",)),
    "good-ref": ActionInput(flag="--bisect", commands=("debug",)),
    "anthropic-api-key": ActionInput(secret=True),
    "token": ActionInput(secret=True),
    "app-id": ActionInput(),
    "app-private-key": ActionInput(secret=True),
    "fail-on": ActionInput(commands=("compare", "fix", "security")),
    "setup-command": ActionInput(),
    "base": ActionInput(commands=("run", "compare", "fix", "security", "publish")),
    "draft": ActionInput(flag="--publish-draft", commands=("run", "fix", "publish")),
    "resume": ActionInput(commands=("run", "fix", "debug")),
    "args": ActionInput(),
}
"""Every input of action.yml, in its order."""

COMMANDS = ("run", "compare", "fix", "debug", "security", "publish", "doctor", "init")
LOOPS = ("run", "fix")
"""Commands that tell what they do in events, and may be resumed."""
RESUMABLE = (*LOOPS, "debug")
_SWITCHES = ("resume", "skip-lint", "until-green")
"""Inputs that are a flag without a value when they are `true`."""
VARIABLES = {
    "anthropic-api-key": "ANTHROPIC_API_KEY",
    "token": "AUTORESEARCH_TOKEN",
    "app-id": "AUTORESEARCH_APP_ID",
    "app-private-key": "AUTORESEARCH_APP_PRIVATE_KEY",
}
"""Inputs that reach the command line as environment."""


def read_inputs(environment: Mapping[str, str]) -> dict[str, str]:
    """The inputs that were given, by name.

    The runner keeps the hyphen of `fail-on` in `INPUT_FAIL-ON`, which some shells drop; action.yml
    maps each to an underscore besides. An empty value is how a workflow says "not given".
    """
    found = {
        key.removeprefix(_PREFIX).replace("_", "-").lower(): value
        for key, value in sorted(environment.items())
        if key.startswith(_PREFIX) and value.strip()
    }
    return {name: found[name].strip() for name in INPUTS if name in found}


def arguments(given: Mapping[str, str], claim: str = "") -> list[str]:
    """The arguments of `autoresearch-ci`. `claim`: a file with one. Raises `ConfigError`."""
    command = chosen_command(given)
    _refuse_unused(given, command)
    words = [command]
    if command == "compare":
        words += [*filter(None, [given.get("base")]), "--json"]
    if command in RESUMABLE:
        words.append("--json")
    if command == "security":
        words += ["--format", "json"]
    words += [f"--{name}" for name in _SWITCHES if _truth(given, name)]
    for name, about in INPUTS.items():
        if about.flag and name in given:
            words += [about.flag, given[name]]
    if command != "compare" and "base" in given:
        gate = "--diff" if command == "security" else "--base"
        words += [gate if is_gate(given) else "--publish-base", given["base"]]
    for name in ("category", "fail-on"):
        several = given.get(name, "").replace(",", "\n").split("\n")
        words += [word for part in several if part.strip() for word in (f"--{name}", part.strip())]
    extra = extra_arguments(given)
    if command == "debug" and "--fix" in extra:
        raise ConfigError(
            "input 'args': --fix, which repairs, is a step of its own here.\n"
            "do: name this step's handoff.json in a next one, with  command: fix  and  "
            "args: --from-debug FILE"
        )
    if claim and "claim-not-reproduced" in words and "--claim" not in extra:
        words += ["--claim", claim]
    return words + extra


def chosen_command(given: Mapping[str, str]) -> str:
    """Raises `ConfigError` for a command that does not exist."""
    command = given.get("command", "run")
    if command in COMMANDS:
        return command
    near = difflib.get_close_matches(command, COMMANDS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ConfigError(f"input 'command': {command!r} is none of {', '.join(COMMANDS)}.{hint}")


def is_gate(given: Mapping[str, str]) -> bool:
    """Whether it is asked what is broken or insecure, and nothing is to be repaired."""
    command = chosen_command(given)
    return command == "security" or (command == "fix" and "--check" in extra_arguments(given))


def extra_arguments(given: Mapping[str, str]) -> list[str]:
    """The input `args`, split as a POSIX shell would, without its expansions."""
    try:
        return shlex.split(given.get("args", ""), comments=True)
    except ValueError as error:
        raise ConfigError(
            f"input 'args': {error}.\ndo: quote as in a shell, such as  args: --tag 'my run'"
        ) from error


def _refuse_unused(given: Mapping[str, str], command: str) -> None:
    for name in given:
        commands = INPUTS[name].commands
        if commands and command not in commands:
            raise ConfigError(
                f"input {name!r} has no meaning for the command {command!r}, only for "
                f"{', '.join(commands)}.\ndo: remove it."
            )
    _truth(given, "draft")


def _truth(given: Mapping[str, str], name: str) -> bool:
    value = given.get(name, "false")
    if value not in ("true", "false"):
        raise ConfigError(f"input {name!r}: expected true or false, found {value!r}.")
    return value == "true"
