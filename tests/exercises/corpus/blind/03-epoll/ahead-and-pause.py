# right
import select


class Link:
    def __init__(self, sock):
        self.sock = sock
        self.out = memoryview(b"")
        self.ahead = b""
        self.ended = False
        self.mask = select.EPOLLIN

    def wanted(self):
        mask = select.EPOLLOUT if self.out else 0
        if not self.ahead and not self.ended:
            mask |= select.EPOLLIN
        return mask

    def finished(self):
        return self.ended and not self.out and not self.ahead


def work(link, respond, event):
    bad = event & (select.EPOLLERR | select.EPOLLHUP)
    if not link.ahead and not link.ended and (event & select.EPOLLIN or bad):
        try:
            link.ahead = link.sock.recv(16384)
            link.ended = not link.ahead
        except BlockingIOError:
            pass
    if not link.out and link.ahead:
        link.out, link.ahead = memoryview(respond(link.ahead)), b""
    if link.out:
        try:
            link.out = link.out[link.sock.send(link.out) :]
        except BlockingIOError:
            pass
    if not link.out and link.ahead:
        link.out, link.ahead = memoryview(respond(link.ahead)), b""


def serve(listening, respond):
    listening.setblocking(False)
    links, open_door = {}, True
    with select.epoll() as epoll:
        epoll.register(listening, select.EPOLLIN)
        while True:
            for fd, event in epoll.poll():
                if fd == listening.fileno():
                    try:
                        sock, _ = listening.accept()
                    except BlockingIOError:
                        continue
                    except ConnectionAbortedError:
                        if links:
                            open_door = False
                            epoll.modify(listening, 0)
                        continue
                    sock.setblocking(False)
                    links[sock.fileno()] = Link(sock)
                    epoll.register(sock, select.EPOLLIN)
                    continue
                link = links[fd]
                try:
                    work(link, respond, event)
                    gone = link.finished()
                except OSError:
                    gone = True
                if gone:
                    del links[fd]
                    link.sock.close()
                    if not open_door:
                        open_door = True
                        epoll.modify(listening, select.EPOLLIN)
                elif link.wanted() != link.mask:
                    link.mask = link.wanted()
                    epoll.modify(fd, link.mask)
