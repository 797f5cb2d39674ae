# right
# trio waits in epoll_wait on Linux (one-shot); Stopped leaves the nursery inside of an exception group
import trio
from trio.lowlevel import wait_readable, wait_writable


async def attend(sock, respond):
    try:
        while True:
            try:
                data = sock.recv(65536)
            except BlockingIOError:
                await wait_readable(sock)
                continue
            if not data:
                break
            reply = memoryview(respond(data))
            while reply:
                try:
                    reply = reply[sock.send(reply):]
                except BlockingIOError:
                    await wait_writable(sock)
            await trio.lowlevel.checkpoint()
    except OSError:
        pass
    finally:
        trio.lowlevel.notify_closing(sock)
        sock.close()


async def main(listening, respond):
    async with trio.open_nursery() as nursery:
        while True:
            await wait_readable(listening)
            try:
                sock, _ = listening.accept()
            except OSError:
                continue
            sock.setblocking(False)
            nursery.start_soon(attend, sock, respond)


def serve(listening, respond):
    listening.setblocking(False)
    trio.run(main, listening, respond)
