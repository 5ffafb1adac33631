"""The model layer of `security` in a small repository whose weaknesses are known.

An oracle answers each request by the labels, in one of many ways: as they are, noisily, lazily.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from autoresearch_ci.cli.investigate.open_investigation import Desk, opened_desk
from autoresearch_ci.cli.security.model_layer import audit
from autoresearch_ci.config.schema import Config
from autoresearch_ci.decide.security.model_layer import ModelLayer
from autoresearch_ci.decide.security.weakness import Severity, Weakness, identified
from autoresearch_ci.execution.command import Stop
from autoresearch_ci.investigate.program import Program, bundled
from autoresearch_ci.preflight import Options
from autoresearch_ci.record.investigation_history import Known
from autoresearch_ci.record.investigation_records import peek
from tests.conftest import Repo
from tests.messages_api import Json, MessagesApi, Reply, calls, tool

KEY = "sk-ant-test-0123456789abcdef"
APP = """\
import hashlib
import sqlite3
import subprocess

from flask import Flask, request

app = Flask(__name__)


@app.route("/user")
def user():
    name = request.args["name"]
    return str(sqlite3.connect("db").execute(f"SELECT * FROM users WHERE name = '{name}'"))


@app.route("/ping")
def ping():
    return subprocess.check_output("ping -c 1 " + request.args["host"], shell=True)


def digest(password):
    return hashlib.md5(password.encode()).hexdigest()


def listing(folder):
    # checked by the caller
    allowed = {"in", "out"}
    if folder not in allowed:
        raise ValueError(folder)
    return subprocess.check_output(["ls", folder])
