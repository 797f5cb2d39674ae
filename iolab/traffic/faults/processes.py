"""Faults that need a client process of their own: many idle connections, and a client that is stopped."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from iolab.errors import LoadFailed
from iolab.kernel.interrupts import InOnePiece, child
from iolab.traffic.faults.connections import CALL_TIMEOUT_S, Address
from iolab.traffic.workload import Workload

ASK_AND_STOP = """
import ctypes, os, signal, socket, sys, threading, time
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG: no orphan is left stopped
request = sys.stdin.buffer.read()
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    connection.settimeout(0.1)
    sent = still = 0
    while sent < len(request) and still < 5:
        start = time.monotonic()
        try:
            sent += connection.send(memoryview(request)[sent:])
            still = 0
        except TimeoutError:  # one that comes late means a crowded CPU, for which the server may be waiting too
            still += time.monotonic() - start < 0.12
    connection.settimeout(None)
    os.kill(os.getpid(), signal.SIGSTOP)
    def ask():
        connection.sendall(memoryview(request)[sent:])
        connection.shutdown(socket.SHUT_WR)
    threading.Thread(target=ask).start()
    while chunk := connection.recv(65536):
        sys.stdout.buffer.write(chunk)
"""


@contextmanager
def idle_connections(address: Address, count: int) -> Iterator[None]:
    """Hold connections that say nothing, in another process: only the server's ends take descriptors of this one.

    Raise LoadFailed if one of them cannot be opened.
    """
    from iolab.traffic.process import Client  # it needs numpy, which the other faults do not

    with Client(address, Workload(connections=count, requests=count)) as client:
        client.connect()
        yield


class StoppedClient:
    """A client process that sent requests, and was stopped before it read the replies."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def resume(self) -> bytes:
        """Let the process go on (SIGCONT), and return the replies that it then received.

        Raise TimeoutError if they do not come within CALL_TIMEOUT_S.
        """
        self._process.send_signal(signal.SIGCONT)
        try:
            return self._process.communicate(timeout=CALL_TIMEOUT_S)[0]
        except subprocess.TimeoutExpired:
            raise TimeoutError(
                f"the client went on, but did not get all of its replies within {CALL_TIMEOUT_S:.0f} s"
            ) from None


@contextmanager
def stopped_client(address: Address, request: bytes) -> Iterator[StoppedClient]:
    """Start a client process that sends a request and is stopped (SIGSTOP): its kernel still receives, it does not.

    It sends until the server takes no more, and the rest when it goes on.
    Raise LoadFailed if it cannot connect.
    """
    command = [sys.executable, "-I", "-S", "-c", ASK_AND_STOP, address[0], str(address[1])]
    with InOnePiece(lambda: child(command)) as process:
        _write(process, request)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            raise LoadFailed(f"the client ended before it could be stopped; is a server listening at {address}?")
        yield StoppedClient(process)


def _write(process: subprocess.Popen[bytes], request: bytes) -> None:
    assert process.stdin
    try:
        process.stdin.write(request)
        process.stdin.close()
    except BrokenPipeError:  # it ended: waitpid reports that
        pass
    process.stdin = None  # or communicate() would use it
