"""Claude as proposer, on the wire: the real SDK against a local server that plays the service."""

from __future__ import annotations

import base64
import importlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from autoresearch_ci.config.proposers import Claude, Prices
from autoresearch_ci.decide.failures.failure import Category, Failure
from autoresearch_ci.decide.failures.repair_order import Aim
from autoresearch_ci.errors import Interrupted, ProposerError
from autoresearch_ci.experiment import Direction, FileEdit, Proposal
from autoresearch_ci.llm.messages_api import MessagesService
from autoresearch_ci.llm.tools import EDITOR
from autoresearch_ci.propose.claude import ClaudeProposer
from autoresearch_ci.propose.proposer import (
    Context,
    CostlyProposerError,
    EditError,
    ModelRefused,
    Remaining,
    Request,
)
from autoresearch_ci.safety.redaction import Redactor
from autoresearch_ci.workspace.scope import Scope
from tests.memory_tree import Files
from tests.messages_api import (
    Json,
    MessagesApi,
    Reply,
    broken_tool,
    calls,
    coded_error,
    ends,
    error,
    error_event,
    garbage,
    refuses,
    submit,
    text,
    thinking,
    tool,
)
from tests.patience import promptly

KEY = "sk-ant-test-0123456789"
SSE = "text/event-stream"


SERVICE = ("turn_seconds", "retries")
TREE = Files({"a.py": b"x = 1\ny = 2\n", "b.py": b"z = 3\n"})


@pytest.fixture
def api() -> Iterator[MessagesApi]:
    with MessagesApi() as server:
        yield server
        assert server.problems == []
        assert server.unused == 0


class Bench:
    """A proposer that talks to the local server; `waited` is what it slept, `said` its notes."""

    def __init__(self, api: MessagesApi) -> None:
        self.api = api
        self.waited: list[float] = []
        self.said: list[str] = []
        self.environment = {"ANTHROPIC_API_KEY": KEY}
        self.stop = threading.Event()
        self.made: list[MessagesService] = []

    def check(self) -> None:
        if self.stop.is_set():
            raise Interrupted("stop")

    def service(self, **settings: Any) -> MessagesService:
        options = {name: settings.pop(name) for name in SERVICE if name in settings}
        made = MessagesService(
            Claude(**{"base_url": self.api.url, "dialect": "native", **settings}),
            self.environment,
            redactor=Redactor([KEY]),
            sleep=self.waited.append,
            check=self.check,
            note=self.said.append,
            **options,
        )
        self.made.append(made)
        return made

    def proposer(self, **settings: Any) -> ClaudeProposer:
        """`settings`: of the sections and of the service, told apart by their names."""
        service = self.service(**settings)
        return ClaudeProposer(
            Claude(**{name: value for name, value in settings.items() if name not in SERVICE}),
            Scope(include=["a.py", "b.py", "new/"]),
            service,
            redactor=Redactor([KEY]),
        )

    def propose(self, *replies: Reply, context: Context | None = None, **settings: Any) -> Any:
        self.api.answer(*replies)
        return self.proposer(**settings).propose(context or asked())


@pytest.fixture
def bench(api: MessagesApi) -> Iterator[Bench]:
    made = Bench(api)
    yield made
    for service in made.made:
        service.close()


def asked(**changes: Any) -> Context:
    first = Context(
        goal="go faster",
        direction=Direction.MINIMIZE,
        iteration=1,
        incumbent=TREE,
        base=TREE,
        at=lambda commit: TREE,
        history=(),
        seed=0,
    )
    return replace(first, **changes)


def edit(old: str = "x = 1", new: str = "x = 5", path: str = "a.py") -> Json:
    return tool(EDITOR, command="str_replace", path=path, old_str=old, new_str=new)


def change(description: str = "raise x from 1 to 5") -> Reply:
    """The whole proposal in one answer."""
    return calls(thinking("x is small"), edit(), submit(description, "x helps", "raise y"))


CHANGED = (FileEdit(path="a.py", content=b"x = 5\ny = 2\n"),)


