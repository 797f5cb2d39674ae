"""Wrong answers that once had full marks: what people wrote who did not know the judge, and mutants that it let pass."""

from functools import partial

from iolab.models import MODELS
from tests.exercises.corpus.answers import Answer, Swap, right, swapped, text, wrong

ACCEPT = "        connection.setblocking(False)\n        connections[connection.fileno()] = connection"
PARTIAL = "            unsent[descriptor] = memoryview(reply)[sent:]\n"
READ = "        request = connections[descriptor].recv(RECEIVE_BYTES)\n"
BEGIN = "    unsent: dict[int, memoryview] = {}\n"
HEAD = '    """Wait for all connections at once, and serve those that are ready."""\n'

SLOT: list[Swap] = [
    (PARTIAL, "            unsent[descriptor] = None\n            slot[0] = memoryview(reply)[sent:]\n"),
    ("send(descriptor, unsent[descriptor])", "send(descriptor, slot[0])"),
    (BEGIN, f"{BEGIN}    slot = [b'']\n"),
    ("elif unsent.pop(descriptor, None):", "elif unsent.pop(descriptor, 0) is None:"),
]
"""One place for what is not sent yet, for all connections."""

BUFFER: list[Swap] = [
    (
        "send(descriptor, respond(request))",
        "reply = respond(request)\n            buffer[:len(reply)] = reply\n"
        "            send(descriptor, memoryview(buffer)[:len(reply)])",
    ),
    (BEGIN, f"{BEGIN}    buffer = bytearray(16_000_000)\n"),
]
"""One buffer for the replies to all connections, which what is not sent yet is a view of."""

SHORT = """        request = piece = connections[descriptor].recv(SIZE)
        while len(piece) == SIZE:
            waiting.add(descriptor)
            held[descriptor] = held.get(descriptor, b"") + piece
            piece = connections[descriptor].recv(SIZE)
            request = held.pop(descriptor) + piece
"""


def read_until_short(size: int) -> list[Swap]:
    """Return the mistake of reading on until a read is short: a request of this length is answered with the next."""
    return [
        (READ, SHORT.replace("SIZE", str(size))),
        (BEGIN, f"{BEGIN}    held: dict[int, bytes] = {{}}\n    waiting = set()\n"),
    ]


def at_most(count: int) -> list[Swap]:
    """Return the mistake of having room for so many."""
    return [(ACCEPT, f"        if len(connections) >= {count}:\n            return connection.close()\n{ACCEPT}")]


HANGS_UP: list[Swap] = [
    (BEGIN, f"{BEGIN}    heard: dict[int, float] = {{}}\n"),
    (ACCEPT, f"{ACCEPT}\n        heard[connection.fileno()] = time.monotonic()"),
    (READ, f"{READ}        heard[descriptor] = time.monotonic()\n"),
    ("from socket", "import time\nfrom socket"),
]
HANG_UP = """            for each in [each for each, when in heard.items() if time.monotonic() - when > SECONDS]:
                heard.pop(each)
                if each in connections:
                    close(each)
"""

DIES: list[Swap] = [
    (BEGIN, f"{BEGIN}    count = [0]\n"),
    (
        READ,
        f"{READ}        count[0] += 1\n        if count[0] > 1000:\n            raise RuntimeError('served enough')\n",
    ),
]

