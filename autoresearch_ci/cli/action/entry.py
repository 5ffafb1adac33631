"""The step from its inputs to its outputs: decide, set up, run the command line, say what came out.

Whatever happens, outputs, summary and exit code are there, and the workspace belongs to its owner.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import stat
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from autoresearch_ci.cli.action.child_output import Narrator, StepOutput
from autoresearch_ci.cli.action.github_event import claim_of, read_trigger
from autoresearch_ci.cli.action.inputs import (
    INPUTS,
    LOOPS,
    RESUMABLE,
    VARIABLES,
    arguments,
    chosen_command,
    extra_arguments,
    is_gate,
    read_inputs,
)
from autoresearch_ci.cli.action.outputs import gate_annotations, no_outputs, results
from autoresearch_ci.cli.action.runner_io import VARIABLES as FILES
from autoresearch_ci.cli.action.runner_io import FileCommands, Log, masks
from autoresearch_ci.cli.action.step_summary import unfinished_part
from autoresearch_ci.cli.action.trigger import ECHO, GATE, Permit, Trigger, decide
from autoresearch_ci.cli.arguments import make_parser, parsed
from autoresearch_ci.cli.config import effective
from autoresearch_ci.cli.gate_commits import SETTLED, settled
from autoresearch_ci.errors import AutoresearchError, ConfigError
from autoresearch_ci.execution.supervisor import Stopping, supervise
from autoresearch_ci.safety.secret_values import holds_secret, is_secret_name


def give_back(workspace: Path, *, since: float, deadline: float = 60.0) -> int:
    """How many entries were given to the workspace's owner.

    Only what was made or changed after `since` (seconds since the epoch) and belongs to somebody
    else. Links are not followed, other file systems are not entered, and a file with a second name
    is left alone outside of `.git`: that name may be elsewhere. Stops after `deadline` seconds.
    """
    top = workspace.lstat()
    if os.geteuid() != 0 or not stat.S_ISDIR(top.st_mode):
        return 0
    give_up, given = time.monotonic() + deadline, 0
    for folder, folders, files, descriptor in os.fwalk(workspace, follow_symlinks=False):
        inside_git = ".git" in Path(folder).relative_to(workspace).parts
        for name in (*folders, *files):
            given += _give(name, descriptor, top, since, inside_git)
        folders[:] = [name for name in folders if _device(name, descriptor) == top.st_dev]
        if time.monotonic() > give_up:
            break
    return given


def _give(name: str, folder: int, top: os.stat_result, since: float, inside_git: bool) -> bool:
    with contextlib.suppress(OSError):  # gone meanwhile, or not ours to give
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        shared = stat.S_ISREG(found.st_mode) and found.st_nlink > 1 and not inside_git
        if found.st_uid == top.st_uid or found.st_ctime < since or shared:
            return False
        os.chown(name, top.st_uid, top.st_gid, dir_fd=folder, follow_symlinks=False)
        return True
    return False


def _device(name: str, folder: int) -> int:
    with contextlib.suppress(OSError):
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_dev
    return -1


INTERRUPTED = 130
_ALL_SAID = 5.5
"""Seconds after the first signal at which nothing new is begun."""
_RUNTIME = re.compile(r"^INPUT_|^ACTIONS_(RUNTIME|RESULTS|CACHE)_")
"""The runner's own services: artifacts and caches of the whole repository."""
_OF_THE_STEP = re.compile("(ACTIONS|INPUT)_", re.IGNORECASE)
_TOO_LATE = (
    "\nhere: fetch in a step before this one (fetch-depth: 0 of actions/checkout): what is "
    "compared is settled before setup-command runs, so a fetch there is too late."
)


def main(environment: Mapping[str, str], supervise: Callable[..., int] = supervise) -> int:
    """One step; its exit code."""
    stopping = Stopping()  # first: as process 1 a signal would otherwise be lost
    since = time.time() - 1
    log = _make_log(environment)
    workspace = Path(environment.get("GITHUB_WORKSPACE") or Path.cwd())
    files = FileCommands(environment)
    files.set_outputs(no_outputs())  # there, should nothing else come to pass
    _remember(environment, since=since, finished=False)
    step = StepOutput(
        environment=environment,
        workspace=workspace,
        log=log,
        stopping=stopping,
        narrator=Narrator(log),
        since=since,
    )
    try:
        code = _run(step, supervise)
    except AutoresearchError as error:
        step.error, code = str(error), error.exit_code
    except Exception as error:  # noqa: BLE001 - the step has to say so, whatever it is
        traceback.print_exc()
        step.error, code = f"a mistake of autoresearch-ci itself, see the log: {error!r}", 1
    if stopping.since is not None and code > 6:  # killed, or ended by the signal itself
        code = INTERRUPTED
    outputs, parts = results(step, code)
    files.set_outputs({**no_outputs(code), **outputs})
    files.set_summary(parts)
    files.restore_others()
    _say(step, code)
    _remember(environment, since=since, finished=True)
    left = 120.0 if stopping.since is None else stopping.since + _ALL_SAID - time.monotonic()
    give_back(workspace, since=since, deadline=left)
    return code


