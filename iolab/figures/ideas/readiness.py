"""Who is told what: the lists of select and epoll, level and edge, callbacks, and the queue of signals."""

from iolab.figures.ideas.sheet import SOLID, TINTED, Sheet, sheet
from iolab.figures.style import COPYING, GREY, PYTHON, WAITING, CourseFigure

FRIENDS = "ABCD"
PROGRAM, GUTTER = 384, (272, 380)
"""Where the program begins, and the way between it and the kernel."""

READY_LIST = (
    "The sets of select, and the lists of epoll. There are four connections, A to D, and only C has bytes. Above, "
    "select: the program keeps the set, hands all four to the kernel in every call, the kernel looks at each of them, "
    "and names C. Below, epoll: the interest list of all four is in the kernel, where epoll_ctl put each of them "
    "once. When bytes for C arrive, the kernel puts C on a second list, the ready list; epoll_wait takes C from "
    "there, and nobody looks at A, B and D."
)


def ready_list() -> CourseFigure:
    """Draw what crosses to the kernel, and what stays there: select above, epoll below."""
    page = sheet(282)
    page.ground(2, 4, 266, 84, "kernel")
    page.text(260, 15, "looks at all four, every time", align="right")
    _members(page, 62, (34, 96, 158, 220))
    for x, words in ((34, "empty"), (96, "empty"), (158, "bytes"), (220, "empty")):
        page.text(x, 78, words, align="center")
        page.arrow((x, 28), (x, 51), GREY, linewidth=1)
    _program(page, 4, 84)
    _members(page, 52, (397, 419, 441, 463), "")
    page.text(392, 74, "keeps the set")
    _call(page, 42, "select(all)", to_kernel=True)
    _call(page, 76, "C", to_kernel=False)
    _epoll(page, 106)
    page.text(2, 251, "select hands over the whole set in every call, and the kernel looks at each member.")
    page.text(2, 268, "epoll's list stays in the kernel, and whoever has something gets on the ready list.")
    return page.finish(READY_LIST)


def _epoll(page: Sheet, top: float) -> None:
    page.ground(2, top, 266, 128, "kernel")
    page.text(260, top + 11, "keeps both lists", align="right")
    page.box(10, top + 24, 250, 40)
    page.text(16, top + 44, "interest\nlist")
    _members(page, top + 44, (92, 138, 184, 230))
    page.box(10, top + 82, 250, 38)
    page.text(16, top + 101, "ready\nlist")
    page.chip(184, top + 101, "C", COPYING, SOLID)
    page.arrow((184, top + 54), (184, top + 91), COPYING)
    page.text(178, top + 73, "bytes arrive", align="right")
    _program(page, top, 128)
    page.text(392, top + 44, "adds each\nof them once")
    page.text(392, top + 101, "hears of C")
    _call(page, top + 44, "epoll_ctl", to_kernel=True)
    _call(page, top + 101, "epoll_wait: C", to_kernel=False)


def _members(page: Sheet, y: float, places: tuple[float, ...], ready: str = "C") -> None:
    for x, letter in zip(places, FRIENDS, strict=True):
        page.chip(x, y, letter, *((COPYING, SOLID) if letter in ready else ()))


def _program(page: Sheet, top: float, height: float) -> None:
    page.box(PROGRAM, top, 94, height, linewidth=1.6)
    page.head(PROGRAM + 8, top + 11, "program")


def _call(page: Sheet, y: float, words: str, to_kernel: bool) -> None:
    left, right = GUTTER
    page.code((left + right) / 2, y - 9, words, align="center")
    ends = ((right, y), (left, y)) if to_kernel else ((left, y), (right, y))
    page.arrow(*ends)


ARRIVE, READ_A_PART, ARRIVE_AGAIN, READ_ALL = 130, 214, 322, 406
"""When what happens to the buffer, from left to right."""

WAVES_FROM, WAVES_TO = 96, 478

LEVEL_AND_EDGE = (
    "Level and edge, over time. On top the bytes in a receive buffer: 64 arrive, recv takes 40 and leaves 24, 64 more "
    "arrive, and recv takes all. Below, level-triggered: epoll_wait reports the socket in every call as long as there "
    "is a byte, so also while the 24 lie there. At the bottom, edge-triggered (EPOLLET): it reports the socket once "
    "for each arrival, twice in all. Of the 24 bytes that were left nobody is told, until more arrive."
)


def level_and_edge() -> CourseFigure:
    """Draw the bytes in a buffer as a wave, and below when a level and when an edge is reported."""
    page = sheet(222)
    for x in (ARRIVE, READ_A_PART, ARRIVE_AGAIN, READ_ALL):
        page.axes.plot([x, x], [22, 194], color=GREY, linewidth=0.8, linestyle=(0, (2, 3)))
    page.text(2, 58, "bytes in the\nreceive buffer")
    _bytes(page, 78)
    page.head(2, 112, "level")
    page.text(2, 127, "told again")
    page.line((WAVES_FROM, 132), (ARRIVE, 132), (ARRIVE, 110), (READ_ALL, 110), (READ_ALL, 132), (WAVES_TO, 132))
    page.dots(range(ARRIVE, READ_ALL, 12), 110)
    page.head(2, 168, "edge")
    page.text(2, 183, "told once")
    page.line((WAVES_FROM, 188), (WAVES_TO, 188))
    for x in (ARRIVE, ARRIVE_AGAIN):
        page.line((x, 188), (x, 166))
    page.dots((ARRIVE, ARRIVE_AGAIN), 166)
    page.text((READ_A_PART + ARRIVE_AGAIN) / 2, 175, "24 left: silence", align="center")
    page.text(2, 212, "Each dot is an answer of epoll_wait that names this socket. Time runs to the right.")
    return page.finish(LEVEL_AND_EDGE)


