# right
import select
from contextlib import closing


def talk(sock, respond):
    with sock:
        while True:
            yield select.EPOLLIN
            try:
                data = sock.recv(8192)
            except BlockingIOError:
                continue
            except ConnectionError:
                return
            except OSError:
                return
            if not data:
                return
            owed = memoryview(respond(data))
            while owed:
                try:
                    owed = owed[sock.send(owed) :]
                except BlockingIOError:
                    yield select.EPOLLOUT
                except OSError:
                    return
            del owed, data


def serve(listening, respond):
    listening.setblocking(False)
    talks, asked = {}, {}
    with closing(select.epoll()) as epoll:
        epoll.register(listening, select.EPOLLIN)
        while True:
            for fd, _ in epoll.poll(None, 64):
                if fd == listening.fileno():
                    try:
                        sock, _peer = listening.accept()
                    except (BlockingIOError, ConnectionAbortedError):
                        continue
                    sock.setblocking(False)
                    fd = sock.fileno()
                    talks[fd] = talk(sock, respond)
                    asked[fd] = next(talks[fd])
                    epoll.register(fd, asked[fd])
                    continue
                mask = next(talks[fd], None)
                if mask is None:  # closed: the kernel has taken it out
                    del talks[fd], asked[fd]
                elif mask != asked[fd]:
                    asked[fd] = mask
                    epoll.modify(fd, mask)
