"""The fixed workload whose wall time `record_wall_times.py` records: about a third of a second."""

import random

words = [str(random.Random(seed).random()) for seed in range(40_000)]
table: dict[str, int] = {}
for _ in range(8):
    for word in words:
        table[word[:4]] = table.get(word[:4], 0) + len(word)
    words.sort(key=lambda word: word[::-1])
print(sum(table.values()))
