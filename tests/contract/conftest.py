"""Golden files and the generated parts of pages: what must stand there, character for character."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite golden files and generated tables with what the code says now; read the diff",
    )


@pytest.fixture
def matches_golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares text with a golden file, or rewrites the file with `--update-golden`."""
    # the option exists only when this folder is named on the command line
    update = request.config.getoption("--update-golden", default=False)

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if update:
            path.write_text(text, encoding="utf-8")
        expected = path.read_text(encoding="utf-8") if path.exists() else ""
        assert text == expected, (
            f"{name} changed; if that is meant: pytest tests/contract --update-golden"
        )

    return check


@pytest.fixture
def generated(request: pytest.FixtureRequest) -> Callable[[str, str, str], None]:
    """Compares a page's part between the comments of that name, or rewrites it."""
    update = request.config.getoption("--update-golden", default=False)

    def check(page: str, name: str, text: str) -> None:
        start, end = f"<!-- {name}: generated, see CONTRIBUTING.md -->\n", f"<!-- /{name} -->"
        path = ROOT / page
        before, rest = path.read_text(encoding="utf-8").split(start)
        listed, after = rest.split(end)
        if update:
            path.write_text(f"{before}{start}{text}{end}{after}", encoding="utf-8")
            return
        assert listed == text, "run: make golden"

    return check
