# lacks slow reader's bytes: "clients that read slowly get every byte": TCP_USER_TIMEOUT (meant for dead peers) ends a connection whose living peer does not read for about a second while bytes wait in the kernel
import select
import socket


class Connection:
    def __init__(self, sock):
        self.sock, self.owed = sock, []
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 700)  # find out early who is gone

    def read(self, respond):
        data = self.sock.recv(32768)
        if not data:
            return False
        self.owed.append(memoryview(respond(data)))
        return self.write()

    def write(self):
        while self.owed:
            view = self.owed.pop()
            try:
                view = view[self.sock.send(view) :]
            except BlockingIOError:
                self.owed.append(view)
                break
            if view:
                self.owed.append(view)
        return True


def serve(listening, respond):
    listening.setblocking(False)
    connections = {}
    with select.epoll() as epoll:
        epoll.register(listening, select.EPOLLIN)
        while True:
            for fd, _ in epoll.poll():
                if fd == listening.fileno():
                    try:
                        connection = Connection(listening.accept()[0])
                    except (BlockingIOError, ConnectionAbortedError):
                        continue
                    connections[connection.sock.fileno()] = connection
                    epoll.register(connection.sock, select.EPOLLIN)
                    continue
                connection = connections[fd]
                owed = bool(connection.owed)
                try:
                    stays = connection.write() if owed else connection.read(respond)
                except BlockingIOError:
                    continue
                except OSError:
                    stays = False
                if not stays:
                    epoll.unregister(fd)
                    connections.pop(fd).sock.close()
                elif owed != bool(connection.owed):
                    epoll.modify(fd, select.EPOLLOUT if connection.owed else select.EPOLLIN)
