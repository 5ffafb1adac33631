"""The pull request, against a local GitHub: created once, and kept true."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_ci.config.schema import Publish
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.publish.comment_commands import CommentCommand
from autoresearch_ci.publish.forge.forge import PullRequestContent, PullState
from autoresearch_ci.publish.forge.forge_refusals import ForgeRefused, RefusalKind
from autoresearch_ci.publish.forge.github import GitHub
from tests.conftest import Repo
from tests.git_http import Bare, create
from tests.github_api import ACTIONS, SLUG, Fault, GitHubApi, Identity
from tests.patience import promptly

BRANCH = "autoresearch/t"
Connect = Callable[..., GitHub]


@pytest.fixture
def bare(tmp_path: Path, repo: Repo) -> Bare:
    bare = create(tmp_path / "server", SLUG, repo.path)
    bare.git("update-ref", f"refs/heads/{BRANCH}", "refs/heads/main")
    bare.commit(BRANCH, "kept")
    return bare


@pytest.fixture
def api(bare: Bare) -> Iterator[GitHubApi]:
    with GitHubApi(bare=bare) as api:
        api.tokens["actions-token"] = Identity(login=ACTIONS)
        yield api


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def connect(api: GitHubApi, slept: list[float], told: list[str]) -> Connect:
    def connect(**environment: str) -> GitHub:
        known = {"GITHUB_API_URL": api.url, "GITHUB_SERVER_URL": "https://github.test"}
        token = {} if "AUTORESEARCH_APP_ID" in environment else {"GITHUB_TOKEN": "actions-token"}
        return GitHub(
            SLUG, known | token | environment, sleep=slept.append, note=told.append, pace=0
        )

    return connect


CONTENT = PullRequestContent(
    branch=BRANCH,
    base="main",
    title="autoresearch: ms 10 → 9 (-10.0 %)",
    goal="faster",
    render=lambda room: "our words",
    publish=Publish(labels=("autoresearch",), reviewers=("reviewer",)),
)


def test_the_first_post_opens_a_draft_with_labels_and_reviewers(
    connect: Connect, api: GitHubApi
) -> None:
    pull = connect().open_or_update(CONTENT)
    (made,) = api.pulls
    assert pull.url == made["html_url"]
    assert made["draft"]
    assert made["base"]["ref"] == "main"
    assert made["labels"] == [{"name": "autoresearch"}]
    assert made["requested_reviewers"] == [{"login": "reviewer"}]
    assert "our words" in made["body"]


def test_our_open_ones_are_found_by_what_they_are_for(connect: Connect, api: GitHubApi) -> None:
    opened = connect().open_or_update(CONTENT)
    assert connect().open_for("faster", "main") == [opened]
    assert opened.branch == BRANCH
    assert connect().open_for("smaller", "main") == []
    assert connect().open_for("faster", "release") == []
    (made,) = api.pulls
    made["user"] = {"login": "somebody"}  # who copied our words
    assert connect().open_for("faster", "main") == []
    made["user"] = None  # whose account was deleted since
    assert connect().open_for("faster", "main") == []
    made["user"] = {"login": ACTIONS}
    made["body"] = made["body"].replace("begin", "begun")
    assert connect().open_for("faster", "main") == []


def test_later_posts_update_the_same_one(connect: Connect, api: GitHubApi) -> None:
    connect().open_or_update(CONTENT)
    connect().open_or_update(
        replace(CONTENT, title="autoresearch: better", render=lambda room: "new words")
    )
    (made,) = api.pulls
    assert made["title"] == "autoresearch: better"
    assert "new words" in made["body"]
    assert "our words" not in made["body"]


def test_a_post_that_says_the_same_writes_nothing(connect: Connect, api: GitHubApi) -> None:
    connect().open_or_update(CONTENT)
    written = len(api.writes())
    connect().open_or_update(CONTENT)
    assert len(api.writes()) == written


def test_what_people_wrote_around_our_words_survives(connect: Connect, api: GitHubApi) -> None:
    github = connect()
    github.open_or_update(CONTENT)
    theirs = "Please wait.\r\n\r\n" + api.pulls[0]["body"].replace("\n", "\r\n") + "\r\n\r\nThanks!"
    api.pulls[0]["body"] = theirs
    api.pulls[0]["title"] = "A person's title"
    github.open_or_update(replace(CONTENT, title="autoresearch: x", render=lambda room: "newer"))
    body = api.pulls[0]["body"]
    assert body.startswith("Please wait.\r\n\r\n<!--")
    assert body.endswith("-->\r\n\r\nThanks!")
    assert "newer" in body
    assert "our words" not in body
    assert api.pulls[0]["title"] == "A person's title"


def test_our_words_leave_room_for_theirs(connect: Connect, api: GitHubApi) -> None:
    github = connect()
    github.open_or_update(CONTENT)
    api.pulls[0]["body"] += "x" * 40_000
    github.open_or_update(replace(CONTENT, render=lambda room: "y" * room))
    assert 65_000 < len(api.pulls[0]["body"]) < 65_536


def test_two_runs_that_create_at_once_make_one(connect: Connect, api: GitHubApi) -> None:
    def other() -> None:
        api.open_pull(ACTIONS, BRANCH, title="autoresearch: other", body="of another run")

    api.before_create = other
    connect().open_or_update(CONTENT)
    assert len(api.pulls) == 1
    assert "our words" in api.pulls[0]["body"]


def test_a_lost_answer_does_not_make_a_second_one(connect: Connect, api: GitHubApi) -> None:
    api.faults = [("POST /pulls", "after")]
    connect().open_or_update(CONTENT)
    assert len(api.pulls) == 1


def test_ten_at_once_make_one(connect: Connect, api: GitHubApi) -> None:
    threads = [
        threading.Thread(target=lambda: connect().open_or_update(CONTENT)) for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(api.pulls) == 1


def test_a_pull_request_of_a_fork_with_the_same_branch_is_not_ours(
    connect: Connect, api: GitHubApi
) -> None:
    forged = api.open_pull("mallory", BRANCH, owner="mallory")
    connect().open_or_update(CONTENT)
    assert len(api.pulls) == 2
    assert forged["body"] is None


def test_a_persons_own_pull_request_is_added_to_and_keeps_its_title(
    connect: Connect, api: GitHubApi
) -> None:
    api.open_pull("person", BRANCH, title="By hand", body="From the compare link.")
    connect().open_or_update(CONTENT)
    (pull,) = api.pulls
    assert pull["title"] == "By hand"
    assert pull["body"].startswith("From the compare link.\n\n<!--")
    assert "our words" in pull["body"]


def test_where_drafts_are_not_supported_it_is_a_normal_one(
    connect: Connect, api: GitHubApi
) -> None:
    api.drafts = False
    connect().open_or_update(CONTENT)
    assert [pull["draft"] for pull in api.pulls] == [False]


def test_it_is_marked_ready_only_when_asked(connect: Connect, api: GitHubApi) -> None:
    github = connect()
    github.open_or_update(CONTENT)
    github.open_or_update(replace(CONTENT, title="autoresearch: final"))
    assert api.pulls[0]["draft"]
    github.open_or_update(replace(CONTENT, ready=True))
    assert not api.pulls[0]["draft"]


def test_what_is_held_back_is_made_a_draft_again_or_says_that_it_should_be_one(
    connect: Connect, api: GitHubApi, told: list[str]
) -> None:
    github = connect()
    github.open_or_update(replace(CONTENT, publish=Publish(draft=False)))
    doubted = replace(CONTENT, held_back=True)
    api.faults = [("POST /graphql", Fault(403, "Resource not accessible by integration"))]
    github.open_or_update(doubted)
    (pull,) = api.pulls
    assert not pull["draft"]
    assert "our words" in pull["body"]
    assert "should be a draft" in pull["body"]
    assert any("make it a draft again" in text for text in told)
    github.open_or_update(doubted)
    assert pull["draft"]
    assert "should be a draft" not in pull["body"]


def test_a_persons_own_pull_request_is_not_made_a_draft(connect: Connect, api: GitHubApi) -> None:
    pull = api.open_pull("person", BRANCH)
    connect().open_or_update(replace(CONTENT, held_back=True))
    assert not pull["draft"]
    assert not any("graphql" in request for request in api.requests)


def test_a_reviewer_who_cannot_be_asked_is_a_note_and_no_failure(
    connect: Connect, api: GitHubApi, told: list[str]
) -> None:
    connect().open_or_update(replace(CONTENT, publish=Publish(reviewers=("stranger",))))
    assert len(api.pulls) == 1
    assert any("Reviews may only be requested from collaborators" in text for text in told)


@pytest.mark.parametrize("merged", [False, True])
def test_a_closed_pull_request_is_neither_reopened_nor_edited(
    connect: Connect, api: GitHubApi, merged: bool
) -> None:
    github = connect()
    github.open_or_update(CONTENT)
    api.close(1, merged=merged)
    (pull,) = github.pull_requests(BRANCH)
    assert pull.state is (PullState.MERGED if merged else PullState.CLOSED)
    written = dict(api.pulls[0])
    github.open_or_update(replace(CONTENT, render=lambda room: "later"))
    assert api.pulls[0] == written


def test_it_is_found_on_a_later_page(connect: Connect, api: GitHubApi) -> None:
    for _ in range(130):
        api.open_pull("person", BRANCH, owner="owner")
        api.pulls[-1]["state"] = "closed"
    assert len(connect().pull_requests(BRANCH)) == 130


@pytest.mark.parametrize(
    ("fault", "kind", "advice"),
    [
        (
            Fault(403, "GitHub Actions is not permitted to create or approve pull requests."),
            RefusalKind.PULLS_OFF,
            "Settings > Actions > General > Workflow permissions",
        ),
        (
            Fault(403, "Resource not accessible by integration"),
            RefusalKind.FORBIDDEN,
            "permissions: {contents: write, pull-requests: write}",
        ),
        (Fault(401, "Bad credentials"), RefusalKind.CREDENTIALS, "app-id"),
        (Fault(404, "Not Found"), RefusalKind.NOT_FOUND, "private"),
        (
            Fault(
                422,
                "Validation Failed",
                [{"resource": "PullRequest", "field": "base", "code": "invalid"}],
            ),
            RefusalKind.NO_BASE,
            "publish.base",
        ),
        (
            Fault(
                422,
                "Validation Failed",
                [{"resource": "PullRequest", "code": "custom", "message": "No commits between"}],
            ),
            RefusalKind.NOTHING_NEW,
            "merged already",
        ),
        (
            Fault(403, "Resource protected by organization SAML enforcement. You must grant"),
            RefusalKind.SSO,
            "Configure SSO",
        ),
    ],
)
def test_a_refusal_is_explained_with_what_to_change(
    connect: Connect, api: GitHubApi, fault: Fault, kind: RefusalKind, advice: str
) -> None:
    api.faults = [("POST /pulls", fault)]
    with pytest.raises(ForgeRefused) as caught:
        connect().open_or_update(CONTENT)
    assert caught.value.kind is kind
    assert caught.value.exit_code == 6
    assert advice in str(caught.value)
    assert "actions-token" not in str(caught.value)


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_error_is_tried_again(
    connect: Connect, api: GitHubApi, slept: list[float], status: int
) -> None:
    api.faults = [("POST /pulls", Fault(status, "Server Error"))] * 2
    connect().open_or_update(CONTENT)
    assert len(api.pulls) == 1
    assert slept == [2.0, 10.0]


def test_a_secondary_limit_is_waited_for_as_long_as_it_says(
    connect: Connect, api: GitHubApi, slept: list[float]
) -> None:
    text = "You have exceeded a secondary rate limit and have been temporarily blocked"
    api.faults = [("POST /pulls", Fault(403, text, headers={"Retry-After": "7"}))]
    connect().open_or_update(CONTENT)
    assert len(api.pulls) == 1
    assert slept == [8.0]


def test_a_limit_that_lasts_an_hour_is_not_waited_for(
    connect: Connect, api: GitHubApi, slept: list[float]
) -> None:
    reset = str(int(time.time()) + 3600)
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
    api.faults = [("POST /pulls", Fault(403, "API rate limit exceeded for x", headers=headers))]
    with pytest.raises(ForgeRefused) as caught:
        connect().open_or_update(CONTENT)
    assert caught.value.kind is RefusalKind.RATE_LIMIT
    assert slept == []


def test_a_server_that_stays_broken_is_given_up(
    connect: Connect, api: GitHubApi, slept: list[float]
) -> None:
    api.faults = [("POST /pulls", Fault(500, "Server Error"))] * 20
    with pytest.raises(ForgeRefused) as caught:
        connect().open_or_update(CONTENT)
    assert caught.value.kind is RefusalKind.UNREACHABLE
    assert len(slept) == 3


def test_a_certificate_that_cannot_be_verified_is_not_retried(
    connect: Connect, api: GitHubApi, slept: list[float]
) -> None:
    with pytest.raises(ForgeRefused) as caught:  # a server that speaks no TLS at all
        connect(GITHUB_API_URL=api.url.replace("http:", "https:")).open_or_update(CONTENT)
    assert caught.value.kind is RefusalKind.CERTIFICATE
    assert slept == []


def test_in_a_hurry_a_stalled_server_costs_two_seconds(connect: Connect, api: GitHubApi) -> None:
    api.faults = [("GET /pulls", "stall")] * 3
    github = connect()
    github.hurry()
    began = time.monotonic()
    with pytest.raises(ForgeRefused):
        github.open_or_update(CONTENT)
    assert time.monotonic() - began < promptly(5)


def test_people_who_may_write_can_stop_retry_and_ignore(
    connect: Connect, api: GitHubApi, told: list[str]
) -> None:
    github = connect()
    pull = github.open_or_update(CONTENT)
    api.permissions = {"writer": "write", "admin": "admin", "reader": "read"}
    api.comment(1, "writer", "Nice.\n/autoresearch ignore abc1234\nBye")
    api.comment(1, "reader", "/autoresearch stop")
    api.comment(1, "stranger", "/autoresearch stop")
    api.comment(1, ACTIONS, "/autoresearch stop")
    api.comment(1, "writer", "write `/autoresearch stop` to stop")
    api.comment(1, "writer", "/autoresearch stop\n\n<!-- autoresearch-ci:said -->")
    api.comment(1, "admin", "/autoresearch retry")
    assert github.comment_commands(pull) == [
        CommentCommand(author="writer", verb="ignore", argument="abc1234"),
        CommentCommand(author="admin", verb="retry"),
    ]
    assert any("reader may not write" in text for text in told)


def test_the_stop_label_stops(connect: Connect, api: GitHubApi) -> None:
    github = connect()
    pull = github.open_or_update(CONTENT)
    api.pulls[0]["labels"].append({"name": "autoresearch:stop"})
    assert [command.verb for command in github.comment_commands(pull)] == ["stop"]


def test_a_comment_is_made_once(connect: Connect, api: GitHubApi) -> None:
    github = connect()
    pull = github.open_or_update(CONTENT)
    for _ in range(2):
        github.comment_once(pull, "Continued in #2.\n\nBye")
    assert len(api.comments[1]) == 1


def test_the_base_is_merged_into_the_branch(connect: Connect, api: GitHubApi, bare: Bare) -> None:
    moved = bare.commit("main", elsewhere="text\n")
    assert connect().merge_base_into(BRANCH, "main")
    assert bare.git("merge-base", BRANCH, "main") == moved


def test_a_conflict_is_told_apart(connect: Connect, api: GitHubApi, bare: Bare) -> None:
    before = bare.commit(BRANCH, value="9\n")
    bare.commit("main", value="11\n")
    assert not connect().merge_base_into(BRANCH, "main")
    assert bare.ref(BRANCH) == before


def test_an_apps_tokens_are_renewed(connect: Connect, api: GitHubApi) -> None:
    private, api.app_key = _keys()
    api.app_id = "123"
    api.token_seconds = 21.0  # PyGithub renews 20 seconds before the end
    github = connect(AUTORESEARCH_APP_ID="123", AUTORESEARCH_APP_PRIVATE_KEY=private)
    github.open_or_update(CONTENT)
    assert api.pulls[0]["user"]["login"] == "our-app[bot]"
    first = github.token()
    time.sleep(1.5)
    assert github.token() != first
    connect(AUTORESEARCH_APP_ID="123", AUTORESEARCH_APP_PRIVATE_KEY=private).open_or_update(CONTENT)
    assert len(api.pulls) == 1  # found again: the app knows its own name


def test_an_app_that_is_not_installed_here_is_said_to_be_missing(
    connect: Connect, api: GitHubApi
) -> None:
    private, api.app_key = _keys()
    api.app_id = "123"
    api.faults = [("GET /installation", Fault(404, "Not Found"))]
    with pytest.raises(ForgeRefused) as caught:
        connect(AUTORESEARCH_APP_ID="123", AUTORESEARCH_APP_PRIVATE_KEY=private).token()
    assert caught.value.kind is RefusalKind.NOT_FOUND


def test_a_private_key_that_is_none_is_said_to_be_one_without_showing_it(connect: Connect) -> None:
    with pytest.raises(ConfigError) as caught:
        connect(AUTORESEARCH_APP_ID="1", AUTORESEARCH_APP_PRIVATE_KEY="not-a-pem-secret").token()
    assert "not-a-pem-secret" not in str(caught.value)


def test_without_a_token_the_yaml_to_write_is_named() -> None:
    with pytest.raises(ConfigError, match="GITHUB_TOKEN"):
        GitHub(SLUG, {})


def test_a_persons_token_knows_its_own_name(connect: Connect, api: GitHubApi) -> None:
    api.tokens["personal"] = Identity(login="somebody", kind="user")
    connect(GITHUB_TOKEN="personal").open_or_update(CONTENT)
    connect(GITHUB_TOKEN="personal").open_or_update(replace(CONTENT, title="autoresearch: again"))
    assert [pull["title"] for pull in api.pulls] == ["autoresearch: again"]


def test_links_go_to_the_server_of_the_environment(connect: Connect) -> None:
    github = connect(GITHUB_SERVER_URL="https://ghes.example.org/")
    assert github.compare_link("main", BRANCH) == (
        "https://ghes.example.org/owner/name/compare/main...autoresearch/t?expand=1"
    )
    assert github.address.url == "https://ghes.example.org/owner/name.git"


def _keys() -> tuple[str, str]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


# --- the one comment of a gate --------------------------------------------------------------------


@pytest.mark.parametrize("viewer", ["our-app[bot]", "our-app"])
def test_a_token_of_an_app_knows_its_own_words_again(
    connect: Connect, api: GitHubApi, viewer: str
) -> None:
    """An installation's token may not ask who its user is."""
    api.tokens["ghs_app"] = Identity(login="our-app[bot]", kind="app")
    app = {"AUTORESEARCH_TOKEN": "ghs_app"}
    number = connect(**app).open_or_update(CONTENT).number
    (made,) = api.pulls
    assert made["user"]["login"] == "our-app[bot]"
    made["draft"] = False
    doubted = replace(CONTENT, title="autoresearch: hard to believe", held_back=True)
    connect(**app).open_or_update(doubted)
    assert (made["title"], made["draft"]) == (doubted.title, True)
    assert connect(**app).open_for("faster", "main")
    api.comment(number, ACTIONS, "<!-- autoresearch-ci:gate -->\nof another job")
    api.tokens["ghs_app"].viewer = viewer
    for words in ("one", "two"):
        connect(**app).sticky_comment(number, "gate", words)
    theirs, ours = api.comments[number]
    assert "of another job" in theirs["body"]
    assert "two" in ours["body"]


