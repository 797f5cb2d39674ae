# right: raw epoll, functions and dicts by descriptor; who is owed more than 1 MiB is disconnected (what was received from it is still passed on)
import select
from collections import deque

IN, OUT, BAD = select.EPOLLIN, select.EPOLLOUT, select.EPOLLHUP | select.EPOLLERR
OWED = 1024 * 1024


def chat(listening):
    listening.setblocking(False)
    epoll = select.epoll()
    socks, names, heard, owed = {}, {}, {}, {}
    pending = {}  # fd -> generator that passes on its lines, a turn for each next()
    turns = deque()
    ended = set()  # no more to receive from these
    mute = set()  # no more to send to these

    def arm(fd):
        if fd in socks:
            epoll.modify(fd, (0 if fd in ended else IN) | (OUT if owed[fd] else 0))

    def bury(fd):
        names.pop(fd, None)
        heard.pop(fd)
        owed.pop(fd)
        ended.discard(fd)
        mute.discard(fd)
        epoll.unregister(fd)
        socks.pop(fd).close()

    def push(fd, data):
        try:
            return socks[fd].send(data)
        except BlockingIOError:
            return 0
        except OSError:
            silence(fd)
            return len(data)

    def silence(fd):
        mute.add(fd)
        owed[fd].clear()

    def tell(fd, data):
        if fd in mute:
            return
        queue = owed[fd]
        if queue:
            if len(queue) + len(data) > OWED:
                silence(fd)
                socks[fd].shutdown(2) if fd not in pending else None
                ended.add(fd)
                dismissed.append(fd)
            else:
                queue += data
            return
        rest = memoryview(data)[push(fd, data) :]
        if rest and fd not in mute:
            queue += rest
            arm(fd)

    dismissed = []

    def lines(fd):
        """Take whole lines out of what was heard, and pass them on, at most some 64 KiB a turn."""
        buffer = heard[fd]
        whole, newline, rest = bytes(buffer).rpartition(b"\n")
        heard[fd] = bytearray(rest)
        if not newline:
            return
        todo = whole.split(b"\n")
        todo.reverse()
        if fd not in names:
            name = todo.pop()
            tell(fd, b"welcome " + name + b"\n")
            names[fd] = name
        prefix = names[fd] + b": "
        while todo:
            batch, size = [], 0
            while todo and size < 65536:
                batch.append(prefix + todo.pop() + b"\n")
                size += len(batch[-1])
            block = b"".join(batch)
            for other in list(names):
                if other != fd:
                    tell(other, block)
            yield

    def receive(fd):
        try:
            data = socks[fd].recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
            silence(fd)
        if not data:
            ended.add(fd)
            names.pop(fd, None)
            if owed[fd]:
                arm(fd)
            else:
                bury(fd)
            return
        heard[fd] += data
        if b"\n" in data:
            pending[fd] = lines(fd)
            turns.append(fd)

    def accept():
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        connection.setblocking(False)
        fd = connection.fileno()
        socks[fd], heard[fd], owed[fd] = connection, bytearray(), bytearray()
        epoll.register(fd, IN)

    epoll.register(listening, IN)
    while True:
        for fd, events in epoll.poll(0 if turns else -1):
            if fd == listening.fileno():
                accept()
                continue
            if fd not in socks:
                continue
            if events & (OUT | BAD) and owed[fd]:
                del owed[fd][: push(fd, owed[fd])]
                if not owed[fd]:
                    if fd in ended and fd not in pending:
                        bury(fd)
                        continue
                    arm(fd)
            if fd not in ended and fd not in pending and events & (IN | BAD):
                receive(fd)
        for _ in range(len(turns)):
            fd = turns.popleft()
            if next(pending[fd], pending) is pending:
                del pending[fd]
            else:
                turns.append(fd)
        for fd in dismissed[:]:
            if fd not in pending:
                dismissed.remove(fd)
                if fd in socks:
                    bury(fd)
