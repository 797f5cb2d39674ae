"""The parent's side of the load client: start it, send it its work, read what it hands back."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from iolab.display.progress_bar import Tick
from iolab.errors import LoadFailed
from iolab.kernel import timestamps
from iolab.kernel.interrupts import InOnePiece
from iolab.listening import addresses_of
from iolab.traffic import http
from iolab.traffic.records import Records
from iolab.traffic.workload import OnTick, Workload

RUN = "import sys; sys.path.insert(0, sys.argv[1]); from client.main import main; main()"
COMMAND = (sys.executable, "-I", "-S", "-c", RUN, str(Path(__file__).parent))
"""The client as a package by itself: importing iolab would cost every run the time that its load client starts in."""


@dataclass(frozen=True)
class Ready:
    """All connections are open; it took `connect_ns`."""

    connect_ns: int


class Client:
    """A load client in a process of its own; leaving the `with` block ends the process.

    While it runs, the caller's thread sleeps in a read of a pipe: a thread that does
    anything else would take the GIL from a server in this process.
    """

    def __init__(self, address: tuple[str, int], workload: Workload, cpu: int | None = None) -> None:
        self.workload, self.cpu = workload, cpu
        addresses = [each[:2] for _, each in addresses_of(*address)]
        self._process = process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us; we then end the client
        )
        assert process.stdin and process.stdout and process.stderr
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        message = workload.message() | {"addresses": addresses, "cpu": cpu, "parent": os.getpid()}
        if workload.http is not None and workload.request is None:
            message["request"] = http.compose(address, workload.http).hex()
        message |= {"stamps": timestamps.OPTION, "stamp_room_bytes": timestamps.ROOM_BYTES}
        self._write(json.dumps(message) + "\n")

    @property
    def pid(self) -> int:
        """The process id of the client."""
        return self._process.pid

    def connect(self) -> Ready:
        """Wait until every connection is open. Raise LoadFailed if one cannot be."""
        self.ready = Ready(**self._read()["ready"])
        return self.ready

    def run(self, on_tick: OnTick | None = None) -> Records:
        """Do the work, and return the record of every request.

        Each tick wakes this process, and costs some request 50 us or so: without `on_tick` none is sent.
        """
        self._offset_ns = timestamps.offset_ns()
        self._write("go\n" if on_tick else "go quietly\n")
        while "tick" in (message := self._read()):
            if on_tick:
                on_tick(Tick(**message["tick"]))
        return self._records(message["done"])

    def stop(self) -> None:
        """Make `run` end early and return what there is; callable from another thread."""
        self._hang_up(self._stdin)

    def close(self) -> None:
        """End the process, if it has not ended."""
        self._hang_up(self._stdin, self._stdout, self._stderr)
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _hang_up(self, *pipes: IO[bytes]) -> None:
        for pipe in pipes:
            try:
                pipe.close()
            except OSError:  # it ended before it had read all
                pass

    def _write(self, line: str) -> None:
        try:
            self._stdin.write(line.encode())
            self._stdin.flush()
        except (BrokenPipeError, ValueError):  # it ended: _read says why
            pass

    def _read(self) -> dict[str, Any]:
        line = self._stdout.readline()
        if not line:
            raise self._ended("it said nothing")
        try:
            message: dict[str, Any] = dict(json.loads(line))
        except (ValueError, TypeError):
            raise LoadFailed(f"expected a line of JSON from the load client, not {line[:80]!r}") from None
        if "failed" in message:
            raise LoadFailed(message["failed"])
        return message

    def _ended(self, otherwise: str) -> LoadFailed:
        says = self._stderr.read().decode(errors="replace").strip().splitlines()
        return LoadFailed(f"the load client ended: {says[-1] if says else otherwise}")

    def _records(self, done: dict[str, Any]) -> Records:
        columns = {}
        for name, typecode, length in done["columns"]:
            kind = np.dtype(typecode)
            column = self._stdout.read(kind.itemsize * length)
            if len(column) < kind.itemsize * length:
                raise self._ended("in the middle of its records")
            columns[name] = np.frombuffer(column, kind)
        if "stamp" in columns:
            times_ns = (columns["sent"], columns["answered"])
            columns["arrived"] = arrivals_ns(columns.pop("stamp"), times_ns, self._offset_ns)
        start_ns = done["start_ns"] + int(self.workload.warm_up_s * 1e9)
        warm = columns["due"] >= start_ns
        columns = {name: column[warm] for name, column in columns.items()}
        return Records(
            workload=self.workload,
            connection=columns["connection"],
            due_ns=columns["due"],
            sent_ns=columns["sent"],
            answered_ns=columns["answered"],
            arrived_ns=columns.get("arrived"),
            start_ns=start_ns,
            end_ns=done["end_ns"],
            connect_ns=self.ready.connect_ns,
            client_cpu_ns=done["cpu_ns"],
            client_cpu=self.cpu,
            stopped=done["stopped"],
            errors=done["errors"],
            examples=done["examples"],
            status=columns.get("status"),
            reopened=done["reopened"],
            fits=done["fits"],
        )


def arrivals_ns(
    stamps: NDArray[np.int_], between_ns: tuple[NDArray[np.int64], NDArray[np.int64]], offset_ns: int
) -> NDArray[np.int64]:
    """Return the kernel's stamps, two numbers each, as times on the clock of the records, between send and reply.

    The two clocks drift apart while NTP mends one of them: their offset before the run and the one now are
    interpolated. A request without a stamp has the time of its reply.
    """
    sent_ns, answered_ns = between_ns
    real_ns = stamps.astype(np.int64).reshape(-1, 2) @ np.array([1_000_000_000, 1])
    if not len(real_ns):
        return answered_ns
    passed = (answered_ns - answered_ns[0]) / max(1, int(answered_ns[-1] - answered_ns[0]))
    drift_ns = ((timestamps.offset_ns() - offset_ns) * passed).astype(np.int64)
    return np.where(real_ns > 0, np.clip(real_ns + offset_ns + drift_ns, sent_ns, answered_ns), answered_ns)


def load(
    address: tuple[str, int], workload: Workload, *, cpu: int | None = None, on_tick: OnTick | None = None
) -> Records:
    """Connect, do the work, and return the record of every request.

    Raise UsageError if this machine cannot hold the connections, and LoadFailed if the server
    cannot be reached; what goes wrong later is in the records.
    """
    workload.require()
    with InOnePiece(lambda: Client(address, workload, cpu)) as client:
        client.connect()
        return client.run(on_tick)
