"""Instructions of SQLite's virtual machine for one report: the same number on every machine."""

import itertools

from database import database, report

made = database(2000)
steps = itertools.count()
made.set_progress_handler(lambda: next(steps) < 0, 1)  # what is true would stop it
report(made)
print(f"vm_steps: {next(steps)}")
