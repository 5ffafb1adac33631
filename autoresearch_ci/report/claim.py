"""What a pull request claims, read back from the words of a report, beside what is measured now.

CORE: text in, a verdict out. A claim is what the headline says: base, result, gain and interval.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TypeAlias

from markdown_it import MarkdownIt

from autoresearch_ci.decide.metric.noise import Comparison, ComparisonResult
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.experiment import Direction
from autoresearch_ci.report.run_summary import change_interval
from autoresearch_ci.safety.untrusted_values import json_value
from autoresearch_ci.safety.wording import number, percent, shortened

_NUMBER = r"([+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?)"
_VALUE = r"([+-]?[0-9.]{1,40}(?:e[+-]?[0-9]{1,4})?)"
# The headline as summaries and pull requests word it.
_HEADLINE = re.compile(
    rf"(?:{_VALUE} (?:→|->) {_VALUE}, )?"
    rf"{_NUMBER} ?% (?:\[95 % CI {_NUMBER}, {_NUMBER}\]|in every run), n=\d+\+\d+",
    re.ASCII,
)
_MACHINE = re.compile(
    r"measured again at the end, in turns, on (.+?)(?:, and the guards passed|\.$)"
)
_TITLE = re.compile(rf"[^\n]*?{_VALUE} (?:→|->) {_VALUE}(?: \({_NUMBER} ?%\))?", re.ASCII)
_DENIED = "The gain did not hold"
_REPAIRED = re.compile(r"\d failures? repaired[^.\n]{0,200} left\b", re.ASCII)
_ROUNDING = 0.0005
"""A headline has one decimal of a percentage."""
_BRACKETS = 4_000
"""Each may begin a link, for which the parser of Markdown looks to the end of the text."""


ClaimRow: TypeAlias = tuple[str, str, str, str, str]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A gain and its 95 % interval, relative and positive, as somebody else has measured them."""

    gain: float
    low: float
    high: float
    base: float | None = None
    head: float | None = None
    host: str = ""
    """The machine in a few words; empty: unknown."""
    exact: bool = False
    """The same in every run: another number is another result, also a better one."""


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What a fresh measurement makes of a claim."""

    refusal: str = ""
    """Why it is not reproduced; empty: it is."""
    remarks: tuple[str, ...] = ()
    """What a reader should know beside it."""


def read_claim(text: str, name: str, limit: int) -> Claim:
    """From a run.json, or from the headline in a Markdown text; `name` says where it stood.

    A first line `# ...` is the title, and has to say the same. What no page shows claims nothing.

    Raises `ConfigError` when there is none, or it claims nothing.
    """
    try:
        facts = json_value(text, limit=limit)
        if facts.get("repairs"):
            raise _of_repairs(name)
        found = facts["confirmation"]
        claim = Claim(
            gain=float(found["gain"]) if "gain" in found else float(found["ci_low"]),
            low=float(found["ci_low"]),
            high=float(found["ci_high"]) if "ci_high" in found else math.inf,
            base=_known(found.get("base")),
            head=_known(found.get("head")),
            host=str(facts.get("host", "")),
            exact=found["ci_low"] == found.get("ci_high"),
        )
    except (ValueError, KeyError, TypeError, OverflowError, AttributeError):
        return _headline(text, name)
    if not math.isfinite(claim.low):  # against a NaN every measurement would hold
        raise ConfigError(f"--claim {name}: its ci_low is not a finite number.")
    if found.get("holds") is False:
        raise ConfigError(f"--claim {name}: its run says that the gain did not hold.")
    return claim


def _of_repairs(name: str) -> ConfigError:
    """A text that somebody can edit does not choose what is measured instead."""
    return ConfigError(
        f"--claim {name}: it claims repairs, and no metric shows whether a failure is gone.\n"
        "usually: a pull request of `fix` is re-verified as one of `run`.\n"
        "do: look for failures at its head: autoresearch-ci fix --check --fail-on any (our "
        "workflow gate.yml does it for every pull request), and leave its branches out of "
        "reverify.yml."
    )


def _known(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _headline(text: str, name: str) -> Claim:
    if len({found.groups() for found in _HEADLINE.finditer(text)}) > 1:
        raise ConfigError(
            f"--claim {name}: it has several headlines that disagree, so it is not clear which is "
            "claimed.\n"
            "usually: somebody quoted an earlier result beside the report, or hid another one.\n"
            "do: leave one headline in the text, or name the run.json."
        )
    if text.count("[") > _BRACKETS:
        raise ConfigError(
            f"--claim {name}: more than {_BRACKETS:,} opening brackets, which no report has.\n"
            "do: name the run.json, or leave the report alone in the text."
        )
    title, text = _shown(text)
    match = _HEADLINE.search(text)
    if not match and _REPAIRED.search(text):
        raise _of_repairs(name)
    if not match:
        raise ConfigError(
            f"--claim {name}: no confirmed headline found, such as "
            "'-5.6 % [95 % CI -6.1, -5.0], n=5+5', nor a run.json with a confirmation."
        )
    base, head, change, first, last = match.groups()
    titled = _TITLE.match(title)
    if titled and titled.groups() not in ((base, head, change), (base, head, None)):
        raise ConfigError(
            f"--claim {name}: its title says {titled[0]}, and its headline {match[0]}.\n"
            "do: give the pull request the title that its report has."
        )
    ends = float(first or change), float(last or change)
    if ends[0] * ends[1] <= 0 or _DENIED in text[: match.start()]:
        raise ConfigError(f"--claim {name}: its headline claims nothing: {match[0]}.")
    # The text has the metric's own sign; what is nearest to zero is the least that is claimed.
    low, high = sorted(map(abs, ends))
    machine = next((m[1] for line in text.splitlines() if (m := _MACHINE.search(line))), "")
    return Claim(
        gain=abs(float(change)) / 100,
        low=low / 100 - _ROUNDING,
        high=high / 100 + _ROUNDING,
        base=_value(base),
        head=_value(head),
        host=machine,
        exact=ends[0] == ends[1],
    )


def _shown(text: str) -> tuple[str, str]:
    """The title, if a heading comes first, and what a page shows of the paragraphs."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    blocks = [
        "".join(
            "\n" if part.type in ("softbreak", "hardbreak") else part.content
            for part in token.children or ()
            if part.type not in ("html_inline", "image")
        )
        for token in tokens
        if token.type == "inline"
    ]
    titled = bool(tokens) and tokens[0].tag == "h1"
    return (blocks[0] if titled else ""), "\n\n".join(blocks)


