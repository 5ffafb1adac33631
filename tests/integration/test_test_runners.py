"""What the real test runners make of a selection: the tests that were named, and no others."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from autoresearch_ci.decide.failures.selected_tests import suite_command

PYTHON = """\
import unittest
class CartTest(unittest.TestCase):
    def test_one(self): pass
    def test_two(self): self.fail()
"""
NODE = """\
const test = require('node:test');
test('one (a)', () => {});
test('two', () => { throw new Error('two'); });
"""
JEST = """\
describe('cart', () => {
  it('one (a)', () => {});
  it('two', () => { throw new Error('two'); });
});
"""
VITEST = f"import {{describe, it}} from 'vitest'\n{JEST}"
GO = """\
package cart
import "testing"
func TestOne(t *testing.T) {}
func TestTwo(t *testing.T) { t.Fatal("two") }
"""
RUST = """\
#[test] fn one() {}
#[test] fn two() { panic!("two"); }
"""
CARGO = '[package]\nname = "shop"\nversion = "0.1.0"\nedition = "2021"\n'
CMAKE = """\
cmake_minimum_required(VERSION 3.10)
project(shop NONE)
enable_testing()
add_test(NAME one COMMAND sh -c "exit 0")
add_test(NAME two COMMAND sh -c "exit 1")
"""

Case = tuple[str, dict[str, str], str, str, str, str]
CASES: list[Case] = [
    (
        *("python3", {"tests/test_cart.py": PYTHON, "tests/__init__.py": ""}),
        *("python3 -m unittest", "tests/test_cart.py::CartTest.test_"),
        *("one", "two"),
    ),
    (
        *("python3", {"tests/test_cart.py": PYTHON}),
        *("python3 -m unittest discover -s tests", "tests/test_cart.py::CartTest.test_"),
        *("one", "two"),
    ),
    ("node", {"t/cart.test.js": NODE}, "node --test t/", "t/cart.test.js::", "one (a)", "two"),
    (
        *("go", {"go.mod": "module shop\n\ngo 1.19\n", "cart/cart_test.go": GO}),
        *("go test ./...", "cart/cart_test.go::Test", "One", "Two"),
    ),
    (
        *("cargo", {"Cargo.toml": CARGO, "src/lib.rs": "", "tests/it.rs": RUST}),
        *("cargo test --offline", "tests/it.rs::", "one", "two"),
    ),
    ("ctest", {"CMakeLists.txt": CMAKE}, "ctest", "CMakeLists.txt::", "one", "two"),
    ("mocha", {"t/cart.test.js": JEST}, "mocha t", "t/cart.test.js::", "one (a)", "two"),
    (
        *("jest", {"t/cart.test.js": JEST, "package.json": "{}"}),
        *("jest --ci", "t/cart.test.js::", "one (a)", "two"),
    ),
    (
        *("vitest", {"t/cart.test.js": VITEST, "package.json": '{"type": "module"}'}),
        *("vitest run", "t/cart.test.js::", "one (a)", "two"),
    ),
]


@pytest.mark.parametrize(
    ("program", "files", "command", "before", "good", "bad"), CASES, ids=[c[2] for c in CASES]
)
def test_only_the_named_test_decides(
    tmp_path: Path,
    program: str,
    files: dict[str, str],
    command: str,
    before: str,
    good: str,
    bad: str,
) -> None:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"there is no {program} here")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    modules = Path(found).parents[1]
    if modules.name == "node_modules":
        (tmp_path / "node_modules").symlink_to(modules)
    if program == "ctest":
        subprocess.run(["cmake", "-S", ".", "-B", "."], cwd=tmp_path, check=True, timeout=60)
    suite = suite_command(command, files)
    for test, code in ((good, True), (bad, False)):
        line = suite.selecting([before + test], files)
        passed, output = run(line, tmp_path)
        assert passed is code, (line, output)
        assert suite.has_run(output), (line, output)
    line = suite.selecting([f"{before}none_of_them"], files)
    assert not suite.has_run(run(line, tmp_path)[1]), line


def run(line: str, folder: Path) -> tuple[bool, str]:
    env = {
        **os.environ,
        "FORCE_COLOR": "1",
        "GOFLAGS": "-mod=mod",
        "CARGO_TARGET_DIR": f"{folder}/target",
    }
    ended = subprocess.run(
        ["sh", "-c", f"{line} 2>&1"],
        cwd=folder,
        env=env,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return ended.returncode == 0, ended.stdout.decode(errors="replace")
