"""A release: what its workflow does to the actions and the tags, with git for real."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from autoresearch_ci import __version__
from tests.contract.test_action import ROOT, load

WORKFLOW = load(ROOT / ".github/workflows/release.yml")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
SLIM = "ghcr.io/owner/name@sha256:" + "a" * 64
GPU = "ghcr.io/owner/name@sha256:" + "b" * 64


def git(*argv: str, cwd: Path) -> str:
    return subprocess.run(
        ["git", *argv], cwd=cwd, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def forge(tmp_path: Path) -> Path:
    """A bare repository with our actions on main."""
    tree = tmp_path / "tree"
    for name in ("action.yml", "gpu/action.yml", "pyproject.toml"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes((ROOT / name).read_bytes())
    git("init", "--quiet", "--initial-branch=main", cwd=tree)
    git("add", ".", cwd=tree)
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one", cwd=tree)
    git("clone", "--quiet", "--bare", str(tree), str(tmp_path / "owner/name"), cwd=tmp_path)
    return tmp_path / "owner/name"


def step(job: str, name: str, at: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Its script, as the runner starts it."""
    (found,) = [s for s in WORKFLOW["jobs"][job]["steps"] if s.get("name") == name]
    assert environment.keys() == found["env"].keys()
    return subprocess.run(
        ["bash", "-e", "-c", found["run"]],
        cwd=at,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(at),
            "GIT_CONFIG_NOSYSTEM": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def release(forge: Path, at: Path, version: str) -> None:
    git("clone", "--quiet", "--depth=1", forge.as_uri(), str(at), cwd=forge)
    done = step("tags", "Name the images by digest", at, SLIM=SLIM, GPU=GPU)
    assert done.returncode == 0, done.stderr
    done = step(
        "tags", "Commit and tag", at, VERSION=version, TOKEN="canary", REMOTE=forge.as_uri()
    )
    assert done.returncode == 0, done.stderr


def test_a_release_names_both_images_by_digest_beside_main(forge: Path, tmp_path: Path) -> None:
    main = git("rev-parse", "main", cwd=forge)
    release(forge, tmp_path / "one", "1.2.3")
    tag = git("rev-parse", "v1.2.3^{commit}", cwd=forge)
    assert git("rev-parse", "v1^{commit}", "v1.2.3^", "main", cwd=forge).split() == [
        tag,
        main,
        main,
    ]
    assert git("diff", "--name-only", main, tag, cwd=forge).split() == [
        "action.yml",
        "gpu/action.yml",
    ]
    for name, image in (("action.yml", SLIM), ("gpu/action.yml", GPU)):
        text = git("show", f"{tag}:{name}", cwd=forge)
        assert re.findall("^  image: (.*)$", text, re.MULTILINE) == [f"docker://{image}"]


def test_the_next_release_moves_the_major_tag_alone(forge: Path, tmp_path: Path) -> None:
    release(forge, tmp_path / "one", "1.2.3")
    first = git("rev-parse", "v1.2.3", cwd=forge)
    release(forge, tmp_path / "two", "1.3.0")
    second = git("rev-parse", "v1.3.0^{commit}", cwd=forge)
    assert git("rev-parse", "v1.2.3", "v1^{commit}", cwd=forge).split() == [first, second]


def test_a_release_that_is_there_is_not_made_again(forge: Path, tmp_path: Path) -> None:
    at = tmp_path / "one"
    git("clone", "--quiet", forge.as_uri(), str(at), cwd=forge)
    assert step("images", "Check the version", at, VERSION=VERSION).returncode == 0
    assert step("images", "Check the version", at, VERSION="9.9.9").returncode
    git("tag", f"v{VERSION}", cwd=at)
    assert "never moves" in step("images", "Check the version", at, VERSION=VERSION).stdout


def test_an_image_without_a_digest_is_no_release(forge: Path, tmp_path: Path) -> None:
    at = tmp_path / "one"
    git("clone", "--quiet", forge.as_uri(), str(at), cwd=forge)
    assert step("tags", "Name the images by digest", at, SLIM=SLIM, GPU="").returncode
    git("checkout", "--quiet", ".", cwd=at)
    assert step("tags", "Name the images by digest", at, SLIM="ghcr.io/a/b:1", GPU=GPU).returncode


def test_the_command_line_tells_the_version_that_is_released() -> None:
    assert __version__ == VERSION


def test_both_images_are_built_pushed_and_attested_alike() -> None:
    steps = WORKFLOW["jobs"]["images"]["steps"]
    builds = [found for found in steps if "docker build" in found.get("run", "")]
    assert [found["env"]["FILE"] for found in builds] == ["Dockerfile", "Dockerfile.gpu"]
    assert builds[0]["run"] == builds[1]["run"]
    attested = [s["with"] for s in steps if s.get("uses", "").startswith("actions/attest")]
    for build, about in zip(builds, attested, strict=True):
        assert about["subject-digest"] == f"${{{{ steps.{build['id']}.outputs.digest }}}}"
        assert about["push-to-registry"] is True


def test_who_may_push_an_image_may_not_push_a_commit() -> None:
    images, tags = (WORKFLOW["jobs"][name]["permissions"] for name in ("images", "tags"))
    assert images["contents"] == "read"
    assert tags == {"contents": "write"}
