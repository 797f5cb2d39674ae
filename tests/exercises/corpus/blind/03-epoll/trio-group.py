# right
import trio
from trio.lowlevel import wait_readable, wait_writable


async def attend(sock, respond):
    with sock:
        try:
            while True:
                await wait_readable(sock)
                data = sock.recv(10_000)
                if not data:
                    break
                rest = memoryview(respond(data))
                while rest:
                    try:
                        n = sock.send(rest)
                    except BlockingIOError:
                        await wait_writable(sock)
                    else:
                        rest = rest[n:]
        except OSError:
            pass


async def reception(listening, respond):
    async with trio.open_nursery() as nursery:
        while True:
            await wait_readable(listening)
            try:
                sock, _ = listening.accept()
            except (ConnectionAbortedError, BlockingIOError):
                continue
            sock.setblocking(False)
            nursery.start_soon(attend, sock, respond)


def serve(listening, respond):
    listening.setblocking(False)
    trio.run(reception, listening, respond)     # Stopped comes in a group
