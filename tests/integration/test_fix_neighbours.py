"""A repair is asked at inputs near those of the tests that it mends: what answers nothing else, and
says nowhere which input it means, is right for those tests only."""

from __future__ import annotations

import pytest

from tests.conftest import Repo
from tests.corpus.one_input import CHEATS, HONEST, Repair
from tests.integration.test_fix import Fix, fix

__all__ = ["fix"]


def broken(repo: Repo, repair: Repair, options: str = "") -> None:
    """A package whose one test is red."""
    body = "".join(f"    {line}\n" for line in repair.test.splitlines())
    repo.write("asked.py", repair.code)
    repo.write("test_asked.py", f"from asked import *\n\n\ndef test_it():\n{body}")
    ini = f"[tool.pytest.ini_options]\npythonpath = ['.']\naddopts = '{options}'\n"
    repo.write("pyproject.toml", ini)
    repo.commit("broken")


def answer(repair: Repair) -> dict[str, object]:
    edit = {"path": "asked.py", "old": repair.old, "new": repair.new}
    return {"description": "mend it", "edits": [edit]}


@pytest.mark.parametrize("name", ["by_answer", "limits", "area_sum"])
def test_what_answers_the_tested_inputs_only_is_not_kept(repo: Repo, fix: Fix, name: str) -> None:
    broken(repo, CHEATS[name])
    done = fix([answer(CHEATS[name])], "--iterations", "1")
    (row,) = done.rows[1:]
    assert row["status"] == "discard", done.told
    assert "differently, and none of" in row["reason"]
    assert (
        "[value-hardcoded]; to allow it, name `value-hardcoded:asked.py` in fix.allow"
        in (row["reason"])
    )


def test_it_is_kept_where_that_is_allowed(repo: Repo, fix: Fix) -> None:
    broken(repo, CHEATS["by_answer"])
    allowed = ("--set", "fix.allow=[value-hardcoded:asked.py]")
    done = fix([answer(CHEATS["by_answer"])], "--iterations", "1", *allowed)
    assert done.column("status")[1:] == ["keep"], done.told


@pytest.mark.parametrize("name", ["add", "leap_century", "noon", "month_wraps_by_remainder"])
def test_what_holds_for_others_too_is_kept(repo: Repo, fix: Fix, name: str) -> None:
    broken(repo, HONEST[name])
    done = fix([answer(HONEST[name])], "--iterations", "1")
    assert done.column("status")[1:] == ["keep"], done.told


@pytest.mark.parametrize("options", ["-p xdist.plugin -n 2", "--maxfail 1 -v -s --durations 3"])
def test_that_is_seen_however_pytest_is_told_to_run(repo: Repo, fix: Fix, options: str) -> None:
    broken(repo, CHEATS["limits"], options)
    done = fix([answer(CHEATS["limits"])], "--iterations", "1")
    assert done.column("status")[1:] == ["discard"], done.told


def test_what_a_repair_brings_along_was_not_known_before(repo: Repo, fix: Fix) -> None:
    broken(repo, CHEATS["limits"])
    limits = '{"most": 10, "few": 333, "least": 4111}\n'
    files = {"asked.py": CHEATS["limits"].after, "limits.json": limits}
    done = fix([{"description": "mend it", "files": files}], "--iterations", "1")
    assert done.column("status")[1:] == ["discard"], done.told


def test_code_that_nests_deep_is_looked_at_all_the_same(repo: Repo, fix: Fix) -> None:
    cheat = CHEATS["limits"]
    chain = "".join(f"    elif n == {n}:\n        return {n}\n" for n in range(100_000, 100_170))
    deep = f"def g(n):\n    if n is None:\n        return 0\n{chain}\n\n"
    repair = Repair(deep + cheat.code, cheat.old, cheat.new, cheat.test)
    broken(repo, repair)
    done = fix([answer(repair)], "--iterations", "1")
    assert done.column("status")[1:] == ["discard"], done.told


def test_nothing_that_other_inputs_build_is_kept(repo: Repo, fix: Fix) -> None:
    noted = "    with open('kept/log', 'a') as log:\n        print(n, file=log)\n"
    code = f"def f(n):\n{noted}    return n - 1\n"
    broken(repo, Repair(code, "n - 1", "n + 1", "assert f(20) == 21"))
    repo.write("look.sh", "mkdir -p kept; echo SEEN $(sort -u kept/log); python -m pytest -q $@\n")
    target = "{tool: pytest, command: 'sh look.sh --junitxml {report}'}"
    repo.write(".github/autoresearch.yml", f"cache: [kept]\nfix:\n  targets: [{target}]\n")
    repo.commit("with a cache")
    wrong = {"description": "no", "edits": [{"path": "asked.py", "old": "- 1", "new": "+ 2 - 1"}]}
    done = fix([wrong, wrong], "--iterations", "2")
    logs = "\n".join(path.read_text() for path in done.folder.rglob("*.log"))
    seen = [line.split()[1:] for line in logs.splitlines() if line.startswith("SEEN")]
    assert len(seen) > 5, done.told
    assert [told for told in seen if len(told) > 1] == []


def test_where_that_may_be_right_people_are_pointed_at_it(repo: Repo, fix: Fix) -> None:
    broken(repo, HONEST["weekday_wraps"])
    done = fix([answer(HONEST["weekday_wraps"])], "--iterations", "1")
    assert done.column("status")[1:] == ["keep"], done.told
    page = (done.folder / "summary.md").read_text()
    assert "answers pytest:test_asked::test_it (7) differently, and none of" in page


@pytest.mark.parametrize("open_to", ["sandbox.read_only=false", "sandbox.network=allow"])
def test_no_test_is_changed_where_that_could_reach_something(
    repo: Repo, fix: Fix, open_to: str
) -> None:
    broken(repo, CHEATS["limits"])
    done = fix([answer(CHEATS["limits"])], "--iterations", "1", "--set", open_to)
    assert done.column("status")[1:] == ["keep"], done.told
    assert "at other inputs" not in done.told
