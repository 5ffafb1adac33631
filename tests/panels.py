"""Panels called in a repository: roles that a scripted model plays by what each is told to be."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from autoresearch_ci.cli.main import run_cli
from autoresearch_ci.record.investigation_history import Known
from autoresearch_ci.record.investigation_records import peek
from tests.conftest import Repo
from tests.messages_api import Json, MessagesApi, Reply, calls, tool

ROLES = ("ada", "ben", "cleo", "dan", "eve")
KEY = "sk-ant-test-0123456789abcdef"
SHOP = """\
import time


def total(prices):
    found = 0
    for price in prices:
        found = found + price
    return found


def fetch(url):
    while True:
        try:
            return open_url(url)
        except Exception:
            time.sleep(1)


def share(total, people):
    return total / people
"""
FIELDS = """\
  type: object
  required: [title, severity, category, path, line, why, evidence]
  properties:
    title: {type: string, minLength: 5, maxLength: 160}
    severity: {type: string, enum: [critical, high, medium, low, info]}
    category: {type: string, enum: [speed, failure]}
    path: {type: string, maxLength: 500}
    line: {type: integer, minimum: 0}
    why: {type: string, maxLength: 1000}
    evidence:
      type: array
      items:
        type: object
        required: [kind, path, text]
        properties:
          kind: {type: string, enum: [quote]}
          path: {type: string}
          line: {type: integer}
          text: {type: string}
"""
PROGRAM = (
    """\
---
name: council
shape: panel
about: Say what will break
item:
"""
    + FIELDS
    + """\
claim: title
roles: [ada, ben, cleo, dan, eve]
sets: {adversarial: [eve, dan, ben]}
panel:
  {rounds: 2, personas: 5, findings: 40, confirmed: confirmed, probable: probable,
   minority: minority, dropped: dropped}
statuses:
  confirmed: {needs: [quote], finding: open}
  probable: {needs: [quote], finding: open}
  minority: {needs: [quote]}
  dropped: {finding: disproven}
otherwise: dropped
columns:
  [round, persona, findings_produced, findings_revised, challenges_issued, flip_count, status]
outputs: [findings.md, summary.md, debate.md, council-results.tsv, handoff.json]
inputs:
  load: {about: How much it has to bear}
depths:
  shallow: {personas: 3, rounds: 1}
---

# Rules

Say what will break.

# Task

Look alone.

# debate

Vote on each.
"""
    + "".join(f"\n# role: {name}\n\nYou are {name}.\n" for name in ROLES)
)

PLACES = {
    "loop": ("It asks for ever when the address is wrong", "high", "failure", 12, "while True:"),
    "zero": ("Nobody to share with ends in an error", "medium", "failure", 20,
             "return total / people"),
    "sum": ("The sum is made by hand and slowly", "low", "speed", 7, "found = found + price"),
}  # fmt: skip


def finding(name: str, **changes: Any) -> Json:
    title, severity, category, at, text = PLACES[name]
    quote = {"kind": "quote", "path": "shop.py", "line": at, "text": text}
    told = {"title": title, "severity": severity, "category": category, "why": "it is so"}
    return {**told, "path": "shop.py", "line": at, "evidence": [quote], **changes}


def words_of(body: Json) -> str:
    return str(body["messages"][0]["content"][1]["text"])


def role_of(body: Json) -> str:
    return next(role for role in ROLES if f"You are {role}." in words_of(body))


def is_vote(body: Json) -> bool:
    return "Vote on each" in words_of(body)


def listed(body: Json) -> dict[str, str]:
    """Name -> title of what is voted on, in the order in which it is told."""
    rows = [row for row in words_of(body).splitlines() if row.startswith("F") and "[" in row]
    return {row.split(" ")[0]: row.partition("] ")[2].partition(", at ")[0] for row in rows}


Votes = Callable[[str, str], Json]
"""Role and title -> `vote`, and what else the vote holds."""


def agreeing(role: str, title: str) -> Json:
    return {"vote": "confirm"}


@dataclass(kw_only=True)
class Cast:
    """Plays all roles."""

    sees: Mapping[str, Sequence[Json]] = field(
        default_factory=lambda: {role: [finding("loop")] for role in ROLES}
    )
    votes: Votes = agreeing

    def __call__(self, body: Json) -> Reply:
        role = role_of(body)
        if not is_vote(body):
            return calls(tool("report", findings=list(self.sees.get(role, [finding("sum")]))))
        told = [
            {"id": name, "why": "as it is", "evidence": [], **self.votes(role, title)}
            for name, title in listed(body).items()
        ]
        return calls(tool("report", votes=told))


@dataclass(frozen=True, kw_only=True)
class Called:
    code: int
    out: str
    err: str
    folder: Path

    def page(self, name: str) -> str:
        return (self.folder / name).read_text()

    @property
    def handoff(self) -> Json:
        found: Json = json.loads(self.page("handoff.json"))
        return found

    @property
    def statuses(self) -> dict[str, str]:
        return {f["title"]: f["status"] for f in self.handoff["findings"]}


@dataclass(frozen=True, kw_only=True)
class Panels:
    """`autoresearch-ci` with a program, in the repository, within this process."""

    repo: Repo
    api: MessagesApi
    capture: pytest.CaptureFixture[str]
    words: tuple[str, ...]
    """Which command."""
    name: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def arguments(self, *flags: str, tag: str = "t") -> list[str]:
        service = ("--set", f"claude.base_url={self.api.url}", "--set", "claude.dialect=native")
        price = ("--set", "claude.price={input: 5, output: 25}")
        return [*self.words, "--tag", tag, *service, *price, *flags]

    def __call__(
        self, *replies: Reply | Callable[[Json], Reply], flags: tuple[str, ...] = (), tag: str = "t"
    ) -> Called:
        self.api.answer(*replies)
        self.capture.readouterr()
        before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        back = Path.cwd()
        os.chdir(self.repo.path)
        try:
            code = run_cli(self.arguments(*flags, tag=tag), self.environment)
        finally:
            os.chdir(back)
            for number, handler in before.items():
                signal.signal(number, handler)
        out, err = self.capture.readouterr()
        folder = self.repo.path / "autoresearch" / f"{self.name}-{tag}"
        return Called(code=code, out=out, err=err, folder=folder)

    def known(self, tag: str = "t") -> Known:
        return peek(self.repo.path / ".git" / "autoresearch" / f"{self.name}-{tag}")

    def but(self, **changes: Any) -> Panels:
        return replace(self, **changes)
