"""Dockerfile and Dockerfile.gpu: what GitHub asks of container actions, for every builder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.test_action import DOCKER, GPU

ROOT = Path(__file__).parents[2]
NAMES = ("Dockerfile", "Dockerfile.gpu")
DIGEST = re.compile(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}")
OLD = (
    *("FROM", "ENV", "RUN", "COPY", "ENTRYPOINT"),
    *("ARG", "CMD", "EXPOSE", "LABEL", "SHELL", "STOPSIGNAL", "HEALTHCHECK", "VOLUME"),
)
"""Words that every builder knows and that have a place in a container action."""


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def problems(text: str) -> Iterator[str]:
    """Rules of hadolint that matter here, GitHub's for container actions, and what Docker 20.10
    cannot do without BuildKit (docs.docker.com, Dockerfile reference)."""
    for line in text.splitlines():
        if re.match(r"#\s*(syntax|check)\s*=", line):
            yield "a directive for BuildKit"
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    stages = [line.split() for line in lines if line.startswith("FROM ")]
    if len(stages) != 1 or stages[0][2:]:
        yield "more than one stage: without BuildKit all are built"
    yield from (f"not pinned to a digest: {s[1]}" for s in stages if not DIGEST.fullmatch(s[1]))
    for line in filter(None, lines):
        word, _, rest = line.partition(" ")
        if word not in OLD:
            yield f"{word} has no place in a container action, or is no instruction"
        if word in ("RUN", "COPY", "FROM") and re.match(r"\s*--", rest):
            yield f"{word} {rest.split()[0]}: an option, most of which only BuildKit knows"
        if "<<" in rest:
            yield "a here-document, which only BuildKit knows"
        if re.search(r"\b(BUILD|TARGET)(PLATFORM|ARCH|OS|VARIANT)\b", rest):
            yield "a variable that only BuildKit sets"
        if word in ("ENTRYPOINT", "CMD") and not rest.startswith("["):
            yield f"{word} in shell form: signals would not arrive"
        if "apt-get install" in rest:
            for wanted in ("--no-install-recommends", "rm -rf /var/lib/apt/lists/*", "update"):
                if wanted not in rest:
                    yield f"apt-get install without {wanted}"
        if "pip install" in rest and "PIP_NO_CACHE_DIR" not in text:
            yield "pip leaves its cache in the image"


@pytest.mark.parametrize("name", NAMES)
def test_an_image_keeps_the_rules(name: str) -> None:
    assert list(problems(text_of(name))) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("FROM python", "# syntax=docker/dockerfile:1\nFROM python"),
        ("python:3.13.15-slim-trixie@sha256:", "python:latest # "),
        ("@sha256:7c", " AS base # "),
        ("FROM python", "FROM busybox:1@sha256:" + "0" * 64 + "\nFROM python"),
        ('["autoresearch-ci-job"]', "autoresearch-ci-job"),
        (" --no-install-recommends", ""),
        ("rm -rf /var/lib/apt/lists/*", "true"),
        ("PIP_NO_CACHE_DIR=1", "X=1"),
        ("COPY requirements.lock", "ADD requirements.lock"),
        ("COPY requirements.lock", "COPY --link requirements.lock"),
        ("COPY requirements.lock", "COPY --chmod=644 requirements.lock"),
        ("RUN python", "RUN --mount=type=cache,target=/root/.cache python"),
        ("RUN python -m venv", "RUN <<EOF\npython -m venv"),
        ("ENTRYPOINT", "USER nobody\nENTRYPOINT"),
        ("RUN python", "RUN echo $TARGETARCH && python"),
    ],
)
def test_each_rule_can_be_broken(old: str, new: str) -> None:
    text = text_of("Dockerfile")
    assert text.count(old) == 1
    assert list(problems(text.replace(old, new)))


def test_the_image_with_a_gpu_is_the_other_and_one_block_more() -> None:
    def instructions(name: str) -> list[str]:
        plain = re.sub(r"^#.*\n", "", text_of(name), flags=re.MULTILINE)
        return [block for block in re.split(r"\n(?=[A-Z]+ )", plain) if block.strip()]

    slim, gpu = ([block.strip() for block in instructions(name)] for name in NAMES)
    more = [block for block in gpu if block not in slim]
    assert [block for block in gpu if block in slim] == slim
    assert len(more) == 2
    assert all("requirements-gpu.lock" in block for block in more)


def test_the_image_with_a_gpu_has_what_the_trainer_needs() -> None:
    wanted = text_of("pyproject.toml").partition("trainer = ")[2].partition("]")[0]
    lock = text_of("requirements-gpu.lock")
    (version,) = re.findall(r"torch==([\d.]+)", wanted)
    assert re.search(rf"^torch=={re.escape(version)} ", lock, re.MULTILINE)
    assert re.search(r"^nvidia-cuda-runtime==", lock, re.MULTILINE)


@pytest.mark.parametrize(("action", "name"), [(DOCKER, NAMES[0]), (GPU, f"../{NAMES[1]}")])
def test_on_a_branch_the_runner_builds_what_stands_there(
    action: dict[str, dict[str, str]], name: str
) -> None:
    # what DockerUtil.IsDockerfile of actions/runner takes for a file, and no image from somewhere
    image = action["runs"]["image"]
    assert image == name or image.startswith("docker://")
    assert re.fullmatch(r"(.*/)?(Dockerfile\..*|.*Dockerfile)", name)
    if image.startswith("docker://"):
        assert DIGEST.fullmatch(image.removeprefix("docker://"))


def test_every_image_that_is_named_anywhere_has_a_digest() -> None:
    pages = [*ROOT.glob("*.yml"), *ROOT.glob("*/action.yml"), *ROOT.glob("templates/**/*.yml")]
    pages += [*ROOT.glob(".github/**/*.yml"), *ROOT.glob("examples/**/*.yml")]
    named = re.compile(r"docker://\w\S+|^\s*(?:image|container|default):\s*\S+:\S+$", re.MULTILINE)
    found = [
        image.partition(": ")[2] or image.removeprefix("docker://")
        for page in pages
        for image in named.findall(page.read_text(encoding="utf-8"))
    ]
    assert found
    assert [image for image in found if not DIGEST.fullmatch(image)] == []


def test_what_the_images_copy_is_sent_to_the_builder() -> None:
    sent = {line[1:] for line in text_of(".dockerignore").split() if line[0] == "!"}
    copied = {
        word
        for name in NAMES
        for line in re.findall(r"^COPY (.*)$", text_of(name), re.MULTILINE)
        for word in line.split()[:-1]
    }
    assert copied == sent
    assert all((ROOT / name).exists() for name in copied)
