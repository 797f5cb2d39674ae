"""Model: async/await on asyncio's event loop, with streams.
Waits in: epoll_wait on Linux, inside the event loop; a coroutine waits in `await`.
Readiness or completion: readiness in the loop; completion for the coroutine: `await` returns the bytes.
State per connection: a task, and a reader and a writer with their buffers.
Runs the reply: in the one thread, between two awaits.
Breaks when: a reply takes long: no other task runs before the next `await`.
"""

import asyncio
from contextlib import suppress
from socket import socket

from iolab.listening import RECEIVE_BYTES, Respond


def serve(listening: socket, respond: Respond) -> None:
    """Run an event loop in this thread, with one task per connection."""
    listening.setblocking(False)

    async def accept() -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as conversations:
            while True:
                await asyncio.sleep(0)  # the others' turn: sock_accept need not wait
                try:
                    connection, _ = await loop.sock_accept(listening)
                except OSError:  # the peer gave up while it waited in the backlog
                    continue
                conversations.create_task(converse(connection))

    async def converse(connection: socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        writer.transport.set_write_buffer_limits(0)  # drain() leaves nothing unsent
        with suppress(OSError):  # reset by the peer
            try:
                while request := await reader.read(RECEIVE_BYTES):
                    writer.write(respond(request))
                    await writer.drain()
            finally:
                writer.transport.abort()
                await writer.wait_closed()

    asyncio.run(accept(), debug=False)  # debug mode would write to the terminal
