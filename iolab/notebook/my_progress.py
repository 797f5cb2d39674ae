"""The map of the course with what the progress file holds of it; buttons save a copy, and restore one."""

import base64
import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import ipywidgets

from iolab import progress
from iolab.claims.verdicts import LESSON
from iolab.course.outline import Mark, Points, Stage, next_step, stages
from iolab.display import tables
from iolab.display.html import note
from iolab.errors import UsageError, guard
from iolab.notebook.controls import status

FILE = "iolab-progress.json"
"""What a saved copy is called in the learner's downloads."""

COLUMNS = ("Lesson", "Guesses", "Typed", "Verdicts", "Exercises")
MARKS: dict[Mark, str] = {"right": "✓", "wrong": "✗", "guessed": "•", "open": "○"}
KEY = "✓ right, ✗ not right, • guessed and not scored yet, ○ still open"


@dataclass(frozen=True)
class MyProgress:
    """The map of the course: guesses, verdicts and points of every lesson, and the next step."""

    def stages(self) -> list[Stage]:
        """Return the lessons, each with how far the learner is."""
        return stages(LESSON)

    def __str__(self) -> str:
        course = self.stages()
        return "\n".join(filter(None, (progress.trouble(), tables.as_text(_rows(course)), next_step(course))))

    __repr__ = __str__

    def save(self, copy: str = FILE) -> str:
        """Write a copy to a file, and return its path. Raise UsageError if it cannot be written."""
        return str(progress.save(copy))

    def restore(self, copy: str = FILE) -> "MyProgress":
        """Add what a saved copy has; nothing is lost on either side. Raise UsageError for a file that is not one."""
        progress.restore(copy)
        return self

    def link(self) -> str:
        """Return a link that downloads a copy of everything recorded until now, as HTML."""
        text = base64.b64encode(progress.as_text(progress.read()).encode(errors="replace")).decode()
        return f'<a download="{FILE}" href="data:application/json;base64,{text}">Download {FILE}</a>'

    def add(self, saved: bytes, name: str) -> str:
        """Add what an uploaded copy has, and return a sentence on how that went, as HTML."""
        try:
            progress.add(saved, name)
        except UsageError as error:
            return html.escape(f"Nothing was changed: {error}.")
        return html.escape(f"Restored {name}. Run a question again, and it knows your guess.")

    def _repr_html_(self) -> str:
        course, trouble = self.stages(), progress.trouble()
        warning = f"<p><b>{html.escape(trouble)}</b></p>" if trouble else ""
        upcoming = next((stage for stage in course if not stage.done), None)
        rows = "".join(_row(stage, stage is upcoming) for stage in course)
        names = "".join(f'<th scope="col" style="{LEFT}">{name}</th>' for name in COLUMNS)
        table = f"<table><thead><tr>{names}</tr></thead><tbody>{rows}</tbody></table>"
        return f"{warning}<p><b>{html.escape(next_step(course))}</b></p>{table}<p>{note(KEY)}</p>"

    def _ipython_display_(self) -> None:
        from IPython.display import display  # a lesson has it; importing the package must not need it

        def page() -> dict[str, str]:
            return {"text/plain": str(self), "text/html": self._repr_html_()}

        shown = display(page(), raw=True, display_id=True)
        buttons = copy_buttons(self, lambda: shown and shown.update(page(), raw=True))
        display(buttons._repr_mimebundle_() | {"text/plain": "", "text/html": ""}, raw=True)


LEFT = "text-align: left; vertical-align: top"


def _rows(course: list[Stage]) -> list[dict[str, str]]:
    return [
        {
            "lesson": f"{stage.number} {stage.title}",
            "guesses": "".join(MARKS[mark] for mark in stage.guesses.values()) or "–",
            "typed": "".join(MARKS[mark] for mark in stage.drills.values()) or "–",
            "verdicts": f"{sum(map(bool, stage.verdicts.values()))} of {len(stage.verdicts)}"
            if stage.verdicts
            else "–",
            "exercises": ", ".join(map(str, stage.points)) or "–",
        }
        for stage in course
    ]


def _row(stage: Stage, upcoming: bool) -> str:
    sign = "✓" if stage.done else "▶" if upcoming else ""
    where = progress.course_folder()
    title = html.escape(f"{stage.number} {stage.title}")
    link = title if where is None else f'<a href="{html.escape((where / stage.file).as_posix())}">{title}</a>'
    guesses, drills = (
        " ".join(map(_dot, marks.values(), repeat(never)))
        for marks, never in ((stage.guesses, "no guess yet"), (stage.drills, "not tried yet"))
    )
    verdicts = "<br>".join(map(html.escape, _verdicts(stage)))
    points = "<br>".join(f'<span style="white-space: nowrap">{_points(each)}</span>' for each in stage.points)
    cells = "".join(f'<td style="{LEFT}">{cell or "–"}</td>' for cell in (guesses, drills, verdicts, points))
    return f'<tr><th scope="row" style="{LEFT}; white-space: nowrap">{sign} {link}</th>{cells}</tr>'


def _verdicts(stage: Stage) -> Iterator[str]:
    yield from (f"{claim} {word}" for claim, word in stage.verdicts.items() if word)
    waiting = [claim for claim, word in stage.verdicts.items() if not word]
    if waiting:
        yield f"not judged yet: {', '.join(waiting)}"


def _dot(mark: Mark, never: str) -> str:
    says = {"right": "right", "wrong": "not right", "guessed": "not scored yet", "open": never}[mark]
    return f'<span role="img" aria-label="{says}" title="{says}">{MARKS[mark]}</span>'


def _points(points: Points) -> str:
    if points.score is None:
        return html.escape(f"{points.exercise}: {points.out_of} to win")
    return html.escape(f"{points.exercise}: {points.score:g} of {points.out_of}{' ✓' * points.complete}")


def copy_buttons(mine: MyProgress, on_restore: Callable[[], object] = lambda: None) -> Any:
    """Return the buttons to save a copy and to restore one, and what came of it."""
    save = ipywidgets.Button(description="Save a copy", tooltip="Make a link that downloads your progress")
    restore = ipywidgets.FileUpload(
        accept=".json", description="Restore a copy", tooltip="Add the progress of a file that you saved"
    )
    outcome = ipywidgets.HTML()

    def restore_all(change: Any) -> None:
        for file in change["new"]:
            outcome.value = status(mine.add(bytes(file["content"]), file["name"]))
        on_restore()

    def offer(_: Any) -> None:
        outcome.value = status(mine.link())

    save.on_click(offer)
    restore.observe(restore_all, names="value")
    return ipywidgets.HBox([save, restore, outcome])


@guard
def my_progress() -> MyProgress:
    """Show the map of the course: guesses, verdicts and points, and the next step; save a copy, or restore one."""
    return MyProgress()
