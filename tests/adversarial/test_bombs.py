"""Everything that comes from outside is bounded: memory, time, and a clear word instead of a crash.

One table of entries: configuration, script, claim, reports, the records of an earlier run, files in
the repository, answers of a server. Each is aimed at with files that are no files and with texts
that grow when they are read.
"""

from __future__ import annotations

import ast
import contextlib
import gzip
import http.server
import json
import os
import re
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

import autoresearch_ci
from autoresearch_ci.cli.main import run_program
from autoresearch_ci.config.metric import ExtractRule
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.llm.http_client import bounded_client
from autoresearch_ci.measure.number.extract import extract
from autoresearch_ci.propose.agent_presets import claude_says, codex_says
from autoresearch_ci.safety.untrusted_values import MetricError
from tests.conftest import Repo, Run, Script
from tests.forked import forked
from tests.messages_api import MessagesApi, calls, submit, tool
from tests.patience import promptly

Tally = Callable[[str, int], None]
GIB = 1 << 30
ROOM = 160
"""MiB that a bomb may cost above an ordinary call."""
PARSED = 650
"""MiB that parsing a report or an output may take."""
SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Done:
    code: int
    told: str
    peak: float
    """MiB above what the process began with."""


def high_water() -> float:
    """MiB that this process had at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


def high_water_from_now() -> float:
    """The same, with what was before forgotten: proc(5)."""
    Path("/proc/self/clear_refs").write_text("5")
    return high_water()


@contextlib.contextmanager
def within(room: float) -> Iterator[None]:
    """The block takes no more memory than that, in MiB, and not long."""
    before, began = high_water_from_now(), time.process_time()
    yield
    assert time.process_time() - began < 20
    assert high_water() - before < room


def started(folder: Path, temporary: Path, *arguments: str, **variables: str) -> Done:
    """Our command line in a process of its own, whose memory is looked at."""
    peak = temporary / "peak"

    def program(environment: Mapping[str, str]) -> int:
        before = high_water_from_now()
        try:
            return run_program(arguments, environment)
        finally:
            peak.write_text(str(high_water() - before))

    environment = {**os.environ, **variables, "TMPDIR": str(temporary)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with forked(
        program, ["autoresearch-ci", *arguments], environment, cwd=folder, **pipes
    ) as begun:
        try:
            out, err = begun.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            begun.kill()
            raise
    told = (out + err).decode()
    assert "Traceback" not in told, told
    return Done(code=begun.returncode, told=told, peak=float(peak.read_text()))


@dataclass(frozen=True)
class Shell:
    """Calls that meet a bomb."""

    run: Run
    tally: Tally

    def __call__(self, *arguments: str, **variables: str) -> Done:
        self.tally("bombs tried", 1)
        return started(self.run.repo.path, self.run.temporary, *arguments, **variables)


@pytest.fixture
def shell(run: Run, tally: Tally) -> Shell:
    return Shell(run, tally)


@pytest.fixture(scope="module")
def ordinary(first_commit: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """MiB of a call that meets nothing odd."""
    words = ("config", "--scope", "value", "--metric", "cat value")
    done = started(first_commit, tmp_path_factory.mktemp("ordinary"), *words)
    assert done.code == 0, done.told
    return done.peak


def no_file(path: Path, kind: str) -> None:
    """Something at `path` that must not be opened, or not be read to its end."""
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "sparse":
        path.touch()
        os.truncate(path, 10 * GIB)


NO_FILES = ("folder", "pipe", "device", "sparse")
WHY = ("is a folder", "is a pipe, socket or device", "is larger than")


@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("entry", ["config", "script", "claim"])
def test_a_file_that_we_are_given_is_looked_at_first(
    shell: Shell, ordinary: float, tmp_path: Path, kind: str, entry: str
) -> None:
    path = tmp_path / "x"
    no_file(path, kind)
    work = ("--scope", "value", "--metric", "cat value")
    gate = ("--fail-on", "claim-not-reproduced")
    arguments = {
        "config": ("config", "--config", str(path)),
        "script": ("run", *work, "--proposer", f"script:{path}"),
        "claim": ("compare", "HEAD", "HEAD", *work, *gate, "--claim", str(path)),
    }
    done = shell(*arguments[entry])
    assert done.code == 2, done.told
    assert any(why in done.told for why in WHY), done.told
    assert done.peak < ordinary + ROOM
    assert not (shell.run.repo.path / "autoresearch" / "run-t").exists()


# --- configuration ---

_LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{f'*a{i - 1},' * 9}]\n" for i in range(1, 30))
YAML = {
    "billion laughs": _LAUGHS,
    "merge keys": "a: &a {goal: x}\nb: {<<: *a}\n",
    "object": "goal: !!python/object/apply:os.system ['touch pwned']\n",
    "any tag": "goal: !x y\n",
    "deep lists": "goal: " + "[" * 100_000,
    "deep mappings": "goal: " + "{a: " * 50_000,
    "deep blocks": "".join(f"{' ' * i}a:\n" for i in range(600)),
    "many questions": "? " * 100_000,
    "many dashes": "- " * 100_000,
    "twice": "goal: a\ngoal: b\n",
    "digits": f"iterations: {'9' * 5000}\n",
    "two documents": "goal: a\n---\ngoal: b\n",
    "not text": "goal: \x07\n",
    "too long": "#" * 300_000,
    "open quote": 'goal: "' + "x" * 200_000,
    "no mapping": "[" + "1," * 20_000 + "1]",
    "odd escape": 'goal: "\\UFFFFFFFF"\n',
    "infinite": "iterations: .inf\nbudget: {usd: .nan}\n",
}


@pytest.mark.parametrize("name", YAML)
def test_a_configuration_file_cannot_grow_run_or_hang(name: str, tally: Tally) -> None:
    from autoresearch_ci.config.resolve import load

    began = time.process_time()
    with pytest.raises(ConfigError) as caught:
        load(text=YAML[name], path="c.yml")
    assert time.process_time() - began < 10
    assert str(caught.value).startswith("c.yml")
    assert len(str(caught.value)) < 20_000
    tally("bombs tried", 1)


# --- the number ---


def _entity(name: str, value: str) -> str:
    head = f'<?xml version="1.0"?><!DOCTYPE t [{value}]>'
    return f'{head}<testsuite><testcase name="{name}"/></testsuite>'


_XML_LAUGHS = '<!ENTITY a "x">' + "".join(
    f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(12)
)
# Made when they are used: what a worker of pytest-xdist holds, each of its forks copies.
XML: dict[str, Callable[[], str | bytes]] = {
    "billion laughs": lambda: _entity("&m;", _XML_LAUGHS),
    "quadratic": lambda: _entity("&a;" * 50_000, f'<!ENTITY a "{"x" * 50_000}">'),
    "outside": lambda: _entity("&a;", '<!ENTITY a SYSTEM "file://DECOY">'),
    "parameter": lambda: _entity("x", '<!ENTITY % a SYSTEM "file://DECOY"> %a;'),
    "deep": lambda: "<testsuite>" + "<a>" * 900_000,
    "deep and closed": lambda: "<testsuite>" * 400_000 + "</testsuite>" * 400_000,
    "many": lambda: "<testsuite>" + "<a/>" * 1_100_000 + "</testsuite>",
    "attributes": lambda: "<testsuite " + " ".join(f"a{i}=''" for i in range(1_200_000)) + "/>",
    "long": lambda: "<testsuite>" + "x" * (17 << 20),
    "utf-16 laughs": lambda: _entity("&m;", _XML_LAUGHS).encode("utf-16"),
    "odd encoding": lambda: '<?xml version="1.0" encoding="cp037"?><testsuite/>',
    "not there": lambda: '<?xml version="1.0" encoding="zip"?><testsuite/>',
    "nothing": lambda: "",
}
JSON: dict[str, Callable[[], str]] = {
    "deep lists": lambda: "[" * 100_000,
    "deep objects": lambda: '{"n":' * 100_000 + "1" + "}" * 100_000,
    "deep line": lambda: "noise\n" + '{"n":' * 100_000,
    "many": lambda: "[" + "0," * 1_500_000 + "0]",
    "long": lambda: '{"n": "' + "x" * (9 << 20) + '"}',
    "digits": lambda: '{"n": ' + "9" * 100_000 + "}",
    "infinite": lambda: '{"n": 1e999}',
    "nan": lambda: '{"n": NaN}',
    "twice": lambda: '{"n": 1, "n": 2}',
    "text": lambda: '{"n": "1"}',
    "bool": lambda: '{"n": true}',
    "many lines": lambda: '{"n":\n' * 300_000,
    "quotes": lambda: '"' * (4 << 20),
}


_HEAVY = {"deep", "deep and closed", "attributes"}
"""Seconds for the parser, which all kinds of reports share."""
XML_KINDS = [("junit", name) for name in XML]
XML_KINDS += [("coverage", name) for name in XML if name not in _HEAVY]


@pytest.mark.parametrize(("kind", "name"), XML_KINDS)
def test_an_xml_report_cannot_grow_or_reach_out(
    name: str, kind: str, tmp_path: Path, tally: Tally
) -> None:
    decoy = tmp_path / "decoy"
    decoy.write_text("canary")
    bomb = XML[name]()
    data = bomb if isinstance(bomb, bytes) else bomb.replace("DECOY", str(decoy)).encode()
    with within(PARSED), pytest.raises(MetricError) as caught:
        extract("", None, ExtractRule(**{kind: "r"}), data)
    assert "canary" not in str(caught.value)
    assert len(str(caught.value)) < 500
    tally("bombs tried", 1)


@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize("where", ["output", "file"])
def test_json_cannot_grow_or_recurse(name: str, where: str, tally: Tally) -> None:
    rule = ExtractRule(json="$.n", file="r" if where == "file" else None)
    bomb = JSON[name]()
    report = bomb.encode() if where == "file" else None
    with within(PARSED), pytest.raises(MetricError) as caught:
        extract(bomb, None, rule, report)
    assert len(str(caught.value)) < 500
    tally("bombs tried", 1)


def test_a_report_that_is_no_report_is_a_row_and_the_run_goes_on(
    repo: Repo, script: Script, run: Run, shell: Shell, ordinary: float, tmp_path: Path
) -> None:
    decoy = tmp_path / "decoy"
    decoy.write_text('{"n": 1}')
    repo.write("value", "echo '{\"n\": 9}' >report\n")
    repo.commit()
    bombs = {
        "mkfifo report": "pipe",
        "mkdir report": "is a folder",
        f"ln -s {decoy} report": "is a link",
        "ln -s /dev/zero report": "is a link",
        "truncate -s 10G report": "larger than",
        "mkdir d; ln -s d e; ln -s report report": "is a link",
        "head -c 70000000 /dev/zero >report": "larger than",
        "printf '[%.0s' $(seq 100000) >report": "nested too deeply",
        "true": "was not written",
        "echo '{\"n\": 8}' >report": "",
    }
    script(*({"description": line[:40], "files": {"value": f"{line}\n"}} for line in bombs))
    done = shell(
        *run.arguments(
            *("--set", "metric.extract.json=$.n", "--set", "metric.extract.file=report"),
            *("--iterations", str(len(bombs)), "--confirm", "never", "--set", "calibrate=never"),
            metric="sh value",
        )
    )
    assert done.code == 0, done.told
    rows = run.result(done.code, "", "").rows[1:]
    assert [row["status"] for row in rows] == ["metric-error"] * (len(bombs) - 1) + ["keep"]
    for row, why in zip(rows, bombs.values(), strict=True):
        assert why in row["reason"], row
    assert done.peak < ordinary + 2 * ROOM


# --- what an earlier run left ---

Record = dict[str, Any]


def _kept(repo: Repo, run: Run, script: Script) -> Path:
    """A run with one keep, to be continued; its records."""
    script(
        {"description": "better", "files": {"value": "9\n"}},
        {"description": "even better", "files": {"value": "8\n"}},
    )
    done = run.once("--iterations", "1")
    assert done.column("status") == ["baseline", "keep"], done.told
    return repo.path / ".git" / "autoresearch" / "t" / "records.jsonl"


def _set(record: Record, path: str, value: Any) -> None:
    *parents, last = path.split("/")
    here: Any = record
    for part in parents:
        here = here[part]
    here[last] = value


def _sealed(record: Record) -> bytes:
    del record["crc32"]
    body = json.dumps(record).replace('"DIGITS"', "9" * 10_000).encode()
    return body[:-1] + b', "crc32": "%08x"}\n' % zlib.crc32(body)


BLOB = {"mode": "100644", "blob": "a" * 40}
FORGERIES: dict[str, tuple[str, str, Any]] = {
    "leads out of the tree": ("attempt", "changes", {"../../out": BLOB}),
    "is absolute": ("attempt", "changes", {"/out": BLOB}),
    "edits a workflow": ("attempt", "changes", {".github/workflows/x.yml": BLOB}),
    "edits git": ("attempt", "changes", {".git/config": BLOB}),
    "is out of scope": ("attempt", "changes", {"other": BLOB}),
    "plants a link": ("attempt", "changes", {"value": {"mode": "120000", "blob": "a" * 40}}),
    "names a blob by option": ("attempt", "changes", {"value": {"mode": "100644", "blob": "--x"}}),
    "names a commit by option": ("attempt", "commit", "--output=out"),
    "keeps another commit": ("verdict", "experiment/commit", "EVIL"),
    "keeps what is no commit": ("verdict", "experiment/commit", "--output=out"),
    "another base": ("start", "base", "--upload-pack=touch out"),
    "no base": ("start", "base", None),
    "no ruler": ("start", "ruler", None),
    "a number is a text": ("verdict", "experiment/metric", "9"),
    "a text is a number": ("verdict", "experiment/description", 9),
    "a status of its own": ("verdict", "experiment/status", "best"),
    "an unknown field": ("verdict", "experiment/x", 9),
    "an iteration of its own": ("verdict", "experiment/iteration", 7),
    "no knowledge": ("verdict", "knowledge", {}),
    "knowledge that is a list": ("verdict", "knowledge", [1]),
    "knowledge of nonsense": ("verdict", "knowledge/session", {"x": "y"}),
    "knowledge in words": ("verdict", "knowledge/session/incumbent", ["nine"]),
    "a test level of its own": ("verdict", "knowledge/session/tests", -100),
    "a keep in the future": ("verdict", "knowledge/session/keeps", [10**9]),
    "a time limit of words": ("verdict", "knowledge/durations", {"cat value": "long"}),
    "a time limit in the past": ("verdict", "knowledge/durations", {"cat value": -1.0}),
    "outcomes without end": ("verdict", "standards", {"guard 0": "/dev/zero"}),
    "outcomes of another place": ("verdict", "standards", {"guard 0": "../lock"}),
    "outcomes in words": ("verdict", "standards", ["x"]),
    "tokens of a billion digits": ("attempt", "tokens", "DIGITS"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_records_that_were_edited_are_not_believed(
    repo: Repo, run: Run, script: Script, tally: Tally, forgery: str
) -> None:
    kind, path, value = FORGERIES[forgery]
    records = _kept(repo, run, script)
    branch = repo.ref("refs/heads/autoresearch/t")
    if value == "EVIL":
        repo.git("checkout", "--quiet", "--detach", branch)
        repo.write(".github/workflows/x.yml", "evil\n")
        value = repo.commit("evil")
        repo.git("update-ref", "refs/heads/autoresearch/t", value)
        repo.git("checkout", "--quiet", "main")
        branch = value
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    _set([line for line in lines if line["record"] == kind][-1], path, value)
    # With checksums of their own, as a forger would: those are against broken disks.
    records.write_bytes(b"".join(map(_sealed, lines)))
    before = repo.photograph()
    done = run("--iterations", "2", "--resume")
    assert done.code in (2, 3), done.told
    assert "usually:" in done.err, done.told
    assert "checksum" not in done.err, done.told
    assert repo.ref("refs/heads/autoresearch/t") == branch
    assert repo.photograph() == before
    assert not list(repo.path.parent.rglob("out"))
    tally("forged records tried", 1)


@pytest.mark.parametrize(
    "line", ["[" * 100_000, "9" * 10_000, "[]", '"x"', "null", '{"record": "x"}', "{", "\x00"]
)
def test_a_record_that_is_none_ends_the_run_with_a_word(
    repo: Repo, run: Run, script: Script, line: str, tally: Tally
) -> None:
    records = _kept(repo, run, script)
    records.write_text(records.read_text() + line + "\n")
    done = run("--iterations", "2", "--resume")
    assert done.code == 3, done.told
    assert "not a record of ours" in done.err
    tally("bombs tried", 1)


@pytest.mark.parametrize("kind", NO_FILES)
def test_records_that_are_no_file_are_not_read(
    repo: Repo, run: Run, script: Script, shell: Shell, ordinary: float, kind: str
) -> None:
    records = _kept(repo, run, script)
    records.unlink()
    no_file(records, kind)
    done = shell(*run.arguments("--iterations", "2", "--resume"))
    assert done.code in (2, 3), done.told
    assert done.peak < ordinary + ROOM


@pytest.mark.parametrize("kind", ["pipe", "device", "sparse"])
def test_a_journal_that_is_no_file_is_written_anew(
    repo: Repo, run: Run, script: Script, shell: Shell, ordinary: float, kind: str
) -> None:
    _kept(repo, run, script)
    journal = repo.path / "autoresearch" / "run-t" / "results.tsv"
    journal.unlink()
    no_file(journal, kind)
    done = shell(*run.arguments("--iterations", "2", "--resume", "--confirm", "never"))
    assert done.code == 0, done.told
    assert run.result(0, "", "").column("status") == ["baseline", "keep", "keep"]
    assert done.peak < ordinary + 2 * ROOM


# --- the repository ---


@pytest.mark.parametrize("proposer", ["claude", "search"])
def test_a_huge_file_in_scope_costs_no_memory(
    repo: Repo, run: Run, shell: Shell, ordinary: float, proposer: str
) -> None:
    repo.write("data", b"VALUE = 1\n" * (6 << 20))
    repo.write("a.py", "SIZE = 3\n")
    repo.commit()
    scope = ("--scope", "data", "a.py", "value", "--metric", "cat value")
    if proposer == "claude":
        done = shell("prompt", *scope, "--proposer", "claude", ANTHROPIC_API_KEY="x")
        assert "In scope, not shown here" in done.told
    else:
        done = shell("run", *scope, "--proposer", "search", "--iterations", "1")
    assert done.code == 0, done.told[:3000]
    assert done.peak < ordinary + ROOM


def test_a_huge_file_is_refused_to_the_model_and_the_run_goes_on(
    repo: Repo, run: Run, shell: Shell, ordinary: float
) -> None:
    repo.write("data", b"x" * (60 << 20))
    repo.commit()
    edit = tool("str_replace_based_edit_tool", command="create", path="value", file_text="9")
    with MessagesApi() as api:
        api.answer(
            calls(
                tool("str_replace_based_edit_tool", command="view", path="data"),
                tool("grep", pattern="x"),
                tool("delete", path="data"),
                tool("str_replace_based_edit_tool", command="create", path="data", file_text="x"),
            ),
            calls(edit, submit("better")),
        )
        done = shell(
            *run.arguments(
                "--iterations",
                "1",
                "--set",
                "claude.dialect=native",
                "--set",
                f"claude.base_url={api.url}",
                "--scope",
                "data",
            ),
            *("--confirm", "never", "--proposer", "claude"),
            ANTHROPIC_API_KEY="sk-ant-x",
        )
        answers = json.dumps(api.requests[1]["messages"][-1])
    assert done.code == 0, done.told
    assert answers.count("at most 16000000 can be read") == 3
    assert run.result(0, "", "").column("status") == ["baseline", "keep"]
    assert done.peak < ordinary + 2 * ROOM


def test_a_program_that_is_no_brief_is_refused(repo: Repo, shell: Shell) -> None:
    repo.write("program.md", "x" * 2_000_000)
    repo.write("tuned.py", "RATE = 1.0\n")
    repo.commit()
    work = ("--scope", "*.py", "--metric", "cat value", "--set", "program=program.md")
    done = shell("run", *work, "--proposer", "search")
    assert done.code == 2, done.told
    assert "at most 1000000" in done.told


# --- what others answer ---


@pytest.fixture
def flood() -> Iterator[str]:
    """A server that answers 100 MB, or 100 MB as 100 kB of gzip."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            packed = self.path == "/packed"
            if packed:
                self.send_header("content-encoding", "gzip")
            self.end_headers()
            chunk = b"x" * (1 << 20)
            body = gzip.compress(os.urandom(3 << 20)) if packed else chunk
            try:
                for _ in range(1 if packed else 100):
                    self.wfile.write(body)
            except OSError:
                return

        def log_message(self, format: str, *args: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("path", ["/plain", "/packed"])
def test_an_answer_without_end_is_broken_off(flood: str, path: str, tally: Tally) -> None:
    with (
        bounded_client(httpx2.Timeout(10.0), limit=8 << 20) as client,
        pytest.raises(httpx2.ReadError, match="larger than"),
    ):
        client.get(flood + path)
    tally("bombs tried", 1)


def test_a_message_of_many_parts_is_counted_in_bounded_time(tally: Tally) -> None:
    part = '{"type":"assistant","message":{"id":"m","content":[%d],"usage":{"input_tokens":7}}}'
    began = time.process_time()
    report = claude_says("\n".join(part % number for number in range(50_000)))
    assert report.tokens >= 7
    assert time.process_time() - began < promptly(4)
    tally("bombs tried", 1)


@pytest.mark.parametrize(
    "output",
    [
        '{"a":\n' * 60_000,
        '{"a"\n' * 50_000,
        "{\n" * 50_000,
        '{"a":' * 20_000,
        '{"a": [' * 40_000,
    ],
)
def test_an_agents_output_is_read_in_bounded_time(output: str, tally: Tally) -> None:
    began = time.process_time()
    assert claude_says(output).tokens == 0
    assert codex_says(output).message == ""
    assert time.process_time() - began < promptly(4)
    tally("bombs tried", 1)


def test_state_is_data_the_package_can_run_none_of_it() -> None:
    banned = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle", "copyreg", "code"}
    calls_banned = {"eval", "exec", "compile", "__import__"}
    # Nine files in ten have none of the words where they would matter, and need not be parsed.
    suspect = re.compile(
        rf"(?:from|import|,)[\s\\]*({'|'.join(banned)})\b|(?<!\.)\b({'|'.join(calls_banned)})\b"
    )
    found = []
    for path in Path(autoresearch_ci.__file__).parent.rglob("*.py"):
        if path.parent.name == "pytest_plugin":
            continue  # runs where measured code does, as a part of it
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if suspect.search(text) else ():
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                found += [f"{path}: {node.func.id}"] if node.func.id in calls_banned else []
            found += [f"{path}: {n}" for n in names if n.partition(".")[0] in banned]
    assert found == []
