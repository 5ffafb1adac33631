"""A shop's database in memory, filled from a seed; `steps` counts what SQLite does."""

import random
import sqlite3
from pathlib import Path


def database(orders: int, seed: int = 1) -> sqlite3.Connection:
    rng = random.Random(seed)
    made = sqlite3.connect(":memory:")
    made.executescript(Path("schema.sql").read_text())
    customers = [
        (n, f"customer {n}", rng.choice(["AT", "DE", "FR", "IT"])) for n in range(orders // 20)
    ]
    made.executemany("INSERT INTO customers (id, name, country) VALUES (?, ?, ?)", customers)
    rows = [
        (n, rng.randrange(len(customers)), rng.randrange(1, 400), f"2026-{rng.randrange(1, 13):02}")
        for n in range(orders)
    ]
    made.executemany("INSERT INTO orders (id, customer, cents, month) VALUES (?, ?, ?, ?)", rows)
    return made


def report(made: sqlite3.Connection) -> list[tuple[object, ...]]:
    return made.execute(Path("report.sql").read_text()).fetchall()
