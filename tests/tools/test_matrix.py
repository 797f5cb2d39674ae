"""The matrix says what came out: passed or left out, and why."""

from pathlib import Path

import pytest

from tools import matrix
from tools.matrix import Cell, Row

RESULTS = """<?xml version="1.0"?>
<testsuites><testsuite name="pytest">
<testcase classname="tests.servers.test_conformance" name="test_64_mib[epoll-edge]" time="1"/>
<testcase classname="tests.servers.test_conformance" name="test_64_mib[blocking]" time="1">
  <properties><property name="by nature" value="Breaks when two come."/></properties>
</testcase>
<testcase classname="tests.servers.test_faults" name="test_a_reset[epoll-edge]" time="1"/>
<testcase classname="tests.servers.test_faults" name="test_a_reset[blocking]" time="1">
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
        (ECHO, "epoll-edge"): Cell(),
        (ECHO, "blocking"): Cell(reason="Breaks when two come."),
        (RESET, "epoll-edge"): Cell(),
        (RESET, "blocking"): Cell(left_out=True, reason="Breaks when two come."),
    }


def test_the_page_shows_them(cells: matrix.Cells) -> None:
    text = matrix.page(cells, rounds=3, minutes=3)
    assert "4 cells: 3 passed, and 1 are left out" in text
    assert "3 times in a row, with 0 flakes, in 3 minutes" in text
    assert "| 64 MiB | ✓ | ✓ 1 |" in text
    assert "| A reset | ✓ | 1 |" in text
    assert "1. Breaks when two come." in text
    assert "- Command: `python tools/matrix.py --repeats 3`" in text
