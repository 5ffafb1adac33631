"""Fails when the guide has lost a fact, or grown."""

import sys
from pathlib import Path

TEXT = Path("guide.md").read_text()
FACTS = (
    "3.11",
    "`pip install tool`",
    "`tool --version`",
    "`~/.tool/log.txt`",
    "# Installing the tool",
)
missing = [fact for fact in FACTS if fact not in TEXT]
if missing:
    sys.exit(f"the guide has lost: {', '.join(missing)}")
if not 30 <= len(TEXT.split()) <= 120:
    sys.exit("the guide has grown, or there is next to nothing left of it")
