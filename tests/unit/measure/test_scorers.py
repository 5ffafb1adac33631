"""Scores of what is not code: each counts what it says, and nothing else."""

from __future__ import annotations

import sqlite3
import urllib.request
from pathlib import Path

import pytest

from autoresearch_ci.measure.scorers.code import documented, marks
from autoresearch_ci.measure.scorers.pages import served
from autoresearch_ci.measure.scorers.prose import (
    ProseLimits,
    broken_limits,
    broken_links,
    page,
    readability,
)
from autoresearch_ci.measure.scorers.queries import cost

PAGE = """---
title: not prose
---
# A heading

One short sentence. Another one, e.g. with `code` in it!

- an item without a stop

```sh
no prose here
```
[a link](https://example.org/not-prose)
"""


def test_what_a_person_reads_counts_and_code_does_not() -> None:
    found = page(PAGE)
    assert found.headings == ("A heading",)
    assert len(found.sentences) == 4
    assert "prose" not in found.words
    assert found.words[-2:] == ["a", "link"]


def test_readability_is_flesch_s_formula() -> None:
    found = readability([page("The cat sat. The dog ran off.")], lambda word: 1)
    assert (found.words, found.sentences) == (7, 2)
    assert found.reading_ease == pytest.approx(206.835 - 1.015 * 3.5 - 84.6)
    assert found.grade == pytest.approx(0.39 * 3.5 + 11.8 - 15.59)


def test_longer_sentences_and_words_read_worse() -> None:
    def ease(text: str) -> float:
        return readability([page(text)], lambda word: max(1, len(word) // 3)).reading_ease

    assert ease("We met. We ate.") > ease("We met and then we ate.") > ease("We congregated there.")


def test_nothing_to_read_is_no_score() -> None:
    with pytest.raises(ValueError, match="no prose"):
        readability([page("```\ncode\n```\n")], len)


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        (ProseLimits(max_words=5), "18 words, 5 allowed"),
        (ProseLimits(max_sentence=7), "a sentence of 8 words: Another one, e.g. with code in it!"),
        (ProseLimits(max_line=50), "line 6: 56 characters"),
        (ProseLimits(forbidden=("another", "ode")), "line 6: another"),
        (ProseLimits(headings=("a heading", "Use")), "no heading Use"),
    ],
)
def test_each_limit_finds_what_breaks_it(limits: ProseLimits, found: str) -> None:
    assert list(broken_limits(PAGE, limits)) == [found]


def test_a_link_leads_to_a_file_a_folder_or_a_heading_that_is_there() -> None:
    files = {"docs/a.md": "# One\n\n## Two words\n", "docs": "", "img.png": ""}
    text = (
        "[x](docs/a.md) [x](docs/a.md#two-words) [x](docs) ![x](img.png) [x](https://a.b/c)\n"
        "[x](docs/b.md) [x](docs/a.md#three) [x](#here) [x](#nowhere) [x](mailto:a@b)\n\n# Here\n"
    )
    assert list(broken_links("README.md", text, files.get)) == [
        *("docs/b.md", "docs/a.md#three", "#nowhere")
    ]


def test_public_names_without_a_docstring_are_counted() -> None:
    source = '"""M."""\nclass A:\n    def f(self): ...\n    def _g(self): ...\ndef h():\n    "H."\n'
    found = documented([source])
    assert (found.documented, found.total, found.percent) == (2, 4, 50.0)
    assert documented([]).percent == 100


def test_a_mark_is_a_word_written_so() -> None:
    assert marks("# TODO: a\n# todo b\nTODOS TODO\n", ["TODO"]) == 2


def test_a_query_costs_the_same_each_time_and_an_index_makes_it_cheaper() -> None:
    rows = "create table t (a int);\n" + "".join(
        f"insert into t values ({n});\n" for n in range(99)
    )
    query = "select count(*) from t where a = 5;"
    plain = cost([rows], query)
    assert plain.vm_steps == cost([rows], query).vm_steps
    assert cost([rows, "create index i on t (a);"], query).vm_steps < plain.vm_steps
    assert plain.rows == 1
    few, others, sub, sorted_, back, forth = (
        cost([rows], f"select a, a / 3.0 from t where a in {what};").answers
        for what in (
            "(5, 6)",
            "(5, 7)",
            "(select a from t where a > 4 order by a limit 2)",
            "(5, 6) order by a",
            "(5, 6) order by abs(-a) desc",
            "(6, 5) order by a desc",
        )
    )
    assert few == sub
    assert back == forth, "a sort that is asked for is part of the answer"
    assert len({few, others, sorted_, back}) == 4, "also where leaving it out changes nothing"
    with pytest.raises(sqlite3.Error):
        cost([], "select * from nowhere;")


def test_nobody_serves_a_folder_any_more_when_looking_at_it_failed(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("here")
    pages = served(tmp_path)
    address = pages.__enter__()
    assert urllib.request.urlopen(address).read() == b"here"
    assert not pages.__exit__(OSError, OSError("no npx"), None)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address)
