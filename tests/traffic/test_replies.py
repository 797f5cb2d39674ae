"""What the load client takes for a reply: an echo, bytes, anything, and responses of HTTP/1.1 in every form."""

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from iolab import api
from iolab.errors import UsageError
from iolab.traffic import http as requests_of_http
from iolab.traffic.client.replies import Response
from iolab.traffic.client.requests import WrongReply
from iolab.traffic.cluster.merged import Measured, Merged
from iolab.traffic.process import load
from iolab.traffic.records import Records
from iolab.traffic.workload import Workload
from tests.peers import Address, Peer, replying, silent

pytestmark = pytest.mark.usefixtures("nothing_left")


def drive(address: Address, **work: Any) -> Records:
    return load(address, Workload(**({"patience_s": 0.3, "connections": 2, "requests": 20} | work)))


def answering(reply: Callable[[bytes], bytes]) -> Peer:
    return Peer(replying(lambda request, number, turn: reply(request)))


def responding(response: bytes, *, closes: bool = False) -> Peer:
    """Return a server that reads one request after the other, to its empty line, and always responds the same."""

    def converse(connection: Any, number: int) -> None:
        asked = b""
        while data := connection.recv(65536):
            asked += data
            while b"\r\n\r\n" in asked:
                _, _, asked = asked.partition(b"\r\n\r\n")
                connection.sendall(response)
                if closes:
                    return

    return Peer(converse)


class TestAnyServer:
    def test_an_echo_is_compared(self) -> None:
        with answering(bytes) as peer:
            records = drive(peer.address, expect="echo")
        assert (len(records), records.errors, list(records.manners())) == (20, {}, [])

    def test_a_reply_of_known_bytes_is_compared(self) -> None:
        with answering(lambda request: b"+PONG\r\n") as peer:
            right = drive(peer.address, request=b"PING\r\n", expect=b"+PONG\r\n")
            wrong = drive(peer.address, request=b"PING\r\n", expect=b"+PANG\r\n")
        assert (len(right), right.errors) == (20, {})
        assert (len(wrong), wrong.errors) == (0, {"wrong reply": 2})
        assert "byte 2 should be b'ANG" in wrong.examples["wrong reply"]

    @pytest.mark.parametrize("size_bytes", [1, 7, 262144, 300_000])
    def test_any_reply_will_do(self, size_bytes: int) -> None:
        with answering(lambda request: b"x" * size_bytes) as peer:
            records = drive(peer.address, request=b"?", expect="any", requests=6)
        assert records.errors == {} and len(records) == 6

    def test_no_reply_is_none_of_any(self) -> None:
        def close(connection: Any, number: int) -> None:
            connection.recv(1)

        with Peer(close) as peer:
            records = drive(peer.address, expect="any", size_bytes=1)
        assert (len(records), records.errors) == (0, {"closed": 2})

    def test_a_request_of_your_own_comes_back_in_upper_case(self) -> None:
        with answering(bytes.upper) as peer:
            assert len(drive(peer.address, request=b"hello\n")) == 20

    def test_in_python_the_options_are_the_same(self) -> None:
        with answering(bytes) as peer:
            assert len(api.load(peer.address, expect="echo", requests=20)) == 20


