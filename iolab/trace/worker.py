"""One worker of a server that has many, recorded call by call in its own process.

Theory of operation

A worker is forked by a process that this one started (`workers.crew`), so it cannot be handed a recording socket. The
crew is told which of its workers to record, and has `begin` called in that one right after the fork. Its memory is its
own from there on: so the classes of its sockets are exchanged for recording ones, and it runs a copy of the server's
function with stand-ins, as `timeline` does here. `perf_counter_ns` is one clock for all processes.

The parent ends its workers by SIGKILL, which leaves no time to hand anything over. So it sends this one SIGTERM first,
and waits: its handler raises Stopped, wherever the server is, and what was recorded goes into a file in memory that
both processes hold (`memfd_create(2)`).

A connection is numbered by the port of its client, since nobody knows in which order all of them were accepted; the
client's process opened its sockets in order, so its descriptors tell which port is whose.
"""

import os
import pickle
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any, Self

from iolab.background import Server
from iolab.errors import UsageError
from iolab.kernel import timestamps
from iolab.listening import ListeningSocket, Stopped, listen
from iolab.trace.calls import Call, calls_of
from iolab.trace.rebinding import Rebinding
from iolab.trace.recorder import Recorder, RecordingListeningSocket, Row, StampedConnection, current
from iolab.trace.standins import StandIns
from iolab.traffic.workload import Workload
from iolab.workers import crew as crews
from iolab.workers.crew import Connection, Crew, Watch, Work, WorkersSocket


class WatchedConnection(Connection, StampedConnection):
    """A connection of a worker that counts as others do, and records its calls."""

    recorder: Recorder

    def __init__(self, crew: Crew, descriptor: int) -> None:
        super().__init__(crew, descriptor)
        self.begin()

    def begin(self) -> None:
        """Record from now on."""
        self.log, self.number = self.recorder.log, self.getpeername()[1]
        self.recorder.numbers[self.fileno()] = self.number


class HandedConnection(WatchedConnection):
    """One that came by another way than `accept`."""

    def begin(self) -> None:
        """Record from now on, and that it came."""
        super().begin()
        self.recorder.log_completion("accepted", self.fileno(), self.fileno())


class WatchedListeningSocket(RecordingListeningSocket, WorkersSocket):
    """A listening socket of a worker that records its accepts."""


def begin(descriptor: int, work: Work, arguments: Sequence[Any]) -> Work:
    """Return what does a worker's work and records it; call it in that worker, whose classes it exchanges."""
    assert isinstance(work, FunctionType)
    recorder = WatchedConnection.recorder = Recorder(plain_connections=True)
    current.number = os.getpid()  # it was read in the parent, and a fork copies what was read
    crews.Connection = WatchedConnection  # type: ignore[misc]
    vars(sys.modules[work.__module__]).update(Connection=HandedConnection)
    for each in arguments:
        if isinstance(each, WorkersSocket):
            each.__class__ = WatchedListeningSocket
            each.recorder = recorder  # type: ignore[attr-defined]
        elif isinstance(each, Connection):
            each.__class__ = HandedConnection
            each.begin()  # type: ignore[attr-defined]
    return partial(_record, descriptor, recorder, Rebinding(StandIns(recorder).of, work).function)


def _record(descriptor: int, recorder: Recorder, work: Work, *arguments: Any) -> None:
    ends: list[int] = []

    def end(number: int, _: object) -> None:
        if not ends:  # once: what is raised later would hit what is written below
            ends.append(number)
            raise Stopped

    signal.signal(signal.SIGTERM, end)
    try:
        try:
            work(*arguments)
        finally:
            ends.append(0)
    finally:
        with os.fdopen(descriptor, "wb") as file:
            pickle.dump((list(recorder.rows), recorder.complete), file)


@dataclass
class Witness:
    """This process's side: a file for what a worker records, and what was recorded once it has ended."""

    worker: int
    listening: ListeningSocket
    stamped: bool
    descriptor: int
    rows: Sequence[Row] = ()
    complete: bool = True

    @classmethod
    def call(cls, worker: int) -> Self:
        """Return the witness of a worker, with a socket to serve on."""
        listening = listen()
        return cls(worker, listening, timestamps.enable(listening), os.memfd_create("calls"))

    @property
    def watch(self) -> Watch:
        """What the crew is told."""
        return Watch(self.worker, begin, self.descriptor)

    def read(self, server: Server) -> None:
        """Take what was recorded, now that the server has ended. Raise UsageError if there was no such worker."""
        with os.fdopen(self.descriptor, "rb") as file:
            file.seek(0)
            content = file.read()
        if not content:
            count = len(server.workers.rows) - 1 if server.workers else 0
            raise UsageError(
                f"{server.name} had workers 1 to {count}; worker {self.worker} was not there, or was killed"
            )
        self.rows, self.complete = pickle.loads(content)  # noqa: S301  from our own process

    def list_calls(self, workload: Workload, ports: Sequence[int]) -> list[Call]:
        """Return the calls, each connection with its number in the records."""
        numbers = {port: (place - workload.idle) % len(ports) for place, port in enumerate(ports)}
        return [
            replace(call, connection=numbers.get(call.connection or 0))
            for call in calls_of(self.rows, timestamps.offset_ns())
        ]


def list_ports(pid: int, port: int) -> list[int]:
    """Return the ports of a client's connections to a server, in the order in which it opened them."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    local = {row[9]: int(row[1].rpartition(":")[2], 16) for row in rows if row[2].endswith(f":{port:04X}")}
    links = []
    for number in sorted(map(int, os.listdir(f"/proc/{pid}/fd"))):  # noqa: PTH208  names are wanted
        with suppress(OSError):  # closed meanwhile
            links.append(os.readlink(f"/proc/{pid}/fd/{number}"))  # noqa: PTH115
    inodes = (link.removeprefix("socket:[").removesuffix("]") for link in links)
    return [local[inode] for inode in inodes if inode in local]
