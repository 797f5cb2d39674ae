"""What goes on by itself between two turns: the rings of the kernel, and the frames of Python."""

from matplotlib.patches import Wedge

from iolab.figures.ideas.sheet import SOLID, TINTED, Sheet, sheet
from iolab.figures.style import BLUE, COPYING, GREY, PYTHON, WAITING, CourseFigure

SLOTS, RADIUS, THICKNESS = 8, 36, 14
"""Of a ring."""

READY_AND_DONE = (
    "Readiness and completion. With readiness the kernel first says that Ann's 64 bytes are in its receive buffer; "
    "then the program calls recv, and the bytes are copied into its memory. With completion the program first says "
    "where in its memory they should go; then they are copied there; and then it hears that it is done."
)

FROM_KERNEL, TO_KERNEL, BYTES = "from", "to", "bytes"
STEPS = {
    "readiness": (
        (FROM_KERNEL, "1  ready", "epoll_wait"),
        (TO_KERNEL, "2  fetch them", "recv"),
        (BYTES, "3  the bytes", ""),
    ),
    "completion": (
        (TO_KERNEL, "1  put them there", "aio_read"),
        (BYTES, "2  the bytes", ""),
        (FROM_KERNEL, "3  done", "aio_suspend"),
    ),
}
"""What passes between kernel and program, in its order, and the call of the program."""


def ready_and_done() -> CourseFigure:
    """Draw both, one above the other, step by step."""
    page = sheet(284)
    for (name, steps), top in zip(STEPS.items(), (4, 128), strict=True):
        page.ground(2, top, 190, 116, f"kernel: {name}")
        page.box(330, top, 148, 116, linewidth=1.6)
        page.head(338, top + 11, "program")
        page.text(10, top + 44, "Ann's socket")
        page.buffer(10, top + 56, 174, "receive", 0.9, "64 bytes", COPYING)
        for number, step in enumerate(steps):
            _step(page, top + 42 + 30 * number, *step)
    page.text(2, 260, "Readiness: you hear that there is something to fetch, and fetch it.")
    page.text(2, 276, "Completion: you say where it should go, and hear that it is there.")
    return page.finish(READY_AND_DONE)


def _step(page: Sheet, y: float, kind: str, words: str, call: str) -> None:
    """Draw what passes between kernel and program in one step."""
    left, right = (196, y), (326, y)
    page.text(261, y - 9, words, align="center")
    page.code(338, y, call)
    if kind == BYTES:
        page.arrow(left, right, COPYING, linewidth=2.4)
        page.box(338, y - 8, 130, 16, COPYING, SOLID)
        page.text(344, y, "64 bytes")
    else:
        page.arrow(*((left, right) if kind == FROM_KERNEL else (right, left)))


TWO_RINGS = (
    "The two rings of io_uring, in memory that program and kernel share. Into the submission queue the program writes "
    "orders: receive from Ann, send to Bob; the kernel takes them out. Into the completion queue the kernel writes "
    "what is done: 64 bytes from Ann; the program takes that out. The bytes do not go through the rings: the kernel "
    "copies them from Ann's receive buffer into the program's memory before it writes the completion. On the ring of "
    "the course's server the thread that copies is the program's own, inside of io_uring_enter."
)


def two_rings() -> CourseFigure:
    """Draw both rings between program and kernel, and beneath them who copies."""
    page = sheet(296)
    page.ground(2, 4, 132, 252, "kernel")
    page.box(352, 4, 126, 252, linewidth=1.6)
    page.head(360, 15, "program")
    page.text(243, 15, "shared memory", align="center", weight="bold")
    page.box(146, 4, 194, 192, linestyle=(0, (3, 2)))
    _ring(page, 66, {3: BLUE, 4: WAITING}, "orders")
    _ring(page, 152, {3: COPYING}, "done")
    page.arrow((350, 66), (282, 66))
    page.arrow((204, 66), (136, 66))
    page.arrow((136, 152), (204, 152))
    page.arrow((282, 152), (350, 152))
    for y, colour, words in ((48, WAITING, "recv Ann"), (68, BLUE, "send Bob"), (144, COPYING, "Ann: 64 bytes")):
        page.box(360, y, 110, 16, colour, TINTED)
        page.code(366, y + 8, words)
    page.text(126, 66, "takes orders", align="right")
    page.text(126, 152, "writes results", align="right")
    page.text(10, 212, "Ann's socket")
    page.buffer(10, 226, 116, "receive", 0.9, "64 bytes", COPYING)
    page.text(360, 212, "its memory")
    page.box(360, 226, 110, 16, COPYING, SOLID)
    page.text(366, 234, "64 bytes")
    page.arrow((128, 234), (357, 234), COPYING, linewidth=2.4)
    page.text(243, 222, "copied first, then reported", align="center")
    page.text(243, 247, "by the thread, in io_uring_enter", align="center")
    page.text(2, 272, "Readiness says that bytes can be fetched. A completion says that they are here:")
    page.text(2, 288, "the program never calls recv.")
    return page.finish(TWO_RINGS)


def _ring(page: Sheet, y: float, entries: dict[int, str], words: str) -> None:
    """Draw a ring of slots around its name, and which of them hold something."""
    turn = 360 / SLOTS
    for slot in range(SLOTS):
        colour = entries.get(slot)
        page.axes.add_patch(
            Wedge(
                (243, y), RADIUS, slot * turn, (slot + 1) * turn, width=THICKNESS, edgecolor=GREY,
                facecolor=(colour, SOLID) if colour else "none",
            )
        )  # fmt: skip
    page.text(243, y, words, align="center")


SUSPENDED = (
    "Suspended frames. Three conversations, each a coroutine with a frame of its own: where it stands, and its local "
    "variables. Ann's and Cid's are suspended at a yield that waits for a request. Bob's socket is ready: so the loop "
    "calls next on Bob's frame, which goes on behind its yield, receives and sends, runs to its next yield, and so "
    "gives the thread back to the loop. All share 1 thread, and only one of them runs at a time."
)


def suspended_frame() -> CourseFigure:
    """Draw frames that stand at their yields, and the loop that resumes one of them."""
    page = sheet(214)
    page.box(2, 4, 164, 176, linewidth=1.6)
    page.head(10, 15, "the loop")
    for number, line in enumerate(("while True:", "  for key, _ in select():", "    next(key.data)")):
        page.code(10, 54 + 16 * number, line)
    page.box(6, 78, 156, 16, PYTHON, TINTED)
    page.text(10, 112, "Bob's socket is ready:\nkey.data is Bob's frame")
    for number, name in enumerate(("Ann", "Bob", "Cid")):
        _frame(page, 4 + 60 * number, name, running=name == "Bob")
    page.arrow((168, 86), (248, 86))
    page.text(208, 76, "resume", align="center")
    page.arrow((248, 108), (168, 108), linestyle=(0, (3, 2)))
    page.text(208, 120, "next yield", align="center")
    page.text(2, 203, "A frame keeps its place and its variables until the loop calls it again.")
    return page.finish(SUSPENDED)


def _frame(page: Sheet, y: float, name: str, running: bool) -> None:
    colour = PYTHON if running else WAITING
    page.box(250, y, 228, 56, colour, 0.12)
    page.head(258, y + 11, f"{name}'s frame")
    page.text(470, y + 11, "running" if running else "suspended", align="right")
    page.box(254, y + (36.5 if running else 20), 220, 16, colour, TINTED)
    page.code(260, y + 28, "yield EVENT_READ")
    page.code(260, y + 44.5, "request = connection.recv(…)")
