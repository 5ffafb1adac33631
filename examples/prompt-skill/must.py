"""What the skill must still say, each by words of which one must stand near another."""

import re
import sys
from pathlib import Path

TEXT = " ".join(Path("SKILL.md").read_text().lower().split())
RULES = {
    "front matter names it": r"^--- name: review description: .{20,}? ---",
    "read the description": r"read[^.]*description",
    "bugs before style": r"bugs[^.]*(first|before)[^.]*style",
    "run the tests": r"run[^.]*tests",
    "never approve red": r"(never|do not) approve[^.]*(fail|not pass|red)",
    "quote the line": r"quote[^.]*line",
    "propose a change": r"propose[^.]*(change|fix)",
    "ask when unsure": r"(not certain|unsure|in doubt)[^.]*ask",
}
missing = [name for name, pattern in RULES.items() if not re.search(pattern, TEXT)]
if missing:
    sys.exit(f"the skill says no more: {', '.join(missing)}")
