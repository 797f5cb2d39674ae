"""Answers to `01-threads`."""

from iolab.models import MODELS
from tests.exercises.corpus.answers import Answer, end_with_a_message, right, swapped, text, wrong

NAME = "01-threads"
START = "Thread(target=converse, args=(connection, respond), daemon=True).start()"
SEND = "connection.sendall(respond(request))"
WITH = "    with connection:\n        try:"
GONE = "except OSError:  # the peer gave up while it waited in the backlog"
IMPORT = "from threading import Thread"

FORKS = """
    import os
    import signal


    def serve(listening, respond):
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                continue
            if os.fork() == 0:
                listening.close()
                talk(connection, respond)
            connection.close()


    def talk(connection, respond):
        try:
            while data := connection.recv(65536):
                connection.sendall(respond(data))
        except OSError:
            pass
        finally:
            os._exit(0)
"""

SUBCLASS = """
    import threading


    class Talk(threading.Thread):
        def __init__(self, sock, respond):
            super().__init__(daemon=True)
            self.sock, self.respond = sock, respond

        def run(self):
            try:
                self.sock.settimeout(60)
                while True:
                    data = self.sock.recv(5000)
                    if not data:
                        break
                    reply = memoryview(self.respond(data))
                    while reply:
                        reply = reply[self.sock.send(reply):]
            except (OSError, TimeoutError):
                pass
            finally:
                self.sock.close()


    def serve(listening, respond):
        while True:
            try:
                sock, peer = listening.accept()
            except ConnectionAbortedError:
                continue
            Talk(sock, respond).start()
"""

POOL = """
    from concurrent.futures import ThreadPoolExecutor


    def serve(listening, respond):
        def talk(connection):
            with connection:
                while data := connection.recv(65536):
                    connection.sendall(respond(data))

        pool = ThreadPoolExecutor(max_workers=WORKERS)
        while True:
            try:
                pool.submit(talk, listening.accept()[0])
            except ConnectionAbortedError:
                pass
"""

GLOBAL = """
    from threading import Thread


    def serve(listening, respond):
        def talk():
            while data := current.recv(65536):
                current.sendall(respond(data))

        while True:
            current, _ = listening.accept()
            Thread(target=talk, daemon=True).start()
"""

FIRST = """
    from threading import Thread


    def serve(listening, respond):
        def talk(connection, data):
            while data:
                connection.sendall(respond(data))
                data = connection.recv(65536)
            connection.close()

        while True:
            connection, _ = listening.accept()
            data = connection.recv(65536)
            Thread(target=talk, args=(connection, data), daemon=True).start()
"""

WHOLE = """
    from threading import Thread


    def serve(listening, respond):
        def talk(connection):
            with connection, connection.makefile("rb") as lines:
                for line in lines:
                    connection.sendall(respond(line))

        while True:
            Thread(target=talk, args=(listening.accept()[0],), daemon=True).start()
"""


RETRIES = """
    import time
    from threading import Thread


    def serve(listening, respond):
        while True:
            try:
                Thread(target=talk, args=(listening.accept()[0], respond), daemon=True).start()
            except OSError:
                pass


    def talk(connection, respond):
        connection.setblocking(False)
        with connection:
            try:
                while data := receive(connection):
                    rest = respond(data)
                    while rest:
                        try:
                            rest = rest[connection.send(rest):]
                        except BlockingIOError:
                            RETRY
            except OSError:
                pass


    def receive(connection):
        while True:
            try:
                connection.setblocking(WAITS)
                return connection.recv(65536)
            except BlockingIOError:
                RETRY
            finally:
                connection.setblocking(False)
"""

QUEUE = """
    from queue import Queue
    from threading import Thread


    def serve(listening, respond):
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                continue
            replies = Queue()
            Thread(target=receive, args=(connection, respond, replies), daemon=True).start()
            Thread(target=send, args=(connection, replies), daemon=True).start()


    def receive(connection, respond, replies):
        try:
            while data := connection.recv(65536):
                replies.put(respond(data))
        except OSError:
            pass
        replies.put(None)


    def send(connection, replies):
        with connection:
            try:
                while reply := replies.get():
                    connection.sendall(reply)
            except OSError:
                pass
"""


def locked() -> str:
    return swapped(
        "threads",
        (IMPORT, "from threading import Lock, Thread\n\nlock = Lock()"),
        (SEND, f"with lock:\n                    {SEND}"),
    )


