# right
# trio: a task for each client, in lowlevel.wait_readable and wait_writable (trio's epoll is EPOLLONESHOT), a checkpoint after each reply; Stopped leaves inside of an exception group.
import trio
from trio.lowlevel import checkpoint, wait_readable, wait_writable


async def receive(sock):
    while True:
        try:
            return sock.recv(5555)
        except BlockingIOError:
            await wait_readable(sock)


async def client(sock, respond):
    with sock:
        sock.setblocking(False)
        try:
            while data := await receive(sock):
                rest = memoryview(respond(data))
                while rest:
                    try:
                        rest = rest[sock.send(rest) :]
                    except BlockingIOError:
                        await wait_writable(sock)
                await checkpoint()
        except OSError:
            pass


async def main(listening, respond):
    async with trio.open_nursery() as nursery:
        while True:
            await wait_readable(listening)
            try:
                sock, _ = listening.accept()
            except (ConnectionAbortedError, BlockingIOError):
                continue
            nursery.start_soon(client, sock, respond)


def serve(listening, respond):
    listening.setblocking(False)
    trio.run(main, listening, respond)
