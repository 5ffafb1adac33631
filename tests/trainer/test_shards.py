"""Text of one's own: shards that are read, or downloaded, whole or not at all."""

import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.local_server import LocalServer

pytest.importorskip("torch")
pytest.importorskip("tokenizers")
prepare = pytest.importorskip("prepare")


class ShardServer(LocalServer):
    """Serves `files`; before that, each `trouble` once: a status, or a number of bytes too few.

    `length` is the header that says how long a body is, when it does not say the truth.
    """

    def __init__(self, files: dict[str, bytes], trouble: tuple[int, ...] = (), length: str = ""):
        self.asked: list[str] = []
        waiting = list(trouble)
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                body = files.get(self.path.partition("?")[0])
                trouble = waiting.pop(0) if waiting else 0
                if trouble >= 400 or body is None:
                    self.send_error(trouble or 404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", length or str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) - trouble])

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.listen(Handler)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Waiting between two attempts takes no time."""
    monkeypatch.setattr(prepare.time, "sleep", lambda _: None)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name.partition("-")[2] or path.name for path in folder.iterdir())


def test_shards_are_downloaded_once_and_the_last_one_given_is_held_out(tmp_path):
    with ShardServer({"/b.txt": b"b one\fb two", "/a.txt": b"a one"}) as server:
        urls = [f"{server.url}/b.txt", f"{server.url}/a.txt"]
        found = prepare.shard_source(prepare.find_shards(urls, tmp_path))
        again = prepare.shard_source(prepare.find_shards(urls, tmp_path))
        assert server.asked == ["/b.txt", "/a.txt"]
    assert list(found.train()) == ["b one", "b two"]
    assert list(found.val()) == ["a one"]
    assert again.digest == found.digest


def test_a_download_survives_a_busy_server_a_cut_line_and_an_earlier_death(tmp_path):
    with ShardServer({"/a.txt": b"whole"}, trouble=(503, 2, 429)) as server:
        url = f"{server.url}/a.txt"
        final = prepare.download(url, tmp_path)
        final.rename(final.with_name(final.name + ".unfinished"))  # as kill -9 leaves it
        final.with_name(final.name + ".unfinished").write_bytes(b"half of an older one")
        assert prepare.download(url, tmp_path).read_bytes() == b"whole"
        assert len(server.asked) == 5
    assert names_in(tmp_path) == ["a.txt"]


def test_a_length_without_sense_is_no_length(tmp_path):
    with ShardServer({"/a.txt": b"whole"}, length="some") as server:
        assert prepare.download(f"{server.url}/a.txt", tmp_path).read_bytes() == b"whole"


@pytest.mark.parametrize(
    ("trouble", "requests", "said"),
    [((404,), 1, "404"), ((503,) * 5, 5, "503"), ((2,) * 5, 5, "2 more expected")],
)
def test_a_download_that_fails_leaves_nothing_and_does_not_tell_the_query(
    tmp_path, trouble, requests, said
):
    with ShardServer({"/a.txt": b"whole"}, trouble) as server:
        with pytest.raises(SystemExit, match=said) as caught:
            prepare.download(f"{server.url}/a.txt?signature=secret", tmp_path)
        assert len(server.asked) == requests
    assert "secret" not in str(caught.value)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["notes.md"], "expected a folder"),
        (["gone.txt"], "no such file"),
        (["ftp://host/a.txt"], "only https"),
        (["https://host/?file=a.txt"], "expected a folder"),
        (["https://me:secret@host/a?signature=secret"], "^host/a: expected a folder"),
    ],
)
def test_what_is_no_shard_is_refused_before_anything_is_downloaded(tmp_path, given, said):
    with pytest.raises(SystemExit, match=said) as caught:
        prepare.find_shards(["http://127.0.0.1:1/first.txt", *given], tmp_path)
    assert "secret" not in str(caught.value)


def test_a_url_that_is_none_is_refused_without_its_query(tmp_path):
    with pytest.raises(SystemExit, match=r"a b\.txt: not a URL") as caught:
        prepare.download("http://127.0.0.1:1/a b.txt?signature=secret", tmp_path)
    assert "secret" not in str(caught.value)


def write_parquet(path: Path, **columns: list) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table(columns), path)
    return path


def test_less_of_the_embedded_text_can_be_scored_from_then_on(workshop, tmp_path):
    shutil.copy(workshop / "prepare.py", tmp_path)
    shutil.copytree(workshop / "corpus", tmp_path / "corpus")
    command = [sys.executable, "prepare.py", "--vocab-size", "300", "--eval-tokens", "512"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert prepare.load(tmp_path / ".data").eval_tokens == 512


def test_parquet_shards_become_a_data_set_that_is_trained_on_from_then_on(workshop, tmp_path):
    for name in ("prepare.py", "train.py"):
        (tmp_path / name).write_bytes((workshop / name).read_bytes())
    texts = [f"document {i} says something" for i in range(40)]
    write_parquet(tmp_path / "0.parquet", text=[*texts, None, ""], url=["x"] * 42)
    write_parquet(tmp_path / "1.parquet", text=["what is held out"])
    sizes = ["--vocab-size", "300", "--sequence-len", "16"]
    subprocess.run(
        [sys.executable, "prepare.py", "--dataset", "0.parquet", "1.parquet", *sizes],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    data = prepare.load(tmp_path / ".data")
    assert (data.vocab_size, data.sequence_len, data.time_budget) == (300, 16, 300)
    bos = list(data.train_tokens()).count(data.bos)
    assert bos == 40  # a row without text is no document


def test_a_shard_without_text_or_without_sense_says_so(tmp_path):
    other = write_parquet(tmp_path / "0.parquet", content=["a"])
    with pytest.raises(SystemExit, match=r"no column `text`, only content"):
        list(prepare.read_shard(other))
    other.write_bytes(b"<html>not found</html>")
    with pytest.raises(SystemExit, match="not a parquet file"):
        list(prepare.read_shard(other))
