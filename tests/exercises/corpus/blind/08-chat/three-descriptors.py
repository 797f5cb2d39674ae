# lacks 500 clients: 'There are up to 500 clients' with 1,024 descriptors: each client takes three (its socket, a pair to wake its thread), so that accept fails from about 340 on and those wait
import ctypes
import queue
import select
import socket
import threading
import time
from collections import deque

LIMIT = 1 << 20


class Client:
    def __init__(self, sock):
        self.sock = sock
        self.bell, self.rope = socket.socketpair()
        self.bell.setblocking(False)
        self.rope.setblocking(False)
        self.name = None
        self.rest = bytearray()
        self.owed = deque()
        self.size = 0
        self.dead = False
        self.left = False


class Room:
    def __init__(self):
        self.lock = threading.Lock()
        self.members = {}
        self.clients = set()
        self.line = queue.SimpleQueue()

    # all of these run in the thread `work`

    def push(self, c):
        try:
            while c.owed:
                n = c.sock.send(c.owed[0])
                c.size -= n
                if n == len(c.owed[0]):
                    c.owed.popleft()
                else:
                    c.owed[0] = memoryview(c.owed[0])[n:]
        except BlockingIOError:
            pass
        except OSError:
            c.owed.clear()
            c.size = 0
            c.dead = True
            self.members.pop(c, None)
            self.ring(c)

    def ring(self, c):
        try:
            c.rope.send(b"!")
        except OSError:
            pass

    def tell(self, c, data):
        if c.dead:
            return
        if c.owed and c.size + len(data) > LIMIT:
            self.push(c)
            if c.dead or c.size + len(data) > LIMIT:
                return
        c.owed.append(data)
        c.size += len(data)
        if len(c.owed) == 1:
            self.push(c)
            if c.owed:
                self.ring(c)

    def work(self):
        while True:
            job = self.line.get()
            if job is None:
                return
            c, can_write, data, answer = job
            if can_write:
                self.push(c)
            if data:
                lines = (bytes(c.rest) + data).split(b"\n")
                c.rest = bytearray(lines.pop())
                for line in lines:
                    if c.name is None:
                        c.name = line
                        self.members[c] = True
                        self.tell(c, b"welcome " + line + b"\n")
                    else:
                        text = c.name + b": " + line + b"\n"
                        for m in list(self.members):
                            if m is not c:
                                self.tell(m, text)
            elif data == b"":
                c.left = True
                self.members.pop(c, None)
            answer.release()

    # and this in one thread for each client

    def attend(self, c):
        answer = threading.Semaphore(0)
        p = select.poll()
        p.register(c.bell, select.POLLIN)
        while not c.dead and not (c.left and not c.owed):
            p.register(c.sock, (0 if c.left else select.POLLIN) | (select.POLLOUT if c.owed else 0))
            ready = dict(p.poll())
            if c.bell.fileno() in ready:
                try:
                    c.bell.recv(100)
                except BlockingIOError:
                    pass
            event = ready.get(c.sock.fileno(), 0)
            data = None
            if not c.left and event & ~select.POLLOUT:
                try:
                    data = c.sock.recv(2048)
                except BlockingIOError:
                    pass
                except OSError:
                    data = b""
                    c.dead = True
            elif event & (select.POLLERR | select.POLLHUP):
                c.dead = True
            if event:
                self.line.put((c, bool(c.owed), data, answer))
                answer.acquire()
        self.line.put((c, False, b"", answer))
        answer.acquire()
        self.clients.discard(c)
        c.dead = True
        c.sock.close()
        c.bell.close()
        c.rope.close()


def chat(listening):
    threading.stack_size(128 * 1024)
    ctypes.CDLL(None).mallopt(-8, 1)        # M_ARENA_MAX: no 64 MiB of addresses for each thread
    room = Room()
    worker = threading.Thread(target=room.work, daemon=True)
    worker.start()
    try:
        while True:
            try:
                sock, _ = listening.accept()
            except ConnectionAbortedError:
                continue
            except OSError:             # no descriptors left: perhaps somebody leaves
                time.sleep(0.1)
                continue
            try:
                sock.setblocking(False)
                c = Client(sock)
            except OSError:
                sock.close()
                time.sleep(0.1)
                continue
            room.clients.add(c)
            threading.Thread(target=room.attend, args=(c,), daemon=True).start()
    finally:
        for c in list(room.clients):
            c.dead = True
            room.ring(c)
        time.sleep(0.05)
        room.line.put(None)
