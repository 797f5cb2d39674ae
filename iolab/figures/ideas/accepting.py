"""Four ways to let several processes accept."""

from dataclasses import dataclass

from iolab.figures.ideas.sheet import SOLID, TINTED, Sheet, sheet
from iolab.figures.style import COPYING, GREY, IN_VAIN, WAITING, WORKING, CourseFigure

ROW_PT, FIRST_PT, APART_PT = 66, 54, 19
"""From way to way, where the first one is, and from worker to worker."""

WHO_ACCEPTS = (
    "Who accepts? Four ways to let three workers, A, B and C, share the clients of one port. prefork: all wait on one "
    "listening socket; for a new connection all 3 wake, one gets it, and two woke in vain. EPOLLEXCLUSIVE: all wait on "
    "one socket, and one of them is woken. SO_REUSEPORT: each has a listening socket of its own, and the kernel draws "
    "one of the three for the connection. Handing on: a parent accepts, and sends the descriptor to the worker whose "
    "turn it is."
)


@dataclass(frozen=True)
class Way:
    """A way: its names, what is said of it, whom it wakes, and who gets the connection."""

    name: str
    call: str
    words: str
    woken: str
    gets: str
    sockets: int = 1
    parent: bool = False


WAYS = (
    Way("one socket", "prefork", "all wake", "ABC", "B"),
    Way("one socket", "EPOLLEXCLUSIVE", "one is woken", "A", "A"),
    Way("one each", "SO_REUSEPORT", "the kernel draws lots", "B", "B", sockets=3),
    Way("one accepts", "SCM_RIGHTS", "and hands on in turn", "C", "C", parent=True),
)


def who_accepts() -> CourseFigure:
    """Draw a new connection, and which of three workers wake for it, in four ways."""
    page = sheet(FIRST_PT + ROW_PT * len(WAYS) - 4)
    page.ground(132, 4, 138, ROW_PT * len(WAYS) + 16, "kernel")
    page.head(404, 15, "workers")
    for number, way in enumerate(WAYS):
        _draw(page, FIRST_PT + ROW_PT * number, way)
    y = FIRST_PT + ROW_PT * len(WAYS) - 16
    for x, colour, words in (
        (2, COPYING, "a new connection"), (132, WORKING, "wakes, and gets it"), (270, IN_VAIN, "wakes in vain"),
        (384, WAITING, "sleeps on"),
    ):  # fmt: skip
        page.box(x, y - 6, 12, 12, colour, SOLID)
        page.text(x + 17, y, words)
    return page.finish(WHO_ACCEPTS)


def _draw(page: Sheet, y: float, way: Way) -> None:
    page.head(2, y - 15, way.name)
    page.code(2, y, way.call)
    page.text(2, y + 15, way.words, color=GREY)
    places = {worker: y + APART_PT * (number - 1) for number, worker in enumerate("ABC")}
    for place in places.values() if way.sockets > 1 else (y,):
        page.box(144, place - 8, 114, 16, linestyle=(0, (3, 2)))
    begin = (258, places[way.gets] if way.sockets > 1 else y)
    page.bytes(244, begin[1] - 6, 12, 12, COPYING)
    page.text(150, begin[1], "backlog")
    if way.parent:
        page.arrow(begin, (318, y), WORKING)
        page.box(320, y - 8, 42, 16, WORKING, TINTED)
        page.text(341, y, "parent", align="center")
        begin = (362, y)
    for worker, place in places.items():
        colour = WORKING if worker == way.gets else IN_VAIN if worker in way.woken else WAITING
        page.chip(428, place, worker, colour, TINTED)
        if worker in way.woken:
            page.arrow(begin, (417, place), colour)
