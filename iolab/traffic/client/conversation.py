"""One connection's conversation: ask, wait for the reply, compare it, write it down."""

import os
import select
import socket
from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple

from .journal import NO_STAMP, STAMP_BYTES, Journal, clock
from .replies import Anything, Counted, Reading, Response
from .requests import FREE, LAST, WHOLE, Pair, WrongReply, expected_bytes, fitting, mismatch
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
    due, is_closed = due_times(work, index, journal.start_ns), False
    for turn in turns(work, index):
        if is_closed:
            is_closed = yield from reopen(journal, waiter, connection)
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
            finish = take if length == FREE else complete
            pair, where = (request, expected, length), f"connection {index}, request {turn}"
            reply = yield from finish(Asking(journal, waiter, connection, receive), unsent, reply, pair, where)
        # Of a long one, part may have come since the wait.
        answered_ns = clock() if stamped or length > PIECE_BYTES else journal.woke_ns
        if reply != expected and (expected is not None or len(reply) != length):
            if reply is not LAST:
                raise wrong(request, mismatch(f"connection {index}, request {turn}", reply, expected, length), reply)
            is_closed = True
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


class Asking(NamedTuple):
    """A connection on which a request is under way."""

    journal: Journal
    waiter: Waiter
    connection: socket.socket
    receive: Receive


def complete(asking: Asking, unsent: memoryview, reply: bytes, pair: Pair, where: str) -> Generator[int, None, bytes]:
    """Send the rest of a long request and receive the rest of a reply of known length."""
    request, expected, length = pair
    if expected is not None and not expected.startswith(reply):  # do not wait for more of what is wrong
        raise wrong(request, mismatch(where, reply, expected, length), reply)
    reading = Counted(reply, length)
    yield from exchange(asking, unsent, reading)
    return b"".join(reading.chunks)


def take(asking: Asking, unsent: memoryview, reply: bytes, pair: Pair, where: str) -> Generator[int, None, bytes]:
    """Receive the rest of a reply that tells itself when it is whole, and note its status."""
    journal, request = asking.journal, pair[0]
    if journal.work["http"] is None:
        yield from exchange(asking, unsent, drained := Anything(reply))
        if drained.missing:
            raise ConnectionAbortedError(f"{where}: the server closed the connection without a reply")
        drain(asking, reply)
        return WHOLE
    response = Response(request.startswith(b"HEAD "), expected_bytes(journal.work))
    try:
        response.feed(reply)
        yield from exchange(asking, unsent, response)
        whole = response.end(where)
    except WrongReply as error:
        raise wrong(request, error, reply) from None
    assert response.head
    journal.log_status(response.head.status, f"{where}: {response.head.says}")
    return whole


def drain(asking: Asking, reply: bytes) -> None:
    """Take all that is there, where the first receive was filled to the brim."""
    try:
        while len(reply) == RECEIVE_BYTES:
            reply = asking.receive(RECEIVE_BYTES)
    except BlockingIOError:
        pass


def wrong(request: bytes, error: Exception, reply: bytes) -> Exception:
    """Return the error of a wrong reply, with what the reply would fit."""
    if isinstance(error, WrongReply):
        error.fits = fitting(request, reply)
    return error


def exchange(asking: Asking, unsent: memoryview, reading: Reading) -> Generator[int, None, None]:
    """Send what is unsent and receive until the reply is whole, whichever can go on."""
    journal, waiter, connection, receive = asking
    if not unsent and reading.missing <= 0:
        return
    while unsent or reading.missing > 0:
        waiter.modify(connection, select.POLLIN | (select.POLLOUT if unsent else 0))
        yield WAIT
        if unsent:
            unsent = unsent[send_some(journal, connection, unsent) :]
        # Receive even if nothing could be sent: the server may be waiting for room for its reply.
        try:
            chunk = receive(min(RECEIVE_BYTES, max(0, reading.missing) + 1))
        except BlockingIOError:
            continue
        journal.moved_ns = clock()
        if not chunk:
            break
        reading.feed(chunk)
    waiter.modify(connection, select.POLLIN)


def reopen(journal: Journal, waiter: Waiter, connection: socket.socket) -> Generator[int, None, bool]:
    """Connect again where the server has closed the connection behind its reply; return that it is open."""
    if clock() >= journal.stop_ns:
        return False
    with prepare(socket.socket(connection.family, connection.type)) as fresh:
        waiter.unregister(connection)
        os.dup2(fresh.fileno(), connection.fileno(), inheritable=False)  # the loop knows it by its number
    if journal.stamped:
        connection.setsockopt(*journal.work["stamps"])
    connection.connect_ex(journal.address)
    waiter.register(connection, select.POLLOUT)
    yield WAIT
    if code := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(code, f"connecting again failed: {os.strerror(code)}")
    waiter.modify(connection, select.POLLIN)
    journal.reopened += 1
    journal.moved_ns = clock()
    return False


def prepare(connection: socket.socket) -> socket.socket:
    """Make a connection one that does not wait, and sends at once (`tcp(7)`, TCP_NODELAY)."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setblocking(False)
    return connection


def send_some(journal: Journal, connection: socket.socket, unsent: memoryview) -> int:
    """Send what there is room for, and return how much that was."""
    try:
        sent = connection.send(unsent)
    except BlockingIOError:
        return 0
    journal.moved_ns = clock()
    return sent
