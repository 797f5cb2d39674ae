"""The runs of one panel, side by side: a row and a curve for each, and what was changed from one to the next."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iolab.display import tables
from iolab.display.html import as_html
from iolab.measurement.run import Run

MOST_ROWS, MOST_CURVES = 12, 5
NARROW = "padding: 0.4em 0.45em"
"""The padding of a cell, so that the table has room beside a file browser on a window of 1,024 pixels."""

FIGURES = ("per_s", "p50_us", "p99_us", "server_cpu_us_per_request")


@dataclass(frozen=True)
class Setting:
    """One thing to set: its name for a learner, the values with their texts, and the one to start from."""

    key: str
    label: str
    options: tuple[tuple[str, Any], ...]
    start: Any
    slides: bool = True

    def write(self, value: Any) -> str:
        """Return the text of a value."""
        return next((text for text, each in self.options if each == value), str(value))


@dataclass(frozen=True)
class Attempt:
    """One run of a panel: its number, what was chosen, what was measured, and whether the learner stopped it."""

    number: int
    chosen: Mapping[str, Any]
    run: Run
    stopped: bool


@dataclass(frozen=True)
class History:
    """The latest runs of a panel, the oldest first."""

    settings: Sequence[Setting]
    attempts: tuple[Attempt, ...] = ()

    def add(self, chosen: Mapping[str, Any], run: Run, stopped: bool) -> "History":
        """Return the history with one more run; of many the oldest goes."""
        number = self.attempts[-1].number + 1 if self.attempts else 1
        latest = Attempt(number, dict(chosen), run, stopped)
        return History(self.settings, (*self.attempts, latest)[-MOST_ROWS:])

    def changes(self, place: int) -> list[Setting]:
        """Return the settings in which a run differs from the one before it."""
        if place == 0:
            return []
        before, now = self.attempts[place - 1].chosen, self.attempts[place].chosen
        return [each for each in self.settings if before[each.key] != now[each.key]]

    def _repr_html_(self) -> str:
        return "".join(self._parts()) if self.attempts else ""

    def _parts(self) -> list[str]:
        from iolab.figures import latency  # matplotlib takes half a second, and here no one waits for it

        latest = self.attempts[-1]
        each_connection = html.escape(f"Every connection of run {latest.number}:")
        return [
            self._table(),
            tables.notes(latest.run.doubts),
            self._curves(),
            f"<p>{each_connection}</p>",
            as_html(latency(latest.run)),
        ]

    def _curves(self) -> str:
        from iolab.figures import percentiles

        places = range(len(self.attempts))[-MOST_CURVES:]
        answered = [place for place in places if len(self.attempts[place].run.records)]
        if len(answered) < 2:
            return ""
        names = [self._label(place) for place in answered]
        return as_html(percentiles(*(self.attempts[place].run for place in answered), labels=names))

    def _label(self, place: int) -> str:
        attempt = self.attempts[place]
        texts = [
            f"{each.label.lower()} {each.write(attempt.chosen[each.key])}" for each in self._varied(with_model=False)
        ]
        return ", ".join([f"{attempt.number}: {attempt.run.model}", *texts])

    def _varied(self, *, with_model: bool = True) -> list[Setting]:
        """Return the settings that are not the same in all runs; the model is always one of them, if wanted."""
        first = self.attempts[0].chosen
        return [
            each
            for each in self.settings
            if (each.key == "model" and with_model)
            or (each.key != "model" and any(first[each.key] != one.chosen[each.key] for one in self.attempts))
        ]

    def _table(self) -> str:
        columns = self._varied()
        same = [each for each in self.settings if each not in columns]
        common = ", ".join(f"{each.label.lower()} {each.write(self.attempts[0].chosen[each.key])}" for each in same)
        caption = f"<caption>{html.escape(f'In every run: {common}.')}</caption>" if same else ""
        names = ["run", *(each.label for each in columns), *map(tables.heading_of, FIGURES)]
        head = "".join(f'<th scope="col" style="{NARROW}">{html.escape(name)}</th>' for name in names)
        rows = "".join(self._row(place, columns) for place in range(len(self.attempts)))
        table = f'<table style="font-size: 0.9em">{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        return f'<div style="overflow-x: auto">{table}</div>'

    def _row(self, place: int, columns: Sequence[Setting]) -> str:
        attempt, changed = self.attempts[place], self.changes(place)
        summary = attempt.run.summary()
        cells = [_choice(each.write(attempt.chosen[each.key]), each in changed) for each in columns]
        cells += [tables.format_value(key, summary[key]) for key in FIGURES]
        weight = "font-weight: bold" if place == len(self.attempts) - 1 else "font-weight: normal"
        early = "<br><small>stopped early</small>" if attempt.stopped else ""
        name = f'<th scope="row" style="{NARROW}; text-align: left; {weight}">{attempt.number}{early}</th>'
        data = "".join(f'<td style="{NARROW}; white-space: nowrap">{cell}</td>' for cell in cells)
        return f"<tr>{name}{data}</tr>"


def _choice(text: str, changed: bool) -> str:
    if not changed:
        return html.escape(text)
    return f'<b title="changed" style="border-bottom: 2px solid {CHANGED}">{html.escape(text)}</b>'


CHANGED = "var(--jp-warn-color1, #f57c00)"
