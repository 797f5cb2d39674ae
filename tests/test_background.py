"""A server in the background: it leaves nothing, and says how it ended."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

import iolab
from iolab import background
from iolab.api import start
from iolab.background import ReplyWarning, Server
from iolab.errors import ServerFailed, UsageError
from iolab.listening import ListeningSocket, Respond
from iolab.models import MODELS, Model, Serve
from tests.peers import ask, connect

pytestmark = pytest.mark.usefixtures("nothing_left")

SKELETON = ("blocking", "threads", "epoll")


def accept_one(listening: ListeningSocket) -> socket.socket:
    return listening.accept()[0]


def returning(listening: ListeningSocket, respond: Respond) -> None:
    """Serve one request, and end as no server should."""
    with accept_one(listening) as connection:
        connection.sendall(respond(connection.recv(100)))


def raising(listening: ListeningSocket, respond: Respond) -> None:
    """Serve one request, and break."""
    returning(listening, respond)
    raise ZeroDivisionError("one too many")


class Stubborn:
    """A server that ends when the test says so, whatever becomes of its socket."""

    def __init__(self) -> None:
        self.end = threading.Event()
        self.ended = threading.Event()

    def __call__(self, listening: ListeningSocket, respond: Respond) -> None:
        self.end.wait()
        self.ended.set()


@pytest.fixture
def stubborn(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Return a server that is still running when stop() has waited for it."""
    monkeypatch.setattr(background, "STOP_S", 0.05)
    serve = Stubborn()
    server = start(serve)
    yield server
    serve.end.set()
    server.wait()


@pytest.mark.parametrize("model", SKELETON)
class TestNothingIsLeft:
    def test_after_100_starts_and_stops_with_open_connections(self, model: str) -> None:
        with start(model):  # what a first import opens stays
            pass
        for number in range(100):
            server = start(model)
            clients = [connect(server.address) for _ in range(1 + number % 5)]
            assert ask(clients[0]) == b"QUESTION"
            clients[-1].sendall(b"no time to answer this")
            server.stop()
            assert not server._thread.is_alive()
            for client in clients:
                client.close()

    def test_after_a_stop_at_once(self, model: str) -> None:
        for _ in range(50):
            start(model).stop()

    def test_after_a_stop_in_the_midst_of_a_long_reply(self, model: str) -> None:
        with start(model, lambda request: bytes(32 << 20)) as server, connect(server.address) as client:
            client.sendall(b"question")
            assert client.recv(1) == b"\0"

    def test_after_clients_that_reset(self, model: str) -> None:
        with start(model) as server:
            for _ in range(20):
                with connect(server.address) as client:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    client.sendall(b"question")
            with connect(server.address) as client:
                assert ask(client) == b"QUESTION"


class TestStop:
    def test_the_clients_see_the_end(self) -> None:
        with start("epoll") as server:
            client = connect(server.address)
            ask(client)
        with client:
            assert client.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            connect(server.address)

    def test_twice_is_once(self) -> None:
        server = start("epoll")
        server.stop()
        server.stop()

    @pytest.mark.parametrize("model", ["select", "epoll", "asyncio"])
    def test_in_the_midst_of_a_round_leaves_out_the_other_replies(self, model: str) -> None:
        MODELS[model].require()
        begun, go_on = threading.Event(), threading.Event()
        replies: list[bytes] = []

        def respond(request: bytes) -> bytes:
            if request == b"x":
                replies.append(request)
                begun.set()
                go_on.wait()
            return request.upper()

        server = start(model, respond)
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(connect(server.address)) for _ in range(20)]
            for client in clients:
                ask(client)
            for client in clients:
                client.sendall(b"x")
            begun.wait()
            stop = threading.Thread(target=server.stop)
            stop.start()
            while not server.listening.stopping:
                time.sleep(0.001)
            go_on.set()
            stop.join()
        assert len(replies) == 1

    def test_from_several_threads_is_once(self) -> None:
        server = start("threads")
        stops = [threading.Thread(target=server.stop) for _ in range(4)]
        for stop in stops:
            stop.start()
        for stop in stops:
            stop.join()
        assert not server._thread.is_alive()

    def test_one_server_of_two_leaves_the_other(self) -> None:
        with start("threads") as kept, connect(kept.address) as client:
            ask(client)
            with start("threads") as other, connect(other.address) as another:
                ask(another)
            assert ask(client) == b"QUESTION"

    def test_the_port_is_free_again(self) -> None:
        port = 0
        for _ in range(3):
            with start("epoll", port=port) as server, connect(server.address) as client:
                port = server.address[1]
                ask(client)

    def test_wait_ends_with_the_server(self) -> None:
        server = start("blocking")
        waiting = threading.Thread(target=server.wait)
        waiting.start()
        server.stop()
        waiting.join(10)
        assert not waiting.is_alive()


def outlive(server: Server) -> str:
    with connect(server.address) as client:
        ask(client)
    server.wait()
    return "the test's own"


