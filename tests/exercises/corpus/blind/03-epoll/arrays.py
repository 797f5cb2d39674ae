# right
import os
import select

SIZE = 20000


def serve(listening, respond):
    buffer = bytearray(SIZE)
    view = memoryview(buffer)
    listening.setblocking(False)
    door = listening.fileno()
    epoll = select.epoll(128)
    epoll.register(door, select.EPOLLIN)
    room = 1024
    replies = [b""] * room
    starts = [0] * room
    alive = [False] * room

    def close(fd):
        replies[fd], starts[fd], alive[fd] = b"", 0, False
        os.close(fd)

    try:
        while True:
            for fd, event in epoll.poll(-1, 256):
                if fd == door:
                    try:
                        sock = listening.accept()[0]
                    except BlockingIOError:
                        continue
                    except ConnectionAbortedError:
                        continue
                    sock.setblocking(False)
                    fd = sock.detach()
                    while fd >= len(alive):
                        replies.append(b"")
                        starts.append(0)
                        alive.append(False)
                    alive[fd] = True
                    epoll.register(fd, select.EPOLLIN)
                    continue
                try:
                    if replies[fd]:
                        part = memoryview(replies[fd])[starts[fd] :]
                        starts[fd] += os.write(fd, part)
                        if starts[fd] == len(replies[fd]):
                            replies[fd], starts[fd] = b"", 0
                            epoll.modify(fd, select.EPOLLIN)
                        continue
                    count = os.readv(fd, [buffer])
                    if not count:
                        close(fd)
                        continue
                    reply = respond(view[:count])
                    try:
                        sent = os.write(fd, reply)
                    except BlockingIOError:
                        sent = 0
                    if sent < len(reply):
                        replies[fd], starts[fd] = reply, sent
                        epoll.modify(fd, select.EPOLLOUT)
                except BlockingIOError:
                    continue
                except OSError:
                    close(fd)
    except SystemExit:
        for fd, there in enumerate(alive):
            if there:
                os.close(fd)
        return
    finally:
        epoll.close()