@pytest.mark.parametrize("reader", [ACTIONS, "our-app[bot]", "a-person"])
def test_what_an_app_superseded_is_no_refusal_whoever_reads_it(
    connect: Connect, api: GitHubApi, reader: str
) -> None:
    """One job opens and closes with an app's token, another reads with its own."""
    api.tokens["ghs_app"] = Identity(login="our-app[bot]", kind="app")
    app = connect(AUTORESEARCH_TOKEN="ghs_app")
    app.supersede(app.open_or_update(CONTENT), BRANCH, "Continued")
    kind = "user" if reader == "a-person" else "app"
    api.tokens["reads"] = Identity(login=reader, kind=kind, may_write=False)
    (found,) = connect(AUTORESEARCH_TOKEN="reads").pull_requests(BRANCH)
    assert (found.state, found.ours) == (PullState.SUPERSEDED, True)
    api.pulls[0]["user"] = {"login": "somebody"}  # who copied our words
    (found,) = connect(AUTORESEARCH_TOKEN="reads").pull_requests(BRANCH)
    assert (found.state, found.ours) == (PullState.CLOSED, False)


def test_a_token_whose_owner_nobody_says_is_told_of(
    connect: Connect, api: GitHubApi, told: list[str]
) -> None:
    api.names_viewer = False
    number = connect().open_or_update(CONTENT).number
    connect().sticky_comment(number, "gate", "one")
    connect().sticky_comment(number, "gate", "two")
    assert len(api.comments[number]) == 1
    assert all("GitHub does not say whose token this is" in words for words in told)
    assert len(told) == 2


