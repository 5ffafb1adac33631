"""`security --fix` of what a model has found: an independent request says whether it is gone.

The model is a real Messages API on this machine; everything else is as a user has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from autoresearch_ci.cli.arguments import make_parser
from autoresearch_ci.cli.assembly import make_redactor
from autoresearch_ci.cli.gate_commits import compared
from autoresearch_ci.cli.security.repair import Fixed, fix
from autoresearch_ci.cli.security.scan import ScanContext
from autoresearch_ci.decide.investigation.finding import Evidence
from autoresearch_ci.decide.security.model_layer import ModelLayer
from autoresearch_ci.decide.security.weakness import Severity, Weakness, identified
from autoresearch_ci.execution.command import Stop
from autoresearch_ci.workspace.repository import Repository
from tests.auditing import Audits, use_temporary
from tests.conftest import Repo, Script
from tests.messages_api import MessagesApi, calls, refuses, tool

APP = (
    "import pathlib\n\nROOT = pathlib.Path('/srv')\n\n\n"
    "def read(name):\n    return (ROOT / name).read_text()\n"
)
OPENED = "return (ROOT / name).read_text()"
CHECKED = "return (ROOT / pathlib.Path(name).name).read_text()"
CLAIM = Weakness(
    rule="model/CWE-22",
    path="app.py",
    line=7,
    severity=Severity.HIGH,
    title="any file can be read",
    cwe=22,
    evidence=(Evidence(kind="quote", path="app.py", line=7, text=f"    {OPENED}"),),
    sources=("model",),
)


@pytest.fixture
def api() -> Iterator[MessagesApi]:
    with MessagesApi() as server:
        yield server
        assert server.problems == []


@pytest.fixture
def audits(repo: Repo, api: MessagesApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audits:
    use_temporary(tmp_path, monkeypatch)
    monkeypatch.chdir(repo.path)
    repo.write("app.py", APP)
    repo.commit("an application")
    return Audits(repo=repo, api=api)


def said(judgement: str, quote: str = "") -> Any:
    evidence = [{"kind": "quote", "path": "app.py", "text": quote}] if quote else []
    return calls(tool("report", judgement=judgement, why="by the code", evidence=evidence))


def repaired(audits: Audits, script: Script) -> Fixed | None:
    words = ["security", "--fix", "--proposer", f"script:{script.path}", "--iterations", "1"]
    options = make_parser().parse_args([*words, "--publish", "local"])
    options.environment = dict(audits.environment)
    config = audits.config
    told = identified([CLAIM], lambda path: APP)
    with closing(Repository.open(audits.repo.path)) as repository:
        scan = ScanContext(
            config=config,
            repository=repository,
            pair=compared(audits.repo.path, options.environment),
            environment=options.environment,
            redactor=make_redactor(config, options.environment),
            stop=Stop(),
            observe=lambda event: None,
            today="2026-01-01",
            ask=lambda hits, pairs: ModelLayer(hits=tuple(hits), weaknesses=told),
        )
        return fix(scan, scan.run(diff=False), options)


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (said("fixed", CHECKED), True),
        (said("fixed", OPENED), False),
        (refuses("cyber"), False),
    ],
)
def test_a_models_finding_is_gone_when_another_request_says_fixed_and_shows_it(
    audits: Audits, api: MessagesApi, script: Script, answer: Any, kept: bool
) -> None:
    edits = [{"path": "app.py", "old": OPENED, "new": CHECKED}]
    script({"description": "only names", "edits": edits})
    api.answer(*[answer] * 3)
    fixed = repaired(audits, script)
    assert fixed
    assert not fixed.broken
    branch = audits.repo.git("branch", "--list", "autoresearch/*", "--format=%(refname)")
    assert (fixed.pair.head != audits.repo.git("rev-parse", "HEAD")) is kept
    assert bool(branch and audits.repo.subjects(f"HEAD..{branch}")) is kept
    assert ("model" in [w.sources[0] for w in fixed.scanned.head.weaknesses]) is not kept
    assert "model" in fixed.scanned.head.looked
    assert len(api.requests) <= 3
