"""EDITABLE: a plain small GPT, where `make demo` starts: trainer/train.py with nothing tuned.

    python examples/demo/plain.py

It follows the advice for small machines in the README of karpathy/autoresearch, with the rates of
his train.py: four layers, 64 channels for each of them, attention to the whole row. Only a step has
2,048 tokens instead of 16,384, of which a training of seconds would make two or three.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "trainer"))

import prepare
import train

# What an experiment may change, and the values that make sense.
DEPTH = 4  # tune: [1, 2, 4, 8]
WIDTH = 256  # tune: [64, 128, 256, 512]
BATCH_TOKENS = 2**11  # tune: [1024, 2048, 4096, 8192, 16384]
EMBEDDING_LR = 0.6  # tune: 0.05..2 log
UNEMBEDDING_LR = 0.004  # tune: 0.0005..0.05 log
MATRIX_LR = 0.04  # tune: 0.005..0.2 log

# The rest is as in his file. What ours has besides, from n-grams to smear, is off.
fixed = {"HEAD_DIM": 64, "MLP_RATIO": 4, "WINDOW_PATTERN": "L", "ROPE_BASE": 10_000.0}
fixed |= {"SOFTCAP": 15.0, "X0_INIT": 0.1, "SCALAR_LR": 0.5, "ADAM_BETAS": (0.8, 0.95)}
fixed |= {"WEIGHT_DECAY": 0.2, "MUON_MOMENTUM": 0.95, "MUON_WARMUP_STEPS": 300}
fixed |= {"MUON_ITERATIONS": 5, "MUON_BETA2": 0.95, "WARMDOWN": 0.5, "FINAL_LR": 0.0}
fixed |= {"ORDER": 0, "PAIR_ROWS": 0, "SMEAR": 0, "SHIFTED_HEADS": 0, "DOUBT": (0, 0)}
fixed |= {"COMPILE": False, "GPU": {}}


def run_once() -> dict[str, object]:
    """Train and evaluate with these constants."""
    chosen = {name: value for name, value in globals().items() if name.isupper()}
    vars(train).update(fixed | chosen)
    return train.run_once()


if __name__ == "__main__":
    sys.exit(prepare.report(run_once))
