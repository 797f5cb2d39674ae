# lacks the model: the connections are in a second epoll, which is registered with the first beside the listening socket; breaks "The listening socket and every connection are registered with one `epoll`".
import select


class Hub:
    """An epoll for the door, and inside of it an epoll for the guests."""

    def __init__(self, door):
        self.outer, self.inner = select.epoll(), select.epoll()
        self.outer.register(self.inner.fileno(), select.EPOLLIN)
        self.outer.register(door.fileno(), select.EPOLLIN | select.EPOLLET)

    def wait(self):
        ready = [fd for fd, _ in self.outer.poll()]
        if self.inner.fileno() in ready:
            ready.remove(self.inner.fileno())
            ready += [fd for fd, _ in self.inner.poll(0)]
        return ready


def serve(listening, respond):
    listening.setblocking(False)
    hub = Hub(listening)
    guests, owed = {}, {}

    def welcome():
        while True:
            try:
                guest, _ = listening.accept()
            except ConnectionAbortedError:
                continue
            except OSError:
                return
            guest.setblocking(False)
            guests[guest.fileno()] = guest
            hub.inner.register(guest, select.EPOLLIN)

    while True:
        for fd in hub.wait():
            if fd == listening.fileno():
                welcome()
                continue
            guest = guests.get(fd)
            if guest is None:
                continue
            try:
                if fd in owed:
                    owed[fd] = owed[fd][guest.send(owed[fd]):]
                    if not owed[fd]:
                        del owed[fd]
                        hub.inner.modify(fd, select.EPOLLIN)
                elif data := guest.recv(32768):
                    reply = respond(data)
                    if reply:
                        owed[fd] = reply
                        hub.inner.modify(fd, select.EPOLLOUT)
                else:
                    raise EOFError
            except BlockingIOError:
                pass
            except (EOFError, OSError):
                owed.pop(fd, None)
                guests.pop(fd).close()
                welcome()
