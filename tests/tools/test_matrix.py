"""The matrix says what came out: passed, failed, left out, and why."""

from pathlib import Path

import pytest

from tools import matrix
from tools.matrix import Failed, Outcome, Report, Row

RESULTS = """<?xml version="1.0"?>
<testsuites><testsuite name="pytest">
<testcase classname="tests.models.test_conformance" name="test_64_mib[epoll-edge]" time="1"/>
<testcase classname="tests.models.test_conformance" name="test_64_mib[blocking]" time="1">
  <properties><property name="by nature" value="Breaks when two come."/></properties>
</testcase>
<testcase classname="tests.models.test_faults" name="test_a_reset[epoll-edge]" time="1">
  <failure message="AssertionError">E  it did</failure>
</testcase>
<testcase classname="tests.models.test_faults" name="test_a_reset[blocking]" time="1">
  <properties><property name="by nature" value="Breaks when two come."/></properties>
  <skipped type="pytest.skip" message="Breaks when two come.">where</skipped>
</testcase>
</testsuite></testsuites>
"""

ECHO, RESET = Row("test_conformance", "test_64_mib"), Row("test_faults", "test_a_reset")


@pytest.fixture
def cells(tmp_path: Path) -> matrix.Cells:
    results = tmp_path / "results.xml"
    results.write_text(RESULTS)
    return dict(matrix.read(results))


def test_every_cell_is_read(cells: matrix.Cells) -> None:
    assert cells == {
        (ECHO, "epoll-edge"): Outcome(),
        (ECHO, "blocking"): Outcome(reason="Breaks when two come."),
        (RESET, "epoll-edge"): Outcome(failed="E  it did"),
        (RESET, "blocking"): Outcome(left_out=True, reason="Breaks when two come."),
    }


def test_the_page_shows_them(cells: matrix.Cells) -> None:
    cells[RESET, "epoll-edge"] = Outcome()
    text = matrix.page(Report("abc1234", [cells] * 3, [60.0] * 3), "the command")
    assert "4 cells: 3 passed, and 1 are left out" in text
    assert "3 times in a row, with 0 flakes, in 3 minutes" in text
    assert "| 64 MiB | ✓ | ✓ 1 |" in text
    assert "| A reset | ✓ | 1 |" in text
    assert "1. Breaks when two come." in text
    assert "- Commit: abc1234\n- Command: `the command`" in text


def test_a_flake_is_what_fails_in_some_rounds_only(cells: matrix.Cells) -> None:
    green = {cell: Outcome() for cell in cells}
    assert Report("", [cells, cells], []).flakes() == 0
    assert Report("", [cells, green], []).flakes() == 1
    assert Report("", [green, green], []).failures() == {}


def test_nothing_is_reported_of_a_round_that_failed(cells: matrix.Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "run", lambda models: cells)
    with pytest.raises(Failed, match="1 cells failed, 0 of them not in every round"):
        matrix.repeat(2, [])


def test_a_tree_that_changes_is_no_tree_to_report_on(monkeypatch: pytest.MonkeyPatch) -> None:
    commits = iter(["abc1234", "def5678", "def5678"])
    monkeypatch.setattr(matrix, "run", lambda models: {})
    monkeypatch.setattr(matrix, "commit", lambda: next(commits))
    with pytest.raises(Failed, match="from abc1234 to def5678"):
        matrix.repeat(1, [])


def test_a_suite_that_cannot_run_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(matrix, "ROOT", tmp_path)
    with pytest.raises(Failed, match="pytest ended with status 4"):
        matrix.run([])
