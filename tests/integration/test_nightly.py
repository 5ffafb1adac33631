"""The whole path, night after night: a schedule, our workflows' own steps, and what is there then.

Each step has what a runner gives it (its environment, its files) and the inputs that our workflow
files give; Claude, GitHub's API and its git server are local. The first night of the first test
starts Python as a runner does, in one job and in two; all others are forked.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from autoresearch_ci.config.resolve import load
from autoresearch_ci.publish.forge import git_remote
from autoresearch_ci.publish.forge.git_remote import merge
from autoresearch_ci.publish.publish_bundle import publish_left_behind
from autoresearch_ci.workspace.git import GitDirectory
from tests.bundles import commit, members, written
from tests.canary import sightings
from tests.conftest import Repo, Script
from tests.forked import step
from tests.git_http import PROTECTED, Bare, GitServer
from tests.github_api import ACTIONS, SLUG, Fault, GitHubApi, Identity
from tests.messages_api import MessagesApi, calls, submit, tool
from tests.patience import slowdown
from tests.runner import FILES, Done

ROOT = Path(__file__).parents[2]
BRANCH = "refs/heads/autoresearch/nightly"
WRITES, READS = "ghs_canaryThatMayWrite0123456789abcd", "ghs_canaryThatMayRead0123456789abcd"
KEY, RUNTIME = "sk-ant-api03-canaryOfTheModel0123456789", "canaryOfTheRunnersOwnServices0123456789"
SECRETS = (WRITES, READS, KEY, RUNTIME)
CONFIG = """\
goal: A smaller value
scope: [value]
metric: {command: 'echo "value: $(cat value)"', name: value}
claude: {dialect: native, patience: 5s}
"""


@dataclass(kw_only=True)
class World:
    """The forge, the model, and what every night has left."""

    server: GitServer
    bare: Bare
    api: GitHubApi
    model: MessagesApi
    folder: Path
    prepared: Path
    logs: list[str] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    nights: int = 0
    real: bool = False
    """Python is started, not forked."""
    composite: bool = False
    """Inputs and command line are those of the composite action, not of the container's."""

    def night(
        self, mode: str, old: int, *values: int, checkout: str = "fresh", claude: bool = False
    ) -> Night:
        """One scheduled workflow run in which `values` are proposed, starting at `old`."""
        self.nights += 1
        script = Script(self.folder / f"script-{self.nights}.jsonl")
        script(*({"description": f"try {n}", "files": {"value": f"{n}\n"}} for n in values))
        for number in values if claude else ():
            self.model.answer(proposal(old, number))
            old = min(old, number)
        return Night(
            world=self,
            mode=mode,
            number=self.nights,
            checkout=checkout,
            iterations=len(values) or 1,
            proposer="" if claude else f"script:{script.path}",
        )

    def one_night_is_over(self, mode: str) -> None:
        """In which 9 was kept: what it left on the forge, where it is what comes next that counts.

        It is made once a session, and copied.
        """
        copy, places = self.prepared / f"one-night-{mode}", (self.api.url, self.server.url)
        if not copy.exists():
            self.night(mode, 10, 9).go()
            assert not any(self.api.comments.values())
            part = Path(tempfile.mkdtemp(dir=self.prepared))
            shutil.copytree(self.bare.path, part / "bare")
            (part / "before.json").write_text(json.dumps([places, self.api.pulls]))
            with contextlib.suppress(OSError):  # another worker was faster
                part.rename(copy)
            return
        self.nights += 1
        shutil.rmtree(self.bare.path)
        shutil.copytree(copy / "bare", self.bare.path)
        text = (copy / "before.json").read_text()
        for before, now in zip(json.loads(text)[0], places, strict=True):
            text = text.replace(before, now)
        self.api.pulls = json.loads(text)[1]

    def start(
        self, inputs: Mapping[str, str], repo: Path, machine: str, name: str
    ) -> subprocess.Popen[str]:
        """One step of our action on its runner."""
        runner = self.folder / f"runner-{machine}-{name}"
        folder = runner / "_runner_file_commands"
        folder.mkdir(parents=True)
        for file in FILES:
            (folder / file).touch()
        begin = subprocess.Popen if self.real else step
        alone = ["-I"] if self.composite and self.real else []
        return begin(
            [sys.executable, *alone, "-m", "autoresearch_ci.cli.action"],
            cwd=repo,
            env=self.environment(repo, runner, folder, inputs),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str], machine: str, name: str) -> Done:
        """What the runner has afterwards."""
        with process:
            log, _ = process.communicate(timeout=120)
        folder = self.folder / f"runner-{machine}-{name}" / "_runner_file_commands"
        found = Done(code=process.returncode, log=log, folder=folder)
        # What is to be masked the runner hides.
        shown = re.sub(r"^::add-mask::.*\n", "", found.log, flags=re.MULTILINE)
        self.logs += [shown, found.summary, json.dumps(found.outputs)]
        return found

    def environment(
        self, repo: Path, runner: Path, folder: Path, inputs: Mapping[str, str]
    ) -> dict[str, str]:
        """As actions/runner sets it for a container action of a scheduled workflow."""
        event = runner / "event.json"
        payload = {"schedule": "17 1 * * *", "repository": {"full_name": SLUG}}
        event.write_text(json.dumps(payload))
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(runner),
            "TMPDIR": str(runner),
            "LANG": "C.UTF-8",
            "CI": "true",
            "RUNNER_OS": "Linux",
            "RUNNER_NAME": "GitHub Actions 2",
            "RUNNER_ENVIRONMENT": "github-hosted",
            "RUNNER_TEMP": str(runner),
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTOR": "somebody",
            "GITHUB_TRIGGERING_ACTOR": "somebody",
            "GITHUB_EVENT_NAME": "schedule",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REPOSITORY": SLUG,
            "GITHUB_REPOSITORY_OWNER": SLUG.partition("/")[0],
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_REF_NAME": "main",
            "GITHUB_REF_TYPE": "branch",
            "GITHUB_HEAD_REF": "",
            "GITHUB_BASE_REF": "",
            "GITHUB_SHA": self.bare.ref("refs/heads/main"),
            "GITHUB_RUN_ID": run_id(self.nights),
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_JOB": "nightly",
            "GITHUB_WORKFLOW": "Autoresearch",
            "GITHUB_WORKSPACE": str(repo),
            "GITHUB_API_URL": self.api.url,
            "GITHUB_SERVER_URL": self.server.url,
            "GITHUB_GRAPHQL_URL": self.api.url.replace("v3", "graphql"),
            "ACTIONS_RUNTIME_TOKEN": RUNTIME,
            "ACTIONS_RESULTS_URL": "https://results.invalid/",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": RUNTIME[::-1],
            "ANTHROPIC_BASE_URL": self.model.url,
            **{f"GITHUB_{name}": str(folder / name) for name in FILES},
            **(composite_inputs(inputs) if self.composite else container_inputs(inputs)),
        }

    def leaks(self) -> list[str]:
        """Where a secret was seen: logs, summaries, requests, folders, and what was pushed."""
        texts = [*self.logs, *self.api.bodies, *self.server.bodies, json.dumps(self.api.pulls)]
        texts.append(json.dumps(self.model.requests))
        return sightings(SECRETS, texts=texts, roots=[self.bare.path, *self.folders])


