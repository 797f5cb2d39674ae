"""Judge every answer of the corpus again and again, and write what came out into docs/exercises.md.

Exit status 1, and nothing written, if the judge was wrong once.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from exercises.corpus import ANSWERS, TAMPERING  # noqa: E402
from exercises.corpus.answers import Answer  # noqa: E402

from iolab.exercises import EXERCISES, Report, grade  # noqa: E402
from iolab.measure.machine import machine  # noqa: E402
from tools.matrix import commit  # noqa: E402

PAGE = ROOT / "docs" / "exercises.md"


@dataclass
class Verdicts:
    """What the judge said of one answer, in all rounds."""

    answer: Answer
    reports: list[Report]
    seconds: list[float]

    def wrong(self) -> list[Report]:
        return [report for report in self.reports if not self.answer.is_judged_by(report)]


@contextmanager
def busy() -> Iterator[None]:
    """Keep one CPU busy for the length of a block."""
    with subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) as spinning:
        try:
            yield
        finally:
            spinning.kill()


def judge(answer: Answer, rounds: int, first_seed: int) -> Verdicts:
    reports, seconds = [], []
    for seed in range(first_seed, first_seed + rounds):
        begin = time.monotonic()
        reports.append(grade(answer.exercise, answer.text, seed))
        seconds.append(time.monotonic() - begin)
    return Verdicts(answer, reports, seconds)


def run(answers: list[Answer], rounds: int, first_seed: int, at_once: int) -> Iterator[Verdicts]:
    with ThreadPoolExecutor(at_once) as pool:
        for verdicts in pool.map(lambda answer: judge(answer, rounds, first_seed), answers):
            tell(verdicts)
            yield verdicts


def tell(verdicts: Verdicts) -> None:
    wrong = verdicts.wrong()
    print(f"{'WRONG' if wrong else 'right'} {max(verdicts.seconds):5.1f} s  {verdicts.answer}", flush=True)
    for report in wrong:
        print(f"    seed {report.seed}: {report.score} of {report.out_of}, expected: lacks {verdicts.answer.lacks}")
        for check in report.checks:
            if not check.passed:
                print(f"    lacks {check.name}: {check.says}")


def page(all_: list[Verdicts], rounds: int, command: str) -> str:
    judged, slowest = sum(len(each.reports) for each in all_), max(max(each.seconds) for each in all_)
    lines = [
        "# Every answer before the judge",
        "",
        f"{len(all_)} answers, each judged {'once' if rounds == 1 else f'{rounds} times'}, each time on other cases: "
        f"{judged} judgements, 0 of them wrong. The slowest took {slowest:.1f} s.",
        "",
        "A wrong answer must lack the property named beside it; a right one must have all points.",
        "One that tampers may not have a point more than the same answer without the attempt.",
        "",
        f"- Date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        f"- Machine: {machine()}",
        f"- Commit: {commit()}",
        f"- Command: `{command}`",
        "",
    ]
    for name in EXERCISES:
        lines += table(name, [each for each in all_ if each.answer.exercise == name])
    return "\n".join(lines)


def table(name: str, found: list[Verdicts]) -> list[str]:
    rows = [
        f"| {each.answer.name} | {each.answer.expected()} | {scores(each)} | {max(each.seconds):.1f} |"
        for each in found
    ]
    head = [f"## {name}", "", EXERCISES[name].asks, "", "| answer | expected | points | s |", "|---|---|---|--:|"]
    return [*head, *rows, ""] if rows else []


def scores(verdicts: Verdicts) -> str:
    found = sorted({report.score for report in verdicts.reports})
    shown = f"{found[0]}" if len(found) == 1 else f"{found[0]} to {found[-1]}"
    return f"{shown} of {verdicts.reports[0].out_of}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1, help="judgements of each answer (default 1)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first round (default 1)")
    parser.add_argument("--at-once", type=int, default=2, help="answers judged at the same time (default 2)")
    parser.add_argument("--only", default="", help="only answers whose name holds this; nothing is written")
    parser.add_argument("--busy", action="store_true", help="keep one CPU busy meanwhile")
    given = parser.parse_args()
    answers = [answer for answer in [*ANSWERS, *TAMPERING] if given.only in str(answer)]
    with busy() if given.busy else contextlib.nullcontext():
        found = list(run(answers, given.repeats, given.seed, given.at_once))
    wrong = sum(len(each.wrong()) for each in found)
    if wrong:
        raise SystemExit(f"corpus: {wrong} judgements were wrong; nothing is written")
    if not given.only:
        command = f"python tools/corpus.py --repeats {given.repeats} --seed {given.seed} --at-once {given.at_once}"
        command += " --busy" if given.busy else ""
        PAGE.write_text(page(found, given.repeats, command), encoding="utf-8")


if __name__ == "__main__":
    main()
