"""`predict` is one program file: roles, depths and a gate, by the engine that all panels share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoresearch_ci.investigate.program import bundled
from tests.auditing import use_temporary
from tests.conftest import Repo
from tests.messages_api import Json, MessagesApi, Reply, calls, tool
from tests.panels import KEY, SHOP, Panels, finding, listed


@pytest.fixture
def api() -> Iterator[MessagesApi]:
    with MessagesApi() as server:
        yield server
        assert server.problems == []


@pytest.fixture
def predict(
    repo: Repo,
    api: MessagesApi,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Panels:
    use_temporary(tmp_path, monkeypatch)
    repo.write("shop.py", SHOP)
    repo.commit("a shop")
    environment = {"PATH": os.environ["PATH"], "ANTHROPIC_API_KEY": KEY}
    return Panels(
        repo=repo,
        api=api,
        capture=capsys,
        words=("predict",),
        name="predict",
        environment=environment,
    )


def agreed(body: Json) -> Reply:
    """All find the same, and stand by it."""
    names = listed(body)
    if not names:
        return calls(tool("report", findings=[finding("loop", category="reliability")]))
    votes = [{"id": n, "vote": "confirm", "why": "seen", "evidence": []} for n in names]
    return calls(tool("report", votes=votes))


@pytest.mark.parametrize(
    ("flags", "talks"),
    [
        ((), 5 * 3),
        (("--depth", "shallow"), 3 * 2),
        (("--depth", "deep"), 8 * 4),
        (("--adversarial", "redteam", "--rounds", "1"), 5 * 2),
    ],
)
def test_depths_and_sets_say_who_is_asked_and_how_often(
    predict: Panels, api: MessagesApi, flags: tuple[str, ...], talks: int
) -> None:
    done = predict(*[agreed] * 40, flags=(*flags, "--fail-on", "high"))
    assert len(api.requests) == talks
    assert (done.code, "verdict: fail" in done.out) == (1, True)
    (handed,) = done.handoff["findings"]
    assert (handed["status"], handed["path"], handed["line"]) == ("open", "shop.py", 12)


def test_every_role_of_every_set_is_described() -> None:
    facts = bundled("predict").facts
    assert len(facts.roles) == 8
    assert [len(roles) for roles in facts.sets.values()] == [5, 5]