def results(request: Json) -> list[Json]:
    """The tool results that a request ends with."""
    last = request["messages"][-1]["content"]
    return [block for block in last if block["type"] == "tool_result"]


# --- the conversation ---


def test_a_change_is_read_edited_and_submitted(bench: Bench) -> None:
    proposal = bench.propose(
        calls(
            thinking("look first"),
            text("I look."),
            tool(EDITOR, command="view", path="a.py", view_range=[2, -1]),
            tool("glob", pattern="*.py"),
            tool("grep", pattern=r"z\s="),
        ),
        calls(edit(), tool(EDITOR, command="create", path="new/c.py", file_text="c\n")),
        calls(tool(EDITOR, command="insert", path="new/c.py", insert_line=1, insert_text="d")),
        calls(tool("delete", path="b.py")),
        calls(submit("raise x from 1 to 5", "x helps", "raise y")),
    )
    assert proposal.edits == (
        *CHANGED,
        FileEdit(path="b.py", content=None),
        FileEdit(path="new/c.py", content=b"c\nd\n"),
    )
    assert proposal.description == "raise x from 1 to 5"
    assert (proposal.hypothesis, proposal.next_idea) == ("x helps", "raise y")
    assert [block["content"] for block in results(bench.api.requests[1])] == [
        "     2\ty = 2",
        "a.py\nb.py",
        "b.py:1: z = 3",
    ]


def test_a_small_model_reads_and_edits_with_plain_tools(bench: Bench) -> None:
    proposal = bench.propose(
        calls(tool("read", path="a.py", first="1", last=1)),
        calls(tool("edit", path="a.py", old="x = 1", new="x = 5")),
        calls(tool("write", path="new/c.py", content="c\n")),
        calls(submit("raise x from 1 to 5")),
        dialect="auto",
    )
    assert [e.path for e in proposal.edits] == ["a.py", "new/c.py"]
    assert results(bench.api.requests[1])[0]["content"] == "     1\tx = 1"


def test_a_large_repository_is_listed_by_folder(bench: Bench) -> None:
    files = {f"src/{n % 3}/{n}.py": b"\xff" for n in range(1000)}
    context = asked(incumbent=Files({**TREE.files, **files}))
    look = tool(EDITOR, command="view", path=".")
    deeper = tool(EDITOR, command="view", path="src")
    bench.propose(calls(look, deeper), change(), context=context)
    first, second = results(bench.api.requests[1])
    assert first["content"] == "a.py\nb.py\nsrc/ (1000 files)"
    assert second["content"].split("\n")[0] == "src/0/ (334 files)"


def test_a_server_without_keys_needs_none_and_gets_the_headers_of_the_configuration(
    bench: Bench,
) -> None:
    bench.environment = {"GATEWAY_KEY": "secret"}
    headers = {"x-gateway": "team", "x-api-key": "$GATEWAY_KEY"}
    bench.propose(change_plain(), dialect="auto", headers=headers)
    assert bench.api.headers[-1]["x-gateway"] == "team"
    assert bench.api.headers[-1]["x-api-key"] == "secret"
    bench.environment = {}
    with pytest.raises(ProposerError, match="x-api-key is to be read from GATEWAY_KEY"):
        bench.proposer(dialect="auto", headers=headers)


def change_plain() -> Reply:
    return calls(tool("edit", path="a.py", old="x = 1", new="x = 5"), submit("raise x"))


def test_a_write_out_of_scope_is_a_tool_error(bench: Bench) -> None:
    bad = tool(EDITOR, command="create", path=".github/workflows/ci.yml", file_text="x")
    proposal = bench.propose(calls(bad), change())
    assert proposal.edits == CHANGED
    assert results(bench.api.requests[1])[0]["is_error"] is True


