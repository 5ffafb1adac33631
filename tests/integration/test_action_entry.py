"""The step of a CI job, as a runner starts it: its own process, real files, real signals.

What the runner makes of the log and the files, tests/runner.py knows.
"""

from __future__ import annotations

import http.server
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autoresearch_ci.cli.action import entry
from autoresearch_ci.cli.action.outputs import OUTPUTS
from tests.debugging import history
from tests.forked import step
from tests.patience import promptly
from tests.runner import FILES, Done

if TYPE_CHECKING:
    from tests.conftest import Repo, Script

ROOT = os.geteuid() == 0
NAMESPACE = [
    *("unshare", *(() if ROOT else ("--user", "--map-current-user"))),
    *("--pid", "--fork", "--mount-proc", "--kill-child"),
]
CANARY = "ghs_canary0123456789"
OURS = {"add-mask", "group", "endgroup", "error", "warning", "notice"}


def namespaces() -> bool:
    try:
        return not subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode
    except FileNotFoundError:
        return False


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job on a runner, with the repository checked out."""

    repo: Repo
    script: Path
    folder: Path

    def environment(self, inputs: Mapping[str, str], **more: str) -> dict[str, str]:
        given = {"args": self.arguments(), "token": CANARY, **inputs}
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "RUNNER_TEMP": str(self.folder),
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.repo.path),
            "ACTIONS_RUNTIME_TOKEN": "runtime-canary",
            **{f"GITHUB_{name}": str(self.folder / name) for name in FILES},
            **{f"INPUT_{name.upper()}": value for name, value in given.items()},
            **more,
        }

    def arguments(self, **options: str) -> str:
        given = {
            "scope": "value",
            "metric": "cat value",
            "tag": "t",
            "proposer": f"script:{self.script}",
            **options,
        }
        return shlex.join(word for k, v in given.items() for word in (f"--{k}", v))

    def start(
        self,
        inputs: Mapping[str, str],
        *words: str,
        under: Sequence[str] = (),
        real: bool = False,
        **more: str,
    ) -> subprocess.Popen[str]:
        """`real`: Python is started, not forked; so it is with `words` or `under`."""
        for name in FILES:
            (self.folder / name).touch()
        begin = subprocess.Popen if real or words or under else step
        return begin(
            [*under, sys.executable, "-m", "autoresearch_ci.cli.action", *words],
            cwd=self.repo.path,
            env=self.environment(inputs, **more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def finish(self, process: subprocess.Popen[str], timeout: float = 300) -> Done:
        with process:
            log, _ = process.communicate(timeout=timeout)
        return Done(code=process.returncode, log=log, folder=self.folder)

    def __call__(self, *words: str, under: Sequence[str] = (), **options: Any) -> Done:
        inputs = options.pop("inputs", {})
        return self.finish(self.start(inputs, *words, under=under, **options))

    def event(self, name: str, payload: Mapping[str, Any], **more: str) -> dict[str, str]:
        path = self.folder / "event.json"
        path.write_text(json.dumps(payload))
        return {
            "GITHUB_EVENT_NAME": name,
            "GITHUB_EVENT_PATH": str(path),
            "GITHUB_REPOSITORY": "us/project",
            "GITHUB_ACTOR": "somebody",
            **more,
        }


@pytest.fixture
def job(repo: Repo, script: Script, tmp_path: Path) -> Job:
    script(
        {"description": "try 9", "files": {"value": "9\n"}},
        {"description": "try 11", "files": {"value": "11\n"}},
    )
    folder = tmp_path / "runner"
    folder.mkdir()
    return Job(repo=repo, script=script.path, folder=folder)


def pull_request(base: str, head: str = "us/project", ref: str = "topic") -> dict[str, Any]:
    return {
        "pull_request": {
            "body": "",
            "head": {"ref": ref, "repo": {"full_name": head}},
            "base": {"sha": base, "repo": {"full_name": "us/project"}},
        },
        "repository": {"full_name": "us/project"},
    }


# --- what comes out -------------------------------------------------------------------------------


def test_a_run_ends_with_its_outputs_and_its_report_as_summary(job: Job) -> None:
    done = job(real=True)
    assert done.code == 0, done.log
    assert done.outputs == {
        **dict.fromkeys(OUTPUTS, ""),
        "improved": "true",
        "baseline": "10.0",
        "best": "9.0",
        "delta-percent": "-10.0",
        "ci-low": "-10.0",
        "ci-high": "-10.0",
        "kept": "1",
        "iterations": "2",
        "branch": "autoresearch/t",
        "journal": "autoresearch/run-t/results.tsv",
        "cost-usd": "0.0",
        "tokens": "0",
        "verdict": "pass",
    }
    assert (job.repo.path / done.outputs["journal"]).exists()
    report = (job.repo.path / "autoresearch/run-t/summary.md").read_text()
    # What the machine cannot protect is said below it.
    assert done.summary.strip().startswith(report.strip())
    assert job.repo.kept() == ["experiment: try 9"]


@pytest.mark.parametrize(
    ("inputs", "code", "said"),
    [
        ({"iterations": "many"}, 2, "iterations"),
        ({"command": "runn"}, 2, "Did you mean 'run'?"),
        ({"args": "--metric 'cat value"}, 2, "No closing quotation"),
        ({"args": "--scope value --metric false"}, 4, "exit"),
        ({"setup-command": "exit 7"}, 2, "setup-command"),
        ({"fail-on": "regression"}, 2, "has no meaning for the command 'run'"),
    ],
)
def test_a_failed_step_sets_every_output_and_says_why(
    job: Job, inputs: dict[str, str], code: int, said: str
) -> None:
    done = job(inputs={"proposer": f"script:{job.script}", **inputs})
    assert done.code == code, done.log
    assert list(done.outputs) == list(OUTPUTS)
    assert done.outputs["verdict"] == "incomplete"
    assert done.outputs["improved"] == "false"
    assert said in done.summary
    assert any(said in text for text in done.annotations("error")), done.log


def debugged(job: Job, good: str, **more: str) -> Done:
    inputs = {"command": "debug", "failing-command": "sh check.sh", "args": "--tag t", **more}
    return job(inputs={**inputs, "good-ref": good} if good else inputs)


def test_debug_ends_with_the_cause_as_outputs_and_summary(job: Job) -> None:
    names = history(job.repo, 1, 2, 30, 31)
    job.repo.git("update-ref", "refs/remotes/origin/stable", names[0])
    done = debugged(job, "stable")
    assert done.code == 0, done.log
    assert done.outputs == {
        **dict.fromkeys(OUTPUTS, ""),
        "improved": "false",
        "kept": "0",
        "findings": "1",
        "verdict": "found",
        "journal": "autoresearch/debug-t/debug-results.tsv",
    }
    assert "brought it: step 2" in done.summary
    assert '"findings"' not in done.log


def test_a_debug_that_looked_at_too_little_is_incomplete(job: Job) -> None:
    history(job.repo, 30)
    done = debugged(job, "")
    assert (done.code, done.outputs["findings"]) == (0, "0"), done.log
    assert done.outputs["verdict"] == "incomplete"
    assert "no model was asked" in done.summary


def test_a_debug_that_could_not_begin_says_why(job: Job) -> None:
    history(job.repo, 30)
    done = debugged(job, "no-such-tag")
    assert (done.code, done.outputs["findings"], done.outputs["verdict"]) == (2, "", "incomplete")
    assert "is no commit of this repository" in done.summary


def test_hyphens_reach_us_whether_a_shell_dropped_them_or_not(job: Job) -> None:
    done = job(inputs={"max-minutes": "0"})
    assert (done.code, "--minutes" in done.summary) == (2, True), done.log
    inputs = {"max_minutes": "0"}  # as runs.env maps it
    assert job(inputs=inputs).code == 2


def test_iterations_are_folded_and_warnings_become_annotations(job: Job) -> None:
    job.repo.write("autoresearch.yml", "scope: [value]\nmetric: {command: cat value}\n")
    done = job()
    groups = [text for name, text in done.obeyed if name == "group"]
    assert groups[:2] == ["baseline", "iteration 1"], done.log
    assert groups.count("iteration 2") == 1
    names = [name for name, _ in done.obeyed]
    assert names.count("group") == names.count("endgroup")


def test_outside_of_github_nothing_is_a_command_and_no_secret_is_printed(job: Job) -> None:
    done = job(GITHUB_ACTIONS="")
    assert done.code == 0, done.log
    assert not done.obeyed
    assert CANARY not in done.log


def test_nothing_in_the_checkout_is_imported(job: Job) -> None:
    for name in ("json.py", "autoresearch_ci/__init__.py", "sitecustomize.py"):
        job.repo.write(name, "raise SystemExit('imported from the checkout')\n")
    environment = job.environment({})
    argv = [Path(sys.executable).parent / "autoresearch-ci-job"]
    if not argv[0].exists():
        argv = [sys.executable, "-P", "-m", "autoresearch_ci.cli.action"]  # type: ignore[list-item]
    for name in FILES:
        (job.folder / name).touch()
    done = subprocess.run(
        argv, cwd=job.repo.path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --- what must not come out -----------------------------------------------------------------------


def test_secrets_are_masked_before_anything_else_is_said(job: Job) -> None:
    key = "-----BEGIN KEY-----\nabcdef0123\n-----END KEY-----"
    done = job(inputs={"app-private-key": key, "app-id": "1"}, OPENAI_API_KEY="sk-another0123456")
    names = [name for name, _ in done.obeyed]
    masks = [text for name, text in done.obeyed if name == "add-mask"]
    assert names[: len(masks)] == ["add-mask"] * len(masks)
    assert {CANARY, "another0123456", "abcdef0123", "-----END KEY-----"} <= set(masks)
    assert done.log.index("::add-mask::") == 0
    rest = done.log.replace("\n", "\0").split("::add-mask::")[-1].split("\0", 1)[1]
    assert CANARY not in rest


def test_a_setup_command_sees_no_secret_of_ours(job: Job) -> None:
    command = (
        "env > seen; "
        "for pid in $PPID; do tr '\\0' '\\n' < /proc/$pid/environ >> seen; done; "
        "tr '\\0' ' ' < /proc/$PPID/cmdline >> seen; ls -l /proc/$PPID/fd >> seen"
    )
    key = "sk-ant-canary"
    done = job(inputs={"setup-command": command}, real=True, ANTHROPIC_API_KEY=key, DEAR="friend")
    seen = (job.repo.path / "seen").read_text()
    assert "DEAR=friend" in seen, done.log
    for canary in (CANARY, "sk-ant-canary", "runtime-canary", "INPUT_", str(job.folder / "OUTPUT")):
        assert canary not in seen


def test_no_text_of_others_becomes_a_command(job: Job, script: Script) -> None:
    hostile = [
        "::set-output name=verdict::forged",
        "x ##[add-mask]forged",
        "##[set-output name=verdict]forged",
        "  ::stop-commands::forged",
        "a\r::error::forged",
    ]
    script(*({"description": text, "files": {"value": "9\n"}} for text in hostile))
    printed = "; ".join(f"echo {shlex.quote(text)}" for text in hostile)
    done = job(inputs={"setup-command": f"{printed}; ({printed}) >&2"})
    assert done.code == 0, done.log
    assert {name for name, _ in done.obeyed} <= OURS
    assert not [text for _, text in done.obeyed if "forged" in text]


def test_what_measured_code_prints_names_no_branch_and_no_pull_request(job: Job) -> None:
    says = "echo pushed: main; echo published: https://evil.example/pull/1; exit 3"
    done = job(inputs={"args": job.arguments(metric=says)})
    assert done.code == 4, done.log
    assert (done.outputs["branch"], done.outputs["pull-request"]) == ("", "")


def test_what_measured_code_writes_into_the_runners_files_is_undone(job: Job) -> None:
    (job.folder / "ENV").write_text("BEFORE=1\n")
    everywhere = "".join(f"echo x=forged >> {job.folder / name}; " for name in FILES)
    done = job(inputs={"args": job.arguments(metric=f"{everywhere} cat value")})
    assert done.code == 0, done.log
    for name in FILES:
        assert "x=forged" not in (job.folder / name).read_text().splitlines()
    assert (job.folder / "ENV").read_text() == "BEFORE=1\n"


def test_what_measured_code_puts_in_place_of_the_runners_files_is_not_used(job: Job) -> None:
    output, env, decoy = job.folder / "OUTPUT", job.folder / "ENV", job.folder / "decoy"
    decoy.write_text("untouched")
    hostile = f"ln -sf {decoy} {output}; rm -f {env}; mkfifo {env}; cat value"
    done = job(inputs={"args": job.arguments(metric=hostile)})
    assert done.code == 0, done.log
    assert decoy.read_text() == "untouched"
    assert done.outputs["verdict"] == "pass"
    assert env.is_file()


# --- gates and events -----------------------------------------------------------------------------


def two_commits(repo: Repo, value: str) -> str:
    base = repo.git("rev-parse", "HEAD")
    repo.write("value", value)
    repo.commit("another value")
    return base


def test_a_gate_takes_base_and_claim_from_the_pull_request(job: Job) -> None:
    base = two_commits(job.repo, "9\n")
    payload = pull_request(base)
    inputs = {
        "command": "compare",
        "fail-on": "claim-not-reproduced, regression",
        "args": "--scope value --metric 'cat value' --set calibrate=never",
    }
    payload["pull_request"]["body"] = "**value 10 → 9, -10.0 % [95 % CI -10.0, -10.0], n=1+1**"
    payload["pull_request"]["title"] = "autoresearch: value 10 → 9 (-10.0 %)"
    done = job(inputs=inputs, **job.event("pull_request", payload))
    assert done.code == 0, done.log
    assert (done.outputs["verdict"], done.outputs["delta-percent"]) == ("pass", "10.0")
    payload["pull_request"]["title"] = "Another title"
    assert "Gate: passed" in done.summary
    payload["pull_request"]["body"] = "**value 10 → 5, -50.0 % [95 % CI -50.0, -50.0], n=1+1**"
    done = job(inputs=inputs, **job.event("pull_request", payload))
    assert done.code == 1, done.log
    assert done.outputs["verdict"] == "fail"
    assert "claim not reproduced" in done.annotations("error")[0]
    assert "**The gate failed:** claim not reproduced" in done.summary
    assert "Stopped by an error" not in done.summary
    assert "| claimed | 10 -&gt; 5 | -50.0 % |" in done.summary
    assert "| measured | 10 -&gt; 9 | -10.0 % | same in every run |" in done.summary
    payload["pull_request"]["title"] = "autoresearch: value 10 → 9 (-10.0 %)"
    done = job(inputs=inputs, **job.event("pull_request", payload))
    assert (done.code, done.outputs["verdict"]) == (2, "incomplete"), done.log


def test_a_pull_request_is_measured_against_the_base_that_it_was_merged_with(job: Job) -> None:
    """The event's base is of the day when the pull request was opened."""
    job.repo.write("other", "0\n")
    old = job.repo.commit("two parts")
    job.repo.git("switch", "--quiet", "-c", "topic")
    job.repo.write("other", "4\n")
    head = job.repo.commit("slower")
    job.repo.git("switch", "--quiet", "main")
    job.repo.write("value", "2\n")
    job.repo.commit("somebody else's gain")
    job.repo.git("switch", "--quiet", "--detach")
    job.repo.git("merge", "--quiet", "--no-ff", "-m", "Merge", "topic")
    payload = pull_request(old)
    payload["pull_request"]["head"]["sha"] = head
    inputs = {
        "command": "compare",
        "fail-on": "regression",
        "args": "--scope value --scope other --metric 'expr $(cat value) + $(cat other)'",
    }
    done = job(inputs=inputs, **job.event("pull_request", payload))
    assert (done.code, done.outputs["verdict"]) == (1, "fail"), done.log
    assert "metric 2 -> 6" in done.annotations("error")[0]


