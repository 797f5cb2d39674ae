"""The plainest server of each kind that uses more of the kernel than `select` and `poll`; see `bench.plain`."""

import select
import socket
from collections.abc import Generator
from selectors import EVENT_READ, DefaultSelector
from signal import sigwaitinfo

from iolab.kernel.ring import MULTISHOT, SEND, Ring
from iolab.kernel.signals import SIGNALS, Interest, descriptor_of
from iolab.kernel.uring import MultishotAccept
from iolab.listening import RECEIVE_BYTES, ListeningSocket, Respond


def epoll_edge(listening: ListeningSocket, respond: Respond) -> None:
    listening.setblocking(False)
    watched: dict[int, socket.socket] = {}
    with select.epoll() as watch:
        watch.register(listening, select.EPOLLIN | select.EPOLLET)
        while True:
            for descriptor, _ in watch.poll():
                try:
                    while descriptor == listening.fileno():
                        connection = listening.accept()[0]
                        connection.setblocking(False)
                        watched[connection.fileno()] = connection
                        watch.register(connection, select.EPOLLIN | select.EPOLLET)
                    while request := watched[descriptor].recv(RECEIVE_BYTES):
                        watched[descriptor].send(respond(request))
                    watch.unregister(descriptor)
                    watched.pop(descriptor).close()
                except BlockingIOError:
                    pass


def signals(listening: ListeningSocket, respond: Respond) -> None:
    listening.setblocking(False)
    connections: dict[int, socket.socket] = {}

    def accept_all() -> None:
        while True:
            connection = listening.accept()[0]
            connection.setblocking(False)
            interest.register(connection)
            connections[connection.fileno()] = connection
            answer_all(connection.fileno())  # bytes that came before raised no signal

    def answer_all(descriptor: int) -> None:
        try:
            while request := connections[descriptor].recv(RECEIVE_BYTES):
                connections[descriptor].send(respond(request))
            interest.unregister(descriptor)
            connections.pop(descriptor).close()
        except (BlockingIOError, KeyError):  # drained; closed before its signal was taken
            pass

    with Interest() as interest:
        interest.register(listening)
        while True:
            try:
                accept_all()
            except BlockingIOError:
                pass
            while (descriptor := descriptor_of(sigwaitinfo(SIGNALS))) != listening.fileno():
                answer_all(descriptor)


def io_uring_oneshot(listening: ListeningSocket, respond: Respond) -> None:
    connections: dict[int, socket.socket] = {}
    with Ring(RECEIVE_BYTES) as ring:
        accepting = MultishotAccept(ring, listening)
        while True:
            ring.submit()
            for completion in ring.wait():
                operation, descriptor, result, _, request = completion
                if descriptor == listening.fileno():
                    connection = accepting.connection(completion)
                    connections[connection.fileno()] = connection
                    ring.receive(connection.fileno())
                elif result <= 0:
                    connections.pop(descriptor).close()
                elif operation == SEND:
                    ring.receive(descriptor)
                else:
                    ring.send(descriptor, respond(request))


def io_uring(listening: ListeningSocket, respond: Respond) -> None:
    connections: dict[int, socket.socket] = {}
    with Ring(RECEIVE_BYTES) as ring:
        accepting = MultishotAccept(ring, listening)
        while True:
            for completion in ring.submit_and_wait():
                _, descriptor, _, more, request = completion
                if descriptor == listening.fileno():
                    connection = accepting.connection(completion)
                    connections[connection.fileno()] = connection
                    ring.receive(connection.fileno(), MULTISHOT)
                elif request:
                    ring.send_silently(descriptor, respond(request))
                    if not more:
                        ring.receive(descriptor, MULTISHOT)
                else:
                    connections.pop(descriptor).close()


def coroutines(listening: ListeningSocket, respond: Respond) -> None:
    def accept() -> Generator[None]:
        while True:
            yield
            connection = listening.accept()[0]
            start(connection, converse(connection))

    def converse(connection: socket.socket) -> Generator[None]:
        yield
        while request := connection.recv(RECEIVE_BYTES):
            connection.send(respond(request))
            yield
        selector.unregister(connection)
        connection.close()

    def start(waiting: socket.socket, coroutine: Generator[None]) -> None:
        next(coroutine)
        selector.register(waiting, EVENT_READ, coroutine)

    with DefaultSelector() as selector:
        start(listening, accept())
        while True:
            for key, _ in selector.select():
                next(key.data, None)