@pytest.mark.parametrize(
    ("block", "says"),
    [
        (tool("bash", command="ls"), "there is no tool 'bash'"),
        (tool("grep"), "pattern: field required"),
        (tool("grep", pattern=["x"]), "pattern: input should be a valid string"),
        (tool(EDITOR, command="undo_edit", path="a.py"), "command must be one of"),
        (tool(EDITOR, command="view", path="/etc/passwd"), "relative to the repository"),
        (tool(EDITOR, command="view", path="a.py", view_range=[9, 10]), "has lines 1 to 2"),
        (tool("submit", hypothesis="x"), "description: field required"),
        (tool("submit", description="x", hypothesis="y"), "no file is changed yet"),
        (broken_tool("grep", '{"pattern": "x"'), "not a whole JSON object"),
        (broken_tool("grep", "[1]"), "not a whole JSON object"),
    ],
)
def test_a_call_that_cannot_be_carried_out_is_answered_as_an_error(
    bench: Bench, block: Json, says: str
) -> None:
    sent = dict(block)
    if block.get("raw") == '{"pattern": "x"':
        sent["input"] = {"pattern": "x"}  # what the SDK makes of it, and sends back
    elif block.get("raw") == "[1]":
        sent["input"] = {}  # the service takes nothing but an object
    proposal = bench.propose(replace(calls(block), content=[_without_raw(sent)]), change())
    result = results(bench.api.requests[1])[0]
    assert says in result["content"]
    assert result["is_error"] is True
    assert proposal.edits == CHANGED


def _without_raw(block: Json) -> Json:
    return {k: v for k, v in block.items() if k != "raw"}


def test_two_calls_at_once_are_both_answered_in_order(bench: Bench) -> None:
    bench.propose(calls(tool("glob", pattern="a*"), edit("nothing")), change())
    found, failed = results(bench.api.requests[1])
    assert found["content"] == "a.py"
    assert "is_error" not in found
    assert failed["is_error"] is True


def test_a_submit_beside_a_failed_edit_is_not_taken(bench: Bench) -> None:
    proposal = bench.propose(calls(edit("nothing"), submit("raise x")), change())
    assert "another call of this turn failed" in results(bench.api.requests[1])[1]["content"]
    assert proposal.edits == CHANGED


def test_a_change_that_looks_like_several_is_asked_once_to_be_split(bench: Bench) -> None:
    several = "raise x from 1 to 5; lower z from 3 to 2"
    proposal = bench.propose(
        calls(edit(), edit("z = 3", "z = 2", "b.py"), submit(several)),
        calls(tool("revert", path="b.py"), submit("raise x from 1 to 5")),
    )
    assert "looks like several" in results(bench.api.requests[1])[2]["content"]
    assert proposal.edits == CHANGED


def test_a_change_submitted_again_as_it_is_is_taken(bench: Bench) -> None:
    several = "raise x from 1 to 5; lower z from 3 to 2"
    proposal = bench.propose(
        calls(edit(), edit("z = 3", "z = 2", "b.py"), submit(several)), calls(submit(several))
    )
    assert len(proposal.edits) == 2


def test_a_paused_turn_is_sent_back_as_it_is(bench: Bench) -> None:
    proposal = bench.propose(calls(text("wait"), stop="pause_turn"), change())
    assert proposal.edits == CHANGED
    assert bench.api.requests[1]["messages"][-1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "wait"}],
    }


def test_an_empty_text_is_not_sent_back(bench: Bench) -> None:
    assert bench.propose(calls(text(""), tool("glob", pattern="*")), change()).edits == CHANGED


def test_a_model_that_only_talks_is_reminded_once(bench: Bench) -> None:
    assert bench.propose(ends(text("I would raise x.")), change()).edits == CHANGED
    with pytest.raises(EditError, match="ended without a change: Never mind"):
        bench.propose(ends(text("Hm.")), ends(text("Never mind.")))


def test_a_model_that_forgets_to_submit_is_taken_by_its_words(bench: Bench) -> None:
    proposal = bench.propose(calls(edit()), ends(text("Done.")), ends(text("x is now 5.")))
    assert (proposal.description, proposal.edits) == ("x is now 5.", CHANGED)


BROKEN = Failure(
    category=Category.TEST,
    tool="pytest",
    id="pytest:test_a::test_x",
    path="a.py",
    line=1,
    code="",
    message="socket.gaierror: [Errno -2] Name or service not known",
)
NOTHING = "nothing to do: there is no network here"


