"""One thread and its sockets: asleep at one of them, or asking all in vain."""

from iolab.figures.ideas.sheet import SOLID, TINTED, Sheet, sheet
from iolab.figures.style import BLUE, COPYING, GREY, IN_VAIN, WAITING, WORKING, CourseFigure

LANE_PT = 80
"""From one socket to the next."""

BLOCKING = (
    "A thread and its socket. The server's thread is in the middle of connection.recv for Ann. Her socket, in the "
    "kernel, has a receive buffer and a send buffer, and both are empty: so the thread sleeps, and stands in the "
    "list of sleepers of her socket. When she sends or hangs up, it wakes. Bob has sent 64 bytes. "
    "They lie in the receive buffer of his socket, and his list of sleepers is empty: nobody comes for them."
)


def blocking() -> CourseFigure:
    """Draw a thread that sleeps at one socket while bytes lie in another."""
    page = sheet(222)
    page.head(2, 15, "clients")
    page.ground(96, 4, 216, 192, "kernel")
    _socket(page, 26, "Ann", 0)
    _socket(page, 26 + LANE_PT + 4, "Bob", 0.45)
    page.chip(186, 92, "t", WAITING, SOLID)
    page.box(352, 4, 126, 192, linewidth=1.6)
    page.head(360, 15, "server's thread")
    page.box(360, 30, 62, 17, WAITING, TINTED)
    page.text(391, 38.5, "asleep", align="center")
    _program(page, ("accept()", "while True:", "  recv()  # Ann", "  send()"), lit=2)
    page.arrow((358, 92), (196, 92), WAITING)
    page.text(360, 152, "It wakes when Ann\nsends or hangs up.")
    page.text(2, 211, "The thread t sleeps at Ann's socket. Bob's bytes have come, and nobody fetches them.")
    return page.finish(BLOCKING)


def _socket(page: Sheet, y: float, name: str, share: float) -> None:
    """Draw a client, its wire, and its socket with both buffers and the list of those who sleep at it."""
    page.client(2, y + 26, name)
    page.wire(42, y + 26, 62)
    page.box(104, y, 200, LANE_PT - 2)
    page.text(110, y + 9, f"{name}'s socket", color=GREY)
    page.buffer(110, y + 18, 188, "receive", share, "64 bytes" if share else "empty", COPYING)
    page.buffer(110, y + 37, 188, "send", 0, "empty", BLUE)
    page.text(110, y + 66, "asleep here:")
    if share:
        page.text(177, y + 66, "nobody", color=GREY)


def _program(page: Sheet, lines: tuple[str, ...], lit: int) -> None:
    for number, line in enumerate(lines):
        y = 59 + 16.5 * number
        if number == lit:
            page.box(358, y - 8, 116, 16, WAITING, TINTED)
        page.code(363, y, line)


VAIN = (
    "Asking in vain. The server's sockets are non-blocking. Its thread never sleeps: it calls recv for Ann, whose "
    "receive buffer is empty, and gets EAGAIN; for Bob, and gets EAGAIN; for Cid, whose buffer holds 64 bytes, and "
    "gets them; and then for Ann again, round and round. Two of the three calls were in vain, and with nobody "
    "speaking all of them are, on a CPU that is always busy."
)


def asking_in_vain() -> CourseFigure:
    """Draw a thread that asks one empty buffer after the other."""
    page = sheet(188)
    page.head(2, 15, "clients")
    page.ground(80, 4, 176, 146, "kernel")
    page.box(380, 4, 98, 146, linewidth=1.6)
    page.head(388, 15, "server's thread")
    for number, name in enumerate(("Ann", "Bob", "Cid")):
        _ask(page, 42 + 40 * number, name, vain=name != "Cid")
    page.box(424, 62, 50, 17, WORKING, TINTED)
    page.text(449, 70.5, "at work", align="center")
    page.arrow((428, 122), (460, 82), GREY, connectionstyle="arc3,rad=0.3")
    page.arrow((460, 60), (428, 42), GREY, connectionstyle="arc3,rad=0.3")
    page.text(2, 166, "No call waits, so the thread never sleeps. It must ask everybody, again and again:")
    page.text(2, 180, "nobody tells it who has spoken, and a whole CPU goes into the asking.")
    return page.finish(VAIN)


def _ask(page: Sheet, y: float, name: str, vain: bool) -> None:
    page.client(2, y, name)
    page.wire(42, y, 38)
    page.buffer(88, y - 8, 160, "receive", 0 if vain else 0.55, "empty" if vain else "64 bytes", COPYING)
    colour = IN_VAIN if vain else COPYING
    page.arrow((258, y + 3), (378, y + 3), colour)
    page.box(268, y - 17, 100, 17, colour, TINTED)
    page.code(318, y - 8.5, "EAGAIN" if vain else "64 bytes", align="center")
    page.code(388, y, "recv()")
