"""Solutions, where no learner meets them by chance: shown to who asks, and then confirms it."""

from pathlib import Path

from iolab import exercises
from iolab.course.drills import DRILLS
from iolab.course.lessons import FOLD, lesson_files, read_cells
from iolab.data import places
from iolab.display.source import Text
from iolab.errors import UsageError, guard, unknown

HIDDEN = Path(exercises.__file__).parent / "files"
"""Where an installed package has them (setup.py): the judge lets no answer read there."""

MARKS = "### BEGIN SOLUTION\n", "### END SOLUTION"
QUESTION = "Show the solution of {name}? Trying once more teaches you more. Type yes to see it: "


class Prose(Text):
    """A text that a notebook shows as it shows prose."""

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/markdown": str(self), "text/plain": str(self)}


@guard
def solution(name: str, *, ask: bool = True) -> Text:
    """Show a solution of an exercise, such as "03-epoll", or all of a lesson's own, such as "03"; it asks first.

    Raise UsageError for a name that is neither.
    """
    text = find_solution(name)
    return text if not ask or is_confirmed(name) else Prose(f"Not shown. {advise(name)}")


def find_solution(name: str) -> Text:
    """Return a solution, without asking."""
    lessons = {path.name[:2]: path for path in lesson_files()}
    if name in exercises.EXERCISES:
        return Text(_of_exercise(name))
    if name in lessons:
        return Prose(
            "\n\n".join(_typed(name) + _of_lesson(lessons[name])) or f"Lesson {name} has no solutions of its own."
        )
    raise unknown("exercise", name, [*exercises.EXERCISES, *lessons])


def is_confirmed(name: str) -> bool:
    """Ask whether to show it; nobody there to answer is a no."""
    try:
        return input(QUESTION.format(name=name)).strip().lower() in ("y", "yes")
    except (EOFError, NotImplementedError):  # no terminal; a kernel whose front end cannot be asked
        return False


def advise(name: str) -> str:
    """Say what to do in place of looking."""
    if name in exercises.EXERCISES:
        return f"Its hints are in notebooks/exercises/{name}.ipynb, and iolab.check shows what is still missing."
    return f"The exercises are at the end of lesson {name}."


def _of_exercise(name: str) -> str:
    folder = HIDDEN if HIDDEN.is_dir() else places.folder("notebooks") / "exercises"
    sheet, (begin, end) = folder / name / f"{name}.ipynb", MARKS
    if not sheet.is_file():
        raise UsageError(f"expected the solution of {name} in {folder}, found none; install iolab again")
    texts = ("".join(cell["source"]) for cell in read_cells(sheet))
    return next(text.partition(begin)[2].partition(end)[0].strip() for text in texts if begin in text)


def _typed(number: str) -> list[str]:
    """Return what is typed in a lesson, filled in."""
    return [f"```python\n{drill.solution}```" for key, drill in DRILLS.items() if key.startswith(number)]


def _of_lesson(lesson: Path) -> list[str]:
    return [fold.strip() for cell in read_cells(lesson) for fold in FOLD.findall("".join(cell["source"]))]
