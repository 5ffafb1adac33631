"""Fails when the report says something else than plain Python does, on three databases."""

import sys

from database import database, report

for seed in (1, 2, 3):
    made = database(500, seed)
    names = dict(made.execute("SELECT id, name FROM customers WHERE country = 'AT'"))
    totals = dict.fromkeys(names)
    for customer, cents in made.execute(
        "SELECT customer, cents FROM orders WHERE month = '2026-03'"
    ):
        if customer in names:
            totals[customer] = (totals[customer] or 0) + cents
    wanted = sorted(
        ((names[n], t) for n, t in totals.items()), key=lambda row: (-(row[1] or 0), row[0])
    )
    if report(made) != wanted[:10]:
        sys.exit(f"seed {seed}: the report is wrong")
