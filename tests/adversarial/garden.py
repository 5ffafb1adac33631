"""A repository in which vectors of git_vectors.py are planted, and what came of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.adversarial.git_vectors import ALL_HOOKS, ATTRIBUTES, CHEAT, INFO_ATTRIBUTES, Vector
from tests.conftest import GIT_ENVIRONMENT

if TYPE_CHECKING:
    import pytest

    from tests.conftest import Repo

BRANCH = "refs/heads/autoresearch/t"


@dataclass(frozen=True)
class Garden:
    """Where vectors grow."""

    root: Path
    repo: Repo

    @property
    def marks(self) -> Path:
        return self.root / "marks"

    def fired(self) -> list[str]:
        return sorted(path.name for path in self.marks.iterdir())

    def prepare(self) -> None:
        for name in ("marks", "evil", "elsewhere", "home"):
            (self.root / name).mkdir()
        for name in ("f1", "f2", "f3", "f4", "f5", "f6"):
            self.repo.write(name, f"{name}\n")
        self.repo.write(".gitattributes", ATTRIBUTES)
        self.repo.commit("files")
        (self.root / "elsewhere/canary").write_text("canary")
        self._clean("init", "--quiet", "--bare", str(self.root / "clean"))

    def plant(self, vectors: Iterable[Vector]) -> Path:
        """A shell script that plants them where it runs; `$1` is the git directory."""
        overlay = self.root / "overlay"
        shutil.rmtree(overlay, ignore_errors=True)
        for name in ("git/info", "tree"):
            (overlay / name).mkdir(parents=True)
        lines = [
            'exec 2>/dev/null; G=$1; mkdir -p "$G"',
            # Planting shall not set off what was planted before.
            "git() { GIT_NO_LAZY_FETCH=1 GIT_ALLOW_PROTOCOL= command git "
            '-c core.hooksPath=/dev/null -c core.fsmonitor=false "$@"; }',
            f'cp -R {overlay}/git/. "$G/"; cat {overlay}/config >> "$G/config"',
            f"cp -R {overlay}/tree/. .",
            f'test -e "$G/info/attributes" && echo "$G" >> {self.root}/planted',
        ]
        config = []
        (overlay / "git/info/attributes").write_text(INFO_ATTRIBUTES)
        for vector in vectors:
            config.append(self.fill(vector, vector.config))
            for below, files in (("git", vector.git), ("tree", vector.tree)):
                for path, text in files.items():
                    self._write(overlay / below / path, self.fill(vector, text))
            if vector.shell:
                lines.append(f"( {self.fill(vector, vector.shell)} )")
        (overlay / "config").write_text("".join(config))
        script = self.root / "plant.sh"
        # What its own git set off in a repository that answers is no run of ours.
        lines.append(f'for m in {self.marks}/*; do test -e "$K/${{m##*/}}" || rm -f "$m"; done')
        script.write_text("\n".join([*lines, "true"]) + "\n")
        return script

    def fill(self, vector: Vector, text: str) -> str:
        mark = self.marks / vector.name.replace("/", "_")
        program = self.root / "evil" / f"{abs(hash(vector.name))}"
        self._write(program, f"#!/bin/sh\n: > '{mark}'\nexec timeout 1 cat\n")
        words = {
            "RUN": program,
            "MARK": mark,
            "CHEAT": CHEAT,
            "../../elsewhere": self.root / "elsewhere",
            "FOLDER": self.root / "home",
            "HOOKS": self.root / "home/planted",
            "TEMPLATE": self.root / "home/t",
        }
        for word, value in words.items():
            text = text.replace(word, str(value))
        return text

    def at_home(self, vectors: Iterable[Vector], environment: pytest.MonkeyPatch) -> None:
        """Plant in our own environment and HOME."""
        environment.setenv("HOME", str(self.root / "home"))
        for vector in vectors:
            for path, text in {**ALL_HOOKS, **vector.home}.items():
                self._write(self.root / "home" / path, self.fill(vector, text))
            for name, value in vector.environment.items():
                environment.setenv(name, self.fill(vector, value))

    def sow(self, vectors: Iterable[Vector]) -> None:
        """Plant in the user's repository, and make git look at every file again."""
        script = self.plant(vectors)
        argv = ["sh", str(script), str(self.repo.path / ".git")]
        subprocess.run(argv, cwd=self.repo.path, check=True, env=GIT_ENVIRONMENT)
        for path in self.repo.path.iterdir():
            if path.is_file():
                os.utime(path, (1, 1))
        for name in self.fired():
            (self.marks / name).unlink()

    @property
    def git_dir(self) -> Path:
        """Where the user's repository really is now."""
        moved = self.repo.path / ".git.moved"
        return moved if moved.exists() else self.repo.path / ".git"

    def kept(self) -> str:
        """What the run's branch is, read by a git that no vector can reach."""
        tip = (self.git_dir / BRANCH).read_text().strip()
        assert self._clean("fsck", "--no-dangling", "--strict", tip) == ""
        log = self._clean("log", "--format=%s", "--raw", "--abbrev=7", tip, "-2")
        return log + self._clean("ls-tree", "--name-only", tip)

    def subjects(self, commit: str) -> str:
        return self._clean("log", "--format=%s", commit)

    def _clean(self, *arguments: str) -> str:
        objects = str(self.git_dir / "objects")
        done = subprocess.run(
            ["git", "--git-dir", str(self.root / "clean"), *arguments],
            env={**GIT_ENVIRONMENT, "GIT_OBJECT_DIRECTORY": objects},
            cwd=self.root,
            check=True,
            capture_output=True,
        )
        return done.stdout.decode()

    @staticmethod
    def _write(path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
