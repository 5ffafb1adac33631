"""`autoresearch-ci debug` called in a repository, and histories for it."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from autoresearch_ci.cli.main import run_cli
from autoresearch_ci.record.investigation_history import Known
from autoresearch_ci.record.investigation_records import peek
from tests.conftest import FEW_PLUGINS, Repo

CHECK = 'test "$(cat value)" -lt 20 || { echo "AssertionError: value is $(cat value)"; exit 1; }\n'
COMMAND = "sh check.sh"


@dataclass(frozen=True, kw_only=True)
class Debugged:
    """What one call came to."""

    code: int
    out: str
    err: str
    folder: Path

    def page(self, name: str) -> str:
        return (self.folder / name).read_text()

    @property
    def handoff(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.page("handoff.json"))
        return found


@dataclass(frozen=True, kw_only=True)
class Debug:
    """`autoresearch-ci debug` in the repository, within this process."""

    repo: Repo
    capture: pytest.CaptureFixture[str]
    environment: dict[str, str]
    """Without a key, and with the Python of the tests."""

    def __call__(self, *flags: str, command: str | None = COMMAND, tag: str = "t") -> Debugged:
        self.capture.readouterr()
        before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        back = Path.cwd()
        os.chdir(self.repo.path)
        try:
            code = run_cli(self.arguments(*flags, command=command, tag=tag), self.environment)
        finally:
            os.chdir(back)
            for number, handler in before.items():
                signal.signal(number, handler)
        out, err = self.capture.readouterr()
        return Debugged(code=code, out=out, err=err, folder=self.folder(tag))

    def arguments(self, *flags: str, command: str | None = COMMAND, tag: str = "t") -> list[str]:
        given = ["--command", command] if command else []
        return ["debug", *FEW_PLUGINS, *given, "--tag", tag, *flags]

    @property
    def writes_outside(self) -> tuple[str, str]:
        """Flags that let commands write beside the repository."""
        return "--set", f"sandbox.write={json.dumps([str(self.repo.path.parent)])}"

    def folder(self, tag: str = "t") -> Path:
        return self.repo.path / "autoresearch" / f"debug-{tag}"

    def known(self, tag: str = "t") -> Known:
        return peek(self.repo.path / ".git" / "autoresearch" / f"debug-{tag}")


def make_debug(
    repo: Repo,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Debug:
    """What a fixture returns."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    without = {n: v for n, v in os.environ.items() if not n.startswith("ANTHROPIC")}
    return Debug(repo=repo, capture=capsys, environment=without)


def history(repo: Repo, *values: int | None, check: str = CHECK) -> list[str]:
    """Commits with these values; `None` is one that the check cannot be run on."""
    repo.write("check.sh", check)
    names = []
    for number, value in enumerate(values):
        repo.write("value", "none\n" if value is None else f"{value}\n")
        repo.write("notes", f"{number}\n")
        names.append(repo.commit(f"step {number}"))
    return names
