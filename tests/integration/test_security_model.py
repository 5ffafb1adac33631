"""`security` with a key: one verdict of scanners and of a model behind a real Messages API."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from autoresearch_ci.cli.main import run_cli
from tests.auditing import APP, KEY, LABELS, Oracle, hit, step_of, use_temporary
from tests.conftest import Repo
from tests.messages_api import Json, MessagesApi, Reply, refuses

QUICK = ("--depth", "quick", "--iterations", "2")


@pytest.fixture
def api() -> Iterator[MessagesApi]:
    with MessagesApi() as server:
        yield server
        assert server.problems == []


@dataclass(frozen=True, kw_only=True)
class Scanned:
    code: int
    out: str
    found: dict[str, Any]

    @property
    def of_the_model(self) -> list[int]:
        return sorted(i["cwe"] for i in self.found["items"] if "model" in i["sources"])


Scan = Callable[..., Scanned]


@pytest.fixture
def scan(
    repo: Repo,
    api: MessagesApi,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Scan:
    use_temporary(tmp_path, monkeypatch)
    monkeypatch.chdir(repo.path)

    def run(reply: Callable[[Json], Reply], *words: str) -> Scanned:
        api.drop()
        api.answer(*[reply] * 90)
        capsys.readouterr()
        given = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url}
        code = run_cli(["security", *QUICK, *words], {**os.environ, **given})
        told = capsys.readouterr()
        folder = repo.path / "autoresearch" / f"security-{repo.git('rev-parse', 'HEAD')[:7]}"
        assert folder.is_dir(), told.err
        found = json.loads((folder / "weaknesses.json").read_text())
        return Scanned(code=code, out=told.out + told.err, found=found)

    return run


def test_both_layers_are_one_verdict(scan: Scan, repo: Repo) -> None:
    repo.write("app.py", APP)
    repo.commit("an application")
    done = scan(Oracle(), "--fail-on", "high")
    assert (done.code, done.found["verdict"]) == (1, "fail")
    assert {78, 89} <= set(done.of_the_model)


def test_a_refusal_makes_the_whole_incomplete(scan: Scan, repo: Repo) -> None:
    repo.write("app.py", "def fine():\n    return 1\n")
    repo.commit("harmless")
    done = scan(lambda body: refuses("cyber"), "--fail-on", "high")
    assert (done.code, done.found["verdict"]) == (1, "incomplete")
    assert "refused: cyber" in done.out
    assert scan(lambda body: refuses("cyber"), "--fail-on", "high", "--iterations", "0").code == 0


def test_what_a_change_does_not_bring_fails_nothing(scan: Scan, repo: Repo) -> None:
    repo.write("app.py", APP)
    repo.commit("an application")
    repo.git("branch", "base")
    repo.write("app.py", APP.replace('allowed = {"in", "out"}', 'allowed = {"in"}'))
    repo.commit("fewer folders")
    done = scan(Oracle(), "--diff", "base", "--fail-on", "low")
    assert (done.code, done.found["verdict"]) == (0, "pass"), done.out
    repo.write("app.py", APP + "\n\ndef more(x):\n    return eval(x)\n")
    repo.commit("more")
    last = LABELS[0].__class__(
        cwe=95, severity="high", line=34, quote="return eval(x)", title="Code from outside by x"
    )
    again = scan(Oracle(labels=[last]), "--diff", "base", "--fail-on", "high")
    assert (again.code, again.of_the_model) == (1, [95])


def test_a_hit_that_code_refutes_fails_nothing_and_is_shown(
    scan: Scan, repo: Repo, api: MessagesApi
) -> None:
    repo.write(
        "app.py", "import subprocess\n\n\ndef run():\n    subprocess.call('ls', shell=True)\n"
    )
    repo.commit("a constant")
    quote = {"kind": "quote", "path": "app.py", "text": "subprocess.call('ls', shell=True)"}
    refuted = {"judgement": "refuted", "why": "a constant is run", "evidence": [quote]}
    done = scan(Oracle(labels=(), answer=lambda told: refuted), "--fail-on", "low")
    if not any(step_of(body) == "answer" for body in api.requests):
        pytest.skip("no scanner is installed that tells anything of it")
    assert (done.code, done.found["verdict"]) == (0, "pass"), done.out
    assert {item["status"] for item in done.found["items"]} == {"disproven"}
    assert hit(LABELS[0]).status == "open"
