"""Answers to `03-select` and `03-epoll`."""

from iolab.models import MODELS
from tests.exercises.corpus.answers import Answer, Swap, right, swapped, text, wrong
from tests.exercises.corpus.loops import mistakes

POLLING = """
    import time
    from select import select


    def serve(listening, respond):
        listening.setblocking(False)
        connections = []
        owed = {}
        while True:
            try:
                connection, _ = listening.accept()
                connection.setblocking(False)
                connections.append(connection)
            except (BlockingIOError, ConnectionAbortedError):
                pass
            for connection in list(connections):
                try:
                    if owed.get(connection):
                        sent = connection.send(owed[connection])
                        owed[connection] = owed[connection][sent:]
                    elif data := connection.recv(65536):
                        owed[connection] = respond(data)
                    else:
                        connections.remove(connection)
                        connection.close()
                except BlockingIOError:
                    pass
                except OSError:
                    connections.remove(connection)
                    connection.close()
            WAIT
"""

CLASSES = """
    from select import EPOLLIN, EPOLLOUT, epoll


    class Client:
        def __init__(self, sock):
            sock.setblocking(False)
            self.sock = sock
            self.out = bytearray()

        def wants(self):
            return EPOLLOUT if self.out else EPOLLIN

        def read(self, respond):
            data = self.sock.recv(4096)
            if not data:
                raise EOFError
            self.out += respond(data)
            self.write()

        def write(self):
            while self.out:
                try:
                    sent = self.sock.send(self.out[:100_000])
                except BlockingIOError:
                    return
                del self.out[:sent]


    class Server:
        def __init__(self, listening, respond):
            self.listening, self.respond = listening, respond
            self.listening.setblocking(False)
            self.poller = epoll()
            self.clients = {}
            self.poller.register(listening.fileno(), EPOLLIN)

        def accept_all(self):
            while True:
                try:
                    sock, _ = self.listening.accept()
                except OSError:
                    return
                client = self.clients[sock.fileno()] = Client(sock)
                self.poller.register(sock.fileno(), client.wants())

        def handle(self, fd, event):
            client = self.clients[fd]
            before = client.wants()
            try:
                client.write() if event & EPOLLOUT else client.read(self.respond)
            except (EOFError, OSError) as error:
                if not isinstance(error, BlockingIOError):
                    self.drop(fd)
                return
            if client.wants() != before:
                self.poller.modify(fd, client.wants())

        def drop(self, fd):
            self.poller.unregister(fd)
            self.clients.pop(fd).sock.close()

        def run(self):
            while True:
                for fd, event in self.poller.poll(1.0):
                    if fd == self.listening.fileno():
                        self.accept_all()
                    else:
                        self.handle(fd, event)


    def serve(listening, respond):
        Server(listening, respond).run()
"""

LISTS = """
    import select


    def serve(listening, respond):
        listening.setblocking(False)
        readers, owed = [listening], {}

        def hang_up(sock):
            owed.pop(sock, None)
            if sock in readers:
                readers.remove(sock)
            sock.close()

        while True:
            readable, writable, _ = select.select(readers, list(owed), [], 5)
            for sock in writable:
                try:
                    owed[sock] = owed[sock][sock.send(owed[sock]):]
                except BlockingIOError:
                    continue
                except OSError:
                    hang_up(sock)
                    continue
                if not owed[sock]:
                    del owed[sock]
                    readers.append(sock)
            for sock in readable:
                if sock is listening:
                    try:
                        new, _ = sock.accept()
                    except OSError:
                        continue
                    if new.fileno() >= 1024:
                        new.close()
                        continue
                    new.setblocking(False)
                    readers.append(new)
                    continue
                try:
                    data = sock.recv(16384)
                except BlockingIOError:
                    continue
                except OSError:
                    data = b""
                if data:
                    owed[sock] = memoryview(respond(data))
                    readers.remove(sock)
                else:
                    hang_up(sock)
"""

GENERATORS = """
    from select import select


    def talk(sock, respond):
        while True:
            yield "read"
            try:
                data = sock.recv(30000)
            except BlockingIOError:
                continue
            if not data:
                return
            rest = respond(data)
            while rest:
                try:
                    rest = rest[sock.send(rest):]
                except BlockingIOError:
                    pass
                if rest:
                    yield "write"


    def serve(listening, respond):
        listening.setblocking(False)
        waiting = {}

        def go_on(sock, talking):
            try:
                waiting[sock] = (next(talking), talking)
            except (StopIteration, OSError):
                waiting.pop(sock, None)
                sock.close()

        while True:
            wanted = lambda kind: [sock for sock, (what, _) in waiting.items() if what == kind]
            readable, writable, _ = select([listening] + wanted("read"), wanted("write"), [])
            for sock in readable + writable:
                if sock is not listening:
                    go_on(sock, waiting[sock][1])
                    continue
                try:
                    new = sock.accept()[0]
                except OSError:
                    continue
                if new.fileno() >= 1024:
                    new.close()
                    continue
                new.setblocking(False)
                go_on(new, talk(new, respond))
"""

READS_ON: list[Swap] = [
    ("interest.modify(descriptor, EPOLLOUT)", "interest.modify(descriptor, EPOLLIN | EPOLLOUT)"),
    ("for descriptor, _ in", "for descriptor, events in"),
    ("elif descriptor in unsent:", "elif descriptor in unsent and not events & EPOLLIN:"),
    ("send(descriptor, respond(request))", "send(descriptor, bytes(unsent.get(descriptor, b'')) + respond(request))"),
]

