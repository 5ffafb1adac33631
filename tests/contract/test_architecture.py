"""What `.importlinter` cannot see, as the trainer is no package.

Everything else of who may import whom is checked by `lint-imports`, which `make lint` runs.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_trainer_knows_nothing_of_the_program() -> None:
    imported = [
        name.split(".")[0]
        for path in (ROOT / "trainer").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _names(node)
    ]
    assert "torch" in imported
    assert "autoresearch_ci" not in imported


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []
