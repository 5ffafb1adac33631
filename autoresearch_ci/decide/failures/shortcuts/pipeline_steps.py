"""What a pipeline checks less of than it did: steps that are gone, that run elsewhere, or under
another condition.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from autoresearch_ci.config import reader
from autoresearch_ci.decide.failures.shortcuts.suite import Shortcut
from autoresearch_ci.errors import ConfigError

PIPELINE = (
    r"(^|/)(\.github/.*\.ya?ml|action\.ya?ml|\.gitlab-ci\.yml|\.circleci/.*|azure-pipelines\.yml"
    r"|Jenkinsfile|[Mm]akefile|GNUmakefile|.*\.mk|justfile|Taskfile\.ya?ml|tox\.ini|noxfile\.py"
    r"|package\.json|Dockerfile[^/]*|\.pre-commit-config\.yaml|\.npmrc|pip\.conf)$|\.(sh|bash|zsh)$"
)
SWALLOWED = re.compile(r"(?<!\s)\s{0,99}\|\|\s{0,99}(?:true|:|exit 0)\s{0,99}$")
"""Without it a command does no less; with it swallowed.py tells of it."""
CHECKER = re.compile(
    r"\b(?:pytest|unittest|tox|nox|ruff|flake8|pylint|mypy|pyright|eslint|tsc|jest|vitest|mocha"
    r"|ctest|clippy|golangci-lint|shellcheck|\bset -\w*e\w*"
    r"|(?:npm|pnpm|yarn|make|go|cargo|mvn|gradlew?)\b.{0,300}\b(?:test|check|lint|vet))\b"
)


def checks_less(path: str, before: str, after: str) -> Iterator[Shortcut]:
    """What the file of a pipeline no longer checks, or checks more seldom."""
    if re.search(rf"{PIPELINE}|(^|/)CMakeLists\.txt$", path):
        yield from _not_run(path, before, after)
    if path.endswith("noxfile.py"):
        versions = [
            {*re.findall(_VERSION, " ".join(_SESSIONS.findall(t)))} for t in (before, after)
        ]
        for gone in sorted(versions[0] - versions[1]):
            what = f"no longer repeats its sessions with {gone}"
            yield Shortcut(rule="failure-ignored", path=path, line=1, what=what)
    if re.search(r"(^|/)(\.github/workflows/.*|\.gitlab-ci)\.ya?ml$", path):
        yield from _less_often(path, before, after)


def _not_run(path: str, before: str, after: str) -> Iterator[Shortcut]:
    """Lines with which a pipeline checks, and that are not there as they were."""
    if re.search(r"(^|/)([Mm]akefile|GNUmakefile|package\.json|.*\.(mk|ini|py|txt))$", path):
        return  # strictness.py's business
    old, new = [*_lines(before)], [*_lines(after)]
    now, known = {line for line, _ in new}, {line for line, _ in old}
    stricter = [command for line in now - known for command in _commands(path, line)]
    for plain, where in old:
        if not CHECKER.search(plain) or plain.startswith("#"):
            continue
        same = ((was, new) for was in _commands(path, plain) for new in stricter)
        if plain in now:
            elsewhere = where not in {there for line, there in new if line == plain}
            how = "runs elsewhere, or under a condition" if elsewhere else ""
        else:
            gone = not any(was[0] == new[0] and was[1] <= new[1] for was, new in same)
            how = "no longer runs what it ran" if gone else ""
        if how:
            line = min(_line(after if plain in now else before, plain), after.count("\n") + 1)
            what = f"{how}: {plain[:80]}"
            yield Shortcut(rule="failure-ignored", path=path, line=line, what=what)


def _line(text: str, words: str, known: str = "") -> int:
    """The first that holds these words, and is not one of `known`; else the first of all."""
    spare = Counter(line.strip() for line in known.splitlines())
    for number, line in enumerate(text.splitlines(), start=1):
        spare[line.strip()] -= 1
        if words in line and spare[line.strip()] < 0:
            return number
    return 1


_SESSIONS = re.compile(r"\bpython\s*=\s*\[([^\]]{0,300})\]")
_VERSION = r"[\"']([\w.]{1,20})[\"']"
"""Of Python, in nox's words."""
_EVENTS = ("push", "pull_request", "merge_group", "schedule")
_CONDITIONS = (
    *("if", "shell", "working-directory", "continue-on-error", "rules", "only", "except", "when"),
    *("branches", "branches-ignore", "paths", "paths-ignore", "types", "ref", "repository"),
)
_CHECKOUT = re.compile(r"actions/checkout@")
_ALWAYS = re.compile(r"(?:always\(\)|!\s*cancelled\(\)|success\(\)|on_success|bash|False)?")


