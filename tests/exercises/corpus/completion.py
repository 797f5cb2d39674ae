"""Answers to `06-completion`."""

from iolab.models import MODELS
from tests.exercises.corpus.answers import Answer, end_with_a_message, right, swapped, text, wrong

NAME = "06-completion"

GENERATORS = """
    from errno import ENOBUFS

    from iolab.kernel.ring import Ring
    from iolab.kernel.uring import MultishotAccept


    def serve(listening, respond):
        talks = {}

        def talk(connection):
            number = connection.fileno()
            with connection:
                while True:
                    ring.receive(number)
                    _, _, result, _, request = yield
                    if result == -ENOBUFS:
                        continue
                    if result <= 0:
                        return
                    ring.send(number, respond(request))
                    _, _, result, _, _ = yield
                    if result <= 0:
                        return

        with Ring(32768) as ring:
            accepting = MultishotAccept(ring, listening)
            while True:
                for done in ring.submit_and_wait():
                    number = done[1]
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

REPLY = "respond(request)"
ENDS = "elif result <= 0:  # end of file, or reset by the peer"
GONE = "except OSError:  # the peer gave up while it waited in the backlog"
NO_REPLY = "except OSError:  # there is no reply"
CLOSE = "connections.pop(descriptor).close()"
SEND = "ring.send(descriptor, reply)"
MEMORY = [
    (SEND, "unsent[descriptor] = reply\n            ring.send(descriptor, reply)"),
    ("        else:\n            receive(descriptor)\n", ""),
    ("connections: ", "unsent = {}\n    connections: "),
    (
        "elif operation == SEND:\n                        receive(descriptor)",
        "elif operation == SEND:\n                        send(descriptor, owed.pop(descriptor, b''))\n"
        "                        if descriptor not in owed and not ring.is_sending(descriptor):\n"
        "                            unsent.pop(descriptor, None)",
    ),
    (
        "send(descriptor, respond(request))",
        "if descriptor in unsent:\n                            owed[descriptor] = owed.get(descriptor, b'') + respond(request)\n"
        "                        else:\n                            send(descriptor, respond(request))\n"
        "                        receive(descriptor)",
    ),
    ("    unsent = {}", "    unsent, owed = {}, {}"),
]

ANSWERS: list[Answer] = [
    wrong(
        NAME,
        "slow reader's bytes",
        "drops what a send did not take",
        swapped("io_uring-oneshot", (SEND, "ring.send(descriptor, reply[:65536])")),
    ),
    wrong(
        NAME,
        "slow reader's bytes",
        "sends all of it again",
        swapped("io_uring-oneshot", (SEND, "ring.send(descriptor, reply * 2 if len(reply) > 60000 else reply)")),
    ),
    wrong(
        NAME,
        "many clients",
        "pairs a completion with the newest connection",
        swapped("io_uring-oneshot", (SEND, "ring.send(max(connections), reply)")),
    ),
    wrong(
        NAME,
        "megabytes",
        "never asks for the next request",
        swapped(
            "io_uring-oneshot",
            (
                "elif operation == SEND:\n                        receive(descriptor)",
                "elif operation == SEND:\n                        pass",
            ),
        ),
    ),
    wrong(
        NAME,
        "resets",
        "ends at a reset",
        swapped(
            "io_uring-oneshot",
            (ENDS, "elif result < 0:\n                        raise ValueError\n                    " + ENDS),
        ),
    ),
    wrong(
        NAME,
        "binary data",
        "decodes what it receives",
        swapped("io_uring-oneshot", (REPLY, "respond(request.decode().encode())")),
    ),
    wrong(
        NAME,
        "binary data",
        "strips what it receives",
        swapped("io_uring-oneshot", (REPLY, "respond(request.strip() or b' ')")),
    ),
    wrong(
        NAME, "half-close", "ends its replies with a zero", swapped("io_uring-oneshot", (REPLY, f"{REPLY} + b'\\0'"))
    ),
    wrong(
        NAME,
        "megabytes",
        "answers the first kilobytes only",
        swapped("io_uring-oneshot", (REPLY, "respond(request[:4096])")),
    ),
    wrong(
        NAME,
        "respond is called",
        "makes a reply of its own",
        swapped("io_uring-oneshot", (REPLY, "request.upper()")),
    ),
    wrong(NAME, "a clean end", "ends with a message", end_with_a_message(swapped("io_uring-oneshot"))),
    wrong(NAME, "a clean end", "swallows what ends it", swapped("io_uring-oneshot", (GONE, "except BaseException:"))),
    wrong(
        NAME,
        "descriptors",
        "never closes",
        swapped(
            "io_uring-oneshot",
            (CLOSE, "lost.append(connections.pop(descriptor))"),
            ("    connections: ", "    lost = []\n    connections: "),
        ),
    ),
    wrong(
        NAME,
        "others meanwhile",
        "sends by a call that waits",
        swapped(
            "io_uring-oneshot",
            (
                SEND,
                "connections[descriptor].sendall(reply)\n            receive(descriptor)",
            ),
        ),
    ),
    wrong(NAME, "bounded memory", "reads on while it owes", swapped("io_uring-oneshot", *MEMORY)),
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
    *right(
        NAME,
        io_uring=MODELS["io_uring"].source,
        io_uring_oneshot=MODELS["io_uring-oneshot"].source,
        aio=MODELS["aio"].source,
        generators=text(GENERATORS),
    ),
]
