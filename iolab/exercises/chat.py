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


class Room:
    """All members by their descriptors, and the epoll that says which of them are ready."""

    def __init__(self, listening: socket, interest: epoll) -> None:
        self.listening, self.interest = listening, interest
        self.members: dict[int, Member] = {}

    def serve(self, descriptor: int, events: int) -> None:
        """Do what one socket is ready for."""
        try:
            if descriptor == self.listening.fileno():
                self.accept()
            elif descriptor in self.members and events & EPOLLOUT:
                self.pay(descriptor)
            elif descriptor in self.members:
                self.receive(descriptor)
        except BlockingIOError:
            pass
        except OSError:  # gone, or reset
            self.close(descriptor)

    def accept(self) -> None:
        """Accept a client, who has no name yet."""
        try:
            connection, _ = self.listening.accept()
        except OSError:  # the peer gave up while it waited in the backlog
            return
        self.members[connection.fileno()] = Member(connection)
        self.interest.register(connection, EPOLLIN)

    def receive(self, descriptor: int) -> None:
        """Receive once: the first line is a name, and all later ones are for the others."""
        member = self.members[descriptor]
        news = []
        for line in member.receive():
            if member.name:
                news.append(member.name + b": " + line + b"\n")
            else:
                member.name = line
                self.owe(descriptor, b"welcome " + line + b"\n")
        if news:
            self.spread(descriptor, b"".join(news))

    def spread(self, speaker: int, news: bytes) -> None:
        """Owe lines to all who have a name, but for the one who said them."""
        for descriptor in [number for number, member in self.members.items() if member.name and number != speaker]:
            self.owe(descriptor, news)

    def owe(self, descriptor: int, news: bytes) -> None:
        """Send now if nothing waits before it, and disconnect who is owed too much."""
        member = self.members[descriptor]
        waits = bool(member.unsent)
        member.unsent += news
        if not waits:
            self.pay(descriptor)
        if descriptor in self.members and len(member.unsent) > MOST_BYTES:
            self.close(descriptor)

    def pay(self, descriptor: int) -> None:
        """Send what is owed, and ask to be told of room if some of it is left."""
        member = self.members[descriptor]
        try:
            member.send()
        except OSError:
            self.close(descriptor)
        else:
            self.interest.modify(descriptor, EPOLLIN | EPOLLOUT if member.unsent else EPOLLIN)

    def close(self, descriptor: int) -> None:
        """Forget a member."""
        self.interest.unregister(descriptor)
        self.members.pop(descriptor).connection.close()


def chat(listening: socket) -> None:
    """Pass every line of a client on to all others, behind its name."""
    listening.setblocking(False)
    with epoll() as interest:
        interest.register(listening, EPOLLIN)
        room = Room(listening, interest)
        while True:
            for descriptor, events in interest.poll():
                room.serve(descriptor, events)
