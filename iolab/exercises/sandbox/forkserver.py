"""The fork server: one process imports what all trials need, and forks one for each.

Starting Python and importing iolab takes 90 ms of CPU, a fork 2 ms, and an answer is tried a dozen times.
The process of a trial is made a child of the judge, so that nobody else learns how it ended: the
fork server forks twice, and the judge adopts what the one in the middle leaves behind (`prctl(2)`,
PR_SET_CHILD_SUBREAPER).
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("child.py")
PID_BYTES = 4


class Child:
    """A process that was forked for a trial."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """Return how the process ended, and None while it runs; a signal is a negative number."""
        return self._wait(os.WNOHANG)

    def wait(self) -> int:
        """Wait until the process ends, and return its status."""
        while (status := self._wait(0)) is None:
            pass
        return status

    def _wait(self, options: int) -> int | None:
        with self._lock:
            if self.returncode is None:
                pid, status = os.waitpid(self.pid, options)
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
            return self.returncode


class ForkServer:
    """The judge's side of the fork server; it ends with the judge."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        with theirs:
            paths = json.dumps([folder for folder in sys.path if folder])
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(SCRIPT), str(theirs.fileno()), paths],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2"},
                pass_fds=(theirs.fileno(),),
            )

    def fork(self, told: dict[str, Any], descriptor: int, mouth: int) -> Child:
        """Fork a process that is told its work, holds a descriptor of ours, and speaks into another one.

        Raise RuntimeError if the fork server is gone.
        """
        with tempfile.TemporaryFile() as work, self._lock:
            work.write(json.dumps(told).encode())
            work.seek(0)
            socket.send_fds(self._control, [b"fork"], [work.fileno(), descriptor, mouth])
            pid = self._control.recv(PID_BYTES)
        if not pid:
            raise RuntimeError("the process that forks for the judge is gone")
        return Child(int.from_bytes(pid, sys.byteorder))


@cache
def fork_server() -> ForkServer:
    """Return the fork server of this process."""
    return ForkServer()