"""


@dataclass(frozen=True, kw_only=True)
class Label:
    """A weakness that is there."""

    cwe: int
    severity: str
    line: int
    quote: str
    title: str
    path: str = "app.py"

    def finding(self, **changes: Any) -> Json:
        """As a report names it."""
        quote = {"kind": "quote", "path": self.path, "line": self.line, "text": self.quote}
        return {
            "title": self.title,
            "status": "reported",
            "severity": self.severity,
            "confidence": "high",
            "cwe": self.cwe,
            "stride": "tampering",
            "owasp": "A03:2021",
            "asset": "accounts",
            "path": self.path,
            "line": self.line,
            "why": "what is sent reaches it as it is",
            "fix": "bind or quote it",
            "evidence": [quote],
            **changes,
        }


LABELS = (
    Label(
        cwe=89,
        severity="high",
        line=13,
        quote="execute(f\"SELECT * FROM users WHERE name = '{name}'\")",
        title="SQL injection by the name of a user",
    ),
    Label(
        cwe=78,
        severity="critical",
        line=18,
        quote='subprocess.check_output("ping -c 1 " + request.args["host"], shell=True)',
        title="A command from outside by the host",
    ),
    Label(
        cwe=327,
        severity="medium",
        line=22,
        quote="hashlib.md5(password.encode()).hexdigest()",
        title="Passwords as MD5 without a salt",
    ),
)
NOTHING: Json = {
    "title": "nothing more of the kind here",
    "status": "not_applicable",
    "cwe": 0,
    "stride": "spoofing",
    "owasp": "A01:2021",
    "asset": "accounts",
    "why": "read all of it, there is nothing of the kind",
    "evidence": [],
}
PLACE = {"kind": "quote", "path": "app.py", "line": 10, "text": '@app.route("/user")'}
TERRAIN: Json = {
    "stack": [{"name": "Flask", "about": "web", "evidence": [{**PLACE, "line": 5,
              "text": "from flask import Flask, request"}]}],
    "entry_points": [{"name": "/user", "about": "by name", "evidence": [PLACE]}],
    "assets": [
        {"name": "accounts", "about": "in a database", "worth": "high", "evidence": [PLACE]},
        {"name": "the moon", "about": "made up", "worth": "high",
         "evidence": [{**PLACE, "text": "moon = request.moon()"}]},
    ],
    "trust_boundaries": [],
}  # fmt: skip


def step_of(body: Json) -> str:
    """Which request it is: `reconnaissance`, `answer`, `judge` or `look`."""
    (report,) = [t for t in body["tools"] if t["name"] == "report"]
    names = report["input_schema"]["properties"]
    known = {"stack": "reconnaissance", "answers": "answer", "judgement": "judge"}
    return next((step for name, step in known.items() if name in names), "look")


def words_of(body: Json) -> str:
    """What the request says last of itself."""
    return str(body["messages"][0]["content"][1]["text"])


def stable_of(body: Json) -> str:
    return str(body["messages"][0]["content"][0]["text"])


@dataclass(kw_only=True)
class Oracle:
    """Answers by the labels; each part can be replaced."""

    labels: Sequence[Label] = LABELS
    judge: Callable[[Json], Json] = lambda body: {
        "judgement": "stands", "why": "followed it, nothing stops it", "evidence": []
    }  # fmt: skip
    answer: Callable[[str], Json] = lambda told: {
        "judgement": "kept", "why": "it can be used", "evidence": []
    }  # fmt: skip
    report: Callable[[list[Json]], Reply] = lambda found: calls(tool("report", findings=found))
    finding: Callable[[Label], Json] = Label.finding
    reads: bool = True
    talks: int = 0
    """Of the loop, so far."""

    def __call__(self, body: Json) -> Reply:
        step = step_of(body)
        turn = len(body["messages"])
        if step == "reconnaissance":
            return calls(tool("report", **TERRAIN))
        if step == "judge":
            return calls(tool("report", **self.judge(body)))
        if step == "answer":
            lines = [row for row in words_of(body).splitlines() if row.startswith("H")]
            told = {row.partition(":")[0]: row for row in lines}
            given = [{"id": name, **self.answer(row)} for name, row in told.items()]
            return calls(tool("report", answers=given))
        self.talks += turn == 1
        if turn == 1 and self.reads:
            return calls(tool("read", path="app.py"))
        first = "(nothing yet)" in words_of(body) and self.labels
        return self.report([self.finding(label) for label in self.labels] if first else [NOTHING])


def hit(label: Label, tool: str = "bandit") -> Weakness:
    """The same as a tool would tell it."""
    return Weakness(
        rule=f"{tool}/X1",
        path=label.path,
        line=label.line,
        severity=Severity(label.severity),
        title=f"{tool}: {label.title}",
        cwe=label.cwe,
        sources=(tool,),
    )


@dataclass(frozen=True, kw_only=True)
class Audits:
    """Opens a desk in the repository and audits it."""

    repo: Repo
    api: MessagesApi
    claude: Mapping[str, Any] = field(default_factory=dict)
    budget: Mapping[str, Any] = field(default_factory=dict)
    holdout: Mapping[str, Any] | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: {"ANTHROPIC_API_KEY": KEY})
    program: Program = field(default_factory=lambda: bundled("security"))
    notes: list[str] = field(default_factory=list)

    def __call__(
        self,
        *replies: Reply | Callable[[Json], Reply],
        hits: Sequence[Weakness] = (),
        iterations: int = 2,
        tag: str = "t",
        resume: bool = False,
        use: Callable[[Desk], ModelLayer] | None = None,
        **more: Any,
    ) -> ModelLayer:
        self.api.answer(*replies)
        identified_hits = identified(hits, lambda path: (self.repo.path / path).read_text())
        with opened_desk(
            self.config,
            self.program,
            Options(start=self.repo.path, tag=tag, resume=resume),
            command="security",
            asked={},
            iterations=iterations,
            severity="",
            observe=lambda event: self.notes.append(str(getattr(event, "message", event))),
            stop=Stop(),
            environment=self.environment,
        ) as desk:
            return use(desk) if use else audit(desk, identified_hits, **more)

    @property
    def config(self) -> Config:
        claude = {
            "base_url": self.api.url,
            "dialect": "native",
            "price": {"input": 5, "output": 25},
            "patience": 0.001,
            **self.claude,
        }
        return Config.model_validate(
            {"metric": {"command": "true"}, "scope": ["**"], "claude": claude,
             "budget": dict(self.budget), "holdout": self.holdout}
        )  # fmt: skip

    def known(self, tag: str = "t") -> Known:
        return peek(self.repo.path / ".git" / "autoresearch" / f"security-{tag}")

    def but(self, **changes: Any) -> Audits:
        return replace(self, **changes)


def verdict(layer: ModelLayer, fail_on: str) -> str:
    """What a gate would say of it, and of the hits that are open still."""
    threshold = Severity(fail_on)
    said = (*layer.weaknesses, *layer.hits)
    if any(w.status == "open" and w.severity.reaches(threshold) for w in said):
        return "fail"
    return "incomplete" if layer.incomplete or layer.why_not else "pass"


def use_temporary(tmp_path: Path, monkeypatch: Any) -> None:
    """Trees of the investigation go there."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
