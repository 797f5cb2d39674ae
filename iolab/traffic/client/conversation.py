"""One connection's conversation: ask, wait for the reply, compare it, write it down."""

import select
import socket
from collections.abc import Callable, Generator, Iterator

from .journal import NO_STAMP, STAMP_BYTES, Journal, clock
from .requests import Pair, WrongReply, mismatch
from .schedule import due_times, turns
from .waiting import Waiter

RECEIVE_BYTES = 262144
PIECE_BYTES = 16384
"""A reply that is no longer than this comes in one piece over loopback, whose packets carry 64 KiB."""

WAIT = 0

Receive = Callable[[int], bytes]
Conversation = Iterator[int]
"""Resumed when its socket is ready (it yielded WAIT) or when it is due (it yielded when, in ns)."""


def converse(
    journal: Journal, pairs: list[Pair], waiter: Waiter, index: int, connection: socket.socket
) -> Conversation:
    """Hold the conversation of one connection: one request at a time.

    Where the kernel stamps replies, it tells when one came in, and the client's clock when it was in hand. Else a
    reply counts as received when the wait reported it: what the client then does for others is not in its time.
    """
    work, send, receive, stamped = journal.work, connection.send, receiver(journal, connection), journal.stamped
    log_connection, log_due = journal.connection.append, journal.due.append
    log_sent, log_answered, log_stamp = journal.sent.append, journal.answered.append, journal.stamps.extend
    open_loop = work["rate_per_s"] is not None
    scheduled = open_loop or work["think_s"] or work["ramp_s"]
    due = due_times(work, index, journal.start_ns)
    for turn in turns(work, index):
        request, expected, length = pairs[(index * 7 + turn) % len(pairs)]
        due_ns = now_ns = asked_ns = clock()
        if scheduled:
            due_ns, now_ns = min(next(due), journal.stop_ns), clock()
            if due_ns > now_ns:
                yield due_ns
                now_ns = journal.moved_ns = clock()
                if now_ns < due_ns:
                    raise WrongReply(f"connection {index}: bytes, or the end of file, came before request {turn}")
            asked_ns = due_ns if open_loop else now_ns
            if open_loop and due_ns < journal.stop_ns and now_ns >= journal.drop_ns:
                journal.count("not sent", "they were due while the server could not keep up with the rate")
                continue
        if asked_ns >= journal.stop_ns:
            return
        # Room for one byte more than the reply: it shows what nobody asked for.
        room, reply = min(RECEIVE_BYTES, length + 1), b""
        sent_ns = clock() if scheduled else now_ns
        sent = send(request)
        if sent == len(request):
            yield WAIT
            reply = receive(room)
        if len(reply) < length and (reply or sent < len(request)):
            unsent = memoryview(request)[sent:]
            reply = yield from exchange(journal, waiter, connection, receive, unsent, reply, length)
        # Of a long one, part may have come since the wait.
        answered_ns = clock() if stamped or length > PIECE_BYTES else journal.woke_ns
        if reply != expected and (expected is not None or len(reply) != length):
            raise mismatch(f"connection {index}, request {turn}", reply, expected, length)
        log_connection(index)
        log_due(due_ns)
        log_sent(sent_ns)
        log_answered(answered_ns)
        log_stamp(journal.stamp)


def receiver(journal: Journal, connection: socket.socket) -> Receive:
    """Return a `recv` that leaves the stamp of what it received in the journal, where there are stamps."""
    if not journal.stamped:
        return connection.recv
    recvmsg, room_bytes = connection.recvmsg, journal.stamp_room_bytes

    def receive(size_bytes: int) -> bytes:
        data, stamps, _, _ = recvmsg(size_bytes, room_bytes)
        journal.stamp = stamps[0][2][:STAMP_BYTES] if stamps else NO_STAMP
        return data

    return receive


def exchange(
    journal: Journal,
    waiter: Waiter,
    connection: socket.socket,
    receive: Receive,
    unsent: memoryview,
    reply: bytes,
    length: int,
) -> Generator[int, None, bytes]:
    """Send the rest of a long request and receive a long reply, whichever can go on."""
    chunks, missing = [reply], length - len(reply)
    while unsent or missing > 0:
        waiter.modify(connection, select.POLLIN | (select.POLLOUT if unsent else 0))
        yield WAIT
        if unsent:
            unsent = unsent[send_some(journal, connection, unsent) :]
        # Receive even if nothing could be sent: the server may be waiting for room for its reply.
        try:
            chunk = receive(min(RECEIVE_BYTES, max(0, missing) + 1))
        except BlockingIOError:
            continue
        journal.moved_ns = clock()
        if not chunk:
            break
        chunks.append(chunk)
        missing -= len(chunk)
    waiter.modify(connection, select.POLLIN)
    return b"".join(chunks)


def send_some(journal: Journal, connection: socket.socket, unsent: memoryview) -> int:
    """Send what there is room for, and return how much that was."""
    try:
        sent = connection.send(unsent)
    except BlockingIOError:
        return 0
    journal.moved_ns = clock()
    return sent
