# right
import select

ONE = select.EPOLLONESHOT


def serve(listening, respond):
    listening.setblocking(False)
    epoll = select.epoll()
    epoll.register(listening, select.EPOLLIN)
    socks, owed = {}, {}

    def receive(fd):
        data = socks[fd].recv(24000)
        if not data:
            raise EOFError
        reply = respond(data)
        sent = 0
        try:
            sent = socks[fd].send(reply)
        except BlockingIOError:
            pass
        if sent < len(reply):
            owed[fd] = (reply, sent)

    def send(fd):
        reply, start = owed[fd]
        with memoryview(reply) as view:
            start += socks[fd].send(view[start : start + 262144])
        if start == len(reply):
            del owed[fd]
        else:
            owed[fd] = (reply, start)

    def turn(fd):
        try:
            (send if fd in owed else receive)(fd)
        except BlockingIOError:
            pass
        except (OSError, EOFError):
            owed.pop(fd, None)
            socks.pop(fd).close()
            return
        epoll.modify(fd, ONE | (select.EPOLLOUT if fd in owed else select.EPOLLIN))

    def welcome():
        try:
            sock, _ = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        sock.setblocking(False)
        socks[sock.fileno()] = sock
        epoll.register(sock, ONE | select.EPOLLIN)

    try:
        while True:
            for fd, _ in epoll.poll(30):
                welcome() if fd == listening.fileno() else turn(fd)
    except SystemExit as stopped:
        for sock in socks.values():
            sock.close()
        raise BaseExceptionGroup("the server ends", [stopped]) from None
    finally:
        epoll.close()
