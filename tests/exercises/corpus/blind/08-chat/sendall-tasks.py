# lacks everybody hears: starts a task with sock_sendall for each message, and two of them on one slow connection mix their bytes or replace each other's writer, so lines arrive torn or never; breaks "Whoever has been welcomed hears all later lines, and those of one speaker in their order"
import asyncio


async def main(listening):
    loop = asyncio.get_running_loop()
    members, owed, tasks = {}, {}, set()

    def start(coroutine):
        task = loop.create_task(coroutine)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    async def deliver(sock, data):
        owed[sock] += len(data)
        try:
            if owed[sock] > 1_300_000:
                raise ConnectionAbortedError
            await loop.sock_sendall(sock, data)
            owed[sock] -= len(data)
        except OSError:
            members.pop(sock, None)
            if sock.fileno() >= 0:
                sock.shutdown(2)

    async def client(sock):
        owed[sock] = 0
        text, seen = bytearray(), 0
        try:
            while data := await loop.sock_recv(sock, 16384):
                text += data
                lines = []
                if (last := text.rfind(b"\n", seen)) >= 0:
                    lines = bytes(text[:last]).split(b"\n")
                    del text[:last + 1]
                seen = len(text)
                if lines and sock not in members:
                    name = lines.pop(0)
                    if not name:
                        break
                    await loop.sock_sendall(sock, b"welcome " + name + b"\n")
                    members[sock] = name + b": "
                if lines:
                    message = b"".join(members[sock] + line + b"\n" for line in lines)
                    for other in list(members):
                        if other is not sock:
                            start(deliver(other, message))
                    await asyncio.sleep(0)
        except (OSError, KeyError):
            pass
        finally:
            members.pop(sock, None)
            loop.remove_writer(sock) if sock.fileno() >= 0 else None
            sock.close()

    while True:
        try:
            sock, _ = await loop.sock_accept(listening)
        except OSError:
            continue
        sock.setblocking(False)
        start(client(sock))


def chat(listening):
    listening.setblocking(False)
    asyncio.run(main(listening))
