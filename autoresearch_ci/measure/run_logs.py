"""`logs/ITERATION.log`: what the commands of an iteration printed, and how they ended."""

from __future__ import annotations

from pathlib import Path

from autoresearch_ci.events import Stage
from autoresearch_ci.execution.command import CommandResult
from autoresearch_ci.experiment import MetricRun


class RunLogs:
    """Appends; what it is given must have been redacted."""

    def __init__(self, folder: Path, private: Path) -> None:
        """`private`: for what the holdout prints, where no proposer can read it."""
        self._folder = folder
        self._private = private
        self._waiting: list[tuple[int, Stage, CommandResult]] = []

    def add(self, iteration: int, stage: Stage, result: CommandResult) -> None:
        """Keep it until `write`: the command may have filled the disk."""
        self._waiting.append((iteration, stage, result))

    def write(self) -> None:
        """Write down what was added."""
        while self._waiting:
            iteration, stage, result = self._waiting.pop(0)
            ending = result.failure or "exit code 0"
            self._append(
                iteration,
                stage,
                f"[{stage}] $ {result.command}\n{result.output.rstrip()}\n"
                f"[{stage}] {ending} after {result.seconds:.2f} s\n\n",
            )

    def judged(self, iteration: int, stage: Stage, run: MetricRun) -> None:
        """What a rubric's judge said."""
        said = f"[{stage}] rubric: {run.reason or run.value}\n{run.output}\n\n"
        self._append(iteration, stage, said)

    def _append(self, iteration: int, stage: Stage, text: str) -> None:
        folder = self._private if stage == "holdout" else self._folder
        with (folder / f"{iteration}.log").open("a", encoding="utf-8") as file:
            file.write(text)
