"""What a step prints: our commands within the runner's limits, and everything else inert."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import pytest

from autoresearch_ci.cli.action.child_output import Narrator, parse
from autoresearch_ci.cli.action.runner_io import FileCommands, Log, fit, masks
from autoresearch_ci.safety.log_text import file_command, workflow_command


def printed(log: Log) -> list[str]:
    stream = log._stream
    assert isinstance(stream, io.StringIO)
    return stream.getvalue().splitlines()


@pytest.fixture
def log() -> Log:
    return Log(io.StringIO(), obeyed=True)


def test_a_command_ends_where_we_end_it() -> None:
    line = workflow_command("error", "50 %\r\n::stop-commands::x", title="a:b,c=d", file="")
    assert line == "::error title=a%3Ab%2Cc=d::50 %25%0D%0A::stop-commands::x"


def test_a_value_cannot_set_another_output() -> None:
    assert file_command("best", "1\nverdict=pass", "D") == "best<<D\n1\nverdict=pass\nD\n"
    with pytest.raises(ValueError, match="delimiter"):
        file_command("best", "1\nD\nverdict<<D\npass", "D")


def test_no_level_has_more_annotations_than_the_runner_shows(log: Log) -> None:
    for number in range(30):
        log.annotate("warning", f"number {number}")
    log.annotate("error", "one")
    log.close()
    warnings = [line for line in printed(log) if line.startswith("::warning")]
    assert len(warnings) == 10
    assert warnings[-1] == "::warning::21 more in the log of this step."
    assert "warning: number 29" in printed(log)


def test_annotations_are_cut_before_the_runner_does(log: Log) -> None:
    log.annotate("error", "x" * 5000)
    assert len(printed(log)[0]) < 4096


def test_groups_never_nest_and_always_close(log: Log) -> None:
    for title in ("a", "a", "b"):
        log.group(title)
        log.line("text")
    log.close()
    assert printed(log) == [
        *("::group::a", "text", "text", "::endgroup::"),
        *("::group::b", "text", "::endgroup::"),
    ]


def test_every_line_and_every_form_of_a_secret_is_masked() -> None:
    environment = {"MY_API_KEY": "key-v4lue-0123", "PATH": "/bin", "SOME_TOKEN": "true"}
    found = set(masks(environment, ["first line\nsecond line\nxx"]))
    assert {"key-v4lue-0123", "first line", "second line"} <= found
    assert "eC1hY2Nlc3MtdG9rZW46a2V5LXY0bHVlLTAxMjM" in found  # x-access-token:key-v4lue-0123
    assert not {"/bin", "xx", "true"} & found


def test_a_line_that_is_no_event_is_shown_and_defused(log: Log) -> None:
    narrator = Narrator(log)
    for line in ("::error::x", '{"event": "unknown"}', '{"event": "note"}', "[1]", "{"):
        assert parse(line) is None
        narrator.feed(line)
    assert printed(log)[0] == ":\\:error::x"


def test_the_least_important_part_is_what_does_not_fit() -> None:
    assert fit(["first", "", "second"], 100) == b"first\n\nsecond\n"
    cut = fit(["first", "x" * 500, "second"], 200)
    assert cut.startswith(b"first\n\nMore did not fit")
    assert len(fit(["\u00e4" * 2_000_000], 1024 * 1024)) <= 1024 * 1024
    assert fit(["first"], 0) == b""


def test_what_was_put_in_a_files_place_is_replaced_and_a_device_stays(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "output").write_text("a=1\n")
    commands = FileCommands(
        {
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            "GITHUB_PATH": str(tmp_path / "path"),
            "GITHUB_ENV": str(tmp_path / "env"),
        }
    )
    (tmp_path / "output").unlink()
    (tmp_path / "output").symlink_to(tmp_path / "theirs")
    os.mkfifo(tmp_path / "path")
    if os.geteuid() == 0:
        os.mknod(tmp_path / "env", stat.S_IFCHR | 0o666, Path(os.devnull).stat().st_rdev)
    commands.set_outputs({})
    commands.restore_others()
    assert not (tmp_path / "output").is_symlink()
    assert (tmp_path / "output").read_text() == "a=1\n"
    assert (tmp_path / "theirs").read_text() == "theirs"
    assert (tmp_path / "path").read_bytes() == b""
    assert (tmp_path / "env").is_char_device() is (os.geteuid() == 0)
