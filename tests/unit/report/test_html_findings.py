"""report.html of a scan and of a check: all that was told, in bounds, and nobody's words obeyed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoresearch_ci.decide.gates import Age
from autoresearch_ci.decide.investigation.finding import Evidence
from autoresearch_ci.report.html_findings import gate_html, security_html
from autoresearch_ci.report.html_list import Cell, Column, Listing, Row, fitted
from tests.unit.report import test_fix_report as gates
from tests.unit.report import test_security_report as scans
from tests.unit.report.test_html_page import HOSTILE, Elements


def test_a_weakness_is_told_with_its_place_its_kind_and_its_evidence() -> None:
    item = scans.weakness(evidence=[Evidence(kind="quote", path="a.py", line=5, text="run(x)\ny")])
    accepted = scans.weakness(1, status="accepted", path="b c.py", line=0)
    report = scans.report(item, accepted, unseen={"b.bin": "binary"}, doubts=("odd",))
    url = "https://github.test/o/n/blob/c/"
    page = Elements(security_html(replace(report, files_url=url), "1.2.3"))
    for words in (
        "Security failed",
        "CWE-78",
        "command injection",
        "a.py:5:",
        "run(x)\ny",
        "anybody",
    ):
        assert words in page.text, words
    for words in (
        "binary",
        "odd",
        "bandit",
        "looked to the end",
        "autoresearch-ci security --diff",
    ):
        assert words in page.text, words
    links = [attrs.get("href") for tag, attrs in page.tags if tag == "a"]
    assert links[1:] == [f"{url}a.py#L5", f"{url}b%20c.py"]
    classes = [attrs.get("class") for tag, attrs in page.tags if tag == "tr"]
    assert classes == [None, "bad", "bad"]  # the gate alone says what blocks
    options = [attrs.get("value") for tag, attrs in page.tags if tag == "option"]
    assert {"accepted", "new"} <= set(options)


@pytest.mark.parametrize("url", ["", "http://x/", "javascript:alert(1)//", "file:///"])
def test_no_other_address_becomes_a_link(url: str) -> None:
    page = Elements(security_html(replace(scans.report(scans.weakness()), files_url=url), "1"))
    assert [attrs["href"] for tag, attrs in page.tags if tag == "a"] == ["#weaknesses"]


def test_what_others_say_of_a_weakness_makes_no_element() -> None:
    words = dict.fromkeys(("title", "why", "fix", "path", "rule", "owasp", "stride"), HOSTILE)
    quote = [Evidence(kind="quote", path=HOSTILE, line=1, text=HOSTILE)]
    item = scans.weakness(**words, evidence=quote, sources=(HOSTILE,), fingerprint=HOSTILE)
    report = scans.report(item, unseen={HOSTILE: HOSTILE}, doubts=(HOSTILE,), no_base=HOSTILE)
    text = security_html(replace(report, left={HOSTILE: HOSTILE}, gone={"fixed": [HOSTILE]}), "1")
    page = Elements(text)
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == 1
    assert not {"img", "svg", "b"} & set(tags)
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert "alert(1)" in page.text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_many_weaknesses_fit_the_worst_first_and_the_rest_is_counted() -> None:
    page = security_html(scans.report(*scans.many(5_000)), "1")
    assert len(page.encode()) < 1_000_000
    rows = page.count("<tr class=")
    assert rows > 1_000
    assert f"{5_000 - rows:,} more are in weaknesses.json." in page


def test_words_to_choose_by_take_room_too() -> None:
    items = [scans.weakness(n, sources=(f"{n}" + "<" * 290,), rule=f"{n}/x") for n in range(3_000)]
    assert len(security_html(scans.report(*items), "1").encode()) < 1_000_000


def test_a_check_tells_each_failure_and_what_the_tools_said() -> None:
    items = [
        gates.judged(gates.failure(), note="twice"),
        gates.judged(gates.TEST, Age.OLD, blocks=False),
    ]
    report = replace(gates.report(*items), outputs={"ruff": "Found 1 error."})
    page = Elements(gate_html(report, "1"))
    words = ("Gate failed", "src/a b.py:3", "is wrong", "ruff/F401", "twice", "Found 1 error.")
    for word in (*words, "autoresearch-ci fix --check", "The gate fails for it."):
        assert word in page.text, word
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert links[1] == "https://github.test/o/n/blob/c0ffee/src/a%20b.py#L3"


def test_what_tests_say_makes_no_element() -> None:
    item = gates.failure(HOSTILE, HOSTILE, code=HOSTILE, tool=HOSTILE)
    report = gates.report(gates.judged(item, note=HOSTILE), lost={HOSTILE: HOSTILE})
    page = Elements(gate_html(replace(report, outputs={HOSTILE: HOSTILE}), HOSTILE))
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == 1
    assert not {"img", "svg", "b"} & set(tags)


def test_a_list_is_cut_from_its_end_and_says_how_much() -> None:
    rows = [Row(cells=[Cell(text=str(n))], words=[("", "x" * 10_000)]) for n in range(10)]
    listing = Listing(name="n", title="T", search="", columns=[Column(name="c")], rows=rows)
    cut = fitted(listing, 3_000, "all.json")
    assert 0 < len(cut.rows) < 10
    assert [row.cells[0].text for row in cut.rows] == [str(n) for n in range(len(cut.rows))]
    assert cut.missing == f"{10 - len(cut.rows)} more are in all.json."
    assert fitted(listing, 100_000, "").missing == ""
