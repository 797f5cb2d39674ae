# lacks those who leave: a reset makes asyncio's StreamReader forget lines that it holds, and this one gives others turns before it has read them all (its author called it right)
import asyncio


async def speak(reader, writer, room):
    async def lines():
        rest = []
        while data := await reader.read(16384):
            first, *others = data.split(b"\n")
            rest.append(first)
            for piece in others:
                yield b"".join(rest)
                rest = [piece]
            yield None                      # the end of what came at once

    name, block, size = None, [], 0

    async def out():
        nonlocal size
        data = b"".join(block)
        block.clear()
        size = 0
        for other in list(room):
            if other is not writer and not other.transport.is_closing():
                other.write(data)
                if other.transport.get_write_buffer_size() > 1.25 * 2**20:
                    room.discard(other)
                    other.transport.abort()
        await asyncio.sleep(0)

    try:
        async for line in lines():
            if line is None:
                if block:
                    await out()
            elif name is None:
                if not line:
                    break
                name = line
                writer.write(b"welcome " + name + b"\n")
                room.add(writer)
            else:
                block.append(name + b": " + line + b"\n")
                size += len(block[-1])
                if size > 50_000:
                    await out()
    except OSError:
        pass
    finally:
        room.discard(writer)
        writer.close()


async def main(listening):
    loop = asyncio.get_running_loop()
    room = set()
    async with asyncio.TaskGroup() as group:
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            connection.setblocking(False)
            reader, writer = await asyncio.open_connection(sock=connection)
            group.create_task(speak(reader, writer, room))


def chat(listening):
    listening.setblocking(False)
    asyncio.run(main(listening))
