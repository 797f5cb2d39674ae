"""A server of known delay, in a process of its own, that writes down what it did.

The k-th request of a connection is answered the k-th of the delays after its bytes arrived,
by the kernel's receive stamp; the delays come in turn. No wait is exact, so what counts as
the truth is what it did: a row a request, (connection, arrival, reply), in ns of CLOCK_MONOTONIC.
A stall of everything is a row too, of connection -1.

It is told its work as JSON on the command line, prints its port, and ends with its input:
then its rows follow, as 64-bit integers.
"""

import ctypes
import json
import os
import select
import socket
import sys
import time
from array import array
from heapq import heappop, heappush
from itertools import count
from typing import Any

from iolab.kernel import timestamps

clock = time.perf_counter_ns
PATIENCE_S = 60


class Delayed:
    """One thread, all connections, and a heap of the replies that are due."""

    def __init__(self, delays_s: list[float], stall_at_s: float, stall_for_s: float) -> None:
        self.delays_ns = [round(delay * 1e9) for delay in delays_s]
        self.stall_after_ns, self.stall_s = stall_at_s * 1e9, stall_for_s
        self.rows = array("q")
        self.offset_ns = timestamps.offset_ns()
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=1000)
        self.listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        timestamps.enable(self.listening)
        self.interest = select.epoll()
        self.interest.register(self.listening, select.EPOLLIN)
        self.interest.register(0, select.EPOLLIN)
        self.connections: dict[int, tuple[int, socket.socket, Any]] = {}
        self.due: list[tuple[int, int, int, int, bytes]] = []
        self.order, self.started_ns, self.ended = count(), 0, False

    def run(self) -> None:
        while not self.ended:
            left_s = (self.due[0][0] - clock()) / 1e9 if self.due else PATIENCE_S
            if left_s > 0:  # epoll_wait counts in milliseconds, select in microseconds
                select.select([self.interest], [], [], left_s)
            for descriptor, _ in self.interest.poll(0):
                self.ready(descriptor)
            while self.due and self.due[0][0] <= clock():
                self.reply(*heappop(self.due)[2:])
            if self.stall_s and self.started_ns and clock() > self.started_ns + self.stall_after_ns:
                self.stall()

    def ready(self, descriptor: int) -> None:
        if descriptor == 0:
            self.ended = True
        elif descriptor == self.listening.fileno():
            connection, _ = self.listening.accept()
            self.connections[connection.fileno()] = (len(self.connections), connection, iter(self.turns()))
            self.interest.register(connection, select.EPOLLIN)
        else:
            self.receive(descriptor)

    def turns(self) -> Any:
        while True:
            yield from self.delays_ns

    def receive(self, descriptor: int) -> None:
        _, connection, turns = self.connections[descriptor]
        data, stamps, _, _ = connection.recvmsg(65536, timestamps.ROOM_BYTES)
        if not data:
            self.interest.unregister(descriptor)
            return
        real_ns = timestamps.arrival_ns(stamps[0][2]) if stamps else None
        arrived_ns = clock() if real_ns is None else real_ns + self.offset_ns
        self.started_ns = self.started_ns or arrived_ns
        heappush(self.due, (arrived_ns + next(turns), next(self.order), descriptor, arrived_ns, data.upper()))

    def reply(self, descriptor: int, arrived_ns: int, data: bytes) -> None:
        number, connection, _ = self.connections[descriptor]
        self.rows.extend((number, arrived_ns, clock()))
        connection.send(data)

    def stall(self) -> None:
        begin_ns, stall_s, self.stall_s = clock(), self.stall_s, 0
        time.sleep(stall_s)
        self.rows.extend((-1, begin_ns, clock()))


def main() -> None:
    told = json.loads(sys.argv[1])
    os.sched_setaffinity(0, {told.pop("cpu")})
    libc = ctypes.CDLL(None)
    libc.prctl(1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG, SIGKILL
    libc.prctl(29, 1, 0, 0, 0)  # PR_SET_TIMERSLACK: sleep to the nanosecond
    server = Delayed(**told)
    print(server.listening.getsockname()[1], flush=True)
    server.run()
    sys.stdout.buffer.write(server.rows)


if __name__ == "__main__":
    main()
