"""Any agent CLI as a proposer: prompt in, edited folder out.

The truth is what differs in the draft tree afterwards; exit code and words are advisory. A run that
is cut off by its timeout proposes nothing: half an edit is not worth a measurement, and its
difference would be judged as if somebody had meant it. What the prompt says is the caller's
business; how the known CLIs are called is agent_presets.py's.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path

from autoresearch_ci.config.proposers import Agent
from autoresearch_ci.errors import ProposerError
from autoresearch_ci.execution.command import CommandResult, Stop, run_command
from autoresearch_ci.execution.environment import UNATTENDED, clean_environment
from autoresearch_ci.execution.telling_line import last_lines
from autoresearch_ci.experiment import Proposal, Spent, Tree
from autoresearch_ci.propose.agent_presets import (
    DESCRIPTION_LENGTH,
    PRESETS,
    AgentCall,
    AgentReport,
    Preset,
    complaint,
    diff_words,
    keys_of,
    plain_says,
    sentence,
)
from autoresearch_ci.propose.proposer import (
    Context,
    CostlyProposerError,
    EditError,
    Request,
    nothing_to_do,
)
from autoresearch_ci.safety.prompt_text import line
from autoresearch_ci.safety.redaction import Redactor
from autoresearch_ci.safety.secret_values import secret_values
from autoresearch_ci.workspace.draft_tree import Drafted, DraftTree

PROMPT_FILE = "{prompt_file}"
"""Stands for the file that holds the prompt; a command without it reads its standard input."""
MAX_FAILURES = 3
"""Calls in a row that fail without changing anything: a key, a quota or a flag, not bad luck."""

CLOSING = """

Edit the files in the current folder directly; do not only describe the change. Do not commit.
Make one focused change, then stop. End your last message with one line:
DESCRIPTION: <one sentence that says what you changed and why it should help>
"""
"""What follows the prompt, for every agent."""
CLOSING_OF_REPAIR = """

