"""A file that is replaced is whole; what is no file is written to, and is there afterwards."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

from autoresearch_ci.record.durable_files import write_out


def test_a_pipe_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_out(pipe, b"words")
    reader.join(10)
    assert read == [b"words"]
    assert stat.S_ISFIFO(pipe.lstat().st_mode)


def test_a_descriptor_of_ours_is_written_to(tmp_path: Path) -> None:
    with (tmp_path / "there").open("w+b") as there:
        write_out(Path(f"/dev/fd/{there.fileno()}"), b"words")
        assert there.read() == b"words"
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_link_is_replaced_whatever_it_leads_to(tmp_path: Path) -> None:
    """Else a checkout could say which file of a machine is written to."""
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "other"):
        (tmp_path / "other").write_bytes(b"theirs")
        link = tmp_path / "link"
        link.symlink_to(tmp_path / name)
        write_out(link, b"words")
        assert not link.is_symlink()
        assert link.read_bytes() == b"words"
        assert (tmp_path / "other").read_bytes() == b"theirs"
        link.unlink()
