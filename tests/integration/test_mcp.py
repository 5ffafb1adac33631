"""MCP servers as the model meets them: real ones, over stdio and over HTTP on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from autoresearch_ci.config.proposers import ToolServer
from autoresearch_ci.errors import Interrupted, ProposerError
from autoresearch_ci.execution.command import run_command
from autoresearch_ci.llm.mcp import MAX_DESCRIPTION, McpTools
from autoresearch_ci.llm.tools import MAX_RESULT
from autoresearch_ci.safety.redaction import Redactor
from tests.patience import promptly

# Not imported: nobody else needs it, and each worker collects everything.
pytestmark = pytest.mark.skipif(find_spec("mcp") is None, reason="the `mcp` extra is not installed")

SCRIPT = str(Path(__file__).parent.parent / "mcp_server.py")
TOKEN = "token-0123456789"
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "A_TOKEN": TOKEN,
    "ANTHROPIC_API_KEY": "sk-ant-secret",
}


class Bench:
    """Servers that are told everything they need; `said` is what was noted."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.stop = threading.Event()

    def check(self) -> None:
        if self.stop.is_set():
            raise Interrupted("stopped")

    def open(self, *, start_timeout: float = 60.0, **servers: ToolServer) -> McpTools:
        return McpTools(
            servers,
            folder=Path(SCRIPT).parent,
            environment=ENVIRONMENT,
            redactor=Redactor([TOKEN]),
            note=self.said.append,
            check=self.check,
            start_timeout=start_timeout,
        )


def tiny(**settings: Any) -> ToolServer:
    command = [sys.executable, SCRIPT, "stdio"]
    return ToolServer(**{"command": command, "timeout": 30.0, **settings})


def shell(line: str) -> ToolServer:
    return ToolServer(command=("sh", "-c", line))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pid: int, seconds: float = 60) -> bool:
    """A process that was killed is seen for a moment yet, until the kernel has put it away."""
    deadline = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[McpTools, Bench]]:
    """One server for the tests that leave it in good health."""
    bench = Bench()
    with bench.open(tiny=tiny(pass_env=["A_TOKEN"], env={"MODE": "test"}, max_calls=3)) as tools:
        yield tools, bench


@pytest.fixture
def tools(shared: tuple[McpTools, Bench]) -> McpTools:
    tools, bench = shared
    tools.new_iteration()
    bench.said.clear()
    return tools


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    argv = [sys.executable, SCRIPT, "http", TOKEN]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/mcp"
        process.kill()


def test_a_tool_is_offered_in_plain_json_and_its_answer_comes_back(tools: McpTools) -> None:
    offered = {tool["name"]: tool for tool in tools.definitions()}
    assert list(offered) == sorted(offered)
    add = offered["mcp__tiny__add"]
    assert set(add["input_schema"]["properties"]) == {"a", "b"}
    assert json.loads(json.dumps(add)) == add
    assert tools.handles("mcp__tiny__add")
    assert not tools.handles("add")
    answer = tools.call("mcp__tiny__add", {"a": 2, "b": 3})
    assert (answer.text, answer.failed) == ("5", False)


