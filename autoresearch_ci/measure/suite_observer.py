"""Sees each pytest test of a command through a plugin of ours, and tells what the code must reach.

Can a candidate's run be believed? It is held against what the unmodified code did; what is lost and
what is not, suite_standards.py decides. The plugin's file and the file that it writes to lie beside
the measure tree and are made anew for each command; the latter is read through our own descriptor,
so deleting or replacing it tells us nothing better.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.experiment import Status
from autoresearch_ci.measure.suite_standards import (
    LOG_LIMIT,
    Outcomes,
    Standard,
    disagreement,
    parse_log,
)
from autoresearch_ci.safety.files import file_bytes
from autoresearch_ci.workspace.snapshot import remove


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one run of a command left to look at."""

    outcomes: Outcomes | None = None
    """What pytest itself told us; `None` when it did not run."""
    listed: Outcomes | None = None
    """What the JUnit report says, where there is one."""
    times: int = 0
    """How often the number was printed; 0 where there is no telling."""


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """Why a run is not believed."""

    status: Status
    reason: str


class Scrutiny:
    """What the unmodified code did, by the role of the command (`metric`, `guard 0`)."""

    def __init__(self, witness: SuiteObserver) -> None:
        self.witness = witness
        self._printed: dict[str, int] = {}

    def learn(self, role: str, seen: Seen) -> None:
        """The unmodified code, or the incumbent measured again, did this."""
        self._printed[role] = max(seen.times, self._printed.get(role, 0))
        self.witness.learn(role, seen.outcomes)
        self.witness.learn(_report(role), seen.listed)
        if seen.outcomes and seen.listed and not disagreement(seen.outcomes, seen.listed):
            self.witness.learn(_agreement(role), seen.listed)

    def doubt(self, role: str, seen: Seen) -> Doubt | None:
        """What is wrong with a candidate's run; `None` when nothing is."""
        if self._printed.get(role) == 1 < seen.times:
            why = f"the number was printed {seen.times} times, on the unmodified code once"
            return Doubt(status=Status.METRIC_ERROR, reason=why)
        lost = self.witness.loss(role, seen.outcomes)
        forged = self.witness.knows(_agreement(role)) and disagreement(seen.outcomes, seen.listed)
        if forged:
            return Doubt(status=Status.METRIC_ERROR, reason=forged)
        if not lost and seen.listed:
            lost = self.witness.loss(_report(role), seen.listed)
        return Doubt(status=Status.DISCARD, reason=lost) if lost else None

    def memory(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"printed": dict(self._printed), "tests": self.witness.memory()}

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Inverse of `memory`. Raises `WorkspaceError`."""
        self._printed = dict(memory["printed"])
        self.witness.remember(memory["tests"])


def _report(role: str) -> str:
    return f"{role}, report"


def _agreement(role: str) -> str:
    return f"{role}, agreement"


PLUGIN = "autoresearch_outcomes"
_VARIABLE = "AUTORESEARCH_OUTCOMES"
_LOG = ".autoresearch-outcomes"
_NAME = re.compile(r"[0-9a-f]{16}\.json")


@dataclass
class Watch:
    """One command under observation."""

    environment: Mapping[str, str]
    """What the command must be given."""
    outcomes: Outcomes | None = None
    """Once it has ended; `None` when pytest did not run."""


class SuiteObserver:
    """What each command's tests must reach, by the role of the command (`metric`, `guard 0`)."""

    def __init__(self, *, folder: Path, temporary: Path, store: Path) -> None:
        """`folder`: for the plugin. `temporary`: the command's TMPDIR. `store`: survives a kill."""
        self._folder = folder
        self._temporary = temporary
        self._store = store
        self._standards: dict[str, Standard] = {}
        self._candidate: dict[str, Standard] = {}
        self._blind: set[str] = set()
        """Commands that cannot be run with the plugin."""

    @contextlib.contextmanager
    def watch(self, command: str, environment: Mapping[str, str]) -> Iterator[Watch]:
        """While the block runs `command`; its environment stays as it is where that cannot be."""
        if command in self._blind:
            yield Watch(environment)
            return
        self._lay_out()
        nonce = secrets.token_hex(16)
        # Always the same name: a command that looks around must find what it found before.
        path = self._temporary / _LOG
        remove(path)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(file, 0o622)  # the command may run as another user
            watch = Watch(_with_plugin(environment, self._folder, f"{nonce}:{path}"))
            yield watch
            watch.outcomes = parse_log(_content(file), nonce)
        finally:
            os.close(file)
            with contextlib.suppress(OSError):
                path.unlink()

    def is_in_the_way(self, command: str, exit_code: int, output: str) -> bool:
        """Whether `command` failed because it hides our plugin from Python: not again, then."""
        if not exit_code or command in self._blind or PLUGIN not in output:
            return False
        self._blind.add(command)
        return True

    def learn(self, role: str, outcomes: Outcomes | None) -> None:
        """The unmodified code, or the incumbent measured again, ended like this."""
        if outcomes is not None:
            known = self._standards.get(role)
            self._standards[role] = known.relaxed(outcomes) if known else Standard.of(outcomes)

    def knows(self, role: str) -> bool:
        """Whether tests were seen there on the unmodified code."""
        return role in self._standards

    def loss(self, role: str, outcomes: Outcomes | None) -> str:
        """Why a candidate's outcomes are refused; empty when they are not."""
        standard = self._standards.get(role)
        if standard is None:
            return ""
        if outcomes is not None:
            seen = self._candidate.get(role)
            self._candidate[role] = seen.relaxed(outcomes) if seen else Standard.of(outcomes)
        return standard.loss(outcomes)

    def forget_candidate(self) -> None:
        """Another candidate's turn."""
        self._candidate = {}

    def adopt_candidate(self) -> None:
        """The last candidate was kept: what passes with it must pass from now on."""
        for role, seen in self._candidate.items():
            self._standards[role] = self._standards[role].raised(seen)
        self._candidate = {}

    def memory(self) -> dict[str, Any]:
        """Plain JSON values; they name files in the store, as there may be 50,000 tests."""
        return {
            "standards": {role: self._save(known) for role, known in self._standards.items()},
            "blind": sorted(self._blind),
        }

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Inverse of `memory`. Raises `WorkspaceError`."""
        self._blind = set(memory["blind"])
        for role, name in memory["standards"].items():
            try:
                data = self._load(name)
            except (OSError, ValueError) as error:
                raise WorkspaceError(
                    f"{self._store / name}: which tests passed can no longer be read ({error}).\n"
                    "usually: the file was deleted or edited, or the disk lost it.\n"
                    "do: start a new run with another --tag; the notebook keeps the attempts."
                ) from error
            self._standards[role] = Standard.from_json(data)

    def _load(self, name: str) -> Any:
        """The name tells which content is meant: neither another file's nor a changed one."""
        if not _NAME.fullmatch(name):
            raise ValueError("not a name of ours")
        content = file_bytes(self._store / name, LOG_LIMIT, follow=False)
        if name != _name(content):
            raise ValueError("its checksum does not match")
        return json.loads(content)

    def _save(self, standard: Standard) -> str:
        content = json.dumps(standard.to_json(), sort_keys=True).encode()
        name = _name(content)
        path = self._store / name
        if not path.exists():
            self._store.mkdir(exist_ok=True)
            draft = path.with_suffix(".new")
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)
        return name

    def _lay_out(self) -> None:
        """The plugin as we ship it, without what an earlier command may have left beside it."""
        remove(self._folder)
        self._folder.mkdir()
        source = resources.files("autoresearch_ci.measure.pytest_plugin") / f"{PLUGIN}.py"
        target = self._folder / f"{PLUGIN}.py"
        target.write_bytes(source.read_bytes())
        target.chmod(0o444)


def _name(content: bytes) -> str:
    return f"{hashlib.sha256(content).hexdigest()[:16]}.json"


def _with_plugin(environment: Mapping[str, str], folder: Path, whereto: str) -> dict[str, str]:
    """The user's own values stay, after ours."""
    options, search = environment.get("PYTEST_ADDOPTS"), environment.get("PYTHONPATH")
    return {
        **environment,
        "PYTEST_ADDOPTS": f"-p {PLUGIN} {options}" if options else f"-p {PLUGIN}",
        "PYTHONPATH": f"{folder}{os.pathsep}{search}" if search else str(folder),
        _VARIABLE: whereto,
    }


def _content(file: int) -> bytes:
    """At most a byte more than is allowed, which then lacks its end."""
    with os.fdopen(os.dup(file), "rb") as stream:
        stream.seek(0)
        return stream.read(LOG_LIMIT + 1)
