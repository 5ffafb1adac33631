"""The tools' own fixers as a proposer: one rule at a time, before any model is asked.

A fixer is repository code (its plugins and settings are): it runs confined, in a draft, and only
what differs there afterwards counts, as with an agent. Which fixer mends what is fixers.py's
business; whether anything is mended, the keep rule's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoresearch_ci.decide.failures.failure import Failure, summary
from autoresearch_ci.decide.failures.repair_order import Aim
from autoresearch_ci.execution.command import CommandResult, Stop, run_command
from autoresearch_ci.experiment import Experiment, FileEdit, Proposal, Status
from autoresearch_ci.propose.fixers import SCRIPT, TEMPORARY, FixerCall, calls
from autoresearch_ci.propose.proposer import Context, NothingLeft, Proposer, Request
from autoresearch_ci.safety.prompt_text import line
from autoresearch_ci.workspace.draft_tree import DraftTree

NAME = "autofix"
"""In the journal's `proposer` column."""
TIMEOUT = 900.0
"""Seconds of one fixer; clippy compiles everything before it mends anything."""
MOST_FILES = 5_000
"""That one rule may mend."""
_DESCRIPTION = 160
"""Characters."""
_SHOWN = 5
"""Refusals that a note lists."""


@dataclass(frozen=True, kw_only=True)
class FixerContext:
    """Where fixers run, and with what."""

    draft: DraftTree
    environment: Callable[[], Mapping[str, str]]
    """Of one command, when the draft is in place: no secret is in it."""
    stop: Stop | None = None
    note: Callable[[str], None] = lambda _: None
    redact: Callable[[str], str] = str
    logs: Path | None = None
    """Gets `<iteration>.log`."""

    def run(self, call: FixerCall, left: float | None) -> CommandResult:
        """In the draft as it is; `left`: seconds that there are for it."""
        draft = self.draft
        script = draft.exchange / "fixer.cjs"
        if call.fixer.script:
            script.write_text(call.fixer.script, encoding="utf-8")
            draft.sandbox.own_all(draft.exchange)
        places = {SCRIPT: str(script), TEMPORARY: str(draft.temporary)}
        own = {
            k: v.replace(TEMPORARY, places[TEMPORARY]) for k, v in call.fixer.environment.items()
        }
        result = run_command(
            [places.get(word, word) for word in call.argv],
            cwd=draft.tree / call.folder,
            env={**self.environment(), **own},
            timeout=TIMEOUT if left is None else min(TIMEOUT, max(1.0, left)),
            stop=self.stop,
            enter=draft.sandbox.enter(),
        )
        draft.sandbox.sweep()
        return result.redacted(self.redact)

    def report(
        self, call: FixerCall, iteration: int, result: CommandResult, dropped: Sequence[str] = ()
    ) -> None:
        """Logs a run, and notes what is not taken of it."""
        dropped = [line(self.redact(words), 300) for words in dropped]
        if dropped:
            more = f"; and {len(dropped) - _SHOWN} more" if len(dropped) > _SHOWN else ""
            words = "; ".join(dropped[:_SHOWN])
            self.note(f"{NAME}: {call.fixer.name}: {words}{more}")
        if self.logs is None:
            return
        with (self.logs / f"{iteration}.log").open(
            "a", encoding="utf-8", errors="backslashreplace"
        ) as file:
            told = "".join(f"[propose] {words}\n" for words in dropped)
            ending = result.failure or "exit code 0"
            file.write(
                f"[propose] $ {result.command}\n{result.output.rstrip()}\n"
                f"{told}[propose] {ending} after {result.seconds:.2f} s\n\n"
            )