class TestAServerThatEndsByItself:
    @pytest.mark.parametrize(
        ("serve", "says"),
        [
            (returning, r"^returning ended by itself: it returned, though its listening socket was open"),
            (raising, r"^raising ended by itself: ZeroDivisionError: one too many, at line \d+: raise"),
        ],
    )
    def test_is_reported_by_stop(self, serve: Serve, says: str) -> None:
        server = start(serve)
        with connect(server.address) as client:
            assert ask(client) == b"QUESTION"
            server.wait()
            with pytest.raises(ServerFailed, match=says):
                server.stop()

    def test_is_reported_by_the_end_of_with(self) -> None:
        with pytest.raises(ServerFailed, match="raising ended") as caught, start(raising) as server:
            outlive(server)
        assert isinstance(caught.value.__cause__, ZeroDivisionError)

    def test_does_not_hide_what_went_wrong_in_the_with_block(self) -> None:
        with pytest.raises(KeyError) as caught, start(raising) as server:
            raise KeyError(outlive(server))
        assert "raising ended by itself" in caught.value.__notes__[0]

    def test_keeps_no_client_waiting(self) -> None:
        server = start(raising)
        with connect(server.address) as first, connect(server.address) as second:
            ask(first)
            with pytest.raises(ConnectionResetError):
                second.recv(1)
        with pytest.raises(ServerFailed):
            server.stop()


class TestAServerThatDoesNotEnd:
    def test_is_reported(self, stubborn: Server) -> None:
        with pytest.raises(ServerFailed, match=r"serve still runs, .*: it waits for something other"):
            stubborn.stop()

    def test_has_its_port_taken_away(self, stubborn: Server) -> None:
        with pytest.raises(ServerFailed):
            stubborn.stop()
        with pytest.raises(ConnectionRefusedError):
            connect(stubborn.address)


def fail_on_b(request: bytes) -> bytes:
    if request == b"b":
        raise ValueError("no b, please")
    return request.upper()


@pytest.mark.parametrize("model", SKELETON)
class TestAReplyThatRaises:
    def test_closes_its_connection_and_no_other(self, model: str) -> None:
        server = start(model, fail_on_b)
        with connect(server.address) as first:
            assert ask(first, b"a") == b"A"
            assert ask(first, b"b") == b""
        with connect(server.address) as second:
            assert ask(second, b"a") == b"A"
        with pytest.warns(ReplyWarning, match=r"raised once, .*ValueError: no b, please, at line"):
            server.stop()

    def test_is_counted(self, model: str) -> None:
        server = start(model, fail_on_b)
        for _ in range(3):
            with connect(server.address) as client:
                assert ask(client, b"b") == b""
        with pytest.warns(ReplyWarning, match="raised 3 times"):
            server.stop()

    @pytest.mark.parametrize("reply", ["text", None, 3])
    def test_so_does_one_that_returns_no_bytes(self, model: str, reply: object) -> None:
        server = start(model, lambda request: reply)  # type: ignore[arg-type, return-value]
        with connect(server.address) as client:
            assert ask(client, b"b") == b""
        with pytest.warns(ReplyWarning, match=f"expected bytes as a reply, not {type(reply).__name__}"):
            server.stop()


class TestWhatCannotStart:
    def test_an_unknown_model_is_told_the_names(self) -> None:
        with pytest.raises(UsageError, match=r"no model 'epol'; did you mean epoll\? the models are blocking, threads"):
            start("epol")

    def test_a_model_that_does_not_run_here_says_why(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Model, "why_not", lambda model: "there is no penguin")
        with pytest.raises(UsageError, match=r"^epoll cannot run here: there is no penguin; `iolab doctor` lists"):
            start("epoll")

    def test_a_port_in_use_leaves_nothing(self) -> None:
        with start("epoll") as server, pytest.raises(UsageError, match="Address already in use"):
            start("epoll", port=server.address[1])


class TestAServerOfYourOwn:
    def test_is_a_function_of_two(self) -> None:
        def serve(listening: ListeningSocket, respond: Respond) -> None:
            while True:
                with accept_one(listening) as connection:
                    connection.sendall(respond(connection.recv(100)))

        with start(serve, lambda request: request[::-1]) as server, connect(server.address) as client:
            assert ask(client) == b"noitseuq"

    def test_it_is_pinned_and_so_are_its_threads(self) -> None:
        cpu, seen = max(os.sched_getaffinity(0)), []

        def respond(request: bytes) -> bytes:
            seen.append(os.sched_getaffinity(0))
            return request

        with start("threads", respond, cpu=cpu) as server, connect(server.address) as client:
            ask(client)
            assert server.thread_id
            assert os.sched_getaffinity(server.thread_id) == {cpu}
        assert seen == [{cpu}]


def test_an_interpreter_that_ends_does_not_wait_for_its_server() -> None:
    code = "import iolab, socket; s = iolab.start('threads'); c = socket.create_connection(s.address); print('end')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")


RELEASE = threading.Event()


def runaway(listening: ListeningSocket, respond: Respond) -> None:
    """Compute until the test lets go of it, whatever happens to the sockets."""
    while not RELEASE.is_set():
        sum(range(100))