QUEUE = """    def receive(descriptor: int) -> None:
        request = connections[descriptor].recv(RECEIVE_BYTES)
        if not request:
            return close(descriptor)
        queues.setdefault(descriptor, []).append(request)
        serve_next(descriptor)

    def serve_next(descriptor: int) -> None:
        while queues.get(descriptor) and descriptor not in unsent:
            send(descriptor, respond(queues[descriptor].pop(0)))
"""
RECEIVE = """    def receive(descriptor: int) -> None:
        request = connections[descriptor].recv(RECEIVE_BYTES)
        if request:
            send(descriptor, respond(request))
        else:
            close(descriptor)
"""
QUEUES: list[Swap] = [
    (BEGIN, f"{BEGIN}    queues: dict[int, list[bytes]] = {{}}\n"),
    (RECEIVE, QUEUE),
    (
        "unsent.pop(descriptor, None)\n        interest",
        "unsent.pop(descriptor, None), queues.pop(descriptor, None)\n        interest",
    ),
]
EPOLL_QUEUES: list[Swap] = [
    *QUEUES,
    ("interest.modify(descriptor, EPOLLOUT)", "interest.modify(descriptor, EPOLLIN | EPOLLOUT)"),
    ("for descriptor, _ in", "for descriptor, events in"),
    (
        "                    elif descriptor in unsent:\n                        send(descriptor, unsent[descriptor])\n",
        "                    elif descriptor in unsent and events & EPOLLOUT:\n"
        "                        send(descriptor, unsent[descriptor])\n"
        "                        serve_next(descriptor)\n",
    ),
]

RESET = "except OSError:  # reset by the peer\n"
FORGETS = f"{RESET}            INDENT    if descriptor in unsent:\n            INDENT        continue\n"
LEAKS = f"""{RESET}                    if descriptor in unsent:
                        interest.unregister(descriptor)
                        unsent.pop(descriptor)
                        left.append(connections.pop(descriptor))
                        continue
"""

THREAD_FOR_SLOW: list[Swap] = [
    (
        "            interest.modify(descriptor, EPOLLOUT)\n        elif unsent.pop(descriptor, None):\n            interest.modify(descriptor, EPOLLIN)\n",
        "            interest.unregister(descriptor)\n            Thread(target=finish, args=(descriptor,), daemon=True).start()\n",
    ),
    (
        "    def close(descriptor",
        """    def finish(descriptor: int) -> None:
        connection = connections[descriptor]
        try:
            WAIT
        except OSError:
            connection.shutdown(2)
        unsent.pop(descriptor)
        interest.register(descriptor, EPOLLIN)

    def close(descriptor""",
    ),
    ("from socket", "from threading import Thread\nfrom socket"),
]
SENDALL = "connection.setblocking(True)\n            connection.sendall(unsent[descriptor])\n            connection.setblocking(False)"
OWN_EPOLL = """rest = unsent[descriptor]
            with epoll() as room:
                room.register(descriptor, EPOLLOUT)
                while rest:
                    room.poll()
                    rest = rest[connection.send(rest):]"""

THREAD_FOR_REQUEST: list[Swap] = [
    (
        "send(descriptor, respond(request))",
        "worker = Thread(target=lambda: send(descriptor, respond(request)))\n            worker.start()\n            worker.join()",
    ),
    ("from socket", "from threading import Thread\nfrom socket"),
]

EPOLL_LOOKS: list[Swap] = [
    ("interest.modify(descriptor, EPOLLOUT)", "interest.modify(descriptor, 0)"),
    ("elif unsent.pop(descriptor, None):", "elif unsent.pop(descriptor, None) is not None:"),
    (
        "            for descriptor, _ in interest.poll():\n",
        "            events = interest.poll(0.02 if unsent else None)\n"
        "            for descriptor, _ in events + [(each, 0) for each in list(unsent)]:\n",
    ),
]


DRAINS: Swap = (
    RECEIVE,
    """    def receive(descriptor: int) -> None:
        while descriptor in connections and descriptor not in unsent:
            request = connections[descriptor].recv(RECEIVE_BYTES)
            if request:
                send(descriptor, respond(request))
            else:
                close(descriptor)
""",
)
"""Serves a client until it has nothing more to ask, which may be never."""

IMPORT_EVENT: Swap = ("from socket", "from threading import Event\nfrom socket")


def hang_up(seconds: int) -> list[Swap]:
    """Return the mistake of hanging up when a client has been silent for so long."""
    look = HANG_UP.replace("SECONDS", str(seconds)) + "            for descriptor, _ in interest.poll(1):\n"
    return [*HANGS_UP, ("            for descriptor, _ in interest.poll():\n", look)]


