"""The plainest server of each library, as its own documentation would have it; see `bench.plain`."""

import asyncio
from typing import Any

from iolab.listening import RECEIVE_BYTES, ListeningSocket, Respond, Stopped


def uvloop(listening: ListeningSocket, respond: Respond) -> None:
    import uvloop as library

    class Converse(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, request: bytes) -> None:
            self.transport.write(respond(request))

    async def run() -> None:
        loop = asyncio.get_running_loop()
        listening.setblocking(False)
        while True:
            await loop.connect_accepted_socket(Converse, (await loop.sock_accept(listening))[0])

    library.run(run())


def tornado(listening: ListeningSocket, respond: Respond) -> None:
    from tornado.iostream import StreamClosedError
    from tornado.tcpserver import TCPServer

    class Converse(TCPServer):
        async def handle_stream(self, stream: Any, _: Any) -> None:
            try:
                while True:
                    await stream.write(respond(await stream.read_bytes(RECEIVE_BYTES, partial=True)))
            except StreamClosedError:
                pass

    async def run() -> None:
        listening.setblocking(False)
        Converse().add_socket(listening)
        await asyncio.Event().wait()

    asyncio.run(run())


def twisted(listening: ListeningSocket, respond: Respond) -> None:
    from twisted.internet.epollreactor import EPollReactor
    from twisted.internet.protocol import Protocol
    from twisted.internet.tcp import Server

    reactor = EPollReactor()

    class Converse(Protocol):  # type: ignore[misc]
        def dataReceived(self, request: bytes) -> None:
            self.transport.write(respond(request))

    class Door:
        def fileno(self) -> int:
            return listening.fileno()

        def logPrefix(self) -> str:
            return "door"

        def doRead(self) -> None:
            try:
                connection, peer = listening.accept()
            except (OSError, Stopped):
                return
            converse = Converse()
            converse.makeConnection(Server(connection, converse, peer, None, 0, reactor))

        def connectionLost(self, _: Any) -> None:
            reactor.stop()

    listening.setblocking(False)
    reactor.addReader(Door())
    reactor.run(installSignalHandlers=False)
    reactor.waker.connectionLost(None)
    reactor._poller.close()


def gevent(listening: ListeningSocket, respond: Respond) -> None:
    from gevent import get_hub, spawn
    from gevent.socket import socket, wait_read

    def converse(connection: Any) -> None:
        with connection:
            while request := connection.recv(RECEIVE_BYTES):
                connection.sendall(respond(request))

    try:
        while True:
            wait_read(listening.fileno())
            spawn(converse, socket(fileno=listening.accept()[0].detach()))
    finally:
        get_hub().destroy()


def trio(listening: ListeningSocket, respond: Respond) -> None:
    import trio as library

    async def converse(connection: Any) -> None:
        with connection:
            while request := await connection.recv(RECEIVE_BYTES):
                await connection.send(respond(request))

    async def run() -> None:
        async with library.open_nursery() as nursery:
            while True:
                await library.lowlevel.wait_readable(listening)
                nursery.start_soon(converse, library.socket.socket(fileno=listening.accept()[0].detach()))

    try:
        library.run(run)
    except* Stopped:
        pass