ANSWERS: list[Answer] = [
    wrong(NAME, "many clients", "one client at a time", MODELS["blocking"].source),
    wrong(
        NAME,
        "many clients",
        "waits for each thread to end",
        swapped(
            "threads",
            (
                START,
                START.replace("Thread(", "thread = Thread(").replace(
                    ".start()", "\n            thread.start()\n            thread.join()"
                ),
            ),
        ),
    ),
    wrong(NAME, "many clients", "four threads in all", text(POOL).replace("WORKERS", "4")),
    wrong(NAME, "many clients", "reads the first request before it starts the thread", text(FIRST)),
    wrong(NAME, "many clients", "shares the newest connection", text(GLOBAL)),
    wrong(NAME, "others meanwhile", "sends under a lock", locked()),
    wrong(
        NAME,
        "binary data",
        "decodes what it receives",
        swapped("threads", (SEND, "connection.sendall(respond(request.decode().encode()))")),
    ),
    wrong(
        NAME, "binary data", "hangs up after one reply", swapped("threads", (SEND, f"{SEND}\n                break"))
    ),
    wrong(
        NAME,
        "binary data",
        "strips what it receives",
        swapped("threads", (SEND, "connection.sendall(respond(request.strip() or b' '))")),
    ),
    wrong(NAME, "respond is called", "waits for whole lines", text(WHOLE)),
    wrong(
        NAME,
        "respond is called",
        "makes a reply of its own",
        swapped("threads", (SEND, "connection.sendall(request.upper())")),
    ),
    wrong(
        NAME,
        "megabytes",
        "answers the first kilobytes only",
        swapped("threads", (SEND, "connection.sendall(respond(request[:4096]))")),
    ),
    wrong(
        NAME,
        "slow reader's bytes",
        "gives up on a slow reader",
        swapped(
            "threads",
            (WITH, "    connection.settimeout(0.05)\n" + WITH),
            (
                "    while True:\n        try:\n            connection",
                "    while True:\n        try:\n            connection",
            ),
        ),
    ),
    wrong(
        NAME,
        "half-close",
        "never closes",
        swapped(
            "threads",
            (WITH, "    lost.append(connection)\n    if True:\n        try:"),
            (IMPORT, f"{IMPORT}\n\nlost = []"),
        ),
    ),
    wrong(
        NAME,
        "descriptors",
        "keeps every connection",
        swapped(
            "threads",
            (WITH, "    lost.append(connection)\n    if True:\n        try:"),
            (IMPORT, f"{IMPORT}\n\nlost = []"),
        ),
    ),
    wrong(NAME, "a clean end", "ends with a message", end_with_a_message(swapped("threads"))),
    wrong(NAME, "a clean end", "swallows what ends it", swapped("threads", (GONE, "except BaseException:"))),
    wrong(
        NAME,
        "slow reader's bytes",
        "sends without waiting",
        swapped(
            "threads",
            (
                SEND,
                "connection.send(respond(request), 0x40)  # MSG_DONTWAIT",
            ),
        ),
    ),
    wrong(NAME, "idle", "asks again and again", text(RETRIES).replace("RETRY", "pass").replace("WAITS", "False")),
    wrong(
        NAME,
        "idle while it owes",
        "sends again and again",
        text(RETRIES).replace("RETRY", "pass").replace("WAITS", "True"),
    ),
    wrong(
        NAME,
        "no sleeps",
        "asks every 10 ms",
        text(RETRIES).replace("RETRY", "time.sleep(0.01)").replace("WAITS", "False"),
    ),
    wrong(NAME, "bounded memory", "queues replies without end", text(QUEUE)),
    wrong(
        NAME,
        "resets",
        "asks who has come",
        swapped(
            "threads",
            (START, f"connection.getpeername()\n            {START}"),
            ("except RuntimeError:", "except MemoryError:"),
        ),
    ),
    wrong(NAME, "the model", "epoll in its place", MODELS["epoll"].source),
    wrong(NAME, "the model", "asyncio in its place", MODELS["asyncio"].source),
    wrong(NAME, "respond is called", "nothing yet", "def serve(listening, respond):\n    pass\n"),
    *right(
        NAME,
        the_course=MODELS["threads"].source,
        processes=text(FORKS),
        a_subclass=text(SUBCLASS),
        many_workers=text(POOL).replace("WORKERS", "1000"),
    ),
]
