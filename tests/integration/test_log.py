"""`log`: what was tried, from git alone; restoring an attempt makes one branch and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from autoresearch_ci.cli.main import run_cli
from autoresearch_ci.experiment import Direction
from autoresearch_ci.record import weakness_records
from autoresearch_ci.record.journal_tsv import header
from autoresearch_ci.record.notebook import notebook_ref
from autoresearch_ci.record.remote_notebooks import NOTEBOOKS

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script


def value(number: float | str, says: str) -> dict[str, Any]:
    return {"description": says, "files": {"value": f"{number}\n"}}


@pytest.fixture
def log(
    repo: Repo,
    run: Run,
    script: Script,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """A run that kept one of three; then `log WORDS`: exit code, output, complaints."""
    script(value(9, "good"), value(11, "bad ::error::idea"), value(9, "nothing new"))
    assert run.once("--confirm", "never").code == 0
    monkeypatch.chdir(repo.path)
    capsys.readouterr()

    def call(*words: str, **environment: str) -> tuple[int, str, str]:
        code = run_cli(["log", *words], environment)
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


def journal_commit(repo: Repo, text: str) -> str:
    """A notebook's commit that somebody else made."""
    folder = repo.path.parent / "other"
    other = type(repo)(folder)
    if not folder.exists():
        folder.mkdir()
        other.git("init", "--quiet")
    other.write("results.tsv", text)
    other.commit("a notebook")
    repo.git("fetch", "--quiet", str(folder), "HEAD")
    return repo.git("rev-parse", "FETCH_HEAD")


def test_runs_and_attempts_are_listed(log: Any) -> None:
    code, out, _ = log()
    assert code == 0
    assert out.splitlines()[1].split()[:1] == ["t"]
    assert out.splitlines()[1].split()[3:] == ["3", "1", "10", "9", "-10.0", "%", "metric"]
    code, out, _ = log("t")
    assert [line.split()[1] for line in out.splitlines()[1:]] == ["keep", "discard", "no-op"]


def test_what_became_of_weaknesses_is_no_run(log: Any, repo: Repo) -> None:
    repo.git("update-ref", f"{NOTEBOOKS}{weakness_records.TAG}", "HEAD")
    assert weakness_records.TAG not in log()[1]
    assert log("show", "1")[0] == 0  # of the newest run, which it is not


def test_an_attempt_is_shown_with_its_reason_measurement_and_diff(log: Any) -> None:
    code, out, _ = log("show", "2")
    assert code == 0
    assert "experiment 2 of t: discard" in out
    assert "metric     11, incumbent 9, gain -22.2 %" in out
    assert "delta      +2, the same in every run: +22.2 %" in out
    assert "-9\n+11" in out
    assert "logs/2.log" in out
    assert "no diff is left" in log("show", "3", "t")[1]


def test_words_of_others_are_not_obeyed(log: Any, repo: Repo) -> None:
    rows = [
        f"{n}\t2026-01-01T00:00:00Z\t-\t{n + 1}\t-\t-\t-\tdiscard\t\x1b[31m::stop" for n in (0, 1)
    ]
    titles = "iteration\ttimestamp\tcommit\tmetric\tdelta\tguard\tguard-metric\tstatus\tdescription"
    text = "\n".join(["# metric_direction: lower_is_better", titles, *rows, ""])
    repo.git("update-ref", notebook_ref("evil"), journal_commit(repo, text))
    for words in ((), ("evil",), ("show", "1", "evil"), ("--grep", "stop")):
        code, out, _ = log(*words)
        assert code == 0
        assert "\x1b" not in out
        assert not [line for line in out.splitlines() if line.lstrip().startswith("::")]


def test_a_discarded_attempt_becomes_a_branch_and_nothing_else_changes(
    log: Any, repo: Repo
) -> None:
    before, head = repo.photograph(), repo.git("symbolic-ref", "HEAD")
    commit = json.loads(log("show", "2", "--json")[1])["commit"]
    code, out, err = log("restore", "2")
    assert code == 0, err
    assert repo.ref("refs/heads/restored/t-2") == commit
    assert repo.show("restored/t-2", "value") == b"11\n"
    new = {name for name in repo.photograph() if name not in before}
    assert {name for name in new if "restored" not in name} == set()
    after = {name: seen for name, seen in repo.photograph().items() if name in before}
    folders = {".git/refs/heads", ".git/logs/refs/heads"}
    assert {n for n in before if before[n] != after.get(n)} <= folders
    assert repo.git("symbolic-ref", "HEAD") == head
    assert repo.git("status", "--porcelain") == ""
    assert "git switch restored/t-2" in out


