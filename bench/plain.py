"""The plainest server of each kind: what a model costs if nothing ever goes wrong.

They lose bytes of a partial send, die of a reset, and must not be read as lessons. They
are measured beside the models, which may cost at most 1.15 times as much.
"""

import asyncio
import select
import selectors
import socket
from collections.abc import Callable
from threading import Thread

from bench import plain_kernel, plain_libraries
from iolab.listening import RECEIVE_BYTES, ListeningSocket, Respond, Stopped


def blocking(listening: ListeningSocket, respond: Respond) -> None:
    while True:
        connection = listening.accept()[0]
        while request := connection.recv(RECEIVE_BYTES):
            connection.sendall(respond(request))
        connection.close()


def threads(listening: ListeningSocket, respond: Respond) -> None:
    def converse(connection: socket.socket) -> None:
        while request := connection.recv(RECEIVE_BYTES):
            connection.sendall(respond(request))
        connection.close()

    while True:
        Thread(target=converse, args=(listening.accept()[0],), daemon=True).start()


def nonblocking(listening: ListeningSocket, respond: Respond) -> None:
    listening.setblocking(False)
    connections: list[socket.socket] = []
    while True:
        try:
            connection = listening.accept()[0]
            connection.setblocking(False)
            connections.append(connection)
        except BlockingIOError:
            pass
        for connection in connections[:]:
            try:
                request = connection.recv(RECEIVE_BYTES)
            except BlockingIOError:
                continue
            if request:
                connection.send(respond(request))
            else:
                connections.remove(connection)
                connection.close()


def select_(listening: ListeningSocket, respond: Respond) -> None:
    watched: dict[int, socket.socket] = {listening.fileno(): listening}
    while True:
        for descriptor in select.select(watched, (), ())[0]:
            if descriptor == listening.fileno():
                connection = listening.accept()[0]
                watched[connection.fileno()] = connection
            elif request := watched[descriptor].recv(RECEIVE_BYTES):
                watched[descriptor].send(respond(request))
            else:
                watched.pop(descriptor).close()


def _polling(listening: ListeningSocket, respond: Respond, watch: "select.poll | select.epoll") -> None:
    watched: dict[int, socket.socket] = {}
    watch.register(listening, select.POLLIN)
    while True:
        for descriptor, _ in watch.poll():
            if descriptor == listening.fileno():
                connection = listening.accept()[0]
                watched[connection.fileno()] = connection
                watch.register(connection, select.POLLIN)
            elif request := watched[descriptor].recv(RECEIVE_BYTES):
                watched[descriptor].send(respond(request))
            else:
                watch.unregister(descriptor)
                watched.pop(descriptor).close()


def poll(listening: ListeningSocket, respond: Respond) -> None:
    _polling(listening, respond, select.poll())


def epoll(listening: ListeningSocket, respond: Respond) -> None:
    with select.epoll() as watch:
        _polling(listening, respond, watch)


def selectors_(listening: ListeningSocket, respond: Respond) -> None:
    def accept(listening: socket.socket) -> None:
        selector.register(listening.accept()[0], selectors.EVENT_READ, receive)

    def receive(connection: socket.socket) -> None:
        if request := connection.recv(RECEIVE_BYTES):
            connection.send(respond(request))
        else:
            selector.unregister(connection)
            connection.close()

    with selectors.DefaultSelector() as selector:
        selector.register(listening, selectors.EVENT_READ, accept)
        while True:
            for key, _ in selector.select():
                key.data(key.fileobj)


def asyncio_(listening: ListeningSocket, respond: Respond) -> None:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await reader.read(RECEIVE_BYTES):
                writer.write(respond(request))
                await writer.drain()
        finally:  # or the collector finds it when the loop is gone
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(converse, sock=listening)
        await server.serve_forever()

    _until_stopped(run)


def asyncio_protocol(listening: ListeningSocket, respond: Respond) -> None:
    class Converse(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, request: bytes) -> None:
            self.transport.write(respond(request))  # type: ignore[attr-defined]

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Converse, sock=listening)
        await server.serve_forever()

    _until_stopped(run)


def _until_stopped(run: Callable[[], object]) -> None:
    try:
        asyncio.run(run())  # type: ignore[arg-type]
    except Stopped:
        pass


PLAIN: dict[str, Callable[[ListeningSocket, Respond], None]] = {
    "blocking": blocking,
    "threads": threads,
    "nonblocking": nonblocking,
    "select": select_,
    "poll": poll,
    "epoll": epoll,
    "selectors": selectors_,
    "asyncio": asyncio_,
    "asyncio-protocol": asyncio_protocol,
    "epoll-edge": plain_kernel.epoll_edge,
    "signals": plain_kernel.signals,
    "io_uring-oneshot": plain_kernel.io_uring_oneshot,
    "io_uring": plain_kernel.io_uring,
    "coroutines": plain_kernel.coroutines,
    "uvloop": plain_libraries.uvloop,
    "tornado": plain_libraries.tornado,
    "twisted": plain_libraries.twisted,
    "gevent": plain_libraries.gevent,
    "trio": plain_libraries.trio,
}
"""The plainest server of its kind, by the name of the model that is compared with it."""