def _less_often(path: str, before: str, after: str) -> Iterator[Shortcut]:
    """Conditions under which a workflow checks, and that were not asked for before."""
    old, new = _conditions(before), _conditions(after)
    for what in old:
        changed = (
            (_line(after, key, before), f"{what} under another condition: {key} {value}"[:120])
            for key, value in new.get(what, {}).items()
            if value != old[what].get(key, "") and not _ALWAYS.fullmatch(value)
        )
        gone = what not in new and not what.startswith("runs ")
        for line, told in ((_line(after, "on:"), f"no longer {what}"),) if gone else changed:
            yield Shortcut(rule="failure-ignored", path=path, line=line, what=told)


def _conditions(text: str) -> dict[str, dict[str, str]]:
    """By what a workflow starts on, what its jobs are repeated with, and what they check."""
    try:
        told = reader.read_foreign(text, "workflow").data
    except (ValueError, RecursionError, ConfigError):
        return {}
    events = told.get("on") or {}
    events = events if isinstance(events, dict) else {str(event): None for event in _list(events)}
    found = {f"starts on {event}": _of(events[event]) for event in _EVENTS if event in events}
    jobs = told.get("jobs", told)
    for name, job in (jobs if isinstance(jobs, dict) else {}).items():
        scripts = [(step, str(_get(step, "run"))) for step in _list(_get(job, "steps"))]
        scripts.append((job, "\n".join(map(str, _list(_get(job, "script"))))))
        lines = {
            f"runs {line.strip()}": _of(step)
            for step, script in scripts
            for line in script.splitlines()
            if CHECKER.search(line)
        }
        if str(name).startswith("."):  # which GitLab only copies from
            lines = {line: {"when": "never"} for line in lines}
        if lines:
            found |= lines
            found[f"runs the job {name}"] = _of(job) | _of(_get(_get(job, "defaults"), "run"))
            used = (
                step
                for step in _list(_get(job, "steps"))
                if _CHECKOUT.match(str(_get(step, "uses")))
            )
            own = [_of(given) for step in used if not _get(given := _get(step, "with"), "path")]
            found[f"runs the code in {name}"] = own[-1] if own else {}
            matrix = _get(_get(job, "strategy"), "matrix")
            for key, values in (matrix if isinstance(matrix, dict) else {}).items():
                if key not in ("include", "exclude"):
                    found |= {f"repeats {name} with {key} {value}": {} for value in _list(values)}
    return found


