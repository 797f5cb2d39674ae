"""What goes over the wire: bytes as they are, or the body of an HTTP request and of its reply."""

from collections.abc import Generator
from typing import Protocol

from iolab.models import Wrap

Decoder = Generator[bytes, bytes, None]
"""Is sent what came over the wire, and yields the bytes of replies in it."""


class Wire(Protocol):
    """How a request is put on the wire, and a reply taken off it."""

    @property
    def framed(self) -> Wrap: ...

    def decoder(self) -> Decoder: ...


class Raw:
    """Requests and replies are bytes; TCP keeps their order and not their borders."""

    def framed(self, request: bytes) -> bytes:
        return request

    def decoder(self) -> Decoder:
        came = b""
        while True:
            came = yield came


class Http:
    """A request is wrapped as the model says; every reply is the body of a 200, and its length is known."""

    def __init__(self, wrap: Wrap) -> None:
        self.framed = wrap

    def decoder(self) -> Decoder:
        came, missing = b"", 0
        while True:
            bodies = []
            while came:
                if not missing:
                    head, end, rest = came.partition(b"\r\n\r\n")
                    if not end:
                        break
                    missing, came = content_length(head), rest
                bodies.append(came[:missing])
                came, missing = came[missing:], missing - len(bodies[-1])
            came += yield b"".join(bodies)


def content_length(head: bytes) -> int:
    """Return the length of a body, from a head that must be that of a success."""
    status, *fields = head.split(b"\r\n")
    assert status == b"HTTP/1.1 200 OK", status
    named = {name.lower(): value for name, _, value in (field.partition(b":") for field in fields)}
    return int(named[b"content-length"])
