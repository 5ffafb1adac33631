"""report.html in a real browser: what is drawn, filtered and said, at a desk, on a phone, at night.

Skipped where there is no Chromium.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoresearch_ci.cli.report import ReportServer
from autoresearch_ci.decide.security.weakness import Severity, worst_first
from autoresearch_ci.experiment import Direction, Status
from autoresearch_ci.record.journal_tsv import format_row, header
from autoresearch_ci.report.html_findings import security_html
from autoresearch_ci.report.html_page import ReportPage, html_page
from autoresearch_ci.report.html_table import RowDetails
from autoresearch_ci.report.run_summary import RemainingFailure, Repairs
from autoresearch_ci.safety.redaction import Redactor
from tests.browser import CHROMIUM, Browser, browser
from tests.unit.report import test_security_report as scans
from tests.unit.report.test_html_page import HOSTILE, night
from tests.unit.report.test_summary import run_info

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")

SHOWN = "[...document.querySelectorAll('#table tbody tr')].filter(r => r.offsetHeight)"
NUMBERS = f"{SHOWN}.map(r => +r.cells[0].textContent)"
CONTRAST = """
(() => {
  const numbers = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = (c) => {
    const [r, g, b] = c.slice(0, 3).map((v) => {
      v /= 255;
      return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const found = numbers(getComputedStyle(element).backgroundColor);
      if (found.length === 3 || (found.length === 4 && found[3] === 1)) return found;
    }
    return [255, 255, 255];
  };
  const poor = [];
  let looked = 0;
  for (const element of document.querySelectorAll('body *')) {
    const text = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!text || !element.offsetHeight || element.closest('script')) continue;
    looked++;
    const [one, other] = [numbers(getComputedStyle(element).color), behind(element)].map(light);
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) poor.push(`${element.tagName}.${element.className} ${ratio.toFixed(2)}`);
  }
  return { looked, poor: [...new Set(poor)] };
})()
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


def page_of(folder: Path, *, count: int = 40, **fields: Any) -> str:
    """Its address: every tenth experiment crashed, two proposers, two files."""
    rows = night(count, **fields)
    for at in range(3, count, 10):
        rows[at] = replace(rows[at], status=Status.CRASH, metric=None, delta=None)
    rows[7] = replace(rows[7], description="prefetch the table", reason="")
    rows = [replace(e, proposer="claude" if e.iteration % 2 else "search") for e in rows]
    attempts = {
        e.iteration: RowDetails(
            diff="@@ -1 +1 @@\n-a long line that was there before\n+and another one " + "x" * 300,
            log="it ran\n",
            files=["src/a.py" if e.iteration % 3 else "src/deep/folder/with/a/long/name/b.py"],
        )
        for e in rows[1:]
    }
    path = folder / "report.html"
    page = ReportPage(attempts=attempts, configuration={"iterations": count}, version="1")
    text = html_page(rows, run_info(goal="Make it faster", guards=["pytest -q"]), page)
    path.write_text(text, encoding="utf-8")
    return path.as_uri()


