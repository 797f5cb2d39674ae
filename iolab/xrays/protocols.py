"""What a load says to a server, and when a reply is whole."""

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Protocol:
    """A request, and a function that says of the bytes so far whether the reply is whole."""

    name: str
    request: bytes
    is_whole: Callable[[bytes], bool]
    expect: bytes | None = None
    """What the reply must be, if anything."""


def is_http_reply(reply: bytes) -> bool:
    """Whether an HTTP reply is whole; one without a length ends with the connection (RFC 9112, 6.3)."""
    head, end, body = reply.partition(b"\r\n\r\n")
    if not end:
        return False
    if re.search(rb"(?mi)^transfer-encoding:\s*chunked", head):
        return body.endswith(b"0\r\n\r\n")
    length = re.search(rb"(?mi)^content-length:\s*(\d+)", head)
    return bool(length) and len(body) >= int(length[1]) if length else head.split(b" ")[1:2] in ([b"204"], [b"304"])


def exactly(request: bytes, reply: bytes, name: str = "file") -> Protocol:
    """Return the protocol of one request with one reply."""
    return Protocol(name, request, lambda bytes_: len(bytes_) >= len(reply), reply)


def _line(bytes_: bytes) -> bool:
    return bytes_.endswith(b"\r\n")


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        exactly(b"hello from outside", b"HELLO FROM OUTSIDE", "echo"),
        Protocol("http", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", is_http_reply),
        Protocol("redis", b"PING\r\n", _line, b"+PONG\r\n"),
        Protocol("memcached", b"version\r\n", _line),
    )
}
