"""The steps of fix.yml, one after the other, as its three jobs have them: own tokens, own machines.

What GitHub would put in for an expression stands in `known`; what it has no value for is empty.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bundles import members, written
from tests.conftest import Repo, Script
from tests.integration.test_fix_published import FIX, answer
from tests.integration.test_nightly import READS, WRITES, World, checked_out, world
from tests.runner import Done

__all__ = ["world"]
ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/fix.yml").read_text())
BRANCH = "refs/heads/autoresearch/fix"


@dataclass(kw_only=True)
class Pressed:
    """One run of the workflow."""

    world: World
    script: Path
    number: int = 1
    done: dict[str, list[Done]] = field(default_factory=dict)
    """By job, the steps of our own action."""
    head: str = ""

    @property
    def artifact(self) -> Path:
        return self.world.folder / f"artifact-{self.number}"

    def job(self, name: str, token: str) -> list[Done]:
        """Its steps, until one fails; what is uploaded is uploaded however it ends."""
        repo = self.world.folder / f"{name}-{self.number}"
        checked_out(self.world.bare, repo)
        self.world.folders.append(repo)
        found: list[Done] = []
        for at, step in enumerate(WORKFLOW["jobs"][name]["steps"]):
            if not self._is_run(step, failed=bool(found and found[-1].code)):
                continue
            if "run" in step:
                self._run(step["run"], repo)
            elif step["uses"] == "./.autoresearch-ci":
                machine = f"{self.number}-{at}"
                process = self.world.start(
                    self._inputs(step, token, f"{machine}-{name}"), repo, machine, name
                )
                found.append(self.world.finish(process, machine, name))
            elif "upload-artifact" in step["uses"]:
                shutil.copytree(repo / step["with"]["path"], self.artifact)
        self.done[name] = found
        return found

    def _is_run(self, step: Mapping[str, Any], *, failed: bool) -> bool:
        condition = str(step.get("if", ""))
        if "steps.checked.outputs.head" in condition and self.head == self.sha:
            return False
        host = "inputs.host" in condition.replace("!inputs.host", "")
        return not host and (not failed or "always()" in condition)

    @property
    def sha(self) -> str:
        return self.world.bare.ref("refs/heads/main")

    def _run(self, text: str, repo: Path) -> None:
        output = self.world.folder / f"output-{self.number}"
        subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", text],
            cwd=repo,
            env={"PATH": "/usr/bin:/bin", "GITHUB_OUTPUT": str(output)},
            check=True,
        )
        self.head = output.read_text().strip().removeprefix("head=")

    def _inputs(self, step: Mapping[str, Any], token: str, machine: str) -> dict[str, str]:
        temporary = self.world.folder / f"runner-{machine}"
        if step["with"]["command"] == "publish":
            shutil.copytree(self.artifact, temporary / "autoresearch")
        known = {
            "github.run_id": f"9{self.number}",
            "github.run_attempt": "1",
            "github.sha": self.sha,
            "inputs.tag": "fix",
            "inputs.until-green": "true",
            "inputs.skip-lint": "false",
            "inputs.max-minutes": "120",
            "inputs.proposer": f"script:{self.script}",
            "needs.verify.outputs.head": self.head,
        }
        given = {
            key: re.sub(r"\$\{\{ (\S+) \}\}", lambda found: known.get(found[1], ""), str(value))
            for key, value in step["with"].items()
        }
        given["args"] = given["args"].replace("/github/runner_temp", str(temporary))
        return {"token": token, **given}


@pytest.fixture
def pressed(world: World, repo: Repo, script: Script) -> Iterator[Pressed]:
    repo.write(".github/autoresearch.yml", FIX)
    repo.write("a.txt", "BAD one\n")
    repo.write("b.txt", "BAD two\n")
    repo.commit("red")
    repo.git("push", "--quiet", str(world.bare.path), "HEAD:main")
    yield Pressed(world=world, script=script.path)
    assert world.leaks() == []


def test_three_jobs_repair_look_again_and_publish_that_very_commit(
    pressed: Pressed, script: Script
) -> None:
    world = pressed.world
    script(answer("one", a="good\n"), answer("two", b="good\n"))
    (proposed,) = pressed.job("propose", READS)
    assert proposed.code == 0, proposed.log
    assert (proposed.outputs["verdict"], proposed.outputs["failures"]) == ("green", "0")
    assert world.bare.refs("refs/heads/autoresearch") == []
    checked, looked = pressed.job("verify", READS)
    assert (checked.code, looked.code) == (0, 0), checked.log + looked.log
    assert looked.outputs["verdict"] == "pass"
    assert world.bare.refs("refs/heads/autoresearch") == []
    (published,) = pressed.job("publish", WRITES)
    assert published.code == 0, published.log
    assert world.bare.ref(BRANCH) == pressed.head
    (pull,) = world.api.pulls
    assert published.outputs["pull-request"] == pull["html_url"]
    assert pull["title"] == "autoresearch: 2 failures repaired, 0 left"


def test_what_is_still_broken_fails_the_first_job_and_is_published_all_the_same(
    pressed: Pressed, script: Script
) -> None:
    script(answer("one", a="good\n"))
    (proposed,) = pressed.job("propose", READS)
    assert (proposed.code, proposed.outputs["verdict"]) == (1, "broken"), proposed.log
    assert all(done.code == 0 for done in pressed.job("verify", READS))
    (published,) = pressed.job("publish", WRITES)
    assert published.code == 0, published.log
    (pull,) = pressed.world.api.pulls
    assert pull["title"] == "autoresearch: 1 failure repaired, 1 left"


def test_a_file_that_is_replaced_after_the_look_is_not_published(
    pressed: Pressed, script: Script
) -> None:
    script(answer("one", a="good\n"))
    pressed.job("propose", READS)
    pressed.job("verify", READS)
    file = pressed.artifact / "autoresearch.bundle"
    manifest, commits = members(file)
    written(file, {**manifest, "head": manifest["base"]}, commits)
    (published,) = pressed.job("publish", WRITES)
    assert published.code == 3, published.log
    assert "was replaced after another job had looked at it" in published.log
    assert pressed.world.bare.refs("refs/heads/autoresearch") == []
