"""The files of the player: one ES module, and how it looks."""

from importlib.resources import files


def read(name: str) -> str:
    """Return the text of a file that belongs to the player."""
    return (files("iolab.playback") / name).read_text(encoding="utf-8")
