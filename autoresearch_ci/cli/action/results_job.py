"""What a step came to: outputs for later steps, and a summary for people."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

from autoresearch_ci.cli.action import page
from autoresearch_ci.cli.action.results import (
    comparison_outputs,
    last_object,
    named_outputs,
    published_outputs,
    run_outputs,
    verdict,
)
from autoresearch_ci.cli.action.step import Step


def results(step: Step, code: int) -> tuple[dict[str, str], list[str]]:
    """Outputs, and the parts of the summary, the most important first."""
    outputs: dict[str, str] = {}
    parts = [page.reason_part(step.reason), page.error_part(step.error)]
    if step.command == "run":
        outputs, report = _run_findings(step)
        parts.append(report)
    elif result := last_object(step.printed):
        if step.command == "compare":
            values = [median(result[side]) for side in ("base_values", "head_values")]
            outputs = comparison_outputs(result, values)
            parts.insert(0, page.comparison_part(result, values, code))
        else:
            outputs = named_outputs(result)
    else:
        parts.append(page.printed_part(step.printed))
    if code == 0:  # an error quotes what measured code has printed
        outputs |= published_outputs([*step.complaints, *step.printed])
    outputs["verdict"] = "incomplete" if _skipped(step) else verdict(code)
    return outputs, [*parts, page.warnings_part(step.narrator.warnings)]


def _run_findings(step: Step) -> tuple[dict[str, str], str]:
    narrator = step.narrator
    if narrator.started is None:
        return {}, ""
    if narrator.finished is None:  # killed: there is no report, but what it told is true
        facts: dict[str, Any] = {
            "branch": narrator.started.branch,
            "config": {"metric.direction": narrator.started.direction},
        }
        report = page.unfinished_part(narrator.started.branch)
        return run_outputs(facts, narrator.experiments), report
    folder = Path(narrator.finished.report_dir)
    try:
        facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        report = (folder / "summary.md").read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        return {}, page.error_part(f"the report cannot be read: {error}")
    journal = folder / "results.tsv"
    inside = journal.is_relative_to(step.workspace)
    shown = journal.relative_to(step.workspace) if inside else journal
    return {**run_outputs(facts, narrator.experiments), "journal": str(shown)}, report


def _skipped(step: Step) -> bool:
    return bool(step.reason) and not step.narrator.started and not step.printed