class Autofix:
    """Proposes what a tool's own fixer makes of the rule behind the failure aimed at."""

    def __init__(self, workshop: FixerContext) -> None:
        self._workshop = workshop
        self._idle: set[tuple[str, str]] = set()
        """What came to nothing, with the incumbent of then: it would again."""

    def propose(self, context: Context) -> Proposal | None:
        """`None`: no fixer mends this failure, or what it made of the rule was not kept.

        Its own ideas it does not repair: there was no thought behind them.
        """
        if context.aim is None or context.request is not Request.PROPOSE:
            return None
        incumbent = _incumbent(context.history)
        for call in calls(context.aim):
            if (incumbent, call.mark) in self._idle or _tried(call, context):
                continue
            edits = self._edits(call, context)
            if edits:
                return Proposal(
                    description=self._description(call, edits, context.aim),
                    edits=edits,
                    proposer=NAME,
                )
            self._idle.add((incumbent, call.mark))
        return None

    def _edits(self, call: FixerCall, context: Context) -> tuple[FileEdit, ...]:
        """What the fixer has changed that is its to change."""
        shop = self._workshop
        shop.draft.reset()
        if not (shop.draft.tree / call.folder).is_dir():
            return ()
        result = shop.run(call, context.remaining.seconds)
        if why := broken(call, result):
            shop.report(call, context.iteration, result, [why])
            return ()
        drafted = shop.draft.collect()
        known = set(context.incumbent.paths())
        dropped = {edit.path: _foreign(call, edit, known) for edit in drafted.edits}
        untaken = [*filter(None, dropped.values()), *drafted.refusals]
        shop.report(call, context.iteration, result, untaken)
        return tuple(edit for edit in drafted.edits if not dropped[edit.path])

    def _description(self, call: FixerCall, edits: Sequence[FileEdit], aim: Aim) -> str:
        where = edits[0].path if len(edits) == 1 else f"{len(edits)} files"
        said = f" ({aim.failure.message})" if call.rule and aim.failure.message else ""
        return line(self._workshop.redact(f"{call.mark}{where}{said}"), _DESCRIPTION)


class WithoutModel:
    """A proposer that asks no model: when it has nothing left, it says what would need one."""

    def __init__(self, proposer: Proposer) -> None:
        self._proposer = proposer

    def propose(self, context: Context) -> Proposal | None:
        """Raises `NothingLeft`."""
        found = self._proposer.propose(context)
        if found is None and context.aim and context.request is Request.PROPOSE:
            raise NothingLeft(needs_model((context.aim.failure, *context.aim.others)))
        return found


def needs_model(failures: Sequence[Failure]) -> str:
    """Why a run ends that may ask no model, and what to give it; one line."""
    first = line(failures[0].id, 100)
    return (
        f"no tool's own fixer mends {first}; what is left ({summary(failures)}) needs a model: "
        "set ANTHROPIC_API_KEY, or --proposer claude-code, codex, gemini, ..."
    )


def _incumbent(history: Sequence[Experiment]) -> str:
    """Names the code that a proposal would change."""
    kept = (row.commit for row in reversed(history) if row.status in (Status.KEEP, Status.BASELINE))
    return next(kept, "")


def _tried(call: FixerCall, context: Context) -> bool:
    """Whether this was proposed for this very incumbent, and not kept.

    A description can have been withheld; then what was aimed at this failure counts.
    """
    aimed = {row.iteration for row in context.aim.tried} if context.aim else set()
    for row in reversed(context.history):
        if row.status in (Status.KEEP, Status.BASELINE):
            return False
        if row.proposer != NAME:
            continue
        if row.description.startswith(call.mark):
            return True
        if row.iteration in aimed and not _is_marked(row, context):
            return True
    return False


def _is_marked(row: Experiment, context: Context) -> bool:
    aim = context.aim
    return aim is not None and any(row.description.startswith(call.mark) for call in calls(aim))


def broken(call: FixerCall, result: CommandResult) -> str:
    """Why nothing that the fixer did is believed; empty: it ended as it does."""
    if result.timed_out or result.exit_code not in call.fixer.ended:
        return result.reason or f"exit code {result.exit_code}"
    return ""


def _foreign(call: FixerCall, edit: FileEdit, known: set[str]) -> str:
    """Why a change cannot be this fixer's work; empty: it can."""
    if edit.content is None:
        return f"dropped {edit.path}: a fixer deletes no file"
    if edit.path not in known and not call.fixer.creates:
        return f"dropped {edit.path}: a fixer makes no file"
    if call.fixer.endings and not edit.path.endswith(call.fixer.endings):
        return f"dropped {edit.path}: no file that {call.fixer.name} mends"
    return ""