def sleepy(listening: ListeningSocket, respond: Respond) -> None:
    """Wait for the test, and not for sockets."""
    RELEASE.wait()


class TestARunaway:
    @pytest.fixture(autouse=True)
    def let_go(self, nothing_left: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setattr(background, "STOP_S", 0.1)
        monkeypatch.setattr(background, "CHILDREN_S", 0.01)
        RELEASE.clear()
        yield
        RELEASE.set()
        while background.runaways():
            time.sleep(0.001)

    @pytest.mark.parametrize(
        ("serve", "says"),
        [
            (runaway, "it computes, and slows whatever you run next; restart the kernel"),
            (sleepy, "it waits for something other than its sockets; restart the kernel"),
        ],
    )
    def test_is_told_with_what_to_do(self, serve: Serve, says: str) -> None:
        server = iolab.start(serve)
        with pytest.raises(ServerFailed, match=says):
            server.stop()

    def test_is_a_doubt_of_every_run_until_it_ends(self) -> None:
        with pytest.raises(ServerFailed):
            iolab.start(sleepy).stop()
        doubts = iolab.measure("epoll", connections=1, requests=1).doubts
        assert "sleepy still runs, though it was stopped: it slows this run; restart the kernel" in map(str, doubts)
        RELEASE.set()
        while background.runaways():
            time.sleep(0.001)
        assert "runaway" not in {doubt.kind for doubt in iolab.measure("epoll", connections=1, requests=1).doubts}


BEGUN = threading.Event()


def endless(request: bytes) -> bytes:
    """Compute until the test says so."""
    BEGUN.set()
    while not RELEASE.is_set():
        pass
    return request


def patient(request: bytes) -> bytes:
    """Wait until the test says so."""
    BEGUN.set()
    RELEASE.wait()
    return request


class TestAReplyThatRunsAway(TestARunaway):
    @pytest.mark.parametrize("model", ["epoll", "threads", "blocking"])
    @pytest.mark.parametrize(
        ("respond", "says"),
        [
            (endless, r"it computes, in respond at line \d+, and slows whatever you run next; restart the kernel"),
            (patient, r"it waits for something other than its sockets, in respond at line \d+; restart the kernel"),
        ],
    )
    def test_is_blamed_and_not_its_model(self, model: str, respond: Respond, says: str) -> None:
        BEGUN.clear()
        server = iolab.start(model, respond)
        with connect(server.address) as client:
            client.sendall(b"x")
            BEGUN.wait()
            with pytest.raises(ServerFailed, match=says) as caught:
                server.stop()
        assert str(caught.value).startswith(f"respond of {model} still runs, though {model} was stopped: ")
        assert background.runaways() == [f"respond of {model}"]

    def test_a_thread_of_the_learners_own_is_no_runaway(self) -> None:
        with iolab.start("epoll"):
            mine = threading.Thread(target=RELEASE.wait)
            mine.start()
        assert background.runaways() == []
        RELEASE.set()
        mine.join()


class TestAServerThatWasNotStopped:
    def test_is_a_doubt_of_later_runs_if_it_takes_the_cpu(self) -> None:
        with iolab.start("nonblocking") as burning, iolab.start("epoll") as asleep:
            run = iolab.measure("epoll", connections=1, requests=500)
        names = [f"{each.name} on 127.0.0.1:{each.address[1]}" for each in (burning, asleep)]
        assert set(run.not_stopped) == set(names) and run.not_stopped[names[0]] > 0
        doubts = list(map(str, replace(run, not_stopped={names[0]: 0.97, names[1]: 0.0}).doubts))
        assert [each for each in doubts if "was not stopped" in each] == [
            f"{names[0]} was not stopped, and took 97% of a CPU: it slows this run; iolab.list_servers() has it, to be "
            "stopped"
        ]

    def test_a_run_alone_has_none(self) -> None:
        assert iolab.measure("epoll", connections=1, requests=1).not_stopped == {}


class TestACellThatIsRunAgain:
    def test_names_the_server_that_it_started_before(self) -> None:
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
        try:
            shell.run_cell("import iolab\nfirst = [iolab.start('epoll') for _ in range(2)]", store_history=True)
            shell.run_cell("again = iolab.start('epoll')", store_history=True)
            with pytest.warns(background.StillRunsWarning, match="the epoll that it started then still runs on 127"):
                shell.run_cell("again = iolab.start('epoll')", store_history=True)
        finally:
            for server in iolab.list_servers():
                server.stop()
            InteractiveShell.clear_instance()


class TestWhatItSaysOfItself:
    def test_a_server_says_where_it_is_how_it_is_stopped_and_that_others_run(self) -> None:
        with iolab.start("epoll") as server:
            port = server.address[1]
            assert repr(server) == f"epoll on 127.0.0.1:{port}, running; stop it with `.stop()`"
            with iolab.start("epoll") as second:
                assert repr(second).endswith("; 1 other server runs, see iolab.list_servers()")
                assert set(iolab.list_servers()) == {server, second}
        assert repr(server) == "epoll, stopped"
        assert iolab.list_servers() == []