SELECT_READS_ON: list[Swap] = [
    ("            interest.discard(descriptor)\n        elif", "        elif"),
    ("elif descriptor in unsent:", "elif descriptor in unsent and descriptor not in readable:"),
    ("send(descriptor, respond(request))", "send(descriptor, bytes(unsent.get(descriptor, b'')) + respond(request))"),
]

EPOLL = [
    wrong("03-epoll", "bounded memory", "reads on while it owes", swapped("epoll", *READS_ON)),
    wrong("03-epoll", "half-close", "closes at the end of file with bytes owed", swapped("epoll", *READS_ON)),
    wrong("03-epoll", "idle", "asks without waiting", swapped("epoll", ("interest.poll()", "interest.poll(0)"))),
    wrong(
        "03-epoll",
        "idle",
        "watches for room to write all the time",
        swapped(
            "epoll",
            ("interest.modify(descriptor, EPOLLIN)", "pass"),
            ("register(connection, EPOLLIN)", "register(connection, EPOLLIN | EPOLLOUT)"),
        ),
    ),
    wrong(
        "03-epoll",
        "idle while it owes",
        "watches for requests that it does not read",
        swapped("epoll", ("EPOLLOUT)\n        elif", "EPOLLIN | EPOLLOUT)\n        elif")),
    ),
    wrong(
        "03-epoll",
        "idle",
        "watches for room to write when all is sent",
        swapped("epoll", ("interest.modify(descriptor, EPOLLIN)", "pass")),
    ),
    wrong(
        "03-epoll",
        "no sleeps",
        "asks and sleeps for 10 ms",
        swapped(
            "epoll",
            ("interest.poll():", "(time.sleep(0.01), interest.poll(0))[1]:"),
            ("from select", "import time\nfrom select"),
        ),
    ),
    wrong("03-epoll", "the model", "threads", MODELS["threads"].source),
    wrong("03-epoll", "the model", "select in its place", MODELS["select"].source),
    wrong("03-epoll", "the model", "poll in its place", MODELS["poll"].source),
    wrong(
        "03-epoll",
        "no sleeps",
        "epoll as a clock",
        text(POLLING)
        .replace("WAIT", "clock.poll(0.01)")
        .replace("connections = []", "connections = []\n    clock = epoll()")
        .replace("import select", "import epoll"),
    ),
    wrong("03-epoll", "the model", "a sleep of 10 ms", text(POLLING).replace("WAIT", "time.sleep(0.01)")),
    wrong("03-epoll", "respond is called", "nothing yet", "def serve(listening, respond):\n    pass\n"),
    wrong("03-epoll", "many clients", "one client at a time", MODELS["blocking"].source),
    *mistakes("03-epoll", "epoll"),
    *right(
        "03-epoll",
        the_course=MODELS["epoll"].source,
        edge_triggered=MODELS["epoll-edge"].source,
        classes=text(CLASSES),
        coroutines=MODELS["coroutines"].source,
        asyncio=MODELS["asyncio"].source,
    ),
]

SELECT = [
    wrong("03-select", "bounded memory", "reads on while it owes", swapped("select", *SELECT_READS_ON)),
    wrong(
        "03-select",
        "idle",
        "asks without waiting",
        swapped("select", ("select(interest, unsent, ())", "select(interest, unsent, (), 0)")),
    ),
    wrong(
        "03-select",
        "idle",
        "watches for room to write all the time",
        swapped("select", ("select(interest, unsent, ())", "select(interest, connections, ())")),
    ),
    wrong(
        "03-select",
        "idle while it owes",
        "watches for requests that it does not read",
        swapped("select", ("            interest.discard(descriptor)\n        elif", "        elif")),
    ),
    wrong(
        "03-select",
        "slow reader's bytes",
        "never watches for requests again",
        swapped(
            "select",
            (
                "elif unsent.pop(descriptor, None):\n            interest.add(descriptor)",
                "else:\n            unsent.pop(descriptor, None)",
            ),
        ),
    ),
    wrong(
        "03-select",
        "no sleeps",
        "asks and sleeps for 10 ms",
        swapped(
            "select",
            ("select(interest, unsent, ())", "(time.sleep(0.01), select(interest, unsent, (), 0))[1]"),
            ("from select", "import time\nfrom select"),
        ),
    ),
    wrong("03-select", "the model", "threads", MODELS["threads"].source),
    wrong("03-select", "the model", "epoll in its place", MODELS["epoll"].source),
    wrong("03-select", "the model", "poll in its place", MODELS["poll"].source),
    wrong(
        "03-select",
        "no sleeps",
        "select as a clock",
        text(POLLING).replace("WAIT", "select([listening], [], [], 0.01)"),
    ),
    wrong("03-select", "the model", "a sleep of 10 ms", text(POLLING).replace("WAIT", "select([], [], [], 0.01)")),
    wrong("03-select", "respond is called", "nothing yet", "def serve(listening, respond):\n    pass\n"),
    wrong("03-select", "many clients", "one client at a time", MODELS["blocking"].source),
    *mistakes("03-select", "select"),
    *right("03-select", the_course=MODELS["select"].source, lists=text(LISTS), generators=text(GENERATORS)),
]

ANSWERS: list[Answer] = [*SELECT, *EPOLL]