def choose(chromium: Browser, field: str, value: str) -> Any:
    """Set a filter as a person would; the experiments that are shown then."""
    chromium.ask(
        f"(() => {{ const e = document.getElementById({field!r}); e.value = {value!r};"
        "e.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    return chromium.ask(NUMBERS)


def option(chromium: Browser, status: str) -> str:
    """What the choice of a status stands for."""
    found = f"[...document.querySelectorAll('#status option')].find(o => o.text === {status!r})"
    return str(chromium.ask(f"{found}.value"))


def test_it_renders_filters_and_sorts_without_a_complaint(
    chromium: Browser, tmp_path: Path
) -> None:
    chromium.said.clear()
    chromium.requests.clear()
    chromium.open(page_of(tmp_path))
    assert chromium.ask("document.querySelectorAll('canvas').length") == 3
    drawn = (
        "(() => { const c = document.querySelector('#chart canvas');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "return new Set(new Uint32Array(d.buffer)).size })()"
    )
    assert chromium.ask(drawn) > 10
    assert not chromium.ask("document.getElementById('still').offsetHeight")
    assert chromium.ask(NUMBERS) == list(range(41))
    assert choose(chromium, "words", "Prefetch table") == [7]
    assert choose(chromium, "words", "") == list(range(41))
    assert choose(chromium, "status", option(chromium, "crash")) == [3, 13, 23, 33]
    assert choose(chromium, "proposer", "1") == []
    assert chromium.ask("document.getElementById('count').textContent") == "0 of 41 shown"
    chromium.ask("document.querySelector('button[type=reset]').click()")
    chromium.ask("new Promise(done => setTimeout(done, 20))")
    assert chromium.ask(NUMBERS) == list(range(41))
    assert choose(chromium, "file", "1") == list(range(3, 41, 3))
    choose(chromium, "file", "")
    chromium.ask("document.querySelectorAll('#table th button')[3].click()")
    values = chromium.ask(f"{SHOWN}.map(r => r.cells[3].textContent)")
    measured = [float(text) for text in values if text != "-"]
    assert measured == sorted(measured)
    assert values[-4:] == ["-"] * 4
    assert chromium.said == []
    assert [url for url in chromium.requests if not url.startswith(("file:", "data:"))] == []


def test_the_keyboard_walks_through_the_chart_and_opens_an_experiment(
    chromium: Browser, tmp_path: Path
) -> None:
    chromium.open(page_of(tmp_path))
    chromium.ask("document.getElementById('chart').focus()")
    for _ in range(3):
        chromium.key("ArrowRight")
    said = chromium.ask("document.getElementById('said').textContent")
    assert said.startswith("#2 discard")
    assert chromium.ask("document.querySelector('.tip').innerText").startswith("#2 discard")
    assert "+and another one" in chromium.ask("document.querySelector('.tip pre').textContent")
    choose(
        chromium, "status", option(chromium, "keep")
    )  # what is kept; hidden points are passed over
    chromium.key("ArrowRight")
    assert chromium.ask("document.getElementById('said').textContent").startswith("#5 keep")
    chromium.key("Enter")
    assert chromium.ask("document.querySelector('details[open]').closest('tr').id") == "e5"
    assert chromium.ask("document.activeElement.tagName") == "SUMMARY"
    # A diff gets its colours after it has been opened.
    coloured = "document.querySelector('#e5 .diff .plus')"
    chromium.ask(
        f"(async () => {{ while (!{coloured}) await new Promise(requestAnimationFrame) }})()"
    )
    assert chromium.ask(f"{coloured}.textContent")[:4] == "+and"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_text_can_be_read_and_nothing_scrolls_sideways(
    width: int, dark: bool, chromium: Browser, tmp_path: Path
) -> None:
    words = {"description": "a_word_without_any_blank_" * 9, "reason": "x" * 300}
    chromium.open(page_of(tmp_path, **words), width=width, dark=dark)
    chromium.ask(
        "document.querySelectorAll('#e4 details, #e5 details').forEach(d => d.open = true)"
    )
    chromium.ask("new Promise(done => setTimeout(done, 20))")
    assert chromium.ask("document.documentElement.scrollWidth") <= width
    found = chromium.ask(CONTRAST)
    assert found["looked"] > 200
    assert found["poor"] == []


def test_what_is_pointed_at_is_told_within_the_window(chromium: Browser, tmp_path: Path) -> None:
    box = "(() => { const b = document.querySelector('.tip').getBoundingClientRect();"
    box += "return [b.left, b.right, b.width] })()"
    for width in (390, 1280):
        chromium.open(page_of(tmp_path), width=width)
        chromium.ask("document.getElementById('chart').focus()")
        for _ in range(30):
            chromium.key("ArrowRight")
            left, right, wide = chromium.ask(box)
            assert left >= 0
            assert right <= width
            assert wide > 200