@dataclass(kw_only=True)
class Night:
    """One workflow run: the job that measures and, in two jobs, the one that publishes."""

    world: World
    mode: str
    number: int
    checkout: str
    iterations: int
    proposer: str
    """The input of that name; empty: what our workflows say."""
    attempts: int = 0
    """How often the second job was run."""
    measured: Done | None = None
    published: Done | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    credentials: dict[str, str] = field(default_factory=dict)
    """Further inputs of the step that publishes."""

    @property
    def repo(self) -> Path:
        """Where the first job checks out; `kept`: a runner of one's own, the same every night."""
        kept = self.checkout == "kept"
        return self.world.folder / ("kept" if kept else f"measure-{self.number}")

    @property
    def bundle(self) -> Path:
        """In the folder that the workflow uploads."""
        folder = self.repo / "autoresearch" / f"run-nightly-{run_id(self.number)}-1"
        return folder / "autoresearch.bundle"

    @property
    def done(self) -> Done:
        """The step whose outputs a caller reads."""
        found = self.published or self.measured
        assert found
        return found

    @property
    def job(self) -> str:
        return "nightly" if self.mode == "github" else "measure"

    def start(self) -> subprocess.Popen[str]:
        token = WRITES if self.mode == "github" else READS
        checked_out(self.world.bare, self.repo)
        self.world.folders.append(self.repo)
        return self._start(self.mode, self.job, token, self.repo, str(self.number))

    def measure(self) -> Done:
        self.measured = self.world.finish(self.start(), str(self.number), self.job)
        return self.measured

    def publish(self, artifact: Path | None = None) -> Done:
        """Upload, download, publish: on another machine, with another token."""
        self.attempts += 1
        machine = f"{self.number}-{self.attempts}"
        temporary = self.world.folder / f"runner-{machine}-publish" / "autoresearch"
        shutil.copytree(self.bundle.parent, temporary)
        if artifact:
            shutil.copy(artifact, temporary / "autoresearch.bundle")
        repo = self.world.folder / f"publish-{machine}"
        checked_out(self.world.bare, repo)
        process = self._start("bundle", "publish", WRITES, repo, machine)
        self.published = self.world.finish(process, machine, "publish")
        self.world.folders += [repo, temporary]
        return self.published

    def go(self) -> Night:
        done = self.measure()
        assert done.code == 0, done.log
        if self.mode == "bundle":
            done = self.publish()
            assert done.code == 0, done.log
        return self

    def _start(
        self, mode: str, job: str, token: str, repo: Path, machine: str
    ) -> subprocess.Popen[str]:
        self.inputs = inputs_of(mode, job, token, self.number)
        temporary = str(self.world.folder / f"runner-{machine}-{job}")
        self.inputs["args"] = self.inputs["args"].replace("/github/runner_temp", temporary)
        if job != "publish":
            self.inputs |= {"setup-command": "true", "iterations": str(self.iterations)}
            self.inputs |= {"proposer": self.proposer} if self.proposer else {}
        if job != "measure":
            self.inputs |= self.credentials
        return self.world.start(self.inputs, repo, machine, job)


def container_inputs(inputs: Mapping[str, str]) -> dict[str, str]:
    """What a runner gives a container action."""
    return {f"INPUT_{name.upper()}": value for name, value in inputs.items()}


