# right
import asyncio

LIMIT = 1048576


def owed(transport):
    return transport.get_write_buffer_size()


def give(writer, data):
    t = writer.transport
    if t.is_closing():
        return
    have = owed(t)
    while have and have + len(data) > LIMIT:
        # asyncio tries again only when the selector says so; we must try now
        t._write_ready()
        if t.is_closing():
            return
        now = owed(t)
        if now == have:
            return                          # send takes nothing: it misses this line
        have = now
    t.write(data)


async def client(conn, members):
    try:
        reader, writer = await asyncio.open_connection(sock=conn, limit=262144)
    except OSError:
        conn.close()
        return
    writer.transport.max_size = 2048        # small turns
    name = None
    try:
        while True:
            line = await reader.readline()
            if not line.endswith(b"\n"):
                break
            if name is None:
                name = line[:-1]
                members[writer] = name
                give(writer, b"welcome " + line)
                continue
            text = name + b": " + line
            for other in list(members):
                if other is not writer:
                    give(other, text)
    except OSError:
        pass
    finally:
        members.pop(writer, None)
        writer.close()


async def main(listening):
    loop = asyncio.get_running_loop()
    listening.setblocking(False)
    members, tasks = {}, set()
    while True:
        try:
            conn, _ = await loop.sock_accept(listening)
        except ConnectionAbortedError:
            await asyncio.sleep(0)
            continue
        conn.setblocking(False)
        task = loop.create_task(client(conn, members))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await asyncio.sleep(0)


def chat(listening):
    asyncio.run(main(listening))
