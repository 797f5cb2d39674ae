"""Judge every answer of the corpus again and again, and write the result into docs/exercises.md.

Each judgement goes into build/corpus at once: run again, this goes on where it was ended, as long as
judge and corpus are the same. Exit status 1, and no page, if the judge was wrong once.

`--folder` judges answers that stand elsewhere, as EXERCISE/NAME.py, and writes nothing. The first line of each says
what its author thinks of it: `# expect: right`, or `# expect: wrong: ` and why.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import hashlib
import shelve
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from iolab.archive.provenance import commit  # noqa: E402
from iolab.exercises import EXERCISES, Report, grade  # noqa: E402
from iolab.measurement.machine import machine  # noqa: E402
from tests.exercises.corpus import ANSWERS, TAMPERING  # noqa: E402
from tests.exercises.corpus.answers import Answer  # noqa: E402

PAGE = ROOT / "docs" / "exercises.md"
MUTANTS = "## Mutants"
"""Where the table begins that `tools/mutants.py` writes."""

LOG = ROOT / "build" / "corpus"


@dataclass(frozen=True)
class Round:
    """What one round is: the version of judge and corpus, the seed, and whether a CPU was kept busy."""

    version: str
    busy: bool
    seed: int

    def key(self, answer: Answer) -> str:
        return f"{self.version} {self.busy} {self.seed} {answer}"


@dataclass(frozen=True)
class Judgement:
    """The report on an answer in one round, and how long that took."""

    report: Report
    seconds: float


@dataclass(frozen=True)
class Verdicts:
    """What the judge said of one answer, in all rounds."""

    answer: Answer
    judgements: Sequence[Judgement]

    def reports(self) -> list[Report]:
        return [each.report for each in self.judgements]

    def wrong(self) -> list[Report]:
        return [report for report in self.reports() if not self.answer.is_judged_by(report)]

    def median_s(self) -> float:
        return median(each.seconds for each in self.judgements)

    def longest_s(self) -> float:
        return max(each.seconds for each in self.judgements)


@contextmanager
def keep_busy() -> Iterator[None]:
    """Keep one CPU busy for the length of a block."""
    with subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


def read_version() -> str:
    """Return what identifies the judge and the corpus, as committed."""
    trees = [f"HEAD:{folder}" for folder in ("iolab/exercises", "iolab/kernel", "tests/exercises")]
    git = subprocess.run(["git", "rev-parse", *trees], cwd=ROOT, capture_output=True, text=True, check=True)
    return hashlib.sha256(git.stdout.encode()).hexdigest()


def judge(answer: Answer, seed: int) -> Judgement:
    start_s = time.monotonic()
    report = grade(answer.exercise, answer.text, seed)
    return Judgement(report, time.monotonic() - start_s)


def run(answers: list[Answer], rounds: list[Round], at_once: int) -> list[Verdicts]:
    """Judge what was not judged yet, round by round, and return the verdicts on each answer."""
    LOG.parent.mkdir(exist_ok=True)
    with shelve.open(LOG) as log, ThreadPoolExecutor(at_once) as pool:
        to_do = [(answer, each) for each in rounds for answer in answers if each.key(answer) not in log]
        results = pool.map(lambda pair: judge(pair[0], pair[1].seed), to_do)
        for (answer, each), judgement in zip(to_do, results, strict=True):
            log[each.key(answer)] = judgement
            tell(Verdicts(answer, [judgement]))
        return [Verdicts(answer, [log[each.key(answer)] for each in rounds]) for answer in answers]


def read_folder(folder: Path) -> Iterator[Answer]:
    """Yield the answers of a folder; a wrong one may have all points but one at most."""
    for file in sorted(folder.glob("*/*.py")):
        name, text = file.parent.name, file.read_text(encoding="utf-8")
        _, expected, expects = text.partition("\n")[0].partition("# expect: ")
        if not expected or name not in EXERCISES:
            raise SystemExit(f"corpus: {file} should be EXERCISE/NAME.py, and begin with `# expect: right` or `wrong`")
        most = None if expects.startswith("right") else sum(each.points for each in EXERCISES[name].properties) - 1
        yield Answer(name, f"{file.stem} ({expects})", text, at_most=most)


def judge_folder(answers: list[Answer], seed: int, at_once: int) -> int:
    """Judge answers that are no part of the corpus, keep nothing, and return how many were judged wrongly."""
    count = 0
    with ThreadPoolExecutor(at_once) as pool:
        for answer, judgement in zip(answers, pool.map(lambda each: judge(each, seed), answers), strict=True):
            verdicts = Verdicts(answer, [judgement])
            tell(verdicts)
            count += len(verdicts.wrong())
    return count


def tell(verdicts: Verdicts) -> None:
    wrong = verdicts.wrong()
    print(f"{'WRONG' if wrong else 'right'} {verdicts.longest_s():5.1f} s  {verdicts.answer}", flush=True)
    for each in wrong:
        print(f"    seed {each.seed}: {each.score} of {each.out_of}, expected: {verdicts.answer.expected()}")
        for check in each.checks:
            if not check.passed:
                print(f"    lacks {check.name}: {check.says}")


def write_page(verdicts: dict[bool, list[Verdicts]], rounds: int, command: str) -> str:
    count = sum(len(each.judgements) for all_ in verdicts.values() for each in all_)
    times = "once" if rounds == 1 else f"{rounds} times"
    more = f", and {times} more beside a busy CPU" if True in verdicts else ""
    lines = [
        "# Every answer before the judge",
        "",
        f"{len(verdicts[False])} answers, each judged {times}{more}, "
        f"each time on other cases: {count:,} judgements, 0 of them wrong.",
        *[say_how_long(all_, "Beside the busy CPU the" if busy else "The") for busy, all_ in verdicts.items()],
        "",
        "A wrong answer must lack the property named beside it; a right one must have all points.",
        "One that tampers may not have a point more than the same answer without the attempt.",
        "",
        "`tools/corpus.py --folder DIR` judges answers that stand elsewhere, as DIR/EXERCISE/NAME.py; nothing is kept.",
        "Their first line says what is expected: `# expect: right`, or `# expect: wrong: ` and why.",
        "",
        f"- Date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        f"- Machine: {machine()}",
        f"- Commit: {commit()}",
        f"- Command: `{command}`",
        "",
    ]
    for name in EXERCISES:
        lines += write_table(name, verdicts)
    return "\n".join(lines)


def say_how_long(verdicts: list[Verdicts], the: str) -> str:
    longest_s, once_s = max(each.median_s() for each in verdicts), max(each.longest_s() for each in verdicts)
    return f"{the} slowest answer took {longest_s:.1f} s (median of its rounds); the slowest round, {once_s:.1f} s."


def write_table(name: str, verdicts: dict[bool, list[Verdicts]]) -> list[str]:
    """Return the answers to one exercise, with the points of all rounds and the median time of a judgement."""
    rows = []
    for same in zip(*verdicts.values(), strict=True):
        answer = same[0].answer
        if answer.exercise == name:
            cells = [answer.name, answer.expected(), write_scores(same), *[f"{each.median_s():.1f}" for each in same]]
            rows.append(f"| {' | '.join(cells)} |")
    head = ["answer", "expected", "points", *["s, busy" if busy else "s" for busy in verdicts]]
    rule = f"|---|---|---|{'--:|' * len(verdicts)}"
    return [f"## {name}", "", EXERCISES[name].asks, "", f"| {' | '.join(head)} |", rule, *rows, ""] if rows else []


def write_scores(same: Sequence[Verdicts]) -> str:
    reports = [report for each in same for report in each.reports()]
    least, most = min(each.score for each in reports), max(each.score for each in reports)
    return f"{least if least == most else f'{least} to {most}'} of {reports[0].out_of}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1, help="judgements of each answer (default 1)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first round (default 1)")
    parser.add_argument("--at-once", type=int, default=2, help="answers judged at the same time (default 2)")
    parser.add_argument("--only", default="", help="only answers whose name holds this; nothing is written")
    parser.add_argument("--busy", action="store_true", help="the same again, with one CPU kept busy")
    parser.add_argument("--folder", type=Path, help="answers of this folder, once, in place of the corpus")
    options = parser.parse_args()
    candidates = read_folder(options.folder) if options.folder else [*ANSWERS, *TAMPERING]
    answers = [answer for answer in candidates if options.only in str(answer)]
    if options.folder:
        if wrong := judge_folder(answers, options.seed, options.at_once):
            raise SystemExit(f"corpus: {wrong} of {len(answers)} judgements were wrong")
        return
    seeds, verdicts = range(options.seed, options.seed + options.repeats), {}
    version = read_version()
    for busy in (False, True) if options.busy else (False,):
        with keep_busy() if busy else contextlib.nullcontext():
            verdicts[busy] = run(answers, [Round(version, busy, seed) for seed in seeds], options.at_once)
    wrong = sum(len(each.wrong()) for all_ in verdicts.values() for each in all_)
    if wrong:
        raise SystemExit(f"corpus: {wrong} judgements were wrong; nothing is written")
    if not options.only:
        command = (
            f"python tools/corpus.py --repeats {options.repeats} --seed {options.seed} --at-once {options.at_once}"
        )
        command += " --busy" if options.busy else ""
        _, head, mutants = PAGE.read_text(encoding="utf-8").partition(MUTANTS)
        PAGE.write_text(write_page(verdicts, options.repeats, command) + head + mutants, encoding="utf-8")


if __name__ == "__main__":
    main()
