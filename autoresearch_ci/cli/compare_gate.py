"""What `compare` found, in words, and whether a gate on it fails.

Pure but for the file of a claim; measuring is compare.py's business.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from autoresearch_ci.decide.metric.noise import Comparison, ComparisonResult
from autoresearch_ci.errors import ConfigError, GateFailed
from autoresearch_ci.experiment import Direction
from autoresearch_ci.report.claim import Claim, ClaimRow, judged, read_claim, side_by_side
from autoresearch_ci.report.run_summary import change_interval, paired_change
from autoresearch_ci.safety.log_text import json_text
from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import MIB, Unreadable
from autoresearch_ci.safety.wording import percent

_FAIL_ON = re.compile(r"regression(?::(?P<margin>[0-9]+(?:\.[0-9]+)?)\s*%)?|claim-not-reproduced")
_CLAIM_BYTES = MIB


@dataclass(frozen=True, kw_only=True)
class Gate:
    """`--fail-on`: what makes the comparison fail."""

    regression: float | None = None
    """Relative loss beyond which a detected regression fails; `None`: not asked."""
    claim: Claim | None = None
    """`None`: not asked."""


@dataclass(frozen=True, kw_only=True)
class CompareResult:
    """What the comparison found."""

    metric: str
    direction: Direction
    comparison: Comparison
    base_values: list[float]
    """Empty: nothing was measured, because nothing in scope differs."""
    head_values: list[float]
    not_compared: list[str]
    """Files that differ and are the base commit's on both sides."""
    foul: str = ""
    """How the head plays against the ruler; empty when nothing was found, or nobody asked."""
    guard: str = ""
    """Which guard fails on the head alone, and how; empty: none of those that the base passes."""
    host: str = ""
    """The machine in a few words."""
    claim: Claim | None = None
    """What it is held against."""
    claim_remarks: tuple[str, ...] = ()
    """What to know when the two are read side by side."""

    def sentence(self) -> str:
        """One line for people."""
        left_out = f"; not compared: {few(self.not_compared)}" if self.not_compared else ""
        left_out += "".join(f"; {words}" for words in (self.foul, self.guard) if words)
        return f"{self.comparison.verdict}: {self._change()}{left_out}"

    def _change(self) -> str:
        found, n = self.comparison, len(self.base_values)
        if not n:
            return "nothing was measured"
        return paired_change(
            self.metric,
            (median(self.base_values), median(self.head_values)),
            change_interval(self.direction, found.gain, found.low, found.high),
            (n, n),
        ).replace("→", "->")

    @property
    def beside_claim(self) -> list[ClaimRow]:
        """What was claimed and what was measured; empty without a claim."""
        if self.claim is None:
            return []
        values = median(self.base_values), median(self.head_values)
        return side_by_side(self.claim, self.comparison, values, self.direction, self.host)

    def as_json(self) -> str:
        facts = dataclasses.asdict(self)
        facts["direction"] = str(self.direction)
        facts["comparison"]["verdict"] = str(self.comparison.verdict)
        facts["beside_claim"] = self.beside_claim
        return json_text(facts)


def parse_gate(words: list[str], claim: Path | None) -> Gate:
    """`regression`, `regression:1%`, `claim-not-reproduced`. Raises `ConfigError`."""
    gate = Gate()
    for word in words:
        match = _FAIL_ON.fullmatch(word)
        if not match:
            raise ConfigError(
                f"--fail-on {word!r}: expected regression, regression:1% or claim-not-reproduced."
            )
        if word == "claim-not-reproduced":
            gate = dataclasses.replace(gate, claim=_claimed(claim))
        else:
            gate = dataclasses.replace(gate, regression=float(match["margin"] or 0) / 100)
    if claim and gate.claim is None:
        raise ConfigError("--claim is checked by --fail-on claim-not-reproduced only.")
    return gate


def apply(gate: Gate, result: CompareResult) -> None:
    """Raise `GateFailed` when the comparison is what the gate refuses."""
    if result.foul and (gate.regression is not None or gate.claim is not None):
        raise GateFailed(
            f"{result.foul}: its numbers prove nothing. {result.sentence()}\n"
            "do: set `gaming: warn` in the base's configuration if that is meant."
        )
    if result.guard and (gate.regression is not None or gate.claim is not None):
        raise GateFailed(f"{result.guard}; {dataclasses.replace(result, guard='').sentence()}")
    found = result.comparison
    regressed = found.verdict is ComparisonResult.REGRESSED
    if gate.regression is not None and regressed and -found.gain > gate.regression:
        raise GateFailed(f"regression: {result.sentence()}")
    if gate.claim is not None:
        refusal = judged(gate.claim, found, result.host, median(result.base_values)).refusal
        if refusal:
            least = change_interval(result.direction, gate.claim.low, 0, 0)[0]
            remarks = "".join(f"\n{remark}" for remark in result.claim_remarks)
            raise GateFailed(
                f"claim not reproduced, {refusal}: at least {percent(least)} was claimed, but "
                f"{result.sentence()}{remarks}"
            )


def few(paths: Sequence[str]) -> str:
    return ", ".join(paths[:5]) + (", ..." if len(paths) > 5 else "")


def _claimed(path: Path | None) -> Claim:
    """What a run.json, or the headline in a Markdown text, claims. Raises `ConfigError`."""
    if path is None:
        raise ConfigError("--fail-on claim-not-reproduced needs --claim FILE (run.json or a body).")
    try:
        text = file_bytes(path, _CLAIM_BYTES).decode(errors="replace")
    except Unreadable as error:
        raise ConfigError(f"--claim {path} {error}; expected a run.json or a summary.") from error
    except OSError as error:
        raise ConfigError(f"--claim {path}: {error.strerror}") from error
    return read_claim(text, str(path), _CLAIM_BYTES)
