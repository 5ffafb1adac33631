"""Who may write, and whose code a pull request holds, asked of a local GitHub: doubt is a no."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoresearch_ci.publish.forge.github_api import GitHubTrust
from tests.conftest import Repo
from tests.git_http import create
from tests.github_api import ACTIONS, SLUG, Fault, GitHubApi, Identity
from tests.patience import promptly


@pytest.fixture
def api(tmp_path: Path, repo: Repo) -> Iterator[GitHubApi]:
    with GitHubApi(bare=create(tmp_path / "server", SLUG, repo.path)) as api:
        api.tokens["actions-token"] = Identity(login=ACTIONS)
        api.permissions = {"writer": "write", "reader": "read"}
        api.open_pull("writer", "topic")
        api.open_pull("stranger", "topic", owner="them")
        yield api


def trust(api: GitHubApi, token: str = "actions-token", timeout: int = 20) -> GitHubTrust:
    return GitHubTrust(slug=SLUG, token=token, api=api.url, timeout=timeout)


def test_github_is_believed(api: GitHubApi) -> None:
    asked = trust(api)
    found = [asked.permission(login) for login in ("writer", "reader", "stranger")]
    assert found == ["write", "read", None]
    heads = [asked.head_repository(number) for number in ("1", "2", "3")]
    assert heads == [SLUG, "them/name", None]


def test_a_name_from_an_event_leads_nowhere_else(api: GitHubApi) -> None:
    assert trust(api).permission("reader/../writer") is None
    assert trust(api).head_repository("2/../1") is None
    assert {request.count("/../") for request in api.requests} == {1}
    api.undescribed.clear()


def test_of_a_deleted_fork_nobody_can_say_whose_code_it_was(api: GitHubApi) -> None:
    api.pulls[0]["head"]["repo"] = None
    assert trust(api).head_repository("1") is None


@pytest.mark.parametrize("token", ["", "wrong"])
def test_nobody_is_told_without_a_token(api: GitHubApi, token: str) -> None:
    assert trust(api, token).permission("writer") is None


@pytest.mark.parametrize(
    "fault",
    [
        "cut",
        Fault(500, "Oops"),
        Fault(301, "Moved", headers={"Location": "http://elsewhere.test/"}),
        Fault(302, "Found", headers={"Location": "/api/v3/user"}),
        Fault(403, "Slow down", headers={"Retry-After": "60"}),
    ],
)
def test_no_refusal_is_an_answer_and_none_is_asked_again(
    api: GitHubApi, fault: Fault | str
) -> None:
    api.faults = [("GET /permission", fault)]
    asked = trust(api)
    assert asked.permission("writer") is None
    assert asked.permission("writer") == "write"


def test_a_server_that_says_nothing_is_not_waited_for(api: GitHubApi) -> None:
    api.faults = [("GET /permission", "stall")]
    began = time.monotonic()
    assert trust(api, timeout=1).permission("writer") is None
    assert time.monotonic() - began < promptly(5)


@pytest.mark.parametrize("address", ["", "ftp://127.0.0.1", "http://127.0.0.1:1", "nowhere"])
def test_where_there_is_no_github_there_is_no_answer(address: str) -> None:
    assert GitHubTrust(slug=SLUG, token="t", api=address).permission("writer") is None
