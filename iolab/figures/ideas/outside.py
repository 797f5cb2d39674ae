"""A server seen from outside: closed, but for its calls into the kernel."""

from iolab.figures.ideas.sheet import TINTED, Sheet, sheet
from iolab.figures.style import COPYING, GREY, WAITING, WORKING, CourseFigure

FROM_OUTSIDE = (
    "A server from outside. The program is closed: nobody sees its text. Between it and the kernel pass its system "
    "calls: accept4 on the listening socket 3 returns 7; epoll_ctl has the epoll 5 watch 7; epoll_wait on 5 sleeps, "
    "and returns when 7 is readable; recvfrom on 7 returns 38 bytes; writev on 7 sends the reply. strace stands on "
    "the border and writes down each call, with the thread that made it."
)

CALLS = (
    ("accept4(3)", "= 7", WORKING),
    ("epoll_ctl(5, 7)", "= 0", WORKING),
    ("epoll_wait(5)", "7 is readable", WAITING),
    ("recvfrom(7)", "= 38", COPYING),
    ("writev(7)", "= 160", WORKING),
)
"""What passes the border, in its order: the call, what it returns, and its colour."""

FIRST_PT, ROW_PT = 36, 27


def from_outside() -> CourseFigure:
    """Draw the calls between a closed program and the kernel, and strace between the two."""
    page = sheet(222)
    page.head(2, 15, "client")
    page.client(2, 90, "Ann")
    page.wire(42, 90, 44)
    page.ground(86, 4, 116, 164, "kernel")
    for y, number, name in ((27, 3, "listening"), (79, 7, "Ann's socket"), (131, 5, "epoll")):
        page.box(94, y, 100, 30)
        page.text(100, y + 9, name, color=GREY)
        page.code(100, y + 21, f"{number}")
    page.box(384, 4, 94, 164, "#000000", TINTED, linewidth=1.6)
    page.text(431, 86, "?", align="center", fontsize=40)
    page.head(392, 15, "a server")
    for number, call in enumerate(CALLS):
        _cross(page, FIRST_PT + ROW_PT * number, *call)
    page.line((284, 14), (284, 176), linestyle=(0, (3, 2)), color=GREY)
    page.head(284, 184, "strace", align="center")
    page.text(2, 200, "The text is hidden. What it asks of the kernel is not: strace writes down")
    page.text(2, 214, "every call, who made it, what it was on, and what came back.")
    return page.finish(FROM_OUTSIDE)


def _cross(page: Sheet, y: float, call: str, result: str, colour: str) -> None:
    """Draw a call that goes to the kernel, and what comes back."""
    page.code(374, y - 6, call, align="right")
    page.text(212, y - 6, result)
    page.arrow((376, y + 4), (208, y + 4), colour)