def end(environment: Mapping[str, str]) -> int:
    """After the step, also when it was cancelled or killed: tell what it could not, clean up."""
    log = _make_log(environment)
    memory = _memory(environment)
    if memory.get("finished") is False:
        tag, command = str(memory.get("tag", "")), _loop(memory.get("command"))
        FileCommands(environment).set_summary([unfinished_part("", tag, command)])
        named = f" --tag {tag}" if tag else ""
        log.annotate(
            "warning",
            "The step was ended by force. Where its checkout is still there, it continues with: "
            f"autoresearch-ci {command} --resume{named}",
        )
    since = memory.get("since")
    if isinstance(since, int | float):
        give_back(Path(environment.get("GITHUB_WORKSPACE") or Path.cwd()), since=since)
        _remember(environment, since=since, finished=True)
    return 0


def _loop(command: object) -> str:
    return str(command) if command in RESUMABLE else "run"


def _run(step: StepOutput, supervise: Callable[..., int]) -> int:
    environment = step.environment
    given = read_inputs(environment)
    hidden = [given[name] for name, about in INPUTS.items() if about.secret and name in given]
    step.log.mask(masks(environment, hidden))
    step.command = chosen_command(given)
    resumable = {"tag": _tag(given), "command": step.command}
    _remember(environment, since=step.since, finished=False, **resumable)
    trigger = read_trigger(environment, given.get("token", ""))
    step.gate = is_gate(given)
    trigger = replace(trigger, branches=_branches(given, trigger))
    permission = decide(trigger, GATE if step.gate else step.command)
    echo = decide(trigger, step.command)
    step.reason = permission.reason
    if permission.permit is Permit.REFUSE:
        raise ConfigError(permission.reason)
    if permission.permit is Permit.SKIP:
        return 0
    env = _child_environment(environment, given)
    if permission.permit is Permit.DEGRADE:
        env = _without_secrets(env)
    with tempfile.TemporaryDirectory(prefix="autoresearch-ci-job-") as folder:
        claim = Path(folder) / "claim.md"
        text = claim_of(trigger)
        words = arguments(given, str(claim) if text else "")
        if step.gate and echo.permit is Permit.SKIP:
            env[ECHO] = echo.reason
            if "--fix" in words:
                step.reason = f"{echo.reason} Nothing is repaired here."
        if permission.permit is Permit.DEGRADE:
            words = _unpublished(words, step.command)
        fixed: Mapping[str, str] = {}
        if "setup-command" in given:
            try:
                fixed = _settled(words, env, step.workspace)
            except ConfigError as error:
                raise ConfigError(_fetched_before(str(error))) from error
            _set_up(step, given["setup-command"])
            env |= fixed
        # Only now, as what was set up could have written them.
        claim.write_text(text, encoding="utf-8", errors="replace")
        if trigger.event:
            env["GITHUB_EVENT_PATH"] = str(Path(folder) / "event.json")
            Path(env["GITHUB_EVENT_PATH"]).write_text(json.dumps(trigger.payload), encoding="utf-8")
        argv = [sys.executable, "-I", "-m", "autoresearch_ci", *words]
        code = supervise(
            argv, cwd=step.workspace, env=env, stopping=step.stopping, on_line=step.hear
        )
    step.log.end_group()
    if code != 0:
        message = _last_message(step.complaints)
        step.error = _fetched_before(message) if fixed else message
    elif step.command in LOOPS and not (step.gate or step.narrator.started):
        # A person asked it not to.
        step.reason = _last_message(step.complaints)
    return code


