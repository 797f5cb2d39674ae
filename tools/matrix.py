"""Run the suite over every model, again and again, and write what came out into docs/conformance.md.

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
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from iolab.measurement.machine import machine
from iolab.models import MODELS

Item = TypeVar("Item")

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "conformance.md"
SUITE = "tests/servers"
COLUMNS = 7
"""Models beside one another: as many as a page is wide."""

HEADINGS = {
    "test_conformance": "For clients that behave",
    "test_faults": "Under faults",
    "test_hostile": "Under what is seldom thought of",
}
SPELLED = {"mib": "MiB", "sigstop": "SIGSTOP"}


class Failed(Exception):
    """The suite could not be run, or a test of it failed."""


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
class Outcome:
    """One cell of one round: it failed, was left out, or passed; and the reason of a model that does otherwise."""

    failed: str = ""
    left_out: bool = False
    reason: str = ""


Cells = dict[tuple[Row, str], Outcome]


@dataclass
class Report:
    """All rounds."""

    commit: str
    rounds: list[Cells] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def failures(self) -> Counter[tuple[Row, str]]:
        return Counter(cell for cells in self.rounds for cell, outcome in cells.items() if outcome.failed)

    def flakes(self) -> int:
        """Count the cells that failed in some rounds and not in all."""
        return sum(count < len(self.rounds) for count in self.failures().values())


def run(models: list[str]) -> Cells:
    """Run every cell once, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        command = [sys.executable, "-m", "pytest", SUITE, "-q", "-p", "no:cacheprovider", f"--junitxml={results}"]
        command += ["-o", "junit_family=xunit1", "--tb=short"]  # xunit2 has no place for properties
        if models:
            command += ["-k", " or ".join(f"[{name}]" for name in models)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1) or not results.exists():
            raise Failed(f"pytest ended with status {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return dict(read(results))


def read(results: Path) -> Iterator[tuple[tuple[Row, str], Outcome]]:
    """Yield the cells of one round from pytest's XML."""
    for case in ElementTree.parse(results).iter("testcase"):
        matched = re.fullmatch(r"(\w+)\[([\w-]+)\]", case.get("name", ""))
        if not matched:
            raise Failed(f"expected a test of one model, and found {case.get('name')!r}")
        test = Row(case.get("classname", "").rpartition(".")[2], matched[1])
        yield (test, matched[2]), outcome(case)


def outcome(case: ElementTree.Element) -> Outcome:
    for tag in ("failure", "error"):
        wrong = case.find(tag)
        if wrong is not None:
            return Outcome(failed=wrong.text or tag)
    reasons = [each.get("value", "") for each in case.iter("property") if each.get("name") == "by nature"]
    skipped = case.find("skipped")
    if skipped is not None:
        return Outcome(left_out=True, reason=skipped.get("message", ""))
    return Outcome(reason=reasons[0] if reasons else "")


def page(report: Report, command: str) -> str:
    """Return the text of the page."""
    cells = report.rounds[-1]
    notes = {reason: number for number, reason in enumerate(unique(each.reason for each in cells.values()), 1)}
    lines = [*heading(report, command), ""]
    models = unique(model for _, model in cells)
    for first in range(0, len(models), COLUMNS):
        lines += table(cells, models[first : first + COLUMNS], notes)
    lines += [f"{number}. {reason}" for reason, number in notes.items()]
    return "\n".join(lines) + "\n"


def heading(report: Report, command: str) -> Iterator[str]:
    cells, rounds = report.rounds[-1], len(report.rounds)
    passed = sum(not each.left_out for each in cells.values())
    times = "once" if rounds == 1 else f"{rounds} times in a row"
    yield "# Every model under every test"
    yield ""
    yield (
        f"{len(cells)} cells: {passed} passed, and {len(cells) - passed} are left out for the reason given. "
        f"The suite ran {times}, with {report.flakes()} flakes, in {sum(report.seconds) / 60:.0f} minutes."
    )
    yield ""
    yield "A number is the reason, below, of a model that does otherwise by its nature: with a tick, the suite"
    yield "asserts that it does just that; without one, the test has nothing to ask of it."
    yield "After every cell no descriptor, thread, process, signal mask or handler is left."
    yield ""
    yield f"- Date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    yield f"- Machine: {machine()}"
    yield f"- Commit: {report.commit}"
    yield f"- Command: `{command}`"


def table(cells: Cells, names: list[str], notes: dict[str, int]) -> Iterator[str]:
    for file, title in HEADINGS.items():
        yield f"| {title} | " + " | ".join(f"`{name}`" for name in names) + " |"
        yield "|---" + "|:-:" * len(names) + "|"
        for test in unique(test for test, _ in cells if test.file == file):
            yield f"| {test} | " + " | ".join(mark(cells[test, name], notes) for name in names) + " |"
        yield ""


def mark(cell: Outcome, notes: dict[str, int]) -> str:
    tick = "" if cell.left_out else "✓"
    return f"{tick} {notes[cell.reason]}".strip() if cell.reason else tick


def unique(items: Iterable[Item]) -> list[Item]:
    return [item for item in dict.fromkeys(items) if item]


def commit() -> str:
    """Return the commit that the tree stands at, and whether it differs from it."""
    try:
        name = git("rev-parse", "--short", "HEAD").strip()
        return f"{name}, with changes" if git("status", "--porcelain", "--", "iolab", "tests") else name
    except (OSError, subprocess.CalledProcessError):
        return "unknown; this is no clone"


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def repeat(times: int, models: list[str]) -> Report:
    """Run all rounds, and tell of each as it ends. Raise Failed if a cell failed, or the tree did not stay the same."""
    report = Report(commit())
    for number in range(1, times + 1):
        begin = time.monotonic()
        report.rounds.append(run(models))
        report.seconds.append(time.monotonic() - begin)
        tell(f"round {number} of {times}", report.rounds[-1], report.seconds[-1])
    failures = report.failures()
    if failures:
        raise Failed(f"{len(failures)} cells failed, {report.flakes()} of them not in every round; nothing is written")
    if commit() != report.commit:
        raise Failed(f"the tree went from {report.commit} to {commit()} meanwhile; leave it alone while the suite runs")
    return report


def tell(which: str, cells: Cells, seconds: float) -> None:
    left_out, failed = sum(cell.left_out for cell in cells.values()), sum(bool(cell.failed) for cell in cells.values())
    passed = len(cells) - left_out - failed
    print(f"{which}: {passed} passed, {left_out} left out, {failed} failed, {seconds:.0f} s", flush=True)
    for (test, model), cell in cells.items():
        if cell.failed:
            print(f"\n{model}: {test}\n{cell.failed}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1, help="rounds, each in a process of its own (default 1)")
    parser.add_argument("--output", type=Path, default=PAGE, help="the page to write (default docs/conformance.md)")
    parser.add_argument("models", nargs="*", help="only these models")
    given = parser.parse_args()
    for name in given.models:
        if name not in MODELS:
            parser.error(f"there is no model {name!r}; the models are {', '.join(MODELS)}")
    if given.repeats < 1:
        parser.error(f"--repeats is 1 or more, not {given.repeats}")
    command = " ".join(["python tools/matrix.py", f"--repeats {given.repeats}", *given.models])
    try:
        given.output.write_text(page(repeat(given.repeats, given.models), command), encoding="utf-8")
    except (Failed, OSError) as failed:
        raise SystemExit(f"matrix: {failed}") from None
    except KeyboardInterrupt:
        raise SystemExit("matrix: interrupted; nothing is written") from None


if __name__ == "__main__":
    main()
