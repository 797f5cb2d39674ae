# right
# A thread for each client that only receives, one that only waits for room in
# sockets, and one (this one's child) that owns everything and decides.
import ctypes
import queue
import select
import socket
import threading
from collections import deque

CAP = 1 << 20


class Client:
    def __init__(self, sock):
        self.sock = sock
        self.name = None
        self.turn = threading.Semaphore(0)
        self.rest = bytearray()
        self.owed = deque()
        self.size = 0
        self.closed = False
        self.left = False
        self.watched = False


def listen_to(client, mail):
    while True:
        try:
            data = client.sock.recv(2048)
        except OSError:
            data = None
        mail.put(("data", client, data))
        if not data:
            return
        client.turn.acquire()       # one receive, one turn
        if client.closed:
            mail.put(("data", client, None))
            return


def wait_for_room(ep, by_fd, mail, stop):
    while True:
        for fd, _ in ep.poll():
            if fd == stop.fileno():
                return
            mail.put(("room", by_fd.get(fd), None))


def own(mail, ep, by_fd, started):
    members = {}

    def drop(c):                    # the receiving thread closes the descriptor's use first
        if not c.closed:
            c.closed = True
            members.pop(c, None)
            c.owed.clear()
            c.size = 0
            try:
                c.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def bury(c):
        started.discard(c)
        if c.watched:
            by_fd.pop(c.sock.fileno(), None)
            ep.unregister(c.sock)
            c.watched = False
        c.sock.close()

    def watch(c):
        fd = c.sock.fileno()
        by_fd[fd] = c
        if c.watched:
            ep.modify(fd, select.EPOLLOUT | select.EPOLLONESHOT)
        else:
            ep.register(fd, select.EPOLLOUT | select.EPOLLONESHOT)
            c.watched = True

    def push(c):
        try:
            while c.owed:
                n = c.sock.send(c.owed[0], socket.MSG_DONTWAIT)
                c.size -= n
                if n == len(c.owed[0]):
                    c.owed.popleft()
                else:
                    c.owed[0] = memoryview(c.owed[0])[n:]
        except BlockingIOError:
            pass
        except OSError:
            drop(c)

    def give(c, data):
        if c.closed:
            return
        if c.owed and c.size + len(data) > CAP:
            push(c)
            if c.closed or c.size + len(data) > CAP:
                return
        c.owed.append(data)
        c.size += len(data)
        if len(c.owed) == 1:
            push(c)
            if c.owed:
                watch(c)

    while True:
        what, c, data = mail.get()
        if what == "stop":
            return
        if what == "room":
            if c is None or c.closed and not c.left:
                continue
            if c.sock.fileno() < 0:
                continue
            push(c)
            if c.owed:
                watch(c)
            elif c.left:
                drop(c)
                bury(c)
            continue
        if not data:                # its thread is done
            members.pop(c, None)
            if data is None:
                drop(c)
            c.left = True
            if not c.owed:
                drop(c)
                bury(c)
            continue
        if b"\n" in data:
            whole = (bytes(c.rest) + data).split(b"\n")
            c.rest = bytearray(whole.pop())
            for line in whole:
                if c.name is None:
                    c.name = line
                    members[c] = None
                    give(c, b"welcome %b\n" % line)
                else:
                    text = b"%b: %b\n" % (c.name, line)
                    for m in list(members):
                        if m is not c:
                            give(m, text)
        else:
            c.rest += data
        c.turn.release()


def chat(listening):
    mail = queue.SimpleQueue()
    ep = select.epoll()
    by_fd = {}
    started = set()
    a, b = socket.socketpair()
    ep.register(b, select.EPOLLIN)
    threading.stack_size(128 * 1024)
    ctypes.CDLL(None).mallopt(-8, 1)        # M_ARENA_MAX: no 64 MiB of addresses for each thread
    owner = threading.Thread(target=own, args=(mail, ep, by_fd, started), daemon=True)
    rooms = threading.Thread(target=wait_for_room, args=(ep, by_fd, mail, b), daemon=True)
    owner.start()
    rooms.start()
    try:
        while True:
            try:
                sock, _ = listening.accept()
            except ConnectionAbortedError:
                continue
            sock.setblocking(True)
            c = Client(sock)
            started.add(c)
            threading.Thread(target=listen_to, args=(c, mail), daemon=True).start()
    finally:
        a.send(b"x")
        mail.put(("stop", None, None))
        owner.join(0.5)
        rooms.join(0.2)
        for c in list(started):
            c.closed = True
            try:
                c.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            c.turn.release()
