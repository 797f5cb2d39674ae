# lacks resets: what is owed is kept by descriptor number and not forgotten when a client resets, so the next client with that number gets a stranger's bytes; breaks "Serve every client" and "`respond` turns the bytes that one `recv` returned into those of the reply"
import select
from collections import defaultdict


def serve(listening, respond):
    listening.setblocking(False)
    ep = select.epoll()
    ep.register(listening, select.EPOLLIN)
    socks = {}
    owed = defaultdict(bytes)

    def hang_up(fd):
        ep.unregister(fd)
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
                    socks[s.fileno()] = s
                    ep.register(s, select.EPOLLIN)
                    continue
                s = socks[fd]
                try:
                    if ev & select.EPOLLIN:
                        data = s.recv(65536)
                        if not data:
                            hang_up(fd)
                            continue
                        owed[fd] += respond(data)
                    if owed[fd]:
                        owed[fd] = owed[fd][s.send(owed[fd]):]
                except BlockingIOError:
                    pass
                except OSError:
                    hang_up(fd)
                    continue
                ep.modify(fd, select.EPOLLOUT if owed[fd] else select.EPOLLIN)
    finally:
        for s in socks.values():
            s.close()
        ep.close()
