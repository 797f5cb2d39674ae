"""What there is to do in the course, lesson by lesson, and what the progress file has of it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from iolab import exercises, progress
from iolab.course.lessons import lesson_files, read_cells, read_heading

Mark = Literal["right", "wrong", "guessed", "open"]

QUESTION = re.compile(r'iolab\.predict\(\s*"([^"]+)"')
DRILL = re.compile(r'course\.try_out\(\s*"([^"]+)"')


@dataclass(frozen=True)
class Points:
    """The points of one exercise, None until an answer was judged, and how many there are."""

    exercise: str
    score: float | None
    out_of: int

    @property
    def complete(self) -> bool:
        """Whether nothing is left to win."""
        return self.score is not None and self.score >= self.out_of

    def __str__(self) -> str:
        return f"{self.exercise} {'–' if self.score is None else f'{self.score:g}'}/{self.out_of}"


@dataclass(frozen=True)
class Stage:
    """One lesson of the map: its questions, drills, claims and exercises, and how far the learner is."""

    file: str
    title: str
    guesses: Mapping[str, Mark]
    drills: Mapping[str, Mark]
    verdicts: Mapping[str, str | None]
    points: tuple[Points, ...]

    @property
    def number(self) -> str:
        """The number of the lesson, in two digits."""
        return self.file[:2]

    @property
    def judged(self) -> int:
        """How many of its claims have a verdict."""
        return sum(map(bool, self.verdicts.values()))

    @property
    def done(self) -> bool:
        """Whether every question of the lesson has been scored, every drill tried, and every claim judged."""
        marks = {*self.guesses.values(), *self.drills.values()}
        return not {"open", "guessed"} & marks and None not in self.verdicts.values()

    @property
    def begun(self) -> bool:
        """Whether anything of the lesson is in the progress file."""
        return any(mark != "open" for mark in (*self.guesses.values(), *self.drills.values())) or self.judged > 0

    @property
    def open_exercises(self) -> list[str]:
        """The exercises that have not all their points yet."""
        return [each.exercise for each in self.points if not each.complete]


def stages(claims: Mapping[str, str], recorded: dict[str, Any] | None = None) -> list[Stage]:
    """Return the lessons in their order; `claims` has the number of the lesson that judges each.

    How far they are done is that of the learner's own progress file, or of what another one has recorded.
    """
    recorded = progress.read() if recorded is None else recorded
    return [_stage(path, claims, recorded) for path in lesson_files()]


def next_step(course: list[Stage]) -> str:
    """Return a sentence on what to do next."""
    undone = next((stage for stage in course if not stage.done), None)
    waiting = [name for stage in course if stage.done for name in stage.open_exercises]
    if undone:
        verb = "go on with" if undone.begun else "open"
        first = f"Next: {verb} lesson {undone.number}, {undone.title}."
        return f"{first} Exercises that wait for you: {', '.join(waiting)}." if waiting else first
    return f"Next: exercise {waiting[0]}." if waiting else "You have done everything there is. Well done!"


def _stage(path: Path, claims: Mapping[str, str], recorded: dict[str, Any]) -> Stage:
    text = "\n".join("".join(cell["source"]) for cell in read_cells(path))
    number = path.name[:2]
    guesses, scores, drills, verdicts, results = (progress.section(recorded, kind) for kind in progress.KINDS)
    return Stage(
        file=path.name,
        title=read_heading(path)[0],
        guesses={key: _mark(key, guesses, scores) for key in QUESTION.findall(text)},
        drills={key: _tried(drills.get(key)) for key in DRILL.findall(text)},
        verdicts={claim: _word(verdicts.get(claim)) for claim, lesson in claims.items() if lesson == number},
        points=tuple(_points(number, results)),
    )


def _mark(key: str, guesses: dict[str, Any], scores: dict[str, Any]) -> Mark:
    if key not in guesses:
        return "open"
    score = scores.get(key)
    if not isinstance(score, dict) or score.get("right") is None:
        return "guessed"
    return "right" if score["right"] else "wrong"


def _tried(right: object) -> Mark:
    return "open" if right is None else "right" if right is True else "wrong"


def _word(verdict: object) -> str | None:
    return str(verdict.get("word")) if isinstance(verdict, dict) else None


def _points(number: str, results: dict[str, Any]) -> Iterator[Points]:
    for name, exercise in exercises.EXERCISES.items():
        if name.startswith(number):
            result = results.get(name)
            yield Points(name, progress.score(result) if result else None, sum(p.points for p in exercise.properties))
