"""A claim is read back from our own words, and judged by its interval."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace

import pytest

from autoresearch_ci.decide.metric.noise import Comparison, ComparisonResult
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.experiment import Direction
from autoresearch_ci.report.claim import Claim, judged, read_claim, side_by_side
from autoresearch_ci.report.pull_request import body, title
from autoresearch_ci.report.run_summary import Confirmation, Repairs
from autoresearch_ci.report.summary_page import summary_markdown
from tests.unit.report.test_pull_request import BASELINE, MORE, info, row

CONFIRMED = Confirmation(
    base=281.6, head=42.1, gain=0.85, ci_low=0.84, ci_high=0.86, n_base=5, n_head=5, holds=True
)
EXACT = replace(CONFIRMED, ci_low=0.85, ci_high=0.85, n_base=1, n_head=1)


@pytest.mark.parametrize("found", [CONFIRMED, EXACT])
@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("written", ["body", "summary", "run.json"])
def test_what_a_report_claims_is_read_back_from_it(
    found: Confirmation, direction: Direction, written: str
) -> None:
    known = info(confirmation=found, direction=direction)
    rows = [BASELINE, row(1)]
    text = {
        "body": body(rows, known, MORE),
        "summary": summary_markdown(rows, known),
        "run.json": json.dumps({"confirmation": asdict(found), "host": known.host}),
    }[written]
    claim = read_claim(text, "FILE", 1_000_000)
    assert (claim.base, claim.head, claim.host) == (281.6, 42.1, known.host)
    got = (claim.gain, claim.low, claim.high)
    assert got == pytest.approx((0.85, found.ci_low, found.ci_high), abs=0.0006)


@pytest.mark.parametrize("found", [replace(CONFIRMED, holds=False, refusal="a guard failed")])
@pytest.mark.parametrize("written", ["body", "run.json"])
def test_what_did_not_hold_claims_nothing(found: Confirmation, written: str) -> None:
    known = info(confirmation=found)
    texts = {
        "body": body([BASELINE, row(1)], known, MORE),
        "run.json": json.dumps({"confirmation": asdict(found)}),
    }
    with pytest.raises(ConfigError):
        read_claim(texts[written], "FILE", 1_000_000)


def measured(gain: float, reach: float) -> Comparison:
    better = gain - reach > 0
    return Comparison(
        verdict=ComparisonResult.IMPROVED if better else ComparisonResult.NO_DIFFERENCE,
        gain=gain,
        low=gain - reach,
        high=gain + reach,
    )


@pytest.mark.parametrize(
    ("found", "refusal"),
    [
        (measured(0.85, 0.01), ""),
        (measured(0.82, 0.03), ""),  # their intervals meet
        (measured(0.554, 0.0), "less than was claimed"),  # better than the base, all the same
        (measured(0.01, 0.02), "no improvement seen"),
        (measured(0.95, 0.01), ""),
    ],
)
def test_the_interval_of_a_claim_is_judged_and_not_its_direction(
    found: Comparison, refusal: str
) -> None:
    claim = Claim(gain=0.85, low=0.84, high=0.86, host="here", base=280.0)
    verdict = judged(claim, found, "here", 281.6)
    assert verdict.refusal == refusal
    assert bool(verdict.remarks) == (found.gain > 0.9)


def test_a_claim_of_another_machine_says_so() -> None:
    claim = Claim(gain=0.5, low=0.4, high=0.6, host="Linux, 64 CPUs, NVIDIA H100")
    (remark,) = judged(claim, measured(0.5, 0.1), "Linux, 2 CPUs", 1.0).remarks
    assert "another machine (Linux, 64 CPUs, NVIDIA H100)" in remark


OF_ONE_NIGHT = "**ms 51.56 → 42.1, -18.3 % {}, n={}**"


@pytest.mark.parametrize(
    ("text", "found", "refusal"),
    [
        (
            OF_ONE_NIGHT.format("[95 % CI -18.3, -18.3]", "1+1"),
            measured(0.554, 0.0),
            "other numbers than were claimed",
        ),
        (
            OF_ONE_NIGHT.format("[95 % CI -19.0, -17.5]", "5+5"),
            measured(0.554, 0.01),
            "claimed of another base",
        ),
    ],
)
def test_a_better_number_of_something_else_reproduces_nothing(
    text: str, found: Comparison, refusal: str
) -> None:
    """The last night's claim, and all nights measured: 281.6 to 125.6."""
    assert judged(read_claim(text, "FILE", 1_000), found, "here", 281.6).refusal == refusal


