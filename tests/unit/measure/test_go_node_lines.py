"""Executed lines are read from what Go and Node write, and nothing else is made of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from autoresearch_ci.decide.failures.changed_lines import LinesOfTest
from autoresearch_ci.measure.go_node_lines import CoverageFiles, go_lines, v8_lines

GO = """\
mode: set
example.org/shop/cart/cart.go:3.27,5.9 2 1
example.org/shop/cart/cart.go:5.9,7.3 1 0
example.org/shop/cart/cart.go:9.2,9.10 1 4
other.org/lib/lib.go:1.1,9.2 1 1
example.org/shop/cart/cart.go:1.1,99999999.2 1 1
nonsense
"""
SOURCE = """\
exports.used = (x) => {
  if (x) {
    return 1;
  }
  return 2;
};
exports.unused = () => {
  return 3;
};
"""


def test_go_names_blocks_by_import_path() -> None:
    assert go_lines(GO, ["cart/cart.go", "go.mod"]) == {"cart/cart.go": frozenset({3, 4, 5, 9})}


def report(*ranges: tuple[int, int, int], url: str = "file:///tree/a.js") -> bytes:
    told = [{"startOffset": a, "endOffset": b, "count": n} for a, b, n in ranges]
    return json.dumps({"result": [{"url": url, "functions": [{"ranges": told}]}]}).encode()


def test_an_inner_range_of_v8_has_the_last_word() -> None:
    branch = SOURCE.index("{\n    return 1"), SOURCE.index("  return 2") - 1
    unused = SOURCE.index("() =>"), SOURCE.rindex(";")
    found = v8_lines(
        [report((0, len(SOURCE), 1), (*branch, 0), (*unused, 0))], {"a.js": SOURCE}, "/tree"
    )
    assert found == {"a.js": frozenset({1, 2, 5, 6, 7, 9})}


@pytest.mark.parametrize(
    "report",
    [
        *(b"", b"{", b"[]", b'{"result": 3}', b'{"result": [{"url": 3}]}', b"\xff", b"[" * 9_000),
        report((0, 10**12, 1), url="file:///etc/passwd"),
        report((-5, -1, 1)),
    ],
)
def test_what_is_no_report_names_no_lines(report: bytes) -> None:
    assert not any(v8_lines([report], {"a.js": SOURCE}, "/tree").values())


def executed(folder: Path, command: str, **files: str) -> tuple[LinesOfTest, ...]:
    temporary = folder.parent / "temporary"
    temporary.mkdir()
    written = CoverageFiles(temporary=temporary, tree=folder)
    env = {**os.environ, **written.environment}
    ended = subprocess.run(
        ["sh", "-c", written.asked(command)],
        cwd=folder,
        env=env,
        check=False,
        capture_output=True,
        timeout=120,
    )
    return written.executed(temporary, list(files), files, failed=ended.returncode != 0)


def test_node_tells_of_every_process_that_a_command_starts(tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("there is no node here")
    folder = tmp_path / "tree"
    folder.mkdir()
    test = "require('node:test')('t', () => { if (require('./a.js').used(0) !== 1) throw 1; });\n"
    files = {"a.js": SOURCE, "a.test.js": test}
    for name, text in files.items():
        (folder / name).write_text(text)
    (seen,) = executed(folder, "node --test a.test.js | cat; exit 1", **files)
    assert seen.failed
    assert seen.lines["a.js"] == frozenset({1, 2, 5, 6, 7, 9})


def test_go_is_asked_where_it_is_the_command_itself(tmp_path: Path) -> None:
    written = CoverageFiles(temporary=tmp_path, tree=tmp_path)
    asked = f"go test -coverprofile={tmp_path}/.executed-by-go -coverpkg=./..."
    assert written.asked("go test") == asked
    assert written.asked("A=1 go test -run X ./...") == f"A=1 {asked} -run X ./..."
    for other in ("go test ./... | cat", "go vet", "make", "go test -coverprofile=x ./..."):
        assert written.asked(other) == other


def test_go_tells_of_the_lines_that_a_failing_test_executes(tmp_path: Path) -> None:
    if shutil.which("go") is None:
        pytest.skip("there is no go here")
    folder = tmp_path / "tree"
    cart = (
        "package cart\n\nfunc Used() int {\n\treturn 2\n}\n\nfunc Unused() int {\n\treturn 3\n}\n"
    )
    test = (
        'package cart\n\nimport "testing"\n\n'
        "func TestUsed(t *testing.T) {\n\tif Used() != 1 {\n\t\tt.Fatal()\n\t}\n}\n"
    )
    files = {
        "go.mod": "module example.org/shop\n\ngo 1.19\n",
        "cart/cart.go": cart,
        "cart/cart_test.go": test,
    }
    (folder / "cart").mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    (seen,) = executed(folder, "go test ./...", **files)
    assert seen == LinesOfTest(failed=True, lines={"cart/cart.go": frozenset({3, 4, 5})})


def test_a_link_in_the_place_of_a_report_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "profile").write_text("x/a.go:1.1,2.2 1 1\n")
    (tmp_path / ".executed-by-go").symlink_to("profile")
    (tmp_path / ".executed-by-node").symlink_to("/")
    written = CoverageFiles(temporary=tmp_path, tree=tmp_path)
    assert written.executed(tmp_path, ["a.go"], {}, failed=True) == ()
