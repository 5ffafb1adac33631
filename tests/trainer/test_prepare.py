"""The fixed half: data that loses nothing, and a metric that is a probability of bytes."""

import itertools
import json
import math
import multiprocessing
import os
import platform
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tokenizers")
prepare = pytest.importorskip("prepare")

SETTINGS = prepare.Settings(vocab_size=260, sequence_len=16, time_budget=1, eval_tokens=10_000)


def source(*documents: str, digest: str = "x") -> prepare.Source:
    return prepare.Source(lambda: iter(documents), lambda: iter(documents), digest)


def byte_data(folder: Path, text: bytes, sequence_len: int = 16) -> prepare.Data:
    """A vocabulary of 256 single bytes and BOS."""
    folder.mkdir()
    np.array([256, *text], np.uint16).tofile(folder / "val.bin")
    np.save(folder / "token_bytes.npy", np.array([1] * 256 + [0], np.int32))
    return prepare.Data(folder, 257, sequence_len, 1.0, 10_000)


def uniform_bytes(tokens):
    """Every byte equally likely, BOS impossible."""
    logits = torch.zeros(*tokens.shape, 257)
    logits[..., 256] = -1e9
    return logits


def test_a_uniform_byte_model_scores_exactly_8_bits_per_byte(tmp_path):
    data = byte_data(tmp_path / "bytes", "Größe, 雪!".encode() * 7)
    assert prepare.evaluate_bpb(uniform_bytes, data, 2) == pytest.approx(8.0, abs=1e-6)


def test_the_score_depends_neither_on_the_batch_size_nor_on_a_scaled_probability(tmp_path):
    data = byte_data(tmp_path / "bytes", bytes(range(200)))
    scores = [prepare.evaluate_bpb(uniform_bytes, data, size) for size in (1, 3, 99)]
    scores.append(prepare.evaluate_bpb(lambda tokens: uniform_bytes(tokens) + 50, data, 2))
    assert scores == pytest.approx([8.0] * 4, abs=1e-5)


def test_a_cpu_scores_no_more_of_a_large_data_set_than_it_can_in_half_a_minute(tmp_path):
    data = byte_data(tmp_path / "bytes", bytes(prepare.CPU_EVAL_TOKENS + 5000), sequence_len=2048)
    scored = []

    def model(tokens):
        scored.append(tokens.numel())
        return torch.zeros(1, 1, 257).expand(*tokens.shape, -1)

    prepare.evaluate_bpb(model, replace(data, eval_tokens=2**21), 8)
    assert sum(scored) - 8 * 2048 == prepare.CPU_EVAL_TOKENS  # the first batch goes twice
    scored.clear()
    prepare.evaluate_bpb(model, replace(data, eval_tokens=8 * 2048), 8)
    assert sum(scored) - 8 * 2048 == 8 * 2048


def test_a_document_boundary_is_not_scored(tmp_path):
    data = byte_data(tmp_path / "bytes", b"abcdefgh")
    tokens = np.array([256, *b"abcd", 256, *b"efgh"], np.uint16)
    tokens.tofile(data.folder / "val.bin")
    assert prepare.evaluate_bpb(uniform_bytes, data, 2) == pytest.approx(8.0, abs=1e-6)


def test_a_model_that_looks_ahead_is_refused(tmp_path):
    data = byte_data(tmp_path / "bytes", bytes(range(64)))

    def oracle(tokens):
        following = torch.roll(tokens, -1, dims=1)
        return 9.0 * torch.nn.functional.one_hot(following, 257).float()

    with pytest.raises(RuntimeError, match="later tokens"):
        prepare.evaluate_bpb(oracle, data, 2)


def test_evaluation_rows_predict_every_token_but_the_first_once():
    rows = prepare.cut_rows(np.arange(100, 123), length=5, bos=7)
    assert (rows[:, 0] == 7).all()
    assert rows[:, 1:].ravel()[:22].tolist() == list(range(101, 123))
    assert set(rows[:, 1:].ravel()[22:].tolist()) <= {7}


@pytest.mark.parametrize("cut", [None, 3000])
def test_training_rows_start_with_bos_and_cover_an_epoch_without_padding(data, tmp_path, cut):
    tokens = data.train_tokens()
    if cut:  # into two shards
        data = replace(data, folder=tmp_path)
        tokens[:cut].tofile(tmp_path / "train-0000.bin")
        tokens[cut:].tofile(tmp_path / "train-0001.bin")
    count = (len(tokens) - 1) // data.sequence_len - 3  # an offset may cost a row of each shard
    found = list(itertools.islice(data.rows(seed=3), count))
    for place, row in found:
        assert row[0] == data.bos
        assert len(row) == data.sequence_len + 1
        assert (tokens[place + 1 : place + len(row)] == row[1:]).all()
    assert len({place for place, _ in found}) == count


