"""The fork server: one process imports what all trials need, and forks one for each.

Theory of operation

Starting Python and importing iolab takes 90 ms of CPU, a fork 2 ms, and an answer is tried a dozen times. So the judge
starts one process, the fork server (`child.main`), and asks it for a copy at each trial::

    judge --- "fork", four descriptors --->  fork server
      |                                          | fork, a world of its own (`namespaces`), fork
      |<--- line: status <---------------------- keeper: `child.keep`
      |                                          | fork
      |<--- line: here; words: what it died of - trial: `child.begin_trial`

- *Why a keeper.* It is the parent of the trial, so it learns how that ended; it adopts all that the trial leaves
  behind; and where there are namespaces it is the first process of a world, in which nobody else can be named or sent
  a signal, and which ends with it. It waits for two things: that the trial ends, whose status it sends; and that the
  judge hangs up, on purpose or by its own end, whereupon it ends all of its family. So nothing stays, whoever dies.
- *What passes.* A `Launch` in an unlinked file, since it may be larger than a message; the socket to serve on or to
  answer into; the line; and a pipe for the words. The kernel adds the number of the sender to each message on the line
  (SO_PASSCRED, `unix(7)`), as it is in the judge's world.
- *What is imported once.* Libraries that an answer mentions (`child.preload`): pandas and pyplot would take seconds in
  each of a dozen trials. They run a single thread for their arithmetic, as the environment asks.
- *What an answer cannot reach.* The fork server, the keepers and the judge are not dumpable: no process of the same
  user opens their memory or descriptors in /proc. The trial drops that for itself (`confinement.show`), because the
  judge reads what it sleeps in; then it is confined (`confinement.confine`) and the answer's text runs.
- *How all of it ends.* The fork server has SIGKILL sent to itself when the judge ends (PR_SET_PDEATHSIG).
"""

import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from functools import cache

from iolab.exercises.interpreter import build_command
from iolab.exercises.protocol import Launch, encode

STATUS_BYTES = 4
WITHOUT_RINGS, WITH_SIGNALS = "IOLAB_WITHOUT_RINGS", "IOLAB_WITH_SIGNALS"
"""Variables of the fork server: whether there is one."""

CREDENTIALS, DESCRIPTOR = struct.Struct("iII"), struct.Struct("i")  # struct ucred
FORK_SERVER_ANSWERS_S = 30.0
ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
    "MPLBACKEND": "agg",
    **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "BLIS", "VECLIB_MAXIMUM")},
}

NEEDED = ("PATH", "LD_LIBRARY_PATH")
"""What it takes over from the judge: where programs are, and the shared libraries that Python may start with."""


class Child:
    """A process that was forked for a trial, by the line to its keeper."""

    def __init__(self, line: socket.socket) -> None:
        """Wait until it is there. Raise RuntimeError if it does not come."""
        self._line, self._lock = line, threading.Lock()
        self.returncode: int | None = None
        line.settimeout(FORK_SERVER_ANSWERS_S)
        try:
            room = socket.CMSG_SPACE(CREDENTIALS.size) + socket.CMSG_SPACE(DESCRIPTOR.size)
            here, ancillary, *_ = line.recvmsg(STATUS_BYTES, room)
        except OSError:
            here = b""
        if not here:
            line.close()
            raise RuntimeError("the process that forks for the judge is gone")
        line.settimeout(None)
        passed = {kind: content for _, kind, content in ancillary}
        self.pid: int = CREDENTIALS.unpack(passed[socket.SCM_CREDENTIALS])[0]
        self.listener: int | None = None
        """Where the kernel tells of calls (`notes`), if it does."""
        if socket.SCM_RIGHTS in passed:
            (self.listener,) = DESCRIPTOR.unpack(passed[socket.SCM_RIGHTS])

    def poll(self) -> int | None:
        """Return how the process ended, and None while it runs; a signal is a negative number."""
        return self._receive(socket.MSG_DONTWAIT)

    def wait(self) -> int:
        """Wait until the process ends, and return its status."""
        while (status := self._receive(0)) is None:
            pass
        return status

    def end(self) -> None:
        """End the process and all that it started, and wait until they have ended."""
        self._line.shutdown(socket.SHUT_WR)
        self.wait()
        while self._line.recv(STATUS_BYTES):
            pass

    def close(self) -> None:
        """Close the line, which ends the process too."""
        self._line.close()

    def _receive(self, flags: int) -> int | None:
        with self._lock:
            if self.returncode is None:
                try:
                    status = self._line.recv(STATUS_BYTES, flags)
                except BlockingIOError:
                    return None
                # Without a status it was ended by its keeper, at our word.
                self.returncode = int.from_bytes(status, sys.byteorder, signed=True) if status else -signal.SIGKILL
            return self.returncode


class ForkServer:
    """The judge's side of the fork server; it ends with the judge."""

    def __init__(self) -> None:
        self._control, other_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other_end:
            self._process = subprocess.Popen(
                build_command("iolab.exercises.sandbox.child", other_end.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=ENVIRONMENT | {name: os.environ[name] for name in NEEDED if name in os.environ},
                pass_fds=(other_end.fileno(),),
            )

    def fork(self, launch: Launch, descriptor: int, words: int) -> Child:
        """Fork a process that runs an answer, holds one descriptor of ours, and writes its last words into another.

        Raise RuntimeError if the fork server is gone.
        """
        line, other_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        with tempfile.TemporaryFile() as file, other_end:
            file.write(encode(launch))
            file.flush()
            try:
                socket.send_fds(self._control, [b"fork"], [file.fileno(), descriptor, other_end.fileno(), words])
            except OSError:
                pass  # as if it did not answer
        return Child(line)


def overwrite_what_is_freed() -> None:
    """Have the C library of trials overwrite what is freed: who goes on using it is found, and pays with memory."""
    ENVIRONMENT["GLIBC_TUNABLES"] = "glibc.malloc.perturb=165"


def refuse_rings() -> None:
    """Have trials start without io_uring."""
    ENVIRONMENT[WITHOUT_RINGS] = "1"


def allow_signals() -> None:
    """Let trials send signals, where they reach none but their own processes."""
    ENVIRONMENT[WITH_SIGNALS] = "1"


@cache
def fork_server() -> ForkServer:
    """Return the fork server of this process."""
    return ForkServer()