MARKS = r"""
fix:
  targets:
    - tool: marks
      command: grep -Hn BAD *.txt; test $? != 2
      regex: '(?P<path>[\w.]+):(?P<line>\d+):(?P<message>.*)'
"""


@pytest.mark.parametrize("head", ["us/project", "them/project"], ids=["ours", "fork"])
def test_a_gate_says_what_a_pull_request_breaks_and_where(job: Job, head: str) -> None:
    job.repo.write(".github/autoresearch.yml", MARKS)
    job.repo.write("a.txt", "BAD already\n")
    base = job.repo.commit("red already")
    job.repo.write("b.txt", "good\nBAD ::error::forged\n")
    job.repo.commit("worse")
    payload = pull_request(base, head)
    payload["pull_request"]["number"] = 1
    # Nobody listens there: what cannot be written to the forge changes no verdict.
    event = job.event("pull_request", payload, GITHUB_API_URL="http://127.0.0.1:9")
    inputs = {"command": "fix", "args": "--check --publish none", "fail-on": "new"}
    done = job(inputs=inputs, **event)
    assert done.code == 1, done.log
    assert (done.outputs["verdict"], done.outputs["failures"]) == ("fail", "2")
    assert done.annotations("error")[0] == "1 new failure (1 lint)"
    assert "::error file=b.txt,line=2,title=new%3A marks" in done.log
    assert {name for name, _ in done.obeyed} <= OURS
    assert "### Gate failed: 1 new failure" in done.summary
    assert done.summary.count("### Gate") == 1
    assert "1 old, not blocking" in done.summary
    assert '{"schema"' not in done.log
    passed = job(inputs={**inputs, "fail-on": "build"}, **event)
    assert (passed.code, passed.outputs["verdict"]) == (0, "pass"), passed.log