def epoll_answers() -> list[Answer]:
    """Return wrong answers to `03-epoll`."""
    name, put = "03-epoll", partial(swapped, "epoll")
    return [
        wrong(name, "slow reader's bytes", "one slot for what is unsent", put(*SLOT)),
        wrong(name, "slow reader's bytes", "one buffer for all replies", put(*BUFFER)),
        wrong(
            name,
            "idle while it owes",
            "never forgets a slow reader that resets",
            put((RESET, FORGETS.replace("INDENT", "    "))),
        ),
        wrong(
            name,
            "descriptors",
            "keeps a slow reader that resets",
            put((RESET, LEAKS), (BEGIN, BEGIN + "    left = []\n")),
        ),
        wrong(
            name,
            "idle while it owes",
            "watches for the end of file while it owes",
            put(
                ("(descriptor, EPOLLOUT)", "(descriptor, EPOLLOUT | EPOLLRDHUP)"),
                ("EPOLLIN, ", "EPOLLIN, EPOLLRDHUP, "),
            ),
        ),
        wrong(name, "bounded memory", "a queue of requests without bounds", put(*EPOLL_QUEUES)),
        wrong(name, "megabytes", "reads until a read of 4,096 is short", put(*read_until_short(4096))),
        wrong(name, "megabytes", "reads until a read of 1,024 is short", put(*read_until_short(1024))),
        wrong(
            name,
            "slow reader's bytes",
            "does not expect a full buffer",
            put(
                (
                    "        except BlockingIOError:\n            sent = 0\n",
                    "        except KeyError:\n            sent = 0\n",
                )
            ),
        ),
        wrong(name, "many clients", "at most 100", put(*at_most(100))),
        wrong(name, "many clients", "at most 90", put(*at_most(90))),
        *(wrong(name, "idle", f"hangs up after {each} s", put(*hang_up(each))) for each in (2, 3, 8)),
        wrong(name, "others meanwhile", "serves one client in a loop", put(DRAINS)),
        wrong(name, "idle", "looks every 50 ms", put(("interest.poll()", "interest.poll(0.05)"))),
        wrong(
            name,
            "idle while it owes",
            "looks every 50 ms in place of asking for room",
            put(*[(before, after.replace("0.02", "0.05")) for before, after in EPOLL_LOOKS]),
        ),
        *(
            wrong(
                name,
                "no sleeps",
                f"waits {each} ms for an event when it accepts",
                put((ACCEPT, f"        Event().wait({each / 1000})\n{ACCEPT}"), IMPORT_EVENT),
            )
            for each in (2, 20)
        ),
        wrong(
            name,
            "no sleeps",
            "waits for an event when a send is partial",
            put((PARTIAL, f"{PARTIAL}            Event().wait(0.02)\n"), IMPORT_EVENT),
        ),
        wrong(name, "megabytes", "dies after 1,000 requests", put(*DIES)),
        wrong(
            name,
            "idle while it owes",
            "looks every 20 ms in place of asking for room",
            put(*EPOLL_LOOKS),
        ),
        wrong(name, "idle", "looks every 20 ms", put(("interest.poll()", "interest.poll(0.02)"))),
        wrong(
            name,
            "no sleeps",
            "sleeps when it accepts",
            put((ACCEPT, f"        time.sleep(0.02)\n{ACCEPT}"), ("from socket", "import time\nfrom socket")),
        ),
        wrong(
            name,
            "no sleeps",
            "sleeps when a send is partial",
            put((PARTIAL, f"{PARTIAL}            time.sleep(0.02)\n"), ("from socket", "import time\nfrom socket")),
        ),
        wrong(
            name,
            "the model",
            "a thread for a slow reader",
            put(*[(a, b.replace("WAIT", SENDALL)) for a, b in THREAD_FOR_SLOW]),
        ),
        wrong(
            name,
            "the model",
            "a thread with an epoll for a slow reader",
            put(*[(a, b.replace("WAIT", OWN_EPOLL)) for a, b in THREAD_FOR_SLOW]),
        ),
        wrong(name, "the model", "a thread for each request", put(*THREAD_FOR_REQUEST)),
    ]