Edit the files in the current folder directly; do not only describe the change. Do not commit.
Make one focused repair, then stop. End your last message with one line:
DESCRIPTION: <one sentence that says what you changed and why it mends the failure>
If nothing is to be changed, edit nothing and end with this line instead:
DESCRIPTION: nothing to do: <the reason, with the evidence>
"""
_SHOWN_REFUSALS = 5
_HEARD = 1 << 25
"""Characters of lines that are counted."""


def closing(context: Context) -> str:
    """What follows the prompt: how to answer."""
    return CLOSING if context.aim is None else CLOSING_OF_REPAIR


@dataclass(eq=False, repr=False)
class AgentCliProposer:
    """Runs an agent CLI in the draft tree and proposes the difference."""

    agent: Agent
    _: KW_ONLY
    prompt: Callable[[Context], str]
    draft: DraftTree
    inherit: Mapping[str, str]
    """Our environment, the keys included."""
    stop: Stop | None = None
    note: Callable[[str], None] = lambda _: None
    logs: Path | None = None
    """Gets `<iteration>.log`."""
    redactor: Redactor | None = None
    paid: Callable[[Spent], None] = lambda cost: None
    """Is told what each call cost, as soon as it is known."""
    _failures: int = 0

    def __post_init__(self) -> None:
        """Raises `ProposerError` when the program, its key or its model is missing."""
        self._preset = PRESETS[self.agent.preset] if self.agent.preset else None
        self._passed = _passed(self.agent, self._preset, self.inherit)
        self._redact = (self.redactor or Redactor(secret_values(self._passed))).redact
        _refuse_missing_program(self.agent, self._preset, self.inherit)

    def propose(self, context: Context) -> Proposal:
        """What the agent changed; no edits when it changed nothing that counts.

        Raises `EditError` when there is no money left to ask it, `ProposerError` when it fails
        again and again without doing anything.
        """
        left = context.remaining
        if any(most is not None and most <= 0 for most in (left.most_usd, left.most_tokens)):
            raise EditError(
                "the budget of money or tokens is used up",
                description="no proposal",
                proposer=self.agent.name,
            )
        previous = context.previous.edits if context.previous else ()
        self.draft.reset(previous if context.request is not Request.PROPOSE else ())
        heard: list[str] = []
        result = self._run(context, heard)
        drafted = Drafted() if result.timed_out else self.draft.collect()
        said = self._said(result, drafted, heard)
        self.paid(Spent(tokens=said.tokens, cost_usd=said.cost_usd))
        nothing = _nothing(context, result, drafted, said)
        useless = bool(_failure(result, said)) and not drafted.edits and not drafted.refusals
        self._report(context, result, drafted, said)
        self._count_failures(result, said, useless=useless)
        return Proposal(
            description=nothing or self._description(result, drafted, said, context.incumbent),
            edits=drafted.edits,
            proposer=self.agent.name,
            tokens=said.tokens,
            cost_usd=said.cost_usd,
            failed=useless,
        )

    def _run(self, context: Context, heard: list[str]) -> CommandResult:
        counted, room = self._preset.counted if self._preset else "", _HEARD

        def hear(line: str) -> None:
            nonlocal room
            if counted and line.startswith(counted) and len(line) <= room:
                heard.append(line)
                room -= len(line)

        draft, left = self.draft, context.remaining
        prompt_file = draft.exchange / "prompt.md"
        prompt_file.write_bytes((self.prompt(context) + closing(context)).encode(errors="replace"))
        for name, text in (self._preset.home_files if self._preset else {}).items():
            target = draft.home / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        for folder in (draft.exchange, draft.home):
            draft.sandbox.own_all(folder)
        call = AgentCall(
            model=self.agent.model,
            max_usd=min(
                (usd for usd in (self.agent.max_usd, left.most_usd) if usd is not None),
                default=None,
            ),
            tree=draft.tree,
            prompt_file=prompt_file,
            files=tuple(context.incumbent.paths()) if self._preset else (),
        )
        return run_command(
            _call(self.agent, self._preset, call),
            cwd=draft.tree,
            env=clean_environment(
                {**UNATTENDED, **self._passed},
                home=draft.home,
                tmp=draft.temporary,
                inherit=self.inherit,
            ),
            timeout=self._timeout(left.seconds),
            stop=self.stop,
            on_line=hear,
            enter=draft.sandbox.enter(network=True),
            apart=True,
        ).redacted(self._redact)

    def _timeout(self, left: float | None) -> float:
        """Seconds, of which the run may have fewer `left` than the agent is allowed."""
        return self.agent.timeout if left is None else min(self.agent.timeout, max(1.0, left))

    def _said(self, result: CommandResult, drafted: Drafted, heard: Sequence[str]) -> AgentReport:
        # What a child of the CLI's prints when that has ended is not what it says.
        words = f"{result.stdout.in_time}\n{result.stderr.in_time}"
        plain = plain_says(words)
        said = self._preset.says("\n".join([*heard, words])) if self._preset else plain
        said = said if said.message else replace(said, message=plain.message)
        if said.error or drafted.edits or drafted.refusals or nothing_to_do(said.message):
            return said
        # Some are turned away with exit code 0 and a polite answer.
        return replace(said, error=complaint(said.message or _ending(result)))

    def _description(
        self, result: CommandResult, drafted: Drafted, said: AgentReport, incumbent: Tree
    ) -> str:
        if not drafted.edits:
            why = self._why_nothing(result, drafted, said)
            return line(f"no change: {why}", DESCRIPTION_LENGTH)
        words = sentence(said.message)
        return words or line(diff_words(drafted.edits, incumbent), DESCRIPTION_LENGTH)

    def _why_nothing(self, result: CommandResult, drafted: Drafted, said: AgentReport) -> str:
        if result.timed_out:
            cost = "and what it cost is not known"
            if said.tokens or said.cost_usd:
                cost = "and what it cost is counted as far as it was told"
            return (
                f"{self.agent.name} timed out after {result.seconds:.0f} s; what it had edited "
                f"is discarded, {cost}"
            )
        if drafted.refusals:
            return f"everything edited was refused: {_first(drafted.refusals)}"
        if how := _failure(result, said):
            words = [said.error] if said.error else result.tail.strip().splitlines()[-1:]
            return ": ".join([f"{self.agent.name} {how}", *words])
        return f"{self.agent.name} left every file as it is"

    def _report(
        self, context: Context, result: CommandResult, drafted: Drafted, said: AgentReport
    ) -> None:
        if drafted.refusals and drafted.edits:
            self.note(f"{self.agent.name}: dropped {_first(drafted.refusals)}")
        elif not drafted.edits:
            self.note(f"{self.agent.name}: {self._why_nothing(result, drafted, said)}")
        if self.logs is None:
            return
        with (self.logs / f"{context.iteration}.log").open(
            "a", encoding="utf-8", errors="backslashreplace"
        ) as file:
            refusals = "".join(f"[propose] dropped {refusal}\n" for refusal in drafted.refusals)
            ending = "timed out" if result.timed_out else f"exit code {result.exit_code}"
            file.write(
                f"[propose] $ {result.command}\n{result.output.rstrip()}\n"
                f"{self._redact(refusals)}[propose] {ending} after {result.seconds:.2f} s\n\n"
            )

    def _count_failures(self, result: CommandResult, said: AgentReport, *, useless: bool) -> None:
        self._failures = self._failures + 1 if useless else 0
        missing = result.exit_code in (126, 127)
        if not self._failures or (self._failures < MAX_FAILURES and not missing):
            return
        times = "" if missing else f", {self._failures} times in a row"
        words = f": {line(said.error, DESCRIPTION_LENGTH)}" if said.error else "."
        raise CostlyProposerError(
            f"the proposer {self.agent.name} {_failure(result, said)} and changed nothing"
            f"{times}{words}\n"
            "usually: a program that is not installed or lies where it may not read "
            "(`sandbox.read`), a key that is wrong or out of credit, a "
            "usage limit, a login that is missing, a flag that this version does not know, or a "
            "`timeout` that is too short.\n"
            "do: run the command by hand; it gets a clean HOME and only the variables that its "
            "preset, `env` and `pass_env` name. Its last output:\n" + _ending(result),
            tokens=said.tokens,
            cost_usd=said.cost_usd,
        )


def _nothing(context: Context, result: CommandResult, drafted: Drafted, said: AgentReport) -> str:
    """The answer that nothing is to be changed; empty: it is none, or not one to this request."""
    asked = context.aim is not None and context.request is Request.PROPOSE
    if not asked or drafted.edits or drafted.refusals or _failure(result, said):
        return ""
    return line(nothing_to_do(said.message), DESCRIPTION_LENGTH)


def _failure(result: CommandResult, said: AgentReport) -> str:
    """How a call failed; empty when it did not. What was edited counts all the same."""
    if result.timed_out:
        return "took too long"
    if result.exit_code:
        return f"ended with exit code {result.exit_code}"
    return "reports an error" if said.error else ""


def _ending(result: CommandResult) -> str:
    return last_lines(result.tail, 10)


def refuse_unusable(agent: Agent, environment: Mapping[str, str]) -> None:
    """Raises `ProposerError` when the program, its key or its model is missing."""
    preset = PRESETS[agent.preset] if agent.preset else None
    _passed(agent, preset, environment)
    _refuse_missing_program(agent, preset, environment)


def _passed(agent: Agent, preset: Preset | None, inherit: Mapping[str, str]) -> dict[str, str]:
    """What this program gets besides the toolchain's environment."""
    names = list(agent.pass_env)
    if preset:
        keys = keys_of(preset, agent.model)
        if not keys:
            raise ProposerError(
                f"the proposer {agent.preset} needs `model: provider/model`, such as "
                "anthropic/claude-sonnet-5-5: the provider says which key it gets."
            )
        if not any(inherit.get(key) or agent.env.get(key) for key in keys):
            raise ProposerError(
                f"the proposer {agent.preset} needs {' or '.join(keys)}, which is not set.\n"
                "do: set it; in a workflow:\n"
                f"    env:\n      {keys[0]}: ${{{{ secrets.{keys[0]} }}}}"
            )
        names += [*keys, *preset.variables]
    passed = {name: inherit[name] for name in names if inherit.get(name)}
    return {**(preset.settings if preset else {}), **passed, **agent.env}