def test_what_prepares_a_gate_does_not_choose_what_is_compared(job: Job) -> None:
    """It may run the pull request's own code, as where that is installed."""
    job.repo.write(".github/autoresearch.yml", MARKS)
    job.repo.write("a.txt", "good\n")
    base = job.repo.commit("rules")
    job.repo.write("b.txt", "BAD\n")
    head = job.repo.commit("worse")
    job.repo.git("update-ref", "refs/remotes/origin/main", base)
    event = job.event("pull_request", pull_request(base))
    forged = (
        f"sed -i s/{base}/{head}/ $GITHUB_EVENT_PATH",
        "git rm -q b.txt .github -r",
        "git -c user.name=x -c user.email=x@x commit -qm gone",
        f"git update-ref refs/remotes/origin/main {head}",
    )
    inputs = {
        "command": "fix",
        "args": "--check --publish none",
        "fail-on": "new",
        "setup-command": "\n".join(forged),
    }
    done = job(inputs=inputs, **event)
    assert base not in (job.folder / "event.json").read_text()
    assert job.repo.git("rev-parse", "HEAD~1") == head
    assert (done.code, done.outputs["verdict"], done.outputs["failures"]) == (1, "fail", "1"), (
        done.log
    )
    assert "::error file=b.txt,line=1" in done.log


