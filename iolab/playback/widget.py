"""The player as a widget: the one module that needs anywidget."""

from typing import Any

import anywidget
import traitlets

from iolab.playback.player import asset


class ReplayWidget(anywidget.AnyWidget):
    """A replay among a notebook's controls; `data` is what `Replay.data` gives."""

    _esm = asset("player.js")
    _css = asset("player.css")
    data: Any = traitlets.Dict().tag(sync=True)
