"""The panel that counts what the learner's progress file holds, saves a copy of it, and restores one."""

import base64
import html
from dataclasses import dataclass
from typing import Any

import ipywidgets

from iolab import progress
from iolab.errors import UsageError
from iolab.notebook.controls import bundle, status

FILE = "iolab-progress.json"
"""What a saved copy is called in the learner's downloads."""


@dataclass(frozen=True)
class MyProgress:
    """The guesses and verdicts of the progress file; a notebook shows how many, and two buttons."""

    def __str__(self) -> str:
        everything = progress.read()
        guesses, scores, verdicts = (progress.section(everything, kind) for kind in progress.KINDS)
        right = sum(1 for score in scores.values() if isinstance(score, dict) and score.get("right"))
        return (
            f"{_count(guesses, 'guess', 'guesses')}, {right} of them right; {_count(verdicts, 'verdict', 'verdicts')}."
        )

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

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return bundle(copy_buttons(self), str(self))


def copy_buttons(mine: MyProgress) -> Any:
    """Return the counts, and the buttons to save a copy and to restore one."""
    save = ipywidgets.Button(description="Save a copy", tooltip="Make a link that downloads your progress")
    restore = ipywidgets.FileUpload(
        accept=".json", description="Restore a copy", tooltip="Add the progress of a file that you saved"
    )
    counts, outcome = ipywidgets.HTML(html.escape(str(mine))), ipywidgets.HTML()

    def show(sentence: str) -> None:
        outcome.value, counts.value = status(sentence), html.escape(str(mine))

    def restore_all(change: Any) -> None:
        for file in change["new"]:
            show(mine.add(bytes(file["content"]), file["name"]))

    save.on_click(lambda _: show(mine.link()))
    restore.observe(restore_all, names="value")
    return ipywidgets.VBox([counts, ipywidgets.HBox([save, restore, outcome])])


def my_progress() -> MyProgress:
    """Show how many guesses and verdicts are recorded, and let the learner save a copy or restore one."""
    return MyProgress()


def _count(records: dict[str, Any], one: str, many: str) -> str:
    return f"{len(records)} {one if len(records) == 1 else many}"