def test_a_server_is_started_at_the_root_wherever_one_stands(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with bench.open(tiny=tiny(command=[sys.executable, Path(SCRIPT).name, "stdio"])) as tools:
        assert tools.handles("mcp__tiny__add")


def test_a_description_is_bounded_and_hides_nothing(tools: McpTools) -> None:
    (add,) = (tool for tool in tools.definitions() if tool["name"] == "mcp__tiny__add")
    assert add["description"].startswith("Add two numbers.")
    assert len(add["description"]) <= MAX_DESCRIPTION


def test_an_odd_name_is_made_plain_and_still_reaches_its_tool(tools: McpTools) -> None:
    (name,) = (tool["name"] for tool in tools.definitions() if "a_b_c" in tool["name"])
    assert name.replace("_", "").isalnum()
    assert tools.call(name, {}).text == "odd"


def test_a_tool_that_the_service_would_refuse_is_not_offered(bench: Bench) -> None:
    with bench.open(tiny=tiny()) as tools:
        assert not tools.handles("mcp__tiny__refused_by_the_service")
    assert any("refused_by_the_service is not offered" in said for said in bench.said)


def test_an_answer_is_bounded_and_shows_what_it_hides(tools: McpTools) -> None:
    answer = tools.call("mcp__tiny__long", {"characters": 3 * MAX_RESULT})
    assert len(answer.text) < MAX_RESULT + 100
    assert "120000 characters in all" in answer.text
    assert tools.call("mcp__tiny__hidden", {}).text == "be⟨U+200B⟩fore⟨U+001B⟩[31m"


def test_a_picture_is_left_out_and_said_so(tools: McpTools) -> None:
    text = tools.call("mcp__tiny__picture", {}).text
    assert text.splitlines() == ["a picture:", "(image left out: only text is read)"]


def test_a_server_sees_the_variables_that_were_named_and_no_other(tools: McpTools) -> None:
    answer = tools.call("mcp__tiny__environment", {})
    seen = json.loads(answer.text)
    assert seen["MODE"] == "test"
    assert seen["A_TOKEN"] == "***"  # it had the value; the model does not see it
    assert "ANTHROPIC_API_KEY" not in seen
    assert seen["HOME"] != os.environ.get("HOME")
    assert not [name for name in seen if name.startswith("PYTEST")]


def test_a_failing_tool_is_a_tool_error_without_the_secret(
    shared: tuple[McpTools, Bench], tools: McpTools
) -> None:
    answer = tools.call("mcp__tiny__complain", {})
    assert answer.failed
    assert "bad key ***" in answer.text
    assert not any(TOKEN in said for said in shared[1].said)


@pytest.mark.parametrize("arguments", [None, [1], {"a": "x"}, {}])
def test_wrong_arguments_are_a_tool_error(tools: McpTools, arguments: object) -> None:
    assert tools.call("mcp__tiny__add", arguments).failed


def test_each_call_is_noted_and_the_cap_counts_per_iteration(
    shared: tuple[McpTools, Bench], tools: McpTools
) -> None:
    for _ in range(3):
        assert not tools.call("mcp__tiny__add", {"a": 1, "b": 1}).failed
    refused = tools.call("mcp__tiny__add", {"a": 1, "b": 1})
    assert refused.failed
    assert "3 times per iteration" in refused.text
    assert len(shared[1].said) == 4
    assert shared[1].said[0].startswith('mcp: mcp__tiny__add {"a": 1, "b": 1}: 1 chars (')
    tools.new_iteration()
    assert not tools.call("mcp__tiny__add", {"a": 1, "b": 1}).failed


def test_what_is_no_protocol_is_passed_over_in_silence(
    tools: McpTools, capfd: pytest.CaptureFixture[str]
) -> None:
    assert not tools.call("mcp__tiny__garbage", {}).failed
    assert "::error::" not in "".join(capfd.readouterr())


def test_a_server_that_dies_is_a_tool_error_from_then_on(bench: Bench) -> None:
    with bench.open(tiny=tiny(), other=tiny()) as tools:
        assert tools.call("mcp__tiny__die", {}).failed
        started = time.monotonic()
        assert tools.call("mcp__tiny__add", {"a": 1, "b": 1}).failed
        assert time.monotonic() - started < promptly(2)
        assert tools.call("mcp__other__add", {"a": 1, "b": 1}).text == "2"
        assert tools.handles("mcp__tiny__add"), "what is offered must not change"


def test_a_server_that_hangs_costs_one_timeout_and_leaves_no_process(bench: Bench) -> None:
    with bench.open(tiny=tiny(timeout=1.0)) as tools:
        server = int(tools.call("mcp__tiny__pid", {}).text)
        os.kill(server, signal.SIGSTOP)
        started = time.monotonic()
        answers = [tools.call("mcp__tiny__add", {"a": 1, "b": 1}) for _ in range(3)]
        assert time.monotonic() - started < promptly(2.5)
        assert all(answer.failed for answer in answers)
        assert "no answer from tiny in 1 s" in answers[0].text
        os.kill(server, signal.SIGCONT)
        tools.new_iteration()
        assert tools.call("mcp__tiny__add", {"a": 1, "b": 1}).text == "2"
        os.kill(server, signal.SIGSTOP)
    assert gone(server)


def test_closing_ends_also_a_child_that_left_the_session(bench: Bench) -> None:
    with bench.open(tiny=tiny()) as tools:
        server = int(tools.call("mcp__tiny__pid", {}).text)
        daemon = int(tools.call("mcp__tiny__detach", {}).text)
        home = Path(json.loads(tools.call("mcp__tiny__environment", {}).text)["HOME"])
        assert alive(server)
        assert alive(daemon)
    assert gone(server)
    assert gone(daemon)
    assert not home.exists()
    tools.close()  # once more


def test_a_server_survives_the_sweep_after_a_measured_command(
    tools: McpTools, tmp_path: Path
) -> None:
    command = "setsid sleep 1000 & echo $!"
    result = run_command(command, cwd=tmp_path, env=ENVIRONMENT)
    assert gone(int(result.output)), "there was a sweep"
    assert tools.call("mcp__tiny__add", {"a": 1, "b": 1}).text == "2"


def test_an_interrupt_does_not_wait_for_a_server(bench: Bench) -> None:
    with bench.open(tiny=tiny()) as tools:
        started = time.monotonic()
        threading.Timer(0.3, bench.stop.set).start()
        with pytest.raises(Interrupted):
            tools.call("mcp__tiny__sleep", {"seconds": 20})
        assert time.monotonic() - started < promptly(2)
    assert time.monotonic() - started < promptly(10)


def test_http_with_a_token_from_the_environment(bench: Bench, url: str) -> None:
    headers = {"Authorization": "Bearer $A_TOKEN"}
    with bench.open(web=ToolServer(url=url, headers=headers)) as tools:
        assert tools.call("mcp__web__add", {"a": 2, "b": 2}).text == "4"
        assert tools.call("mcp__web__complain", {}).failed


def test_http_without_the_token_says_so_before_the_run(bench: Bench, url: str) -> None:
    with pytest.raises(ProposerError, match=r"MCP server web cannot be used: .*HTTP 401"):
        bench.open(web=ToolServer(url=url))


def test_http_that_goes_away_is_a_tool_error(bench: Bench) -> None:
    argv = [sys.executable, SCRIPT, "http", TOKEN]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        here = f"http://127.0.0.1:{process.stdout.readline().strip()}/mcp"
        headers = {"Authorization": "Bearer $A_TOKEN"}
        with bench.open(web=ToolServer(url=here, headers=headers)) as tools:
            process.kill()
            process.wait()
            assert tools.call("mcp__web__add", {"a": 2, "b": 2}).failed


@pytest.mark.parametrize(
    ("server", "why"),
    [
        (ToolServer(command=("/no/such/program",)), "No such file"),
        (shell("echo the key is missing >&2; exit 3"), "the key is missing"),
        (ToolServer(url="http://127.0.0.1:1/mcp"), "onnect"),
        (ToolServer(command=("true",), pass_env=("ABSENT",)), "ABSENT, which is not set"),
    ],
    ids=["no-program", "exits", "no-listener", "variable"],
)
def test_a_server_that_cannot_be_used_is_named_with_the_reason(
    bench: Bench, server: ToolServer, why: str
) -> None:
    with pytest.raises(ProposerError, match="MCP server") as caught:
        bench.open(x=server)
    assert why in str(caught.value)
    assert "do:" in str(caught.value)


def test_a_server_that_never_answers_is_given_up_and_ended(bench: Bench, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    started = time.monotonic()
    with pytest.raises(ProposerError, match="no answer in 1 s"):
        bench.open(shell=shell(f"echo $$ > {pid}; exec sleep 1000"), tiny=tiny(), start_timeout=1.0)
    assert time.monotonic() - started < promptly(8)
    assert gone(int(pid.read_text()))
