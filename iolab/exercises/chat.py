"""A chat server to measure others by: one thread, epoll, and nobody waits for a client that does not read."""

from select import EPOLLIN, EPOLLOUT, epoll
from socket import socket

MOST_BYTES = 1 << 20
"""A client that is owed more is cut off: it has stopped reading."""


class Client:
    """One connection: the beginning of a line, what it is owed, and its name once it has said it."""

    def __init__(self, connection: socket) -> None:
        connection.setblocking(False)
        self.connection = connection
        self.begun = b""
        self.owed = bytearray()
        self.name = b""

    def lines(self) -> list[bytes]:
        """Receive, and return the lines that are whole. Raise OSError at the end."""
        came = self.connection.recv(65536)
        if not came:
            raise ConnectionError
        *whole, self.begun = (self.begun + came).split(b"\n")
        return whole

    def pay(self) -> None:
        """Send what the peer takes of what it is owed."""
        try:
            del self.owed[: self.connection.send(self.owed)]
        except BlockingIOError:
            pass


def chat(listening: socket) -> None:
    """Pass every line of a client on to all others, behind its name."""
    listening.setblocking(False)
    clients: dict[int, Client] = {}

    def accept() -> None:
        try:
            connection, _ = listening.accept()
        except OSError:  # the peer gave up while it waited in the backlog
            return
        clients[connection.fileno()] = Client(connection)
        interest.register(connection, EPOLLIN)

    def receive(descriptor: int) -> None:
        client = clients[descriptor]
        said = []
        for line in client.lines():
            if client.name:
                said.append(client.name + b": " + line + b"\n")
            else:
                client.name = line
                owe(descriptor, b"welcome " + line + b"\n")
        if said:
            spread(descriptor, b"".join(said))

    def spread(speaker: int, said: bytes) -> None:
        for descriptor in [number for number, client in clients.items() if client.name and number != speaker]:
            owe(descriptor, said)

    def owe(descriptor: int, said: bytes) -> None:
        client = clients[descriptor]
        waits = bool(client.owed)
        client.owed += said
        if not waits:
            pay(descriptor)
        if descriptor in clients and len(client.owed) > MOST_BYTES:
            close(descriptor)

    def pay(descriptor: int) -> None:
        client = clients[descriptor]
        try:
            client.pay()
        except OSError:
            close(descriptor)
        else:
            interest.modify(descriptor, EPOLLIN | EPOLLOUT if client.owed else EPOLLIN)

    def close(descriptor: int) -> None:
        interest.unregister(descriptor)
        clients.pop(descriptor).connection.close()

    with epoll() as interest:
        interest.register(listening, EPOLLIN)
        while True:
            for descriptor, events in interest.poll():
                try:
                    if descriptor == listening.fileno():
                        accept()
                    elif descriptor in clients and events & EPOLLOUT:
                        pay(descriptor)
                    elif descriptor in clients:
                        receive(descriptor)
                except BlockingIOError:
                    pass
                except OSError:  # gone, or reset
                    close(descriptor)
