"""The load client: a process of its own, so that no lock of the server's process slows it.

It runs as a script, imports nothing of iolab, and starts in 20 ms. It is told its work as
one line of JSON on standard input, connects, says `ready`, and begins on the line `go`.
It answers in lines of JSON; the last one names arrays, and their bytes follow it.
The end of its standard input makes it stop early and hand back what it has.
"""

import ctypes
import gc
import json
import os
import random
import resource
import select
import signal
import socket
import sys
import time
from array import array
from collections import Counter
from collections.abc import Generator, Iterator
from heapq import heappop, heappush
from itertools import chain, count
from typing import Any

CONTROL = 0
ALARM = os.pipe()
CHUNK_BYTES = 262144
POOL_BYTES = 1 << 23
TICK_S = 0.05
WAIT = 0
clock = time.perf_counter_ns  # CLOCK_MONOTONIC on Linux: one clock for all processes

Conversation = Iterator[int]
"""Resumed when its socket is ready (it yielded WAIT) or when it is due (it yielded when, in ns)."""


class WrongReply(Exception):
    """The server sent something else than the request should have brought."""


KINDS: dict[type, str] = {
    WrongReply: "wrong reply",
    TimeoutError: "no reply",
    ConnectionAbortedError: "closed",
    ConnectionResetError: "reset",
    BrokenPipeError: "reset",
}


class Poll:
    """`select.poll` with the face of `select.epoll`, for systems that have no epoll."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self.register, self.modify = self._poll.register, self._poll.modify

    def poll(self, timeout_s: float | None = None) -> list[tuple[int, int]]:
        return self._poll.poll(None if timeout_s is None else timeout_s * 1e3)


class Timer:
    """A descriptor that becomes readable at a given time (`timerfd_create(2)`), without the slack of a timeout."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = libc.timerfd_create(1, os.O_CLOEXEC | os.O_NONBLOCK)  # CLOCK_MONOTONIC
        self.at_ns, self.spec, self.settime = 0, (ctypes.c_long * 4)(), libc.timerfd_settime

    def set(self, at_ns: int) -> None:
        if at_ns != self.at_ns:
            self.at_ns = at_ns
            self.spec[2], self.spec[3] = divmod(at_ns, 1_000_000_000)  # struct itimerspec: no interval, and when
            self.settime(self.descriptor, 1, self.spec, None)  # TFD_TIMER_ABSTIME


