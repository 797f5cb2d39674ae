"""Model: coroutines on the streams of a framework, Tornado.
Waits in: epoll_wait on Linux, inside asyncio's event loop; a coroutine waits in `await`.
Readiness or completion: readiness in the loop; completion for the coroutine: `await` returns the bytes.
State per connection: a task, and a stream with its buffers.
Runs the reply: in the one thread, between two awaits.
Breaks when: a reply takes long: no other task runs before the next `await`.
"""

import asyncio
from socket import socket
from typing import Any

from tornado.ioloop import IOLoop
from tornado.iostream import IOStream
from tornado.tcpserver import TCPServer

from iolab.listening import RECEIVE_BYTES, Respond


def serve(listening: socket, respond: Respond) -> None:
    """Run an event loop in this thread, with one task per connection."""
    listening.setblocking(False)
    conversations: set[IOStream] = set()

    class Conversations(TCPServer):
        async def handle_stream(self, stream: IOStream, address: Any) -> None:
            conversations.add(stream)
            try:
                while True:
                    request = await stream.read_bytes(RECEIVE_BYTES, partial=True)
                    sent = stream.write(respond(request))
                    if stream.writing():  # the peer is slow: read no more until it has its reply
                        IOLoop.current().update_handler(stream.fileno(), IOLoop.WRITE)
                    await sent
                    await asyncio.sleep(0)  # an `await` that need not wait lets no other task run
            except OSError:  # its end of file, or reset by the peer
                conversations.discard(stream)
                stream.close()

    async def accept() -> None:
        Conversations().add_socket(listening)
        await asyncio.Event().wait()

    with asyncio.Runner(debug=False) as runner:
        try:
            runner.run(accept())
        finally:
            runner.get_loop().remove_reader(listening)
            for stream in list(conversations):
                stream.close()
