# right
# selectors.EpollSelector; each client is a generator that yields what it waits for, and is taken out of the selector while it waits in a queue of those that have used up their turn. Stopped is caught, cleaned up after, and then it returns.
import selectors
from collections import deque

READ, WRITE, TURN = selectors.EVENT_READ, selectors.EVENT_WRITE, 0


def conversation(sock, respond):
    turns = 0
    while True:
        try:
            data = sock.recv(2500)
        except BlockingIOError:
            turns = 0
            yield READ
            continue
        if not data:
            return
        reply = bytearray(respond(bytearray(data)))
        while reply:
            try:
                del reply[: sock.send(reply)]
            except BlockingIOError:
                turns = 0
                yield WRITE
        turns += 1
        if turns == 4:
            turns = 0
            yield TURN


class Server:
    def __init__(self, listening, respond):
        self.listening, self.respond = listening, respond
        self.selector, self.turns, self.known = selectors.EpollSelector(), deque(), {}
        listening.setblocking(False)
        self.selector.register(listening, READ)

    def step(self, sock):
        talk, now = self.known[sock]
        try:
            wanted = next(talk)
        except (StopIteration, OSError):
            wanted = None
        if wanted != now:
            if now:
                self.selector.unregister(sock)
            if wanted:
                self.selector.register(sock, wanted)
        if wanted is None:
            del self.known[sock]
            sock.close()
            return
        self.known[sock] = talk, wanted
        if wanted == TURN:
            self.turns.append(sock)

    def accept(self):
        try:
            sock, _ = self.listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        sock.setblocking(False)
        self.selector.register(sock, READ)
        self.known[sock] = conversation(sock, self.respond), READ

    def run(self):
        while True:
            ready = self.selector.select(0 if self.turns else None)
            waiting, self.turns = self.turns, deque()
            for key, _ in ready:
                if key.fileobj is self.listening:
                    self.accept()
                else:
                    self.step(key.fileobj)
            for sock in waiting:
                self.step(sock)


def serve(listening, respond):
    server = Server(listening, respond)
    try:
        server.run()
    except SystemExit:
        return
    finally:
        for sock in server.known:
            sock.close()
        server.selector.close()
