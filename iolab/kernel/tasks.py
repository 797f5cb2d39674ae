"""The threads of this process as the kernel sees them, including those that Python did not start (`tgkill(2)`)."""

import ctypes
import os
from functools import cache
from pathlib import Path
from typing import Any


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


@cache
def _tgkill() -> Any:
    return ctypes.CDLL(None, use_errno=True).tgkill
