"""Model: coroutines on a web framework, Sanic, which speaks HTTP.
Waits in: epoll_wait on Linux, inside asyncio's event loop; a coroutine waits in `await`.
Readiness or completion: readiness in the loop; completion for the handler: it is called with a whole request.
State per connection: a task, and a protocol and a transport with their buffers.
Runs the reply: in the one thread, between two awaits.
Breaks when: a request is long: it is held whole before it is answered, and above 100 MB refused.
"""

import asyncio
from functools import partial
from socket import socket

import sanic
from sanic.handlers import ErrorHandler
from sanic.response import HTTPResponse, empty, raw
from sanic.server import HttpProtocol

from iolab.listening import Respond


def serve(listening: socket, respond: Respond) -> None:
    """Run an event loop in this thread, with one protocol and one task per connection."""
    listening.setblocking(False)
    conversations: set[HttpProtocol] = set()
    app = App("iolab", Config(), error_handler=Unlogged(), configure_logging=False)
    app.config.update(ACCESS_LOG=False, AUTO_EXTEND=False)

    async def accept() -> None:
        loop = asyncio.get_running_loop()
        protocol = partial(Conversation, loop=loop, app=app, connections=conversations)
        await app._startup()
        try:
            while True:
                await asyncio.sleep(0)  # the others' turn: sock_accept need not wait
                try:
                    connection, _ = await loop.sock_accept(listening)
                except OSError:  # the peer gave up while it waited in the backlog
                    continue
                await loop.connect_accepted_socket(protocol, connection)
        finally:
            for conversation in conversations:
                conversation.transport.abort()

    class Conversation(HttpProtocol):
        def eof_received(self) -> bool:  # True leaves the connection open: what has come is answered first
            self.state["ended"] = True
            return bool(self._data_received.is_set())

        async def receive_more(self) -> None:
            if "ended" in self.state:
                self.transport.close()
            await super().receive_more()

        def pause_writing(self) -> None:  # the peer is slow: read no more until it has its reply
            super().pause_writing()
            self.transport.pause_reading()

        def resume_writing(self) -> None:
            super().resume_writing()
            self.transport.resume_reading()

    @app.post("/")
    async def answer(request: sanic.Request) -> HTTPResponse:
        try:
            return raw(respond(request.body))
        except OSError:  # an error page would be a reply
            request.transport.abort()
            return empty()

    asyncio.run(accept(), debug=False)


class App(sanic.Sanic):
    """An app that can be made again: Sanic rewrites its classes, and so starts once per process."""

    test_mode = True


class Config(sanic.Config):
    """A configuration that leaves the warning filters of the process alone."""

    def _configure_warnings(self) -> None:
        pass


class Unlogged(ErrorHandler):
    """An error handler that says nothing in the log."""

    @staticmethod
    def log(request: sanic.Request, exception: Exception) -> None:
        """Log nothing."""
