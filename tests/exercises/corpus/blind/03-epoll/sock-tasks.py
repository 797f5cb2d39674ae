# right
import asyncio


async def client(loop, sock, respond):
    try:
        while True:
            request = await loop.sock_recv(sock, 16384)
            if not request:
                break
            await loop.sock_sendall(sock, respond(request))
            # neither of the two gives way when it succeeds at once
            await asyncio.sleep(0)
    except OSError:
        pass
    finally:
        sock.close()


async def main(listening, respond):
    loop = asyncio.get_running_loop()
    tasks = set()

    def knock():
        # Stopped goes from here through the loop, which cancels everybody
        try:
            sock, _ = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        sock.setblocking(False)
        task = loop.create_task(client(loop, sock, respond))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening.setblocking(False)
    loop.add_reader(listening, knock)
    await loop.create_future()


def serve(listening, respond):
    asyncio.run(main(listening, respond))
