# right
# The door is here; the room is another process, whose program is written when the chat begins.
# Each guest is handed over with SCM_RIGHTS. When our end of the pipe closes, the room closes too.
import os
import socket
import subprocess
import sys

ROOM = r'''
import collections, select, socket, sys

MIB = 1 << 20
pipe = socket.socket(fileno=int(sys.argv[1]))
pipe.setblocking(False)
ET = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
epoll = select.epoll()
epoll.register(pipe, select.EPOLLIN)
guests, named = {}, {}
ready = collections.deque()         # those who may have more to say; each gets one recv, then queues again


class Guest:
    def __init__(self, sock):
        self.sock, self.fd = sock, sock.fileno()
        self.name, self.parts = None, []
        self.owed, self.size = collections.deque(), 0       # blocks, shared by all whom they are owed to
        self.queued = self.left = self.lost = False

    def write(self):
        while self.owed:
            try:
                n = self.sock.send(self.owed[0])
            except BlockingIOError:
                return
            except OSError:
                self.lost = True
                self.owed.clear()
                self.size = 0
                named.pop(self.fd, None)
                enqueue(self)
                return
            self.size -= n
            block = self.owed.popleft()
            if n < len(block):
                self.owed.appendleft(memoryview(block)[n:])

    def tell(self, block, lines):
        if self.owed:
            self.write()
        if self.lost:
            return
        if self.size + len(block) <= MIB:
            self.size += len(block)
            if not self.owed or len(block) > 1000:
                self.owed.append(block)
            elif type(self.owed[-1]) is bytearray and len(self.owed[-1]) < 16384:
                self.owed[-1] += block                      # short ones in a crate of its own
            else:
                self.owed.append(bytearray(block))
        else:
            for line in lines:                              # as many of them as may be
                if self.size + len(line) <= MIB:
                    self.owed.append(line)
                    self.size += len(line)
        self.write()

    def read(self):
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if not data:
            self.left = True
            self.parts.clear()
            named.pop(self.fd, None)
            if not self.owed:
                self.close()
            return
        enqueue(self)
        if b"\n" not in data:
            self.parts.append(data)
            if len(self.parts) > 1000:
                self.parts = [b"".join(self.parts)]
            return
        self.parts.append(data)
        lines = b"".join(self.parts).split(b"\n")
        self.parts = [lines.pop()]
        if self.name is None:
            self.name = lines.pop(0)
            hello = b"welcome %b\n" % self.name
            self.tell(hello, [hello])
            if not self.lost:
                named[self.fd] = self
        group, size = [], 0
        for line in lines:
            text = b"%b: %b\n" % (self.name, line)
            if group and size + len(text) > 65536:
                self.say(group)
                group, size = [], 0
            group.append(text)
            size += len(text)
        if group:
            self.say(group)

    def say(self, group):
        block = b"".join(group) if len(group) > 1 else group[0]
        for other in list(named.values()):
            if other is not self:
                other.tell(block, group)

    def close(self):
        if guests.pop(self.fd, None):
            named.pop(self.fd, None)
            self.owed.clear()
            self.sock.close()


def enqueue(guest):
    if not guest.queued:
        guest.queued = True
        ready.append(guest)


def main():
    while True:
        for fd, event in epoll.poll(0 if ready else None):
            if fd == pipe.fileno():
                try:
                    word, fds, _, _ = socket.recv_fds(pipe, 1, 1)
                except BlockingIOError:
                    continue
                if not word:
                    return
                for fd in fds:
                    sock = socket.socket(fileno=fd)
                    sock.setblocking(False)
                    guests[fd] = Guest(sock)
                    epoll.register(fd, ET)
            elif fd in guests:
                guest = guests[fd]
                guest.write()
                if not guest.left:
                    enqueue(guest)
                elif not guest.owed:
                    guest.close()
        for _ in range(len(ready)):
            guest = ready.popleft()
            guest.queued = False
            if guest.fd in guests and guests[guest.fd] is guest and not guest.left:
                guest.read()


main()
'''


def chat(listening):
    name = os.path.abspath("chat_room_%d.py" % os.getpid())
    with open(name, "w") as file:
        file.write(ROOM)
    ours, theirs = socket.socketpair()
    room = subprocess.Popen([sys.executable, "-I", name, str(theirs.fileno())],
                            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    theirs.close()
    try:
        while True:
            try:
                sock, _ = listening.accept()
            except ConnectionAbortedError:
                continue
            with sock:
                socket.send_fds(ours, [b"+"], [sock.fileno()])
    finally:
        ours.close()
        try:
            room.wait(0.5)
        except subprocess.TimeoutExpired:
            room.kill()
            room.wait()
        os.unlink(name)