HOLE = "import subprocess\n\nsubprocess.call('ls ' + name, shell=True)  # ::error::forged\n"


@pytest.mark.parametrize("head", ["us/project", "somebody/fork"])
def test_a_gate_says_what_weakness_a_pull_request_brings_and_where(job: Job, head: str) -> None:
    base = job.repo.commit("as it was")
    job.repo.write("b.py", HOLE)
    job.repo.write(".github/autoresearch.yml", "security: {fail_on: never}\n")
    job.repo.commit("worse")
    payload = pull_request(base, head)
    payload["pull_request"]["number"] = 1
    event = job.event("pull_request", payload, GITHUB_API_URL="http://127.0.0.1:9")
    inputs = {"command": "security", "args": "--diff --publish none"}
    done = job(inputs=inputs, **event)
    assert done.code == 1, done.log
    assert (done.outputs["verdict"], done.outputs["findings"]) == ("fail", "1")
    assert (done.outputs["tokens"], done.outputs["cost-usd"]) == ("0", "0.0")
    assert done.annotations("error")[0] == "1 new weakness (1 high)"
    assert "::error file=b.py,line=3,title=" in done.log
    assert {name for name, _ in done.obeyed} <= OURS
    assert done.summary.count("### Security failed: 1 new weakness") == 1
    assert '{"schema"' not in done.log
    never = job(inputs={**inputs, "fail-on": "never"}, **event)
    assert (never.code, never.outputs["verdict"]) == (0, "pass"), never.log