def composite_inputs(inputs: Mapping[str, str]) -> dict[str, str]:
    """What the composite action gives its own step; what it does not hand on is missing."""
    steps = yaml.safe_load((ROOT / "composite/action.yml").read_text())["runs"]["steps"]
    step = next(step for step in steps if step.get("id") == "run")
    assert step["run"].endswith('/python" -I -m autoresearch_ci.cli.action')
    return {
        name: re.sub(r"\$\{\{ inputs\.(\S+) \}\}", lambda found: inputs.get(found[1], ""), value)
        for name, value in step["env"].items()
    }


def run_id(number: int) -> str:
    return str(9_000_000_000 + number)


def inputs_of(mode: str, job: str, token: str, number: int) -> dict[str, str]:
    """What our own workflow gives our own step, with the expressions that GitHub evaluates."""
    name = "examples/workflows/one-job.yml" if mode == "github" else ".github/workflows/nightly.yml"
    steps = yaml.safe_load((ROOT / name).read_text())["jobs"][job]["steps"]
    step = next(s for s in steps if s["uses"].startswith(("./", "OWNER/")))
    known = {
        "github.run_id": run_id(number),
        "github.run_attempt": "1",
        "inputs.tag": "nightly",
        "inputs.config": ".github/autoresearch.yml",
        "inputs.max-minutes": "320",
        "secrets.anthropic-api-key": KEY,
        "secrets.ANTHROPIC_API_KEY": KEY,
    }
    given = {
        key: re.sub(r"\$\{\{ (\S+) \}\}", lambda found: known.get(found[1], ""), str(value))
        for key, value in step["with"].items()
    }
    return {"command": "run", "token": token, **given}


def proposal(old: int, new: int) -> Any:
    edit = {"command": "str_replace", "path": "value", "old_str": str(old), "new_str": str(new)}
    return calls(tool("str_replace_based_edit_tool", **edit), submit(f"try {new}"))


def checked_out(bare: Bare, path: Path) -> None:
    """What actions/checkout does (fetch-depth: 0), also where the last night's checkout is left."""
    if not path.exists():
        path.mkdir()
        Repo(path).git("init", "--quiet", "--initial-branch=main")
    repo = Repo(path)
    repo.git("fetch", "--quiet", "--prune", bare.path.as_uri(), "+refs/heads/*:refs/remotes/o/*")
    repo.git("checkout", "--quiet", "--force", "--detach", "refs/remotes/o/main")
    repo.git("branch", "--force", "main", "HEAD")
    repo.git("checkout", "--quiet", "main")


@pytest.fixture
def world(tmp_path: Path, repo: Repo, prepared: Path) -> Iterator[World]:
    repo.write(".github/autoresearch.yml", CONFIG)
    repo.commit("configure")
    with (
        GitServer(root=tmp_path / "server", token=WRITES, readers=[READS]) as server,
        MessagesApi() as model,
    ):
        bare = server.create(SLUG, repo.path)
        with GitHubApi(bare=bare, permissions={"writer": "write"}) as api:
            api.tokens[WRITES] = Identity(login=ACTIONS)
            api.tokens[READS] = Identity(login=ACTIONS, may_write=False)
            yield World(
                server=server,
                bare=bare,
                api=api,
                model=model,
                folder=tmp_path,
                prepared=prepared,
            )


MODES = pytest.mark.parametrize("mode", ["github", "bundle"])


def told(world: World) -> str:
    """What the model was told in the newest night."""
    return json.dumps(world.model.requests[-1])


def subjects(world: World) -> list[str]:
    out = world.bare.git("log", "--first-parent", "--reverse", "--format=%s", f"main..{BRANCH}")
    return out.splitlines()


@MODES
def test_two_nights_end_in_one_pull_request_that_knows_both(world: World, mode: str) -> None:
    world.real = True
    first = world.night(mode, 10, 9, 8, 12, 7, claude=True).go()
    found = first.done.outputs
    (pull,) = world.api.pulls
    assert found["pull-request"] == pull["html_url"]
    assert pull["title"] == "autoresearch: value 10 → 7 (-30.0 %)"
    edits = [r for r in world.api.requests if r.startswith("PATCH")]
    # In one job: opened at the first keep, then two more keeps and the end. In two: once, as it is.
    assert len(edits) == (3 if mode == "github" else 0)
    measured = first.measured
    assert measured
    assert (measured.outputs["kept"], measured.outputs["best"]) == ("3", "7.0")
    assert "| 4 |" in measured.summary or "try 7" in measured.summary
    (book,) = world.bare.refs("refs/autoresearch/notebook")
    assert book.endswith(f"nightly-{run_id(1)}-1")
    assert "try 12" in world.bare.git("cat-file", "blob", f"{book}:results.tsv")
    head = world.bare.ref(BRANCH)

    world.real = False
    second = world.night(mode, 7, 6, 13, 5, 14, claude=True).go()
    assert second.measured
    outputs = second.measured.outputs
    assert (outputs["baseline"], outputs["best"], outputs["delta-percent"]) == (
        "10.0",
        "5.0",
        "-50.0",
    )
    for words in ("try 9", "try 8", "try 7", "try 12"):
        assert words in told(world)
    assert world.bare.refs("refs/heads/autoresearch") == [BRANCH]
    assert world.bare.git("merge-base", head, BRANCH) == head
    assert subjects(world) == [f"experiment: try {n}" for n in (9, 8, 7, 6, 5)]
    (pull,) = world.api.pulls
    assert pull["title"] == "autoresearch: value 10 → 5 (-50.0 %)"
    assert "value 10 → 5, -50.0 % in every run, n=2+2" in pull["body"]
    assert "### Nights (2)" in pull["body"]
    assert "| 4 | 3 | 10 → 7 | -30.0 % |" in pull["body"]
    assert "| 4 | 2 | 7 → 5 | -28.6 % |" in pull["body"]
    assert "Kept by earlier runs on this branch (3)" in pull["body"]
    assert second.done.outputs["pull-request"] == pull["html_url"]
    assert second.done.outputs["branch"] == "autoresearch/nightly"
    assert len(world.bare.refs("refs/autoresearch/notebook")) == 2
    if mode == "bundle":
        a_second_job_that_is_repeated_changes_nothing(world, second)
    assert world.model.problems == []
    assert world.leaks() == []
    used = {said.partition(":")[2] for said in world.server.said}
    assert used == ({WRITES} if mode == "github" else {WRITES, READS})


