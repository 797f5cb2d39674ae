"""A small closed loop: ask on every connection, then read every reply, and again.

It runs in any thread, and as a script in a process of its own, so that the two can be compared.
It needs the standard library alone.
"""

import json
import os
import socket
import sys
import time
from contextlib import ExitStack
from typing import Any

REQUEST = b"question" * 8
PATIENCE_S = 5.0


def ask(address: Any, connections: int, seconds: float, cpu: int | None = None) -> list[int]:
    """Return the service time of every request, in ns. Raise OSError if a reply does not come."""
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})  # 0 is the calling thread
    with ExitStack() as stack:
        peers = [stack.enter_context(_connect(address)) for _ in range(connections)]
        times_ns: list[int] = []
        end_ns = time.perf_counter_ns() + int(seconds * 1e9)
        while time.perf_counter_ns() < end_ns:
            times_ns += _round(peers)
        return times_ns


def _connect(address: Any) -> socket.socket:
    connection = socket.create_connection(tuple(address), PATIENCE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _round(peers: list[socket.socket]) -> list[int]:
    sent_ns, taken_ns = [], []
    for peer in peers:
        sent_ns.append(time.perf_counter_ns())
        peer.sendall(REQUEST)
    for peer, start_ns in zip(peers, sent_ns, strict=True):
        missing = len(REQUEST)
        while missing:
            reply = peer.recv(missing)
            if not reply:
                raise ConnectionAbortedError("the server closed the connection before its reply")
            missing -= len(reply)
        taken_ns.append(time.perf_counter_ns() - start_ns)
    return taken_ns


if __name__ == "__main__":
    print(json.dumps(ask(*json.loads(sys.argv[1]))))
