"""A whole run with Claude behind real HTTP: two keeps, a repair, a rework, a refusal, its bill.

The journal is compared with a golden file without the cells that differ from run to run
(timestamp, commit, seconds, memory); it is short enough to be edited by hand.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autoresearch_ci.cli.main import run_cli
from tests.messages_api import MessagesApi, calls, error, refuses, submit, tool

if TYPE_CHECKING:
    from tests.conftest import Repo, Result, Run, Script

GOLDEN = Path(__file__).parent / "data" / "claude_run.tsv"
VARYING = ("timestamp", "commit", "seconds", "peak_memory_mb")
METRIC = (
    "if grep -q crash value.py; then echo no luck; exit 3; fi; sed -n 's/^X = /score: /p' value.py"
)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Any:
    with MessagesApi() as api:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
        yield api


def edits(description: str, *changes: tuple[str, str]) -> Any:
    """One answer that edits and submits at once."""
    editor = "str_replace_based_edit_tool"
    blocks = [
        tool(editor, command="str_replace", path="value.py", old_str=old, new_str=new)
        for old, new in changes
    ]
    return calls(*blocks, submit(description, next=f"after {description}"))


def table(done: Result) -> str:
    names = [name for name in done.rows[0] if name not in VARYING]
    lines = ["\t".join(names), *("\t".join(row[n] for n in names) for row in done.rows)]
    return "\n".join(lines) + "\n"


CONFIG = """
scope: [value.py]
metric: {command: METRIC, name: score}
guards: ["grep -q 'Y = 1' value.py"]
iterations: 10
proposer: {mix: {claude: 20, search: 1}}
claude: {dialect: native, patience: 30s}
confirm: never
"""


def prepare(repo: Repo, **more: Any) -> None:
    repo.write("value.py", "X = 10\nY = 1\n")
    repo.write("score.sh", METRIC)
    text = CONFIG.replace("METRIC", "sh score.sh")
    lines = [f"{key}: {json.dumps(value)}" for key, value in more.items()]
    repo.write(".github/autoresearch.yml", text + "\n".join(lines) + "\n")
    repo.commit("a value")


def run_configured(run: Run, *flags: str) -> Result:
    return run(*flags, scope=None, metric=None, proposer=None)


def test_ten_iterations_with_everything_that_happens_on_the_way(
    api: MessagesApi, run: Run, repo: Repo
) -> None:
    prepare(repo)
    api.answer(edits("lower X to 9", ("X = 10", "X = 9")))  # 1 keep
    api.answer(edits("raise X to 11", ("X = 9", "X = 11")))  # 2 discard
    api.answer(edits("lower X with a slip", ("X = 9", "X = 8  # crash")))  # 3 crash, repaired
    api.answer(edits("without the slip", ("X = 8  # crash", "X = 8")))
    api.answer(edits("lower X and Y", ("X = 8\nY = 1", "X = 7\nY = 2")))  # 4 guard, reworked
    api.answer(edits("leave Y alone", ("Y = 2", "Y = 1")))
    api.answer(refuses("cyber"))  # 5 the search stands in
    api.answer(error(529, "overloaded_error", retry_after="0"))  # costs a retry
    for number in range(6, 11):
        api.answer(lambda body, n=number: worse(body, n))
    done = run_configured(run)
    assert done.code == 0, done.told
    assert table(done) == GOLDEN.read_text(encoding="utf-8")


def test_after_claude_changed_the_structure_search_tunes_its_new_constants(
    api: MessagesApi, run: Run, repo: Repo
) -> None:
    knobs = "".join(f"KNOB_{n} = {n + 1}\n" for n in range(8))
    repo.write("value.py", f"X = 100\n{knobs}")
    # The distance of NEW from 3, or X while there is no NEW; the knobs cost a little each.
    repo.write(
        "score.sh",
        "awk '/^X/ {s = $3} /^NEW/ {s = ($3 > 3 ? $3 - 3 : 3 - $3)} /^KNOB/ {s += $3 / 100} "
        'END {print "score: " s}\' value.py\n',
    )
    text = CONFIG.replace("METRIC", "sh score.sh").replace(
        "claude: 20, search: 1", "claude: 1, search: 5"
    )
    # Such a gain needs a witness, or nothing would be built upon it.
    text = text.replace("grep -q 'Y = 1' value.py", "grep -q KNOB value.py")
    repo.write(".github/autoresearch.yml", text.replace("iterations: 10", "iterations: 6"))
    repo.commit("a value and knobs")
    api.answer(edits("replace X by a mechanism", ("X = 100", "NEW = 12  # tune: 1..16")))
    done = run_configured(run)
    assert done.column("proposer")[1:] == ["claude"] + ["search"] * 5, done.told
    words = done.column("description")[2:]
    assert all("NEW" in text and "KNOB" not in text for text in words[:3]), words
    assert "keep" in done.column("status")[2:]


def worse(body: Any, number: int) -> Any:
    """Add a line at the end, whatever the search has made of the file."""
    editor = "str_replace_based_edit_tool"
    insert = tool(
        editor, command="insert", path="value.py", insert_line=2, insert_text=f"Z{number} = 1\n"
    )
    return calls(insert, submit(f"add Z{number}"))


def test_a_dollar_budget_stops_the_start_of_work_and_can_be_raised(
    api: MessagesApi, run: Run, repo: Repo
) -> None:
    prepare(repo, budget={"usd": 0.000001})
    for number in range(3):
        api.answer(lambda body, n=number: worse(body, n))
    done = run_configured(run)
    assert len(done.rows) == 2, done.told
    assert float(done.rows[1]["cost_usd"]) > 0
    assert "dollar budget" in done.out
    more = run_configured(run, "--resume", "--budget-usd", "100", "--iterations", "3")
    assert len(more.rows) == 4, more.told


def test_an_invalid_key_ends_the_run_before_the_first_measurement(
    api: MessagesApi, run: Run, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(repo)
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    done = run_configured(run)
    assert done.code == 5, done.told
    assert "ANTHROPIC_API_KEY" in done.err
    assert done.rows == []


def test_the_holdout_is_out_of_the_models_sight(api: MessagesApi, run: Run, repo: Repo) -> None:
    repo.write("holdout.sh", "echo hidden: 31337\n")
    prepare(repo, holdout={"command": "sh holdout.sh", "name": "hidden"})
    seen: list[str] = []

    def looks(body: Any) -> Any:
        seen.append(json.dumps(body))
        view = tool("str_replace_based_edit_tool", command="view", path="holdout.sh")
        return calls(view, tool("grep", pattern="31337"))

    def gives_up(body: Any) -> Any:
        seen.append(json.dumps(body))
        return calls(submit("nothing"))

    api.answer(looks, gives_up)
    run_configured(run, "--iterations", "1")
    assert len(seen) == 2
    assert not any(
        "31337" in text.replace("grep", "").replace('"pattern": "31337"', "") for text in seen
    )


def test_a_model_without_a_price_is_said_to_have_none(
    api: MessagesApi, run: Run, repo: Repo
) -> None:
    prepare(repo)
    api.answer(lambda body: worse(body, 1))
    done = run_configured(run, "--claude-model", "my-own-model", "--iterations", "1")
    assert "price of my-own-model is unknown" in done.out
    assert int(done.rows[1]["tokens"]) > 0
    assert float(done.rows[1]["cost_usd"]) == 0


def test_the_prompt_command_prints_what_the_run_then_sends(
    api: MessagesApi,
    run: Run,
    repo: Repo,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    prepare(repo)
    sent: list[Any] = []

    def remembers(body: Any) -> Any:
        sent.append(body)
        return worse(body, 1)

    api.answer(edits("lower X to 9", ("X = 10", "X = 9")))
    assert run_configured(run, "--iterations", "1", "--proposer", "claude").code == 0
    monkeypatch.chdir(repo.path)
    before = repo.photograph()
    words = ["prompt", "--resume", "--tag", "t", "--proposer", "claude", "--iterations", "2"]
    assert run_cli(words) == 0
    shown = capsys.readouterr()
    assert "tokens (counted by the service)" in shown.err
    assert repo.photograph() == before
    api.answer(remembers)
    assert run_configured(run, "--resume", "--iterations", "2", "--proposer", "claude").code == 0
    assert len(sent) == 1
    assert json.loads(shown.out) == {key: sent[0][key] for key in json.loads(shown.out)}


# --- a rubric as metric ---------------------------------------------------------------------------

RUBRIC_CONFIG = """
scope: [mail.txt]
metric:
  rubric: ["Is it short?", "Does it name a price?", "Is it polite?"]
  files: [mail.txt]
  repeats: {max: 4}