def _refuse_missing_program(
    agent: Agent, preset: Preset | None, inherit: Mapping[str, str]
) -> None:
    """What can be known before the first call; a path relative to the draft tree cannot."""
    program = preset.program if preset else _first_word(agent.command or ())
    if "/" in program and not Path(program).is_absolute():
        return
    if not program or shutil.which(program, path=inherit.get("PATH", os.defpath)):
        return
    # A word that only the shell knows (`cd`, `for`) is one, too.
    shell = isinstance(agent.command, str) and not preset
    if shell and run_command(f"type {program}", cwd=Path("/"), env={}).exit_code == 0:
        return
    cure = preset.install if preset else "install it, or give its full path."
    raise ProposerError(
        f"the proposer {agent.name} needs the program {program!r}, which is not on PATH.\n"
        f"do: {cure}"
    )


def _first_word(command: str | tuple[str, ...]) -> str:
    """The program of an argv, or of a shell line that begins with a plain word."""
    if not isinstance(command, str):
        return command[0] if command else ""
    match = re.match(r"\s*([\w./+-]+)(?=\s|$)", command)
    return match[1] if match else ""


def _call(agent: Agent, preset: Preset | None, call: AgentCall) -> str | list[str]:
    """The command line, its standard input being the prompt unless it names the prompt's file."""
    path = str(call.prompt_file)
    if preset:
        argv, stdin = [preset.program, *preset.arguments(call)], preset.stdin
    elif isinstance(agent.command, str):
        if PROMPT_FILE in agent.command:
            return agent.command.replace(PROMPT_FILE, shlex.quote(path))
        return f"exec <{shlex.quote(path)}\n{agent.command}"
    else:
        command = agent.command or ()
        argv = [word.replace(PROMPT_FILE, path) for word in command]
        stdin = not any(PROMPT_FILE in word for word in command)
    return ["/bin/sh", "-c", 'exec "$@" <"$0"', path, *argv] if stdin else argv


def _first(refusals: Sequence[str]) -> str:
    """The first few refusals."""
    more = len(refusals) - _SHOWN_REFUSALS
    return "; ".join(refusals[:_SHOWN_REFUSALS]) + (f"; and {more} more" if more > 0 else "")