def _value(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def judged(claim: Claim, found: Comparison, host: str, base: float) -> Reproduction:
    """Whether the claim's interval and the measured one can both be true.

    More than was claimed is no reproduction either where numbers are exact, or where the base is
    plainly another one: then the claim is of something else. `base`: what was measured of it.
    """
    remarks = []
    elsewhere = bool(claim.host) and claim.host != host
    if elsewhere:
        remarks.append(
            f"the claim was measured on another machine ({shortened(claim.host, 120)}): a gain "
            "that depends on the machine need not be the same here"
        )
    if found.verdict is not ComparisonResult.IMPROVED:
        return Reproduction(refusal="no improvement seen", remarks=tuple(remarks))
    if found.high < claim.low - 1e-9:
        return Reproduction(refusal="less than was claimed", remarks=tuple(remarks))
    exact = claim.exact and found.low == found.high
    if exact and found.low > claim.high + _ROUNDING:
        return Reproduction(refusal="other numbers than were claimed", remarks=tuple(remarks))
    if not elsewhere and claim.base is not None and not _alike(claim.base, base):
        return Reproduction(refusal="claimed of another base", remarks=tuple(remarks))
    if found.low > claim.high:
        remarks.append("more was measured than was claimed")
    return Reproduction(remarks=tuple(remarks))


def _alike(claimed: float, measured: float) -> bool:
    """Whether one machine could have measured both of the same code, on a good and a bad day."""
    low, high = sorted((abs(claimed), abs(measured)))
    return claimed == measured or (claimed * measured > 0 and high <= 2 * low)


def side_by_side(
    claim: Claim, found: Comparison, values: tuple[float, float], direction: Direction, host: str
) -> list[ClaimRow]:
    """Rows of what was claimed and what was measured, in the metric's own sign, titles first."""

    def row(who: str, ends: str, change: tuple[float, float, float], machine: str) -> ClaimRow:
        low, high = (percent(end).removesuffix(" %") for end in change[1:])
        span = "same in every run" if change[1] == change[2] else f"{low} to {high} %"
        return who, ends, percent(change[0]), span, shortened(machine, 80) or "unknown"

    claimed = change_interval(direction, claim.gain, claim.low, claim.high)
    measured = change_interval(direction, found.gain, found.low, found.high)
    known = claim.base is not None and claim.head is not None
    ends = f"{number(claim.base)} -> {number(claim.head)}" if known else "not said"
    return [
        ("", "metric", "change", "95 % CI", "machine"),
        row("claimed", ends, claimed, claim.host),
        row("measured", f"{number(values[0])} -> {number(values[1])}", measured, host),
    ]
