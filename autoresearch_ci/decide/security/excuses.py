"""What excuses a weakness: a comment beside it, a list of known ones, an accepted risk.

CORE: pure. All of it is taken from one commit that is trusted: the base's, where somebody proposes
a change. So nobody can bring a weakness and its excuse together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from autoresearch_ci.decide.line_map import lines_of
from autoresearch_ci.decide.security.weakness import Weakness, merge

ENTRIES = 10_000
"""Accepted risks that are read."""


@dataclass(frozen=True, kw_only=True)
class Excuse:
    """Why a weakness does not count."""

    kind: Literal["comment", "baseline", "accepted"]
    why: str
    until: str = ""
    """The last day, ISO 8601; empty: it has none."""


@dataclass(frozen=True, kw_only=True)
class Excuses:
    """All that is excused, by fingerprint."""

    of: Mapping[str, Excuse] = field(default_factory=dict)
    expired: Mapping[str, Excuse] = field(default_factory=dict)
    """Accepted once; open again."""
    problems: tuple[str, ...] = ()
    """A sentence on each entry that is none."""

    def get(self, weakness: Weakness) -> Excuse | None:
        """For a weakness as one tool tells it."""
        return next((self.of[name] for name in weakness.fingerprints if name in self.of), None)


# --- Comments -------------------------------------------------------------------------------------

_ANY = r"[^\n]{0,200}"
_OURS = re.compile(r"#\s*security:\s*ignore\[(?P<rules>[^\]\n]{1,200})\]")
_COMMENTS: Mapping[str, tuple[re.Pattern[str], ...]] = {
    "bandit": (
        re.compile(rf"#\s*nosec\b(?P<rules>{_ANY})", re.IGNORECASE),
        re.compile(rf"#\s*noqa\b:?(?P<rules>{_ANY})", re.IGNORECASE),
    ),
    "semgrep": (re.compile(rf"\bnosem(?:grep)?\b:?(?P<rules>{_ANY})"),),
    "njsscan": (
        re.compile(rf"\bnjsscan-ignore:(?=\s*\w)(?P<rules>{_ANY})"),
        re.compile(rf"\bnosem(?:grep)?\b:?(?P<rules>{_ANY})"),
    ),
    "zizmor": (re.compile(r"#\s*zizmor:\s*ignore\[(?P<rules>[^\]\n]{1,200})\]"),),
    "agentic": (_OURS,),
    "python": (_OURS,),
    "detect-secrets": (re.compile(r"pragma:\s*(?:allowlist|whitelist)\s+secret(?P<rules>)"),),
    "gitleaks": (re.compile(r"\bgitleaks:allow\b(?P<rules>)"),),
}
_ABOVE: Mapping[str, re.Pattern[str]] = {
    "shellcheck": re.compile(r"^\s*#\s*shellcheck\s(?:.*\s)?disable=(?P<rules>[\w,]+)"),
    "hadolint": re.compile(r"^\s*#\s*hadolint\s+ignore=(?P<rules>[\w, ]+)"),
    **dict.fromkeys(
        ("semgrep", "njsscan"),
        re.compile(rf"^\s*(?:#|//|/\*|<!--|--|;)\s*nosem(?:grep)?\b:?(?P<rules>{_ANY})"),
    ),
    "detect-secrets": re.compile(
        r"pragma:\s*(?:allowlist|whitelist)\s+nextline\s+secret(?P<rules>)"
    ),
}
"""Comments in the line before."""
_NAMED = re.compile(r"[A-Za-z][\w.-]*[\w]")
_CODE = re.compile(r"\b[BS]\d{3}\b")


def commented(weakness: Weakness, content: str) -> str:
    """The comment that tells its tool to be silent; empty: there is none."""
    tool, _, rule = weakness.rule.partition("/")
    lines = lines_of(content)
    marked = lines[max(0, weakness.line - 1) : max(weakness.line, weakness.last_line)]
    for text in marked:
        for pattern in _COMMENTS.get(tool, ()):
            if (found := pattern.search(text)) and _means(found, tool, rule):
                return found[0].strip()
    above = lines[weakness.line - 2] if 1 < weakness.line <= len(lines) else ""
    before = _ABOVE.get(tool)
    found = before.search(above) if before else None
    return found[0].strip() if found and _means(found, tool, rule) else ""


def _means(found: re.Match[str], tool: str, rule: str) -> bool:
    """Whether the comment is about that rule, or about all."""
    told = found["rules"]
    if tool == "bandit":
        codes = _CODE.findall(told)
        if "noqa" in found[0].lower():  # ruff's S101 is bandit's B101; `noqa` alone is for linters
            return f"S{rule[1:]}" in codes
        return rule in codes or not codes
    if tool in ("semgrep", "njsscan"):
        names = _NAMED.findall(told.split("--")[0])
        return not names or any(rule == n or rule == n.rpartition(".")[2] for n in names)
    names = [name.strip() for name in told.split(",")]
    return not told.strip() or rule in names


# --- Accepted risks -------------------------------------------------------------------------------

_DAY = re.compile(r"20\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])")
_PRINT = re.compile(r"[0-9a-f]{16}")


def accepted(data: Mapping[str, Any], today: str, path: str) -> Excuses:
    """Of the file of accepted risks, once read. `today`: ISO 8601.

    An entry lacks nothing, or it is none: a risk is accepted for a reason and until a day.
    """
    entries = data.get("accepted")
    if not isinstance(entries, list) or len(entries) > ENTRIES:
        return Excuses(problems=(f"{path}: `accepted` is not a list of at most {ENTRIES} risks",))
    of: dict[str, Excuse] = {}
    expired: dict[str, Excuse] = {}
    problems = []
    for number, entry in enumerate(entries, start=1):
        found = _entry(entry)
        if isinstance(found, str):
            problems.append(f"{path}: risk {number} {found}; it is not accepted")
            continue
        name, excuse = found
        (expired if excuse.until < today else of)[name] = excuse
    return Excuses(of=of, expired=expired, problems=tuple(problems))


def _entry(entry: object) -> tuple[str, Excuse] | str:
    """Its fingerprint and itself, or what is wrong with it."""
    if not isinstance(entry, Mapping):
        return "is not a mapping"
    if more := sorted(map(str, entry.keys() - {"fingerprint", "reason", "expires"})):
        return f"has a key that is not known: {more[0][:40]}"
    name, reason, day = (entry.get(key) for key in ("fingerprint", "reason", "expires"))
    if not isinstance(name, str) or not _PRINT.fullmatch(name):
        return "has no fingerprint of 16 hexadecimal digits"
    if not isinstance(reason, str) or len(reason.strip()) < 3:
        return "has no reason"
    if not isinstance(day, str) or not _DAY.fullmatch(day):
        return "has no day on which it expires, as 2027-01-31"
    return name, Excuse(kind="accepted", why=reason.strip()[:500], until=day)


# --- Lists that tools keep ------------------------------------------------------------------------


def known_secrets(data: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """Of a `.secrets.baseline`: path and hash of each."""
    results = data.get("results")
    told = results.items() if isinstance(results, Mapping) else ()
    return frozenset(
        (path, entry["hashed_secret"])
        for path, entries in told
        if isinstance(entries, list)
        for entry in entries
        if isinstance(entry, Mapping) and isinstance(entry.get("hashed_secret"), str)
        # What somebody has called a secret is one.
        if entry.get("is_secret") is not True
    )


def known_leaks(text: str) -> frozenset[tuple[str, str, int]]:
    """Of a `.gitleaksignore`: path, rule and line of each."""
    found = set()
    for line in text.splitlines():
        parts = line.split("#", 1)[0].strip().rsplit(":", 2)
        if len(parts) == 3 and parts[2].isascii() and parts[2].isdigit() and len(parts[2]) < 9:
            path = re.sub(r"^[0-9a-f]{40}:", "", parts[0])
            found.add((path, parts[1], int(parts[2])))
    return frozenset(found)


def baselined(data: Mapping[str, Any]) -> frozenset[str]:
    """Fingerprints in a `weaknesses.json`."""
    items = data.get("items")
    entries = items if isinstance(items, list) else ()
    return frozenset(
        name
        for entry in entries
        if isinstance(entry, Mapping)
        for name in (entry.get("fingerprint"), *_list(entry.get("same")))
        if isinstance(name, str) and _PRINT.fullmatch(name)
    )


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


# --- All of them ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Trusted:
    """What the trusted commit holds."""

    weaknesses: Sequence[Weakness] = ()
    """As tools tell them there, of the files that are looked at."""
    contents: Mapping[str, str] = field(default_factory=dict)
    """Text of the files that they stand in."""
    secrets: frozenset[tuple[str, str]] = frozenset()
    leaks: frozenset[tuple[str, str, int]] = frozenset()
    baseline: frozenset[str] = frozenset()
    accepted: Excuses = field(default_factory=Excuses)


def excuses(trusted: Trusted, head: Iterable[Weakness]) -> Excuses:
    """What of the head is excused. An accepted risk is one for all tools that tell of it."""
    of = {name: Excuse(kind="baseline", why="in the baseline") for name in trusted.baseline}
    of.update(_listed(trusted))
    head = [*head]
    for name, excuse in trusted.accepted.of.items():
        of[name] = excuse
        of.update((other, excuse) for other in _others(name, trusted.weaknesses))
        of.update((other, excuse) for other in _quoting_the_same(name, head))
    return Excuses(of=of, expired=trusted.accepted.expired, problems=trusted.accepted.problems)


def _listed(trusted: Trusted) -> Iterator[tuple[str, Excuse]]:
    for weakness in trusted.weaknesses:
        rule = weakness.rule.partition("/")[2]
        comment = commented(weakness, trusted.contents.get(weakness.path, ""))
        if comment:
            yield weakness.fingerprint, Excuse(kind="comment", why=comment)
        elif weakness.key and (weakness.path, weakness.key) in trusted.secrets:
            yield weakness.fingerprint, Excuse(kind="baseline", why="in .secrets.baseline")
        elif (weakness.path, rule, weakness.line) in trusted.leaks:
            yield weakness.fingerprint, Excuse(kind="baseline", why="in .gitleaksignore")


def _others(name: str, weaknesses: Iterable[Weakness]) -> Iterator[str]:
    """Fingerprints under which the same thing is known at the trusted commit."""
    for weakness in merge(weaknesses):
        if name in weakness.fingerprints:
            yield from weakness.fingerprints


def _quoting_the_same(name: str, head: Sequence[Weakness]) -> Iterator[str]:
    """Of what the trusted commit does not have yet: the same lines, of the same kind, no worse."""
    told = [w for w in head if name in w.fingerprints and w.evidence]
    for weakness in head:
        if any(
            (w.path, w.line, w.family, w.evidence[0].text)
            == (weakness.path, weakness.line, weakness.family, text)
            and w.severity.reaches(weakness.severity)
            for w in told
            for text in [weakness.evidence[0].text if weakness.evidence else None]
        ):
            yield from weakness.fingerprints
