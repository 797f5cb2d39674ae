"""The client and its parent: what they say to each other, and what ends with what."""

import ctypes
import json
import os
import resource
import signal
import sys
from typing import Any

CONTROL = 0
"""The descriptor that the parent speaks on: standard input."""

CHUNK_BYTES = 262144


def hear() -> bytes:
    """Return a line of the parent, which says no more until it has its answer."""
    chunks = [os.read(CONTROL, CHUNK_BYTES)]
    while chunks[-1] and not chunks[-1].endswith(b"\n"):
        chunks.append(os.read(CONTROL, CHUNK_BYTES))
    return b"".join(chunks)


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
    if os.getppid() != parent:  # it ended before PR_SET_PDEATHSIG was set
        raise SystemExit("the parent process is gone")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):  # macOS refuses RLIM_INFINITY
        pass
