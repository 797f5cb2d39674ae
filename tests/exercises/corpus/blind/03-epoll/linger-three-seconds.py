# lacks no sleeps: "waits in epoll_wait alone" and "holds up nobody": SO_LINGER makes close() wait up to 3 s for a client that half-closed and has not read the last bytes yet
import select
import socket
import struct

LINGER = struct.pack("ii", 1, 3)  # make sure that the last bytes arrive


def serve(listening, respond):
    listening.setblocking(False)
    clients = {}
    with select.epoll() as epoll:
        epoll.register(listening, select.EPOLLIN)

        def welcome():
            try:
                sock, _ = listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
            clients[sock.fileno()] = (sock, memoryview(b""))
            epoll.register(sock, select.EPOLLIN)

        def turn(fd):
            sock, owed = clients[fd]
            before = bool(owed)
            try:
                if not owed:
                    data = sock.recv(32768)
                    if not data:
                        raise EOFError
                    owed = memoryview(respond(data))
                owed = owed[sock.send(owed) :]
            except BlockingIOError:
                pass
            except (OSError, EOFError):
                del clients[fd]
                epoll.unregister(fd)
                sock.close()
                return
            clients[fd] = (sock, owed)
            if bool(owed) != before:
                epoll.modify(fd, select.EPOLLOUT if owed else select.EPOLLIN)

        while True:
            for fd, _ in epoll.poll():
                if fd == listening.fileno():
                    welcome()
                else:
                    turn(fd)
