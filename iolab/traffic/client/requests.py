"""The requests, the replies that must come back, and what is wrong with one that does not match."""

import random
from typing import Any

POOL_BYTES = 1 << 23

FREE = 1 << 62
"""The length of a reply that only the reply itself tells."""

WHOLE, LAST = b"a whole reply", b"the last reply"
"""What stands for a reply that was checked while it came in; after LAST the server closes the connection."""

Pair = tuple[bytes, bytes | None, int]
"""A request, its reply (None: any of that length), and the length of the reply."""


class WrongReply(Exception):
    """The server sent something other than the reply to the request; `fits` is what it would be a right reply to."""

    fits = ""


KINDS: dict[type, str] = {
    WrongReply: "wrong reply",
    TimeoutError: "no reply",
    ConnectionAbortedError: "closed",
    ConnectionResetError: "reset",
    BrokenPipeError: "reset",
}
"""How a connection may end, in the words of the records."""


def request_pairs(work: dict[str, Any]) -> list[Pair]:
    """Return the requests to choose from, each with its reply.

    Requests that are close in time, or on different connections, differ: so a reply that comes twice,
    not at all, or on the wrong connection is noticed.
    """
    if work["request"] is not None:
        return [_pair(work, bytes.fromhex(work["request"]))]
    size_bytes, draw = work["size_bytes"], random.Random(work["seed"])
    letters = bytes.maketrans(bytes(range(256)), bytes(97 + n % 26 for n in range(256)))
    requests = [
        letters[n : n + 1] + draw.randbytes(size_bytes - 1).translate(letters)
        for n in range(max(2, min(61, POOL_BYTES // size_bytes)))
    ]
    return [_pair(work, request) for request in requests]


def _pair(work: dict[str, Any], request: bytes) -> Pair:
    expect = work["expect"]
    if work["reply_bytes"] is not None:
        return request, None, work["reply_bytes"]
    if expect == "any" or work["http"] is not None:
        return request, WHOLE, FREE
    reply = expected_bytes(work) or (request if expect == "echo" else request.upper())
    return request, reply, len(reply)


def expected_bytes(work: dict[str, Any]) -> bytes | None:
    """Return the bytes that every reply, or its body, must be, if the work names them."""
    expect = work["expect"]
    return bytes.fromhex(expect["hex"]) if isinstance(expect, dict) else None


def mismatch(where: str, reply: bytes, expected: bytes | None, length: int) -> Exception:
    """Return an error that names the first byte that is wrong, missing or too many."""
    at = None if expected is None else _first_difference(reply, expected)
    if at is not None and expected is not None and len(reply) <= length:
        return WrongReply(
            f"{where}: byte {at} should be {expected[at : at + 8]!r}..., but is {reply[at : at + 8]!r}..."
        )
    if len(reply) < length:
        return ConnectionAbortedError(f"{where}: the server closed the connection after {_share(reply, length)}")
    return WrongReply(f"{where}: expected {length} bytes, received {len(reply)}")


def _share(reply: bytes, length: int) -> str:
    return f"{len(reply)} bytes" if length == FREE else f"{len(reply)} of the {length} bytes of its reply"


def _first_difference(reply: bytes, expected: bytes) -> int | None:
    """Return the first place where both have a byte, and another one."""
    at, block, both = 0, 4096, min(len(reply), len(expected))
    while at < both and reply[at : at + block] == expected[at : at + block]:
        at += block
    return next((n for n in range(at, min(at + block, both)) if reply[n] != expected[n]), None)


def fitting(request: bytes, reply: bytes) -> str:
    """Return what a server is by its first reply: `http`, `tls`, `echo`, `upper`, or `any` other."""
    if reply.startswith(b"HTTP/1."):
        return "http"
    if reply[:2] in (b"\x15\x03", b"\x16\x03"):  # an alert, or a handshake (RFC 8446)
        return "tls"
    seen, asked = reply[: len(request)], request[: len(reply)]
    return "echo" if seen == asked else "upper" if seen == asked.upper() else "any"