class TestAnotherServer:
    @pytest.mark.parametrize(
        ("reply", "work", "option"),
        [
            (bytes, {}, "--expect echo"),
            (lambda request: request[:10], {}, "--expect echo"),
            (bytes.upper, {"expect": "echo"}, "--expect upper"),
            (bytes.upper, {"http": "/"}, "--expect upper"),
            (lambda request: b"-ERR unknown command\r\n", {}, "--expect any"),
            (lambda request: b"SSH-2.0-OpenSSH_9.2\r\n", {"expect": "echo"}, "--expect any"),
            (lambda request: b"HTTP/1.1 400 Bad Request\r\n\r\n", {}, "--http"),
            (lambda request: b"HTTP/1.0 400 Bad Request\r\n\r\n", {"expect": "echo"}, "--http"),
        ],
    )
    def test_its_wrong_first_reply_names_the_option_that_fits(
        self, reply: Callable[[bytes], bytes], work: dict[str, Any], option: str
    ) -> None:
        with answering(reply) as peer:
            records = drive(peer.address, **work)
        assert (len(records), records.errors) == (0, {"wrong reply": 2})
        assert f"one for `{option}`" in " ".join(map(str, records.doubts()))

    def test_of_tls_is_told(self) -> None:
        with answering(lambda request: b"\x15\x03\x01\x00\x02\x02\x16") as peer:
            assert "encrypted" in [doubt.kind for doubt in drive(peer.address).doubts()]

    def test_that_is_silent_may_wait_for_a_line_or_for_http(self) -> None:
        with Peer(silent) as peer:
            says = " ".join(map(str, drive(peer.address).doubts()))
        assert "--send" in says and "--http" in says

    def test_a_mistake_in_mid_run_is_a_mistake_and_no_other_protocol(self) -> None:
        with Peer(replying(lambda request, number, turn: request if turn == 3 else request.upper())) as peer:
            records = drive(peer.address)
        assert (records.errors, list(records.manners())) == ({"wrong reply": 2}, [])


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: x\r\n\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK
UNTIL_CLOSED = b"HTTP/1.0 200 OK\r\n\r\nhello"


class TestResponse:
    @pytest.mark.parametrize("text", [OK, CHUNKED, EARLY])
    @pytest.mark.parametrize("piece", [1, 2, 3, 1000])
    def test_is_whole_at_its_last_byte_however_it_comes(self, text: bytes, piece: int) -> None:
        response = Response(bodiless=False, body=b"hello")
        for at in range(0, len(text), piece):
            assert response.missing > 0
            response.feed(text[at : at + piece])
        assert (response.missing, response.head and response.head.status) == (0, 200)
        assert response.end("here") == b"a whole reply"

    @pytest.mark.parametrize(
        ("text", "bodiless"),
        [
            (b"HTTP/1.1 204 No Content\r\n\r\n", False),
            (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", False),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", True),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", True),
            (b"HTTP/1.1 200\r\nContent-Length:0\r\n\r\n", False),
        ],
    )
    def test_can_have_no_body(self, text: bytes, bodiless: bool) -> None:
        response = Response(bodiless, None)
        response.feed(text)
        assert response.missing == 0

    @pytest.mark.parametrize(
        "text",
        [
            b"SSH-2.0",
            b"HTTP/2 200 OK\r\n\r\n",
            b"HTTP/1.1 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
        ],
    )
    def test_what_is_none_is_refused(self, text: bytes) -> None:
        with pytest.raises(WrongReply):
            Response(bodiless=False, body=None).feed(text)

    @pytest.mark.parametrize("text", [OK + b"!", CHUNKED + b"!", OK.replace(b"hello", b"jello")])
    def test_what_is_too_much_or_not_the_body_is_a_wrong_reply(self, text: bytes) -> None:
        response = Response(bodiless=False, body=b"hello")
        response.feed(text)
        with pytest.raises(WrongReply):
            response.end("here")


