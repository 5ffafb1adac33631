"""What a step came to: one value for every output, however it ended, and a summary for people."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from autoresearch_ci.cli.action.child_output import StepOutput
from autoresearch_ci.cli.action.inputs import LOOPS
from autoresearch_ci.cli.action.runner_io import LogLevel
from autoresearch_ci.cli.action.step_summary import (
    comparison_part,
    error_part,
    printed_part,
    published_part,
    reason_part,
    unfinished_part,
    warnings_part,
)
from autoresearch_ci.cli.action.trigger import mapping_at
from autoresearch_ci.decide.metric.taken_back import standing
from autoresearch_ci.decide.security.gate import NEVER
from autoresearch_ci.experiment import NOT_PUBLISHED, Direction, Experiment, Status
from autoresearch_ci.report.run_summary import relative_change, run_summary


def results(step: StepOutput, code: int) -> tuple[dict[str, str], list[str]]:
    """Outputs, and the parts of the summary, the most important first."""
    outputs: dict[str, str] = {}
    parts = [reason_part(step.reason), error_part(step.error, code)]
    if step.gate:
        outputs, report = _gate_findings(step, code)
        parts = [reason_part(step.reason), report or error_part(step.error, code)]
    elif step.command in LOOPS:
        outputs, report = _run_findings(step)
        parts.append(report)
        if code not in (0, 1):
            outputs.pop("verdict", None)
    elif step.command == "debug":
        outputs, report = _investigated(step, code)
        parts.append(report)
    elif result := last_object(step.printed) if code in (0, 1) else {}:
        if step.command == "compare":
            sides = (result["base_values"], result["head_values"])
            values = [median(side) for side in sides if side]
            outputs = comparison_outputs(result, values)
            parts.insert(0, comparison_part(result, values, code))
        else:
            outputs = named_outputs(result)
    elif step.command != "publish":
        parts.append(printed_part(step.printed))
    repairs = "--fix" in step.environment.get("INPUT_ARGS", "").split()
    # A gate publishes nothing else, and tells names of files.
    if repairs or not (step.gate or step.command == "compare"):
        outputs |= published_outputs(own_lines(step.complaints, step.printed, code))
    if step.command == "publish":
        said = (line.partition(NOT_PUBLISHED) for line in step.printed)
        nothing = next((why for before, found, why in said if found and not before), "")
        parts.append(published_part(outputs, nothing))
    if "verdict" not in outputs:
        outputs["verdict"] = "incomplete" if _skipped(step) else verdict(code)
    # What was refused at a keep and again at the end is said once here.
    warnings = [
        w for w in step.narrator.warnings if w.removeprefix(NOT_PUBLISHED) not in step.error
    ]
    return outputs, [*parts, warnings_part(warnings)]


def own_lines(complaints: Sequence[str], printed: Sequence[str], code: int) -> list[str]:
    """What the command itself has said: an error quotes what measured code has printed."""
    if code == 0:
        return [*complaints, *printed]
    starts = [i for i, line in enumerate(complaints) if line.startswith("autoresearch-ci: ")]
    return list(complaints[: starts[0]]) if starts else []


def _run_findings(step: StepOutput) -> tuple[dict[str, str], str]:
    narrator = step.narrator
    if narrator.started is None:
        return {}, ""
    if narrator.finished is None:  # killed: there is no report, but what it told is true
        facts: dict[str, Any] = {
            "branch": narrator.started.branch,
            "config": {"metric.direction": narrator.started.direction},
        }
        started = narrator.started
        report = unfinished_part(started.branch, started.tag, step.command)
        return run_outputs(facts, narrator.experiments), report
    folder = Path(narrator.finished.report_dir)
    try:
        facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        report = (folder / "summary.md").read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        return {}, error_part(f"the report cannot be read: {error}")
    journal = folder / "results.tsv"
    inside = journal.is_relative_to(step.workspace)
    shown = journal.relative_to(step.workspace) if inside else journal
    found = {**run_outputs(facts, narrator.experiments), "journal": str(shown)}
    if narrator.finished.pushed:
        found["branch"] = narrator.finished.pushed
    if narrator.finished.pull_request:
        found["pull-request"] = narrator.finished.pull_request
    return found, report


_OF_A_GATE = {"fix": ("failures", "verdict"), "security": ("findings", "verdict")}
_SPENT = ("cost-usd", "tokens")
"""Of a gate that asks a model."""
_LEVELS: Mapping[str, LogLevel] = {"error": "error", "warning": "warning"}


def _gate_findings(step: StepOutput, code: int) -> tuple[dict[str, str], str]:
    """Outputs and page; nothing of one that did not end with its verdict."""
    result, names = last_object(step.printed), _OF_A_GATE[step.command]
    if not {*names, "folder"} <= result.keys() or code not in (0, 1):
        return {}, ""
    passes = result["verdict"] == verdict(0) or result.get("fail_on") == NEVER
    if (code == 0) != passes:
        return {}, ""
    told = (*names, *_SPENT)
    found = {name: value for name, value in named_outputs(result).items() if name in told}
    try:
        return found, (Path(str(result["folder"])) / "summary.md").read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        return found, error_part(f"the report cannot be read: {error}")


def _investigated(step: StepOutput, code: int) -> tuple[dict[str, str], str]:
    """Of `debug`: outputs and its page; nothing of one that did not come to its end."""
    handed = last_object(step.printed)
    findings = handed.get("findings")
    if code != 0 or not isinstance(findings, list):
        return {}, ""
    found = sum(isinstance(f, Mapping) and f.get("status") == "open" for f in findings)
    whole = handed.get("status") == "COMPLETE"
    verdict = "found" if found else "nothing" if whole else "incomplete"
    folder = step.workspace / f"autoresearch/debug-{handed.get('tag')}"
    outputs = {"findings": str(found), "verdict": verdict}
    if (table := folder / "debug-results.tsv").exists():
        outputs["journal"] = str(table.relative_to(step.workspace))
    pages = ("summary.md", "findings.md")
    try:
        return outputs, "\n\n".join((folder / name).read_text("utf-8") for name in pages)
    except (OSError, ValueError):  # it was told to write elsewhere
        return outputs, printed_part([json.dumps(handed, indent=2)])


def gate_annotations(step: StepOutput) -> list[tuple[LogLevel, str, dict[str, str]]]:
    """What a gate wants to be said beside lines: level, message, and where."""
    told = last_object(step.printed).get("annotations")
    return [
        (
            _LEVELS.get(str(item.get("level")), "warning"),
            str(item.get("message", "")),
            {
                "title": str(item.get("title", "")),
                "file": str(item.get("path", "")),
                "line": str(item.get("line") or ""),
            },
        )
        for item in (told if isinstance(told, list) else [])
        if isinstance(item, dict)
    ]


def _skipped(step: StepOutput) -> bool:
    return bool(step.reason) and not step.narrator.started and not step.printed


OUTPUTS = (
    "improved",
    "baseline",
    "best",
    "delta-percent",
    "ci-low",
    "ci-high",
    "kept",
    "iterations",
    "branch",
    "pull-request",
    "journal",
    "cost-usd",
    "tokens",
    "findings",
    "failures",
    "verdict",
)
"""In the order of action.yml. A value that is not known, or has no meaning, is empty."""

_PUBLISHED = {
    "branch": re.compile(r"(?:pushed|branch): (\S+)"),
    "pull-request": re.compile(r"(?:published|pull request): (https?://\S+)"),
}


def verdict(exit_code: int | None) -> str:
    """`pass`, `fail`, or `incomplete` for everything that is neither: a gate fails closed."""
    return {0: "pass", 1: "fail"}.get(-1 if exit_code is None else exit_code, "incomplete")


def no_outputs(exit_code: int | None = None) -> dict[str, str]:
    """All outputs, of a step that has found nothing (yet)."""
    empty = dict.fromkeys(OUTPUTS, "")
    return {**empty, "improved": "false", "kept": "0", "verdict": verdict(exit_code)}


def run_outputs(facts: Mapping[str, Any], experiments: Sequence[Experiment]) -> dict[str, str]:
    """From `run.json`; where a killed run has left none, from the experiments it told of."""
    totals = mapping_at(facts, "totals") or _totals(experiments)
    config = mapping_at(facts, "config")
    sign = -1 if config.get("metric.direction") == Direction.MINIMIZE else 1
    confirmed = mapping_at(facts, "confirmation")
    kept = totals.get("kept") or 0
    baseline = totals.get("baseline")
    change = relative_change(baseline, totals.get("best"))
    doubted = facts.get("hard_to_believe") or any(e.hard_to_believe for e in standing(experiments))
    unasked = config.get("confirm.mode") == "never"  # else what was not confirmed did not hold
    held = kept and confirmed.get("holds", unasked) and not doubted
    found = {
        "improved": "true" if held else "false",
        "baseline": _text(baseline),
        "best": _text(totals.get("best")),
        "delta-percent": _percent(change),
        "kept": _text(kept),
        # Empty where nothing was measured: then there is no bundle, and no second job.
        "iterations": _text(totals.get("iterations") if baseline is not None else None),
        "branch": _text(facts.get("branch") if kept else None),
        "cost-usd": _text(totals.get("cost_usd")),
        "tokens": _text(totals.get("tokens")),
    }
    if repairs := mapping_at(facts, "repairs"):
        left = repairs.get("left") if repairs.get("looked") else totals.get("best")
        found |= {"failures": _whole(left), "verdict": _text(repairs.get("verdict"))}
    continued = facts.get("origin") and facts.get("origin") != facts.get("base")
    if continued and not (confirmed or repairs):
        # One night's numbers are not what its pull request is about.
        found |= {"improved": "false", "baseline": "", "delta-percent": ""}
    if confirmed:  # the headline: base and head measured again, in the metric's own sign
        ends = [confirmed.get(end) for end in ("ci_low", "ci_high")]
        known = [sign * end for end in ends if end is not None]  # JSON has no word for infinity
        low, high = sorted(known) if len(known) == 2 else (None, None)
        found |= {
            "baseline": _text(confirmed["base"]),
            "best": _text(confirmed["head"]),
            "delta-percent": _percent(sign * confirmed["gain"]),
            "ci-low": _percent(low),
            "ci-high": _percent(high),
        }
    return found


def comparison_outputs(result: Mapping[str, Any], values: Sequence[float]) -> dict[str, str]:
    """From what `compare --json` prints; `values` are the medians of base and head, where anything
    was measured.

    The percentages are the gain: positive is better, whichever way the metric goes.
    """
    if not values:
        return {"improved": "false"}
    found = mapping_at(result, "comparison")
    believed = not (result.get("guard") or result.get("foul"))
    return {
        "improved": "true" if believed and found.get("verdict") == "improved" else "false",
        "baseline": _text(values[0]),
        "best": _text(values[1]),
        "delta-percent": _percent(found.get("gain")),
        "ci-low": _percent(found.get("low")),
        "ci-high": _percent(found.get("high")),
    }


def named_outputs(result: Mapping[str, Any]) -> dict[str, str]:
    """Of any other command: the members of its JSON object that are called like an output."""
    names = {key.replace("_", "-"): value for key, value in result.items()}
    return {name: _text(names[name]) for name in OUTPUTS if name in names}


def published_outputs(lines: Sequence[str]) -> dict[str, str]:
    """Where a command says that it has pushed, and the pull request that it opened or updated."""
    found = (
        (name, match[1])
        for line in lines
        for name, pattern in _PUBLISHED.items()
        if (match := pattern.fullmatch(line))
    )
    return dict(found)


def last_object(lines: Sequence[str]) -> dict[str, Any]:
    """The last line that is a JSON object; empty when there is none, or an error instead of it."""
    for line in reversed(lines):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return {} if found.get("event") == "error" else found
    return {}


def _totals(experiments: Sequence[Experiment]) -> dict[str, Any]:
    result = run_summary(experiments)
    return {
        "kept": len(result.kept),
        "baseline": result.baseline,
        "best": result.best,
        "iterations": sum(e.status is not Status.BASELINE for e in experiments),
        "tokens": sum(e.tokens for e in experiments),
        "cost_usd": sum(e.cost_usd for e in experiments),
    }


def _percent(fraction: float | None) -> str:
    return "" if fraction is None else _text(float(f"{fraction * 100:.4g}") + 0.0)


def _whole(value: object) -> str:
    known = isinstance(value, int | float) and math.isfinite(value)
    return str(round(value)) if known and isinstance(value, int | float) else ""


def _text(value: object) -> str:
    """As JSON writes it, so that a workflow's fromJSON() reads it; text as it is, on one line."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, str):
        return " ".join(value.split())
    return json.dumps(value)
