"""Prints how many errors mypy finds; a checker that breaks down is no zero."""

import subprocess
import sys

done = subprocess.run(
    [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-incremental",
        "--no-error-summary",
        "inventory.py",
    ],
    check=False,
    capture_output=True,
    text=True,
)
print(done.stdout, done.stderr)
if done.returncode not in (0, 1):
    sys.exit(done.returncode)
errors = [line for line in done.stdout.splitlines() if ": error: " in line]
print(f"type_errors: {len(errors)}")
