"""Model: callbacks on asyncio's event loop, with transports and protocols.
Waits in: epoll_wait on Linux, inside the event loop.
Readiness or completion: readiness in the loop; completion for the protocol: it is called with the bytes.
State per connection: a protocol, and a transport with the bytes that its peer is owed.
Runs the reply: in the one thread, between two callbacks.
Breaks when: a reply takes long: nobody else is called back meanwhile.
"""

import asyncio
from socket import socket

from iolab.listening import Respond


def serve(listening: socket, respond: Respond) -> None:
    """Run an event loop in this thread, with one protocol per connection."""
    listening.setblocking(False)
    conversations: set[asyncio.Transport] = set()

    async def accept() -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                await asyncio.sleep(0)  # the others' turn: sock_accept need not wait
                try:
                    connection, _ = await loop.sock_accept(listening)
                except OSError:  # the peer gave up while it waited in the backlog
                    continue
                await loop.connect_accepted_socket(Conversation, connection)
        finally:
            for transport in conversations:
                transport.abort()

    class Conversation(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            transport.set_write_buffer_limits(0)
            conversations.add(transport)
            self.transport = transport

        def data_received(self, request: bytes) -> None:
            self.transport.write(respond(request))  # an OSError closes the connection

        def pause_writing(self) -> None:  # the peer is slow: read no more until it has its reply
            self.transport.pause_reading()

        def resume_writing(self) -> None:
            self.transport.resume_reading()

        def connection_lost(self, _: Exception | None) -> None:
            conversations.discard(self.transport)

    asyncio.run(accept(), debug=False)  # debug mode would write to the terminal
