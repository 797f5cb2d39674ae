"""Run the suite over every model, again and again, and write what it says of each into docs/conformance.md.

Exit status 1, and nothing written, if a test failed in any round.
"""

from __future__ import annotations

import argparse
import datetime
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from iolab.archive.provenance import commit
from iolab.measurement.machine import machine

Item = TypeVar("Item")

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "conformance.md"
COLUMNS = 7
"""Models beside one another: as many as a page is wide."""

HEADINGS = {
    "test_conformance": "For clients that behave",
    "test_faults": "Under faults",
    "test_hostile": "Under what is seldom thought of",
}
SPELLED = {"mib": "MiB", "sigstop": "SIGSTOP"}


@dataclass(frozen=True)
class Row:
    """One row: a test function."""

    file: str
    name: str

    def __str__(self) -> str:
        words = self.name.removeprefix("test_").split("_")
        sentence = " ".join(SPELLED.get(word, word) for word in words)
        return sentence[0].upper() + sentence[1:]


@dataclass(frozen=True)
class Cell:
    """A test of one model: it passed or was left out; and the reason of a model that does otherwise."""

    left_out: bool = False
    reason: str = ""


Cells = dict[tuple[Row, str], Cell]


def run(results: Path) -> None:
    """Run every cell once, in a process of its own. Raise SystemExit if one fails."""
    files = [f"tests/servers/{file}.py" for file in HEADINGS]
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", f"--junitxml={results}"]
    command += ["-o", "junit_family=xunit1"]  # xunit2 has no place for properties
    command += ["-m", "certify or not certify", *files]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise SystemExit("matrix: a test failed; nothing is written")


def read(results: Path) -> Iterator[tuple[tuple[Row, str], Cell]]:
    """Yield the cells of one round from pytest's XML."""
    for case in ElementTree.parse(results).iter("testcase"):
        match = re.fullmatch(r"(\w+)\[([\w-]+)\]", case.get("name", ""))
        assert match, f"expected a test of one model, not {case.get('name')!r}"
        test = Row(case.get("classname", "").rpartition(".")[2], match[1])
        yield (test, match[2]), cell_of(case)


def cell_of(case: ElementTree.Element) -> Cell:
    skipped = case.find("skipped")
    if skipped is not None:
        return Cell(left_out=True, reason=skipped.get("message", ""))
    reasons = [each.get("value", "") for each in case.iter("property") if each.get("name") == "by nature"]
    return Cell(reason=reasons[0] if reasons else "")


def page(cells: Cells, rounds: int, minutes: float) -> str:
    """Return the text of the page."""
    notes = {reason: number for number, reason in enumerate(unique(each.reason for each in cells.values()), 1)}
    lines = [*heading(cells, rounds, minutes), ""]
    models = unique(model for _, model in cells)
    for first in range(0, len(models), COLUMNS):
        lines += table(cells, models[first : first + COLUMNS], notes)
    lines += [f"{number}. {reason}" for reason, number in notes.items()]
    return "\n".join(lines) + "\n"


def heading(cells: Cells, rounds: int, minutes: float) -> Iterator[str]:
    passed = sum(not each.left_out for each in cells.values())
    times = "once" if rounds == 1 else f"{rounds} times in a row"
    yield "# Every model under every test"
    yield ""
    yield (
        f"{len(cells)} cells: {passed} passed, and {len(cells) - passed} are left out for the reason given. "
        f"The suite ran {times}, with 0 flakes, in {minutes:.0f} minutes."
    )
    yield ""
    yield "A number is the reason, below, of a model that does otherwise by its nature: with a tick, the suite"
    yield "asserts that it does just that; without one, the test has nothing to ask of it."
    yield "After every cell no descriptor, thread, process, signal mask or handler is left."
    yield ""
    yield f"- Date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    yield f"- Machine: {machine()}"
    yield f"- Commit: {commit()}"
    yield f"- Command: `python tools/matrix.py --repeats {rounds}`"


def table(cells: Cells, names: list[str], notes: dict[str, int]) -> Iterator[str]:
    for file, title in HEADINGS.items():
        yield f"| {title} | " + " | ".join(f"`{name}`" for name in names) + " |"
        yield "|---" + "|:-:" * len(names) + "|"
        for test in unique(test for test, _ in cells if test.file == file):
            yield f"| {test} | " + " | ".join(mark(cells[test, name], notes) for name in names) + " |"
        yield ""


def mark(cell: Cell, notes: dict[str, int]) -> str:
    tick = "" if cell.left_out else "✓"
    return f"{tick} {notes[cell.reason]}".strip() if cell.reason else tick


def unique(items: Iterable[Item]) -> list[Item]:
    return [item for item in dict.fromkeys(items) if item]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1, help="rounds, each in a process of its own (default 1)")
    repeats, start_s = parser.parse_args().repeats, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        for _ in range(repeats):
            run(results)
        cells = dict(read(results))
    PAGE.write_text(page(cells, repeats, (time.monotonic() - start_s) / 60), encoding="utf-8")


if __name__ == "__main__":
    main()
