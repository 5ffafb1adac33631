"""`debug` with a model: the real SDK against a local server; what is claimed is checked by code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoresearch_ci.decide.investigation.saturation import coverage
from autoresearch_ci.investigate.program import from_file
from autoresearch_ci.investigate.write_pages import looked
from autoresearch_ci.record.investigation_history import Item
from tests.conftest import Repo
from tests.debugging import Debug, Debugged, make_debug
from tests.messages_api import (
    Json,
    MessagesApi,
    Reply,
    broken_tool,
    calls,
    ends,
    error,
    refuses,
    submit,
    text,
    tool,
)

KEY = "sk-ant-test-0123456789abcdef"
SHOP = "def tax(x):\n    return x + 3\n\n\ndef total(x):\n    return x + tax(x)\n"
CHECK = (
    "from shop import total\n\nif total(2) != 6:\n    raise SystemExit(f'total is {total(2)}')\n"
)
PROBE = "from shop import tax\nraise SystemExit(tax(2) != 4)\n"
FINE = "raise SystemExit(0)\n"
CONTROL = {"path": "shop.py", "old": "return x + 3", "new": "return 2 * x"}
"""The shop without the supposed fault."""


@pytest.fixture
def api() -> Iterator[MessagesApi]:
    with MessagesApi() as server:
        yield server
        assert server.problems == []


class Model:
    """`debug` of a small shop, with a scripted model."""

    def __init__(self, debug: Debug, api: MessagesApi) -> None:
        self.api = api
        environment = {**debug.environment, "ANTHROPIC_API_KEY": KEY}
        self.debug = replace(debug, environment=environment)
        self.flags = (
            *("--set", f"claude.base_url={api.url}", "--set", "claude.dialect=native"),
            *("--set", "claude.price={input: 5, output: 25}"),
        )

    def __call__(
        self, *replies: Reply | Callable[[Json], Reply], flags: tuple[str, ...] = (), **more: Any
    ) -> Debugged:
        self.api.answer(*replies)
        words = ("--iterations", "1") if "--iterations" not in flags else ()
        given = {"command": "python check.py", **more}
        return self.debug(*self.flags, *words, *flags, **given)

    @property
    def items(self) -> tuple[Item, ...]:
        return self.debug.known().items


@pytest.fixture
def model(
    repo: Repo,
    api: MessagesApi,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Model:
    repo.write("shop.py", SHOP)
    repo.write("check.py", CHECK)
    repo.write("secret.txt", "outside\n")
    repo.commit("a shop")
    return Model(make_debug(repo, tmp_path, capsys, monkeypatch), api)


def hypothesis(claim: str = "tax adds three instead of doubling x", **changes: Any) -> Json:
    stated = {
        "claim": claim,
        "because": "shop.py:2 returns x + 3",
        "test": "tax(2) is 4 if it doubles",
        "expect": "fails",
        "technique": "data-flow",
    }
    return tool("hypothesis", **{**stated, **changes})


def script(text: str = PROBE, language: str = "python", **more: Any) -> Json:
    return tool("run_script", language=language, script=text, **more)


def quote(text: str = "return x + 3", path: str = "shop.py", line: int = 2) -> Json:
    return {"kind": "quote", "path": path, "line": line, "text": text}


def ran(number: int = 4, exit_code: int = 1) -> Json:
    return {"kind": "command", "run": number, "exit_code": exit_code}


def report(*evidence: Any, status: str = "confirmed", **changes: Any) -> Json:
    given = {
        "status": status,
        "title": "Tax adds instead of multiplying",
        "severity": "high",
        "path": "shop.py",
        "line": 2,
        "why": "total adds tax, and tax adds three",
        "fix": "return 2 * x",
        "root_cause": True,
        "evidence": list(evidence),
    }
    return tool("report", **{**given, **changes})


def results(api: MessagesApi, turn: int) -> list[tuple[bool, str]]:
    """What the tool calls before request `turn` were answered: whether it failed, and the text."""
    blocks = api.requests[turn]["messages"][-1]["content"]
    found = [block for block in blocks if block["type"] == "tool_result"]
    return [(bool(block.get("is_error")), str(block["content"])) for block in found]


def test_a_cause_that_an_experiment_shows_is_confirmed_and_ends_it(
    model: Model, repo: Repo
) -> None:
    before = repo.photograph()
    done = model(
        calls(tool("read", path="shop.py"), tool("grep", pattern="tax")),
        calls(hypothesis()),
        calls(script(control=CONTROL)),
        calls(report(ran(), quote())),
        flags=("--iterations", "9"),
    )
    assert done.code == 0, done.err
    assert repo.photograph() == before
    (item,) = model.items
    assert (item.status, item.path, item.line) == ("confirmed", "shop.py", 2)
    assert (item.dropped, item.overruled) == ((), "")
    assert model.debug.known().end.startswith("answered")
    (finding,) = done.handoff["findings"]
    assert finding["status"] == "open"
    assert finding["confidence"] == "high"
    assert finding["severity"] == "high"
    assert done.handoff["status"] == "COMPLETE"
    assert "raise SystemExit(tax(2) != 4)" in done.page("findings.md")
    shown = results(model.api, 1)
    assert "return x + 3" in shown[0][1]
    assert "shop.py:6" in shown[1][1]
    assert "exit code 1" in results(model.api, 3)[0][1]
    assert "it depends on what was taken away" in results(model.api, 3)[0][1]
    assert "Run 5" in done.page("findings.md")
    assert "without what is claimed in shop.py" in done.page("findings.md")
    assert KEY not in (done.folder / "handoff.json").read_text()


def test_what_was_found_is_repaired_in_one_go(model: Model, repo: Repo) -> None:
    """The command that failed must pass in the end, though nothing in the repository names it."""
    editor = "str_replace_based_edit_tool"
    edit = {"path": "shop.py", "old_str": "return x + 3", "new_str": "return 2 * x"}
    done = model(
        calls(hypothesis()),
        calls(script(control=CONTROL)),
        calls(report(ran(), quote())),
        calls(tool(editor, command="str_replace", **edit), submit("double what is taxed")),
        flags=("--iterations", "9", "--fix", "--set", "budget.tokens=9000"),
    )
    assert done.code == 0, done.err
    spent = 3 * 1050
    assert f"--set budget.tokens={9000 - spent}\n" in done.out
    assert "green: nothing is broken" in done.out
    asked = json.dumps(model.api.requests[-1])
    assert "shop.py:2: Tax adds instead of multiplying" in asked
    assert repo.git("for-each-ref", "--format=%(refname)", "refs/heads/autoresearch")


MADE_UP = [
    (quote("return x + 4"), "does not stand there"),
    (quote(path="../../etc/passwd"), "no such text file"),
    (quote(path="/etc/passwd", text="root:x:0:0"), "no such text file"),
    (quote(path=".git/config", text="repositoryformatversion"), "no such text file"),
    (quote(line=500), "in line 2, not near 500"),
    (ran(99), "no such command was run"),
    (ran(1, exit_code=0), "ended with exit code 1"),
    ({"kind": "command"}, "no such command was run"),
]


@pytest.mark.parametrize("made_up", [MADE_UP, []], ids=["all", "none"])
def test_made_up_evidence_is_dropped_counted_and_confirms_nothing(
    model: Model, made_up: list[tuple[Json, str]]
) -> None:
    evidence = [piece for piece, _ in made_up]
    again = [calls(report(*evidence))] if evidence else []
    done = model(calls(hypothesis()), calls(report(*evidence)), *again)
    (item,) = model.items
    assert (item.status, item.claimed) == ("inconclusive", "confirmed")
    assert "needs a failing command or quote" in item.overruled
    dropped = zip(made_up, item.dropped, strict=True)
    assert [told for (_, why), told in dropped if why not in told] == []
    assert done.handoff["findings"][0]["status"] == "unknown"
    if evidence:
        assert "what does not hold" in results(model.api, 2)[0][1]
        assert f"did not hold and was dropped: {len(evidence)}" in done.page("summary.md")


def test_that_the_failing_command_fails_confirms_nothing(model: Model) -> None:
    again = tool("run_tests", tests=[])
    model(calls(hypothesis()), calls(again), calls(report(ran())))
    (item,) = model.items
    assert item.status == "inconclusive"
    assert model.debug.known().runs[4].known


@pytest.mark.parametrize(
    "text",
    ["raise SystemExit(1)\n", "import shop\n\nshop.tax(2)\nassert False, 'tax is wrong'\n"],
)
def test_a_script_that_fails_whatever_the_code_does_confirms_nothing(
    model: Model, text: str
) -> None:
    done = model(
        calls(hypothesis()), calls(script(text, control=CONTROL)), calls(report(ran(), quote()))
    )
    (item,) = model.items
    assert (item.status, item.claimed) == ("inconclusive", "confirmed")
    assert "fails without what is claimed, too" in item.overruled
    assert "it is not what makes it fail" in results(model.api, 2)[0][1]
    assert done.handoff["findings"][0]["status"] == "unknown"


def test_a_failing_script_without_a_control_proves_nothing(model: Model) -> None:
    again = calls(report(ran(), quote()))
    done = model(
        *(calls(hypothesis()), calls(script()), calls(report(ran()))),
        *(calls(hypothesis("doubling is missing in the tax")), calls(script()), again),
        flags=("--iterations", "2"),
    )
    assert "there was no control" in results(model.api, 2)[0][1]
    assert [item.status for item in model.items] == ["inconclusive", "confirmed"]
    assert "needs a failing command or quote" in model.items[0].overruled
    # Code that is quoted exists, and nobody has seen it fail: so the search goes on.
    assert done.handoff["findings"][1]["confidence"] == "medium"
    assert model.debug.known().end == "all 2 iterations done"


def test_a_control_of_another_file_than_the_claimed_one_proves_nothing(model: Model) -> None:
    elsewhere = {"path": "check.py", "old": "!= 6", "new": "!= 7"}
    runs = "python check.py\n"
    model(calls(hypothesis()), calls(script(runs, "sh", control=elsewhere)), calls(report(ran())))
    (item,) = model.items
    assert item.status == "inconclusive"
    assert model.debug.known().runs[5].exit_code == 0


def test_a_control_that_does_not_fit_is_refused_and_runs_nothing(model: Model) -> None:
    refused = [
        ({**CONTROL, "path": "none.py"}, "no file of the repository"),
        ({**CONTROL, "path": "../shop.py"}, "no file of the repository"),
        ({"path": "secret.txt", "old": "out", "new": ""}, "no file of the repository"),
        ({**CONTROL, "old": "return x + 4"}, "not 0 times"),
        ({**CONTROL, "old": "return x +"}, "not 2 times"),
    ]
    model(
        calls(hypothesis()),
        *(calls(script(control=control)) for control, _ in refused),
        calls(script(control=CONTROL)),
        calls(report(ran())),
        flags=("--set", "holdout={command: 'true', read: [secret.txt]}"),
    )
    for turn, (control, why) in enumerate(refused, start=2):
        assert why in results(model.api, turn)[0][1], control
    (item,) = model.items
    assert (item.status, item.runs) == ("confirmed", (4,))
    assert model.debug.known().runs[5].mended == "shop.py"


def test_a_control_that_would_pass_whatever_the_code_does_is_refused(model: Model) -> None:
    seen = "import inspect, shop\nassert '3' not in inspect.getsource(shop)\n"
    refused = [
        (script(control={**CONTROL, "new": "raise SystemExit(0)"}), "ends the process"),
        (script(control={**CONTROL, "new": "__import__('os')._exit(0)"}), "ends the process"),
        (script("raise SystemExit('x + 3' in open('shop.py').read())\n", control=CONTROL),
         "reads shop"),
        (script(seen, control=CONTROL), "reads"),
        (script("! grep -q 'x + 3' shop.py\n", "sh", control=CONTROL), "reads shop.py"),
    ]  # fmt: skip
    model(
        calls(hypothesis()),
        *(calls(call) for call, _ in refused),
        calls(script(control=CONTROL)),
        calls(report(ran())),
    )
    for turn, (call, why) in enumerate(refused, start=2):
        assert why in results(model.api, turn)[0][1], call
    (item,) = model.items
    assert (item.status, item.runs) == ("confirmed", (4,))


def test_a_prediction_that_does_not_come_true_disproves(model: Model) -> None:
    done = model(calls(hypothesis()), calls(script(FINE)), calls(report(quote())))
    (item,) = model.items
    assert (item.status, item.claimed) == ("disproven", "confirmed")
    assert "what the experiment was to show" in item.overruled
    assert "tax adds three" in done.page("eliminated.md")
    assert "Nothing is confirmed" in done.page("findings.md")


@pytest.mark.parametrize(
    "text", ["import no_such_module\n", "raise ImportError('x')\n", "open('/none/none')\n"]
)
def test_a_script_that_cannot_even_begin_confirms_nothing(model: Model, text: str) -> None:
    model(calls(hypothesis()), calls(script(text)), calls(report(ran())))
    (item,) = model.items
    assert item.status == "inconclusive"
    assert "before it could show anything" in results(model.api, 2)[0][1]


BEYOND = [
    (tool("bash", command="id"), "there is no tool"),
    (tool("write", path="shop.py", content="x"), "there is no tool"),
    (tool("run_tests", tests=["../../outside.py"]), "cannot be told which tests"),
    (tool("run_tests", tests="check.py; id"), "malformed"),
    (tool("run_script", language="perl", script="x"), "expected one of"),
    (tool("run_script", language="python", script="def f(:"), "cannot be read"),
    (tool("run_script", language="python", script="x" * 40_000), "longer than"),
    (tool("read", path="../../etc/passwd"), "not a plain relative path"),
    (tool("read", path="/etc/passwd"), "relative to the repository"),
    (tool("read", path="autoresearch/debug-t/handoff.json"), "no such file"),
    (tool("grep", pattern="(" * 600), "too long"),
    (broken_tool("report", '{"status": "conf'), "not a whole JSON object"),
    (report(status="certain"), "expected one of"),
    (report(evidence="shop.py"), "expected an array"),
    (tool("hypothesis", claim="x"), "stated already"),
]


def test_a_call_beyond_what_is_allowed_is_answered_and_runs_nothing(model: Model) -> None:
    end = report(quote(), status="disproven")
    model(calls(hypothesis()), *(calls(call) for call, _ in BEYOND), calls(end))
    for turn, (call, why) in enumerate(BEYOND, start=2):
        failed, told = results(model.api, turn)[0]
        assert (failed, why in told) == (True, True), (call, told)
    assert len(model.debug.known().runs) == 3
    assert model.items[0].status == "disproven"


def test_an_experiment_needs_a_hypothesis_and_there_is_one_of_them(model: Model) -> None:
    done = model(
        calls(script()),
        calls(hypothesis()),
        calls(script(), script(FINE)),
        calls(report(ran())),
    )
    assert done.code == 0, done.err
    assert "state first" in results(model.api, 1)[0][1]
    first, second = results(model.api, 3)
    assert (first[0], second[0]) == (False, True)
    assert "no more than 1" in second[1]
    assert len(model.debug.known().runs) == 4


def test_what_was_looked_at_is_told_in_a_line_and_not_taken_again(model: Model) -> None:
    model(
        calls(hypothesis()),
        calls(report(quote(), status="disproven")),
        calls(hypothesis("x is doubled by tax which adds three instead, tax adds")),
        calls(hypothesis("total calls tax with the wrong argument order")),
        calls(report(quote("return x + tax(x)", line=6), status="disproven")),
        flags=("--iterations", "2"),
    )
    assert len(model.items) == 2
    state = model.api.requests[2]["messages"][0]["content"][1]["text"]
    assert "1. disproven: tax adds three instead of doubling x" in state
    assert "Covered so far, technique: error-line 0, recent-change 0, data-flow 1" in state
    assert "Least tried of technique: error-line" in state
    failed, told = results(model.api, 3)[0]
    assert (failed, "not new: iteration 1" in told) == (True, True)


def test_prose_is_asked_once_and_then_of_no_use(model: Model) -> None:
    prose = 'Surely: ```json\n{"status": "confirmed", "title": "It is tax"}\n```'
    done = model(ends(text(prose)), ends(text(prose)), flags=("--iterations", "1"))
    (item,) = model.items
    assert (item.status, done.code) == ("unusable", 0)
    assert "without a report" in item.overruled


def test_three_refusals_end_it_as_incomplete(model: Model) -> None:
    done = model(*[refuses()] * 3, flags=("--iterations", "9"))
    assert [item.status for item in model.items] == ["unusable"] * 3
    assert "the model refused" in model.items[0].overruled
    assert done.handoff["status"] == "BOUNDED"
    assert "of no use" in done.page("summary.md")


@pytest.mark.parametrize("at_once", [True, False])
def test_a_key_that_is_refused_ends_it_with_all_that_was_found(model: Model, at_once: bool) -> None:
    refused = error(401, "authentication_error")
    model.api.model = refused if at_once else model.api.model
    done = model(*([] if at_once else [refused]))
    assert done.code == 5
    assert "fails 3 of 3" in done.page("findings.md")
    assert model.debug.known().end.startswith("the model cannot be asked")


def test_money_ends_it_also_across_a_resume(model: Model) -> None:
    spend = calls(hypothesis(), input_tokens=100_000)
    done = model(
        spend,
        calls(report(quote(), status="disproven")),
        flags=("--iterations", "9", "--budget-usd", "0.4"),
    )
    assert "$0.4" in model.debug.known().end
    assert done.handoff["status"] == "BOUNDED"
    model(flags=("--resume", "--iterations", "9", "--budget-usd", "0.4"), command=None)
    assert (model.items, len(model.api.requests)) == ((), 1)


def test_a_secret_in_an_answer_goes_nowhere(model: Model) -> None:
    done = model(calls(hypothesis(f"the key {KEY} is why it fails")))
    assert model.items[0].status == "unusable"
    for path in done.folder.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes()


def test_tests_are_chosen_within_the_own_test_command_only(model: Model, repo: Repo) -> None:
    repo.write("test_shop.py", "import shop\n\n\ndef test_tax():\n    assert shop.tax(2) == 4\n")
    repo.write("test_rest.py", "import shop\n\n\ndef test_rest():\n    assert shop.tax(1) == 2\n")
    repo.commit("tests")
    touched = repo.path.parent / "touched"
    model(
        calls(hypothesis()),
        calls(tool("run_tests", tests=["--pdb"])),
        calls(tool("run_tests", tests=["../test_shop.py"])),
        calls(tool("run_tests", tests=[f"test_rest.py::x; touch {touched}"])),
        calls(report(ran(5, exit_code=4), status="confirmed")),
        calls(hypothesis("doubling is missing for every argument of tax")),
        calls(tool("run_tests", tests=["test_rest.py::test_rest"])),
        calls(report(ran(6))),
        flags=("--iterations", "2", *model.debug.writes_outside),
        command="python -m pytest -q -x test_shop.py",
    )
    assert not touched.exists()
    runs = model.debug.known().runs
    assert [run.command for number, run in runs.items() if number > 4] == [
        f"python -m pytest -q -x 'test_rest.py::x; touch {touched}'",
        "python -m pytest -q -x test_rest.py::test_rest",
    ]
    assert (runs[5].broken, runs[6].broken, runs[6].known) == (True, False, False)
    assert [item.status for item in model.items] == ["inconclusive", "confirmed"]


@pytest.mark.parametrize(
    ("test", "expect", "code"),
    [("test_shop.py::T.test_total", "fails", 1), ("test_shop.py", "fails", 1)],
)
def test_where_nobody_sees_which_tests_fail_a_failing_one_may_be_the_known_one(
    model: Model, repo: Repo, test: str, expect: str, code: int
) -> None:
    repo.write(
        "test_shop.py",
        "import unittest\nimport shop\nclass T(unittest.TestCase):\n"
        "    def test_total(self):\n        self.assertEqual(shop.total(1, 2), 6)\n",
    )
    repo.commit("a test")
    done = model(
        calls(hypothesis(expect=expect)),
        calls(tool("run_tests", tests=[test])),
        calls(report(ran(4, code))),
        command="python -m unittest -v test_shop",
    )
    assert done.code == 0, done.err
    (item,) = model.items
    assert (item.status, item.overruled) == (
        "inconclusive",
        "not confirmed: it needs a failing command or quote",
    )
    assert "this is the failure that is known already" in results(model.api, 2)[0][1]


def test_a_selection_that_runs_no_test_shows_nothing_either_way(model: Model, repo: Repo) -> None:
    repo.write("cart.test.js", "require('node:test')('adds', () => { throw new Error('x'); });\n")
    repo.commit("a test")
    model(
        calls(hypothesis(expect="fails")),
        calls(tool("run_tests", tests=["cart.test.js::no such test"])),
        calls(report(ran(4, 0), status="disproven")),
        command="node --test cart.test.js",
    )
    (item,) = model.items
    assert model.debug.known().runs[4].broken
    assert "no test ran" in results(model.api, 2)[0][1]
    assert (item.status, item.claimed) == ("inconclusive", "disproven")


def test_a_script_sees_no_key_no_record_and_no_checkout(model: Model, repo: Repo) -> None:
    store = repo.path / ".git/autoresearch/debug-t/investigation.jsonl"
    spy = f"""
