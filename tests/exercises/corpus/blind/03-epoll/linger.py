# lacks half-close: SO_LINGER with zero seconds makes close() throw away what the kernel has not sent yet, and the client gets a reset; breaks "A client that closes its sending half gets all that it is owed, and then the end of file".
import errno
import select
import socket
import struct

SIZE = 1 << 16


def serve(listening, respond):
    listening.setblocking(False)
    ep = select.epoll()
    ep.register(listening.fileno(), select.EPOLLIN)
    clients, owed = {}, {}
    full = False

    def drop(fd):
        nonlocal full
        owed.pop(fd, None)
        clients.pop(fd).close()
        if full:
            full = False
            ep.modify(listening.fileno(), select.EPOLLIN)

    try:
        while True:
            for fd, _ in ep.poll():
                if fd == listening.fileno():
                    try:
                        conn, _ = listening.accept()
                    except OSError as e:
                        if e.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM) and not full:
                            # tell me of newcomers and of the end, but once each
                            full = True
                            ep.modify(listening.fileno(), select.EPOLLIN | select.EPOLLET)
                        continue
                    conn.setblocking(False)
                    # no TIME_WAIT, no lack of ports
                    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    clients[conn.fileno()] = conn
                    ep.register(conn.fileno(), select.EPOLLIN)
                    continue
                if fd not in clients:
                    continue
                try:
                    rest = owed.get(fd)
                    if rest is None:
                        data = clients[fd].recv(SIZE)
                        if not data:
                            drop(fd)
                            continue
                        rest = memoryview(respond(data))
                    if len(rest):
                        rest = rest[clients[fd].send(rest):]
                except BlockingIOError:
                    if rest is None:
                        continue
                except OSError:
                    drop(fd)
                    continue
                if len(rest):
                    if fd not in owed:
                        ep.modify(fd, select.EPOLLOUT)
                    owed[fd] = rest
                elif owed.pop(fd, None) is not None:
                    ep.modify(fd, select.EPOLLIN)
    finally:
        for conn in clients.values():
            conn.close()
        ep.close()