class TestHttp:
    @pytest.mark.parametrize("response", [OK, CHUNKED, EARLY])
    def test_connections_are_kept_and_each_status_is_counted(self, response: bytes) -> None:
        with responding(response) as peer:
            records = drive(peer.address, http="/", expect=b"hello")
            assert len(peer.connections) == 2
        assert (len(records), records.errors, records.statuses, records.reopened) == (20, {}, {"200": 20}, 0)
        assert records.summary()["statuses"] == {"200": 20}

    def test_statuses_of_many_machines_add_up(self) -> None:
        with responding(OK) as peer:
            right = Measured.of(drive(peer.address, http="/"))
        with responding(OK.replace(b"200", b"500")) as peer:
            wrong = Measured.of(drive(peer.address, http="/"))
        merged = Merged({}, {"a": right, "b": wrong}, {}, 0.0)
        assert merged.summary()["statuses"] == {"200": 20, "500": 20}
        assert (len(merged), merged.succeeded) == (40, 20)

    def test_a_status_of_failure_is_a_doubt_and_no_success(self) -> None:
        with responding(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as peer:
            records = drive(peer.address, http="/nothing")
        assert (len(records), records.succeeded, records.errors) == (20, 0, {})
        assert "20 responses had status 404: connection " in str(next(records.manners()))

    @pytest.mark.parametrize("response", [UNTIL_CLOSED, OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")])
    @pytest.mark.parametrize("rate_per_s", [None, 2000])
    def test_a_connection_that_the_server_closes_is_opened_anew(
        self, response: bytes, rate_per_s: float | None
    ) -> None:
        with responding(response, closes=True) as peer:
            records = drive(peer.address, http="/", expect=b"hello", rate_per_s=rate_per_s)
            assert len(peer.connections) == 20
        assert (len(records), records.errors, records.reopened) == (20, {}, 18)
        assert "closed 18 connections behind a reply" in str(next(records.manners()))

    def test_a_response_that_breaks_off_is_an_error(self) -> None:
        with responding(OK[:-1], closes=True) as peer:
            records = drive(peer.address, http="/")
        assert (len(records), records.errors) == (0, {"closed": 2})

    def test_a_head_is_asked_for_alone(self) -> None:
        with responding(OK[:-5]) as peer:
            request = requests_of_http.compose(peer.address, "/", "HEAD")
            assert drive(peer.address, http="/", request=request).statuses == {"200": 20}

    @pytest.mark.parametrize("protocol", ["HTTP/1.0", "HTTP/1.1"])
    def test_the_server_of_the_standard_library_counts_the_same(self, protocol: str) -> None:
        with standard_server(protocol) as (address, asked):
            records = drive(address, http="/page?x=1", requests=50, patience_s=5)
        assert (len(records), records.errors, records.statuses) == (50, {}, {"200": 50})
        assert asked == ["GET /page?x=1"] * 50
        assert records.reopened == (48 if protocol == "HTTP/1.0" else 0)


@contextmanager
def standard_server(protocol: str) -> Iterator[tuple[Address, list[str]]]:
    """Yield the address of a server of the standard library, and the list of what it was asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = protocol

        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield ("127.0.0.1", server.server_address[1]), asked
        server.shutdown()
        thread.join()


class TestCompose:
    def test_names_the_host_and_the_length_of_the_body(self) -> None:
        request = requests_of_http.compose(("::1", 80), "/", "POST", ["Accept: */*"], b"x=1")
        lines = b"POST / HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 3\r\nAccept: */*\r\n\r\nx=1"
        assert request == lines

    def test_a_header_of_your_own_stands_in_the_place_of_ours(self) -> None:
        request = requests_of_http.compose(("127.0.0.1", 80), "/", headers=["host: example.org"])
        assert request == b"GET / HTTP/1.1\r\nhost: example.org\r\n\r\n"

    @pytest.mark.parametrize("header", ["Accept", ": x", "Accept: x\r\nEvil: y", ""])
    def test_what_is_no_header_is_refused(self, header: str) -> None:
        with pytest.raises(UsageError):
            requests_of_http.compose(("127.0.0.1", 80), "/", headers=[header])


class TestLocalhost:
    def test_an_address_where_nobody_listens_is_not_the_last(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from iolab.traffic import process

        with answering(bytes.upper) as peer:
            both = [(10, ("::1", peer.address[1], 0, 0)), (2, peer.address)]
            monkeypatch.setattr(process, "addresses_of", lambda host, port: both)
            assert len(drive(("localhost", peer.address[1]))) == 20
