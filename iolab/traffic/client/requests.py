"""What is asked, and what must come back."""

import random
from typing import Any

POOL_BYTES = 1 << 23

Pair = tuple[bytes, bytes | None, int]
"""A request, its reply (None: any), and the length of the reply."""


class WrongReply(Exception):
    """The server sent something else than the request should have brought."""


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

    Neighbours in time and on other connections differ, so that a reply that comes twice,
    not at all, or on the wrong connection is seen.
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
    """Name the first byte that is wrong, missing or too many."""
    if len(reply) < length:
        return ConnectionAbortedError(
            f"{where}: the server closed the connection after {len(reply)} of the {length} bytes of its reply"
        )
    if expected is None or len(reply) > length:
        return WrongReply(f"{where}: expected {length} bytes, {len(reply)} came")
    at, block = 0, 4096
    while reply[at : at + block] == expected[at : at + block]:
        at += block
    at = next(n for n in range(at, length) if reply[n] != expected[n])
    return WrongReply(f"{where}: byte {at} should be {expected[at : at + 8]!r}..., and is {reply[at : at + 8]!r}...")