def test_a_sticky_comment_is_made_once_and_edited_in_place(
    connect: Connect, api: GitHubApi
) -> None:
    pull = api.open_pull("somebody", BRANCH)
    one = connect().sticky_comment(pull["number"], "gate", "first\nwords")
    two = connect().sticky_comment(pull["number"], "gate", "second words")
    writes = len(api.writes())
    three = connect().sticky_comment(pull["number"], "gate", "second words")
    assert one == two == three
    assert len(api.writes()) == writes
    (comment,) = api.comments[pull["number"]]
    assert comment["body"].splitlines() == ["<!-- autoresearch-ci:gate -->", "second words"]
    assert one == comment["html_url"]


def test_anothers_comment_with_our_mark_is_left_alone(connect: Connect, api: GitHubApi) -> None:
    pull = api.open_pull("somebody", BRANCH)
    api.comment(pull["number"], "somebody", "<!-- autoresearch-ci:gate -->\nforged: passed")
    api.comment(pull["number"], ACTIONS, "quotes <!-- autoresearch-ci:gate --> elsewhere")
    connect().sticky_comment(pull["number"], "gate", "<!-- autoresearch-ci:gate -->failed")
    forged, quoting, ours = (c["body"] for c in api.comments[pull["number"]])
    assert forged.endswith("forged: passed")
    assert quoting.startswith("quotes")
    assert ours.count("autoresearch-ci:gate") == 1


def test_of_two_comments_that_were_made_at_once_one_is_left(
    connect: Connect, api: GitHubApi
) -> None:
    pull = api.open_pull("somebody", BRANCH)
    for words in ("one", "two"):
        api.comment(pull["number"], ACTIONS, f"<!-- autoresearch-ci:gate -->\n{words}")
    connect().sticky_comment(pull["number"], "gate", "three")
    (comment,) = api.comments[pull["number"]]
    assert comment["body"].endswith("three")


def test_a_sticky_comment_whose_answer_was_lost_is_not_made_twice(
    connect: Connect, api: GitHubApi
) -> None:
    pull = api.open_pull("somebody", BRANCH)
    api.faults.append(("POST /comments", "after"))
    connect().sticky_comment(pull["number"], "gate", "words")
    assert len(api.comments[pull["number"]]) == 1


def test_a_token_that_may_only_read_comments_nothing(connect: Connect, api: GitHubApi) -> None:
    pull = api.open_pull("somebody", BRANCH)
    api.tokens["actions-token"] = Identity(login=ACTIONS, may_write=False)
    with pytest.raises(ForgeRefused) as refused:
        connect().sticky_comment(pull["number"], "gate", "words")
    assert refused.value.kind is RefusalKind.FORBIDDEN
