# lacks slow reader's bytes: it reads ahead up to 1 MiB and tries to send a new reply at once although older ones are queued, so replies overtake each other; breaks "stop reading from it while you owe it bytes" and "gets all that it is owed" (as a stream, in order)
import select
from collections import deque

LIMIT = 1 << 20


def serve(listening, respond):
    listening.setblocking(False)
    ep = select.epoll()
    ep.register(listening, select.EPOLLIN)
    socks, queues = {}, {}

    def mask(fd):
        size = sum(map(len, queues[fd]))
        return (select.EPOLLIN if size < LIMIT else 0) | (select.EPOLLOUT if size else 0)

    def try_send(s, data):
        try:
            return data[s.send(data):]
        except BlockingIOError:
            return data

    def close(fd):
        ep.unregister(fd)
        del queues[fd]
        socks.pop(fd).close()

    try:
        while True:
            for fd, ev in ep.poll():
                if fd == listening.fileno():
                    try:
                        s, _ = listening.accept()
                    except BlockingIOError:
                        continue
                    s.setblocking(False)
                    socks[s.fileno()], queues[s.fileno()] = s, deque()
                    ep.register(s, select.EPOLLIN)
                    continue
                s, q = socks[fd], queues[fd]
                try:
                    if ev & select.EPOLLIN:
                        data = s.recv(65536)
                        if not data:
                            s.setblocking(False)
                            if q:
                                ep.modify(fd, select.EPOLLOUT)
                                q.append(b"")
                            else:
                                close(fd)
                            continue
                        rest = try_send(s, respond(data))
                        if rest:
                            q.append(rest)
                    elif q:
                        rest = try_send(s, q.popleft())
                        if rest:
                            q.appendleft(rest)
                        if list(q) == [b""]:
                            close(fd)
                            continue
                        if q and q[-1] == b"":
                            continue
                    ep.modify(fd, mask(fd))
                except OSError:
                    close(fd)
    finally:
        for s in socks.values():
            s.close()
        ep.close()