def test_a_run_does_not_react_to_a_branch_that_the_configuration_makes_ours(job: Job) -> None:
    job.repo.write(".github/autoresearch.yml", "publish: {branch: 'perf/{tag}'}\n")
    job.repo.commit("our name for them")
    done = job(**job.event("push", {}, GITHUB_REF="refs/heads/perf/nightly"))
    assert done.code == 0, done.log
    assert "a branch of our own" in done.log
    assert not (job.repo.path / "autoresearch").exists()


def test_what_is_our_own_is_looked_at_and_not_repaired_again(job: Job) -> None:
    before = job.repo.commit("as it was")
    job.repo.write("b.py", HOLE)
    job.repo.commit("worse")
    ours = "refs/heads/autoresearch/security-t"
    words = (
        "--fix --resume --guard true --guard=--fix --env A=b --proposer search --publish none "
        "--publish-branch 'x/{tag}' --publish-draft false"
    )
    inputs = {"command": "security", "args": words, "base": before}
    event = job.event("push", {"before": before}, GITHUB_REF=ours)
    done = job(inputs=inputs, **event)
    told = (done.code, done.outputs["verdict"], done.outputs["findings"])
    assert told == (1, "fail", "1"), done.log
    assert "Nothing is repaired here" in done.log
    assert job.repo.git("branch", "--list", "x/*") == ""


def test_a_weakness_that_is_old_does_not_fail_the_step_and_a_gap_does(job: Job) -> None:
    job.repo.write("b.py", HOLE)
    base = job.repo.commit("as it was")
    job.repo.write("c.bin", b"\0")
    job.repo.commit("a file that nobody can look at")
    inputs = {"command": "security", "args": "--publish none", "base": base}
    done = job(inputs=inputs)
    assert done.code == 1, done.log
    assert (done.outputs["verdict"], done.outputs["findings"]) == ("incomplete", "0")
    assert "c.bin: binary" in done.summary


def test_a_step_repairs_and_says_how_many_failures_are_left(job: Job, script: Script) -> None:
    job.repo.write(".github/autoresearch.yml", MARKS)
    job.repo.write("a.txt", "BAD one\nBAD two\n")
    job.repo.commit("red")
    script({"description": "one", "files": {"a.txt": "BAD two\n"}})
    given = {"command": "fix", "args": "--tag t", "proposer": f"script:{job.script}"}
    done = job(inputs={**given, "until-green": "true"})
    assert done.code == 1, done.log
    assert done.annotations("error") == ["--until-green: still broken: 1."]
    known = ("failures", "verdict", "kept", "improved", "baseline", "best")
    assert [done.outputs[name] for name in known] == ["1", "broken", "1", "true", "2.0", "1.0"]
    assert done.outputs["journal"] == "autoresearch/fix-t/results.tsv"
    assert "**1 failure repaired, 1 left.**" in done.summary
    assert '{"event"' not in done.log
    script({"description": "two", "files": {"a.txt": "good\n"}})
    job.repo.git("merge", "--quiet", "autoresearch/t", check=False)
    done = job(inputs={**given, "args": "--tag u", "category": "lint"})
    assert (done.code, done.outputs["verdict"]) == (0, "green"), done.log
    assert done.outputs["failures"] == "0"


