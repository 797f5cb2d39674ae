"""Run a coroutine of the learner's over a reader and a writer, in whatever thread an attempt gives it.

Theory of operation. The coroutine has an event loop of its own, and one connection. An attempt ends what does not end
by itself with Stopped, raised in the thread at any line; so the loop is closed again and again until it is closed. A
transport that was aborted closes its socket in the loop's next turn. Stopped may come when the loop has just taken a
callback out of its queue, which is lost then: so that turn is ended by one of many.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import wraps
from socket import socket
from typing import Any

from iolab.course.drills.attempt import INTERRUPTS
from iolab.listening import Stopped

Converse = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, Any]]


class Writer(asyncio.StreamWriter):
    """A writer that knows whether its coroutine has waited for room after the last write."""

    drained = True
    closed = False
    """Whether its coroutine had closed it when it returned."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write, as every writer does."""
        self.drained = False
        super().write(data)

    async def drain(self) -> None:
        """Wait for room, as every writer does."""
        await super().drain()
        self.drained = True


def over_streams(converse: Converse) -> Callable[[socket], Writer]:
    """Return a function of a connection that runs a coroutine, and returns the writer that this one had."""

    @wraps(converse)
    def run(connection: socket) -> Writer:
        loop = asyncio.new_event_loop()
        try:
            return loop.run_until_complete(_talk(converse, connection))
        finally:
            while not loop.is_closed():
                with suppress(Stopped):
                    for tick in range(2 * INTERRUPTS):
                        loop.call_later(tick / 1000, loop.stop)
                    loop.run_forever()
                    loop.close()

    return run


async def _talk(converse: Converse, connection: socket) -> Writer:
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    transport, protocol = await loop.create_connection(lambda: asyncio.StreamReaderProtocol(reader), sock=connection)
    writer = Writer(transport, protocol, reader, loop)
    try:
        await converse(reader, writer)
        writer.closed = writer.is_closing()
        return writer
    finally:
        transport.abort()
