"""What `.importlinter`, which `make lint` runs, cannot see: the trainer, and who is called what."""

from __future__ import annotations

import ast
from collections import defaultdict
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


def test_a_public_noun_stands_once() -> None:
    places = defaultdict(list)
    for path in (ROOT / "autoresearch_ci").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            assigned = (
                node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", 0)]
            )
            names = [target.id for target in assigned if isinstance(target, ast.Name)]
            names += [node.name] if isinstance(node, ast.ClassDef) else []
            for name in names:
                if name[0].isupper() and not name.isupper():
                    places[name].append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []
