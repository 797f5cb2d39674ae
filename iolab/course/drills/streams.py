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


def over_streams(converse: Converse) -> Callable[[socket], bool]:
    """Return a function of a connection that runs a coroutine, and says whether it closed its writer."""

    @wraps(converse)
    def run(connection: socket) -> bool:
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


async def _talk(converse: Converse, connection: socket) -> bool:
    reader, writer = await asyncio.open_connection(sock=connection)
    try:
        await converse(reader, writer)
        return writer.is_closing()
    finally:
        writer.transport.abort()
