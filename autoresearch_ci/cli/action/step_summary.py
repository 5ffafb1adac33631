"""Parts of the step summary, in Markdown: what people read on the page of the run."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from autoresearch_ci.errors import GateFailed
from autoresearch_ci.experiment import Direction
from autoresearch_ci.report.run_summary import change_interval, paired_change
from autoresearch_ci.report.summary_page import table
from autoresearch_ci.safety.markdown_text import block, inline

_ROOM = 20_000
"""Characters of an error that are shown."""
_WARNINGS = 50


def error_part(message: str, code: int = 2) -> str:
    """What stopped the step, or what its gate found."""
    if not message:
        return ""
    if code == GateFailed.exit_code:
        first, _, rest = message.partition("\n")
        more = f"\n\n{block(rest, _ROOM)}" if rest else ""
        return f"**The gate failed:** {inline(first, 1000)}{more}"
    return f"**Stopped by an error.**\n\n{block(message, _ROOM)}"


def published_part(outputs: Mapping[str, str], nothing: str) -> str:
    """Where a bundle went; `nothing`: why there was nothing to publish but the notebook."""
    branch, url = outputs.get("branch", ""), outputs.get("pull-request", "")
    shown = f"[the pull request]({url})" if url else ""
    if nothing:
        still = f" As it was: {shown}." if shown else ""
        return f"**Nothing to publish:** {inline(nothing, 300)}.{still}"
    if shown:
        return f"**Published:** {shown}, from `{branch}`."
    return f"**Pushed:** `{branch}`, without a pull request." if branch else ""


def reason_part(reason: str) -> str:
    """Why the step did less than it was asked for."""
    return f"> [!NOTE]\n> {inline(reason, 1000)}" if reason else ""


def warnings_part(warnings: Sequence[str]) -> str:
    """What somebody should act on."""
    if not warnings:
        return ""
    listed = "\n".join(f"- {inline(warning, 500)}" for warning in warnings[:_WARNINGS])
    return f"### Warnings\n\n{listed}"


def printed_part(lines: Sequence[str]) -> str:
    """What a command said that has no report of its own."""
    text = "\n".join(lines)[-_ROOM:]
    return block(text, _ROOM) if text else ""


def comparison_part(result: Mapping[str, Any], values: Sequence[float], code: int) -> str:
    """What `compare` found, and what the gate made of it."""
    found = result["comparison"]
    gate = {0: "passed", 1: "failed"}.get(code, "incomplete")
    if not values:
        return f"**{inline(str(found['verdict']))}**: nothing was measured. Gate: {gate}."
    runs = len(result["base_values"])
    # JSON has no word for infinity.
    gain, low, high = (
        math.nan if found[key] is None else found[key] for key in ("gain", "low", "high")
    )
    change = paired_change(
        inline(str(result["metric"])),
        (values[0], values[1]),
        change_interval(Direction(result["direction"]), gain, low, high),
        (runs, runs),
    )
    told = (
        f"**{inline(str(found['verdict']))}: {change}**, measured in turns on this runner. "
        f"Gate: {gate}."
    )
    if rows := result.get("beside_claim"):
        header, *shown = [[inline(str(cell)) for cell in row] for row in rows]
        told += f"\n\n{table(header, 'llrll', shown, len(shown), _ROOM)}"
    remarks = [f"- {inline(str(remark), 500)}" for remark in result.get("claim_remarks", ())]
    return told + (f"\n\n{chr(10).join(remarks)}" if remarks else "")


def unfinished_part(branch: str, tag: str, command: str = "run") -> str:
    """The step was ended by force."""
    where = f" on {inline(branch)}" if branch else ""
    named = f" --tag {shlex.quote(tag)}" if tag else ""
    if command == "debug":
        return (
            "**Ended by force** before it could report. Where this checkout is still there, what "
            "was run and asked is not done again by:"
            f"\n\n{block(f'autoresearch-ci debug --resume{named}', 300, language='sh')}"
        )
    return (
        f"**Ended by force** before it could report. What was kept is saved{where}, and in the run "
        "folder's `autoresearch.bundle`; nothing half-done is part of it. The next run goes on "
        "from what was pushed. Where this checkout is still there, the same run continues with:"
        f"\n\n{block(f'autoresearch-ci {command} --resume{named}', 300, language='sh')}"
    )