def _set_up(step: StepOutput, command: str) -> None:
    """The workflow's own preparation, such as installing what the metric needs; sees no secret."""
    step.log.group("setup-command")
    code = supervise(
        ["bash", "-e", "-o", "pipefail", "-c", command],
        cwd=step.workspace,
        env=_without_secrets(_child_environment(step.environment, {})),
        stopping=step.stopping,
        on_line=lambda _, line: step.log.line(f"| {line}"),
        whole_group=True,
    )
    step.log.end_group()
    if code != 0 and step.stopping.since is None:
        raise ConfigError(
            f"input 'setup-command': it ended with exit code {code}; see the log above.\n"
            "do: make it work on this runner; in the container action only Debian's python, git "
            "and bash are there."
        )


def _fetched_before(message: str) -> str:
    """With the advice for who would have `setup-command` fetch what is missing."""
    return message + _TOO_LATE if "fetch-depth" in message else message


def _branches(given: Mapping[str, str], trigger: Trigger) -> str:
    """What the configuration calls our branches; empty where nobody asks, or it cannot be read, of
    which the command line speaks itself."""
    words = arguments(given)
    repairs = words[0] in LOOPS or "--fix" in words
    if not repairs or trigger.event not in ("push", "pull_request"):
        return ""
    with contextlib.redirect_stderr(io.StringIO()), suppress(SystemExit, AutoresearchError):
        options, _ = parsed(make_parser(words), words)
        return effective(options, command=options.command)[0].config.publish.branch
    return ""


def _settled(words: list[str], env: Mapping[str, str], workspace: Path) -> dict[str, str]:
    """What fixes which commits a gate compares, and whose rules hold; nothing where the command
    line is wrong, which it says itself."""
    with contextlib.redirect_stderr(io.StringIO()), suppress(SystemExit):
        options, _ = parsed(make_parser(words), words)
        options.environment = env
        return settled(options, workspace)
    return {}


def _child_environment(environment: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """What the command line sees: ours, without the runner's files and its own tokens."""
    env = {
        name: value
        for name, value in environment.items()
        if name not in (*FILES, ECHO, SETTLED) and not _RUNTIME.search(name)
    }
    return env | {VARIABLES[name]: given[name] for name in VARIABLES if name in given}


def _without_secrets(env: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in env.items()
        if not (is_secret_name(name) or _OF_THE_STEP.match(name) or holds_secret(value))
    }


def _unpublished(words: list[str], command: str) -> list[str]:
    if command == "publish":
        raise ConfigError(
            "nothing can be published for a pull request from a fork.\n"
            "do: leave the job out there: "
            "if: github.event.pull_request.head.repo.full_name == github.repository"
        )
    return [*words, "--publish", "none"] if command in (*LOOPS, "security") else words


def _say(step: StepOutput, code: int) -> None:
    """The annotations that everybody sees, and the end of the log."""
    if step.reason and not step.error:
        step.log.annotate("notice", step.reason)
    told = gate_annotations(step) if step.gate else []
    for level, message, where in told:
        step.log.annotate(level, message, **where)
    if step.error:
        step.log.annotate("error", step.error, title="autoresearch-ci")
    elif code not in (0, INTERRUPTED) and not told:
        step.log.annotate("error", f"autoresearch-ci ended with exit code {code}.")
    step.log.close()


def _last_message(complaints: list[str]) -> str:
    """The message that the command line ended with."""
    begin = "autoresearch-ci: "
    starts = [i for i, line in enumerate(complaints) if line.startswith(begin)]
    if not starts:
        return ""
    return "\n".join(complaints[starts[-1] :]).removeprefix(begin)


def _make_log(environment: Mapping[str, str]) -> Log:
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    return Log(sys.stdout, obeyed=environment.get("GITHUB_ACTIONS") == "true")


def _memory_file(environment: Mapping[str, str]) -> Path:
    """Where a step leaves word for what follows it; nowhere, where no runner gives a folder."""
    folder = environment.get("RUNNER_TEMP")
    return Path(folder) / "autoresearch-ci-step.json" if folder else Path(os.devnull)


def _tag(given: Mapping[str, str]) -> str:
    """The run's name, where the workflow gives one; empty: it is not known before it begins."""
    words = extra_arguments(given)
    return next((value for word, value in pairwise([*words, ""]) if word == "--tag"), "")


def _remember(
    environment: Mapping[str, str],
    *,
    since: float,
    finished: bool,
    tag: str = "",
    command: str = "",
) -> None:
    with suppress(OSError):  # it is for the next step's comfort only
        text = json.dumps({"since": since, "finished": finished, "tag": tag, "command": command})
        _memory_file(environment).write_text(text, encoding="utf-8")


def _memory(environment: Mapping[str, str]) -> dict[str, Any]:
    try:
        found = json.loads(_memory_file(environment).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