def a_second_job_that_is_repeated_changes_nothing(world: World, night: Night) -> None:
    refs = world.bare.git("for-each-ref")
    body = world.api.pulls[0]["body"]
    done = night.publish()
    assert done.code == 0, done.log
    assert world.bare.git("for-each-ref") == refs
    assert world.api.pulls[0]["body"] == body


@pytest.mark.parametrize("door", ["composite", "bundle"])
def test_five_nights_tell_one_story(world: World, door: str) -> None:
    """A person pushes to our branch, the base moves, a person says no, and the base conflicts.

    Of the composite action only inputs and the way Python is started differ: two nights show both.
    """
    world.composite = world.real = door == "composite"
    mode = "bundle" if door == "bundle" else "github"
    main = "refs/heads/main"
    start = world.bare.ref(main)[:7]
    world.night(mode, 10, 9, 8).go()
    world.real = False
    (first,) = world.api.pulls
    assert first["title"] == "autoresearch: value 10 → 8 (-20.0 %)"
    assert "Base and result were measured again at the end, in turns, on Linux" in first["body"]
    assert "### Nights" not in first["body"]

    theirs = world.bare.commit("autoresearch/nightly", "by a person", other="theirs\n")
    moved = world.bare.commit("main", "main moved", more="text\n")[:7]
    second = world.night(mode, 8, 7).go()
    assert second.measured
    known = ("baseline", "best", "delta-percent", "kept")
    assert [second.measured.outputs[name] for name in known] == ["10.0", "7.0", "-30.0", "1"]
    assert first["title"] == "autoresearch: value 10 → 7 (-30.0 %)"
    for words in (
        "**value 10 → 7, -30.0 % in every run, n=2+2**",
        f"Base ({moved}, where this branch leaves it) and the result of 2 nights were measured",
        "| 2 | 2 | 10 → 8 | -20.0 % |",
        "| 1 | 1 | 8 → 7 | -12.5 % |",
        f"this branch also differs from {moved}: other. These files were the branch's",
        f"autoresearch-ci compare {world.bare.ref(main)[:12]} {world.bare.ref(BRANCH)[:12]}",
    ):
        assert words in first["body"], words
    assert start != moved
    for built in (theirs, main):
        assert world.bare.git("merge-base", built, BRANCH) == world.bare.ref(built)
    book = world.bare.refs("refs/autoresearch/notebook")[-1]
    picture = world.bare.git("cat-file", "blob", f"{book}:progress.svg")
    assert "value 10 → 7 (-30.0 %)" in picture
    assert "baseline 10" in picture
    if door == "composite":
        assert world.leaks() == []
        return

    world.api.close(1)
    third = world.night(mode, 10, 9, 7).go()
    assert third.done.outputs["pull-request"] == ""
    assert len(world.api.pulls) == 1
    refused = rows(world, world.bare.refs("refs/autoresearch/notebook")[-1])[1:]
    why = f"a person closed {first['html_url']}, which held this change"
    assert [row["reason"] for row in refused] == [why, why]

    fourth = world.night(mode, 10, 7, 6).go()
    second_pull = world.api.pulls[-1]
    assert fourth.done.outputs["branch"] == "autoresearch/nightly-2"
    assert second_pull["title"] == "autoresearch: value 10 → 6 (-40.0 %)"
    assert f"Follows {first['html_url']}, which a person closed" in second_pull["body"]
    assert "### Nights" not in second_pull["body"]

    world.bare.commit("main", "another way", value="9.5\n")
    fifth = world.night(mode, 9, 5).go()
    third_pull = world.api.pulls[-1]
    assert third_pull["title"] == "autoresearch: value 9.5 → 5 (-47.4 %)"
    url = second_pull["html_url"]
    assert f"Takes the place of {url}, whose branch conflicts with the base" in third_pull["body"]
    assert f"Continued in {third_pull['html_url']}" in world.api.comments[2][0]["body"]
    assert [pull["state"] for pull in world.api.pulls] == ["closed", "closed", "open"]
    assert fifth.done.outputs["pull-request"] == third_pull["html_url"]
    assert world.leaks() == []


