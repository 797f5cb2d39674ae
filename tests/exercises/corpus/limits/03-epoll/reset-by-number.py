# lacks resets: any error but ECONNRESET ends it, and a reset behind an end of file is EPIPE
import select, socket
from collections import deque

ONE = select.EPOLLONESHOT


class Client:
    def __init__(self, sock):
        self.sock, self.owed, self.ended = sock, deque(), False

    def flush(self):
        while self.owed:
            pieces = [self.owed[i] for i in range(min(len(self.owed), 16))]
            sent = self.sock.sendmsg(pieces)
            while sent:
                if sent < len(self.owed[0]):
                    self.owed[0] = self.owed[0][sent:]
                    break
                sent -= len(self.owed.popleft())


def serve(listening, respond):
    listening.setblocking(False)
    room = bytearray(4099)
    view = memoryview(room)
    clients = {}
    with select.epoll() as ep:
        ep.register(listening, select.EPOLLIN | ONE)
        try:
            while True:
                for fd, what in ep.poll(maxevents=7):
                    if fd == listening.fileno():
                        for _ in range(5):
                            try:
                                sock, _address = listening.accept()
                            except BlockingIOError:
                                break
                            except ConnectionAbortedError:
                                continue
                            sock.setblocking(False)
                            clients[sock.fileno()] = Client(sock)
                            ep.register(sock, select.EPOLLIN | ONE)
                        ep.modify(listening, select.EPOLLIN | ONE)
                        continue
                    client = clients[fd]
                    try:
                        if not client.owed and not client.ended:
                            count = client.sock.recv_into(room)
                            if count:
                                client.owed.append(memoryview(respond(view[:count])))
                            else:
                                client.ended = True
                        client.flush()
                    except BlockingIOError:
                        pass
                    except OSError as error:
                        if error.errno != 104:
                            raise
                        client.owed.clear()
                        client.ended = True
                    if client.ended and not client.owed:
                        ep.unregister(fd)
                        del clients[fd]
                        client.sock.close()
                    else:
                        ep.modify(fd, (select.EPOLLOUT if client.owed else select.EPOLLIN) | ONE)
        finally:
            for client in clients.values():
                client.sock.close()
