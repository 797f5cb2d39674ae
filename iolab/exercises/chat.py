"""A chat server to compare others with: one thread, epoll, and nobody waits for a client that does not read."""

from select import EPOLLIN, EPOLLOUT, epoll
from socket import socket

MOST_BYTES = 1 << 20
"""A client that is owed more is disconnected: it has stopped reading."""


class Member:
    """One connection: the beginning of a line, what it is owed, and its name once it has sent it."""

    def __init__(self, connection: socket) -> None:
        connection.setblocking(False)
        self.connection = connection
        self.partial = b""
        self.unsent = bytearray()
        self.name = b""

    def receive(self) -> list[bytes]:
        """Receive, and return the lines that are whole. Raise OSError at the end."""
        data = self.connection.recv(65536)
        if not data:
            raise ConnectionError
        *whole, self.partial = (self.partial + data).split(b"\n")
        return whole

    def send(self) -> None:
        """Send what the peer takes of what it is owed."""
        try:
            del self.unsent[: self.connection.send(self.unsent)]
        except BlockingIOError:
            pass


def chat(listening: socket) -> None:
    """Pass every line of a client on to all others, behind its name."""
    listening.setblocking(False)
    members: dict[int, Member] = {}

    def accept() -> None:
        try:
            connection, _ = listening.accept()
        except OSError:  # the peer gave up while it waited in the backlog
            return
        members[connection.fileno()] = Member(connection)
        interest.register(connection, EPOLLIN)

    def receive(descriptor: int) -> None:
        member = members[descriptor]
        news = []
        for line in member.receive():
            if member.name:
                news.append(member.name + b": " + line + b"\n")
            else:
                member.name = line
                owe(descriptor, b"welcome " + line + b"\n")
        if news:
            spread(descriptor, b"".join(news))

    def spread(speaker: int, news: bytes) -> None:
        for descriptor in [number for number, member in members.items() if member.name and number != speaker]:
            owe(descriptor, news)

    def owe(descriptor: int, news: bytes) -> None:
        member = members[descriptor]
        waits = bool(member.unsent)
        member.unsent += news
        if not waits:
            pay(descriptor)
        if descriptor in members and len(member.unsent) > MOST_BYTES:
            close(descriptor)

    def pay(descriptor: int) -> None:
        member = members[descriptor]
        try:
            member.send()
        except OSError:
            close(descriptor)
        else:
            interest.modify(descriptor, EPOLLIN | EPOLLOUT if member.unsent else EPOLLIN)

    def close(descriptor: int) -> None:
        interest.unregister(descriptor)
        members.pop(descriptor).connection.close()

    with epoll() as interest:
        interest.register(listening, EPOLLIN)
        while True:
            for descriptor, events in interest.poll():
                try:
                    if descriptor == listening.fileno():
                        accept()
                    elif descriptor in members and events & EPOLLOUT:
                        pay(descriptor)
                    elif descriptor in members:
                        receive(descriptor)
                except BlockingIOError:
                    pass
                except OSError:  # gone, or reset
                    close(descriptor)
