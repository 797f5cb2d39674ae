"""The misbehaving clients misbehave as their names say."""

import errno
import os
import resource
import select
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from iolab.errors import LoadFailed, UsageError
from iolab.kernel import threads
from iolab.traffic import faults
from iolab.traffic.faults import connections
from tests.peers import DEAD


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=300) as listening:
        yield listening


@pytest.fixture
def address(listening: socket.socket) -> faults.Address:
    host, port = listening.getsockname()
    return host, port


def receive_rest(connection: socket.socket) -> bytes:
    """Return what came before the end of a connection; raise what it ended with."""
    came = bytearray()
    while chunk := connection.recv(65536):
        came += chunk
    return bytes(came)


class TestConnections:
    def test_reset_midway_sends_and_resets(self, listening: socket.socket, address: faults.Address) -> None:
        faults.reset_midway(address, b"half")
        connection, _ = listening.accept()
        with connection, pytest.raises(ConnectionResetError):
            receive_rest(connection)

    def test_reset_together_resets_all(self, listening: socket.socket, address: faults.Address) -> None:
        faults.reset_together(address, 20)
        for _ in range(20):
            connection, _ = listening.accept()
            with connection, pytest.raises(ConnectionResetError):
                receive_rest(connection)

    def test_connect_and_close_sends_nothing(self, listening: socket.socket, address: faults.Address) -> None:
        faults.connect_and_close(address, 20)
        for _ in range(20):
            connection, _ = listening.accept()
            with connection:
                assert receive_rest(connection) == b""

    def test_one_byte_at_a_time_sends_segments_of_one_byte(
        self, listening: socket.socket, address: faults.Address
    ) -> None:
        with faults.connect(address) as here, listening.accept()[0] as there:
            faults.one_byte_at_a_time(here, b"a request")
            here.shutdown(socket.SHUT_WR)
            if hasattr(socket, "TCP_INFO"):
                info = there.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
                segments_with_data = int.from_bytes(info[152:156], "little")  # tcpi_data_segs_in
                assert segments_with_data == len(b"a request")
            assert receive_rest(there) == b"a request"

    def test_a_narrow_connection_takes_little_at_once(self, listening: socket.socket, address: faults.Address) -> None:
        with faults.connect_narrow(address) as here, listening.accept()[0] as there:
            there.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            there.setblocking(False)
            assert there.send(bytes(1 << 20)) < 1 << 16
            here.close()

    def test_an_urgent_byte_is_not_in_the_stream(self, listening: socket.socket, address: faults.Address) -> None:
        with faults.connect(address) as here, listening.accept()[0] as there:
            here.send(b"before")
            faults.urgent_byte(here)
            here.send(b"behind")
            here.shutdown(socket.SHUT_WR)
            assert receive_rest(there) == b"beforebehind"


