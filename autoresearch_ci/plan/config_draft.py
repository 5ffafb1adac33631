"""A configuration that is still open to questions, and the YAML that it becomes; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from autoresearch_ci.config import reader
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.plan.offers import Offer, without_linters
from autoresearch_ci.plan.package_managers import in_the_checkout
from autoresearch_ci.plan.stack import Stack
from autoresearch_ci.plan.suite_guards import failure_counts
from autoresearch_ci.safety.wording import shortened


@dataclass(frozen=True, kw_only=True)
class ConfigDraft:
    """What the file will say."""

    goal: str
    scope: tuple[str, ...]
    metric: Mapping[str, Any]
    guards: tuple[Mapping[str, Any], ...]
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further keys, by their name in the file."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Lines of comment above a key of the first level."""
    least: float = 0.0
    """As the offer's."""
    title: str = ""
    """As the offer's."""
    told_guards: bool = False
    """Whether somebody said what must keep passing."""

    @property
    def data(self) -> dict[str, Any]:
        """The configuration as the reader gives it."""
        told = {
            "goal": self.goal,
            "scope": list(self.scope),
            "metric": dict(self.metric),
            "guards": [dict(guard) for guard in self.guards],
            **self.more,
        }
        return {key: value for key, value in told.items() if value not in ("", [], {})}


_PATIENCE = "10m"
CACHED = ("Rust", "Java")
"""Whose builds take minutes from scratch, and notice by themselves what changed."""


def draft_of(offer: Offer, stack: Stack, caches: Sequence[str]) -> ConfigDraft:
    """`caches`: folders that builds may keep, see build_caches.py."""
    builds = re.search(r"\b(cargo|mvn|gradlew?)\b", str(offer.metric["command"]))
    more: dict[str, Any] = {}
    if caches and (builds or stack.main in CACHED):
        more["cache"] = list(caches)
    if gradle := re.search(r"\S*\bgradlew? ", str(offer.metric["command"])):
        # It takes nothing of another HOME but what it may write to; setup has the network.
        more["setup"] = [f"{gradle[0]}--no-daemon --console=plain testClasses"]
    if "score lighthouse" in str(offer.metric["command"]):
        more["sandbox"] = {"network": "loopback"}
    if stack.main == "Go":
        # Compiled once into the HOME from which each measurement starts, with the network.
        tests = [str(g["command"]) for g in offer.guards if str(g["command"]).startswith("go test")]
        built = ["go test ./...", *(line.removesuffix(" -v") for line in tests)]
        built = [line.replace("go test", "go test -run=^$", 1) for line in built]
        more["setup"] = list(dict.fromkeys(built))
        # Unlike the unmodified code, a candidate has to be compiled: the usual limit is no measure.
        offer = replace(
            offer,
            metric={**offer.metric, "timeout": _PATIENCE},
            guards=tuple({**guard, "timeout": _PATIENCE} for guard in offer.guards),
        )
    return ConfigDraft(
        goal=offer.goal,
        scope=offer.scope,
        metric=offer.metric,
        guards=offer.guards,
        more=more,
        reasons={"metric": f"{offer.title}, from {offer.reason}"},
        least=offer.least,
        title=offer.title,
    )


# --- Where it does not work as it stands ----------------------------------------------------------


def installing(draft: ConfigDraft, stack: Stack) -> ConfigDraft:
    """With a `setup` that installs what a bare runner would be given. Go has it anyway."""
    commands = [str(each["command"]) for each in (draft.metric, *draft.guards) if "command" in each]
    lines = in_the_checkout(stack.install, commands)
    if "setup" in draft.more or not lines:
        return draft
    return replace(draft, more={**draft.more, "setup": lines})


def of_built(draft: ConfigDraft, stack: Stack) -> ConfigDraft:
    """With a build before tests of JavaScript, which may be of what it writes."""
    commands = {str(guard["command"]) for guard in draft.guards if "metric" not in guard}

    def built(each: Mapping[str, Any]) -> Mapping[str, Any]:
        command = str(each.get("command", ""))
        tests = any(known in command for known in commands) and "build" in stack.scripts
        if not tests or re.search(r"\bbuild\b", command):
            return each
        return {**each, "command": f"npm run --silent build && {command}"}

    return replace(draft, metric=built(draft.metric), guards=tuple(map(built, draft.guards)))


