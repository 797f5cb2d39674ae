"""The listening socket: whom it lets in, how it stops whoever waits, what it does without descriptors."""

import asyncio
import os
import resource
import select
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import pytest

from iolab.errors import UsageError
from iolab.listening import ListeningSocket, Stopped, listen
from iolab.traffic.faults import use_up_descriptors
from tests.peers import ask, connect

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture
def listening() -> Iterator[ListeningSocket]:
    with listen() as socket_:
        yield socket_


class TestWhere:
    def test_it_is_a_free_port_of_loopback_unless_told_otherwise(self) -> None:
        with listen() as first, listen() as second:
            assert first.getsockname()[0] == "127.0.0.1"
            assert len({0, first.getsockname()[1], second.getsockname()[1]}) == 3

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "255.255.255.255"])
    def test_other_machines_are_not_let_in_by_mistake(self, host: str) -> None:
        with pytest.raises(UsageError, match=rf"^{host} is no loopback address.*use 127\.0\.0\.1, or say expose=True"):
            listen(host)

    def test_they_are_if_asked_for_in_so_many_words(self) -> None:
        with listen("0.0.0.0", expose=True) as exposed:
            assert exposed.getsockname()[0] == "0.0.0.0"

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1"])
    def test_every_name_of_loopback_will_do(self, host: str) -> None:
        with listen(host) as here, connect(here.getsockname()[:2]) as client:
            connection, peer = here.accept()
            connection.close()
            assert peer == client.getsockname()

    @pytest.mark.parametrize("port", [-1, 65536, 1 << 40])
    def test_a_port_that_is_none_is_named(self, port: int) -> None:
        with pytest.raises(UsageError, match=f"a port is a number from 0 to 65535, not {port}"):
            listen(port=port)

    def test_a_port_in_use_is_named_with_what_would_work(self, listening: ListeningSocket) -> None:
        port = listening.getsockname()[1]
        with pytest.raises(UsageError, match=rf"127\.0\.0\.1 port {port}: Address already in use; port 0 takes"):
            listen(port=port)

    def test_an_address_of_another_machine_is_named(self) -> None:
        with pytest.raises(UsageError, match=r"192\.0\.2\.1 port 0: Cannot assign requested address"):
            listen("192.0.2.1", expose=True)

    def test_of_a_name_with_both_the_address_of_ipv4_is_listened_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        both = [(socket.AF_INET6, 1, 6, "", ("::1", 0, 0, 0)), (socket.AF_INET, 1, 6, "", ("127.0.0.1", 0))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
        with listen("localhost") as listening:
            assert listening.getsockname()[0] == "127.0.0.1"

    @pytest.mark.parametrize("host", ["", "no-such-host.invalid", "a" * 300, "127.0.0.1.1", "host name"])
    def test_a_host_that_does_not_resolve_is_named(self, host: str) -> None:
        with pytest.raises(UsageError, match=r"does not resolve .*; 127\.0\.0\.1 always does"):
            listen(host)

    def test_a_restarted_server_gets_its_port_back(self, listening: ListeningSocket) -> None:
        port = listening.getsockname()[1]
        with connect(("127.0.0.1", port)):
            listening.accept()[0].close()  # this side closes first, and keeps TIME_WAIT
            listening.close()
            with listen(port=port) as again:
                assert again.getsockname()[1] == port


def wait_in_accept(listening: ListeningSocket) -> None:
    listening.accept()


def wait_in_select(listening: ListeningSocket) -> None:
    listening.setblocking(False)
    while True:
        select.select([listening], [], [])
        listening.accept()


def wait_in_poll(listening: ListeningSocket) -> None:
    listening.setblocking(False)
    interest = select.poll()
    interest.register(listening, select.POLLIN)
    while True:
        interest.poll()
        listening.accept()


def wait_in_epoll(listening: ListeningSocket, flags: int = select.EPOLLIN) -> None:
    listening.setblocking(False)
    with select.epoll() as interest:
        interest.register(listening, flags)
        while True:
            interest.poll()
            listening.accept()


def wait_in_epoll_edge_triggered(listening: ListeningSocket) -> None:
    wait_in_epoll(listening, select.EPOLLIN | select.EPOLLET)


def wait_in_selectors(listening: ListeningSocket) -> None:
    listening.setblocking(False)
    with selectors.DefaultSelector() as selector:
        selector.register(listening, selectors.EVENT_READ)
        while True:
            selector.select()
            listening.accept()


def wait_in_asyncio_accept(listening: ListeningSocket) -> None:
    async def forever() -> None:
        while True:
            await asyncio.get_running_loop().sock_accept(listening)

    listening.setblocking(False)
    asyncio.run(forever())


def wait_in_asyncio_server(listening: ListeningSocket) -> None:
    async def forever() -> None:
        server = await asyncio.start_server(lambda reader, writer: writer.close(), sock=listening)
        await server.serve_forever()

    asyncio.run(forever())


def wait_behind_a_broad_except(listening: ListeningSocket) -> None:
    while True:
        try:
            listening.accept()
        except Exception:
            continue


def wait_in_receive(listening: ListeningSocket) -> None:
    connection, _ = listening.accept()
    with connection:
        while connection.recv(100):
            pass
    listening.accept()


def wait_in_send(listening: ListeningSocket) -> None:
    connection, _ = listening.accept()
    with connection:
        with pytest.raises(OSError, match=r"Broken pipe|reset by peer"):
            connection.sendall(bytes(64 << 20))
    listening.accept()


WAITS = [
    wait_in_accept,
    wait_in_select,
    wait_in_poll,
    wait_in_epoll,
    wait_in_epoll_edge_triggered,
    wait_in_selectors,
    wait_in_asyncio_accept,
    wait_in_asyncio_server,
    wait_behind_a_broad_except,
    wait_in_receive,
    wait_in_send,
]
AFTER_ACCEPT = (wait_in_receive, wait_in_send)


class Waiting:
    """A wait in a thread; `ended_by` is what ended it."""

    def __init__(self, wait: Callable[[ListeningSocket], None], listening: ListeningSocket) -> None:
        self.wait, self.listening = wait, listening
        self.ended_by: BaseException | None = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        try:
            self.wait(self.listening)
        except BaseException as error:
            self.ended_by = error

    def settle(self) -> None:
        """Return when the thread sleeps and does not wake: it waits for the kernel, not for the GIL."""
        seen, now = [""], list[str]()
        while seen != now:
            time.sleep(0.002)
            status = Path(f"/proc/self/task/{self.thread.native_id}/status").read_text().splitlines()
            seen, now = now, [line for line in status if "ctxt" in line or line == "State:\tS (sleeping)"]


class TestStop:
    @pytest.mark.parametrize("at_once", [False, True], ids=["asleep", "at once"])
    @pytest.mark.parametrize("wait", WAITS)
    def test_it_ends_every_wait_with_stopped(
        self, wait: Callable[[ListeningSocket], None], at_once: bool, listening: ListeningSocket
    ) -> None:
        with connect(listening.getsockname()) if wait in AFTER_ACCEPT else nullcontext() as client:
            waiting = Waiting(wait, listening)
            if client is not None:
                client.sendall(b"question")
            if not at_once:
                waiting.settle()
            listening.stop()
            waiting.thread.join(10)
        assert not waiting.thread.is_alive()
        assert isinstance(waiting.ended_by, Stopped)

    def test_nothing_that_catches_exceptions_or_os_errors_swallows_it(self) -> None:
        assert issubclass(Stopped, SystemExit)
        assert not issubclass(Stopped, Exception)

    def test_every_accept_after_it_says_so(self, listening: ListeningSocket) -> None:
        listening.stop()
        for _ in range(3):
            with pytest.raises(Stopped):
                listening.accept()

    def test_a_second_one_does_no_harm(self, listening: ListeningSocket) -> None:
        listening.stop()
        listening.stop()
        listening.close()
        listening.stop()

    def test_clients_that_wait_in_the_backlog_are_told(self, listening: ListeningSocket) -> None:
        with connect(listening.getsockname()) as client:
            listening.stop()
            with pytest.raises(ConnectionResetError):
                client.recv(1)

    def test_a_connection_that_came_in_meanwhile_is_closed(self, listening: ListeningSocket) -> None:
        with connect(listening.getsockname()) as client:
            connection, _ = super(ListeningSocket, listening).accept()
            listening.stop()
            with pytest.raises(Stopped):
                listening.remember(connection)
            assert connection.fileno() == -1
            assert client.recv(1) == b""

    def test_where_it_cannot_be_shut_down_a_last_connection_wakes_it(
        self, listening: ListeningSocket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def not_connected(self: socket.socket, how: int) -> None:
            raise OSError(57, "Socket is not connected")

        monkeypatch.setattr(ListeningSocket, "shutdown", not_connected)
        waiting = Waiting(wait_in_accept, listening)
        listening.stop()
        waiting.thread.join(10)
        assert isinstance(waiting.ended_by, Stopped)


@pytest.fixture
def adopted(listening: ListeningSocket) -> Iterator[ListeningSocket]:
    with ListeningSocket.adopt(os.dup(listening.fileno())) as socket_:
        yield socket_


def test_an_accept_that_fails_does_not_undo_a_stop(listening: ListeningSocket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that spins is in `accept` all the time: the stop comes while it looks why one failed."""

    def stop_meanwhile() -> bool:
        listening.stopping = True  # as stop() does in another thread
        return False

    monkeypatch.setattr(listening, "_was_stopped_elsewhere", stop_meanwhile)
    listening.setblocking(False)
    with pytest.raises(Stopped):
        listening.accept()


class TestAdopt:
    def test_it_accepts_and_remembers_as_the_first_one_does(
        self, listening: ListeningSocket, adopted: ListeningSocket
    ) -> None:
        assert adopted.getsockname() == listening.getsockname()
        with connect(listening.getsockname()) as client, adopted.accept()[0] as connection:
            client.sendall(b"hello")
            assert connection.recv(5) == b"hello"
            assert adopted.connections() == [connection]

    @pytest.mark.parametrize("wait", [wait_in_accept, wait_in_select, wait_in_epoll, wait_behind_a_broad_except])
    def test_whoever_stops_the_first_one_stops_it(
        self, listening: ListeningSocket, adopted: ListeningSocket, wait: Callable[[ListeningSocket], None]
    ) -> None:
        waiting = Waiting(wait, adopted)
        listening.stop()
        waiting.thread.join()
        assert isinstance(waiting.ended_by, Stopped)
        assert adopted.stopping

    def test_nobody_waiting_is_no_stop(self, adopted: ListeningSocket) -> None:
        adopted.setblocking(False)
        with pytest.raises(BlockingIOError):
            adopted.accept()
        assert not adopted.stopping

    def test_closing_it_leaves_the_first_one_alone(self, listening: ListeningSocket) -> None:
        ListeningSocket.adopt(os.dup(listening.fileno())).close()
        with connect(listening.getsockname()) as client, listening.accept()[0] as connection:
            assert connection.getpeername() == client.getsockname()


class TestConnections:
    def test_they_are_listed_while_they_are_open(self, listening: ListeningSocket) -> None:
        with connect(listening.getsockname()), connect(listening.getsockname()):
            first, second = listening.accept()[0], listening.accept()[0]
            assert set(listening.connections()) == {first, second}
            first.close()
            assert listening.connections() == [second]
            second.close()
            assert listening.connections() == []

    def test_no_more_are_remembered_than_there_were_at_once(self, listening: ListeningSocket) -> None:
        for _ in range(50):
            with connect(listening.getsockname()):
                listening.accept()[0].close()
        assert len(listening._accepted) <= 2

    def test_they_answer_without_delay(self, listening: ListeningSocket) -> None:
        with connect(listening.getsockname()), listening.accept()[0] as connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


SERVER_WITH_FEW_DESCRIPTORS = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
import iolab, iolab.listening as listening

class Counting(listening.ListeningSocket):
    accepts = 0
    def accept(self):
        Counting.accepts += 1
        return super().accept()

with iolab.start(sys.argv[1], listening=listening.listen(kind=Counting)) as server:
    print(server.address[1], flush=True)
    for _ in sys.stdin:
        print(Counting.accepts, flush=True)
"""


class Few:
    """A server in a process of its own that may hold 40 descriptors; `accepts` counts its calls of accept."""

    def __init__(self, model: str) -> None:
        command = [sys.executable, "-c", SERVER_WITH_FEW_DESCRIPTORS, model]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1)
        self.address = ("127.0.0.1", self._line())

    def accepts(self) -> int:
        assert self.process.stdin
        self.process.stdin.write("?\n")
        return self._line()

    def _line(self) -> int:
        assert self.process.stdout
        return int(self.process.stdout.readline())

    def __enter__(self) -> "Few":
        return self

    def __exit__(self, *_: Any) -> None:
        with self.process:
            assert self.process.stdin
            self.process.stdin.close()
            assert self.process.wait(10) == 0


def outcome(connection: socket.socket) -> str:
    try:
        return "served" if ask(connection) == b"QUESTION" else "turned away"
    except (ConnectionResetError, BrokenPipeError):
        return "turned away"


class TestOutOfDescriptors:
    @pytest.mark.parametrize("model", ["threads", "epoll"])
    def test_a_connection_is_turned_away_and_the_others_go_on(self, model: str) -> None:
        with Few(model) as few, ExitStack() as opened:
            connections = [opened.enter_context(connect(few.address)) for _ in range(60)]
            outcomes = [outcome(connection) for connection in connections]
            kept = [c for c, became in zip(connections, outcomes, strict=True) if became == "served"]
            assert set(outcomes) == {"served", "turned away"}
            assert outcomes == sorted(outcomes)  # first come, first served

            for _ in range(20):
                assert {ask(connection) for connection in kept} == {b"QUESTION"}
            # Nobody spins: one call for each of the 60, and one that waits for the next.
            assert few.accepts() in (60, 61)

            kept.pop().close()
            assert ask(kept[0]) == b"QUESTION"  # by now the server has seen the close
            assert {ask(connection) for connection in kept} == {b"QUESTION"}

    def test_the_one_that_is_kept_back_comes_back(self, listening: ListeningSocket) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with connect(listening.getsockname()) as first, connect(listening.getsockname()) as second:
            resource.setrlimit(resource.RLIMIT_NOFILE, (second.fileno() + 1, hard))
            try:
                for client in (first, second):
                    with pytest.raises(ConnectionAbortedError, match="no descriptor left"):
                        listening.accept()
                    assert client.recv(1) == b""
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert listening._spare is not None


def test_a_stop_is_heard_where_no_descriptor_was_left() -> None:
    ends: list[BaseException] = []

    def serve(listening: ListeningSocket) -> None:
        try:
            listening.accept()
        except BaseException as error:
            ends.append(error)

    with listen() as listening:
        with use_up_descriptors():
            thread = threading.Thread(target=serve, args=(listening,))
            thread.start()
            while listening._spare is not None:  # it was let go: accept waits on its descriptor
                time.sleep(0.001)
        listening.stop()
        thread.join()
    assert [type(error) for error in ends] == [Stopped]


def test_one_whose_spare_another_thread_took_waits_until_a_descriptor_is_free() -> None:
    looks = threading.Event()
    outcome: list[object] = []

    class Observed(ListeningSocket):
        def _is_shut(self, within_ms: int) -> bool:
            looks.set()
            return super()._is_shut(within_ms)

    def serve() -> None:
        try:
            outcome.append(shared.accept()[0])
        except OSError as error:
            outcome.append(error)

    with listen(kind=Observed) as shared, socket.socket() as client, use_up_descriptors():
        shared._drop_spare()
        with Path(os.devnull).open():
            thread = threading.Thread(target=serve)
            thread.start()
            client.connect(shared.getsockname())
            looks.wait()
            assert not outcome
        thread.join()
    assert isinstance(outcome[0], ConnectionAbortedError)  # one was free for it, and none for a spare
