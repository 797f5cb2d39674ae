# lacks everybody hears: threads; a line is missed where it would make the owed more than 512 KiB.
# WRONG: threads; a line is missed where it would make the owed more than 512 KiB.
# Breaks "It still hears, and is still heard, while no more than 1 MiB (1,048,576 bytes) is owed to it": a client that pauses while
# 800 KB more than the kernel takes are said finds lines missing.
import os
import select
import socket
import threading

LIMIT = 1 << 19
NOW = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL


class Chat:
    def __init__(self):
        self.lock = threading.Lock()
        self.room = {}                      # fd -> Member
        self.everyone = set()
        self.over = False
        self.blocked = {}                   # fd -> Member that owes
        self.rd, self.wr = os.pipe()
        os.set_blocking(self.wr, False)
        os.set_blocking(self.rd, False)

    def wake(self):
        try:
            os.write(self.wr, b"!")
        except BlockingIOError:
            pass

    def writer(self):
        while not self.over:
            with self.lock:
                members = dict(self.blocked)
            poller = select.poll()
            poller.register(self.rd, select.POLLIN)
            for fd in members:
                poller.register(fd, select.POLLOUT)
            again = False
            while not again:
                for fd, event in poller.poll():
                    if fd == self.rd:
                        os.read(self.rd, 4096)
                        again = True
                        continue
                    with self.lock:
                        member = members[fd]
                        if self.blocked.get(fd) is member:
                            member.flush()
                        if self.blocked.get(fd) is not member:
                            again = True


class Member:
    def __init__(self, chat, sock):
        self.chat, self.sock, self.fd = chat, sock, sock.fileno()
        self.out = bytearray()
        self.broken = False

    def flush(self):
        try:
            while self.out:
                n = self.sock.send(self.out, NOW)
                del self.out[:n]
        except BlockingIOError:
            return
        except OSError:
            self.fail()
        if self.chat.blocked.pop(self.fd, None):
            self.chat.wake()

    def fail(self):
        self.broken = True
        self.out.clear()
        self.chat.room.pop(self.fd, None)
        try:
            self.sock.shutdown(socket.SHUT_RDWR)        # wakes its reader
        except OSError:
            pass

    def give(self, text):
        if self.broken:
            return
        if self.out:
            self.flush()
            if self.out and len(self.out) + len(text) > LIMIT:
                return
        if self.broken:
            return
        self.out += text
        if self.fd not in self.chat.blocked:
            try:
                n = self.sock.send(self.out, NOW)
                del self.out[:n]
            except BlockingIOError:
                pass
            except OSError:
                self.fail()
            if self.out:
                self.chat.blocked[self.fd] = self
                self.chat.wake()

    def serve(self):
        name, held = None, b""
        chat = self.chat
        try:
            while True:
                data = self.sock.recv(65536)
                if not data:
                    break
                *lines, tail = data.split(b"\n")
                if not lines:
                    if isinstance(held, bytes):
                        held = bytearray(held)
                    held += tail
                    continue
                lines[0] = bytes(held) + lines[0]
                held = tail
                for line in lines:
                    with chat.lock:
                        if name is None:
                            name = line
                            self.give(b"welcome " + name + b"\n")
                            if not self.broken:
                                chat.room[self.fd] = self
                            continue
                        text = name + b": " + line + b"\n"
                        for other in list(chat.room.values()):
                            if other is not self:
                                other.give(text)
        except OSError:
            pass
        finally:
            with chat.lock:
                self.broken = True
                chat.everyone.discard(self)
                chat.room.pop(self.fd, None)
                if chat.blocked.pop(self.fd, None):
                    chat.wake()
                self.sock.close()


def chat(listening):
    listening.setblocking(True)
    state = Chat()
    threading.stack_size(256 * 1024)
    writer = threading.Thread(target=state.writer, daemon=True)
    writer.start()
    try:
        while True:
            try:
                sock, _ = listening.accept()
            except OSError:
                continue
            sock.setblocking(True)
            member = Member(state, sock)
            with state.lock:
                state.everyone.add(member)
            threading.Thread(target=member.serve, daemon=True).start()
    finally:
        with state.lock:
            state.over = True
            for member in state.everyone:
                member.fail()
            state.wake()
        writer.join(0.5)
