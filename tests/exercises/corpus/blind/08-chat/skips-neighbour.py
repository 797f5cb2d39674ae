# lacks a frozen client: walks over the list of members while a member that is cut off (owed too much) or proves gone is removed from it, so the member after that one misses the line; breaks "Whoever has been welcomed hears all later lines"
import select

MOST = 1_400_000


class Member:
    def __init__(self, sock):
        self.sock, self.name = sock, None
        self.pieces, self.owed = [], bytearray()


class Chat:
    def __init__(self, listening):
        self.listening = listening
        self.epoll = select.epoll()
        self.members = []
        self.by_fd = {}

    def leave(self, member):
        if self.by_fd.pop(member.sock.fileno(), None):
            self.epoll.unregister(member.sock.fileno())
            if member in self.members:
                self.members.remove(member)
            member.sock.close()

    def push(self, member):
        try:
            while member.owed:
                del member.owed[:member.sock.send(member.owed)]
        except BlockingIOError:
            pass
        except OSError:
            return self.leave(member)
        self.epoll.modify(member.sock.fileno(), select.EPOLLIN | (
            select.EPOLLOUT if member.owed else 0))

    def send(self, member, data):
        if member.sock.fileno() < 0:
            return
        waiting = bool(member.owed)
        member.owed += data
        if len(member.owed) > MOST:
            self.leave(member)
        elif not waiting:
            try:
                n = member.sock.send(member.owed)
                del member.owed[:n]
            except BlockingIOError:
                pass
            except OSError:
                return self.leave(member)
            if member.owed:
                self.epoll.modify(member.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def receive(self, member):
        try:
            data = member.sock.recv(16384)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            return self.leave(member)
        *lines, rest = data.split(b"\n")
        if lines:
            member.pieces.append(lines[0])
            lines[0] = b"".join(member.pieces)
            member.pieces = []
        member.pieces.append(rest)
        if lines and member.name is None:
            member.name = lines.pop(0)
            if not member.name:
                return self.leave(member)
            self.send(member, b"welcome " + member.name + b"\n")
            if member.sock.fileno() >= 0:
                self.members.append(member)
        if lines:
            block = b"".join(b"%s: %s\n" % (member.name, line) for line in lines)
            for other in self.members:
                if other is not member:
                    self.send(other, block)

    def run(self):
        door = self.listening.fileno()
        self.listening.setblocking(False)
        self.epoll.register(door, select.EPOLLIN)
        try:
            while True:
                for fd, events in self.epoll.poll():
                    if fd == door:
                        try:
                            sock, _ = self.listening.accept()
                        except OSError:
                            continue
                        sock.setblocking(False)
                        self.by_fd[sock.fileno()] = Member(sock)
                        self.epoll.register(sock.fileno(), select.EPOLLIN)
                        continue
                    if events & select.EPOLLOUT and fd in self.by_fd:
                        self.push(self.by_fd[fd])
                    if events & ~select.EPOLLOUT and fd in self.by_fd:
                        self.receive(self.by_fd[fd])
        finally:
            for member in self.by_fd.values():
                member.sock.close()
            self.epoll.close()


def chat(listening):
    Chat(listening).run()
