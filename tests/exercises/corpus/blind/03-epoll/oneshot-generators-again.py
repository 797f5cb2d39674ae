# right
"""Every client is a generator, which yields the mask that it waits for.

Never more than one answer to a question "is it ready": EPOLLONESHOT.
It never tries to send without having been told that there is room.
"""
import contextlib
import select

ASK, ROOM = select.EPOLLIN, select.EPOLLOUT


def conversation(sock, respond):
    with sock, contextlib.suppress(ConnectionError, TimeoutError):
        while True:
            yield ASK
            try:
                request = sock.recv(1 << 14)
            except BlockingIOError:
                continue
            if not request:
                return
            # odd pieces are as good as any
            half = len(request) // 2
            pieces = filter(None, (request[:half], request[half:]))
            reply = b"".join(map(respond, pieces))
            while reply:
                yield ROOM
                try:
                    reply = reply[sock.send(reply):]
                except BlockingIOError:
                    pass


def doorkeeper(listening, welcome):
    while True:
        yield ASK
        for _ in range(8):
            try:
                sock, address = listening.accept()
            except BlockingIOError:
                break
            except ConnectionAbortedError:
                continue
            sock.setblocking(False)
            welcome(sock)


def serve(listening, respond):
    ep = select.epoll()
    routines = {}

    def adopt(fd, routine):
        routines[fd] = routine
        ep.register(fd, next(routine) | select.EPOLLONESHOT)

    def welcome(sock):
        adopt(sock.fileno(), conversation(sock, respond))

    listening.setblocking(False)
    adopt(listening.fileno(), doorkeeper(listening, welcome))
    try:
        while True:
            for fd, _ in ep.poll():
                routine = routines[fd]
                try:
                    wish = next(routine)
                except StopIteration:
                    # the socket is closed, and so epoll has forgotten it;
                    # but its number may already be someone else's
                    if routines[fd] is routine:
                        del routines[fd]
                else:
                    ep.modify(fd, wish | select.EPOLLONESHOT)
    finally:
        for routine in list(routines.values()):
            with contextlib.suppress(ValueError):
                routine.close()
        ep.close()
