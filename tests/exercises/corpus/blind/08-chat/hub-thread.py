# right
import collections
import select
import socket
import threading


class Hub(threading.Thread):
    """Serves all clients; the main thread accepts."""

    def __init__(self):
        super().__init__(daemon=True)
        self.fresh = collections.deque()
        self.bell, self.ring = socket.socketpair()
        self.bell.setblocking(False)
        self.ring.setblocking(False)
        self.stopping = False
        self.poller = select.poll()
        self.clients = {}

    def wake(self):
        try:
            self.ring.send(b"!")
        except BlockingIOError:
            pass

    def run(self):
        self.poller.register(self.bell, select.POLLIN)
        try:
            while not self.stopping:
                busy = [c for c in self.clients.values() if c.more]
                for fd, events in self.poller.poll(0 if busy else None):
                    if fd == self.bell.fileno():
                        self.bell.recv(4096)
                        while self.fresh:
                            c = Person(self.fresh.popleft())
                            self.clients[c.fd] = c
                            self.poller.register(c.fd, select.POLLIN)
                    elif fd in self.clients:
                        self.serve(self.clients[fd], events)
                for c in busy:
                    if c.alive:
                        self.talk(c)
        finally:
            for c in self.clients.values():
                c.sock.close()

    def serve(self, c, events):
        if events & select.POLLOUT:
            self.flush(c)
        if c.alive and not c.more and not c.over and events & ~select.POLLOUT:
            try:
                data = c.sock.recv(16384)
            except BlockingIOError:
                return
            except OSError:
                return self.drop(c)
            if data:
                c.text += data
                self.talk(c)
            else:
                c.over = True
                self.flush(c)
        elif c.alive and c.over and events & (select.POLLERR | select.POLLHUP):
            self.drop(c)

    def talk(self, c):
        said = c.some()
        if c.greeting:
            c.owed += c.greeting
            c.greeting = b""
        if said:
            for other in list(self.clients.values()):
                if other is not c and other.name and not other.over:
                    waiting = bool(other.owed)
                    other.owed += said
                    if not waiting or len(other.owed) > Person.MOST:
                        self.flush(other)
        if c.bad:
            self.drop(c)
        else:
            self.flush(c)

    def flush(self, c):
        try:
            while c.owed:
                del c.owed[:c.sock.send(c.owed)]
        except BlockingIOError:
            pass
        except OSError:
            return self.drop(c)
        if len(c.owed) > Person.MOST or c.over and not c.owed:
            return self.drop(c)
        self.poller.modify(c.fd, (0 if c.over or c.more else select.POLLIN)
                           | (select.POLLOUT if c.owed else 0))

    def drop(self, c):
        if c.alive:
            c.alive = c.more = False
            del self.clients[c.fd]
            self.poller.unregister(c.fd)
            c.sock.close()


class Person:
    MOST = 1200 * 1024

    def __init__(self, sock):
        sock.setblocking(False)
        self.sock, self.fd = sock, sock.fileno()
        self.text, self.clean, self.owed = bytearray(), 0, bytearray()
        self.name, self.greeting = None, b""
        self.alive, self.over, self.more, self.bad = True, False, False, False

    def some(self):
        said, at, self.more = bytearray(), 0, False
        while len(said) < 40000:
            end = self.text.find(b"\n", max(at, self.clean))
            if end < 0:
                self.clean = len(self.text)
                break
            line, at = self.text[at:end], end + 1
            if self.name is None:
                self.name = bytes(line)
                if not line:
                    self.bad = True
                    break
                self.greeting = b"welcome " + line + b"\n"
            else:
                said += self.name + b": " + line + b"\n"
        else:
            self.more, self.clean = True, at
        del self.text[:at]
        self.clean -= at
        if self.clean < 0:
            self.clean = 0
        self.bad |= len(self.text) > 2**20
        return bytes(said)


def chat(listening):
    hub = Hub()
    hub.start()
    listening.setblocking(True)
    try:
        while True:
            try:
                sock, _ = listening.accept()
            except OSError:
                continue
            hub.fresh.append(sock)
            hub.wake()
    finally:
        hub.stopping = True
        hub.wake()
        hub.join()
        hub.bell.close()
        hub.ring.close()