def select_answers() -> list[Answer]:
    """Return wrong answers to `03-select`."""
    name, put = "03-select", partial(swapped, "select")
    guard = "        if connection.fileno() >= FD_SETSIZE:  # select has no bit for it (select(2))\n            connection.close()\n            return\n"
    return [
        wrong(name, "slow reader's bytes", "one slot for what is unsent", put(*SLOT)),
        wrong(name, "slow reader's bytes", "one buffer for all replies", put(*BUFFER)),
        wrong(
            name, "descriptors", "never forgets a slow reader that resets", put((RESET, FORGETS.replace("INDENT", "")))
        ),
        wrong(name, "megabytes", "reads until a read of 4,096 is short", put(*read_until_short(4096))),
        wrong(name, "many clients", "at most 100", put(*at_most(100))),
        wrong(name, "megabytes", "dies after 1,000 requests", put(*DIES)),
        wrong(name, "many clients", "has no guard for 1,024", put((guard, ""))),
        wrong(
            name,
            "idle while it owes",
            "looks for the end of file while it owes",
            put(
                ("            interest.discard(descriptor)\n        elif", "        elif"),
                (
                    "elif descriptor in unsent:\n                    send(",
                    "elif descriptor in unsent:\n                    descriptor in writable and send(",
                ),
            ),
        ),
        wrong(name, "idle", "looks every 10 ms", put(("unsent, ())", "unsent, (), 0.01)"))),
    ]


def nonblocking_answers() -> list[Answer]:
    """Return wrong answers to `02-nonblocking`."""
    name, put = "02-nonblocking", partial(swapped, "nonblocking")
    return [
        wrong(
            name,
            "slow reader's bytes",
            "one slot for what is unsent",
            put(SLOT[0], SLOT[1], SLOT[2]),
        ),
        wrong(name, "slow reader's bytes", "one buffer for all replies", put(*BUFFER)),
        wrong(
            name, "descriptors", "never forgets a slow reader that resets", put((RESET, FORGETS.replace("INDENT", "")))
        ),
        wrong(name, "megabytes", "reads until a read of 4,096 is short", put(*read_until_short(4096))),
        wrong(name, "many clients", "at most 100", put(*at_most(100))),
        wrong(name, "megabytes", "dies after 1,000 requests", put(*DIES)),
    ]


POLL_IN_THREAD = text("""
    from select import POLLIN, POLLOUT, poll
    from threading import Thread


    def serve(listening, respond):
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                continue
            Thread(target=converse, args=(connection, respond), daemon=True).start()


    def converse(connection, respond):
        connection.setblocking(False)
        ready = poll()
        ready.register(connection, POLLIN)
        with connection:
            try:
                while True:
                    ready.poll()
                    request = connection.recv(65536)
                    if not request:
                        return
                    reply = memoryview(respond(request))
                    ready.modify(connection, POLLOUT)
                    while reply:
                        ready.poll()
                        reply = reply[connection.send(reply):]
                    ready.modify(connection, POLLIN)
            except OSError:
                return
""")

POOL = text("""
    from concurrent.futures import ThreadPoolExecutor


    def serve(listening, respond):
        pool = ThreadPoolExecutor(64)
        try:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    continue
                pool.submit(converse, connection, respond)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


    def converse(connection, respond):
        with connection:
            try:
                while request := connection.recv(65536):
                    connection.sendall(respond(request))
            except OSError:
                pass
""")