def to_repair(**changes: Any) -> Context:
    return asked(aim=Aim(failure=BROKEN, command="pytest -q"), **changes)


@pytest.mark.parametrize(
    "answer",
    [
        calls(submit(NOTHING)),
        calls(submit("Nothing to do: there is no network here")),
        ends(text(f"I looked at it.\n\n{NOTHING}")),
    ],
)
def test_where_a_repair_is_asked_for_nothing_to_do_is_an_answer(
    bench: Bench, answer: Reply
) -> None:
    proposal = bench.propose(answer, context=to_repair())
    assert (proposal.description, proposal.edits) == (NOTHING, ())
    assert proposal.tokens > 0
    sent = bench.api.requests[0]
    assert "nothing to do: REASON" in sent["system"][0]["text"]
    assert "Name or service not known" in sent["messages"][0]["content"][-1]["text"]


def test_nothing_to_do_beside_an_edit_is_asked_back(bench: Bench) -> None:
    proposal = bench.propose(
        calls(edit(), submit(NOTHING)),
        calls(tool("revert", path="a.py"), submit(NOTHING)),
        context=to_repair(),
    )
    assert "not submitted: files are changed" in results(bench.api.requests[1])[1]["content"]
    assert (proposal.description, proposal.edits) == (NOTHING, ())


def test_nothing_to_do_is_no_answer_where_an_improvement_is_asked_for(bench: Bench) -> None:
    proposal = bench.propose(calls(submit(NOTHING)), change())
    assert "no file is changed yet" in results(bench.api.requests[1])[0]["content"]
    assert proposal.edits == CHANGED


def test_nothing_to_do_is_no_answer_to_what_its_own_repair_broke(bench: Bench) -> None:
    previous = Proposal(description="raise x", edits=CHANGED, proposer="claude")
    context = to_repair(request=Request.REPAIR, attempt=2, previous=previous, feedback="boom")
    with pytest.raises(EditError, match="left the change as it was"):
        bench.propose(calls(submit(NOTHING)), context=context)


def test_a_repair_is_proposed_like_any_other_change(bench: Bench) -> None:
    proposal = bench.propose(change("ask nobody for a name"), context=to_repair())
    assert (proposal.description, proposal.edits) == ("ask nobody for a name", CHANGED)


def test_a_repair_starts_from_the_broken_change(bench: Bench) -> None:
    previous = Proposal(description="raise x", edits=CHANGED, proposer="claude")
    context = asked(request=Request.REPAIR, attempt=2, previous=previous, feedback="NameError: xx")
    proposal = bench.propose(
        calls(edit("x = 5", "x = 4"), submit("fix it; and more")), context=context
    )
    assert proposal.edits == (FileEdit(path="a.py", content=b"x = 4\ny = 2\n"),)
    assert "NameError: xx" in bench.api.requests[0]["messages"][0]["content"][-1]["text"]


def test_a_rework_that_changes_nothing_tells_what_it_cost(bench: Bench) -> None:
    previous = Proposal(description="raise x", edits=CHANGED, proposer="claude")
    context = asked(request=Request.REWORK, attempt=2, previous=previous)
    with pytest.raises(EditError, match="left the change as it was") as caught:
        bench.propose(calls(submit("cannot")), context=context)
    assert caught.value.proposal.tokens == 1050


# --- money ---


def test_every_kind_of_token_is_counted_and_priced(bench: Bench) -> None:
    usage = {"cache_creation_input_tokens": 2000, "cache_read_input_tokens": 3000}
    proposal = bench.propose(calls(tool("glob", pattern="*"), **usage), change())
    assert proposal.tokens == (1000 + 2000 + 3000 + 50) + (1000 + 50)
    first = (1000 * 4 + 2000 * 5 + 3000 * 0.2 + 50 * 20) / 1e6
    assert proposal.cost_usd == pytest.approx(first + (1000 * 4 + 50 * 20) / 1e6)


