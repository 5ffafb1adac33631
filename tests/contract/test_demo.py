"""`make demo` starts from what it says, and the search is free to move in both directions."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from typing import Any

from autoresearch_ci.config.resolve import load
from autoresearch_ci.propose.search.constant_finder import find_constants

ROOT = Path(__file__).parents[2]
PLAIN = "examples/demo/plain.py"
CONFIG = "examples/demo/autoresearch.yml"


def plain_constants() -> dict[str, Any]:
    """The module's assignments without its imports: no torch is needed to know them."""
    tree = ast.parse((ROOT / PLAIN).read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if isinstance(node, ast.Assign | ast.AugAssign)]
    names: dict[str, Any] = {"__builtins__": {}}
    exec(compile(tree, PLAIN, "exec"), names)
    return names["fixed"] | {name: value for name, value in names.items() if name.isupper()}


def karpathy() -> dict[str, Any]:
    """The advice of his README as the benchmark of the trainer writes it down."""
    spec = importlib.util.spec_from_file_location("bench", ROOT / "benchmarks/trainer.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, Any] = module.SETTINGS["karpathy, README"]
    return found


def test_the_start_is_the_advice_of_karpathys_readme() -> None:
    plain, advice = plain_constants(), karpathy()
    named = {"BATCH_TOKENS": 2**11, "WINDOW_PATTERN": "L"}
    for name in advice.keys() - {"PLAIN", "SHORT_WINDOW"}:
        assert plain[name] == named.get(name, advice[name]), name
    assert plain.keys() - advice.keys() == {"COMPILE", "GPU"}
    assert not plain["COMPILE"]
    assert not plain["GPU"]


def test_the_search_may_move_each_constant_up_and_down() -> None:
    found = find_constants(PLAIN, (ROOT / PLAIN).read_bytes())
    rates = {"EMBEDDING_LR", "UNEMBEDDING_LR", "MATRIX_LR"}
    assert {constant.name for constant in found} == {"DEPTH", "WIDTH", "BATCH_TOKENS", *rates}
    for constant in found:
        ends = sorted(constant.choices) or [constant.low, constant.high]
        assert ends[0] < constant.value < ends[-1], constant.name


def test_the_demo_is_confirmed_and_ends_within_five_minutes() -> None:
    config = load(text=(ROOT / CONFIG).read_text(encoding="utf-8"), path=CONFIG).config
    assert config.scope == (PLAIN,)
    assert PLAIN in config.metric.command
    assert config.confirm.mode == "auto"
    assert (config.confirm.repeats or 0) > 2
    assert config.budget.minutes
    assert config.budget.minutes < 5
    assert f"--config {CONFIG}" in (ROOT / "Makefile").read_text(encoding="utf-8")
