"""Money is gone when it is spent: it is counted, and caps hold, however often a run is killed."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from autoresearch_ci.cli.main import run_cli
from tests.faults.invariant import start_over, wait_for
from tests.messages_api import MessagesApi, Reply, calls, submit, tool

if TYPE_CHECKING:
    import multiprocessing

    from tests.conftest import Repo, Result, Run, Script

EACH = 1050
"""Tokens of every answer of the fake service."""
EDITOR = "str_replace_based_edit_tool"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[MessagesApi]:
    with MessagesApi() as api:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
        yield api


def look() -> Reply:
    return calls(tool(EDITOR, command="view", path="value"))


def lower(old: int, new: int) -> Reply:
    change = tool(EDITOR, command="str_replace", path="value", old_str=f"{old}", new_str=f"{new}")
    return calls(change, submit(f"lower to {new}"))


def claude(repo: Repo, **more: Any) -> None:
    repo.write("value", "10\n")
    settings = {
        "scope": ["value"],
        "metric": {"command": "cat value"},
        "proposer": "claude",
        "claude": {"dialect": "native"},
        **more,
    }
    repo.write(".github/autoresearch.yml", json.dumps(settings))
    repo.commit("a value")


FILE = {"scope": None, "metric": None, "proposer": None}
"""The configuration file says it."""


def killed_at(
    api: MessagesApi, run: Run, requests: int, *flags: str, **options: str | None
) -> None:
    """A run that dies while it waits for the answer to its n-th request."""
    killed = threading.Event()

    def never(body: Any) -> Reply:
        killed.wait(60)
        return look()

    api.answer(never)
    process: multiprocessing.Process = run.fork(*flags, **{**FILE, **options})
    deadline = time.monotonic() + 300
    while len(api.requests) < requests:
        assert time.monotonic() < deadline, (run.repo.path.parent / "printed").read_text()
        time.sleep(0.01)
    assert process.pid
    os.killpg(process.pid, signal.SIGKILL)
    process.join()
    killed.set()


def totals(done: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((done.folder / "run.json").read_text())["totals"]
    return found


def test_what_a_killed_iteration_cost_stands_in_its_row(
    api: MessagesApi, run: Run, repo: Repo
) -> None:
    claude(repo)
    api.answer(look(), look())
    killed_at(api, run, 3)
    api.answer(lower(10, 9))
    done = run("--resume", "--iterations", "1", **FILE)
    assert done.column("metric") == ["10", "9"], done.told
    assert done.column("tokens") == ["0", str(3 * EACH)]
    assert totals(done)["tokens"] == 3 * EACH
    assert float(done.rows[1]["cost_usd"]) == pytest.approx(totals(done)["cost_usd"], abs=1e-6)
    assert totals(done)["cost_usd"] > 0


def test_a_cap_holds_over_kills(api: MessagesApi, run: Run, repo: Repo) -> None:
    claude(repo, budget={"tokens": 2 * EACH})
    api.answer(look())
    killed_at(api, run, 2)
    api.answer(look())  # the one that may still be paid for
    done = run("--resume", **FILE)
    assert done.code == 0, done.told
    assert "token budget" in done.out
    assert len(api.requests) == 3
    assert done.column("tokens") == ["0", str(2 * EACH)]
    assert totals(done)["tokens"] == 2 * EACH


def test_a_kill_after_the_proposal_forgets_nothing(api: MessagesApi, run: Run, repo: Repo) -> None:
    marker = repo.path.parent / "now"
    claude(
        repo, metric={"command": f"if grep -q 9 value; then touch {marker}; sleep 9; fi; cat value"}
    )
    api.answer(lower(10, 9), lower(10, 8))
    process = run.fork(**FILE)
    wait_for(marker)
    assert process.pid
    os.killpg(process.pid, signal.SIGKILL)
    process.join()
    done = run("--resume", "--iterations", "1", **FILE)
    assert done.rows[1]["tokens"] == str(2 * EACH), done.told


# --- a judge --------------------------------------------------------------------------------------


def verdict(body: Any) -> Reply:
    """Yes, when the text names a price."""
    good = "5 euros" in json.dumps(body["messages"])
    answer = {"reason": "seen", "answer": "yes" if good else "no"}
    answers = dict.fromkeys(("criterion_1", "criterion_2", "criterion_3"), answer)
    return calls(tool("verdict", **answers))


@pytest.fixture
def judged(repo: Repo, script: Script) -> Repo:
    repo.write("value", "Dear reader\n")
    settings = {
        "scope": ["value"],
        "metric": {
            "rubric": ["Does it name a price?", "In euros?", "Less than 9?"],
            "files": ["value"],
            "direction": "maximize",
        },
        "claude": {"dialect": "native"},
        "confirm": {"repeats": 2},
    }
    repo.write(".github/autoresearch.yml", json.dumps(settings))
    repo.commit("a text")
    script({"description": "name a price", "files": {"value": "Dear reader, 5 euros\n"}})
    return repo


def test_what_the_confirmation_costs_is_part_of_the_total(
    api: MessagesApi, run: Run, judged: Repo
) -> None:
    api.answer(*[verdict] * 300)
    done = run(scope=None, metric=None)
    assert done.column("status") == ["baseline", "keep"], done.told
    in_rows = sum(int(row["tokens"]) for row in done.rows)
    assert totals(done)["tokens"] == len(api.requests) * EACH > in_rows
    again = run("--resume", "--confirm", "never", scope=None, metric=None)
    assert totals(again)["tokens"] == totals(done)["tokens"]


def test_a_confirmation_that_costs_money_ends_with_the_money(
    api: MessagesApi, run: Run, judged: Repo
) -> None:
    def spend(*flags: str) -> tuple[Result, int]:
        start_over(judged)
        api.answer(*[verdict] * 99)
        before = len(api.requests)
        done = run(*flags, scope=None, metric=None)
        assert done.column("status") == ["baseline", "keep"], done.told
        return done, len(api.requests) - before

    _, search = spend("--confirm", "never")
    used_up = search * EACH
    done, asked = spend("--set", f"budget.tokens={used_up}")
    assert asked == search
    assert f"could not be confirmed: token budget of {used_up} used up" in done.told
    # What was begun is ended: half a pair is none.
    _, asked = spend("--set", f"budget.tokens={used_up + 1}", "--set", "confirm.repeats=9")
    votes = 3
    assert search < asked <= search + 2 * votes


def test_what_a_killed_baseline_cost_is_not_forgotten(
    api: MessagesApi, run: Run, judged: Repo
) -> None:
    api.answer(verdict)
    killed_at(api, run, 2, proposer=f"script:{run.script}")
    api.answer(*[verdict] * 300)
    done = run("--confirm", "never", "--iterations", "0", scope=None, metric=None)
    assert done.code == 0, done.told
    assert int(done.rows[0]["tokens"]) == (len(api.requests) - 1) * EACH


# --- time -----------------------------------------------------------------------------------------


def test_a_head_that_hangs_costs_compare_no_hour(
    repo: Repo, torture: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a configured timeout, the base's duration says how long a head may take."""
    if not torture:
        pytest.skip("takes ten seconds: --torture")
    base = repo.ref("main")
    repo.write("value", "8\n")
    head = repo.commit("hang")
    monkeypatch.chdir(repo.path)
    began = time.monotonic()
    metric = "if grep -q 8 value; then sleep 600; fi; cat value"
    code = run_cli(["compare", base, head, "--metric", metric, "--scope", "value"])
    assert code == 4, capsys.readouterr()
    assert time.monotonic() - began < 30