def test_a_repair_that_cannot_begin_has_no_verdict(job: Job) -> None:
    done = job(inputs={"command": "fix", "args": "--tag t"})
    assert done.code == 2, done.log
    assert (done.outputs["verdict"], done.outputs["failures"]) == ("incomplete", "")


@pytest.mark.parametrize("default", ["develop", None])
def test_the_first_push_of_a_branch_is_compared_with_where_it_left_the_default_one(
    job: Job, default: str | None
) -> None:
    base = two_commits(job.repo, "12\n")
    job.repo.git("update-ref", "refs/remotes/origin/develop", base)
    job.repo.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/develop")
    about = {"full_name": "us/project", "default_branch": default}
    event = job.event("push", {"before": "0" * 40, "repository": about})
    inputs = {
        "command": "compare",
        "fail-on": "regression",
        "args": "--scope value --metric 'cat value'",
    }
    done = job(inputs=inputs, **event)
    assert (done.code, done.outputs["verdict"]) == (1, "fail"), done.log
    assert "metric 10 -> 12" in done.annotations("error")[0]


def configured(repo: Repo, value: str) -> str:
    """A base with its rules, and a head; the base."""
    rules = "scope: [value]\nmetric: {command: cat value, name: score, extract: {regex: '(.+)'}}\n"
    repo.write(".github/autoresearch.yml", rules)
    repo.commit("rules")
    return two_commits(repo, value)


def test_a_gate_needs_no_args(job: Job) -> None:
    base = configured(job.repo, "12\n")
    inputs = {"command": "compare", "fail-on": "regression", "args": ""}
    done = job(inputs=inputs, **job.event("pull_request", pull_request(base)))
    assert (done.code, done.outputs["verdict"]) == (1, "fail"), done.log


def test_what_a_comparison_lacks_is_said_and_is_no_verdict(job: Job) -> None:
    inputs = {"command": "compare", "fail-on": "regression", "base": "f" * 40, "args": ""}
    done = job(inputs=inputs)
    assert (done.code, done.outputs["verdict"]) == (2, "incomplete"), done.log
    assert "is no commit of this repository" in done.annotations("error")[0]
    assert "Traceback" not in done.log


@pytest.mark.parametrize(
    "words", ["compare --fail-on regression", "fix --check --fail-on new --publish none"]
)
def test_history_that_the_preparation_would_fetch_is_asked_of_an_earlier_step(
    job: Job, tmp_path: Path, words: str
) -> None:
    base = configured(job.repo, "12\n")
    whole, upstream = job.repo.path, tmp_path / "upstream"
    whole.rename(upstream)
    clone = ["git", "clone", "--quiet", "--depth=1", upstream.as_uri(), str(whole)]
    subprocess.run(clone, check=True)
    command, _, args = words.partition(" ")
    inputs = {"command": command, "args": args, "setup-command": "git fetch --unshallow"}
    done = job(inputs=inputs, **job.event("pull_request", pull_request(base)))
    assert (done.code, done.outputs["verdict"]) == (2, "incomplete"), done.log
    assert "fetch in a step before this one (fetch-depth: 0" in done.annotations("error")[0]


def test_no_file_of_a_head_gives_a_gate_an_output_of_its_own(job: Job) -> None:
    base = configured(job.repo, "9\n")
    job.repo.write("x\nbranch: evil\npull request: https://evil.example/1\ny", "1")
    job.repo.commit("a name")
    inputs = {"command": "compare", "fail-on": "regression", "args": "--scope value"}
    done = job(inputs=inputs, **job.event("pull_request", pull_request(base)))
    assert done.outputs["verdict"] == "pass", done.log
    assert (done.outputs["branch"], done.outputs["pull-request"]) == ("", "")