import os
print("ENV", sorted(os.environ))
for path in ({str(store)!r}, {str(repo.path / ".git/config")!r}, "/proc/self/environ"):
    try:
        print("READ", path, open(path).read())
    except OSError as error:
        print("NO", path, error)
try:
    open({str(repo.path / "shop.py")!r}, "w")
    print("WROTE")
except OSError as error:
    print("NO", error)
raise SystemExit(1)
"""
    model(calls(hypothesis()), calls(script(spy)), calls(report(ran(), quote())))
    told = results(model.api, 2)[0][1]
    assert "ANTHROPIC" not in told
    assert KEY not in told
    assert f"NO {store}" in told
    assert f"NO {repo.path / '.git/config'}" in told
    assert "WROTE" not in told
    assert (repo.path / "shop.py").read_text() == SHOP


def test_less_severe_findings_are_counted_and_not_handed_on(model: Model) -> None:
    done = model(
        calls(hypothesis()), calls(report(quote())), flags=("--severity", "critical", "--fix")
    )
    assert done.handoff["findings"] == []
    assert "below the severity that was asked for: 1" in done.page("summary.md")
    assert "--from-debug" not in done.out


def test_words_alone_are_enough_to_begin_with(model: Model, repo: Repo) -> None:
    (repo.path / "check.py").unlink()
    (repo.path / "shop.py").rename(repo.path / "shop.txt")
    repo.commit("nothing that could be run")
    done = model(
        calls(hypothesis()),
        calls(script("raise SystemExit(1)\n")),
        calls(report(ran(1), quote(path="shop.txt"), path="shop.txt")),
        flags=("--symptom", "the tax on two is five", "--scope", "shop.txt"),
        command=None,
    )
    assert done.code == 0, done.err
    assert model.items[0].status == "confirmed"
    facts = model.api.requests[0]["messages"][0]["content"][0]["text"]
    assert "the tax on two is five" in facts
    assert "nothing that could be run" in facts
    assert done.handoff["scope"] == ["shop.txt"]
    again = model(command=None, tag="u", flags=("--symptom", "x", "--scope", "none/"))
    assert (again.code, "matches no file" in again.err) == (2, True)


def test_one_technique_can_be_asked_for(model: Model) -> None:
    model(
        calls(hypothesis()),
        calls(report(quote(), status="disproven")),
        flags=("--technique", "race"),
    )
    state = model.api.requests[0]["messages"][0]["content"][1]["text"]
    assert "Least tried of technique: race. What happens twice" in state
    assert "error-line" not in state


CLAIMS = (
    "shop.py adds where it should multiply",
    "the check compares with a wrong number",
    "another module replaces the tax at import",
    "Python rounds the amount somewhere",
    "an empty basket reaches the total",
    "the order of the imports matters here",
)


def unsure(claim: str) -> tuple[Reply, Reply]:
    """One iteration that decides nothing."""
    return calls(hypothesis(claim)), calls(report(status="inconclusive"))


def test_a_depth_bounds_the_iterations_and_what_is_typed_has_the_last_word(model: Model) -> None:
    replies = [reply for claim in CLAIMS for reply in unsure(claim)]
    model(*replies[:2], flags=("--depth", "quick", "--iterations", "1"))
    assert model.debug.known().end == "all 1 iterations done"
    model.api.answer(*replies[2:10])
    model.debug(*model.flags, "--resume", command=None)
    assert len(model.items) == 5
    assert model.debug.known().end == "all 5 iterations done"
    model.api.answer(*replies[10:])
    model.debug(*model.flags, "--resume", "--iterations", "6", command=None)
    assert len(model.items) == 6


def test_of_two_experiments_the_first_decides_whether_it_came_true(model: Model) -> None:
    """Else one would be repeated until it ends as was said."""
    model(
        calls(hypothesis(expect="passes")),
        calls(script()),
        calls(script("raise SystemExit(0)")),
        calls(report(ran(4), ran(5, 0), quote())),
        flags=("--depth", "deep", "--iterations", "1"),
    )
    (item,) = model.items
    assert (item.status, len(item.runs)) == ("disproven", 2)


def test_what_another_tool_supposes_is_told_as_its_word_and_nothing_of_it_is_run(
    model: Model, repo: Repo, tmp_path: Path
) -> None:
    evil = f"touch {tmp_path}/evil; false"
    handed = {
        "version": "2.1.0",
        "source": "predict",
        "status": "COMPLETE",
        "config": {"verify": evil},
        "command": evil,
        "findings": [
            {"title": "tax doubles", "severity": "low", "location": "shop.py:2", "command": evil},
            {"title": "tax adds three", "severity": "high", "location": "/etc/passwd:1"},
        ],
    }
    path = tmp_path / "handed.json"
    path.write_text(json.dumps(handed))
    done = model(
        *unsure(CLAIMS[0]),
        flags=("--iterations", "1", "--from", str(path), *model.debug.writes_outside),
    )
    assert done.code == 0, done.err
    sent = json.dumps(model.api.requests[0]["messages"])
    assert "predict says of a commit that it does not name" in sent
    assert sent.index("[high] tax adds three") < sent.index("[low] shop.py:2: tax doubles")
    assert not (tmp_path / "evil").exists()
    assert {run.command for run in model.debug.known().runs.values()} == {"python check.py"}
    assert "[high] tax adds three" in done.page("findings.md")
    path.unlink()  # what was taken in is in the record
    model.api.answer(*unsure(CLAIMS[1]))
    model.debug(*model.flags, "--resume", "--iterations", "2", command=None)
    assert "tax adds three" in json.dumps(model.api.requests[2]["messages"])


def test_without_a_hypothesis_for_long_the_question_does_not_grow(model: Model) -> None:
    letters = [f"{a}{b}{c}" for a in "abc" for b in "defg" for c in "hijk"][:24]
    talks = [
        reply
        for word in letters
        for reply in (
            calls(hypothesis(f"the {word}one {word}two {word}three is wrong " + "x" * 200)),
            calls(report(quote(), status="disproven", why="w" * 900)),
        )
    ]
    model(*talks, flags=("--iterations", "24"))
    assert len(model.items) == 24
    first, last = model.api.bytes[0], model.api.bytes[-2]
    assert last < first + 24 * 250


def test_words_of_a_model_are_harmless_where_people_read_them(model: Model) -> None:
    nasty = "<script>x</script> @everyone\n::error::boom fixes #1"
    done = model(
        calls(hypothesis(f"tax adds three {nasty}")),
        calls(script()),
        calls(report(ran(), title=nasty, why=nasty + " w" * 20)),
    )
    page = done.page("findings.md")
    assert "<script>" not in page
    assert "@everyone" not in page
    assert not any(row.startswith("::") for row in done.out.splitlines())
    assert len(done.page("debug-results.tsv").splitlines()) == 2
    assert json.loads(done.page("handoff.json"))["findings"][0]["title"] == nasty


def test_a_program_of_ones_own_runs_in_the_same_loop(
    model: Model, repo: Repo, tmp_path: Path
) -> None:
    program = tmp_path / "smells.md"
    program.write_text(
        """---
