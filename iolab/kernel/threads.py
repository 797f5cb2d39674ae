"""Threads: started so that they take no signal of the process, and listed and interrupted one by one.

The kernel gives a signal that is sent to a process to any thread that does not block it (`signal(7)`). A server's
thread that is running takes it; but Python runs handlers in the main thread alone, and that one sleeps on in its
lock: the Ctrl-C is lost. So a background thread blocks every signal, and the main thread is the only one left.
"""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

from iolab.kernel.interrupts import hold

OPEN = {
    number
    for name in ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGABRT", "SIGSYS", "SIGURG")
    if (number := getattr(signal, name, None))
}
"""What no thread blocks: the faults of the thread itself, and SIGURG, which interrupts the system calls of a thread.

By default SIGURG is ignored, so that nobody else sends it in earnest (`signal(7)`).
"""


def start(thread: threading.Thread) -> threading.Thread:
    """Start a thread that blocks all signals but OPEN from its first instruction, and return it.

    It inherits the mask of the thread that starts it (`pthread_sigmask(3)`), and its own threads inherit it in turn.
    """
    with hold(), blocked():
        thread.start()
    return thread


@contextmanager
def blocked() -> Iterator[None]:
    """Block all signals but OPEN in this thread for the length of a block; one that comes meanwhile waits."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows has no masks
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - OPEN)  # may raise what was pending
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def task_ids() -> list[int]:
    """Return the kernel's numbers of all threads of this process; none where there is no /proc."""
    try:
        return [int(task.name) for task in Path("/proc/self/task").iterdir()]
    except OSError:
        return []


def interrupt(task_id: int, number: int) -> None:
    """Send a signal to one thread, and to no other; nothing happens if the thread has ended.

    `signal.pthread_kill` would crash there: it is given an address, and the thread's memory is gone.
    """
    _tgkill()(os.getpid(), task_id, number)


def is_runnable(task_id: int) -> bool:
    """Return whether a thread of this process runs or waits for a CPU (`proc_pid_stat(5)`, state R)."""
    try:
        return Path(f"/proc/self/task/{task_id}/stat").read_text().rpartition(") ")[2].startswith("R")
    except OSError:
        return False


def is_pending(number: int) -> bool:
    """Return whether a signal waits for a thread of this process that does not block it (`proc_pid_status(5)`)."""
    for task in task_ids():
        with suppress(OSError):  # it has ended
            status = Path(f"/proc/self/task/{task}/status").read_text()
            sent, blocked = (int(status.partition(f"\n{name}:")[2].split()[0], 16) for name in ("SigPnd", "SigBlk"))
            if sent & ~blocked & 1 << number - 1:
                return True
    return False


@cache
def _tgkill() -> Any:
    return ctypes.CDLL(None, use_errno=True).tgkill


def raise_in(thread: threading.Thread, kind: type[BaseException]) -> None:
    """Raise an exception in a thread, between two of its instructions; in C code it sees that only afterwards."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(kind))


@contextmanager
def raise_at_lines(thread: threading.Thread, kind: type[BaseException], file: str) -> Iterator[None]:
    """Raise an exception at each line of a file that a thread begins, for the length of a block; needs Python 3.12.

    `raise_in` does not end a loop around a `try` with a bare `except` there: since 3.12 the jump back, where Python
    looks for it, counts to the `try` that it leads to. The lines of the handler do not.
    """
    if sys.version_info >= (3, 12):
        monitoring, tool = sys.monitoring, 4  # 0, 1, 2 and 5 are for debuggers, coverage, profilers and optimizers

        def begin_line(code: CodeType, _: int) -> None:
            if threading.get_ident() == thread.ident and code.co_filename == file:
                raise kind

        monitoring.use_tool_id(tool, "iolab")
        monitoring.register_callback(tool, monitoring.events.LINE, begin_line)
        monitoring.set_events(tool, monitoring.events.LINE)
        try:
            yield
        finally:
            monitoring.set_events(tool, 0)
            monitoring.register_callback(tool, monitoring.events.LINE, None)
            monitoring.free_tool_id(tool)
    else:
        yield