def test_what_does_nothing_leaves_the_diff_and_is_not_measured_the_next_night(
    world: World,
) -> None:
    """The other file counts only as long as the first says 10."""
    superseded = "v=$(cat value); [ $v = 10 ] && v=$((v + $(cat other))); echo value: $v"
    metric = f"metric: {{command: {json.dumps(superseded)}, name: value}}"
    lines = ["goal: A smaller value", "scope: [value, other]", metric, ""]
    world.bare.commit(
        "main", "two files", other="5\n", **{".github/autoresearch.yml": "\n".join(lines)}
    )

    def night(old: int, new: int) -> Night:
        night = world.night("bundle", old, new, new)
        Script(world.folder / f"script-{night.number}.jsonl")(
            {"description": "lower other", "files": {"other": "4\n"}},
            {"description": f"try {new}", "files": {"value": f"{new}\n"}},
        )
        return night.go()

    found = night(10, 8).measured
    assert found
    (pull,) = world.api.pulls
    assert pull["title"] == "autoresearch: value 15 → 8 (-46.7 %)"
    assert "nothing of them is left" in pull["body"]
    assert "### Kept (1)" in pull["body"]
    assert subjects(world)[-1] == "experiment: take back: lower other"
    assert world.bare.git("diff", "--name-only", f"main..{BRANCH}").split() == ["value"]
    assert (found.outputs["kept"], found.outputs["best"]) == ("1", "8.0")

    night(8, 7)
    again = rows(world, world.bare.refs("refs/autoresearch/notebook")[-1])[1]
    assert (again["status"], again["metric"]) == ("discard", "-")
    assert again["reason"].startswith("the last night kept it at first, and took it back")
    assert pull["title"] == "autoresearch: value 15 → 7 (-53.3 %)"
    assert "Kept by earlier runs on this branch (1)" in pull["body"]
    assert "| 2 | 1 | 15 → 8 | -46.7 % |" in pull["body"]


def test_a_forge_that_only_speaks_git_gets_the_push(world: World) -> None:
    """What was kept must not wait for an answer that can be asked for later."""
    night = world.night("bundle", 10, 9)
    assert night.measure().code == 0
    limit = Fault(403, "API rate limit exceeded for x", headers={"Retry-After": "3600"})
    world.api.faults = [("GET /pulls", limit)] * 9
    done = night.publish()
    assert done.code == 6, done.log
    assert subjects(world) == ["experiment: try 9"]
    assert done.outputs["branch"] == "autoresearch/nightly"
    assert "it is pushed; open the pull request yourself: " in done.summary
    world.api.faults = []
    again = world.night("bundle", 9, 8).go()
    assert subjects(world) == ["experiment: try 9", "experiment: try 8"]
    assert world.api.pulls[0]["title"] == "autoresearch: value 10 → 8 (-20.0 %)"
    assert again.done.summary.startswith("**Published:** [the pull request](https://")


def test_a_second_job_is_not_wanted_where_nothing_was_measured(world: World) -> None:
    broken = CONFIG.replace("echo", "exit 3; echo")
    world.bare.commit("main", "broken", **{".github/autoresearch.yml": broken})
    done = world.night("bundle", 10, 9).measure()
    assert done.code == 4
    assert done.outputs["iterations"] == ""
    assert "the unmodified code" in done.summary


def test_a_night_that_keeps_nothing_says_so_in_one_sentence(world: World) -> None:
    world.one_night_is_over("bundle")
    done = world.night("bundle", 9, 12).go().done
    url = world.api.pulls[0]["html_url"]
    told = "**Nothing to publish:** nothing was kept. As it was: "
    assert done.summary.startswith(f"{told}[the pull request]({url}).")
    assert (done.outputs["branch"], done.outputs["pull-request"]) == ("autoresearch/nightly", url)


def test_what_a_forge_refuses_is_left_in_a_file_that_can_be_published_later(world: World) -> None:
    world.bare.refuse(PROTECTED)
    night = world.night("github", 10, 9)
    done = night.measure()
    assert done.code == 6, done.log
    assert "compare/" not in done.summary + done.log
    told = [*done.annotations("warning"), *done.annotations("error")]
    assert sum("GH006" in words for words in told) == 2  # at the keep, at the end
    assert done.summary.count("GH006") == 1
    assert "autoresearch-ci publish --bundle autoresearch.bundle" in done.summary
    world.bare.refuse("")
    published = night.publish()
    assert published.code == 0, published.log
    assert subjects(world) == ["experiment: try 9"]


