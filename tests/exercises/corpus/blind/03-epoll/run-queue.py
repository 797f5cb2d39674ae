# lacks others meanwhile: others have their turns after ten receives at most: the run queue is emptied before the next epoll_wait, so a client that always asks is served alone
import collections
import select

RECORD = 256
TURN = 8


def serve(listening, respond):
    listening.setblocking(False)
    clients, owed = {}, {}
    ready = collections.deque()
    epoll = select.epoll()
    epoll.register(listening, select.EPOLLIN)
    flags = select.EPOLLIN | select.EPOLLOUT | select.EPOLLET

    def drop(fd):
        owed.pop(fd, None)
        clients.pop(fd).close()

    def turn(fd):
        """A few receives; true if the client may have more to ask."""
        sock = clients[fd]
        for _ in range(TURN):
            if owed[fd]:
                owed[fd] = owed[fd][sock.send(owed[fd]):]
                if owed[fd]:
                    continue
            data = sock.recv(RECORD)
            if not data:
                drop(fd)
                return False
            owed[fd] = respond(data)
        return True

    while True:
        for fd, _ in epoll.poll():
            if fd == listening.fileno():
                try:
                    sock, _ = listening.accept()
                except (BlockingIOError, ConnectionAbortedError):
                    continue
                sock.setblocking(False)
                clients[sock.fileno()] = sock
                owed[sock.fileno()] = b""
                epoll.register(sock, flags)
            else:
                ready.append(fd)
        while ready:
            fd = ready.popleft()
            try:
                if turn(fd):
                    ready.append(fd)
            except BlockingIOError:
                pass
            except OSError:
                drop(fd)
