"""The fork server: one process imports what all trials need, and forks one for each.

Theory of operation

Starting Python and importing iolab takes 90 ms of CPU, a fork 2 ms, and an answer is tried a dozen times. So the judge
starts one process, the fork server (`child.main`), and asks it for a copy at each trial:

    judge ----- "fork", three descriptors ----->  fork server
      ^                                               | fork
      |                                             middle, which ends at once
      |                                               | fork
      +---- adopts <--- number of the process ----  trial: `child.begin_trial`

- *Why two forks.* The judge must learn how the process of a trial ended, and nobody else may; only a parent can wait
  for a process. The process in the middle ends, and its orphan goes to the nearest subreaper above, which is the judge
  (`prctl(2)`, PR_SET_CHILD_SUBREAPER). It sends its number only once its parent has changed: before, the judge's
  `waitpid` would fail.
- *What passes.* A `Launch` in an unlinked file, since it may be larger than a message; the socket to serve on or to
  answer into; and a pipe for the output. The number comes back over the same socket, of which the trial keeps no
  copy. Requests are made one at a time (the lock), so that a number can belong to one of them only.
- *What an answer cannot reach.* The fork server and the judge are not dumpable: no process of the same user opens
  their memory or descriptors in /proc. The trial drops that for itself (`confinement.show`), because the judge
  reads what it sleeps in; then it is confined (`confinement.confine`) and the answer's text runs.
- *How all of it ends.* Each process has SIGKILL sent to itself when its parent ends (PR_SET_PDEATHSIG). A parent may
  have ended before that: judge and trial look whether it is the one expected, and the fork server finds its socket
  at an end. The setting does not survive a fork, so the trial makes it again. What an answer leaves behind is
  adopted by the judge too, which ends it (`Confined`, `judge.sweep`).
"""

import os
import socket
import subprocess
import sys
import tempfile
import threading
from functools import cache

from iolab.exercises.interpreter import build_command
from iolab.exercises.protocol import Launch, encode

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
        self._control, other_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        with other_end:
            self._process = subprocess.Popen(
                build_command("iolab.exercises.sandbox.child", other_end.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2"},
                pass_fds=(other_end.fileno(),),
            )

    def fork(self, launch: Launch, descriptor: int, output: int) -> Child:
        """Fork a process that runs an answer, holds one descriptor of ours, and writes its output into another.

        Raise RuntimeError if the fork server is gone.
        """
        with tempfile.TemporaryFile() as file, self._lock:
            file.write(encode(launch))
            file.seek(0)
            socket.send_fds(self._control, [b"fork"], [file.fileno(), descriptor, output])
            pid = self._control.recv(PID_BYTES)
        if not pid:
            raise RuntimeError("the process that forks for the judge is gone")
        return Child(int.from_bytes(pid, sys.byteorder))


@cache
def fork_server() -> ForkServer:
    """Return the fork server of this process."""
    return ForkServer()
