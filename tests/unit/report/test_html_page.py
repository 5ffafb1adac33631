"""report.html says what the journal says, holds no more than it may, and obeys nobody's words."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from autoresearch_ci.experiment import Direction, Experiment, Spent, Status
from autoresearch_ci.report.html_page import ReportPage, html_page
from autoresearch_ci.report.html_pieces import assets, markdown
from autoresearch_ci.report.html_repairs import repairs_list
from autoresearch_ci.report.html_table import RowDetails
from autoresearch_ci.report.run_summary import RemainingFailure, Repairs
from tests.unit.report.test_summary import confirmed, experiment, run_info

KEEP, DISCARD, BASELINE = Status.KEEP, Status.DISCARD, Status.BASELINE
HOSTILE = (
    "</script></pre></summary><script>alert(1)</script><img src=x onerror=alert(2)>"
    "[a](javascript:alert(3)) <svg/onload=alert(4)> {{ 7*7 }} {% raw %} &lt;b&gt; \x1b[31m\u202e"
)


class Elements(HTMLParser):
    """Tags with their attributes, and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def night(count: int, **fields: Any) -> list[Experiment]:
    """A baseline and `count` experiments, of which every fifth is kept."""
    rows = [experiment(0, BASELINE, 100.0, best=100.0, description="baseline", commit="b" * 40)]
    best = 100.0
    for number in range(1, count + 1):
        kept = number % 5 == 0
        metric = best - 0.05 if kept else best + 1
        values = {"delta": metric - best, "ci_low": -0.01, "ci_high": 0.02, "expected": 0.001}
        best = metric if kept else best
        status = KEEP if kept else DISCARD
        commit = f"{number:040x}"
        values |= {"best": best, "commit": commit, "reason": "it came out so"}
        rows.append(experiment(number, status, metric, **(values | fields)))
    return rows


def made(rows: list[Experiment], attempts: dict[int, RowDetails] | None = None, **info: Any) -> str:
    page = ReportPage(attempts=attempts or {}, configuration={"iterations": 5}, version="1.2.3")
    return html_page(rows, run_info(**info), page)


def data_of(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found[1])


def test_what_was_paid_is_told_also_where_no_row_tells_of_it() -> None:
    page = Elements(made(night(2, cost_usd=1.0), outside_rows=Spent(tokens=7, cost_usd=0.5))).text
    assert "$2.50" in page
    assert "in no experiment" in page


def test_every_row_is_in_the_table_without_any_script() -> None:
    page = made(night(12), {3: RowDetails(diff="-old\n+new", log="it ran", files=["a.py"])})
    text = Elements(page.partition('<script type="application/json"')[0]).text
    for number in range(1, 13):
        assert f"change number {number}" in text
    for words in ("it came out so", "-old\n+new", "it ran", "Noise", "autoresearch-ci log"):
        assert words in text


def test_an_exact_result_has_no_interval() -> None:
    again = confirmed(ci_low=0.056, ci_high=0.056, n_base=1, n_head=1)
    text = Elements(made(night(3), confirmation=again)).text
    assert "1 + 1 runs, all the same" in text
    assert "baseline -> best" not in text, "the headline has the one number that counts"
    assert "Delta and interval compare with the incumbent as it was measured beside" in text
    assert "95 % CI -5.6 %" not in text


def test_nothing_of_the_page_is_elsewhere_and_only_its_own_script_may_run() -> None:
    page = made(night(3))
    elements = Elements(page)
    urls = [v for _, attrs in elements.tags for n, v in attrs.items() if n in ("src", "href")]
    assert urls
    assert all((url or "").startswith(("data:", "#")) for url in urls)
    assert not [attrs for _, attrs in elements.tags for name in attrs if name.startswith("on")]
    assert not [attrs for _, attrs in elements.tags if "style" in attrs]  # the policy forbids it
    policy = next(attrs["content"] for tag, attrs in elements.tags if "http-equiv" in attrs)
    for kind in ("style", "script"):
        mark = base64.b64encode(
            hashlib.sha256(assets(charts=True)[kind].encode()).digest()
        ).decode()
        assert f"{kind}-src 'sha256-{mark}'" in (policy or "")
    assert "default-src 'none'" in (policy or "")
    assert "unsafe" not in (policy or "")


@pytest.mark.parametrize("where", ["description", "reason", "doubt", "failure", "proposer"])
def test_words_of_others_make_no_element(where: str) -> None:
    rows = night(6)
    clean = Elements(made(rows))
    hostile = [e if e.iteration != 5 else replace(e, **{where: HOSTILE}) for e in rows]
    dirty = Elements(made(hostile))
    extra = [tag for tag, _ in dirty.tags]
    for tag, _ in clean.tags:
        extra.remove(tag)
    assert set(extra) <= {"p", "option", "strong", "div", "dt", "dd", "em"}
    assert "alert(1)" in dirty.text


def test_diffs_logs_paths_and_facts_make_no_element() -> None:
    attempts = {1: RowDetails(diff=f"+{HOSTILE}", log=HOSTILE, files=[HOSTILE])}
    words = {"goal": HOSTILE, "stop_reason": HOSTILE, "metric_name": HOSTILE, "host": HOSTILE}
    page = html_page(
        night(2),
        run_info(**words, metric_command=HOSTILE, guards=[HOSTILE], tag="t"),
        ReportPage(attempts=attempts, configuration={HOSTILE: HOSTILE}, version=HOSTILE),
    )
    tags = [tag for tag, _ in Elements(page).tags]
    assert tags.count("script") == 2
    assert not {"svg", "b"} & set(tags)
    assert tags.count("a") == 1  # to the experiments
    assert tags.count("img") == 1
    assert "{{ 7*7 }}" in Elements(page).text
    assert "\x1b" not in page
    assert "\u202e" not in page


