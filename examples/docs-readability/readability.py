"""Flesch's reading ease of guide.md: 206.835 - 1.015 words per sentence - 84.6 syllables per word.

Syllables are counted as groups of vowels: not exact, and the same for everybody. Code is no prose.
"""

import re
from pathlib import Path

text = re.sub(r"`[^`]*`", " it ", Path("guide.md").read_text())
text = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
sentences = [part for part in re.split(r"[.!?:]\s", text + " ") if part.strip()]
words = re.findall(r"[A-Za-z']+", text)


def syllables(word: str) -> int:
    groups = len(re.findall(r"[aeiouy]+", word.lower()))
    silent = word.lower().endswith("e") and groups > 1
    return max(1, groups - silent)


ease = (
    206.835 - 1.015 * len(words) / len(sentences) - 84.6 * sum(map(syllables, words)) / len(words)
)
print(f"reading_ease: {ease:.3f}")
