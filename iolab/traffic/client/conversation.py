"""One connection's conversation: ask, wait for the reply, compare it, write it down."""

import select
import socket
import time
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from .requests import WrongReply, mismatch
from .schedule import due_times, shares

if TYPE_CHECKING:
    from .loop import Load

CHUNK_BYTES = 262144
PIECE_BYTES = 16384
"""A reply that is no longer than this comes in one piece over loopback, whose packets carry 64 KiB."""

WAIT = 0
clock = time.perf_counter_ns  # CLOCK_MONOTONIC on Linux: one clock for all processes

Conversation = Iterator[int]
"""Resumed when its socket is ready (it yielded WAIT) or when it is due (it yielded when, in ns)."""


def converse(load: "Load", index: int, connection: socket.socket) -> Conversation:
    """Hold the conversation of one connection; one request at a time.

    A reply counts as there when the wait told of it: what the client then does for others is not in its time.
    """
    work, pairs, send, recv = load.work, load.pairs, connection.send, connection.recv
    log = [column.append for column in (load.connection, load.due, load.sent, load.answered)]
    log_connection, log_due, log_sent, log_answered = log
    open_loop = work["rate_per_s"] is not None
    scheduled = open_loop or work["think_s"] or work["ramp_s"]
    due = due_times(work, index, load.start_ns)
    for turn in shares(work, index):
        request, expected, length = pairs[(index * 7 + turn) % len(pairs)]
        due_ns = now_ns = asked_ns = clock()
        if scheduled:
            due_ns, now_ns = min(next(due), load.stop_ns), clock()
            if due_ns > now_ns:
                yield due_ns
                now_ns = load.moved_ns = clock()
                if now_ns < due_ns:
                    raise WrongReply(f"connection {index}: bytes came, or its end, before request {turn} was sent")
            asked_ns = due_ns if open_loop else now_ns
            if open_loop and due_ns < load.stop_ns and now_ns >= load.drop_ns:
                load.count("not sent", "these were due while the server was too slow for the rate")
                continue
        if asked_ns >= load.stop_ns:
            return
        # One byte of room more than the reply needs shows what nobody asked for.
        room, reply = min(CHUNK_BYTES, length + 1), b""
        sent_ns = clock() if scheduled else now_ns
        sent = send(request)
        if sent == len(request):
            yield WAIT
            reply = recv(room)
        if len(reply) < length and (reply or sent < len(request)):
            reply = yield from exchange(load, connection, memoryview(request)[sent:], reply, length)
        answered_ns = load.woke_ns if length <= PIECE_BYTES else clock()  # of a long one, a part may have come since
        if reply != expected and (expected is not None or len(reply) != length):
            raise mismatch(f"connection {index}, request {turn}", reply, expected, length)
        log_connection(index)
        log_due(due_ns)
        log_sent(sent_ns)
        log_answered(answered_ns)


def exchange(
    load: "Load", connection: socket.socket, unsent: memoryview, reply: bytes, length: int
) -> Generator[int, None, bytes]:
    """Send the rest of a long request and gather a long reply, whichever can go on."""
    chunks, missing = [reply], length - len(reply)
    while unsent or missing > 0:
        load.interest.modify(connection, select.POLLIN | (select.POLLOUT if unsent else 0))
        yield WAIT
        if unsent:
            unsent = unsent[send_some(load, connection, unsent) :]
        # Receive though nothing could be sent: the server may wait for room for its reply.
        try:
            chunk = connection.recv(min(CHUNK_BYTES, max(0, missing) + 1))
        except BlockingIOError:
            continue
        load.moved_ns = clock()
        if not chunk:
            break
        chunks.append(chunk)
        missing -= len(chunk)
    load.interest.modify(connection, select.POLLIN)
    return b"".join(chunks)


def send_some(load: "Load", connection: socket.socket, unsent: memoryview) -> int:
    """Send what there is room for."""
    try:
        sent = connection.send(unsent)
    except BlockingIOError:
        return 0
    load.moved_ns = clock()
    return sent