def test_the_users_own_price_wins_and_an_unknown_one_costs_nothing_but_counts(
    bench: Bench,
) -> None:
    own = bench.propose(change(), model="local", price=Prices(input=1.0, output=2.0))
    assert own.cost_usd == pytest.approx((1000 + 2 * 50) / 1e6)
    unknown = bench.propose(change(), model="local")
    assert (unknown.tokens, unknown.cost_usd) == (1050, 0.0)


@pytest.mark.parametrize(
    ("settings", "remaining"),
    [
        ({}, Remaining(tokens=9999, iteration_tokens=1050)),
        ({}, Remaining(usd=9.0, iteration_usd=0.005)),
        ({}, Remaining(tokens=1050)),
        ({}, Remaining(usd=0.005)),
        ({"turns": 1}, Remaining()),
    ],
)
def test_a_cap_stops_the_next_request_and_the_spent_tokens_are_told(
    bench: Bench, settings: dict[str, Any], remaining: Remaining
) -> None:
    context = asked(remaining=remaining)
    with pytest.raises(EditError, match="no proposal within") as caught:
        bench.propose(calls(edit()), context=context, **settings)
    assert caught.value.proposal.tokens == 1050
    assert caught.value.proposal.cost_usd == pytest.approx(0.005)
    assert caught.value.proposal.edits == ()


def test_broken_answers_count_towards_the_cap(bench: Bench) -> None:
    context = asked(remaining=Remaining(iteration_tokens=1500))
    with pytest.raises(EditError, match="within 1500 tokens") as caught:
        bench.propose(*[change().cut(5, "reset")] * 2, context=context)
    assert caught.value.proposal.tokens == 2002


# --- failures ---


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(error(429, "rate_limit_error"), id="429"),
        pytest.param(error(529, "overloaded_error"), id="529"),
        pytest.param(error(500, "api_error"), id="500"),
        pytest.param(garbage(kind="application/json"), id="garbage"),
        pytest.param(garbage(b"event: message_start\ndata: {]\n\n", "text/event-stream"), id="sse"),
        pytest.param(
            garbage(
                b'event: message_start\ndata: {"type": "message_start"}\n\n', "text/event-stream"
            ),
            id="not the protocol",
        ),
        pytest.param(replace(garbage(), status=502), id="502"),
        pytest.param(Reply(ending="reset"), id="reset"),
        pytest.param(error_event(change(), "overloaded_error", 3), id="error event"),
        pytest.param(calls(edit(), stop=None), id="no stop reason"),
        pytest.param(
            replace(calls(broken_tool("grep", "}{")), content=()), id="arguments that are no JSON"
        ),
    ],
)
def test_a_passing_failure_costs_a_retry(bench: Bench, failure: Reply) -> None:
    assert bench.propose(failure, change()).edits == CHANGED
    assert 1.5 <= sum(bench.waited) <= 2.5 + 1
    assert len(bench.said) == 1


def test_a_retry_after_is_obeyed(bench: Bench) -> None:
    limited = error(429, "rate_limit_error", retry_after="17")
    assert bench.propose(limited, change()).edits == CHANGED
    assert sum(bench.waited) == pytest.approx(17)


def test_a_retry_after_beyond_our_patience_ends_the_run_at_once(bench: Bench) -> None:
    with pytest.raises(ProposerError, match="--resume"):
        bench.propose(error(429, "rate_limit_error", retry_after="86400"))
    assert bench.waited == []


def test_a_failure_that_stays_ends_the_run_after_bounded_tries(bench: Bench) -> None:
    with pytest.raises(ProposerError, match="in 4 tries; the last failure: HTTP 529"):
        bench.propose(*[error(529, "overloaded_error")] * 4, retries=3)
    assert 10 <= sum(bench.waited) <= 18


WHOLE = change()


@pytest.mark.parametrize(
    ("count", "ending"),
    [
        *((n, "quiet") for n in range(len(WHOLE.events))),
        *((n, "reset") for n in range(0, len(WHOLE.events), 4)),
    ],
)
def test_an_answer_cut_at_any_event_edits_nothing_and_is_asked_for_again(
    bench: Bench, count: int, ending: str
) -> None:
    proposal = bench.propose(change().cut(count, ending), calls(edit("y = 2"), submit("raise y")))
    assert proposal.edits == (FileEdit(path="a.py", content=b"x = 1\nx = 5\n"),)


