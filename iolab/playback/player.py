"""The replay of one run or two as a value: what a notebook, a page, and a terminal make of it.

Theory of operation. The player is one ES module. A notebook gets it with its data inside an HTML output: nothing is
asked of a kernel, so a lesson that was saved still plays, as does the book. `widget()` gives the same module as a
widget of anywidget, which front ends show that run no scripts in an output, and which stands beside other controls;
it needs its kernel.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from html import escape
from itertools import islice
from pathlib import Path
from secrets import token_hex
from typing import Any

from iolab.display.units import count
from iolab.errors import UsageError
from iolab.playback import assets
from iolab.playback.data import encode
from iolab.playback.stage import MOST_CALLS, Stage, stage
from iolab.trace.timeline import Timeline

SHOWN = 12
"""How many calls are told where the player cannot run."""

WIDTHS = 1400, 1900
"""How wide a page of one replay, or of two, grows at most, in pixels."""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>{title}</title></head>
<body style="margin: 0 auto; padding: 16px; max-width: {width}px"><main>
<h1 style="font: 600 20px system-ui">{title}</h1>
{player}</main></body></html>
"""


@dataclass(frozen=True)
class Replay:
    """One run, or two on one clock, to be played in slow motion."""

    stages: tuple[Stage, ...]

    @property
    def title(self) -> str:
        """What is played."""
        return f"Replay of {' and '.join(each.model for each in self.stages)}"

    @cached_property
    def data(self) -> dict[str, Any]:
        """What the player needs, as JSON can hold it."""
        return {"stages": [encode(each) for each in self.stages]}

    def to_html(self) -> str:
        """Return the player with its data, as a part of a page: it needs no kernel and fetches nothing."""
        name = f"iolab-replay-{token_hex(6)}"
        module = assets.read("player.js").replace("export default ", "const widget = ").replace("export ", "")
        data = json.dumps(self.data, separators=(",", ":")).replace("<", "\\u003c")
        return (
            f'<style>{assets.read("player.css")}</style><div id="{name}">{self._fallback()}</div>'
            f'<script type="application/json" id="{name}-data">{data}</script>'
            f'<script type="module">{module}\n'
            f'mount(document.getElementById("{name}"), JSON.parse(document.getElementById("{name}-data").textContent));'
            "</script>"
        )

    def save(self, path: str | Path) -> Path:
        """Write a page that plays by itself, and return its path."""
        path = Path(path)
        path.write_text(
            PAGE.format(title=escape(self.title), player=self.to_html(), width=WIDTHS[len(self.stages) - 1]),
            encoding="utf-8",
        )
        return path

    def widget(self) -> Any:
        """Return the player as a widget of anywidget."""
        from iolab.playback.widget import ReplayWidget  # anywidget, and ipywidgets with it, take their time

        return ReplayWidget(data=self.data)

    def __repr__(self) -> str:
        calls = " and ".join(f"{count(len(each.calls), 'call')} of {each.model}" for each in self.stages)
        return (
            f"{self.title}: {calls}. It plays in a notebook; save('replay.html') writes a page that plays in a browser."
        )

    def _repr_html_(self) -> str:
        return self.to_html()

    def _fallback(self) -> str:
        words = "".join(f"<li>{escape(line)}</li>" for line in self._words())
        return f"<p>{escape(self.title)}. Scripts are off here; the first calls in words:</p><ol>{words}</ol>"

    def _words(self) -> list[str]:
        return [
            sentence.of(call).replace("`", "")
            for each in self.stages
            for call, sentence in islice(zip(each.calls, each.sentences, strict=True), SHOWN)
        ]


def replay(*timelines: Timeline, calls: int = MOST_CALLS) -> Replay:
    """Play a timeline back in slow motion, or two on one clock: `iolab.replay(iolab.timeline("epoll"))`.

    `calls` is how many are played at most. Raise UsageError for anything but one timeline or two.
    """
    if not 1 <= len(timelines) <= 2 or not all(isinstance(each, Timeline) for each in timelines):
        raise UsageError("expected one timeline or two, such as replay(iolab.timeline('epoll', connections=3))")
    return Replay(tuple(stage(each, calls) for each in timelines))