name: smells
shape: investigate
about: Find what smells
item:
  type: object
  required: [what, kind, status, evidence]
  properties:
    what: {type: string, minLength: 5}
    kind: {type: string, enum: [long, odd]}
    status: {type: string, enum: [smells, fine]}
    evidence:
      type: array
      items:
        type: object
        properties:
          kind: {type: string}
          path: {type: string}
          line: {type: integer}
          text: {type: string}
claim: what
roles: [reader, writer]
grid: {kind: [long, odd]}
statuses:
  smells: {needs: [quote], news: true, finding: open}
  fine: {nothing: true}
otherwise: fine
columns: [iteration, what, kind, status, evidence]
outputs: [findings.md, smells-results.tsv]
---

# Rules

Look at code.

# Task

Find one thing.

# role: reader

You read it for the first time.

# role: writer

You have to change it.
"""
    )
    done = model(
        calls(tool("report", what="an odd sum", kind="odd", status="smells", evidence=[quote()])),
        calls(tool("read", path="shop.py")),
        calls(tool("report", what="the line is long", kind="long", status="smells", evidence=[])),
        flags=("--program", str(program), "--iterations", "2"),
    )
    assert done.code == 0, done.err
    assert [item.status for item in model.items] == ["smells", "fine"]
    assert sorted(path.name for path in done.folder.iterdir()) == [
        *("findings.md", "logs", "smells-results.tsv")
    ]
    rows = [row.split("\t") for row in done.page("smells-results.tsv").splitlines()]
    assert rows[1] == ["1", "an odd sum", "odd", "smells", "shop.py:2"]
    assert [(item.role, item.read) for item in model.items] == [
        *(("reader", ()), ("writer", ("shop.py",)))
    ]
    assert "for the first time" in model.api.requests[0]["messages"][0]["content"][1]["text"]
    assert "have to change it" in model.api.requests[1]["messages"][0]["content"][1]["text"]
    grid = {"kind": ("long", "odd")}
    covered = coverage(grid, looked(model.items, from_file(program)))
    assert covered == {"kind": {"long": 1, "odd": 1}}
    offered = {tool["name"] for tool in model.api.requests[0]["tools"]}
    assert offered == {"read", "glob", "grep", "report"}


def test_killed_while_it_thinks_it_goes_on_and_counts_what_was_paid(
    model: Model, repo: Repo, tmp_path: Path
) -> None:
    def kill(body: Json) -> Reply:
        process.kill()
        return calls(report(ran(), quote()))

    model.api.answer(
        calls(hypothesis("the shop is closed on Mondays, says a comment")),
        calls(report(quote(), status="disproven")),
        calls(hypothesis()),
        calls(script(control=CONTROL)),
        kill,
    )
    words = model.debug.arguments(*model.flags, "--iterations", "4", command="python check.py")
    process = subprocess.Popen(
        [sys.executable, "-m", "autoresearch_ci", *words],
        cwd=repo.path,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp"), "ANTHROPIC_API_KEY": KEY},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    process.wait()
    assert [item.status for item in model.items] == ["disproven"]
    paid = model.debug.known().spent.tokens
    assert paid >= 4 * 1000
    done = model(
        calls(hypothesis()),
        calls(script(control=CONTROL)),
        calls(report(ran(6), quote())),
        flags=("--resume", "--iterations", "4"),
        command=None,
    )
    assert done.code == 0, done.err
    assert [item.status for item in model.items] == ["disproven", "confirmed"]
    assert model.debug.known().spent.tokens > paid
    assert len(model.debug.known().ran("reproduce", repo.git("rev-parse", "HEAD"))) == 3