def test_the_tokens_of_a_cut_answer_are_counted(bench: Bench) -> None:
    assert bench.propose(change().cut(3, "quiet"), change()).tokens == 1001 + 1050


def test_the_tokens_of_an_answer_that_is_given_up_are_counted(bench: Bench) -> None:
    for patience in (1, promptly(3)):  # it waits all that time, which a busy machine needs
        found = bench.propose(change().cut(3, "stalls"), change(), turn_seconds=patience)
        if found.tokens == 1001 + 1050:
            break
    assert found.tokens == 1001 + 1050


def test_an_answer_cut_off_at_max_tokens_edits_nothing(bench: Bench) -> None:
    with pytest.raises(EditError, match="max_tokens") as caught:
        bench.propose(calls(edit()), calls(edit("x = 5", "x = 6"), stop="max_tokens"))
    assert caught.value.proposal.edits == ()
    assert caught.value.proposal.tokens == 2100


def test_a_refusal_names_its_category_and_its_price(bench: Bench) -> None:
    with pytest.raises(ModelRefused, match="frontier_llm") as caught:
        bench.propose(calls(edit()), refuses("frontier_llm"))
    assert caught.value.category == "frontier_llm"
    assert caught.value.proposal.tokens == 2100
    with pytest.raises(ModelRefused, match="unspecified"):
        bench.propose(refuses(None))


@pytest.mark.parametrize(
    "failure",
    [
        coded_error(429, "rate_limit_error", "enforced_spend_limit_reached"),
        coded_error(429, "rate_limit_error", "contract_spend_limit_reached"),
        error(402, "billing_error"),
        error(429, "rate_limit_error", x_should_retry="false"),
        error(400, "invalid_request_error"),
        error(403, "permission_error"),
        error(404, "not_found_error"),
        error_event(change(), "billing_error", 3),
    ],
)
def test_a_lasting_failure_ends_the_run_without_a_retry(bench: Bench, failure: Reply) -> None:
    with pytest.raises(ProposerError, match="--resume"):
        bench.propose(failure)
    assert bench.waited == []


def test_a_lasting_failure_in_the_middle_tells_what_was_spent(bench: Bench) -> None:
    with pytest.raises(CostlyProposerError) as caught:
        bench.propose(calls(edit()), error(402, "billing_error"))
    assert caught.value.proposal.tokens == 1050
    assert caught.value.exit_code == 5


# --- keys ---


def test_without_a_key_nothing_is_built(bench: Bench) -> None:
    bench.environment = {}
    with pytest.raises(ProposerError, match="ANTHROPIC_API_KEY is not set"):
        bench.proposer()


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "GATEWAY_KEY"])
def test_an_invalid_key_is_found_before_the_first_iteration_and_its_variable_named(
    bench: Bench, name: str
) -> None:
    bench.environment = {name: KEY}
    bench.api.model = error(401, "authentication_error", f"Received API Key = {KEY}")
    service = bench.service(key_variable="GATEWAY_KEY" if name == "GATEWAY_KEY" else None)
    with pytest.raises(ProposerError, match=f"refused the key in {name}") as caught:
        service.verify()
    assert caught.value.exit_code == 5
    assert KEY not in str(caught.value)
    assert KEY in bench.api.headers[-1]["authorization"]


def test_a_key_that_is_repeated_in_another_form_is_masked_as_well(bench: Bench) -> None:
    code = base64.b64encode(KEY.encode()).decode()
    bench.api.model = error(401, "authentication_error", f"Received Basic {code}")
    with pytest.raises(ProposerError) as caught:
        bench.service().verify()
    assert code not in str(caught.value)
    assert "***" in str(caught.value)


def test_a_key_that_becomes_invalid_ends_the_run(bench: Bench) -> None:
    with pytest.raises(ProposerError, match="refused the key in ANTHROPIC_API_KEY"):
        bench.propose(error(401, "authentication_error"))


