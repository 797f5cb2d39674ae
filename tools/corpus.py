"""Judge every answer of the corpus again and again, and write what came out into docs/exercises.md.

Each judgement is kept in build/corpus.jsonl at once: run again, this goes on where it was ended, as long as
judge and corpus are the same. Exit status 1, and no page, if the judge was wrong once.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from iolab.exercises import EXERCISES, Report, grade  # noqa: E402
from iolab.exercises.report import report  # noqa: E402
from iolab.measurement.machine import machine  # noqa: E402
from tests.exercises.corpus import ANSWERS, TAMPERING  # noqa: E402
from tests.exercises.corpus.answers import Answer  # noqa: E402
from tools.matrix import commit  # noqa: E402

PAGE = ROOT / "docs" / "exercises.md"
KEPT, KEEPING = ROOT / "build" / "corpus.jsonl", threading.Lock()


@dataclass
class Verdicts:
    """What the judge said of one answer, in all rounds."""

    answer: Answer
    reports: list[Report]
    seconds: list[float]

    def wrong(self) -> list[Report]:
        return [report for report in self.reports if not self.answer.is_judged_by(report)]

    def median_s(self) -> float:
        return median(self.seconds)


@contextmanager
def spinning() -> Iterator[None]:
    """Keep one CPU busy for the length of a block."""
    with subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


def version() -> str:
    """Return what identifies the judge and the corpus, as committed."""
    trees = [f"HEAD:{folder}" for folder in ("iolab/exercises", "iolab/kernel", "tests/exercises")]
    done = subprocess.run(["git", "rev-parse", *trees], cwd=ROOT, capture_output=True, text=True, check=True)
    return hashlib.sha256(done.stdout.encode()).hexdigest()


def kept(mark: dict[str, Any]) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the judgements of this version that are there already, by answer and seed."""
    lines = KEPT.read_text(encoding="utf-8").splitlines() if KEPT.exists() else []
    found = [json.loads(line) for line in lines]
    return {(each["answer"], each["report"]["seed"]): each for each in found if mark.items() <= each.items()}


def judge(answer: Answer, seed: int, mark: dict[str, Any]) -> dict[str, Any]:
    """Judge one answer, and keep what came out."""
    begin = time.monotonic()
    found = grade(answer.exercise, answer.text, seed)
    made = mark | {"answer": str(answer), "seconds": time.monotonic() - begin, "report": found.as_dict()}
    with KEEPING, KEPT.open("a", encoding="utf-8") as file:
        file.write(json.dumps(made) + "\n")
    return made


def run(answers: list[Answer], seeds: Sequence[int], at_once: int, mark: dict[str, Any]) -> list[Verdicts]:
    """Judge what was not judged yet, round by round, and return the verdicts on each answer."""
    KEPT.parent.mkdir(exist_ok=True)
    done = kept(mark)
    left = [(answer, seed) for seed in seeds for answer in answers if (str(answer), seed) not in done]
    with ThreadPoolExecutor(at_once) as pool:
        for (answer, seed), made in zip(left, pool.map(lambda each: judge(each[0], each[1], mark), left), strict=True):
            done[str(answer), seed] = made
            tell(verdicts(answer, [made]))
    return [verdicts(answer, [done[str(answer), seed] for seed in seeds]) for answer in answers]


def verdicts(answer: Answer, made: list[dict[str, Any]]) -> Verdicts:
    reports = [report(each["report"]["exercise"], each["report"]["seed"], each["report"]["checks"]) for each in made]
    return Verdicts(answer, reports, [each["seconds"] for each in made])


def tell(verdicts: Verdicts) -> None:
    wrong = verdicts.wrong()
    print(f"{'WRONG' if wrong else 'right'} {max(verdicts.seconds):5.1f} s  {verdicts.answer}", flush=True)
    for each in wrong:
        print(f"    seed {each.seed}: {each.score} of {each.out_of}, expected: {verdicts.answer.expected()}")
        for check in each.checks:
            if not check.passed:
                print(f"    lacks {check.name}: {check.says}")


def page(found: dict[bool, list[Verdicts]], rounds: int, command: str) -> str:
    judged = sum(len(each.reports) for all_ in found.values() for each in all_)
    times = "once" if rounds == 1 else f"{rounds} times"
    lines = [
        "# Every answer before the judge",
        "",
        f"{len(found[False])} answers, each judged {times}{f', and {times} more beside a busy CPU' * (True in found)}, "
        f"each time on other cases: {judged:,} judgements, 0 of them wrong.",
        *[how_long(all_, "Beside the busy CPU the" if busy else "The") for busy, all_ in found.items()],
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
        lines += table(name, found)
    return "\n".join(lines)


def how_long(all_: list[Verdicts], the: str) -> str:
    longest, once = max(each.median_s() for each in all_), max(max(each.seconds) for each in all_)
    return f"{the} slowest answer took {longest:.1f} s (median of its rounds); the slowest round, {once:.1f} s."


def table(name: str, found: dict[bool, list[Verdicts]]) -> list[str]:
    """Return the answers to one exercise, with the points of all rounds and the median time of a judgement."""
    rows = []
    for same in zip(*found.values(), strict=True):
        answer = same[0].answer
        if answer.exercise == name:
            cells = [answer.name, answer.expected(), scores(same), *[f"{each.median_s():.1f}" for each in same]]
            rows.append(f"| {' | '.join(cells)} |")
    head = ["answer", "expected", "points", *["s, busy" if busy else "s" for busy in found]]
    rule = f"|---|---|---|{'--:|' * len(found)}"
    return [f"## {name}", "", EXERCISES[name].asks, "", f"| {' | '.join(head)} |", rule, *rows, ""] if rows else []


def scores(same: Sequence[Verdicts]) -> str:
    found = sorted({report.score for each in same for report in each.reports})
    shown = f"{found[0]}" if len(found) == 1 else f"{found[0]} to {found[-1]}"
    return f"{shown} of {same[0].reports[0].out_of}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1, help="judgements of each answer (default 1)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first round (default 1)")
    parser.add_argument("--at-once", type=int, default=2, help="answers judged at the same time (default 2)")
    parser.add_argument("--only", default="", help="only answers whose name holds this; nothing is written")
    parser.add_argument("--busy", action="store_true", help="the same again, with one CPU kept busy")
    given = parser.parse_args()
    answers = [answer for answer in [*ANSWERS, *TAMPERING] if given.only in str(answer)]
    seeds = range(given.seed, given.seed + given.repeats)
    found = {}
    for busy in (False, True) if given.busy else (False,):
        with spinning() if busy else contextlib.nullcontext():
            found[busy] = run(answers, seeds, given.at_once, {"version": version(), "busy": busy})
    wrong = sum(len(each.wrong()) for all_ in found.values() for each in all_)
    if wrong:
        raise SystemExit(f"corpus: {wrong} judgements were wrong; nothing is written")
    if not given.only:
        command = f"python tools/corpus.py --repeats {given.repeats} --seed {given.seed} --at-once {given.at_once}"
        command += " --busy" if given.busy else ""
        PAGE.write_text(page(found, given.repeats, command), encoding="utf-8")


if __name__ == "__main__":
    main()
