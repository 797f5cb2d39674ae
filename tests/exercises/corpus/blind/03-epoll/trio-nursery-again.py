# right
import trio


async def attend(conn, respond):
    with conn:
        try:
            while request := await conn.recv(32768):
                reply = memoryview(respond(request))
                while reply:
                    reply = reply[await conn.send(reply):]
        except OSError:
            return


async def doorway(listening, respond):
    listening.setblocking(False)
    # Stopped leaves the nursery as it likes: inside of a group, or by itself
    async with trio.open_nursery() as nursery:
        while True:
            await trio.lowlevel.wait_readable(listening)
            try:
                plain, _ = listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                continue
            nursery.start_soon(attend, trio.socket.from_stdlib_socket(plain), respond)


def serve(listening, respond):
    trio.run(doorway, listening, respond, strict_exception_groups=True)
