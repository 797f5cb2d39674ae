# lacks a clean end: the function ends within a second of Stopped: when descriptors have run out, the listening socket is out of the epoll until somebody leaves
import selectors


class Server:
    def __init__(self, listening, respond):
        self.selector = selectors.EpollSelector()
        self.listening = listening
        self.respond = respond
        self.accepting = False
        listening.setblocking(False)
        self.open_door()

    def open_door(self):
        if not self.accepting:
            self.selector.register(self.listening, selectors.EVENT_READ, self.accept)
            self.accepting = True

    def shut_door(self):
        self.selector.unregister(self.listening)
        self.accepting = False

    def accept(self, _):
        try:
            sock, _ = self.listening.accept()
        except BlockingIOError:
            return
        except ConnectionAbortedError:
            self.shut_door()        # no descriptor is left: wait until one is
            return
        sock.setblocking(False)
        self.selector.register(sock, selectors.EVENT_READ, self.read)

    def read(self, sock):
        data = sock.recv(16384)
        if not data:
            raise ConnectionResetError
        self.write(sock, memoryview(self.respond(data)))

    def write(self, sock, reply):
        try:
            reply = reply[sock.send(reply):]
        except BlockingIOError:
            pass
        if reply:
            self.selector.modify(sock, selectors.EVENT_WRITE,
                                 lambda sock: self.write(sock, reply))
        else:
            self.selector.modify(sock, selectors.EVENT_READ, self.read)

    def close(self, sock):
        self.selector.unregister(sock)
        sock.close()
        self.open_door()

    def run(self):
        while True:
            for key, _ in self.selector.select():
                try:
                    key.data(key.fileobj)
                except BlockingIOError:
                    pass
                except OSError:
                    self.close(key.fileobj)


def serve(listening, respond):
    Server(listening, respond).run()
