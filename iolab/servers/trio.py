"""Model: async/await on Trio's event loop; one nursery holds the task of every connection.
Waits in: epoll_wait on Linux, inside the event loop; a coroutine waits in `await`.
Readiness or completion: readiness in the loop; completion for the coroutine: `await` returns the bytes.
State per connection: a task.
Runs the reply: in the one thread, between two awaits.
Breaks when: a reply takes long: no other task runs before the next `await`.
"""

from socket import socket

import trio
from trio.socket import SocketType

from iolab.listening import RECEIVE_BYTES, Respond, Stopped


def serve(listening: socket, respond: Respond) -> None:
    """Run an event loop in this thread, with one task per connection."""
    listening.setblocking(False)

    async def accept() -> None:
        async with trio.open_nursery() as conversations:
            while True:
                await trio.lowlevel.wait_readable(listening)
                try:
                    connection, _ = listening.accept()
                except OSError:  # the peer gave up while it waited in the backlog
                    continue
                conversations.start_soon(converse, trio.socket.socket(fileno=connection.detach()), respond)

    try:
        trio.run(accept)
    except* Stopped:  # the nursery has ended every task, and hands it on in a group
        pass


async def converse(connection: SocketType, respond: Respond) -> None:
    """Answer every request of one connection until its end of file."""
    with connection:
        try:
            while request := await connection.recv(RECEIVE_BYTES):
                unsent = memoryview(respond(request))
                while unsent:
                    unsent = unsent[await connection.send(unsent) :]
        except OSError:  # reset by the peer
            pass
