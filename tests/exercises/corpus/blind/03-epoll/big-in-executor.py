# lacks the model: asyncio with sock_recv and sock_sendall; what is longer than 4,096 bytes is computed by run_in_executor, so as not to hold up the loop. Breaks 'The process has one thread': as soon as somebody asks for much, there are more (/proc/PID/task).
import asyncio


async def client(sock, respond):
    loop = asyncio.get_running_loop()
    with sock:
        try:
            while data := await loop.sock_recv(sock, 12000):
                if len(data) > 4096:
                    reply = await loop.run_in_executor(None, respond, data)
                else:
                    reply = respond(data)
                await loop.sock_sendall(sock, reply)
        except OSError:
            pass


async def main(listening, respond):
    loop, tasks = asyncio.get_running_loop(), set()
    while True:
        try:
            sock, _ = await loop.sock_accept(listening)
        except ConnectionAbortedError:
            continue
        task = loop.create_task(client(sock, respond))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


def serve(listening, respond):
    listening.setblocking(False)
    asyncio.run(main(listening, respond))
