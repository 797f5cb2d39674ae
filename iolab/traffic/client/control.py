"""The client and its parent: how they talk, and how the client ends with its parent."""

import ctypes
import json
import os
import resource
import signal
import sys
from typing import Any

CONTROL = 0
"""The descriptor on which the parent speaks: standard input."""

LINE_BYTES = 262144


def hear() -> bytes:
    """Return a line from the parent, which says nothing more until it is answered."""
    line = chunk = os.read(CONTROL, LINE_BYTES)
    while chunk and not line.endswith(b"\n"):
        chunk = os.read(CONTROL, LINE_BYTES)
        line += chunk
    return line


def say(**message: Any) -> None:
    """Tell the parent something, as one line of JSON."""
    sys.stdout.buffer.write(json.dumps(message).encode() + b"\n")
    sys.stdout.buffer.flush()


def settle(parent: int, cpu: int | None) -> None:
    """Make this process end with its parent, and give it the signals, descriptors and CPU it may have."""
    if hasattr(signal, "pthread_sigmask"):  # started from a background thread, it inherits a mask that blocks all
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG: a killed kernel leaves no orphan
        prctl(29, 1, 0, 0, 0)  # PR_SET_TIMERSLACK: sleep to the nanosecond, not to 50 us
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})
    if os.getppid() != parent:  # the parent ended before PR_SET_PDEATHSIG was set
        raise SystemExit("the parent process is gone")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):  # macOS refuses RLIM_INFINITY
        pass
