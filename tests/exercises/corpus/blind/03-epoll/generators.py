# right
import errno
import select
from select import EPOLLET, EPOLLIN, EPOLLOUT


def talk(sock, respond):
    with sock:
        while True:
            yield EPOLLIN
            try:
                data = sock.recv(16384)
            except BlockingIOError:
                continue
            except OSError:
                return
            if not data:
                return
            view = memoryview(respond(data))
            while view:
                try:
                    view = view[sock.send(view):]
                    if view:
                        yield EPOLLOUT
                except BlockingIOError:
                    yield EPOLLOUT
                except OSError:
                    return


def serve(listening, respond):
    listening.setblocking(False)
    with select.epoll() as ep:
        ep.register(listening, EPOLLIN)
        lfd, tasks, masks, short = listening.fileno(), {}, {}, False
        while True:
            for fd, _ in ep.poll():
                if fd == lfd:
                    try:
                        sock = listening.accept()[0]
                    except OSError as e:
                        if e.errno in (errno.EMFILE, errno.ENFILE) and not short:
                            short = True
                            ep.modify(lfd, EPOLLIN | EPOLLET)
                        continue
                    sock.setblocking(False)
                    fd = sock.fileno()
                    tasks[fd] = talk(sock, respond)
                    masks[fd] = next(tasks[fd])
                    ep.register(fd, masks[fd])
                    continue
                mask = next(tasks[fd], None)
                if mask is None:
                    del tasks[fd], masks[fd]
                    if short:
                        short = False
                        ep.modify(lfd, EPOLLIN)
                elif mask != masks[fd]:
                    masks[fd] = mask
                    ep.modify(fd, mask)
