"""`security` with a key: one verdict of scanners and of a model behind a real Messages API."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from autoresearch_ci.cli.main import run_cli
from tests.auditing import APP, KEY, LABELS, NOTHING, Oracle, step_of, use_temporary
from tests.conftest import Repo
from tests.messages_api import Json, MessagesApi, Reply, calls, refuses, tool

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
    folder: Path

    @property
    def sarif(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.page("weaknesses.sarif"))
        return found

    def page(self, name: str) -> str:
        return (self.folder / name).read_text()

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
        return Scanned(code=code, out=told.out + told.err, found=found, folder=folder)

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


MISSHAPEN = {
    "a field is missing": ({"severity": "critical", "path": "app.py", "title": "A shell"}, True),
    "a number is a list": (LABELS[0].finding(cwe=[89]), True),
    "it is words": ("SQL injection in app.py:3", True),
    "it says that nothing is there": ({**NOTHING, "cwe": -1}, False),
}


@pytest.mark.parametrize("how", MISSHAPEN)
def test_a_finding_that_cannot_be_read_is_counted_and_is_not_clean(
    scan: Scan, repo: Repo, how: str
) -> None:
    entry, counts = MISSHAPEN[how]
    repo.write("app.py", "def fine():\n    return 1\n")
    repo.commit("harmless")
    said = Oracle(labels=(), report=lambda found: calls(tool("report", findings=[*found, entry])))
    done = scan(said, "--iterations", "1")
    assert (done.code, done.found["verdict"]) == ((1, "incomplete") if counts else (0, "pass"))
    assert ("1 findings of the model were dropped" in done.out) is counts
    assert done.found["dropped"] >= 1


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


SHELL = "subprocess.call('ls', shell=True)"
CONSTANT = f"import subprocess\n\n\ndef run():\n    {SHELL}\n"


def refuted(told: str) -> Json:
    """What a hostile word in the code may bring a model to say."""
    quote = {"kind": "quote", "path": "app.py", "text": SHELL}
    return {"judgement": "refuted", "why": "a constant is run", "evidence": [quote]}


def test_a_hit_that_code_refutes_is_suppressed_with_the_reason_and_told_everywhere(
    scan: Scan, repo: Repo
) -> None:
    repo.write("app.py", CONSTANT)
    repo.commit("a constant")
    done = scan(Oracle(labels=(), answer=refuted), "--fail-on", "low")
    assert (done.code, done.found["verdict"]) == (0, "pass"), done.out
    assert "a model refuted 1 weakness (" in done.found["reason"]
    assert {item["status"] for item in done.found["items"]} == {"disproven"}
    results = done.sarif["runs"][0]["results"]
    assert len(results) == len(done.found["items"])
    for result in results:
        assert "a constant is run" in result["suppressions"][0]["justification"]
    (told,) = done.found["annotations"]
    assert (told["level"], "app.py:5" in told["message"]) == ("warning", True)
    assert "a constant is run" in done.page("summary.md")
    assert done.found["findings"] == 0


def test_no_model_can_be_talked_into_letting_a_proposal_pass(scan: Scan, repo: Repo) -> None:
    repo.git("branch", "base")
    repo.write("app.py", CONSTANT)
    repo.commit("a constant")
    done = scan(Oracle(labels=(), answer=refuted), "--diff", "base", "--fail-on", "low")
    assert (done.code, done.found["verdict"]) == (1, "fail")
    assert {item["status"] for item in done.found["items"]} == {"open"}
    assert all("excuses nothing that is proposed" in i["note"] for i in done.found["items"])
    assert not any("suppressions" in result for result in done.sarif["runs"][0]["results"])


def test_an_audit_leaves_the_pages_of_what_it_found_out(scan: Scan, repo: Repo) -> None:
    repo.write("app.py", APP)
    repo.commit("an application")
    done = scan(Oracle())
    assert {
        *("overview.md", "threat-model.md", "attack-surface-map.md", "findings.md"),
        *("owasp-coverage.md", "recommendations.md", "handoff.json", "security-results.tsv"),
    } <= {path.name for path in done.folder.iterdir()}
    assert done.found["tokens"] > 0
    assert done.found["coverage"]["stride"]["tampering"] == 3
    assert "| accounts | app.py:10 | high | in a database |" in done.page("threat-model.md")
    assert "moon" not in done.page("threat-model.md")  # no code has it
    assert "| tampering | 3 |" in done.page("threat-model.md")
    assert "| repudiation | not |" in done.page("summary.md")
    assert "/user" in done.page("attack-surface-map.md")
    assert re.search(
        r"\| A03 \| Injection \| \d \| critical \| 3 \|", done.page("owasp-coverage.md")
    )
    overview = done.page("overview.md")
    assert "entry points 1, assets 1, trust boundaries 0" in overview
    assert "dropped: 1." in overview
    for name in re.findall(r"\]\(([\w.-]+)\)", overview):
        assert (done.folder / name).is_file()


def test_without_a_key_the_pages_say_that_nobody_was_asked(
    scan: Scan, repo: Repo, api: MessagesApi
) -> None:
    repo.write("app.py", APP)
    repo.commit("an application")
    scan(Oracle())
    done = scan(Oracle(), "--iterations", "0")
    assert len(done.of_the_model) == 0
    for name in ("overview.md", "threat-model.md", "attack-surface-map.md"):
        assert "No model was asked" in done.page(name)
    assert "accounts" not in done.page("threat-model.md")
    assert done.found["left"]["model"] == "nobody is to be asked: --iterations 0"


def test_a_check_that_went_with_its_file_is_shown(scan: Scan, repo: Repo, api: MessagesApi) -> None:
    repo.write("app.py", APP)
    repo.write("guard.py", "def allowed(user):\n    return user.is_admin\n")
    repo.commit("an application")
    repo.git("branch", "base")
    (repo.path / "guard.py").unlink()
    repo.commit("simpler")
    done = scan(Oracle(labels=()), "--diff", "base")
    assert done.code == 0, done.out
    looks = [json.dumps(body) for body in api.requests if step_of(body) == "look"]
    assert looks
    assert all("-    return user.is_admin" in told for told in looks)


def test_who_says_that_it_is_proposed_brings_no_rules_and_no_place_for_the_key(
    scan: Scan, repo: Repo, api: MessagesApi
) -> None:
    repo.git("branch", "base")
    own = "security: {fail_on: never}\nclaude: {base_url: 'http://127.0.0.1:9/'}\n"
    repo.write(".github/autoresearch.yml", own)
    repo.write("app.py", APP)
    repo.commit("a stranger's")
    done = scan(Oracle(), "--diff", "base", "--proposed")
    assert (done.code, done.found["fail_on"]) == (1, "high")
    assert api.requests


def test_what_a_model_only_suspects_is_not_remembered(scan: Scan, repo: Repo) -> None:
    made_up = replace(LABELS[0], quote="eval(request.data)", cwe=95)
    repo.write("app.py", APP)
    repo.commit("an application")
    done = scan(Oracle(labels=[made_up]))
    assert "unknown" in {item["status"] for item in done.found["items"]}
    repo.write("more.py", "x = 1\n")
    repo.commit("more")
    again = scan(Oracle(labels=()))
    assert not any("model" in words for told in again.found["gone"].values() for words in told)
