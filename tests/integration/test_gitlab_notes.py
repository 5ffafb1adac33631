"""A gate's comments on a merge request: said once, taken back, their discussions resolved."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator

import pytest

from autoresearch_ci.cli.main import run_cli
from autoresearch_ci.publish.forge.forge import LineNote
from autoresearch_ci.publish.forge.forge_refusals import ForgeRefused, PublishPlace
from autoresearch_ci.publish.forge.gitlab import Notes
from tests.conftest import Repo
from tests.gitlab_api import PROJECT, GitLabApi
from tests.integration.test_security import HARMLESS, HOLE

US, SOMEBODY = 7, 8
TOKEN = "glpat-of-the-project"
Scan = Callable[..., tuple[int, str]]


@pytest.fixture
def api() -> Iterator[GitLabApi]:
    refs = {"base_sha": "a" * 40, "head_sha": "b" * 40, "start_sha": "a" * 40}
    with GitLabApi(people={TOKEN: US}, refs=refs) as found:
        yield found


@pytest.fixture
def scan(
    repo: Repo,
    api: GitLabApi,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Scan:
    monkeypatch.chdir(repo.path)
    base = repo.git("rev-parse", "HEAD")
    repo.git("switch", "--quiet", "-c", "topic")

    def run(**more: str) -> tuple[int, str]:
        repo.commit()
        given = {
            "GITLAB_CI": "true",
            "CI_SERVER_URL": api.url,
            "CI_PROJECT_PATH": PROJECT,
            "CI_MERGE_REQUEST_IID": "1",
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
            "CI_MERGE_REQUEST_PROJECT_ID": "5",
            "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "5",
            "GITLAB_TOKEN": TOKEN,
            **more,
        }
        capsys.readouterr()
        code = run_cli(["security", "--diff"], {**os.environ, **given})
        told = capsys.readouterr()
        return code, told.out + told.err

    return run


def test_a_discussion_begins_once_and_is_resolved_when_the_weakness_is_gone(
    repo: Repo, scan: Scan, api: GitLabApi
) -> None:
    api.notes += [api.note(SOMEBODY, "<!-- autoresearch-ci:security -->\nforged")]
    repo.write("app.py", HOLE)
    code, told = scan()
    assert code == 1, told
    forged, sticky = api.notes
    assert "Security failed" in sticky["body"]
    assert f"comment: {api.url}/mr/1#note_{sticky['id']}" in told
    (first,) = api.said
    assert (first["position"]["new_path"], first["position"]["new_line"]) == ("app.py", 5)
    repo.write("app.py", f"# moved down\n{HOLE}")
    scan()
    assert (len(api.discussions), first["resolved"]) == (1, False)
    repo.write("app.py", HARMLESS)
    code, told = scan()
    assert code == 0, told
    assert (first["resolved"], first["body"].startswith("**Gone")) == (True, True)
    assert "Security passed" in sticky["body"]
    assert forged["body"].endswith("forged")
    repo.write("app.py", HOLE)
    scan()
    assert (first["resolved"], first["body"].startswith("**Gone")) == (False, False)
    assert len(api.discussions) == 1


def test_who_may_not_resolve_says_so_and_what_has_no_place_is_left_out(
    repo: Repo, scan: Scan, api: GitLabApi
) -> None:
    api.may_resolve = False
    repo.write("app.py", HOLE)
    scan()
    repo.write("app.py", HARMLESS)
    repo.write("more.py", HOLE)
    api.not_in_difference.add(("more.py", 5))
    code, told = scan()
    assert code == 1
    (first,) = api.said
    assert (first["resolved"], first["body"].startswith("**Gone")) == (False, True)
    assert "the threads stay open" in told


@pytest.mark.parametrize(("status", "waited"), [(429, 4.0), (502, 2.0), (0, 2.0)])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_passes_on_its_own_is_waited_for_and_nothing_is_said_twice(
    api: GitLabApi, method: str, status: int, waited: float
) -> None:
    slept: list[float] = []
    place = PublishPlace(repository=PROJECT)
    notes = Notes(f"{api.url}/api/v4", PROJECT, TOKEN, place, slept.append)
    beside = LineNote(path="a.py", line=1, text="a shell", key="0" * 16)
    api.faults[method] = status
    assert notes.sticky(1, "security", "failed").startswith(f"{api.url}/mr/1#note_")
    api.faults[method] = status
    assert notes.beside_lines(1, "security", [beside])
    assert (len(api.notes), len(api.discussions)) == (1, 1)
    assert slept == [waited, waited]


def test_who_never_answers_is_given_up(api: GitLabApi) -> None:
    slept: list[float] = []
    place = PublishPlace(repository=PROJECT)
    notes = Notes(f"{api.url}/api/v4", PROJECT, TOKEN, place, slept.append)
    api.always, api.faults["GET"] = True, 503
    with pytest.raises(ForgeRefused, match=r"503 .*not now"):
        notes.sticky(1, "security", "failed")
    assert slept == [2.0, 10.0, 60.0]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"GITLAB_TOKEN": "wrong"}, "does not accept the token"),
        ({"GITLAB_TOKEN": "", "CI_JOB_TOKEN": "j"}, "a job's own token may not write one"),
        ({"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "6"}, "no comment on a fork's"),
        ({"CI_SERVER_URL": "http://gitlab.test"}, "is no address to publish to"),
    ],
)
def test_nobody_who_does_not_listen_changes_the_verdict(
    repo: Repo, scan: Scan, api: GitLabApi, given: dict[str, str], words: str
) -> None:
    repo.write("app.py", HOLE)
    code, told = scan(**given)
    assert code == 1
    assert words in " ".join(told.split())
    assert (api.notes, api.discussions) == ([], [])
    assert TOKEN not in told
    folder = next((repo.path / "autoresearch").iterdir())
    assert json.loads((folder / "weaknesses.json").read_text())["verdict"] == "fail"