def test_what_could_not_be_pushed_goes_first_the_next_night(world: World) -> None:
    """On a runner of one's own, whose checkout is cleaned: only `.git` lasts."""
    world.bare.refuse(PROTECTED)
    for number in (9, 8):
        night = world.night("github", 10, number, checkout="kept")
        done = night.measure()
        assert done.code == 6, done.log
        shutil.rmtree(night.repo / "autoresearch")
    store = f".git/autoresearch/nightly-{run_id(1)}-1/autoresearch.bundle"
    assert f"what run nightly-{run_id(1)}-1 kept was not published" in done.summary
    assert f"autoresearch-ci publish --bundle {store}" in done.summary
    world.bare.refuse("")
    third = world.night("github", 8, 7, checkout="kept").go()
    assert subjects(world) == ["experiment: try 8", "experiment: try 7"]
    (pull,) = world.api.pulls
    assert pull["title"] == "autoresearch: value 10 → 7 (-30.0 %)"
    assert "### Nights (2)" in pull["body"]
    assert f"publish --bundle {store}" in third.done.summary  # what went nowhere
    assert sorted(
        str(p.relative_to(third.repo)) for p in third.repo.rglob("autoresearch.bundle")
    ) == [
        store,
        f"autoresearch/run-nightly-{run_id(3)}-1/autoresearch.bundle",
    ]
    said: list[Any] = []
    published = publish_left_behind(
        load(text=f"{CONFIG}publish: {{branch: autoresearch/nightly}}\n").config,
        {"metric": "another"},
        start=third.repo,
        config_path=None,
        environment={},
        observe=said.append,
    )
    assert not published
    assert [event.message for event in said] == [
        f"what run nightly-{run_id(1)}-1 kept was not published: it was measured in another way "
        f"than this run measures\ndo: autoresearch-ci publish --bundle {store}, or delete that "
        "file."
    ]


@MODES
def test_what_a_person_closes_while_it_is_measured_is_refused(world: World, mode: str) -> None:
    world.one_night_is_over(mode)
    second = world.night(mode, 9, 8)
    if mode == "github":
        world.api.close(1)
        done = second.measure()
    else:
        second.measure()
        world.api.close(1)
        done = second.publish()
        assert "builds upon what that held: only the notebook is pushed" in done.log
        assert "what was kept builds upon" in done.summary
        assert subjects(world) == ["experiment: try 9"]
    assert done.code == 0, done.log
    open_ = [pull for pull in world.api.pulls if pull["state"] == "open"]
    assert len(open_) == (1 if mode == "github" else 0)  # begun from the base after the refusal


KNOB = "A = 8  # tune: [1, 2, 4, 8, 16]\n"
KEYLESS = """\
scope: [knobs.py]
metric: {command: 'awk ''{print "value: " 10 + ($3 - 4) ^ 2}'' knobs.py', name: value}
proposer: search
"""


def tried(world: World) -> list[list[str]]:
    """What each night's journal says was tried, oldest night first."""
    books = sorted(world.bare.refs("refs/autoresearch/notebook"))
    nights = [list(rows(world, book)) for book in books]
    return [[row["description"].split()[-1] for row in night[1:]] for night in nights]


def keyless(world: World, mode: str, iterations: int) -> Night:
    night = world.night(mode, 0)
    night.proposer, night.iterations = "search", iterations
    return night.go()


def test_a_second_night_without_a_key_repeats_nothing_and_builds_on_the_first(
    world: World,
) -> None:
    files = {"knobs.py": KNOB, ".github/autoresearch.yml": KEYLESS}
    world.bare.commit("main", "knobs", **files)
    first = keyless(world, "bundle", 2)
    second = keyless(world, "bundle", 9)
    assert first.measured
    assert second.measured
    assert second.measured.outputs["best"] == first.measured.outputs["best"]
    before, after = tried(world)
    assert len(before) == 2
    assert sorted([*before, *after], key=int) == ["1", "2", "4", "16"]  # each once, then the end
    assert subjects(world) == ["experiment: lower A from 8 to 4"]


def test_what_was_measured_in_another_way_is_tried_again(world: World) -> None:
    files = {"knobs.py": KNOB, ".github/autoresearch.yml": KEYLESS}
    world.bare.commit("main", "knobs", **files)
    witnessed = f"{KEYLESS}guards: [test -e knobs.py]\n"  # the gain is a large one
    for number, config in enumerate((witnessed, witnessed.replace("4) ^ 2", "8) ^ 4"))):
        world.bare.commit("main", f"rule {number}", **{".github/autoresearch.yml": config})
        keyless(world, "github", 9)
    assert [len(values) for values in tried(world)] == [4, 4]


@pytest.mark.parametrize(("mode", "how"), [("github", "merged"), ("bundle", "squashed")])
def test_after_a_merge_the_next_night_begins_anew_also_in_the_same_checkout(
    world: World, mode: str, how: str
) -> None:
    """The forge deletes the branch; the checkout's own copy of it is still there.

    A runner that keeps its checkout goes on like a fresh one then, too.
    """
    world.night(mode, 10, 9, checkout="kept").go()
    if how == "merged":
        world.bare.git("update-ref", "refs/heads/main", BRANCH)
    else:
        world.bare.commit("main", "squashed (#1)", value="9\n")
    world.bare.git("update-ref", "-d", BRANCH)
    world.api.close(1, merged=True)
    second = world.night(mode, 9, 8, checkout="kept", claude=True).go()
    assert second.measured
    assert second.measured.outputs["baseline"] == "9.0"
    assert subjects(world) == ["experiment: try 8"]
    assert [pull["state"] for pull in world.api.pulls] == ["closed", "open"]
    assert "try 9" in told(world)
    if mode == "bundle":
        world.night(mode, 8, 7, checkout="kept").go()
        assert subjects(world) == ["experiment: try 8", "experiment: try 7"]
        assert len(world.api.pulls) == 2