def test_no_branch_is_moved_and_no_odd_name_made(log: Any, repo: Repo) -> None:
    repo.git("branch", "mine")
    at = repo.ref("mine")
    code, _, err = log("restore", "2", "--branch", "mine")
    assert (code, repo.ref("mine")) == (3, at)
    assert "there is a branch mine already" in err
    for name in ("a..b", "-x", "a b", "x.lock", "@{-1}", "a/", "", "../up", "HEAD^"):
        code, _, _ = log("restore", "2", f"--branch={name}") if name else (2, "", "")
        assert code == 2, name
    branches = repo.git("branch", "--format=%(refname:short)").split()
    assert sorted(branches) == ["autoresearch/t", "main", "mine"]


def test_an_attempt_without_a_commit_cannot_be_restored(log: Any) -> None:
    code, _, err = log("restore", "3")
    assert code == 2
    assert "has no commit" in err


def test_a_commit_that_the_notebook_does_not_have_is_refused(log: Any, repo: Repo) -> None:
    """Somebody else's notebook may name any commit."""
    other = repo.git("rev-parse", "HEAD")
    journal = repo.git("show", f"{notebook_ref('t')}:results.tsv")
    commit = json.loads(log("show", "2", "--json")[1])["commit"]
    forged = journal.replace(commit, other) + "\n"
    repo.git("update-ref", notebook_ref("forged"), journal_commit(repo, forged))
    for word in ("show", "restore"):
        code, _, err = log(word, "2", "forged")
        assert code == 2, word
        assert "does not contain" in err
    assert log("show", "0", "forged")[0] == 0, "its row, as of a run that tried nothing"
    assert log("restore", "0", "forged")[0] == 2
    assert not repo.ref("refs/heads/restored/forged-2")


def test_what_cannot_be_read_is_told_beside_the_others(log: Any, repo: Repo) -> None:
    repo.git("update-ref", notebook_ref("odd"), journal_commit(repo, "1\t2\n"))
    empty = journal_commit(repo, header(Direction.MINIMIZE))
    repo.git("update-ref", notebook_ref("empty"), empty)
    code, out, _ = log()
    assert code == 0
    assert "its journal cannot be read" in out
    assert "it holds no journal" in out
    assert "cannot be read" in log("odd")[1]
    assert log("show", "1", "odd")[0] == 2


def test_grep_finds_in_all_notebooks_and_says_when_there_is_nothing(log: Any) -> None:
    code, out, _ = log("--grep", "BAD|nothing new")
    assert code == 0
    assert [line.split()[1] for line in out.splitlines()[1:]] == ["2", "3"]
    assert log("--grep", "zebra") == (1, "", "")
    assert log("--grep", "(")[0] == 2
    assert len(json.loads(log("--grep", "good", "t", "--json")[1])["experiments"]) == 1


def test_programs_get_json(log: Any) -> None:
    book = json.loads(log("--json")[1])["notebooks"][0]
    assert (book["tag"], book["tried"], book["kept"], book["best"]) == ("t", 3, 1, 9)
    rows = json.loads(log("t", "--json")[1])["experiments"]
    assert [row["status"] for row in rows] == ["baseline", "keep", "discard", "no-op"]
    one = json.loads(log("show", "2", "--json")[1])
    assert one["diff"].splitlines()[-2:] == ["-9", "+11"]
    assert json.loads(log("restore", "2", "--json")[1])["branch"] == "restored/t-2"


@pytest.mark.parametrize(
    "words",
    [
        ("u",),
        ("show",),
        ("show", "x"),
        ("show", "9"),
        ("show", "-1"),
        ("show", "1", "u"),
        ("restore", "1", "t", "more"),
        ("t", "u"),
    ],
)
def test_what_is_not_there_or_not_meant_is_refused(words: tuple[str, ...], log: Any) -> None:
    try:
        code = log(*words)[0]
    except SystemExit as error:
        code = error.code
    assert code == 2


def test_a_repository_without_a_run_says_so(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repo.path)
    assert run_cli(["log"]) == 0
    assert "no notebook here" in capsys.readouterr().out
    assert run_cli(["log", "show", "1"]) == 2
    assert "git fetch origin" in capsys.readouterr().err


def test_secrets_of_the_environment_are_not_shown(log: Any, repo: Repo) -> None:
    secret = "correct-horse-battery-staple"
    journal = repo.git("show", f"{notebook_ref('t')}:results.tsv").replace("good", secret) + "\n"
    repo.git("update-ref", notebook_ref("told"), journal_commit(repo, journal))
    for words in (("told",), ("told", "--json"), ("--grep", "horse")):
        assert secret in log(*words)[1]
        assert secret not in log(*words, MY_API_KEY=secret)[1]
