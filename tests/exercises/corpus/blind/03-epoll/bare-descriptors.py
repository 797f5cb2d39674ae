# right
# Bare descriptors, os.read and os.write; what a client is owed is sent only when the epoll says that there is room.
import os
import select


def serve(listening, respond):
    listening.setblocking(False)
    ep = select.epoll()
    ep.register(listening, select.EPOLLIN | select.EPOLLET)
    owed: dict[int, list[bytes]] = {}

    def newcomers():
        while True:
            try:
                sock, _ = listening.accept()
            except ConnectionAbortedError:
                continue
            except OSError:
                return
            sock.setblocking(False)
            ep.register(fd := sock.detach(), select.EPOLLIN)
            owed[fd] = []

    def leave(fd):
        del owed[fd]
        ep.unregister(fd)
        os.close(fd)
        newcomers()

    while True:
        for fd, _ in ep.poll():
            if fd == listening.fileno():
                newcomers()
            elif fd in owed:
                queue = owed[fd]
                try:
                    if queue:
                        n = os.write(fd, queue[0])
                        queue[0] = queue[0][n:]
                        if not queue[0]:
                            queue.clear()
                            ep.modify(fd, select.EPOLLIN)
                    elif data := os.read(fd, 1 << 14):
                        if reply := respond(data):
                            queue.append(reply)
                            ep.modify(fd, select.EPOLLOUT)
                    else:
                        leave(fd)
                except BlockingIOError:
                    pass
                except OSError:
                    leave(fd)