@pytest.mark.parametrize(("most", "parts"), [(6, 1), (5, 2), (2, 3), (1, 6)])
def test_a_batch_is_split_into_equal_parts_that_fit(data, most, parts):
    batch = next(data.batches(6, most, seed=1))
    assert [len(rows) for _, rows in batch] == [6 // parts] * parts
    places, rows = (np.concatenate(part) for part in zip(*batch, strict=True))
    expected = list(itertools.islice(data.rows(seed=1), 6))
    assert places.tolist() == [place for place, _ in expected]
    assert (rows == np.stack([row for _, row in expected])).all()


def test_the_same_seed_gives_the_same_rows_and_another_one_others(data):
    first, again, other = (next(data.rows(seed)) for seed in (1, 1, 2))
    assert first[0] == again[0] != other[0]
    assert (first[1] == again[1]).all()


def test_any_text_survives_the_tokenizer_byte_by_byte(tmp_path):
    from tokenizers import Tokenizer

    text = "tabs\t\r\n\n  naïve ☃ 𝔘 <|bos|> \x00 1234567 don't\n" * 30
    folder = prepare.prepare(source(text), SETTINGS, tmp_path)
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["val_bytes"] == len(text.encode())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_preparing_twice_does_the_work_once(tmp_path):
    text = source("some words and more words\n" * 50)
    folder = prepare.prepare(text, SETTINGS, tmp_path)
    before = (folder / "meta.json").stat().st_mtime_ns
    assert prepare.prepare(text, SETTINGS, tmp_path) == folder
    assert (folder / "meta.json").stat().st_mtime_ns == before


def test_other_content_or_settings_are_another_preparation(tmp_path):
    text = "some words and more words\n" * 50
    folders = {
        prepare.prepare(source(text, digest="a"), SETTINGS, tmp_path),
        prepare.prepare(source(text, digest="b"), SETTINGS, tmp_path),
        prepare.prepare(source(text, digest="a"), replace(SETTINGS, sequence_len=8), tmp_path),
    }
    assert len(folders) == 3


def test_a_preparation_that_fails_leaves_nothing(tmp_path):
    def broken():
        yield "a few words\n" * 50
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="went away"):
        prepare.prepare(prepare.Source(broken, broken, "x"), SETTINGS, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def prepare_slowly(cache: Path) -> None:
    def documents():
        yield "a few words\n" * 50
        time.sleep(60)

    prepare.prepare(prepare.Source(documents, documents, "x"), SETTINGS, cache)


def test_a_killed_preparation_leaves_nothing_half_written(tmp_path):
    process = multiprocessing.get_context("fork").Process(target=prepare_slowly, args=(tmp_path,))
    process.start()
    while not list(tmp_path.glob("unfinished-*")):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not [path for path in tmp_path.iterdir() if (path / "meta.json").exists()]

    folder = prepare.prepare(source("a few words\n" * 50), SETTINGS, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["lock", folder.name])


def test_text_shards_hold_out_the_last_one(tmp_path):
    shards = tmp_path / "shards"
    shards.mkdir()
    for name in "abc":
        (shards / f"{name}.txt").write_text(f"{name} one\f{name} two")
    found = prepare.shard_source(prepare.find_shards([str(shards)]))
    assert list(found.train()) == ["a one", "a two", "b one", "b two"]
    assert list(found.val()) == ["c one", "c two"]


def test_one_shard_is_not_enough(tmp_path):
    (tmp_path / "only.txt").write_text("text")
    with pytest.raises(SystemExit, match="at least two"):
        prepare.shard_source(prepare.find_shards([str(tmp_path)]))


def test_the_embedded_corpus_has_a_split_without_leakage():
    corpus = prepare.embedded_source()
    train, val = list(corpus.train()), list(corpus.val())
    size = sum(map(len, train)), sum(map(len, val))
    assert size[0] > 5_000_000
    assert 0.05 <= size[1] / sum(size) < 0.06
    assert not set(train) & set(val)
    lines = {line for document in train for line in document.splitlines() if len(line) > 80}
    held_out = [line for document in val for line in document.splitlines() if len(line) > 80]
    assert sum(line in lines for line in held_out) / len(held_out) < 0.005


@pytest.mark.parametrize("text", ["0", "-3", "soon", "inf", "nan"])
def test_a_senseless_budget_is_refused(data, monkeypatch, text):
    monkeypatch.setenv("TRAINER_TIME_BUDGET", text)
    with pytest.raises(SystemExit, match="TRAINER_TIME_BUDGET"):
        prepare.time_budget(data)


def test_the_budget_can_count_steps_or_seconds():
    steps = prepare.Budget(60, steps=4)
    steps.step = 1
    assert steps.progress == 0.25
    seconds = prepare.Budget(0.01)
    seconds.start()
    time.sleep(0.02)
    assert seconds.progress == 1.0
    assert math.isclose(seconds.elapsed, 0.02, abs_tol=0.5)


def test_a_budget_of_cpu_time_does_not_run_out_while_others_compute(monkeypatch):
    monkeypatch.setenv("TRAINER_CLOCK", "cpu")
    budget = prepare.Budget(0.05)
    budget.start()
    time.sleep(0.1)
    assert budget.progress < 1
    while time.process_time() < budget.started + 0.05:
        pass
    assert budget.progress == 1.0


def test_a_clock_that_nobody_has_is_refused(monkeypatch):
    monkeypatch.setenv("TRAINER_CLOCK", "sun")
    with pytest.raises(SystemExit, match="TRAINER_CLOCK='sun': expected wall or cpu"):
        prepare.Budget(1)


STEPS = """
import resource, sys
import numpy as np
import prepare

def steps():
    for _ in range(10):
        [np.ones(2**21, np.uint8) for _ in range(8)]

if sys.argv[1] == "keep":
    prepare.keep_freed_memory()
steps()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
steps()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    """Of steps that free and ask for the same blocks, in a process that starts afresh."""
    argv = [sys.executable, "-c", STEPS, how]
    folder = Path(prepare.__file__).parent
    return int(subprocess.run(argv, cwd=folder, stdout=subprocess.PIPE, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_blocks_that_are_freed_and_asked_for_again_are_not_taken_from_the_kernel_again():
    assert page_faults("keep") < 100 < page_faults("give back")


def test_as_many_threads_are_chosen_as_there_are_cores_at_most():
    before = torch.get_num_threads()
    try:
        assert 1 <= prepare.best_threads() <= len(os.sched_getaffinity(0))
    finally:
        torch.set_num_threads(before)
