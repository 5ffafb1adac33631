"""A panel by a scripted model behind a real Messages API: who sees what, who votes, who counts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoresearch_ci.safety.prompt_text import block
from tests.auditing import use_temporary
from tests.conftest import Repo
from tests.messages_api import Json, MessagesApi, Reply, calls, error, refuses, tool
from tests.panels import (
    KEY,
    PLACES,
    PROGRAM,
    ROLES,
    SHOP,
    Cast,
    Panels,
    finding,
    is_vote,
    listed,
    role_of,
    words_of,
)

HIGH = ("--fail-on", "high")
LOOP, ZERO, SUM = (PLACES[name][0] for name in ("loop", "zero", "sum"))
QUOTE = {"kind": "quote", "path": "shop.py", "line": 16, "text": "time.sleep(1)"}


@pytest.fixture
def api() -> Iterator[MessagesApi]:
    with MessagesApi() as server:
        yield server
        assert server.problems == []


@pytest.fixture
def council(
    repo: Repo,
    api: MessagesApi,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Panels:
    use_temporary(tmp_path, monkeypatch)
    repo.write("shop.py", SHOP)
    repo.commit("a shop")
    program = tmp_path / "council.md"
    program.write_text(PROGRAM)
    return Panels(
        repo=repo,
        api=api,
        capture=capsys,
        words=("investigate", "--program", str(program)),
        name="council",
        environment={"PATH": os.environ["PATH"], "ANTHROPIC_API_KEY": KEY},
    )


def differing(role: str, title: str) -> Json:
    """Everybody confirms the loop, two the division, nobody the sum, which is disputed."""
    if title == LOOP:
        return {"vote": "confirm"}
    if title == ZERO:
        return {"vote": "confirm" if role in ("ada", "ben") else "abstain"}
    return {"vote": "dispute", "why": "prices are few", "evidence": [QUOTE]}


SEES = {
    "ada": [finding("loop"), finding("zero")],
    "ben": [finding("loop", title="When the address is wrong it asks and asks for ever")],
    "cleo": [finding("sum")],
    "dan": [finding("loop", severity="critical", line=14)],
    "eve": [finding("zero", title="Sharing with nobody is a division by zero error")],
}


def test_votes_are_counted_and_the_worst_severity_is_kept(council: Panels) -> None:
    done = council(*[Cast(sees=SEES, votes=differing)] * 60)
    assert done.code == 0, done.err
    by_title = {f["title"]: (f["status"], f["severity"]) for f in done.handoff["findings"]}
    assert by_title[LOOP] == ("open", "critical")
    assert {status for status, _ in by_title.values()} == {"open", "disproven"}
    assert len(by_title) == 3
    assert done.handoff["status"] == "COMPLETE"
    assert "cleo disputes it: prices are few" in done.page("handoff.json")
    assert "seen by one role only: 0.33" in done.page("findings.md")
    rows = [row.split("\t") for row in done.page("council-results.tsv").splitlines()]
    assert rows[0][:3] == ["round", "persona", "findings_produced"]
    assert [row[:3] for row in rows[1:6]] == [["0", role, str(len(SEES[role]))] for role in ROLES]
    assert len(rows) == 1 + 5 * 3
    assert "round 2, cleo: dispute. prices are few" in done.page("debate.md")


def test_each_role_is_a_request_of_its_own_with_one_prefix_and_an_order_of_its_own(
    council: Panels, api: MessagesApi
) -> None:
    council(*[Cast(sees=SEES, votes=differing)] * 60)
    assert len(api.requests) == 15
    prefixes = {json.dumps([b["system"], b["messages"][0]["content"][0]]) for b in api.requests}
    assert len(prefixes) == 1
    assert api.requests[0]["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert block("file", "shop.py", SHOP) in api.requests[0]["messages"][0]["content"][0]["text"]
    alone, votes = api.requests[:5], api.requests[5:]
    assert [role_of(body) for body in alone] == list(ROLES)
    assert not any(title in words_of(body) for body in alone for title in (LOOP, ZERO, SUM))
    assert len({tuple(listed(body)) for body in votes}) > 2
    for body in votes:
        assert is_vote(body)
        others = [role for role in ROLES if role != role_of(body)]
        assert not any(re.search(rf"\b{role}\b", words_of(body)) for role in others)
        assert "confirm it" not in words_of(body)
    assert "held against it: prices are few" not in words_of(votes[0])
    assert "held against it: prices are few" in words_of(votes[5])


def test_made_up_evidence_is_dropped_before_anybody_debates_it(
    council: Panels, api: MessagesApi
) -> None:
    invented = finding(
        "sum", title="A secret is sent away", evidence=[{**QUOTE, "text": "steal()"}]
    )
    sees = {**SEES, "cleo": [invented], "dan": [invented]}
    done = council(*[Cast(sees=sees)] * 60)
    assert "A secret is sent away" not in json.dumps(done.handoff)
    assert not any("A secret" in words_of(body) for body in api.requests)


def test_a_dispute_without_code_is_an_abstention(council: Panels) -> None:
    def votes(role: str, title: str) -> Json:
        return {"vote": "confirm"} if role in ("ada", "ben") else {"vote": "dispute"}

    done = council(*[Cast(votes=votes)] * 60)
    assert "abstain. disputed without evidence" in done.page("debate.md")
    assert [f["status"] for f in done.handoff["findings"]] == ["open"]


def test_a_herd_is_named_and_what_one_alone_saw_is_kept(council: Panels) -> None:
    sees = {role: [finding(name)] for role, name in zip(ROLES, ["loop", "zero"] * 3, strict=False)}

    def flipping(role: str, title: str) -> Json:
        return {"vote": "dispute", "why": "not so", "evidence": [QUOTE]}

    done = council(*[Cast(sees=sees, votes=flipping)] * 60, flags=("--rounds", "1"))
    assert "that is what a herd does" in done.page("findings.md")
    assert "flip rate: 1.00" in done.page("findings.md")
    assert {f["status"] for f in done.handoff["findings"]} == {"disproven"}


@pytest.mark.parametrize(
    ("fail_on", "code"), [("critical", 0), ("high", 1), ("medium", 1), ("never", 0)]
)
def test_a_gate_goes_by_what_stands_in_the_end(council: Panels, fail_on: str, code: int) -> None:
    done = council(*[Cast()] * 60, flags=("--fail-on", fail_on))
    assert done.code == code, done.out
    assert ("verdict: fail" in done.out) == (code == 1)


def test_what_only_one_stands_by_does_not_fail_a_gate(council: Panels) -> None:
    sees = {**{role: [finding("sum")] for role in ROLES}, "dan": [finding("loop")]}

    def votes(role: str, title: str) -> Json:
        return {"vote": "confirm" if role == "dan" or title == SUM else "abstain"}

    done = council(*[Cast(sees=sees, votes=votes)] * 60, flags=("--fail-on", "medium"))
    assert (done.code, done.statuses[LOOP]) == (0, "unknown")


def test_who_refuses_makes_it_incomplete_and_never_clean(council: Panels) -> None:
    cast = Cast(votes=lambda role, title: {"vote": "abstain"})

    def reply(body: Json) -> Reply:
        return refuses("cyber") if role_of(body) == "cleo" else cast(body)

    done = council(*[reply] * 60, flags=("--fail-on", "critical"))
    assert done.code == 1
    assert "verdict: incomplete" in done.out
    assert "cleo, round 0: the model refused: cyber" in done.out
    assert done.handoff["status"] == "BOUNDED"
    relaxed = ("--fail-on", "critical", "--allow-incomplete", "--resume")
    assert council(flags=relaxed).code == 0


def test_without_a_key_it_is_incomplete(council: Panels) -> None:
    done = council.but(environment={"PATH": os.environ["PATH"]})(flags=("--fail-on", "low"))
    assert (done.code, "verdict: incomplete" in done.out) == (1, True)


def test_roles_may_have_models_of_their_own(council: Panels, api: MessagesApi) -> None:
    council(*[Cast()] * 60, flags=("--set", "claude.roles={ben: {model: another}}"))
    models = {(role_of(body), body["model"]) for body in api.requests}
    assert ("ben", "another") in models
    assert {model for role, model in models if role != "ben"} == {"claude-opus-5-5"}


def test_what_a_role_of_its_own_refuses_the_others_model_is_asked(council: Panels) -> None:
    cast = Cast()

    def reply(body: Json) -> Reply:
        return error(404, "not_found_error") if body["model"] == "another" else cast(body)

    done = council(*[reply] * 60, flags=("--set", "claude.roles={ben: {model: another}}"))
    assert done.handoff["status"] == "COMPLETE"


def test_a_set_of_roles_a_depth_and_numbers_choose_who_takes_part(
    council: Panels, api: MessagesApi
) -> None:
    council(*[Cast()] * 60, flags=("--adversarial", "--rounds", "0"), tag="a")
    assert [role_of(body) for body in api.requests] == ["eve", "dan", "ben"]
    council(*[], flags=("--depth", "shallow"), tag="b")
    assert [role_of(body) for body in api.requests[3:]] == ["ada", "ben", "cleo"] * 2
    assert council(flags=("--adversarial", "others"), tag="c").code == 2
    assert council(flags=("--personas", "9"), tag="d").code == 2


def test_a_dry_run_asks_nobody(council: Panels, api: MessagesApi) -> None:
    done = council(flags=("--dry-run", "--personas", "3", "--say", "load=ten a second"))
    assert (done.code, api.requests) == (0, [])
    assert "talks: 9" in done.out
    assert "load: ten a second" in done.out


def test_what_is_said_is_told_and_may_not_change(council: Panels, api: MessagesApi) -> None:
    said = ("--say", "load=a thousand at once", "--goal", "will it bear it?")
    council(*[Cast()] * 60, flags=said)
    told = api.requests[0]["messages"][0]["content"][0]["text"]
    assert "a thousand at once" in told
    assert "will it bear it?" in told
    again = council(flags=("--resume", "--say", "load=ten"))
    assert (again.code, "when it began" in again.err) == (2, True)
    assert council(flags=("--say", "lode=ten"), tag="u").code == 2


def test_findings_are_limited_and_the_rest_is_counted(council: Panels) -> None:
    done = council(*[Cast(sees=SEES)] * 60, flags=("--max-findings", "1"))
    assert len(done.handoff["findings"]) == 1
    assert "below" in done.page("summary.md")


def test_what_is_left_out_of_a_page_is_not_left_out_of_a_gate(council: Panels) -> None:
    worst = finding("zero", severity="critical")
    sees = {**{role: [finding("loop")] for role in ROLES}, "dan": [worst]}

    def votes(role: str, title: str) -> Json:
        return {"vote": "confirm" if title == LOOP else "abstain"}

    done = council(*[Cast(sees=sees, votes=votes)] * 60, flags=("--max-findings", "1", *HIGH))
    assert (done.code, done.statuses[LOOP]) == (1, "open")
    assert council(flags=("--max-findings", "0"), tag="u").code == 2


def test_of_more_than_a_roles_share_the_worst_are_kept_and_the_rest_is_no_pass(
    council: Panels,
) -> None:
    many = [finding("sum"), finding("zero")]
    cast = Cast(sees=dict.fromkeys(ROLES, many), votes=lambda role, title: {"vote": "confirm"})
    done = council(*[cast] * 60, flags=("--max-findings", "2", *HIGH))
    assert (done.code, "more findings than its share" in done.out) == (1, True)
    assert [f["severity"] for f in done.handoff["findings"]] == ["medium"]


def test_a_role_that_does_not_vote_on_something_makes_it_incomplete(council: Panels) -> None:
    cast = Cast(sees={role: [finding("loop"), finding("zero")] for role in ROLES})

    def reply(body: Json) -> Reply:
        if role_of(body) != "cleo" or not is_vote(body):
            return cast(body)
        name = next(iter(listed(body)))
        vote = {"id": name, "vote": "confirm", "why": "seen", "evidence": []}
        return calls(tool("report", votes=[vote]))

    done = council(*[reply] * 90, flags=("--fail-on", "critical"))
    assert (done.code, "cleo, round 1: " in done.out) == (1, True)


def test_a_budget_is_shared_and_a_resume_asks_only_the_rest(
    council: Panels, api: MessagesApi
) -> None:
    first = council(*[Cast(sees=SEES, votes=differing)] * 60, flags=("--budget-usd", "0.03"))
    asked = len(api.requests)
    assert 0 < asked < 15
    assert first.handoff["status"] == "BOUNDED"
    done = council(flags=("--resume",))
    assert len(api.requests) == 15
    assert done.handoff["status"] == "COMPLETE"


def test_killed_in_a_debate_it_goes_on_where_it_was(council: Panels, api: MessagesApi) -> None:
    cast, seen = Cast(sees=SEES, votes=differing), list[str]()

    def kill(body: Json) -> Reply:
        seen.append(role_of(body))
        if len(seen) == 8:
            process.kill()
        return cast(body)

    api.answer(*[kill] * 8)
    process = subprocess.Popen(
        [sys.executable, "-m", "autoresearch_ci", *council.arguments()],
        cwd=council.repo.path,
        env={**os.environ, "ANTHROPIC_API_KEY": KEY},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    process.wait()
    done = council(*[cast] * 30, flags=("--resume",))
    assert done.code == 0, done.err
    assert len(api.requests) in (15, 16)
    assert len(done.handoff["findings"]) == 3


def test_a_role_can_only_read(council: Panels, api: MessagesApi) -> None:
    cast, tries = Cast(), [tool("bash", command="id"), tool("read", path="/etc/passwd")]

    def reply(body: Json) -> Reply:
        return calls(*tries) if len(api.requests) == 1 else cast(body)

    council(*[reply] * 60)
    assert {t["name"] for t in api.requests[0]["tools"]} == {"read", "glob", "grep", "report"}
    told = api.requests[1]["messages"][2]["content"]
    assert [bool(block["is_error"]) for block in told] == [True, True]
