"""Answers to `04-selectors`."""

from iolab.models import MODELS
from tests.exercises.corpus.answers import Answer, Swap, right, swapped, text, wrong
from tests.exercises.corpus.loops import mistakes

NAME = "04-selectors"

CLOSURES = """
    import selectors


    def serve(listening, respond):
        chooser = selectors.SelectSelector()
        listening.setblocking(False)

        def come_in():
            try:
                sock = listening.accept()[0]
            except OSError:
                return
            sock.setblocking(False)
            chooser.register(sock, selectors.EVENT_READ, lambda: take(sock))

        def go_away(sock):
            chooser.unregister(sock)
            sock.close()

        def take(sock):
            try:
                data = sock.recv(8192)
            except BlockingIOError:
                return
            except ConnectionError:
                data = b""
            if data:
                give(sock, respond(data))
            else:
                go_away(sock)

        def give(sock, rest):
            try:
                rest = rest[sock.send(rest):]
            except BlockingIOError:
                pass
            except ConnectionError:
                return go_away(sock)
            if rest:
                chooser.modify(sock, selectors.EVENT_WRITE, lambda: give(sock, rest))
            else:
                chooser.modify(sock, selectors.EVENT_READ, lambda: take(sock))

        chooser.register(listening, selectors.EVENT_READ, come_in)
        while True:
            for key, _ in chooser.select(timeout=2):
                key.data()
"""

OBJECTS = """
    from selectors import EVENT_READ, EVENT_WRITE, PollSelector

    selector = PollSelector()


    class Acceptor:
        def __init__(self, listening, respond):
            self.listening, self.respond = listening, respond
            listening.setblocking(False)
            selector.register(listening, EVENT_READ, self)

        def on_event(self, mask):
            while True:
                try:
                    Session(self.listening.accept()[0], self.respond)
                except BlockingIOError:
                    return
                except OSError:
                    continue


    class Session:
        def __init__(self, sock, respond):
            self.sock, self.respond, self.out = sock, respond, b""
            sock.setblocking(False)
            selector.register(sock, EVENT_READ, self)

        def on_event(self, mask):
            try:
                self.flush() if mask & EVENT_WRITE else self.fill()
            except BlockingIOError:
                pass
            except OSError:
                self.close()

        def fill(self):
            data = self.sock.recv(65536)
            if not data:
                return self.close()
            self.out = self.respond(data)
            self.flush()

        def flush(self):
            try:
                self.out = self.out[self.sock.send(self.out):]
            finally:
                selector.modify(self.sock, EVENT_WRITE if self.out else EVENT_READ, self)

        def close(self):
            selector.unregister(self.sock)
            self.sock.close()


    def serve(listening, respond):
        Acceptor(listening, respond)
        while True:
            for key, mask in selector.select():
                key.data.on_event(mask)
"""

BOTH = """
    def both(connection: socket) -> None:
        try:
            receive(connection)
        except BlockingIOError:
            resume(connection)"""

APART = """
    def apart(connection: socket) -> None:
        interest.unregister(connection)
        Thread(target=alone, args=(connection,), daemon=True).start()

    def alone(connection: socket) -> None:
        connection.setblocking(True)
        with connection:
            while request := connection.recv(RECEIVE_BYTES):
                connection.sendall(respond(request))"""

READS_ON: list[Swap] = [
    ("interest.modify(connection, EVENT_WRITE, resume)", "interest.modify(connection, EVENT_READ | EVENT_WRITE, both)"),
    (
        "    def close(",
        f"{BOTH}\n\n    def close(",
    ),
    ("send(connection, respond(request))", "send(connection, bytes(unsent.get(connection, b'')) + respond(request))"),
]

ANSWERS: list[Answer] = [
    wrong(NAME, "bounded memory", "reads on while it owes", swapped("selectors", *READS_ON)),
    wrong(NAME, "idle", "asks without waiting", swapped("selectors", ("interest.select()", "interest.select(0)"))),
    wrong(
        NAME,
        "idle",
        "watches for room to write when all is sent",
        swapped(
            "selectors",
            (
                "interest.modify(connection, EVENT_READ, receive)",
                "interest.modify(connection, EVENT_READ | EVENT_WRITE, receive)",
            ),
        ),
    ),
    wrong(
        NAME,
        "idle while it owes",
        "watches for requests that it does not read",
        swapped("selectors", ("EVENT_WRITE, resume)", "EVENT_READ | EVENT_WRITE, resume)")),
    ),
    wrong(
        NAME,
        "no sleeps",
        "asks and sleeps for 10 ms",
        swapped(
            "selectors",
            ("interest.select():", "(time.sleep(0.01), interest.select(0))[1]:"),
            ("from selectors", "import time\nfrom selectors"),
        ),
    ),
    wrong(
        NAME,
        "the model",
        "a thread for every callback",
        swapped(
            "selectors",
            (
                "    def close(",
                f"{APART}\n\n    def close(",
            ),
            ("interest.register(connection, EVENT_READ, receive)", "interest.register(connection, EVENT_READ, apart)"),
            ("from typing", "from threading import Thread\nfrom typing"),
        ),
    ),
    wrong(NAME, "the model", "threads", MODELS["threads"].source),
    wrong(NAME, "many clients", "one client at a time", MODELS["blocking"].source),
    wrong(NAME, "respond is called", "nothing yet", "def serve(listening, respond):\n    return None\n"),
    *mistakes(NAME, "selectors"),
    *right(NAME, the_course=MODELS["selectors"].source, closures=text(CLOSURES), objects=text(OBJECTS)),
]