LISTED = "[...document.querySelectorAll('table.list tbody tr')].filter(r => r.offsetHeight)"
PLACES = f"{LISTED}.map(r => r.cells[r.cells.length - 2].textContent)"


def findings_page(folder: Path, **words: str) -> str:
    """Its address: a scan that found twelve weaknesses."""
    items = [
        scans.weakness(
            n,
            path=f"src/f{n:02}.py",
            severity=[*Severity][n % 4],
            sources=("zizmor" if n % 3 else "bandit",),
            **words,
        )
        for n in range(12)
    ]
    report = scans.report(*worst_first(items), unseen={"b.bin": "binary"})
    path = folder / "report.html"
    path.write_text(security_html(report, "1"), encoding="utf-8")
    return path.as_uri()


def select(chromium: Browser, name: str, value: str) -> Any:
    """Choose a word in a list's column, as a person would; the places that are shown then."""
    chromium.ask(
        f"(() => {{ const label = [...document.querySelectorAll('.controls label')]"
        f".find(l => l.textContent.startsWith({name!r})); const e = label.control;"
        f"e.value = {value!r}; e.dispatchEvent(new Event('input', {{bubbles: true}})); }})()"
    )
    return chromium.ask(PLACES)


def test_weaknesses_are_filtered_searched_and_sorted(chromium: Browser, tmp_path: Path) -> None:
    chromium.said.clear()
    chromium.requests.clear()
    chromium.open(findings_page(tmp_path))
    names = [f"src/f{n:02}.py:5" for n in range(12)]
    assert chromium.ask(PLACES) == sorted(names, key=lambda name: int(name[5:7]) % 4)
    assert select(chromium, "Severity", "critical") == names[::4]
    assert select(chromium, "Says", "bandit") == names[::12]
    count = "document.querySelector('.controls [role=status]').textContent"
    assert chromium.ask(count) == "1 of 12 shown"
    chromium.ask("document.querySelector('button[type=reset]').click()")
    chromium.ask("new Promise(done => setTimeout(done, 20))")
    assert len(chromium.ask(PLACES)) == 12
    assert select(chromium, "Search", "f07 SHELL") == [names[7]]
    select(chromium, "Search", "")
    chromium.ask("document.querySelectorAll('table.list th button')[5].click()")
    assert chromium.ask(PLACES) == names
    chromium.ask("document.querySelectorAll('table.list th button')[0].click()")
    chromium.ask("document.querySelectorAll('table.list th button')[0].click()")
    assert chromium.ask(f"{LISTED}[0].cells[0].textContent") == "low"
    assert chromium.said == []
    assert [url for url in chromium.requests if not url.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_scan_can_be_read_and_nothing_scrolls_sideways(
    width: int, dark: bool, chromium: Browser, tmp_path: Path
) -> None:
    words = {"title": "a_word_without_any_blank_" * 9, "why": "x" * 300}
    chromium.open(findings_page(tmp_path, **words), width=width, dark=dark)
    chromium.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    chromium.ask("new Promise(done => setTimeout(done, 20))")
    assert chromium.ask("document.documentElement.scrollWidth") <= width
    found = chromium.ask(CONTRAST)
    assert found["looked"] > 100
    assert found["poor"] == []


def test_a_hostile_weakness_does_nothing(chromium: Browser, tmp_path: Path) -> None:
    chromium.said.clear()
    chromium.requests.clear()
    words = dict.fromkeys(("title", "why", "fix", "rule", "owasp"), HOSTILE)
    chromium.open(findings_page(tmp_path, **words))
    chromium.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert len(select(chromium, "Search", "alert(1)")) == 12
    assert chromium.ask("document.querySelectorAll('script, img, svg').length") == 1
    assert chromium.said == []
    assert [url for url in chromium.requests if not url.startswith(("file:", "data:"))] == []


def test_the_failures_of_a_repair_lead_to_the_experiments(
    chromium: Browser, tmp_path: Path
) -> None:
    rows = [e if e.status is not Status.KEEP else replace(e, failure="ruff:x") for e in night(10)]
    left = [RemainingFailure(id="mypy:y", category="type", path="a.py", line=1, message=HOSTILE)]
    info = run_info(repairs=Repairs(looked=True, left=1, shown=left))
    path = tmp_path / "report.html"
    page = ReportPage(attempts={}, configuration={}, version="1")
    path.write_text(html_page(rows, info, page), encoding="utf-8")
    chromium.said.clear()
    chromium.open(path.as_uri())
    assert len(chromium.ask(PLACES)) == 3
    assert len(select(chromium, "State", "fixed")) == 2
    assert chromium.ask(NUMBERS) == list(range(11))  # the other table is another's business
    assert select(chromium, "Tool", "mypy") == []
    select(chromium, "Tool", "")
    chromium.ask("document.querySelector('table.list tr:not([hidden]) a').click()")
    assert chromium.ask("location.hash") == "#e5"
    assert chromium.said == []


def test_a_long_name_stands_beside_its_mark(chromium: Browser, tmp_path: Path) -> None:
    long = f"pytest:tests::{'a_long_name_' * 20}"
    rows = [e if e.status is not Status.KEEP else replace(e, failure=long) for e in night(10)]
    path = tmp_path / "report.html"
    page = ReportPage(attempts={}, configuration={}, version="1")
    text = html_page(rows, run_info(repairs=Repairs(looked=True)), page)
    path.write_text(text, encoding="utf-8")
    chromium.open(path.as_uri())
    summary = "document.querySelector('table.list summary')"
    words = (
        f"(r => (r.selectNodeContents({summary}), r.getClientRects()[0]))(document.createRange())"
    )
    assert chromium.ask(f"{words}.top - {summary}.getBoundingClientRect().top") < 10


def test_it_can_be_read_without_javascript(chromium: Browser, tmp_path: Path) -> None:
    chromium.open(page_of(tmp_path), width=390, script=False)
    shot = tmp_path / "shot.png"
    chromium.picture(shot)
    assert shot.stat().st_size > 10_000
    chromium.call("Emulation.setScriptExecutionDisabled", value=False)
    # The document that was loaded without: what its own script would have changed is as it was.
    assert not chromium.ask("document.documentElement.classList.contains('scripted')")
    assert chromium.ask("document.getElementById('still').offsetHeight") > 100
    assert chromium.ask("document.getElementById('still').naturalWidth") == 1200
    assert chromium.ask(f"{SHOWN}.length") == 41
    assert chromium.ask("document.documentElement.scrollWidth") <= 390


def test_it_is_printed_as_a_table_and_panels_break_between_pages(
    chromium: Browser, tmp_path: Path
) -> None:
    """What cannot break is printed over what stands on the next page."""
    chromium.open(page_of(tmp_path), width=718)  # A4 within Chromium's margins
    chromium.call("Emulation.setEmulatedMedia", media="print")
    shown = "getComputedStyle(document.querySelector('{}')).display"
    assert chromium.ask(shown.format(".panels section")) == "block"
    assert chromium.ask(shown.format("#e1")) == "table-row"
    assert chromium.ask("document.documentElement.scrollWidth") <= 718
    chromium.call("Emulation.setEmulatedMedia", media="")


def test_hostile_words_do_nothing(chromium: Browser, tmp_path: Path) -> None:
    chromium.said.clear()
    chromium.requests.clear()
    rows = night(6, description=HOSTILE, reason=HOSTILE, doubt=HOSTILE, proposer=HOSTILE)
    attempts = {n: RowDetails(diff=HOSTILE, log=HOSTILE, files=[HOSTILE]) for n in range(1, 7)}
    told = {"goal": HOSTILE, "stop_reason": HOSTILE, "metric_name": HOSTILE, "host": HOSTILE}
    page = ReportPage(attempts=attempts, configuration={HOSTILE: HOSTILE}, version=HOSTILE)
    info = run_info(**told, metric_command=HOSTILE, guards=[HOSTILE])
    path = tmp_path / "report.html"
    path.write_text(html_page(rows, info, page), encoding="utf-8")
    chromium.open(path.as_uri())
    chromium.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    chromium.ask("document.getElementById('chart').focus()")
    for _ in range(3):
        chromium.key("ArrowRight")
    assert "onerror=alert(2)" in chromium.ask("document.querySelector('.tip').textContent")
    choose(chromium, "words", "alert(1)")
    assert chromium.ask("document.querySelectorAll('script').length") == 2
    assert chromium.ask("document.querySelectorAll('img').length") == 1
    assert chromium.said == []
    assert [url for url in chromium.requests if not url.startswith(("file:", "data:"))] == []


def test_the_policy_stops_what_would_get_in_all_the_same(chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    page_of(tmp_path)
    text = path.read_text(encoding="utf-8")
    planted = "<script>document.title = 'ran'</script><img src=http://127.0.0.1:9/x.png>"
    path.write_text(text.replace("<main>", f"<main>{planted}"), encoding="utf-8")
    chromium.said.clear()
    chromium.open(path.as_uri())
    assert chromium.ask("document.title") == "Make it faster"
    assert len([said for said in chromium.said if "Content Security Policy" in said]) == 2


def test_the_picture_can_be_saved_as_svg_and_png(chromium: Browser, tmp_path: Path) -> None:
    chromium.open(page_of(tmp_path))
    chromium.call(
        "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "saved")
    )
    for name in ("svg", "png"):
        chromium.ask(f"document.getElementById({name!r}).click()")
        saved = tmp_path / f"saved/progress.{name}"
        for _ in range(100):
            if saved.exists() and saved.stat().st_size:
                break
            chromium.ask("new Promise(done => setTimeout(done, 50))")
        assert saved.read_bytes()[:4] in (b"<svg", b"\x89PNG"), name


def test_a_thousand_experiments_are_there_within_seconds(chromium: Browser, tmp_path: Path) -> None:
    chromium.open(page_of(tmp_path, count=1000))
    assert (tmp_path / "report.html").stat().st_size < 1_000_000
    assert len(choose(chromium, "proposer", "0")) == 500
    took = chromium.ask(
        "(() => { const e = document.getElementById('words'), began = performance.now();"
        "e.value = 'number'; e.dispatchEvent(new Event('input')); "
        "return performance.now() - began })()"
    )
    assert took < 2000


def test_a_served_page_renews_itself_and_keeps_its_filter(
    chromium: Browser, tmp_path: Path
) -> None:
    journal = tmp_path / "results.tsv"
    rows = night(5)
    journal.write_text(header(Direction.MINIMIZE) + "".join(map(format_row, rows)))
    chromium.said.clear()
    with ReportServer(journal, Redactor()) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            chromium.open(server.address)
            assert choose(chromium, "words", "change") == [1, 2, 3, 4, 5]
            with journal.open("a") as file:
                file.write(format_row(night(6)[6]))
            until = time.monotonic() + 30
            while len(rows) < 7 and time.monotonic() < until:
                time.sleep(0.2)
                with contextlib.suppress(AssertionError):  # while it is being loaded
                    rows = chromium.ask(
                        "[...document.querySelectorAll('#table tbody tr')].map(String)"
                    )
            assert chromium.ask("document.getElementById('words').value") == "change"
            assert chromium.ask(NUMBERS) == [1, 2, 3, 4, 5, 6]
        finally:
            server.shutdown()
            thread.join()
    assert chromium.said == []
