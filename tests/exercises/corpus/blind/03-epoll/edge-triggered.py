# right
from select import epoll, EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP
from errno import EAGAIN

CHUNK = 1 << 16
TURNS = 16  # a client may have so many turns before the others get theirs


def serve(listening, respond):
    listening.setblocking(False)
    ep = epoll()
    ep.register(listening.fileno(), EPOLLIN | EPOLLET)
    conns, owed = {}, {}
    again = set()  # not done, though no edge will come: they ran out of turns

    def accept_all():
        while True:
            try:
                s, _ = listening.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue
            s.setblocking(False)
            fd = s.fileno()
            conns[fd] = s
            owed[fd] = b""
            ep.register(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

    def step(fd):
        """Go on until the kernel says EAGAIN in the direction that matters."""
        s = conns[fd]
        try:
            for _ in range(TURNS):
                while owed[fd]:
                    n = s.send(owed[fd])
                    owed[fd] = owed[fd][n:]
                data = s.recv(CHUNK)
                if not data:
                    close(fd)
                    return
                owed[fd] = memoryview(respond(data))
            again.add(fd)
        except OSError as e:
            if e.errno != EAGAIN:
                close(fd)

    def close(fd):
        again.discard(fd)
        del owed[fd]
        conns.pop(fd).close()  # leaves the epoll by itself

    try:
        while True:
            ready = [fd for fd, _ in ep.poll(0 if again else None)]
            todo = set(ready) | again
            again.clear()
            for fd in todo:
                if fd == listening.fileno():
                    accept_all()
                elif fd in conns:
                    step(fd)
    finally:
        for s in conns.values():
            s.close()
        ep.close()
