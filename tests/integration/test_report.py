"""`report`: the page of a run as it ends, later, elsewhere, while it lasts; and who may read it."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autoresearch_ci.cli.main import run_cli
from autoresearch_ci.cli.report import ReportServer
from autoresearch_ci.safety.redaction import Redactor

if TYPE_CHECKING:
    from tests.conftest import Repo, Result, Run, Script

NIGHT = Path(__file__).parents[2] / "examples/trainer-nightly"
SECRET = "hunter2-correct-horse-battery"


def value(number: float, **more: str) -> dict[str, Any]:
    return {"description": f"try {number:g}", "files": {"value": f"{number}\n", **more}}


@pytest.fixture
def ended(run: Run, script: Script) -> Result:
    """A run that kept one change of two."""
    script(value(9), value(11))
    return run.once("--guard", "grep . value", "--set", "goal=Make <value> smaller")


def report(*words: str) -> int:
    return run_cli(["report", *words])


def test_a_run_leaves_its_page_with_diffs_logs_and_the_headline(ended: Result) -> None:
    page = (ended.folder / "report.html").read_text(encoding="utf-8")
    assert "Make &lt;value&gt; smaller" in page
    summary = (ended.folder / "summary.md").read_text(encoding="utf-8")
    assert "10 → 9, -10.0 %" in summary
    assert "10 → 9, -10.0 %" in page
    assert "-10\n+9</pre>" in page
    assert "-9\n+11</pre>" in page  # also what was not kept
    assert 'class="log">' in page


def test_it_is_made_again_from_what_the_run_left_and_is_the_same(
    ended: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (ended.folder / "report.html").read_bytes()
    (ended.folder / "report.html").unlink()
    assert report(str(ended.folder)) == 0
    assert capsys.readouterr().out.strip() == str(ended.folder / "report.html")
    assert (ended.folder / "report.html").read_bytes() == before


def test_the_chart_alone_is_written_as_svg_or_png(
    ended: Result, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    svg = tmp_path / "chart.svg"
    assert report(str(ended.folder), "--chart", str(svg)) == 0
    assert capsys.readouterr().out.strip() == str(svg)
    assert svg.read_bytes() == (ended.folder / "progress.svg").read_bytes()
    pytest.importorskip("resvg_py", reason="the extra `png` is not installed")
    png = tmp_path / "chart.PNG"
    assert report(str(ended.folder), "--chart", str(png), "--json") == 0
    content = png.read_bytes()
    told = json.loads(capsys.readouterr().out)
    assert told == {"chart": str(png), "journal": told["journal"], "bytes": len(content)}
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", content[16:24]) == (2400, 1280)
    bare = resvg_png(re.sub(r"<text.*?</text>", "", svg.read_text(), flags=re.DOTALL))
    assert len(content) > len(bare) + 5_000, "its words are not drawn"


def resvg_png(svg: str) -> bytes:
    from autoresearch_ci.report.chart_png import png

    return png(svg)


def test_a_chart_that_cannot_be_drawn_says_what_to_install(
    ended: Result, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ended.folder / "report.html").read_bytes()
    without = "import sys; sys.modules['resvg_py'] = None\n"
    words = ["report", str(ended.folder), "--chart", str(tmp_path / "a.png")]
    call = f"from autoresearch_ci.cli.main import run_cli\nsys.exit(run_cli({words!r}))"
    argv = [sys.executable, "-c", without + call]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install resvg_py" in done.stderr
    assert not (tmp_path / "a.png").exists()
    for words in (["--chart", "a.gif"], ["--chart", "a.svg", "--output", "b"]):
        assert report(str(ended.folder), *words) == 2
    assert "ends with .svg or .png" in capsys.readouterr().err
    assert (ended.folder / "report.html").read_bytes() == page


def test_a_run_of_repairs_is_made_again_the_same(
    repo: Repo, run: Run, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    repo.write("check.sh", "! grep -n TODO code || exit 1\n")
    repo.write("code", "TODO\n")
    repo.commit("broken")
    words = ["fix", "--target", "sh check.sh", "--tag", "fix-t", "--proposer"]
    script({"description": "do it", "files": {"code": "done\n"}})
    scope = ["--scope", "code", "--set", f"sandbox.write=[{json.dumps(str(repo.path.parent))}]"]
    with contextlib.chdir(repo.path):
        code = run_cli([*words, f"script:{run.script}", *scope])
    told = capsys.readouterr()
    folder = repo.path / "autoresearch/fix-t"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert code == 0, told
    assert 'data-order="4">fixed<' in page
    assert report(str(folder)) == 0
    assert (folder / "report.html").read_text(encoding="utf-8") == page


def test_a_folder_that_was_carried_elsewhere_has_a_page_without_diffs(
    ended: Result, tmp_path: Path
) -> None:
    there = tmp_path / "elsewhere"
    shutil.copytree(ended.folder, there)
    assert report(str(there / "results.tsv"), "--output", str(tmp_path / "page.html")) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "10 → 9, -10.0 %" in page
    assert "+9</pre>" not in page
    assert (there / "report.html").read_bytes() == (ended.folder / "report.html").read_bytes()


def test_a_run_that_has_not_ended_says_so_and_knows_its_metric(ended: Result) -> None:
    (ended.folder / "run.json").unlink()
    assert report(str(ended.folder)) == 0
    page = (ended.folder / "report.html").read_text(encoding="utf-8")
    assert "not ended" in page
    assert "not re-measured since" in page
    assert "cat value" in page
    assert "grep . value" in page


def test_what_an_earlier_end_said_is_not_said_of_more_experiments(ended: Result) -> None:
    journal = ended.folder / "results.tsv"
    last = journal.read_text(encoding="utf-8").splitlines()[-1].split("\t")
    with journal.open("a", encoding="utf-8") as file:
        file.write("\t".join(["3", *last[1:]]) + "\n")
    assert report(str(ended.folder)) == 0
    page = (ended.folder / "report.html").read_text(encoding="utf-8")
    assert "not ended" in page
    assert "measured again at the end" not in page


def test_the_night_of_an_older_version_has_a_page(tmp_path: Path) -> None:
    assert report(str(NIGHT), "--output", str(tmp_path / "page.html")) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "1.67471 → 1.62975, -2.6 %" in page
    assert "peak_memory_mb" in page


def test_what_a_peers_journal_leaves_open_stands_on_its_page(tmp_path: Path) -> None:
    titles = "commit\tval\tmemory_gb\tstatus\tdescription\n"
    night = "a\t2\t1\tkeep\tbaseline\nb\t1\t1\tkeep\tfaster\n"
    (tmp_path / "results.tsv").write_text(titles + night + night)
    assert report(str(tmp_path / "results.tsv")) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "minimize, is inferred" in page
    assert "1 earlier run is left out" in page
    for unknown in (">0 s", "wall time", 'id="spent"', '<code class="language-sh"></code>'):
        assert unknown not in page, "what it does not tell is no zero"


def test_what_is_no_journal_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results.tsv").write_text("what is this\n")
    for words in (["nowhere"], ["results.tsv"], ["results.tsv", "--serve", "--json"]):
        assert report(*words) == 2, words
    (tmp_path / "results.tsv").unlink()
    assert report() == 2
    assert "there is no journal below" in capsys.readouterr().err


def test_the_folder_of_a_scan_or_a_check_has_its_page_already(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report.html").write_text("as the scan wrote it")
    assert report(str(tmp_path)) == 2
    assert f"do: open {tmp_path}/report.html" in capsys.readouterr().err
    assert (tmp_path / "report.html").read_text() == "as the scan wrote it"


def test_run_json_of_somebody_else_is_believed_in_nothing(ended: Result) -> None:
    facts = json.loads((ended.folder / "run.json").read_text(encoding="utf-8"))
    wrong: list[Any] = [[], 3, {"info": {"tag": ["<script>"]}}, {"info": None, "earlier": 5}]
    for section in wrong:
        (ended.folder / "run.json").write_text(json.dumps({**facts, "report": section}))
        assert report(str(ended.folder)) == 0
    for whole in ("[]", "[" * 100_000, '{"config": 3, "totals": "x"}', "\0"):
        (ended.folder / "run.json").write_text(whole)
        assert report(str(ended.folder)) == 0


def test_a_link_in_the_pages_place_is_replaced_not_followed(ended: Result, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (ended.folder / "report.html").unlink()
    (ended.folder / "report.html").symlink_to(mine)
    assert report(str(ended.folder)) == 0
    assert mine.read_text() == "mine"
    logs = ended.folder / "logs"
    (logs / "1.log").unlink()
    (logs / "1.log").symlink_to(mine)
    (logs / "2.log").unlink()
    (logs / "2.log").mkdir()
    assert report(str(ended.folder)) == 0
    assert 'class="log">\nmine' not in (ended.folder / "report.html").read_text()


def test_no_secret_is_in_the_page(
    run: Run, script: Script, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", SECRET)
    script(value(9), value(8, other=f"key = '{SECRET}'\n"))
    done = run("--scope", "other", "--guard", f"echo '{SECRET}'", metric="cat value")
    page = (done.folder / "report.html").read_text(encoding="utf-8")
    assert SECRET not in page
    repo.write("autoresearch/run-t/logs/1.log", f"printed {SECRET}\n")
    assert run_cli(["report", str(done.folder)], {"SOME_API_KEY": SECRET}) == 0
    page = (done.folder / "report.html").read_text(encoding="utf-8")
    assert SECRET not in page
    assert "printed ***" in page


# --- served ---------------------------------------------------------------------------------------


@pytest.fixture
def server(ended: Result) -> Iterator[ReportServer]:
    with ReportServer(ended.folder / "results.tsv", Redactor()) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def answer(
    server: ReportServer, path: str = "/", host: str | None = None, method: str = "GET"
) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    headers = {"Host": host} if host else {}
    connection.request(method, path, headers=headers)
    found = connection.getresponse()
    text = found.read().decode()
    connection.close()
    return found.status, text


def test_it_is_served_and_renewed_while_the_run_goes_on(
    server: ReportServer, ended: Result
) -> None:
    code, page = answer(server)
    assert code == 200
    assert 'data-follow="yes"' in page
    assert "connect-src &#39;self&#39;" in page
    first = answer(server, "/state")
    journal = ended.folder / "results.tsv"
    last = journal.read_text(encoding="utf-8").splitlines()[-1].split("\t")
    with journal.open("a", encoding="utf-8") as file:
        file.write("\t".join(["3", *last[1:8], "a new idea", *last[9:]]) + "\n")
    assert answer(server, "/state") != first
    assert "a new idea" in answer(server)[1]


def test_only_this_machine_and_its_own_name_get_an_answer(server: ReportServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    port = server.server_port
    assert answer(server, host=f"localhost:{port}")[0] == 200
    for name in ("example.org", f"example.org:{port}", "127.0.0.1", f"127.0.0.1.nip.io:{port}"):
        assert answer(server, host=name)[0] == 403, name
    for path in ("/results.tsv", "/../run.json", "/run.json"):
        assert answer(server, path)[0] == 404, path
    assert answer(server, method="POST")[0] == 501


def test_a_journal_that_is_gone_is_told(server: ReportServer, ended: Result) -> None:
    (ended.folder / "results.tsv").unlink()
    code, text = answer(server)
    assert code == 500
    assert "results.tsv" in text