def of_tests_alone(draft: ConfigDraft, stack: Stack) -> ConfigDraft:
    """Where its guard is a script `test` that lints as well: a linter that got stricter is no
    broken test."""
    script = "npm test --silent"
    if [guard.get("command") for guard in draft.guards] != [script]:
        return draft
    return replace(draft, guards=({**draft.guards[0], "command": without_linters(script, stack)},))


def of_fewer_failures(draft: ConfigDraft, stack: Stack, lack: str = "") -> ConfigDraft:
    """Its guard is that no more tests fail than now: some of them are red already. `lack`: why,
    where it is not their code."""
    guards = tuple(failure_counts(stack))
    if not guards or draft.guards == guards:
        return draft
    mended = "some fail already: no more of them may; autoresearch-ci fix mends them"
    why = {"guards": f"{lack}: no more tests may fail than without it" if lack else mended}
    return replace(draft, guards=guards, reasons={**draft.reasons, **why})


def of_nothing(draft: ConfigDraft, stack: Stack) -> ConfigDraft:
    """Without a guard, which the file says."""
    told = draft.reasons.get("metric", "")
    why = "the tests fail on the unmodified code: nothing says what breaks"
    told = f"{told}\nwarning: no guard, as {why}".strip()
    return replace(draft, guards=(), reasons={**draft.reasons, "metric": told})


# --- YAML -----------------------------------------------------------------------------------------


_PLAIN = re.compile(r"[A-Za-z_./(](?:[^\s:#]|:(?=\S)|(?<=\S)#| (?! ))*")
"""What YAML takes as it stands behind a key."""
_PLAIN_IN_LINE = re.compile(r"[A-Za-z_./(][A-Za-z0-9_./ ()=+%@^-]*")
"""And between brackets."""
_WORDS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")


def yaml_of(draft: ConfigDraft, header: Sequence[str] = ()) -> str:
    """The file's text. Raises `ConfigError` when it would be read as something else."""
    lines = [*(f"# {line}" for line in header)]
    for key, value in draft.data.items():
        lines += [f"# {_one_line(line)}" for line in draft.reasons.get(key, "").splitlines()]
        lines += _entry(key, value)
    text = "\n".join(lines) + "\n"
    if reader.read(text, "the new file").data != draft.data:
        raise ConfigError("the new file would not say what was meant; please report its answers.")
    return text


def _entry(key: str, value: Any, indent: str = "") -> Iterator[str]:
    if isinstance(value, Mapping) and len(_flow(value)) > 60:
        yield f"{indent}{key}:"
        for name, inner in value.items():
            yield from _entry(name, inner, f"{indent}  ")
    elif isinstance(value, list) and (len(_flow(value)) > 70 or key == "guards"):
        yield f"{indent}{key}:"
        for each in value:
            yield from _listed(each, f"{indent}  ")
    else:
        yield f"{indent}{key}: {_block(value)}"


def _listed(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        marks = ["- ", *["  "] * (len(value) - 1)]
        for mark, (name, inner) in zip(marks, value.items(), strict=True):
            yield f"{indent}{mark}{name}: {_block(inner)}"
    else:
        yield f"{indent}- {_block(value)}"


def _block(value: Any) -> str:
    return _text(value, _PLAIN) if isinstance(value, str) else _flow(value)


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_flow(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return _text(value, _PLAIN_IN_LINE) if isinstance(value, str) else json.dumps(value)


def _text(value: str, plain: re.Pattern[str]) -> str:
    known = value.lower() in _WORDS or value.endswith((" ", ":")) or not value.isprintable()
    return value if plain.fullmatch(value) and not known else _quoted(value)


def _quoted(value: str) -> str:
    if "\\" in value and "'" not in value and value.isprintable():
        return f"'{value}'"  # expressions read better without doubled backslashes
    return f'"{"".join(map(_escaped, value))}"'


def _escaped(sign: str) -> str:
    if sign in '"\\':
        return f"\\{sign}"
    return sign if sign.isprintable() else f"\\U{ord(sign):08x}"


def _one_line(text: str) -> str:
    return shortened("".join(sign if sign.isprintable() else " " for sign in text), 200)
