"""How a command ends by a signal: what it began is ended, and its status is 128 and the number of the signal."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from iolab.kernel.interrupts import ENDS


class Interrupted(KeyboardInterrupt):
    """End a command by a signal; `status` is what a shell shows of it."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.status = 128 + number


@contextmanager
def interruptible() -> Iterator[None]:
    """Let each of ENDS raise Interrupted in the main thread; one that was ignored, as by nohup(1), stays ignored.

    The second one ends the process on the spot: whoever is in a hurry need not wait for a server to stop.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone can set handlers
        yield
        return
    before = {number: signal.getsignal(number) for number in ENDS}
    ours = [number for number, handler in before.items() if handler in (signal.SIG_DFL, signal.default_int_handler)]

    def interrupt(number: int, _: FrameType | None) -> None:
        for each in ours:
            signal.signal(each, signal.SIG_DFL)
        raise Interrupted(number)

    for number in ours:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in ours:
            if signal.getsignal(number) is interrupt:
                signal.signal(number, before[number])
