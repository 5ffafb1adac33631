"""What earlier runs left: read as data, trusted as nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from autoresearch_ci.experiment import Direction
from autoresearch_ci.record import remote_notebooks as memory

JOURNAL = (
    "# metric_direction: lower_is_better\n"
    "iteration\tcommit\tmetric\tdelta\tguard\tstatus\tdescription\n"
    "0\tbase\t10\t0\t-\tbaseline\tthe unmodified code\n"
    "1\tabc1234\t9\t-1\tpass\tkeep\tbetter\n"
    "2\tdef5678\t12\t+3\t-\tdiscard\tworse\n"
)


def held(
    journal: str = JOURNAL, nights: Sequence[memory.Night] = (), **changed: str
) -> dict[str, bytes]:
    facts = memory.facts(
        metric=changed.get("metric", "ms"),
        direction=Direction.MINIMIZE,
        branch=changed.get("branch", "b"),
        ruler=changed.get("ruler", "r"),
        nights=nights,
    )
    return {"results.tsv": journal.encode(), "facts.json": facts}


def books(*files: dict[str, bytes]) -> list[memory.PastNotebook]:
    by_ref = {f"{memory.NOTEBOOKS}{k}": held for k, held in enumerate(files)}
    return memory.notebooks(by_ref, metric="ms", direction=Direction.MINIMIZE)


def test_what_was_tried_is_told_with_its_fate() -> None:
    assert memory.sentences(books(held())) == [
        "better (keep -1 to 9)",
        "worse (discard +3 to 12)",
    ]


def test_what_a_person_refused_is_told_so() -> None:
    told = memory.sentences(books(held()), ["abc1"])
    assert told[0] == "better (a person asked not to propose it again -1 to 9)"


def test_another_metric_is_another_world() -> None:
    assert books(held(metric="bytes")) == []


def test_broken_notebooks_are_skipped() -> None:
    broken = [
        {},
        {"facts.json": b"[1]", "results.tsv": JOURNAL.encode()},
        {"facts.json": b"{" * 100_000},
        held("no\tjournal\n1\t2\n"),
    ]
    assert books(*broken, held())[0].experiments[1].description == "better"
    assert len(books(*broken, held())) == 1


def test_the_same_tag_comes_last_and_numbers_count() -> None:
    refs = [f"{memory.NOTEBOOKS}{name}" for name in ("t", "t-2", "t-10", "u", "2026-01-09")]
    assert [r.rpartition("/")[2] for r in memory.newest(refs, "t")] == [
        "2026-01-09",
        "u",
        "t",
        "t-2",
        "t-10",
    ]


def test_another_workflows_notebooks_do_not_hide_ours() -> None:
    ours = [f"{memory.NOTEBOOKS}nightly-{run}-1" for run in (7, 8)]
    theirs = [f"{memory.NOTEBOOKS}speed-{run}-1" for run in range(memory.LOOKED_AT)]
    assert memory.newest([*theirs, *ours], "nightly-9-1")[-2:] == ours


def test_other_branches_and_other_metrics_do_not_count_among_those_that_are_read() -> None:
    others = [held(branch="other")] * memory.RUNS
    found = memory.told_of(books(held(), *others, *[held(metric="bytes")] * 9), {"b", "b-2"})
    assert (len(found), found[-1].branch, found[0].branch) == (memory.RUNS, "b", "other")


def test_what_a_night_kept_outlives_its_notebook() -> None:
    first = memory.nights_on(books(held()), "b")
    idle = JOURNAL.replace("keep\t", "discard\t")
    nights = memory.nights_on(books({}, held(idle, nights=first)), "b")
    assert [e.description for e in memory.kept_in(nights)] == ["better"]
    (again,) = books({}, {}, held(idle, nights=nights))
    assert memory.described([again], ["abc1"]) == ["better"]
    forged = [replace(night, rows="no\trow\n") for night in nights]
    assert memory.kept_in(forged) == []


def test_what_an_older_version_did_not_carry_along_is_from_now_on() -> None:
    (first,) = memory.nights_on(books(held()), "b")
    nights = memory.nights_on(books(held(), held(nights=[replace(first, rows="")])), "b")
    assert [len(night.keeps) for night in nights] == [1, 1]


def test_no_number_of_idle_nights_hides_what_was_kept() -> None:
    (kept,) = memory.nights_on(books(held()), "b")
    idle = [
        replace(kept, notebook=str(number), kept=0, rows="") for number in range(memory.NIGHTS + 5)
    ]
    (book,) = books(held(nights=[kept, *idle]))
    assert book.nights == (kept, *idle[-memory.NIGHTS + 1 :])
    nights = memory.nights_on([book], "b")
    assert (len(nights), nights[0]) == (memory.NIGHTS, kept)


def test_what_is_carried_along_is_bounded() -> None:
    (night,) = memory.nights_on(books(held()), "b")
    many = replace(night, rows=night.rows * memory.KEEPS)
    (book,) = books(held(nights=[night, many]))
    assert [len(night.keeps) for night in book.nights] == [0, memory.KEEPS]


def test_only_the_same_branchs_nights_are_on_it() -> None:
    found = books(held(branch="a"), held(branch="b"))
    (night,) = memory.nights_on(found, "b")
    assert (night.tried, night.kept, night.before, night.after) == (2, 1, 10, 9)
    assert [e.description for e in memory.kept_in([night])] == ["better"]


def test_a_branch_of_the_same_name_that_was_merged_is_another_story() -> None:
    first = books(held())
    second = books(held(), held(nights=memory.nights_on(first, "b")))
    assert [n.notebook for n in memory.nights_on(second, "b")] == [b.ref for b in second]
    anew = books(held(), held(), held())
    assert [n.notebook for n in memory.nights_on(anew, "b")] == [anew[2].ref]


def test_numbers_compare_on_the_same_branch_under_the_same_ruler_only() -> None:
    found = books(held(), held(branch="other"), held(ruler="other"), held(ruler=""))
    assert [b.ref for b in memory.comparable(found, "b", "r")] == [f"{memory.NOTEBOOKS}0"]
    assert memory.comparable(found, "b", "") == []


def test_commits_are_named_by_what_they_did() -> None:
    assert memory.described(books(held()), ["abc1", "ffff"]) == ["better", "ffff"]