THREADS_AND_FUTEX = text("""
    import os
    from queue import Queue
    from threading import Thread


    def serve(listening, respond):
        requests = Queue()
        Thread(target=accept, args=(listening, requests), daemon=True).start()
        while (done := requests.get()) is not None:
            connection, request, answered = done
            answered.put(respond(request))


    def accept(listening, requests):
        try:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    continue
                Thread(target=converse, args=(connection, requests), daemon=True).start()
        finally:
            requests.put(None)


    def converse(connection, requests):
        answered = Queue()
        with connection:
            try:
                while request := os.read(connection.fileno(), 65536):
                    requests.put((connection, request, answered))
                    reply = memoryview(answered.get())
                    while reply:
                        reply = reply[os.write(connection.fileno(), reply):]
            except OSError:
                pass
""")

RING_AS_POLL = text("""
    from select import POLLIN, POLLOUT

    from iolab.kernel.uring import MultishotAccept, open_ring, submit_and_wait


    def serve(listening, respond):
        connections, owed = {}, {}
        with open_ring(65536) as (ring, _):
            accepting = MultishotAccept(ring, listening)

            def ask(descriptor):
                ring.prepare_poll(descriptor, POLLOUT if owed.get(descriptor) else POLLIN, descriptor)

            def step(descriptor):
                connection = connections[descriptor]
                try:
                    if owed.get(descriptor):
                        owed[descriptor] = owed[descriptor][connection.send(owed[descriptor]):]
                    else:
                        request = connection.recv(65536)
                        if not request:
                            raise OSError
                        owed[descriptor] = memoryview(respond(request))
                except BlockingIOError:
                    pass
                except OSError:
                    owed.pop(descriptor, None)
                    connections.pop(descriptor).close()
                    return
                ask(descriptor)

            while True:
                for completion in submit_and_wait(ring):
                    if completion.user_data != listening.fileno():
                        step(completion.user_data)
                        continue
                    try:
                        connection = accepting.connection(completion)
                    except OSError:
                        continue
                    connection.setblocking(False)
                    connections[connection.fileno()] = connection
                    ask(connection.fileno())
""")

HIDES: list[Swap] = [
    (
        "signal = sigtimedwait(SIGNALS, 0) if ready else sigwaitinfo(SIGNALS)\n",
        "signal = sigtimedwait(SIGNALS, 0 if ready else 0.02)\n"
        "            if not signal:\n                ready.update(connections, {listening.fileno()})\n",
    ),
    ("ready.update(connections, {listening.fileno()})\n                else", "pass\n                else"),
]
"""A timeout after which all are asked, in place of a look at SIGIO."""

WRITE = "            requests.write(descriptor, reply)\n"
AIO_FORGETS = (
    swapped("aio", (WRITE, "            requests.write(descriptor, bytes(bytearray(reply)))\n"))
    + """
import ctypes
from iolab.kernel import aio


def point(self, descriptor, data):
    self._data = True
    self._point(descriptor, ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value, len(data))


aio.Request.send = point
"""
)
"""Keeps no buffer alive that aio reads from."""

ANSWERS: list[Answer] = [
    wrong("06-completion", "many clients", "keeps no buffer alive", AIO_FORGETS),
    *right("03-epoll", wakes_every_second=swapped("epoll", ("interest.poll()", "interest.poll(1)"))),
    *epoll_answers(),
    *select_answers(),
    *nonblocking_answers(),
    wrong("01-threads", "the model", "poll in each thread", POLL_IN_THREAD),
    wrong("01-threads", "many clients", "a pool of 64", POOL),
    wrong("04-selectors", "the model", "epoll without a selector", MODELS["epoll"].source),
    wrong("04-selectors", "the model", "asyncio", MODELS["asyncio"].source),
    wrong("05-signals", "idle", "a timeout that hides lost signals", swapped("signals", *HIDES)),
    wrong("06-completion", "the model", "io_uring as a poll", RING_AS_POLL),
    wrong("06-completion", "the model", "a thread for each connection", THREADS_AND_FUTEX),
    *right(
        "03-epoll", numpy_imported_in_vain=MODELS["epoll"].source.replace("from select", "import numpy\nfrom select")
    ),
]