class TestSlowReader:
    def test_it_gets_what_it_asked_for_when_it_reads_again(
        self, listening: socket.socket, address: faults.Address
    ) -> None:
        def echo() -> None:
            with listening.accept()[0] as there:
                while request := there.recv(65536):
                    there.sendall(request.upper())

        server = threading.Thread(target=echo)
        server.start()
        with faults.slow_reader(address, b"question") as reader:
            assert 1 << 20 <= reader.asked_bytes < 1 << 28
            replies = reader.read_again()
            assert len(replies) == reader.asked_bytes
            assert replies == b"QUESTION" * (reader.asked_bytes // 8)
        server.join()

    def test_a_server_that_does_not_push_back_takes_all(
        self, listening: socket.socket, address: faults.Address, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connections, "QUIET_S", connections.CALL_TIMEOUT_S)  # on a busy machine it reads by fits

        def swallow() -> None:
            with listening.accept()[0] as there:
                receive_rest(there)

        server = threading.Thread(target=swallow)
        server.start()
        with faults.slow_reader(address, most_bytes=1 << 25) as reader:
            assert reader.asked_bytes >= 1 << 25
        server.join()

    def test_a_server_that_takes_too_little_is_named(
        self, address: faults.Address, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connections, "CALL_TIMEOUT_S", 0.5)
        with pytest.raises(LoadFailed, match="expected 1073741824; ask for less"):
            with faults.slow_reader(address, least_bytes=1 << 30, most_bytes=1 << 31):
                pass


class TestProcesses:
    def test_idle_connections_stay_and_say_nothing(self, listening: socket.socket, address: faults.Address) -> None:
        with faults.idle_connections(address, 50):
            accepted = [listening.accept()[0] for _ in range(50)]
            assert select.select(accepted, (), (), 0.1)[0] == []
        for connection in accepted:
            with connection:
                assert receive_rest(connection) == b""

    def test_a_stopped_client_reads_when_it_goes_on(self, listening: socket.socket, address: faults.Address) -> None:
        with faults.stopped_client(address, b"question") as client, listening.accept()[0] as there:
            assert there.recv(100) == b"question"
            there.sendall(b"answer")
            there.shutdown(socket.SHUT_WR)
            assert select.select([there], (), (), 0.1)[0] == []  # it does not even half-close: it is stopped
            assert client.resume() == b"answer"

    def test_a_stopped_client_ends_with_its_block(self, listening: socket.socket, address: faults.Address) -> None:
        with faults.stopped_client(address, b"question"):
            there, _ = listening.accept()
        with there:
            assert receive_rest(there) == b"question"

    def test_a_server_that_is_not_there(self) -> None:
        with pytest.raises(LoadFailed, match="is a server listening"):
            with faults.stopped_client(DEAD, b"question"):
                pass
        with pytest.raises(LoadFailed, match="is a server listening"):
            with faults.idle_connections(DEAD, 10):
                pass


def limit_and_descriptors() -> tuple[tuple[int, int], list[str]]:
    return resource.getrlimit(resource.RLIMIT_NOFILE), sorted(path.name for path in Path("/dev/fd").iterdir())


class TestShortages:
    def test_no_descriptor_is_left_and_then_all_are_free_again(self) -> None:
        before = limit_and_descriptors()
        with faults.use_up_descriptors():
            with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
                os.open(os.devnull, os.O_RDONLY)
        with pytest.raises(KeyError), faults.use_up_descriptors():
            raise KeyError
        assert limit_and_descriptors() == before

    def test_signals_interrupt_every_thread(self) -> None:
        wait, interrupted = threading.Event(), threading.Event()

        def sleep() -> None:
            import ctypes

            poll = ctypes.CDLL(None, use_errno=True).poll
            while not wait.is_set():
                if poll(None, 0, 5000) < 0 and ctypes.get_errno() == errno.EINTR:
                    interrupted.set()

        sleeper = threads.start(threading.Thread(target=sleep))  # as a server is started
        with faults.signal_storm() as storm:
            assert interrupted.wait(5)
            wait.set()
            sleeper.join()
        assert storm.sent > 0
        assert signal.getsignal(signal.SIGURG) == signal.SIG_DFL

    def test_a_thread_that_blocks_the_signal_is_not_killed_by_it_later(self) -> None:
        blocks, fallen, went_on = threading.Event(), threading.Event(), threading.Event()

        def block() -> None:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGURG])
            blocks.set()
            fallen.wait(20)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGURG])  # a signal that is pending would act now
            went_on.set()

        thread = threading.Thread(target=block)
        with faults.signal_storm() as storm:
            thread.start()
            assert blocks.wait(5)
            so_far = storm.sent
            while storm.sent < so_far + 20:
                fallen.wait(0.01)
        fallen.set()
        thread.join()
        assert went_on.is_set()

    def test_only_the_main_thread_can_start_a_storm(self) -> None:
        raised = []

        def storm() -> None:
            try:
                with faults.signal_storm():
                    pass
            except UsageError as error:
                raised.append(str(error))

        thread = threading.Thread(target=storm)
        thread.start()
        thread.join()
        assert "only the main thread" in raised[0]


def test_nothing_here_knows_a_server() -> None:
    for path in Path(faults.__file__).parent.glob("*.py"):
        assert "iolab.models" not in path.read_text() and "iolab.servers" not in path.read_text()
        assert len(path.read_text().splitlines()) < 250
