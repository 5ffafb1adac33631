"""Prints how many words the skill has."""

from pathlib import Path

print(f"words: {len(Path('SKILL.md').read_text().split())}")