def test_both_stand_side_by_side() -> None:
    claim = Claim(gain=0.85, low=0.84, high=0.86, base=281.6, head=42.1, host="A")
    rows = side_by_side(claim, measured(0.554, 0.0), (281.6, 125.6), Direction.MINIMIZE, "B")
    assert rows[1:] == [
        ("claimed", "281.6 -> 42.1", "-85.0 %", "-86.0 to -84.0 %", "A"),
        ("measured", "281.6 -> 125.6", "-55.4 %", "same in every run", "B"),
    ]


@pytest.mark.parametrize("written", ["body", "summary", "run.json"])
def test_repairs_are_no_claim_of_a_number(written: str) -> None:
    known = info(repairs=Repairs(looked=True))
    rows = [BASELINE, row(1, failure="ruff:a.py:F401:1")]
    text = {
        "body": body(rows, known, MORE),
        "summary": summary_markdown(rows, known),
        "run.json": json.dumps({"repairs": {"left": 0}, "confirmation": None}),
    }[written]
    with pytest.raises(ConfigError, match=r"(?s)claims repairs.*fix --check --fail-on any"):
        read_claim(text.replace("\n", " "), "FILE", 1_000_000)


MODEST = "ms 100 -> 99.9, -0.2 % [95 % CI -0.3, -0.1], n=5+5"
BOLD = "**ms 100 → 50, -50.0 % [95 % CI -50.2, -49.8], n=5+5**"
LOOSE = "**ms 100 → 50, −50 %**"
"""For people; no program reads it."""


@pytest.mark.parametrize("shown", [BOLD, LOOSE])
@pytest.mark.parametrize(
    "hidden",
    [
        "<!-- {} -->\n\n{}",
        "<!--\n\n**{}**\n\n-->\n\n{}",
        "{1}\n\n<!--\n\n**{0}**",
        "<?\n\n**{}**\n\n?>\n\n{}",
        "<!X\n\n**{}**\n\n>\n\n{}",
        "<style>\n\n**{}**\n\n</style>\n\n{}",
        '<a title="\n**{}**\n">{}</a>',
        '[x]: # "{}"\n\n{}',
        "[x]: # (\n**{}**\n)\n\n{}",
        '![a](b.png "{}")\n\n{}',
    ],
)
def test_what_no_page_shows_is_no_claim(hidden: str, shown: str) -> None:
    text = hidden.format(MODEST, shown)
    for written in (text, text.replace("\n", "\r\n")):
        with pytest.raises(ConfigError, match=r"headlines that disagree|no confirmed headline"):
            read_claim(written, "FILE", 1_000_000)


def test_brackets_without_end_are_refused_before_they_are_read() -> None:
    began = time.process_time()
    for text, told in (
        ("[" * 200_000, "opening brackets"),
        ("![" * 4_000, "no confirmed headline"),
    ):
        with pytest.raises(ConfigError, match=told):
            read_claim(text, "report.md", 1 << 20)
    assert time.process_time() - began < 2


def test_of_two_headlines_neither_is_the_claim() -> None:
    with pytest.raises(ConfigError, match="several headlines that disagree"):
        read_claim(f"**{MODEST}**\n\n{BOLD}", "FILE", 1_000_000)
    assert read_claim(f"{BOLD}\n\n> {BOLD}", "FILE", 1_000_000).gain == 0.5


@pytest.mark.parametrize("gain", ["100 → 1 (-99.0 %)", "100 → 1", "100 → 50 (-51.0 %)"])
def test_a_title_that_says_more_than_the_headline_is_refused(gain: str) -> None:
    with pytest.raises(ConfigError, match="its title says autoresearch: ms 100"):
        read_claim(f"# autoresearch: ms {gain}\n\n{BOLD}", "FILE", 1_000_000)


@pytest.mark.parametrize("direction", list(Direction))
def test_our_own_title_says_what_our_headline_says(direction: Direction) -> None:
    known = info(confirmation=CONFIRMED, direction=direction)
    rows = [BASELINE, row(1)]
    text = f"# {title(rows, known)}\n\n{body(rows, known, MORE)}"
    assert read_claim(text, "FILE", 1_000_000).base == 281.6
    renamed = f"# Twice as fast\n\n{body(rows, known, MORE)}"
    assert read_claim(renamed, "FILE", 1_000_000).base == 281.6
