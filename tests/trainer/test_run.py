"""`python trainer/train.py` as the loop sees it: lines on stdout and an exit code."""

import importlib
import multiprocessing
import re
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from tests.patience import promptly

torch = pytest.importorskip("torch")
pytest.importorskip("tokenizers")
prepare = pytest.importorskip("prepare")
train = pytest.importorskip("train")

CPU = prepare.Machine("cpu", torch.float32, "cpu", 1e12)

SUMMARY = [
    "val_bpb",
    "training_seconds",
    "peak_memory_mb",
    "tokens_per_second",
    "mfu_percent",
    "total_tokens_M",
    "num_steps",
    "num_params_M",
    "device",
    "depth",
    "total_seconds",
]


def run(script, environment) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(script)]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_run_ends_with_the_summary(edited, environment):
    # Many steps fit into the two seconds, on a busy machine still some: the loss has to fall.
    small = edited(DEPTH="1", WIDTH="64", PAIR_ROWS="2**14", BATCH_TOKENS="2**8")
    result = run(small, environment)
    assert result.returncode == 0, result.stderr
    head, _, tail = result.stdout.rpartition("---\n")
    summary = dict(line.split(": ") for line in tail.splitlines())
    assert list(summary) == SUMMARY
    assert 0 < float(summary["val_bpb"]) < 8
    assert 2 <= float(summary["training_seconds"]) < promptly(10)  # one step more
    assert float(summary["training_seconds"]) <= float(summary["total_seconds"])

    lines = re.findall(r"(?m)^progress=(\S+) loss=(\S+)$", head)
    progress = [float(share) for share, _ in lines]
    assert progress == sorted(progress)
    assert 0 < progress[0] <= progress[-1] <= 1
    assert 1 < len(lines) <= 101
    assert float(lines[-1][1]) < float(lines[0][1])


def test_importing_the_trainer_trains_nothing_and_writes_nothing(workshop, tmp_path):
    before = sorted(path.name for path in workshop.iterdir())
    said = tmp_path / "said"

    def import_anew():
        sys.path.insert(0, str(workshop))
        sys.dont_write_bytecode = True
        del sys.modules["train"], sys.modules["prepare"]
        with said.open("w") as file, redirect_stdout(file), redirect_stderr(file):
            assert Path(importlib.import_module("train").__file__).parent == workshop

    process = multiprocessing.get_context("fork").Process(target=import_anew)
    process.start()
    process.join()
    assert (process.exitcode, said.read_text()) == (0, "")
    assert sorted(path.name for path in workshop.iterdir()) == before


def test_a_run_that_diverges_says_fail(edited, environment):
    result = run(edited(MATRIX_LR="float('nan')"), environment)
    assert result.returncode == 1, result.stderr
    assert re.search(r"(?m)^FAIL: diverged at step [12]: loss nan", result.stdout), result.stdout
    assert "val_bpb" not in result.stdout


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"WIDTH": 100}, r"^FAIL: WIDTH 100: no multiple of an even HEAD_DIM"),
        ({"WIDTH": 64, "SHIFTED_HEADS": 2}, r"^FAIL: WIDTH 64: .* too few heads$"),
        ({"ORDER": 1}, r"^FAIL: ORDER 1: expected 0, or 2 and more$"),
        ({"MLP_RATIO": 2**36}, r"^FAIL: out of memory; lower DEVICE_ROWS"),
    ],
)
def test_constants_that_cannot_work_say_fail(data, monkeypatch, capsys, constants, message):
    for name, value in constants.items():
        monkeypatch.setattr(train, name, value)
    before = signal.getsignal(signal.SIGTERM)
    try:
        code = prepare.report(lambda: vars(train.train(data, CPU, prepare.Budget(60, steps=2))))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert code == 1
    assert re.search(message, capsys.readouterr().out, re.MULTILINE)


def test_sigterm_stops_it_without_a_summary(edited, environment):
    environment["TRAINER_TIME_BUDGET"] = "60"
    process = subprocess.Popen(
        [sys.executable, str(edited())], env=environment, stdout=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if line.startswith("progress="):
            break
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    assert "STOPPED" in rest
    assert "val_bpb" not in rest
