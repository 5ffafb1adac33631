"""Of the files that match, those count that the command wrote itself, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoresearch_ci.measure.number.report_files import ReportFiles
from autoresearch_ci.safety.untrusted_values import MetricError


def write(tree: Path, **files: str) -> None:
    for name, content in files.items():
        path = tree / name.replace("__", "/").replace("_xml", ".xml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("target/TEST-*.xml", [b"a", b"b"]),
        ("target/TEST-?.xml", [b"a", b"b"]),
        ("target/TEST-[b].xml", [b"b"]),
        ("**/TEST-*.xml", [b"c", b"a", b"b"]),
        ("*/target/*.xml", [b"c"]),
        ("target/**", [b"a", b"b"]),
        ("other/*.xml", None),
    ],
)
def test_a_pattern_finds_what_was_written_in_the_order_of_the_names(
    pattern: str, found: list[bytes] | None, tmp_path: Path
) -> None:
    reports = ReportFiles(tmp_path, pattern)
    for name, content in (("b", "b"), ("a", "a")):
        (tmp_path / "target").mkdir(exist_ok=True)
        (tmp_path / f"target/TEST-{name}.xml").write_text(content)
    (tmp_path / "app/target").mkdir(parents=True)
    (tmp_path / "app/target/TEST-c.xml").write_text("c")
    assert reports.read() == found


def test_what_lay_there_before_is_no_report_and_stays(tmp_path: Path) -> None:
    write(tmp_path, a_xml="old", b_xml="old")
    reports = ReportFiles(tmp_path, "*.xml")
    assert (tmp_path / "a.xml").read_text() == "old"
    assert reports.read() is None
    write(tmp_path, b_xml="new", c_xml="more")
    assert reports.read() == [b"new", b"more"]


def test_a_single_report_of_an_earlier_run_is_gone(tmp_path: Path) -> None:
    write(tmp_path, a_xml="old")
    reports = ReportFiles(tmp_path, "a.xml")
    assert reports.read() is None
    write(tmp_path, a_xml="new")
    assert reports.read() == b"new"


def test_links_lead_nowhere(tmp_path: Path) -> None:
    outside, tree = tmp_path / "outside", tmp_path / "tree"
    tree.mkdir()
    write(outside, a_xml="secret")
    reports = ReportFiles(tree, "**/*.xml")
    (tree / "folder").symlink_to(outside)
    assert reports.read() is None
    (tree / "a.xml").symlink_to(outside / "a.xml")
    refused = reports.read()
    assert isinstance(refused, MetricError)
    assert "a.xml is a link" in str(refused)


def test_folders_within_folders_without_end_cost_little(tmp_path: Path) -> None:
    (tmp_path / "/".join(["d"] * 900)).mkdir(parents=True)
    assert ReportFiles(tmp_path, "**/*.xml").read() is None


def test_more_reports_than_can_be_read_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoresearch_ci.measure.number.report_files.FILES_LIMIT", 3)
    reports = ReportFiles(tmp_path, "*.xml")
    for number in range(5):
        (tmp_path / f"{number}.xml").touch()
    assert isinstance(reports.read(), MetricError)
