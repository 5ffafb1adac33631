"""What the tasks of a repository run: rules of a Makefile, scripts of a package.json, environments
of tox and nox, recipes of a justfile.

CORE: texts in, lines of shell out. Reads too much rather than too little: what depends on a
variable that nothing here sets is taken without it. Which files those lines start is
workspace/started_files.py's business.
"""

from __future__ import annotations

import configparser
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from autoresearch_ci.safety.untrusted_values import json_value

OWN_CHECKS = re.compile(r"(test|lint|check|type-?check|types|tsc|build|ci|verify)s?(?![^\W_])")
"""Tasks, by the start of their names, that say whether a repository is well."""
_CHECKS_ONLY = re.compile(OWN_CHECKS.pattern.replace("|build", ""))
"""Of make, whose `build` is there to be repaired."""
_BYTES_LIMIT = 512_000
_VALUE_LIMIT = 10_000
"""Characters that a variable of make may grow to."""


# --- make and just --------------------------------------------------------------------------------


@dataclass(kw_only=True)
class _Rule:
    needs: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


_ASSIGNED = re.compile(
    r"^(?:export\s+|override\s+)*(?P<name>[\w.-]+)\s*(?P<how>\+|\?|::?:?|!)?=\s*(?P<value>.*)$"
)
_HEAD = re.compile(r"^(?P<names>[^\s:#=][^:#=]*?)\s*::?(?!=)(?P<needs>[^=;]*)(?:;(?P<line>.*))?$")
_INCLUDED = re.compile(r"^-?s?include\s+(.+)$")
_JUST_HEAD = re.compile(r"^@?(?P<name>[\w-]+)(?P<parameters>[^:=\n]*):(?!=)(?P<needs>.*)$")
_VARIABLE = re.compile(r"\$(?:\((?P<a>[\w.-]+)\)|\{(?P<b>[\w.-]+)\}|(?P<c>[@<^*?]))/?")


@dataclass(frozen=True, kw_only=True)
class Makefile:
    """Its rules, with variables as it sets them itself."""

    rules: Mapping[str, _Rule]
    first: str
    """The goal when none is named."""
    included: tuple[str, ...]
    """Files that it reads as well."""
    tests: tuple[str, ...]
    """Programs that automake's `check` starts."""
    phony: frozenset[str]
    """Rules that make no file."""

    def lines(self, goals: Iterable[str]) -> list[str]:
        """What these goals run, and what they need; of a goal that no rule makes, everything."""
        names = list(goals) or [self.first]
        if any(name not in self.rules for name in names):
            names = [*self.rules]
        found = [line for name in self._reached(names) for line in self.rules[name].lines]
        return [*found, *self.tests]

    def own_checks(self) -> dict[str, list[str]]:
        """By name, what the rules that say whether all is well run themselves."""
        own = [name for name in self.rules if _CHECKS_ONLY.match(name)]
        own = [n for n in self._reached(own) if _CHECKS_ONLY.match(n) or n in self.phony]
        return {name: self.rules[name].lines for name in own}

    def _reached(self, names: Sequence[str]) -> list[str]:
        pending, seen = list(names), dict[str, None]()
        while pending:
            name = pending.pop()
            if name not in seen and name in self.rules:
                seen[name] = None
                pending += self.rules[name].needs
        return [*seen]


def makefile(text: str) -> Makefile:
    """Read as make reads it, but for conditions, both of whose sides are taken."""
    variables: dict[str, str] = {"SHELL": "sh", "CURDIR": "."}
    rules: dict[str, _Rule] = {}
    included: list[str] = []
    current: list[_Rule] = []
    names: list[str] = []
    for line in text[:_BYTES_LIMIT].replace("\\\n", " ").splitlines():
        if line.startswith("\t"):
            for rule in current:
                rule.lines.append(_expanded(line.strip().lstrip("@-+ "), variables, rule, names))
        elif assigned := _ASSIGNED.match(line):
            _assign(variables, assigned)
        elif found := _INCLUDED.match(line):
            included += _expanded(found[1], variables).split()
        elif head := _HEAD.match(line):
            names = _expanded(head["names"], variables).split()
            current = [rules.setdefault(name, _Rule()) for name in names]
            for rule in current:
                rule.needs += _expanded(head["needs"], variables).replace("|", " ").split()
                rule.lines += [_expanded(head["line"], variables, rule)] if head["line"] else []
    tests = _expanded(variables.get("TESTS", ""), variables).split()
    special = rules.get(".PHONY", _Rule()).needs
    return Makefile(
        rules={name: rule for name, rule in rules.items() if name != ".PHONY"},
        first=next((name for name in rules if not name.startswith(".")), ""),
        included=tuple(included),
        tests=tuple(f"./{name}" for name in tests),
        phony=frozenset(special),
    )


