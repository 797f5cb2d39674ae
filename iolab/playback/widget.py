"""The player as a widget: the one module that needs anywidget."""

from typing import Any

import anywidget
import traitlets

from iolab.playback import assets


class ReplayWidget(anywidget.AnyWidget):
    """A replay among a notebook's controls; `data` is what `Replay.data` gives."""

    _esm = assets.read("player.js")
    _css = assets.read("player.css")
    data: Any = traitlets.Dict().tag(sync=True)
