"""Our trainer's defaults against karpathy's configuration: val_bpb at the same clock.

    python benchmarks/trainer.py --seconds 60 --seeds 3

Every side is the same file, `trainer/train.py`, with other constants: the configuration of
karpathy/autoresearch is re-implemented by constants only (no n-grams, pairs, smear or shifted head,
his rates, batch, schedule and window pattern), not by running his code. So data, tokenizer,
evaluation, budget and machine are equal; what differs is what an experiment could change. Runs
alternate, so that a noisy machine disturbs all. On a CPU his side has four rows: the best small
setting we found for his file with the operations that it uses; the same under torch.compile, whose
time is not counted, as in his file; the same with our faster CPU kernels; and his README's advice
for small machines. Ours has two: as it is, and under torch.compile.

    python benchmarks/trainer.py --profile

says where the time of our step goes, and where it would go in float32, compiled and wider.

A GPU reads the embedded text in a second; this is the table at real scale, two runs of a minute, on
shards of one's own or on what is installed here:

    python benchmarks/trainer.py --settings "karpathy, our kernels" ours --dataset shards/
    python benchmarks/trainer.py --settings "karpathy, our kernels" ours --dataset installed
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

TRAINER = Path(__file__).resolve().parent.parent / "trainer"

CHILD = """
import json, sys
sys.path.insert(0, sys.argv[1])
import prepare, train
constants = json.loads(sys.argv[2])
if constants.pop("PLAIN", False):  # the operations of his file instead of ours for the CPU
    train.norm = lambda x: train.F.rms_norm(x, (x.size(-1),))
    train.eager_attention = lambda q: False
    train.soft_cap = lambda z, cap: cap * train.torch.tanh(z / cap)
    train.GPT.loss = lambda self, tokens, targets, counted=None: train.F.cross_entropy(
        self(tokens).flatten(0, 1), targets.flatten())
unknown = set(constants) - set(vars(train))
assert not unknown, unknown
vars(train).update(constants)
train.GPU.update(json.loads(sys.argv[3]))
sys.exit(prepare.report(train.run_once))
"""

KARPATHY = {
    "HEAD_DIM": 64,
    "MLP_RATIO": 4,
    "WINDOW_PATTERN": "SSSL",
    "SHORT_WINDOW": 128,
    "ROPE_BASE": 10_000.0,
    "SOFTCAP": 15.0,
    "SHIFTED_HEADS": 0,
    "SMEAR": 0,
    "DOUBT": (0, 0),
    "PAIR_ROWS": 0,
    "ORDER": 0,
    "X0_INIT": 0.1,
    "EMBEDDING_LR": 0.6,
    "UNEMBEDDING_LR": 0.004,
    "MATRIX_LR": 0.04,
    "SCALAR_LR": 0.5,
    "ADAM_BETAS": (0.8, 0.95),
    "WEIGHT_DECAY": 0.2,
    "MUON_MOMENTUM": 0.95,
    "MUON_WARMUP_STEPS": 300,
    "MUON_ITERATIONS": 5,
    "MUON_BETA2": 0.95,
    "WARMDOWN": 0.5,
    "FINAL_LR": 0.0,
}
# His file as it is, for one large GPU.
KARPATHY_GPU = KARPATHY | {
    "DEPTH": 8,
    "WIDTH": 512,
    "HEAD_DIM": 128,
    "SHORT_WINDOW": 1024,
    "BATCH_TOKENS": 2**19,
}
SMALL = KARPATHY | {"DEPTH": 2, "WIDTH": 128, "BATCH_TOKENS": 2**11}
SETTINGS = {
    "karpathy, small": SMALL | {"PLAIN": True},
    "karpathy, compiled": SMALL | {"PLAIN": True, "COMPILE": True},
    "karpathy, our kernels": SMALL,
    "karpathy, README": KARPATHY | {"DEPTH": 4, "WIDTH": 256, "BATCH_TOKENS": 2**14, "PLAIN": True},
    "ours, compiled": {"COMPILE": True},
    "ours": {},
}


def run(name: str, seed: int, seconds: float) -> dict[str, str]:
    """One training run in its own process; its summary."""
    constants = SETTINGS[name] | {"SEED": seed}
    gpu = KARPATHY_GPU if name.startswith("karpathy") else {}
    result = subprocess.run(
        [sys.executable, "-c", CHILD, str(TRAINER), json.dumps(constants), json.dumps(gpu)],
        env={**os.environ, "TRAINER_TIME_BUDGET": str(seconds)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if result.returncode:
        raise SystemExit(f"{name}, seed {seed}: exit {result.returncode}\n{result.stdout[-2000:]}")
    tail = result.stdout.rpartition("---\n")[2]
    return dict(line.split(": ", 1) for line in tail.splitlines())


PRODUCTS = ("aten::mm", "aten::bmm", "aten::addmm", "aten::baddbmm")
ATTENTION = ("softmax", "masked_fill_", "scaled_dot_product")  # in its name, fused or not
PROFILES = {
    "ours": {},
    "compiled": {"COMPILE": True},
    "compiled, 256 channels": {"COMPILE": True, "WIDTH": 256},
    "float32": {"DTYPE": "float32"},
    "float32, compiled": {"DTYPE": "float32", "COMPILE": True},
    "float32, compiled, 256 channels": {"DTYPE": "float32", "COMPILE": True, "WIDTH": 256},
}


def profile(steps: int = 30) -> None:
    """Print the share of a step's CPU time that products and attention take, and what follows."""
    sys.path.insert(0, str(TRAINER))
    import prepare
    import torch
    import torch._inductor.config
    import train

    torch._inductor.config.cpp.enable_kernel_profile = True
    data = prepare.load()
    defaults = dict(vars(train))
    print("   ms  products  attention")
    for title, constants in PROFILES.items():
        vars(train).update(defaults | constants)
        run = train.Run(data, prepare.detect_machine(train.DTYPE))
        if train.COMPILE:
            run.compile()
        run.count(data)
        milliseconds, spent = profile_steps(run, steps)
        total = sum(spent.values())
        products = sum(spent.pop(name, 0) for name in PRODUCTS)
        attention = sum(
            spent.pop(name) for name in list(spent) if any(word in name for word in ATTENTION)
        )
        print(f"{milliseconds:>5.1f}{products / total:>10.1%}{attention / total:>11.1%}  {title}")
        for name in sorted(spent, key=spent.get, reverse=True)[:8] if title == "ours" else ():
            print(f"{spent[name] / total:>26.1%}  {name}")
        run.ready.close()
        del run
        torch.compiler.reset()