def test_a_bundle_that_continues_a_branch_is_believed_no_more_than_another(world: World) -> None:
    """The base was merged with the branch, so it is in neither checkout nor forge."""
    world.one_night_is_over("bundle")
    world.bare.commit("main", "main moved", more="text\n")
    world.bare.git("update-ref", "refs/heads/feature", "refs/heads/main")
    unmerged = world.bare.commit("feature", "not reviewed", evil="text\n")
    second = world.night("bundle", 9, 8)
    second.measure()
    repo = Repo(second.repo)
    true, _ = members(second.bundle)
    ours, theirs = true["merges"]
    info = true["info"]
    evil = {".github/workflows/evil.yml": "on: push\n"}
    outside = commit(repo, true["head"], {"other": "evil\n"}, tag=true["tag"])
    git = GitDirectory(repo.path, repo.path / ".git")
    forgeries: dict[str, dict[str, Any]] = {
        "forgotten": {"merges": []},
        # A merge of the two, with something more in it.
        "another": {"base": commit(repo, ours, evil, second_parent=theirs)},
        # It is in every checkout, and nobody has agreed to it yet.
        "unmerged": {"merges": [ours, unmerged], "base": merge(git, ours, unmerged)},
        "scope": {"head": outside},
        # Better than code that the branch has never been.
        "origin": {"info": {**info, "lineage": {**info["lineage"], "origin": unmerged}}},
    }
    refs = world.bare.git("for-each-ref")
    for what, forged in forgeries.items():
        done = second.publish(bundled(world.folder / f"{what}.bundle", repo, true | forged))
        assert done.code == 3, f"{what}: {done.log}"
        why = {"scope": "other", "origin": "not part of what it builds upon"}
        assert why.get(what, "neither part of this checkout nor of") in done.summary, what
        assert world.bare.git("for-each-ref") == refs, what
        assert len(world.api.pulls) == 1, what


def bundled(path: Path, repo: Repo, manifest: dict[str, Any]) -> Path:
    """An artifact whose manifest says what is said here, with the commits that it names."""
    repo.git("update-ref", BRANCH, manifest["head"])
    span = [BRANCH, f"refs/autoresearch/notebook/{manifest['tag']}", f"^{manifest['base']}"]
    repo.git("bundle", "create", "--quiet", str(path), *span)
    data = path.read_bytes()
    manifest["sha256"] = hashlib.sha256(data).hexdigest()
    return written(path, manifest, data)


def test_a_person_stops_the_nights_and_lets_them_go_on(world: World) -> None:
    world.one_night_is_over("bundle")
    world.api.comment(1, "writer", "/autoresearch stop")
    stopped = world.night("bundle", 9, claude=True).measure()
    assert stopped.code == 0, stopped.log
    assert stopped.outputs["iterations"] == ""  # so the second job is skipped
    assert "writer asked to stop" in stopped.summary
    assert world.model.requests == []
    world.api.comment(1, "writer", "/autoresearch retry")
    world.night("bundle", 9, 8).go()
    assert len(world.api.pulls) == 1


def test_a_person_has_a_change_measured_again_and_another_ignored(world: World) -> None:
    world.night("bundle", 10, 9, 12, 13).go()
    (book,) = world.bare.refs("refs/autoresearch/notebook")
    commits = {row["description"]: row["commit"] for row in rows(world, book)}
    world.api.comment(1, "writer", f"/autoresearch retry {commits['try 12'][:8]}")
    world.api.comment(1, "writer", f"/autoresearch ignore {commits['try 13'][:8]}")
    world.night("bundle", 9, 13, 13).go()  # the person's wish takes the first line's turn
    second = rows(world, world.bare.refs("refs/autoresearch/notebook")[-1])
    assert [row["proposer"] for row in second] == ["-", "retry", "script"]
    assert second[1]["metric"] == "12"
    assert (second[2]["metric"], second[2]["status"]) == ("-", "discard")
    assert "a person asked not to try" in second[2]["reason"]