def _bytes(page: Sheet, floor: float) -> None:
    """Draw the fill of the buffer, half a point a byte, and what changes it."""
    steps = ((ARRIVE, READ_A_PART, 64), (READ_A_PART, ARRIVE_AGAIN, 24), (ARRIVE_AGAIN, READ_ALL, 88))
    for left, right, size in steps:
        page.bytes(left, floor - size / 2, right - left, size / 2)
        y = floor - size / 4 if size > 40 else floor - size / 2 - 9
        page.text((left + right) / 2, y, str(size), align="center")
    tops = [place for left, right, size in steps for place in ((left, floor - size / 2), (right, floor - size / 2))]
    page.line((WAVES_FROM, floor), (ARRIVE, floor), *tops, (READ_ALL, floor), (WAVES_TO, floor))
    for x in (ARRIVE, ARRIVE_AGAIN):
        page.text(x, 13, "64 arrive", align="center")
    for x, call in ((READ_A_PART, "recv(40)"), (READ_ALL, "recv(100)")):
        page.code(x, 13, call, align="center")


CALLBACKS = (
    "Callbacks. The selector keeps a table: for each socket the events of interest, and in key.data the function to "
    "call. Ann's socket has receive; Bob's, who is owed bytes, has resume, for writing; the listening socket has "
    "accept. The loop has two lines: select says that Ann's socket is ready, and hands out its row; then the loop "
    "calls what is in the row's data, which is receive, with Ann's connection. The loop itself knows none of the 3 "
    "functions."
)
ROWS = ("Ann", "EVENT_READ", "receive"), ("Bob", "EVENT_WRITE", "resume"), ("listening", "EVENT_READ", "accept")


def callbacks() -> CourseFigure:
    """Draw how a row of a selector leads to the function that is left in it."""
    page = sheet(216)
    page.box(2, 4, 476, 54, linewidth=1.6)
    page.head(10, 15, "the loop")
    page.code(10, 32, "for key, _ in interest.select():")
    page.code(10, 47, "    key.data(key.fileobj)")
    page.box(2, 84, 306, 94)
    page.head(10, 95, "the selector keeps")
    page.head(372, 95, "functions")
    for x, words in ((10, "fileobj"), (112, "events"), (222, "data")):
        page.code(x, 112, words, color=GREY)
    for number, row in enumerate(ROWS):
        _row(page, 131 + 18.5 * number, row, lit=number == 0)
    page.arrow((192, 120), (192, 61), COPYING, linewidth=2)
    page.text(198, 72, "1  Ann is ready")
    page.arrow((462, 58), (462, 120), linewidth=2)
    page.text(456, 72, "2  call receive", align="right")
    page.text(2, 193, "The loop waits, and calls whatever was left beside the socket that is ready.")
    page.text(2, 208, "It has never heard of receive, or of a connection.")
    return page.finish(CALLBACKS)


def _row(page: Sheet, y: float, row: tuple[str, str, str], lit: bool) -> None:
    """Draw a row of the selector, and the function that its data names."""
    if lit:
        page.box(6, y - 9, 298, 18, COPYING, TINTED)
    for x, word in zip((10, 112, 222), row, strict=True):
        page.code(x, y, word)
    page.arrow((308, y), (370, y), linewidth=1.4 if lit else 0.8)
    page.box(372, y - 8, 106, 16, PYTHON, TINTED if lit else 0)
    page.code(378, y, f"def {row[2]}(…)")


SIGNAL_QUEUE = (
    "The signal queue. Three sockets of the server are armed: descriptor 5 of Ann, 6 of Bob, 7 of Cid. Whenever one "
    "of them becomes ready, the kernel appends a signal to the queue of the server's thread, with the descriptor in "
    "it. Ann's bytes came first, then Cid's, then more of Ann's: the queue holds 5, 7, 5. The thread blocks these "
    "signals, so that they wait there, and sigwaitinfo takes the first. The queue has a limit: once it is full the "
    "kernel sends a plain SIGIO, without a descriptor, and the program has to ask every socket."
)


def signal_queue() -> CourseFigure:
    """Draw how arrivals become signals, in order, until the thread takes them."""
    page = sheet(216)
    page.head(2, 15, "clients")
    page.ground(62, 4, 300, 168, "kernel")
    for number, (name, share) in enumerate((("Ann", 0.6), ("Bob", 0), ("Cid", 0.35))):
        y = 36 + 22 * number
        page.client(2, y, name)
        page.wire(42, y, 20)
        page.text(70, y, f"fd {5 + number}")
        page.buffer(104, y - 8, 160, "receive", share, "bytes" if share else "empty", COPYING)
        if share:
            page.line((264, y), (282, y))
    page.line((282, 36), (282, 110), (192, 110))
    page.arrow((192, 110), (192, 138))
    page.text(290, 68, "a signal for\neach change")
    page.text(70, 128, "signal queue")
    for slot, words in enumerate(("", "", "", "fd 5", "fd 7", "fd 5")):
        page.box(72 + 47 * slot, 140, 44, 20, *((WAITING, TINTED) if words else ()))
        page.code(94 + 47 * slot, 150, words, align="center")
    page.box(394, 4, 84, 168, linewidth=1.6)
    page.head(402, 15, "thread")
    page.code(402, 150, "sigwaitinfo")
    page.text(402, 132, "takes fd 5")
    page.arrow((354, 150), (392, 150))
    page.text(2, 188, "Each change of an armed socket puts a signal with its descriptor at the end of the queue.")
    page.text(2, 204, "The thread takes the first, and reads that socket until EAGAIN.")
    return page.finish(SIGNAL_QUEUE)
