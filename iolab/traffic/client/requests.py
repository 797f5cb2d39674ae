"""The requests, the replies that must come back, and what is wrong with one that does not match."""

import random
from typing import Any

POOL_BYTES = 1 << 23

Pair = tuple[bytes, bytes | None, int]
"""A request, its reply (None: any), and the length of the reply."""


class WrongReply(Exception):
    """The server sent something other than the reply to the request."""


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
        return [(bytes.fromhex(work["request"]), None, work["reply_bytes"])]
    size_bytes, draw = work["size_bytes"], random.Random(work["seed"])
    letters = bytes.maketrans(bytes(range(256)), bytes(97 + n % 26 for n in range(256)))
    requests = [
        letters[n : n + 1] + draw.randbytes(size_bytes - 1).translate(letters)
        for n in range(max(2, min(61, POOL_BYTES // size_bytes)))
    ]
    return [(request, request.upper(), size_bytes) for request in requests]


def mismatch(where: str, reply: bytes, expected: bytes | None, length: int) -> Exception:
    """Return an error that names the first byte that is wrong, missing or too many."""
    if len(reply) < length:
        return ConnectionAbortedError(
            f"{where}: the server closed the connection after {len(reply)} of the {length} bytes of its reply"
        )
    if expected is None or len(reply) > length:
        return WrongReply(f"{where}: expected {length} bytes, received {len(reply)}")
    at, block = 0, 4096
    while reply[at : at + block] == expected[at : at + block]:
        at += block
    at = next(n for n in range(at, length) if reply[n] != expected[n])
    return WrongReply(f"{where}: byte {at} should be {expected[at : at + 8]!r}..., but is {reply[at : at + 8]!r}...")
