"""A candidate that is clearly behind the incumbent's curve is killed; a winner is not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.conftest import Run, Script

# Twenty points that fall from 10 to the value in the file, over 0.4 s or, killed early, less.
TRAIN = (
    "v=$(cat value); awk -v v=$v 'BEGIN {for (i = 1; i <= 20; i++) "
    'print "progress=" i / 20 " loss=" 10 - (10 - v) * i / 20}\' '
    "| while read line; do echo $line; sleep 0.02; done; "
    "echo trained >> ../../done-$v; echo result: $v"
)
CURVE = r"metric.early_stop.regex=progress=(\S+) loss=(\S+)"
FLAGS = ("--metric-name", "result", "--set", CURVE)


def value(number: object) -> dict[str, Any]:
    return {"description": f"try {number}", "files": {"value": f"{number}\n"}}


def test_a_clear_loser_is_stopped_on_its_way(run: Run, script: Script, repo: Any) -> None:
    repo.write("value", "5\n")
    repo.commit()
    script(value(9), value(4), value(4.9))
    done = run(*FLAGS, metric=TRAIN)
    assert done.column("status") == ["baseline", "discard", "keep", "discard"], done.told
    assert done.rows[1]["reason"].startswith("stopped early at progress 0.")
    assert done.rows[1]["metric"] == "-"
    # A candidate that merely loses, without being far behind, is measured to its end.
    assert done.rows[3]["metric"] == "4.9"


def test_a_candidate_with_a_result_is_no_longer_stopped(
    run: Run, script: Script, repo: Any
) -> None:
    repo.write("value", "5\n")
    repo.commit()
    script(value(4))
    # From its second run on, the candidate prints a far worse curve, but ends as well as before.
    noisy = """$(od -An -N1 -tu1 /dev/urandom | awk -v v=$v '{print v + $1 / 1e4}')"""
    lags = (
        TRAIN.replace("; awk", "; lag=0; [ $v = 4 ] && [ -f ../../done-4 ] && lag=20; awk")
        .replace("-v v=$v ", "-v v=$v -v lag=$lag ")
        .replace("i / 20}", "i / 20 + lag}")
        .replace("result: $v", f"result: {noisy}")
    )
    quick = ("--set", "metric.repeats.min=2", "--confirm", "never")
    done = run(*FLAGS, *quick, metric=lags)
    assert done.column("status") == ["baseline", "keep"], done.told
    assert int(done.rows[1]["samples"]) >= 2


def test_the_curve_to_keep_up_with_survives_a_resume(run: Run, script: Script, repo: Any) -> None:
    repo.write("value", "5\n")
    repo.commit()
    script(value(4), value(9))
    assert run(*FLAGS, "--iterations", "1", metric=TRAIN).code == 0
    done = run(*FLAGS, "--resume", metric=TRAIN)
    assert done.column("status") == ["baseline", "keep", "discard"], done.told
    assert done.rows[2]["reason"].startswith("stopped early")
    records = repo.path / ".git" / "autoresearch" / "t" / "records.jsonl"
    lines = [json.loads(line) for line in records.read_text(encoding="utf-8").splitlines()]
    last = [line for line in lines if line["record"] == "verdict"][-1]
    assert last["knowledge"]["curve"]["points"][-1] == [1.0, 4.0]


def test_what_fills_the_cache_again_is_not_stopped_on_its_way(
    run: Run, script: Script, repo: Any
) -> None:
    """The unmodified code is far behind, and builds to its end what a candidate starts from."""
    repo.write("value", "9\n")
    repo.commit()
    script(value(4), value(3))
    metric = f"mkdir -p build; echo found $(cat build/o) >&2; {TRAIN}; echo $v > build/o"
    flags = (*FLAGS, "--set", "cache=[build]")
    assert run(*flags, "--iterations", "1", metric=metric).code == 0
    done = run(*flags, "--resume", metric=metric)
    assert done.column("status") == ["baseline", "keep", "keep"], done.told
    lines = (done.folder / "logs" / "2.log").read_text().splitlines()
    assert "found" not in lines
    assert lines.count("found 9") >= 2
