"""A model under test, a client that behaves, and how to wait."""

import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread, get_native_id
from typing import Any, Self

import numpy as np
import pytest

from iolab.api import start
from iolab.background import Server, list_servers
from iolab.listening import Respond
from iolab.models import Model, Serve
from iolab.traffic import faults
from iolab.traffic.faults import connections
from tests.census import descriptors
from tests.servers.wire import Wire

MIB = 1 << 20
WITHIN_S = 10.0
"""How long to wait for what must come to pass."""

SPINS_NS = 300_000_000
"""CPU time that a server which spins has used well within WITHIN_S on any machine, and one that rests has not."""

INVERTED = bytes(255 - number for number in range(256))


def grown(factor: int) -> Respond:
    """Return a reply function that says every byte so many times."""
    return partial(repeated, factor)


def repeated(factor: int, request: bytes) -> bytes:
    return np.frombuffer(request, np.uint8).repeat(factor).tobytes()


def inverted(request: bytes) -> bytes:
    """Answer with every bit turned over: no byte is its own reply, and every byte has one."""
    return request.translate(INVERTED)


def same(came: bytes, due: bytes) -> bool:
    """Compare megabytes: asserted with `==`, a difference would be looked for line by line, for minutes."""
    return came == due


class Peer:
    """A client that behaves, on one connection."""

    def __init__(self, address: faults.Address, wire: Wire) -> None:
        self.connection = faults.connect(address)
        self._wire, self._decoder, self._ahead = wire, wire.decoder(), b""
        next(self._decoder)

    def send(self, *requests: bytes) -> None:
        self.connection.sendall(b"".join(map(self._wire.framed, requests)))

    def receive(self, length: int) -> bytes:
        """Return the next bytes of replies; fewer if the connection ends before."""
        received = bytearray(self._ahead)
        while len(received) < length and (came := self.connection.recv(1 << 18)):
            received += self._decoder.send(came)
        self._ahead = bytes(received[length:])
        return bytes(received[:length])

    def ask(self, request: bytes) -> bytes:
        self.send(request)
        return self.receive(len(request))

    def finish(self) -> bytes:
        """Half-close, and return all that still comes before the server's end of file."""
        self.connection.shutdown(socket.SHUT_WR)
        return b"".join(self.rest())

    def rest(self) -> Iterator[bytes]:
        """Yield the bytes of replies, as they come, until the end of file."""
        yield self._ahead
        while came := self.connection.recv(1 << 18):
            yield self._decoder.send(came)

    @contextmanager
    def sending(self, requests: Iterable[bytes]) -> Iterator[None]:
        """Send in the background, and half-close after the last request."""

        def send() -> None:
            for request in requests:
                self.send(request)
            self.connection.shutdown(socket.SHUT_WR)

        thread = Thread(target=send)
        thread.start()
        try:
            yield
        finally:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()