class Load:
    """The connections, their conversations, and the loop that resumes whichever can go on."""

    def __init__(self, work: dict[str, Any]) -> None:
        self.work = work
        self.pairs = request_pairs(work)
        self.patience_ns = int(work["patience_s"] * 1e9)
        self.connection, self.due, self.sent, self.answered = array("i"), array("q"), array("q"), array("q")
        self.errors: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.stopped = False
        self.interest: Any = select.epoll() if hasattr(select, "epoll") else Poll()
        self.idle: list[socket.socket] = []
        self.sockets: dict[int, socket.socket] = {}
        self.conversations: dict[int, Conversation] = {}
        self.timers: list[tuple[int, int]] = []
        self.timer: Timer
        self.cpu_ns = self.start_ns = self.moved_ns = self.stop_ns = self.drop_ns = self.end_ns = self.seen = 0

    def connect(self) -> None:
        """Open every connection, idle ones first, one after the other."""
        opened: list[socket.socket] = []
        wanted = self.work["idle"] + self.work["connections"]
        try:
            for _ in range(wanted):
                opened.append(open_connection(self.work["address"], self.work["patience_s"]))
        except OSError as error:
            host, port = self.work["address"]
            raise ConnectionError(
                f"connection {len(opened) + 1} of {wanted} to {host}:{port} failed: {error}"
            ) from None
        self.idle = opened[: self.work["idle"]]
        for index, connection in enumerate(opened[self.work["idle"] :]):
            self.sockets[connection.fileno()] = connection
            self.conversations[connection.fileno()] = self.converse(index, connection)

    def run(self) -> None:
        """Hold all conversations until they end, or until nothing moves for patience_s."""
        self.begin()
        conversations, poll, timers = self.conversations, self.interest.poll, self.timers
        while self.sockets:
            for descriptor, _ in chain(self.wait_until(timers[0][0]), self.due_now()) if timers else poll():
                try:
                    due_ns = next(conversations[descriptor])
                    if due_ns:
                        heappush(timers, (due_ns, descriptor))
                except KeyError:  # its timer is due, or it is ready, but it has ended
                    pass
                except (StopIteration, OSError, WrongReply) as end:
                    self.ended(descriptor, end)
        self.end_ns = clock()
        self.cpu_ns = time.process_time_ns() - self.cpu_ns

    def begin(self) -> None:
        self.cpu_ns = time.process_time_ns()
        self.start_ns = self.moved_ns = clock()
        self.stop_ns = self.drop_ns = sys.maxsize
        if self.work["seconds"] is not None:
            self.stop_ns = self.start_ns + int((self.work["warm_up_s"] + self.work["seconds"]) * 1e9)
            self.drop_ns = self.stop_ns + self.patience_ns
        for descriptor in self.sockets:
            self.interest.register(descriptor, select.POLLIN)
        self.attend(CONTROL, self.obey())
        self.attend(start_alarm(), self.watch())
        self.timers += [(self.start_ns, descriptor) for descriptor in self.conversations]
        if not isinstance(self.interest, Poll):
            self.timer = Timer()
            # Edge-triggered: a timer that has fired need not be read (timerfd_create(2), epoll(7)).
            self.interest.register(self.timer.descriptor, select.EPOLLIN | select.EPOLLET)
            self.conversations[self.timer.descriptor] = iter(lambda: WAIT, None)

    def wait_until(self, due_ns: int) -> list[tuple[int, int]]:
        # The timeouts of epoll_wait are milliseconds, and a timeout costs at every wait: so a timer is in the interest.
        if isinstance(self.interest, Poll):
            return self.interest.poll(max(0, due_ns - clock()) / 1e9)
        self.timer.set(due_ns)
        return self.interest.poll()  # type: ignore[no-any-return]

    def due_now(self) -> Iterator[tuple[int, int]]:
        """Yield what is due by now, in the form of what is ready."""
        while self.timers and self.timers[0][0] <= clock():
            yield heappop(self.timers)[1], 0

    def attend(self, descriptor: int, conversation: Conversation) -> None:
        """Hold a conversation with something else than the server."""
        self.conversations[descriptor] = conversation
        self.interest.register(descriptor, select.POLLIN)

    def ended(self, descriptor: int, end: Exception) -> None:
        """Close a connection whose conversation is over, and count how it ended."""
        del self.conversations[descriptor]
        self.sockets.pop(descriptor).close()
        if not isinstance(end, StopIteration):
            self.count(KINDS.get(type(end), type(end).__name__), str(end))

    def count(self, kind: str, example: str) -> None:
        """Count something that went wrong, and keep the first of its kind in words."""
        self.errors[kind] += 1
        self.examples.setdefault(kind, example)

    def watch(self) -> Conversation:
        """Report progress at every alarm, and give up on replies that do not come."""
        while True:
            yield WAIT
            os.read(ALARM[0], 64)
            self.tick(clock())

    def tick(self, now_ns: int) -> None:
        if len(self.answered) != self.seen:
            self.seen, self.moved_ns = len(self.answered), now_ns
        say(tick={"done": self.done(now_ns), "requests": self.seen, "errors": sum(self.errors.values())})
        if now_ns - self.moved_ns > self.patience_ns and not self.timers:
            for descriptor in list(self.sockets):
                self.ended(descriptor, TimeoutError(f"no reply in {self.work['patience_s']:g} s"))

    def done(self, now_ns: int) -> float:
        if self.stop_ns < sys.maxsize:
            return min(1.0, (now_ns - self.start_ns) / (self.stop_ns - self.start_ns))
        return float(self.seen / self.work["requests"])

    def obey(self) -> Conversation:
        """Stop when the parent closes our standard input, or says anything more."""
        yield WAIT
        self.stopped = True
        self.sockets.clear()
        self.conversations.clear()  # some may be ready in this very round
        yield WAIT

    def due_times(self, index: int) -> Iterator[int]:
        """Yield when each request of one connection is due: now, after a pause, or on a schedule."""
        work, connections = self.work, self.work["connections"]
        after_ns = work["ramp_s"] * 1e9 * index / connections
        if work["rate_per_s"] is None:
            yield self.start_ns + int(after_ns)
            while True:
                yield clock() + int(work["think_s"] * 1e9)
        gap_ns = 1e9 * connections / work["rate_per_s"]
        after_ns += gap_ns * index / connections
        if work["spacing"] == "even":
            for turn in count():  # a sum of many gaps would drift
                yield self.start_ns + round(after_ns + turn * gap_ns)
        draw = random.Random(work["seed"] * 1_000_003 + index).expovariate
        while True:
            yield self.start_ns + int(after_ns)
            after_ns += draw(1 / gap_ns)

    def shares(self, index: int) -> Any:
        """Return the turns of one connection: its share of the requests, or turns without end."""
        if self.work["requests"] is None:
            return count()
        share, rest = divmod(self.work["requests"], self.work["connections"])
        return range(share + (index < rest))

    def converse(self, index: int, connection: socket.socket) -> Conversation:
        """Ask, wait for the reply, compare it, log it; one request at a time."""
        send, recv, pairs = connection.send, connection.recv, self.pairs
        log = [column.append for column in (self.connection, self.due, self.sent, self.answered)]
        log_connection, log_due, log_sent, log_answered = log
        open_loop = self.work["rate_per_s"] is not None
        scheduled = open_loop or self.work["think_s"] or self.work["ramp_s"]
        due_times = self.due_times(index)
        for turn in self.shares(index):
            request, expected, length = pairs[(index * 7 + turn) % len(pairs)]
            due_ns = now_ns = asked_ns = clock()
            if scheduled:
                due_ns, now_ns = min(next(due_times), self.stop_ns), clock()
                if due_ns > now_ns:
                    yield due_ns
                    now_ns = self.moved_ns = clock()
                    if now_ns < due_ns:
                        raise WrongReply(f"connection {index}: bytes came, or its end, before request {turn} was sent")
                asked_ns = due_ns if open_loop else now_ns
                if open_loop and due_ns < self.stop_ns and now_ns >= self.drop_ns:
                    self.count("not sent", "these were due while the server was too slow for the rate")
                    continue
            if asked_ns >= self.stop_ns:
                return
            # One byte of room more than the reply needs shows what nobody asked for.
            room, reply = min(CHUNK_BYTES, length + 1), b""
            sent_ns = clock() if scheduled else now_ns
            sent = send(request)
            if sent == len(request):
                yield WAIT
                reply = recv(room)
            if len(reply) < length and (reply or sent < len(request)):
                reply = yield from self.exchange(connection, memoryview(request)[sent:], reply, length)
            answered_ns = clock()
            if reply != expected and (expected is not None or len(reply) != length):
                raise mismatch(f"connection {index}, request {turn}", reply, expected, length)
            log_connection(index)
            log_due(due_ns)
            log_sent(sent_ns)
            log_answered(answered_ns)

    def exchange(
        self, connection: socket.socket, unsent: memoryview, reply: bytes, length: int
    ) -> Generator[int, None, bytes]:
        """Send the rest of a long request and gather a long reply, whichever can go on."""
        chunks, missing = [reply], length - len(reply)
        while unsent or missing > 0:
            self.interest.modify(connection, select.POLLIN | (select.POLLOUT if unsent else 0))
            yield WAIT
            if unsent:
                unsent = unsent[self.send_some(connection, unsent) :]
            # Receive though nothing could be sent: the server may wait for room for its reply.
            try:
                chunk = connection.recv(min(CHUNK_BYTES, max(0, missing) + 1))
            except BlockingIOError:
                continue
            self.moved_ns = clock()
            if not chunk:
                break
            chunks.append(chunk)
            missing -= len(chunk)
        self.interest.modify(connection, select.POLLIN)
        return b"".join(chunks)

    def send_some(self, connection: socket.socket, unsent: memoryview) -> int:
        """Send what there is room for."""
        try:
            sent = connection.send(unsent)
        except BlockingIOError:
            return 0
        self.moved_ns = clock()
        return sent


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