def profile_steps(run, steps: int) -> tuple[float, dict[str, float]]:
    """Milliseconds of a step of `train.Run`, and how much each operation takes of all steps."""
    import torch

    for step in range(10):
        run.step(0.1, step)
    seconds = []
    for step in range(steps):
        started = time.perf_counter()
        run.step(0.1, step)
        seconds.append(time.perf_counter() - started)
    # The profiler's notes lie between a step's blocks, which therefore move on to fresh memory all
    # the time. Memory that was touched before costs nothing, so the operations do not seem slower.
    touched = [torch.ones(2**25) for _ in range(12)]
    del touched
    with torch.profiler.profile() as recorded:
        for step in range(steps):
            run.step(0.1, step)
    spent = {event.key: event.self_cpu_time_total for event in recorded.key_averages()}
    return 1000 * statistics.median(seconds), spent


SOURCES = {".py", ".pyi", ".h", ".hpp", ".cuh", ".cpp", ".md", ".rst", ".txt"}


def installed_text(folder: Path, shard_chars: int = 2**23) -> None:
    """Write shards of the sources installed on this machine: some hundred megabytes of text, every
    file once and in random order, where no network brings any.
    """
    paths = sysconfig.get_paths()
    roots = {paths["stdlib"], paths["purelib"], paths["platlib"], "/usr/include"}
    found = {path for root in roots for path in Path(root).rglob("*") if path.suffix in SOURCES}
    texts = sorted({path.read_text("utf-8", "ignore") for path in found if path.is_file()})
    random.Random(0).shuffle(texts)
    place = 0
    for text in texts:
        with (folder / f"{place // shard_chars:04d}.txt").open("a", encoding="utf-8") as shard:
            shard.write(text.replace("\f", "\n") + "\f")
        place += len(text)


def prepare_text(dataset: list[str]) -> None:
    """Make this the text of all runs from now on; the embedded one without a data set."""
    with tempfile.TemporaryDirectory() as folder:
        if dataset == ["installed"]:
            installed_text(Path(folder))
            dataset = [folder]
        given = ["--dataset", *dataset] if dataset else []
        subprocess.run([sys.executable, str(TRAINER / "prepare.py"), *given], check=True)


def row(name: str, runs: list[dict[str, str]], reference: float) -> str:
    """A line of the table; the difference is to the first setting's mean."""
    scores = [float(each["val_bpb"]) for each in runs]
    mean = statistics.mean(scores)
    spread = (max(scores) - min(scores)) / 2
    columns = [
        f"{name:<22}{mean:>9.4f}{spread:>9.4f}{mean - reference:>+10.4f}",
        f"{statistics.mean(float(each['tokens_per_second']) for each in runs):>11,.0f}",
        f"{statistics.mean(int(each['num_steps']) for each in runs):>8,.0f}",
        f"{statistics.mean(float(each['mfu_percent']) for each in runs):>7.1f}",
        f"{max(float(each['peak_memory_mb']) for each in runs):>9,.0f}",
    ]
    return "".join(columns)


def compare(settings: list[str], seeds: int, seconds: float) -> None:
    """Train each setting with each seed, in turns, and print the table."""
    runs: dict[str, list[dict[str, str]]] = {name: [] for name in settings}
    for seed in range(seeds):
        for name in settings:
            runs[name].append(run(name, seed, seconds))
            print(f"seed {seed}  {name:<22}{runs[name][-1]['val_bpb']}", flush=True)
    first = runs[settings[0]]
    reference = statistics.mean(float(each["val_bpb"]) for each in first)
    print(f"\n{seconds:g} s, {seeds} seed(s), {first[0]['device']}")
    print("                    val_bpb   spread    change   tokens/s   steps   mfu%  memory MB")
    for name, results in runs.items():
        print(row(name, results, reference))


def main() -> None:
    parser = argparse.ArgumentParser(description="Our trainer against karpathy's configuration.")
    parser.add_argument("--seconds", type=float, default=60, help="budget of each run")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each setting")
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--profile", action="store_true", help="where a step's time goes")
    parser.add_argument(
        "--dataset", nargs="+", default=[], help="shards for prepare.py, or `installed`"
    )
    options = parser.parse_args()
    prepare_text(options.dataset)
    try:
        if options.profile:
            profile()
        else:
            compare(options.settings, options.seeds, options.seconds)
    finally:
        if options.dataset:
            prepare_text([])


if __name__ == "__main__":
    main()