def test_a_mistake_of_ours_is_said_and_ends_the_step(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> int:
        raise KeyError("base_values")

    environment = job.environment({})
    for name in FILES:
        (job.folder / name).touch()
    assert entry.main(environment, supervise=broken) == 1
    done = Done(code=1, log="", folder=job.folder)
    assert "a mistake of autoresearch-ci itself" in done.summary
    assert json.loads((job.folder / "autoresearch-ci-step.json").read_text())["finished"] is True


def test_a_fork_gets_results_but_nothing_is_published(job: Job) -> None:
    payload = pull_request(job.repo.git("rev-parse", "HEAD"), head="them/project")
    done = job(**job.event("pull_request", payload))
    assert done.code == 0, done.log
    assert "from a fork" in done.summary
    assert done.outputs["kept"] == "1"
    assert not job.repo.ref("refs/heads/autoresearch/t")


def test_a_privileged_event_with_a_forks_code_runs_nothing(job: Job) -> None:
    payload = pull_request(job.repo.git("rev-parse", "HEAD"), head="them/project")
    done = job(inputs={"setup-command": "touch ran"}, **job.event("pull_request_target", payload))
    assert (done.code, done.outputs["verdict"]) == (2, "incomplete"), done.log
    assert "pull_request_target" in done.summary
    assert not (job.repo.path / "ran").exists()
    assert not (job.repo.path / "autoresearch").exists()


def test_our_own_push_starts_nothing_and_is_no_failure(job: Job) -> None:
    event = job.event("push", {}, GITHUB_REF="refs/heads/autoresearch/t")
    done = job(**event)
    assert (done.code, done.outputs["verdict"]) == (0, "incomplete"), done.log
    assert not (job.repo.path / "autoresearch").exists()


@pytest.fixture
def api() -> Iterator[Callable[[int, Mapping[str, Any]], str]]:
    """A server that gives one answer to everything; its address."""
    servers = []

    def serve(status: int, answer: Mapping[str, Any]) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(answer).encode()
                self.send_response(200 if self.path == "/elsewhere" else status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "answer", "code"),
    [
        (200, {"permission": "write"}, 0),
        (200, {"permission": "read"}, 2),
        (200, [], 2),
        (500, {"permission": "admin"}, 2),
        (302, {"permission": "admin"}, 2),
    ],
)
def test_a_comment_starts_us_only_when_github_says_that_its_author_may_write(
    job: Job, api: Callable[..., str], status: int, answer: Any, code: int
) -> None:
    payload = {"issue": {"number": 1}, "repository": {"full_name": "us/project"}}
    event = job.event("issue_comment", payload, GITHUB_API_URL=api(status, answer))
    assert job(**event).code == code


@pytest.mark.parametrize(("head", "code"), [("us/project", 0), ("them/project", 2), (None, 2)])
def test_a_comment_on_a_pull_request_starts_us_only_for_a_branch_of_ours(
    job: Job, api: Callable[..., str], head: str | None, code: int
) -> None:
    answer = {"permission": "write", "head": {"repo": head and {"full_name": head}}}
    payload = {
        "issue": {"number": 1, "pull_request": {}},
        "repository": {"full_name": "us/project"},
    }
    event = job.event("issue_comment", payload, GITHUB_API_URL=api(200, answer))
    assert job(**event).code == code


# --- signals --------------------------------------------------------------------------------------


def wait_for(condition: Callable[[], object], seconds: float = 200) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def cancel(pid: int, process: subprocess.Popen[str]) -> float:
    """As the runner does it (ProcessInvoker.cs); the seconds until the process was gone."""
    began = time.monotonic()
    for number, patience in ((signal.SIGINT, 7.5), (signal.SIGTERM, 2.5), (signal.SIGKILL, 5)):
        os.kill(pid, number)
        try:
            process.wait(patience)
            break
        except subprocess.TimeoutExpired:
            continue
    return time.monotonic() - began


def slow(job: Job) -> tuple[dict[str, str], Path]:
    """A run whose second candidate takes for ever to measure, and the file that says it began."""
    began = job.folder / "began"
    metric = f"cat value; if grep -q 11 value; then touch {began}; trap '' INT TERM; sleep 600; fi"
    writable = {"set": f"sandbox.write=[{job.folder}]"}
    return {"args": job.arguments(metric=metric, **writable)}, began


@pytest.mark.parametrize(("first", "stuck"), [(False, False), (True, True)])
def test_a_cancelled_run_has_said_everything_within_six_seconds(
    job: Job, first: bool, stuck: bool
) -> None:
    if first and not namespaces():
        pytest.skip("needs unshare and the right to make a process namespace")
    inputs, began = slow(job)
    process = job.start(inputs, under=NAMESPACE if first else ())
    wait_for(began.exists)
    ours = children(process.pid)[0] if first else process.pid
    if stuck:  # the command line itself hangs, in the kernel say
        for child in children(ours):
            os.kill(child, signal.SIGSTOP)
    seconds = cancel(ours, process)
    done = job.finish(process)
    assert seconds < promptly(6)
    assert done.code == 130, done.log
    assert list(done.outputs) == list(OUTPUTS)
    found = done.outputs
    assert (found["verdict"], found["kept"], found["best"]) == ("incomplete", "1", "9.0")
    assert found["branch"] == "autoresearch/t"
    assert ("Ended by force" in done.summary) is stuck
    assert job.repo.kept() == ["experiment: try 9"]
    wait_for(lambda: not sleepers(job))
    again = job(inputs={"resume": "true", "args": job.arguments()})
    assert again.code == 2 or again.outputs["kept"] == "1", again.log


