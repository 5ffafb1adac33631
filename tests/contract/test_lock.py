"""The locks: what images and composite action install, and what CI tests them with."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUNTIME, DEV, GPU = "requirements.lock", "requirements-dev.lock", "requirements-gpu.lock"
LOCKS = pytest.mark.parametrize("name", [RUNTIME, DEV, GPU])
PYTHONS = [
    found[1]
    for line in PROJECT["project"]["classifiers"]
    if (found := re.search(r":: (3\.\d+)$", line))
]
INSTALLS = re.compile(r"(?:pip install|\$\(PIP\)|\bpip\b[^\n]* install)(?:[^\n]*\\\n)*[^\n]*")


@dataclass(frozen=True, kw_only=True)
class Pin:
    requirement: Requirement
    hashes: frozenset[str]

    def applies(self, python: str) -> bool:
        marker = self.requirement.marker
        full = f"{python}.0"
        return not marker or marker.evaluate(
            {
                "python_version": python,
                "python_full_version": full,
                "implementation_name": "cpython",
                "platform_python_implementation": "CPython",
                "sys_platform": "linux",
            }
        )


def pins(text: str) -> list[Pin]:
    """Raises when a line is no requirement of one version with at least one SHA-256."""
    found = []
    for line in re.sub(r"\s*\\\n\s*", " ", re.sub("^#.*\n", "", text, flags=re.M)).splitlines():
        wanted, *hashes = line.split(" --hash=")
        requirement = Requirement(wanted)
        (version,) = requirement.specifier
        assert version.operator == "==", line
        assert "*" not in version.version, line
        assert hashes, line
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", each) for each in hashes), line
        found.append(Pin(requirement=requirement, hashes=frozenset(hashes)))
    return found


def locked(name: str, python: str) -> dict[str, str]:
    """Version of every package that is installed on Linux with this Python."""
    found: dict[str, str] = {}
    for pin in pins((ROOT / name).read_text(encoding="utf-8")):
        if pin.applies(python):
            (version,) = pin.requirement.specifier
            package = canonicalize_name(pin.requirement.name)
            assert package not in found, f"{package} is there twice for Python {python}"
            found[package] = version.version
    return found


def test_the_supported_pythons_are_known() -> None:
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert PYTHONS[0] == oldest
    assert len(PYTHONS) > 2
    assert f"--python-version {oldest} " in (ROOT / "Makefile").read_text(encoding="utf-8")


@LOCKS
def test_every_line_is_one_version_with_hashes(name: str) -> None:
    assert len(pins((ROOT / name).read_text(encoding="utf-8"))) > 40


@pytest.mark.parametrize(
    "line", ["rich==15.0.0\n", "rich>=15 --hash=sha256:" + "0" * 64, "rich==15 --hash=md5:0\n"]
)
def test_a_line_that_says_less_is_noticed(line: str) -> None:
    with pytest.raises((AssertionError, ValueError)):
        pins(line)


@pytest.mark.parametrize("python", PYTHONS)
@LOCKS
def test_every_dependency_is_locked_at_a_version_that_we_allow(name: str, python: str) -> None:
    versions = locked(name, python)
    extras = PROJECT["project"]["optional-dependencies"]
    ours = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]
    wanted = {RUNTIME: ours, DEV: [*ours, *extras["dev"]], GPU: extras["trainer"]}[name]
    for text in wanted:
        needed = Requirement(text)
        found = versions.get(canonicalize_name(needed.name), "0")
        assert needed.specifier.contains(found, prereleases=True), f"{text}: run make lock"


@pytest.mark.parametrize("python", PYTHONS)
def test_what_is_tested_is_what_is_installed(python: str) -> None:
    tested, installed = locked(DEV, python), locked(RUNTIME, python)
    assert installed.items() <= tested.items(), "run make lock"


@pytest.mark.parametrize(
    "name", ["Dockerfile", "Dockerfile.gpu", "composite/action.yml", "Makefile"]
)
def test_a_lock_is_never_installed_without_its_hashes(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    installs = [step for step in INSTALLS.findall(text) if ".lock" in step]
    assert installs
    assert all("--require-hashes" in step for step in installs), installs