@MODES
def test_an_app_publishes_with_tokens_that_are_renewed(world: World, mode: str) -> None:
    """Each lives for seconds; of one job's several are used up, the second of two jobs is short."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    world.api.app_id, world.api.app_key = "4711", public.decode()
    world.api.token_seconds = 21  # renewed when 20 are left
    world.server.tokens = world.api.issued
    night = world.night(mode, 10, 9, 8, claude=True)
    night.credentials = {"token": "", "app-id": "4711", "app-private-key": private}
    night.go()
    (pull,) = world.api.pulls
    assert pull["user"] == {"login": "our-app[bot]"}
    assert subjects(world) == ["experiment: try 9", "experiment: try 8"]
    assert len(world.api.issued) >= (2 if mode == "github" else 1)
    pushed = {said.partition(":")[2] for said in world.server.said} - {READS}
    assert pushed <= {*world.api.issued}
    assert world.leaks() == []
    lines = [line for line in private.splitlines() if "KEY" not in line]
    assert not any(line in log for line in lines for log in world.logs)


def rows(world: World, notebook: str) -> list[dict[str, str]]:
    lines = world.bare.git("cat-file", "blob", f"{notebook}:results.tsv").splitlines()[1:]
    return list(csv.DictReader(lines, delimiter="\t"))


def test_what_a_person_pushes_while_the_first_job_runs_is_left_to_them(world: World) -> None:
    world.one_night_is_over("bundle")
    second = world.night("bundle", 9, 8)
    second.measure()
    theirs = world.bare.commit("autoresearch/nightly", "by a person", other="theirs\n")
    done = second.publish()
    assert done.code == 0, done.log
    assert world.bare.ref(BRANCH) == theirs
    old, new = world.api.pulls
    assert new["head"]["ref"] == "autoresearch/nightly-2"
    assert done.outputs["branch"] == "autoresearch/nightly-2"
    assert f"Takes the place of {old['html_url']}: somebody else pushed" in new["body"]
    assert (old["state"], new["state"]) == ("closed", "open")
    assert new["title"] == "autoresearch: value 10 → 8 (-20.0 %)"
    world.night("bundle", 8, 7).go()
    assert [pull["state"] for pull in world.api.pulls] == ["closed", "open"]
    assert new["title"] == "autoresearch: value 10 → 7 (-30.0 %)"


def test_a_cancelled_night_has_pushed_and_said_everything_within_six_seconds(world: World) -> None:
    """Refused at the keep, accepted after the signal, and the API is slow."""
    sleeper = CONFIG.replace("$(cat value)", "$(cat value; grep -q 8 value && sleep 600)")
    world.bare.commit("main", "slow", **{".github/autoresearch.yml": sleeper})
    world.bare.refuse(PROTECTED)
    night = world.night("github", 10, 9, 8, claude=True)
    process = night.start()
    wait_for(lambda: len(world.model.requests) > 1)  # the first is kept, the second answered
    world.bare.refuse("")
    world.api.faults = [("GET /pulls", "stall")] * 9
    before = slowdown()
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    done = world.finish(process, str(night.number), night.job)
    took = time.monotonic() - began
    assert took < 6 * max(before, slowdown())
    assert done.code == 130, done.log
    assert subjects(world) == ["experiment: try 9"]
    assert (done.outputs["kept"], done.outputs["best"]) == ("1", "9.0")
    assert done.outputs["branch"] == "autoresearch/nightly"
    assert "try 9" in done.summary
    world.api.faults = []
    again = world.night("github", 9, 7).go()
    assert subjects(world) == ["experiment: try 9", "experiment: try 7"]
    url = world.api.pulls[0]["html_url"]
    assert again.done.outputs["pull-request"] == url
    idle = world.night("github", 7, 8)
    process = idle.start()
    records = idle.repo / ".git/autoresearch" / f"nightly-{run_id(3)}-1" / "records.jsonl"
    wait_for(lambda: records.exists() and '"attempt"' in records.read_text())
    process.send_signal(signal.SIGINT)
    done = world.finish(process, str(idle.number), idle.job)
    known = (done.code, done.outputs["branch"], done.outputs["pull-request"])
    assert known == (130, "autoresearch/nightly", url), done.log


def test_a_cancelled_first_job_leaves_what_it_kept_to_the_second(world: World) -> None:
    sleeper = CONFIG.replace("$(cat value)", "$(cat value; grep -q 8 value && sleep 600)")
    world.bare.commit("main", "slow", **{".github/autoresearch.yml": sleeper})
    night = world.night("bundle", 10, 9, 8)
    process = night.start()
    wait_for(night.bundle.exists)
    process.send_signal(signal.SIGINT)
    done = world.finish(process, str(night.number), night.job)
    assert (done.code, done.outputs["iterations"]) == (130, "1"), done.log
    published = night.publish()
    assert published.code == 0, published.log
    assert subjects(world) == ["experiment: try 9"]
    assert published.outputs["pull-request"] == world.api.pulls[0]["html_url"]


def wait_for(condition: Callable[[], object], seconds: float = 300) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.02)


def test_a_first_job_that_may_not_read_begins_from_its_own_commit(world: World) -> None:
    world.one_night_is_over("bundle")
    del world.api.tokens[READS]
    second = world.night("bundle", 10, 8).go()
    assert second.measured
    assert second.measured.outputs["baseline"] == "10.0"
    assert "starting from HEAD" in second.measured.summary
    old, new = world.api.pulls
    assert (old["state"], new["head"]["ref"]) == ("open", "autoresearch/nightly-2")
    assert f"Stands beside {old['html_url']}, which this run could not see" in new["body"]


def test_a_night_that_began_blind_closes_nothing_and_accuses_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_remote, "_WAITS", (0.1, 0.1))
    world.one_night_is_over("github")
    head = world.bare.ref(BRANCH)
    address = world.server.redirect
    world.server.redirect = "http://127.0.0.1:9/"  # for the first look alone
    second = world.night("github", 10, 5)
    seen = len(world.server.requests)
    process = second.start()
    wait_for(lambda: len(world.server.requests) >= seen + 3)
    world.server.redirect = address
    done = world.finish(process, str(second.number), second.job)
    assert done.code == 0, done.log
    assert "starting without what earlier runs know" in done.log
    old, new = world.api.pulls
    assert (old["state"], new["state"]) == ("open", "open")
    assert (world.bare.ref(BRANCH), new["head"]["ref"]) == (head, "autoresearch/nightly-2")
    assert f"Stands beside {old['html_url']}, which this run could not see" in new["body"]
    assert "somebody else" not in new["body"] + done.log
    assert not any(world.api.comments.values())
    world.night("github", 9, 8).go()  # and the story goes on where it was
    assert old["title"] == "autoresearch: value 10 → 8 (-20.0 %)"