def test_a_model_that_does_not_exist_is_found_before_the_first_iteration(bench: Bench) -> None:
    bench.api.model = error(404, "not_found_error")
    with pytest.raises(ProposerError, match="no model 'claude-9'"):
        bench.service(model="claude-9").verify()


def test_a_local_server_that_is_not_there_is_found_before_the_first_iteration(
    bench: Bench,
) -> None:
    service = bench.service(dialect="auto", base_url="http://127.0.0.1:1")
    with pytest.raises(ProposerError, match=r"nothing answers at http://127\.0\.0\.1:1"):
        service.verify()


@pytest.mark.parametrize("dialect", ["auto", "native"])
def test_a_gateway_that_knows_nothing_about_models_is_good(bench: Bench, dialect: str) -> None:
    for answer in (error(404, "not_found"), garbage(), replace(garbage(), status=404)):
        bench.api.model = answer
        bench.service(dialect=dialect).verify()


def test_a_good_key_and_an_overloaded_service_both_let_the_run_begin(bench: Bench) -> None:
    bench.service().verify()
    bench.api.model = error(529, "overloaded_error")
    bench.service().verify()


@pytest.mark.parametrize(
    ("provider", "package"), [("bedrock", "botocore"), ("vertex", "google.auth")]
)
def test_a_cloud_whose_client_is_not_installed_says_what_to_install(
    bench: Bench, provider: str, package: str
) -> None:
    try:
        importlib.import_module(package)
    except ImportError:
        with pytest.raises(ProposerError, match=rf"pip install 'anthropic\[{provider}\]'"):
            bench.proposer(provider=provider)
    else:
        pytest.skip(f"{package} is installed")


# --- time ---


def test_an_interrupt_does_not_wait_for_the_service(bench: Bench) -> None:
    threading.Timer(0.1, bench.stop.set).start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        bench.propose(replace(change(), delay=30.0))
    assert time.monotonic() - began < promptly(2)


def test_a_server_that_never_finishes_is_given_up(bench: Bench) -> None:
    slow = replace(change(), delay=30.0)
    with pytest.raises(ProposerError, match="no whole answer"):
        bench.propose(slow, slow, turn_seconds=0.1, retries=1)


def test_a_proposal_takes_no_longer_than_the_run_has_left(bench: Bench) -> None:
    began = time.monotonic()
    context = asked(remaining=Remaining(seconds=0.5))
    with pytest.raises(EditError, match="within the time that is left"):
        bench.propose(replace(change(), delay=30.0), context=context)
    assert time.monotonic() - began < promptly(3)


# --- what goes out ---


def test_what_is_sent_is_what_was_rendered_and_follows_the_published_types(bench: Bench) -> None:
    from anthropic.types.message_create_params import MessageCreateParamsStreaming
    from pydantic import TypeAdapter

    adapter = TypeAdapter(MessageCreateParamsStreaming)
    proposer = bench.proposer()
    bench.api.answer(calls(edit()), calls(submit("raise x")))
    proposer.propose(asked())
    assert bench.api.requests[0] == {**proposer.render(asked()), "stream": True}
    for request in bench.api.requests:
        checked = adapter.validate_python(request)
        for message in checked["messages"]:  # nested lists are only checked when walked
            assert isinstance(message["content"], str) or list(message["content"])
        assert list(checked["tools"])


def test_the_prefix_of_every_turn_is_the_turn_before(bench: Bench) -> None:
    bench.propose(calls(tool("glob", pattern="*")), calls(edit()), calls(submit("raise x")))
    for before, after in zip(bench.api.requests, bench.api.requests[1:], strict=False):
        known = len(before["messages"])
        assert json.dumps(after["messages"][:known]) == json.dumps(before["messages"])
        assert all(before[name] == after[name] for name in ("system", "tools", "model"))


def test_the_service_counts_the_tokens_of_a_request(bench: Bench) -> None:
    proposer = bench.proposer()
    assert (bench.service().count_tokens(proposer.render(asked())) or 0) > 400
