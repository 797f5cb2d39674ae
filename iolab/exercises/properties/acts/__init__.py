"""Acts: what tasks of the judge's do on the learner's loop, in one process with it; each returns what went wrong.

The rooms of this package are parts of one program, which is run behind the learner's (`child.load_answer`): `Loop` is
the learner's class. So every function has all that it needs in itself or as an argument, and none imports another
room. Each act has a loop of its own, and takes its numbers from a generator of the judge's. How the acts are asked for
is no part of it: that is in `properties.loops`.
"""

from pathlib import Path

ROOMS = ("clocks", "company", "doors", "connections", "bursts", "errors", "exits", "serve")


def write_program() -> str:
    """Return the text of all rooms, in an order in which each name is there before it is used."""
    texts = (Path(__file__).with_name(f"{room}.py").read_text(encoding="utf-8") for room in ROOMS)
    return "\n\n".join(("from __future__ import annotations", *texts))  # no class sees the program's names