proposer: "SCRIPT"
iterations: 2
claude: {dialect: native}
"""


def judged(body: Any) -> Any:
    """Polite and short always; it names a price when it really does."""
    price = "yes" if "5 euros" in json.dumps(body) else "no"
    answers = {"criterion_1": "yes", "criterion_2": price, "criterion_3": "yes"}
    return calls(
        tool("verdict", **{name: {"reason": "seen", "answer": a} for name, a in answers.items()})
    )


def test_a_rubric_is_judged_repeatedly_priced_and_kept_like_any_metric(
    api: MessagesApi, run: Run, repo: Repo, script: Script
) -> None:
    repo.write("mail.txt", "Dear reader\n")
    text = RUBRIC_CONFIG.replace("SCRIPT", f"script:{script.path}")
    repo.write(".github/autoresearch.yml", text)
    repo.commit("a mail")
    script(
        {"description": "add a name", "files": {"mail.txt": "Dear reader, A\n"}},
        {"description": "name a price", "files": {"mail.txt": "Dear reader, 5 euros\n"}},
    )
    for _ in range(200):
        api.answer(judged)
    done = run_configured(run)
    assert done.column("status") == ["baseline", "discard", "keep"], done.told
    assert [round(float(cell)) for cell in done.column("metric")] == [67, 67, 100]
    # Equal answers are not taken for a law: the baseline and the keep were judged several times.
    assert int(done.rows[0]["samples"]) >= 4
    assert int(done.rows[2]["samples"]) >= 4
    assert all(float(row["cost_usd"]) > 0 for row in done.rows)


# --- tools of others ------------------------------------------------------------------------------


def test_a_tool_of_an_mcp_server_is_offered_and_called(
    api: MessagesApi,
    run: Run,
    repo: Repo,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("mcp", reason="the `mcp` extra is not installed")
    server = [sys.executable, str(Path(__file__).parent.parent / "mcp_server.py"), "stdio"]
    prepare(repo, mcp={"tiny": {"command": server}})
    sent: list[Any] = []

    def asks(body: Any) -> Any:
        sent.append(body)
        return calls(tool("mcp__tiny__add", a=2, b=3))

    def proposes(body: Any) -> Any:
        sent.append(body)
        return worse(body, 1)

    api.answer(asks, proposes)
    done = run_configured(run, "--iterations", "1")
    assert done.code == 0, done.told
    assert "mcp__tiny__add" in {entry["name"] for entry in sent[0]["tools"]}
    results = [block for block in sent[1]["messages"][-1]["content"] if "tool_use_id" in block]
    assert "5" in json.dumps(results)
    monkeypatch.chdir(repo.path)
    assert run_cli(["prompt", "--tag", "other"]) == 0
    assert "mcp__tiny__add" in capsys.readouterr().out
