"""Answers to `06-completion`."""

from iolab.models import MODELS
from tests.exercises.corpus.answers import Answer, end_with_a_message, right, swapped, text, wrong

NAME = "06-completion"

GENERATORS = """
    from errno import ENOBUFS

    from uring_api import IORING_RECVSEND_POLL_FIRST as POLL_FIRST

    from iolab.kernel.uring import MultishotAccept, open_ring, submit_and_wait


    def serve(listening, respond):
        talks = {}

        def talk(connection):
            number = connection.fileno()
            with connection:
                while True:
                    ring.prepare_recv_buf(number, buffers, POLL_FIRST, number)
                    done = yield
                    if done.res == -ENOBUFS:
                        continue
                    if done.res <= 0:
                        return
                    reply = memoryview(respond(bytes(done.result)))
                    while reply:
                        ring.prepare_send(number, reply, 0, number)
                        done = yield
                        if done.res <= 0:
                            return
                        reply = reply[done.res:]

        with open_ring(32768) as (ring, buffers):
            accepting = MultishotAccept(ring, listening)
            while True:
                for done in submit_and_wait(ring):
                    number = done.user_data
                    if number != listening.fileno():
                        try:
                            talks[number].send(done)
                        except StopIteration:
                            del talks[number]
                        continue
                    try:
                        connection = accepting.connection(done)
                    except OSError:
                        continue
                    talks[connection.fileno()] = talk(connection)
                    next(talks[connection.fileno()])
"""

REPLY = "respond(bytes(completion.result))"
ENDS = "elif result <= 0:  # end of file, or reset by the peer"
GONE = "except OSError:  # the peer gave up while it waited in the backlog"
NO_REPLY = "except OSError:  # there is no reply"
CLOSE = "connections.pop(descriptor).close()"
REST = "send(descriptor, unsent[descriptor][result:])"
MEMORY = [
    (
        "unsent[descriptor] = reply\n            ring.prepare_send(descriptor, reply, 0, descriptor)",
        "first = descriptor not in unsent\n            unsent[descriptor] = reply\n            if first:\n                ring.prepare_send(descriptor, reply, 0, descriptor + 10000)",
    ),
    (
        "send(descriptor, memoryview(respond(bytes(completion.result))))",
        "send(descriptor, memoryview(bytes(unsent.get(descriptor, b'')) + respond(bytes(completion.result))))\n                        receive(descriptor)",
    ),
    (
        "elif descriptor in unsent:\n                        send(descriptor, unsent[descriptor][result:])",
        "elif descriptor >= 10000:\n                        rest = unsent.pop(descriptor - 10000)[result:]\n                        if rest:\n                            send(descriptor - 10000, rest)",
    ),
    (
        "            unsent.pop(descriptor, None)\n            receive(descriptor)",
        "            unsent.pop(descriptor, None)",
    ),
    ("close(descriptor)\n                    elif", "close(descriptor % 10000)\n                    elif"),
]

ANSWERS: list[Answer] = [
    wrong(
        NAME,
        "slow reader's bytes",
        "drops what a send did not take",
        swapped("io_uring", (REST, "send(descriptor, memoryview(b''))")),
    ),
    wrong(
        NAME,
        "slow reader's bytes",
        "sends all of it again",
        swapped(
            "io_uring",
            (REST, "send(descriptor, unsent[descriptor] if result < len(unsent[descriptor]) else memoryview(b''))"),
        ),
    ),
    wrong(
        NAME,
        "many clients",
        "pairs a completion with the newest connection",
        swapped("io_uring", ("ring.prepare_send(descriptor, reply", "ring.prepare_send(max(connections), reply")),
    ),
    wrong(
        NAME,
        "megabytes",
        "never asks for the next request",
        swapped(
            "io_uring",
            ("unsent.pop(descriptor, None)\n            receive(descriptor)", "unsent.pop(descriptor, None)"),
        ),
    ),
    wrong(NAME, "resets", "takes an error for a request", swapped("io_uring", (ENDS, "elif result == 0:"))),
    wrong(
        NAME,
        "binary data",
        "decodes what it receives",
        swapped("io_uring", (REPLY, "respond(bytes(completion.result).decode().encode())")),
    ),
    wrong(
        NAME,
        "binary data",
        "strips what it receives",
        swapped("io_uring", (REPLY, "respond(bytes(completion.result).strip() or b' ')")),
    ),
    wrong(NAME, "half-close", "ends its replies with a zero", swapped("io_uring", (REPLY, f"{REPLY} + b'\\0'"))),
    wrong(
        NAME,
        "megabytes",
        "answers the first kilobytes only",
        swapped("io_uring", (REPLY, "respond(bytes(completion.result)[:4096])")),
    ),
    wrong(
        NAME,
        "respond is called",
        "makes a reply of its own",
        swapped("io_uring", (REPLY, "bytes(completion.result).upper()")),
    ),
    wrong(NAME, "a clean end", "ends with a message", end_with_a_message(swapped("io_uring"))),
    wrong(NAME, "a clean end", "swallows what ends it", swapped("io_uring", (GONE, "except BaseException:"))),
    wrong(
        NAME,
        "descriptors",
        "never closes",
        swapped(
            "io_uring",
            (CLOSE, "lost.append(connections.pop(descriptor))"),
            ("    unsent: ", "    lost = []\n    unsent: "),
        ),
    ),
    wrong(
        NAME,
        "others meanwhile",
        "sends by a call that waits",
        swapped(
            "io_uring",
            (
                "ring.prepare_send(descriptor, reply, 0, descriptor)",
                "connections[descriptor].sendall(reply)\n            send(descriptor, memoryview(b''))",
            ),
        ),
    ),
    wrong(NAME, "bounded memory", "reads on while it owes", swapped("io_uring", *MEMORY)),
    wrong(NAME, "the model", "epoll in its place", MODELS["epoll"].source),
    wrong(NAME, "the model", "threads", MODELS["threads"].source),
    wrong(NAME, "the model", "asyncio", MODELS["asyncio"].source),
    wrong(NAME, "idle", "asks without waiting", MODELS["nonblocking"].source),
    wrong(NAME, "idle while it owes", "asks without waiting, and owes", MODELS["nonblocking"].source),
    wrong(NAME, "many clients", "one client at a time", MODELS["blocking"].source),
    wrong(
        NAME,
        "no sleeps",
        "looks every 10 ms",
        swapped(
            "aio",
            (
                "for descriptor, result, request in requests.wait():",
                "time.sleep(0.01)\n            for descriptor, result, request in requests.wait():",
            ),
            ("from socket", "import time\nfrom socket"),
        ),
    ),
    wrong(NAME, "respond is called", "nothing yet", "def serve(listening, respond):\n    pass\n"),
    *right(NAME, io_uring=MODELS["io_uring"].source, aio=MODELS["aio"].source, generators=text(GENERATORS)),
]
