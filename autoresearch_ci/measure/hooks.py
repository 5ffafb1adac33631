"""The user's own git hooks, asked about a candidate as git would ask them."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from autoresearch_ci.experiment import GuardRun
from autoresearch_ci.measure.commands import MeasuredCommands
from autoresearch_ci.record.durable_records import Attempt

_ASKED = ("pre-commit", "commit-msg")


def hooks_refusal(
    commands: MeasuredCommands, folder: Path | None, attempt: Attempt, parent: str
) -> GuardRun | None:
    """The first hook in `folder` that refuses the candidate; `None`: none does."""
    hooks = [folder / name for name in _ASKED] if folder else []
    for hook in hooks:
        if os.access(hook, os.X_OK):
            refusal = _refusal(commands, hook, attempt, parent)
            if refusal:
                return refusal
    return None


def _refusal(
    commands: MeasuredCommands, hook: Path, attempt: Attempt, parent: str
) -> GuardRun | None:
    tree = commands.tree
    with commands.placed(attempt.changes):
        tree.pretend_repository(parent, attempt.commit)
        message = tree.layout.temporary / "COMMIT_EDITMSG"
        message.write_text(f"experiment: {attempt.description}\n", encoding="utf-8")
        tree.sandbox.own(message)
        words = [str(hook), *([str(message)] if hook.name == "commit-msg" else [])]
        result = commands.run(attempt.iteration, "guard", shlex.join(words))
    if not result.failure:
        return None
    reason = f"the {hook.name} hook refused it: {result.failure}"
    return GuardRun(command=hook.name, passed=False, reason=reason, output=result.tail)