@pytest.mark.parametrize(
    "text",
    [
        "[a](https://example.org)",
        "![a](https://example.org/x.png)",
        "<https://example.org>",
        "[a]: https://example.org\n\n[a]",
        "<script>alert(1)</script>",
        "text <img src=x> text",
        "<div onclick=alert(1)>",
        "| a |\n| --- |\n| [x](javascript:alert(1)) |",
    ],
)
def test_markdown_becomes_no_link_image_or_html(text: str) -> None:
    tags = {tag for tag, _ in Elements(str(markdown([text]))).tags}
    assert not tags & {"a", "img", "script"}
    assert tags <= {"p", "div", "table", "thead", "tbody", "tr", "th", "td"}
    assert "onclick" not in str(Elements(str(markdown([text]))).tags)


def test_a_dollar_is_a_dollar() -> None:
    assert str(markdown(["it cost <span>$</span>5 in `<span>$</span>`"])) == (
        "<p>it cost $5 in <code>&lt;span&gt;$&lt;/span&gt;</code></p>\n"
    )


def test_a_thousand_experiments_take_less_than_a_megabyte_whatever_they_hold() -> None:
    numbers = random.Random(5)
    rows = night(1000, description="<&" * 200, reason="it came out so " * 6)
    attempts = {
        e.iteration: RowDetails(
            diff="\n".join(f"+{numbers.random()} <&> " * 3 for _ in range(30)),
            log="\n".join(f"line {n}" for n in range(20)),
            files=[f"src/file{e.iteration % 40}.py"],
        )
        for e in rows
    }
    page = made(rows, attempts)
    assert len(page.encode()) < 1_000_000


def test_neither_many_files_nor_a_long_configuration_make_it_large() -> None:
    attempts = {
        n: RowDetails(files=[f"{n}/{f}/{'x' * 3000}" for f in range(50)]) for n in range(1, 200)
    }
    settings = {f"key{n}" + "k" * 500: "v" * 5000 for n in range(5000)}
    page = ReportPage(attempts=attempts, configuration=settings, version="1")
    assert len(html_page(night(200), run_info(), page).encode()) < 1_000_000


def test_what_is_short_is_whole_and_what_is_cut_says_so() -> None:
    long = "\n".join(f"+line {n} of many, in a file that was written anew" for n in range(20_000))
    page = made(
        night(2), {1: RowDetails(diff="+short"), 2: RowDetails(diff=long, log=long + "\nend")}
    )
    assert "+short" in page
    assert len(page.encode()) < 1_000_000
    assert re.search(r"… [0-9,]+ more lines</pre>", page)
    assert "\nend</pre>" in page  # of a log, the end is what counts
    assert re.search(r'class="log">\n… [0-9,]+ more lines\n', page)


def test_the_charts_have_each_experiment_with_its_interval() -> None:
    rows = night(10)
    data = data_of(made(rows))
    assert [row[0] for row in data["rows"]] == list(range(11))
    assert len(data["points"]) == 11
    number, row, kind, _, low, high, _ = data["points"][5]
    assert (number, row, data["kinds"][kind]) == (5, 5, "kept")
    assert low == pytest.approx(100 - 0.02 * 100)
    assert high == pytest.approx(100 + 0.01 * 100)
    assert data["rows"][5][-1] == pytest.approx(0.0005)


def test_higher_can_be_better_in_the_charts() -> None:
    rows = [
        experiment(0, BASELINE, 10.0, best=10.0),
        experiment(1, KEEP, 12.0, delta=2.0, ci_low=0.1, ci_high=0.3, best=12.0),
    ]
    data = data_of(made(rows, direction=Direction.MAXIMIZE))
    assert not data["minimize"]
    assert data["points"][1][3:6] == [12.0, pytest.approx(11.0), pytest.approx(13.0)]
    assert data["rows"][1][-1] == pytest.approx(0.2)


def test_a_run_that_repairs_lists_each_failure_and_what_became_of_it() -> None:
    rows = [
        experiment(0, BASELINE, 9.0, best=9.0),
        experiment(
            1,
            KEEP,
            7.0,
            failure="pytest:tests/test_a.py::test_one; ruff:a.py:F401:0123456789#2; +4",
        ),
        experiment(2, DISCARD, 7.0, failure="pytest:other"),
    ]
    shown = [
        RemainingFailure(
            id=f"pytest:{why}", category="test", path="a.py", line=3, message="boom", why=why
        )
        for why in ("", "blocked after 3 attempts", "flaky", "machine: no network")
    ]
    before = [experiment(1, KEEP, 9.0, failure="mypy:y")]
    info = run_info(repairs=Repairs(looked=True, left=7, flaky=1, shown=shown))
    listing = repairs_list(rows, info, before)
    assert listing
    told = [tuple(cell.text for cell in row.cells) for row in listing.rows]
    assert [row[0] for row in told] == ["left", "blocked", "flaky", "not ours", *["fixed"] * 4]
    assert told[0][1:4] == ("test", "pytest", "a.py:3")
    fixed = [(row[2], row[4][:2], row[5]) for row in told[4:]]
    assert fixed[0] == ("pytest", "#1", "pytest:tests/test_a.py::test_one")
    assert told[5][2:4] + told[5][5:] == ("ruff", "a.py", "F401")
    assert fixed[2] == ("", "#1", "4 more failures, see the commit")
    assert fixed[3][::2] == ("mypy", "mypy:y")
    assert "4 more failures left" in listing.missing
    text = Elements(made(rows, repairs=info.repairs)).text
    assert "its turn did not come" in text
    assert "autoresearch-ci fix --check" in text


def test_a_journal_without_a_baseline_has_a_page() -> None:
    assert "Nothing was measured" in made([])
