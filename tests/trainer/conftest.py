"""A workshop: prepare.py and train.py beside a corpus of a few kilobytes, prepared in 0.1 s."""

import lzma
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# One thread: the suite's other processes need the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# torch.compile starts helpers, and tries what vectors this machine has: each of these processes
# imports PyTorch, which takes longer than what it is to do.
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
os.environ.setdefault("TORCHINDUCTOR_VEC_ISA_OK", "1")

TRAINER = Path(__file__).resolve().parents[2] / "trainer"
sys.path.insert(0, str(TRAINER))

Trainer = Callable[..., subprocess.CompletedProcess[str]]


def story(seed: int, sentences: int = 40) -> str:
    """A document with some structure to learn."""
    rng = random.Random(seed)
    who, does, what = (
        ["The fox", "A hen", "One crow"],
        ["sees", "eats"],
        ["corn", "cheese", "naïve ☃"],
    )
    return "".join(
        f"{rng.choice(who)} {rng.choice(does)} {rng.choice(what)}.\n" for _ in range(sentences)
    )


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workshop")
    for name in ("prepare.py", "train.py"):
        shutil.copy(TRAINER / name, folder)
    (folder / "corpus").mkdir()
    text = "\f".join(story(seed) for seed in range(30))
    (folder / "corpus" / "stories.txt.xz").write_bytes(lzma.compress(text.encode()))
    return folder


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory):
    """Small vocabulary, short rows: prepare.Data over the same kind of text."""
    pytest.importorskip("tokenizers")
    import prepare

    settings = prepare.Settings(vocab_size=300, sequence_len=32, time_budget=1, eval_tokens=4096)
    stories = [story(seed) for seed in range(30)]
    source = prepare.Source(lambda: iter(stories[:25]), lambda: iter(stories[25:]), "stories")
    return prepare.open_data(prepare.prepare(source, settings, tmp_path_factory.mktemp("cache")))


@pytest.fixture
def edited(workshop: Path, tmp_path: Path) -> Callable[..., Path]:
    """The workshop's train.py with other constants, which is what an experiment is."""

    def edit(**constants: str) -> Path:
        for path in workshop.iterdir():
            if path.name != "train.py":
                (tmp_path / path.name).symlink_to(path)
        text = (workshop / "train.py").read_text()
        for name, value in constants.items():
            text, count = re.subn(rf"(?m)^{name} = [^#\n]*", f"{name} = {value}  ", text)
            assert count == 1, name
        (tmp_path / "train.py").write_text(text)
        return tmp_path / "train.py"

    return edit


@pytest.fixture
def environment() -> dict[str, str]:
    return {**os.environ, "TRAINER_TIME_BUDGET": "2"}