@dataclass(frozen=True)
class Subject:
    """The model under test, and what it speaks."""

    model: Model
    wire: Wire
    serve: str | Serve
    record: Callable[[str, object], None]

    def start(self, respond: Respond = inverted, **given: Any) -> Server:
        """Start the server, and wait until each of its workers has opened what it waits in."""
        server = start(self.serve, respond, **given)
        workers = server.workers.pids[1:] if server.workers and "epoll" in self.model.card["Waits in"] else []
        assert all(eventually(lambda: waits_in_epoll(pid)) for pid in workers)  # noqa: B023
        return server

    def peer(self, server: Server) -> Peer:
        return Peer(server.address, self.wire)

    def framed(self, request: bytes) -> bytes:
        return self.wire.framed(request)

    def unframed(self, stream: bytes) -> bytes:
        """Return the bytes of replies in what came over the wire."""
        decoder = self.wire.decoder()
        next(decoder)
        return decoder.send(stream)

    def by_nature(self) -> str:
        """Note that this model does otherwise here, and return what its card says of it: the matrix shows that."""
        says = f"Breaks when {self.model.card['Breaks when']}"
        self.record("by nature", says)
        return says

    def needs_many(self, count: int = 2) -> None:
        """Skip the test for a model that by its nature serves fewer clients at a time."""
        if self.model.serves_at_once and self.model.serves_at_once < count:
            pytest.skip(self.by_nature())

    def serves(self, server: Server) -> None:
        """Assert that a new client is answered, and gets nothing that it is not due."""
        with self.peer(server) as peer:
            self.converses(peer)
            assert peer.finish() == b""

    def converses(self, peer: Peer) -> None:
        for request in (b"a", b"question", bytes(range(256)) * 40):
            assert peer.ask(request) == inverted(request)

    def needs_one_process(self) -> None:
        """Skip a test that looks into the server's descriptors or limits, which are those of other processes."""
        if self.model.apart:
            pytest.skip("its connections are those of other processes, whose descriptors this test cannot use")

    @contextmanager
    def bystander(self, server: Server) -> Iterator[Callable[[], None]]:
        """Converse before, during and after a fault, on a connection that the fault is not about.

        Yield what asserts that the conversation goes on. A model that serves one client
        at a time has none: it serves the next one after the fault.
        """
        with ExitStack() as stack:
            if self.model.serves_many:
                peer = stack.enter_context(self.peer(server))
                self.converses(peer)
                yield lambda: self.converses(peer)
                self.converses(peer)
                assert peer.finish() == b""
            else:
                yield lambda: None
        self.serves(server)

    def rests(self) -> None:
        """Assert that the server comes to rest: what it does when nobody wants anything takes no CPU."""
        if self.model.spins:
            says = self.by_nature()
            before_ns = cpu_ns()
            assert eventually(lambda: cpu_ns() > before_ns + SPINS_NS), f"its card says: {says} It does not."
        else:
            assert eventually(is_at_rest)

    def measured(self, server: Server, request: bytes) -> dict[str, Any]:
        """Return a request for a Workload, and the length of its reply on the wire."""
        with self.peer(server) as peer:
            peer.send(request)
            return {"request": self.framed(request), "reply_bytes": len(peer.connection.recv(65536))}


def unconnected() -> socket.socket:
    """Return a socket that has its descriptor already, and no peer yet."""
    connection = socket.socket()
    connection.settimeout(connections.CALL_TIMEOUT_S)
    return connection


def ends(connection: socket.socket) -> bytes:
    """Wait for the end of a connection, by end of file or reset, and return what came before it."""
    came = b""
    try:
        while chunk := connection.recv(1 << 18):
            came += chunk
    except ConnectionError:
        pass
    return came


def waits_in_epoll(pid: int) -> bool:
    return any("eventpoll" in target for target in descriptors(Path(f"/proc/{pid}")).values())


def is_at_rest(seconds: float = 0.25) -> bool:
    """Watch the server for some time: it hardly runs, and not since others have the CPU that it wants."""
    waited_ns, ran_ns = wait_ns(), cpu_ns()
    time.sleep(seconds)
    ran_ns = cpu_ns() - ran_ns  # before a thousand threads are asked how long they have waited
    waited_ns = wait_ns() - waited_ns
    window_ns = seconds * 1e9
    return ran_ns < 0.01 * window_ns and ran_ns + waited_ns < 0.9 * window_ns  # one or the other, while it computes


def cpu_ns() -> int:
    """Return the CPU time of this process and of its servers' workers."""
    return time.process_time_ns() + sum(each.workers.cpu_ns for each in list_servers() if each.workers)


def wait_ns() -> int:
    """Return how long the server's threads have waited for a CPU; 0 if there is no descriptor to find out with.

    It is the second field of `schedstat` (the kernel's Documentation/scheduler/sched-stats.rst).
    """
    pids = ["self", *(pid for each in list_servers() if each.workers for pid in each.workers.pids)]
    total_ns = 0
    with suppress(OSError):
        for task in [task for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()]:
            if task.name != str(get_native_id()):
                total_ns += int((task / "schedstat").read_text().split()[1])
    return total_ns


def eventually(holds: Callable[[], bool]) -> bool:
    """Wait until a condition holds, and return whether it did in time."""
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


class Gate:
    """A reply function that waits when it is asked to, until it is opened; both are told by files to any process."""

    def __init__(self, folder: Path) -> None:
        self.reached, self.opened = folder / "reached", folder / "opened"

    def __call__(self, request: bytes) -> bytes:
        if b"wait" in request:
            self.reached.touch()
            eventually(self.opened.exists)
        return inverted(request)

    def wait(self) -> None:
        assert eventually(self.reached.exists)

    def open(self) -> None:
        self.opened.touch()
