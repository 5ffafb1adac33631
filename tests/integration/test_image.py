"""The image without a builder: the Dockerfile's own install steps, in folders of a test.

A clean virtual environment, the versions of requirements.lock, and what the image starts. Packages
come from wherever pip is configured to find them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Repo, Script

ROOT = Path(__file__).parents[2]
UNREACHABLE = re.compile("No matching distribution found|Could not find a version")


def install_steps(image: Path) -> list[str]:
    """The scripts of the image's RUN lines, with its folders beneath `image`."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    steps = re.findall(r"^RUN (.*?[^\\])$", text, re.MULTILINE | re.DOTALL)
    found = []
    for step in (s for s in steps if "apt-get" not in s):
        moved = re.sub(r"(?<![\w.])/(opt|src|usr/local/bin)\b", rf"{image}/\1", step)
        places = re.findall(r"(?<![\w.])/[\w./-]+", moved)
        assert all(place.startswith(f"{image}/") for place in places), places  # it deletes things
        found.append(moved.replace("python -m venv", f"{sys.executable} -m venv"))
    return found


def installed(image: Path) -> Path:
    """Folder of the installed commands."""
    (image / "usr/local/bin").mkdir(parents=True)
    (image / "opt").mkdir()
    (image / "src").mkdir()
    for name in (ROOT / ".dockerignore").read_text().split():
        if name.startswith("!"):
            copy = ["cp", "-r", "--parents", name[1:], str(image / "src")]
            subprocess.run(copy, cwd=ROOT, check=True)
    environment = {name: v for name, v in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"PIP_RETRIES": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    environment["PIP_NO_COMPILE"] = "0"  # no compiling: of thousands of files we start a few
    steps = install_steps(image)
    assert len(steps) == 2, steps
    for step in steps:
        argv = ["/bin/sh", "-ec", step]
        done = subprocess.run(
            argv, env=environment, cwd=image, capture_output=True, text=True, check=False
        )
        if done.returncode and UNREACHABLE.search(done.stderr):
            pytest.skip(f"pip reaches no index with these packages: {done.stderr[-300:]}")
        assert done.returncode == 0, f"{step}\n{done.stdout}\n{done.stderr}"
    assert not (image / "src").exists()
    return image / "usr/local/bin"


def environment(programs: Path) -> dict[str, str]:
    return {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": "/nonexistent"}


@pytest.mark.slow
def test_what_the_image_installs_fits_together_and_runs_a_job(
    repo: Repo, script: Script, tmp_path: Path
) -> None:
    """One test: each would install all of it anew, side by side in another worker."""
    image = tmp_path / "image"
    image.mkdir()
    programs = installed(image)
    fits_together(programs)
    has_every_command_that_the_action_starts(programs)
    runs_a_job(programs, repo, script, tmp_path)


def fits_together(programs: Path) -> None:
    python = (programs / "autoresearch-ci").resolve().with_name("python")
    done = subprocess.run(
        [python, "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def has_every_command_that_the_action_starts(programs: Path) -> None:
    text = (ROOT / "action.yml").read_text(encoding="utf-8") + (ROOT / "Dockerfile").read_text()
    wanted = set(re.findall(r"""["' ](autoresearch-ci-[\w-]+)""", text))
    assert wanted >= {"autoresearch-ci-job"}
    assert wanted <= {path.name for path in programs.iterdir()}


def runs_a_job(programs: Path, repo: Repo, script: Script, tmp_path: Path) -> None:
    script({"description": "try 9", "files": {"value": "9\n"}})
    folder = tmp_path / "runner"
    folder.mkdir()
    for name in ("OUTPUT", "STEP_SUMMARY"):
        (folder / name).touch()
    done = subprocess.run(
        ["autoresearch-ci-job"],
        executable=programs / "autoresearch-ci-job",
        cwd=repo.path,
        env={
            **environment(programs),
            "TMPDIR": str(folder),
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(repo.path),
            "GITHUB_OUTPUT": str(folder / "OUTPUT"),
            "GITHUB_STEP_SUMMARY": str(folder / "STEP_SUMMARY"),
            "INPUT_PROPOSER": f"script:{script.path}",
            "INPUT_ITERATIONS": "1",
            "INPUT_ARGS": "--scope value --metric 'cat value' --tag t",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert repo.kept() == ["experiment: try 9"]
    assert re.search(r"^kept<<\w+\n1\n", (folder / "OUTPUT").read_text(), re.MULTILINE)