def sleepers(job: Job) -> list[str]:
    """Processes that work in the test's folder, or were told of it."""
    mark, found = os.fsencode(job.folder.parent), []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = (folder / "cmdline").read_bytes() + os.fsencode((folder / "cwd").readlink())
        except OSError:
            continue
        if mark in told and int(folder.name) != os.getpid():
            found.append(told.decode(errors="replace"))
    return found


def test_a_signal_during_setup_starts_no_run(job: Job) -> None:
    began = job.folder / "began"
    process = job.start({"setup-command": f"touch {began}; sleep 600; true"})
    wait_for(began.exists)
    assert cancel(process.pid, process) < 3  # at once: there is nothing to save
    done = job.finish(process)
    assert (done.code, done.outputs["verdict"]) == (130, "incomplete"), done.log
    assert not (job.repo.path / "autoresearch").exists()


@pytest.mark.skipif(not namespaces(), reason="needs unshare and a process namespace")
def test_process_1_reaps_orphans_and_leaves_nothing_behind(job: Job) -> None:
    count = r"grep -c '^State:.Z' /proc/[0-9]*/status | grep -c ':1$' > zombies || true"
    command = f"for i in 1 2 3; do (sleep 0.05 &); done; sleep 0.5; {count}; setsid sleep 600 &"
    done = job(inputs={"setup-command": command}, under=NAMESPACE)
    assert done.code == 0, done.log
    assert (job.repo.path / "zombies").read_text().strip() == "0"


def test_what_a_setup_command_leaves_running_is_gone_afterwards(job: Job) -> None:
    done = job(inputs={"setup-command": f"setsid sh -c 'cd {job.folder}; sleep 600' &"})
    assert done.code == 0, done.log
    assert sleepers(job) == []


def test_killed_outright_the_clean_up_tells_what_the_step_could_not(job: Job) -> None:
    inputs, began = slow(job)
    process = job.start(inputs)
    wait_for(began.exists)
    os.killpg(process.pid, signal.SIGKILL)
    killed = job.finish(process)
    assert list(killed.outputs) == list(OUTPUTS)
    assert killed.outputs["verdict"] == "incomplete"
    end_left_over(job)
    (job.folder / "STEP_SUMMARY").write_text("")
    ended = job("end")
    assert ended.code == 0, ended.log
    assert "Ended by force" in ended.summary
    assert job("end").annotations("warning") == []  # said once


def end_left_over(job: Job) -> None:
    """What a killed run left running; a container would have ended it."""
    for child in sleeping_children(job):
        with suppress(ProcessLookupError):  # its own supervisor was faster
            os.kill(child, signal.SIGKILL)


def sleeping_children(job: Job) -> list[int]:
    """Processes that name the job's folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(job.folder) in told and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


# --- ownership ------------------------------------------------------------------------------------


OWNER = 12345
"""The runner's user."""
only_root = pytest.mark.skipif(not ROOT, reason="only root can give files away")


def give_to_runner(job: Job) -> None:
    for path in (job.repo.path, *job.repo.path.rglob("*")):
        os.chown(path, OWNER, OWNER, follow_symlinks=False)
    job.repo.path.parent.chmod(0o755)


def not_given_back(job: Job) -> list[Path]:
    return [path for path in job.repo.path.rglob("*") if path.lstat().st_uid != OWNER]


@only_root
@pytest.mark.parametrize("how", ["cancelled", "killed"])
def test_the_workspace_is_given_back_however_the_step_ends(job: Job, how: str) -> None:
    give_to_runner(job)
    inputs, began = slow(job)
    process = job.start(inputs)
    wait_for(began.exists)
    assert not_given_back(job)
    if how == "cancelled":
        cancel(process.pid, process)
    else:  # nothing of it can do anything any more: what follows the step must
        os.killpg(process.pid, signal.SIGKILL)
    job.finish(process)
    if how == "killed":
        end_left_over(job)
    if how == "killed":
        assert not_given_back(job)
        assert job("end").code == 0
    assert not_given_back(job) == []
    assert (job.repo.path / "autoresearch/run-t/results.tsv").stat().st_uid == OWNER


@only_root
def test_the_workspace_is_given_back_and_nothing_else(job: Job, tmp_path: Path) -> None:
    decoy = tmp_path / "decoy"
    decoy.mkdir()
    (decoy / "file").write_text("not yours\n")
    give_to_runner(job)
    links = f"ln -s {decoy} link; ln -s {decoy}/file linked; ln {decoy}/file hard; mkdir deep; "
    done = job(inputs={"setup-command": f"{links} touch deep/new"})
    assert done.code == 0, done.log
    assert not_given_back(job) == [job.repo.path / "hard"]  # it has a second name, who knows where
    assert (job.repo.path / "autoresearch/run-t/results.tsv").stat().st_uid == OWNER
    assert {p.stat().st_uid for p in (decoy, decoy / "file")} == {0}