def _get(value: object, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _of(value: object) -> dict[str, str]:
    held = value if isinstance(value, dict) else {}
    return {key: str(held[key]) for key in _CONDITIONS if key in held}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


_MOVES = re.compile(
    r"(?:cd|pushd)\s+(?!\"?\$(?:\(dirname|\{?GITHUB_WORKSPACE|\(git rev-parse --show-t))[^|&;]*"
    r"|popd\b.*|exit\b.*|return\b.*"
)
_OPENS = re.compile(
    r"(?:if|while|until|for|case)\b(?!.*\b(?:fi|done|esac)\b).*|(?:function\s+)?\w+\s*\(\)\s*\{|\(|\{"
    r"|.*<<-?\s*[\"']?(?P<end>\w+).*"
)
_CLOSES = re.compile(r"(?:fi|done|esac)\b.*|[})].*")


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Those of a block behind the key that runs it: under another, they are not run; each with how
    its script came there."""
    key, deep, moved = "", -1, [""]
    ends = [""]
    for line in text.splitlines():
        plain = line.strip(" \t-")
        if plain and len(line) - len(line.lstrip()) <= deep:
            key, deep = "", -1
        if _KEY.match(plain):
            moved, ends = [""], [""]
        closes = plain == ends[-1] if ends[-1] else len(ends) > 1 and _CLOSES.fullmatch(plain)
        if closes:
            moved.pop()
            ends.pop()
        yield (plain if plain.startswith("#") else key + plain), "; ".join(filter(None, moved))
        if _MOVES.fullmatch(plain):
            moved[-1] = f"{moved[-1]} {plain}".strip()
        elif not ends[-1] and not closes and (opens := _OPENS.fullmatch(plain)):
            moved.append(plain)
            ends.append(opens["end"] or "")
        if block := _BLOCK.match(line):
            key, deep = block["key"], block.start("key")


_BLOCK = re.compile(r"[ -]*(?P<key>(?:run|script): )[|>]")
_KEY = re.compile(r"(?:run|script): *")
_STARTED_BY = re.compile(
    r"(?:(?P<setting>(?:PYTHON(?:UNBUFFERED|FAULTHANDLER|DONTWRITEBYTECODE)=1|CI=(?:true|1)"
    r"|L(?:ANG|C_ALL)=\w+\.UTF-?8|\w+_COLOR=\d|RUST_BACKTRACE=\w+)\s+)"
    r"|python3? -m\s+|npx\s+|(?:uv|poetry|pdm|hatch) run\s+)"
)
"""None of these changes what is checked; other variables may: `PYTHONOPTIMIZE=2`."""
_TALKS = re.compile(
    r"(?:pytest|unittest|tox|ruff|mypy|go (?:test|vet)|cargo (?:test|check|clippy))\b"
)
"""To others, `-v` may say that they print their version and do nothing."""
_SAYS_MORE = re.compile(
    r"(?<!\s)\s++(?:-q+|-v+|-r[aAfEsxXpPwN]+|--verbose|--cov(?:-report)?=[\w./:-]+|--(?:color|tb|durations)=\w+"
    r"|(?P<stricter>-race|--strict(?:-markers|-config|-equality|-bytes)?))(?=\s|$)"
)
_PREPARES = re.compile(
    r"mkdir (?:-p )?[\w./-]+|(?:source|\.) (?:\./)?\.?venv/bin/activate|corepack enable"
    r"|(?:npm|pnpm|yarn|bun)(?: (?:ci|i|install|(?:run )?build))?(?: --?\w[\w-]*)*"
    r"|(?:python[\d.]* -m )?pip3? install .*"
    r"|(?:uv|poetry|pdm|bundle|composer) (?:sync|(?:pip )?install).*"
    r"|go (?:mod download|build).*|cargo (?:build|fetch).*|make (?:build|deps|install)"
    r"|(?:sudo )?apt(?:-get)? (?:-\S+ )*(?:update|install).*"
)

_SETS = re.compile(r"set(?: -[a-z]{1,9}(?: (?:pipefail|errexit|nounset|xtrace))?){1,9}")
_LONG = {"errexit": "e", "nounset": "u", "xtrace": "x"}


def _commands(path: str, line: str) -> Iterator[tuple[str, Counter[str]]]:
    """What a line runs and fails with, and what it does for it that may not be left out."""
    # From its own folder to the one where the repository begins.
    home = f'cd "$(dirname "$0"){"/.." * path.count("/")}"'
    key = _KEY.match(line)
    heard = SWALLOWED.sub("", line[key.end() if key else 0 :].strip())
    *before, last = re.split(r"\s*&&\s*", heard)
    if not all(part == home or _PREPARES.fullmatch(part) for part in before):
        return
    if re.search(r"[|;&<>`]|\$\(", " ".join([*before, last]).replace(home, "")):
        return
    does = Counter(before)
    while started := _STARTED_BY.match(last):
        does.update([started["setting"]] if started["setting"] else [])
        last = last[started.end() :]
    if _SETS.fullmatch(last):
        words = last.split()[1:]
        letters = {letter for word in words if word[0] == "-" for letter in word[1:]}
        named = {_LONG.get(word, word) for word in words if word[0] != "-"}
        does |= Counter((letters | named) - {"o", "x", "v"})
        last = "set"
    if _TALKS.match(last):
        does.update(m["stricter"] for m in _SAYS_MORE.finditer(last) if m["stricter"])
        last = _SAYS_MORE.sub("", last)
    yield " ".join([key[0].strip() if key else "", *last.split()]), does