def request_pairs(work: dict[str, Any]) -> list[tuple[bytes, bytes | None, int]]:
    """Return the requests to choose from, each with its reply (None: any) and the reply's length.

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


def open_connection(address: list[Any], patience_s: float) -> socket.socket:
    connection = socket.create_connection(tuple(address), patience_s)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setblocking(False)
    return connection


def start_alarm() -> int:
    """Return a descriptor that is readable every TICK_S.

    A timeout on every wait would arm and cancel a kernel timer for every request.
    """
    for end in ALARM:
        os.set_blocking(end, False)
    signal.set_wakeup_fd(ALARM[1], warn_on_full_buffer=False)
    signal.signal(signal.SIGALRM, lambda number, frame: None)
    signal.setitimer(signal.ITIMER_REAL, TICK_S, TICK_S)
    return ALARM[0]


def hear() -> bytes:
    """Return a line of the parent, which says no more until it has its answer."""
    chunks = [os.read(CONTROL, CHUNK_BYTES)]
    while chunks[-1] and not chunks[-1].endswith(b"\n"):
        chunks.append(os.read(CONTROL, CHUNK_BYTES))
    return b"".join(chunks)


def say(**message: Any) -> None:
    sys.stdout.buffer.write(json.dumps(message).encode() + b"\n")
    sys.stdout.buffer.flush()


def settle(parent: int, cpu: int | None) -> None:
    """Make this process end with its parent, and give it the descriptors and the CPU it may have."""
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG: a killed kernel leaves no orphan
        prctl(29, 1, 0, 0, 0)  # PR_SET_TIMERSLACK: sleep to the nanosecond, not to 50 us
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})
    if os.getppid() != parent:  # it ended before PR_SET_PDEATHSIG was set
        raise SystemExit("the parent process is gone")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):  # macOS refuses RLIM_INFINITY
        pass


def main() -> None:
    told = hear()
    if not told:  # the parent is gone
        return
    work = json.loads(told)
    settle(work["parent"], work["cpu"])
    load = Load(work)
    before_ns = clock()
    try:
        load.connect()
    except OSError as error:
        say(failed=str(error))
        return
    say(ready={"connect_ns": clock() - before_ns})
    gc.disable()  # nothing here makes cycles, and a collection would be somebody's latency
    load.stopped = hear() != b"go\n"
    if not load.stopped:
        load.run()
    columns = {name: getattr(load, name) for name in ("connection", "due", "sent", "answered")}
    say(
        done={
            "columns": [[name, column.typecode, len(column)] for name, column in columns.items()],
            "errors": load.errors,
            "examples": load.examples,
            "stopped": load.stopped,
            "start_ns": load.start_ns,
            "end_ns": load.end_ns,
            "cpu_ns": load.cpu_ns,
        }
    )
    for column in columns.values():
        sys.stdout.buffer.write(column)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