def _assign(variables: dict[str, str], told: re.Match[str]) -> None:
    name, value = told["name"], told["value"].partition(" #")[0].strip()
    if told["how"] == "+" and name in variables:
        value = f"{variables[name]} {value}"
    if len(value) <= _VALUE_LIMIT:
        variables[name] = value


def _expanded(
    text: str, variables: Mapping[str, str], rule: _Rule | None = None, names: Sequence[str] = ()
) -> str:
    """Without what only make knows; twice, as variables are made of others."""

    def value(match: re.Match[str]) -> str:
        slash = "/" if match.group().endswith("/") else ""
        if sign := match["c"]:
            needs = rule.needs if rule else []
            told = " ".join(names if sign == "@" else needs[:1] if sign == "<" else needs)
        else:
            told = variables.get(match["a"] or match["b"] or "", "")
        return told + slash if told else ""

    for _ in range(3):
        if "$" not in text or len(text) > _VALUE_LIMIT:
            break
        text = _VARIABLE.sub(value, text.replace("$(MAKE)", "make").replace("${MAKE}", "make"))
    return text.replace("$$", "$")


def just_lines(text: str, goals: Sequence[str]) -> list[str]:
    """What recipes of a justfile run, and what they need; without a name the first."""
    rules: dict[str, _Rule] = {}
    current: _Rule | None = None
    for line in text[:_BYTES_LIMIT].replace("\\\n", " ").splitlines():
        if line[:1] in (" ", "\t"):
            if current is not None:
                current.lines.append(line.strip().lstrip("@-"))
        elif head := _JUST_HEAD.match(line):
            current = rules.setdefault(head["name"], _Rule())
            current.needs += re.findall(r"[\w-]+", head["needs"].partition("#")[0])
    known = Makefile(
        rules=rules,
        first=next(iter(rules), ""),
        included=(),
        tests=(),
        phony=frozenset(rules),
    )
    return known.lines(goals)


# --- package.json ---------------------------------------------------------------------------------

_RUNS = re.compile(
    r"(?<![\w.-])(?:npm|pnpm|yarn|bun)(?:\s+-[\w-]+)*(?:\s+(?P<run>run|run-script))?"
    r"(?:\s+-[\w-]+)*\s+(?P<name>[\w:.*-]+)"
    r"|(?<![\w.-])(?:run-s|run-p|npm-run-all2?)(?P<several>(?:\s+[\w:.*-]+)+)"
    r"|(?<![\w-])npm:(?P<short>[\w:.*-]+)"
)
_SHORT = {"t": "test", "tst": "test"}


def scripts_of(text: str) -> dict[str, str]:
    """The scripts of a package.json, by name; none where it cannot be read."""
    try:
        data = json_value(text or "{}", limit=_BYTES_LIMIT)
    except ValueError:
        return {}
    told = data.get("scripts") if isinstance(data, dict) else None
    found = told.items() if isinstance(told, dict) else ()
    return {name: line for name, line in found if isinstance(line, str)}


def scripts_reached(scripts: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """These scripts, those that npm runs before and after, and those that they run in turn."""
    pending, seen = list(names), dict[str, str]()
    while pending:
        name = pending.pop()
        name = _SHORT.get(name, name)
        fitting = [known for known in scripts if _fits(name, known)]
        for known in fitting:
            if known not in seen:
                seen[known] = scripts[known]
                pending += [f"pre{known}", f"post{known}", *scripts_run_by(scripts[known])]
    return seen


def _fits(asked: str, name: str) -> bool:
    if "*" not in asked:
        return asked == name
    return re.fullmatch(re.escape(asked).replace(r"\*", "[^:]*"), name) is not None


def scripts_run_by(line: str) -> Iterator[str]:
    """The names of scripts that a line of shell runs."""
    for match in _RUNS.finditer(line):
        yield from (match["several"] or "").split()
        yield from filter(None, (match["name"], match["short"]))


# --- tox and nox ----------------------------------------------------------------------------------


def tox_lines(text: str) -> list[str]:
    """The commands of all environments."""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(text[:_BYTES_LIMIT])
    except (configparser.Error, AttributeError):
        return []
    told = (
        parser.get(section, key) or ""
        for section in parser.sections()
        for key in parser.options(section)
        if key.startswith("commands") or key == "allowlist_externals"
    )
    lines = (line for value in told for line in value.splitlines())
    return [re.sub(r"\{(toxinidir|tox_root)\}/?", "", line.strip().lstrip("-! ")) for line in lines]


_RUN = re.compile(r"\.run(?:_always)?\(([^)]*)\)")
_QUOTED = re.compile(r"[\"']([^\"'\n]*)[\"']")


def nox_lines(text: str) -> list[str]:
    """What the sessions of a noxfile.py start."""
    calls = (_QUOTED.findall(call) for call in _RUN.findall(text[:_BYTES_LIMIT]))
    return [shlex.join(words) for words in calls if words]
