# lacks those who leave: 'The lines that it sent before are passed on, but for those that a reset destroys before you receive them': asyncio's StreamReader raises as soon as the reset is seen, though it holds whole lines that were received and wait for readline(): of a burst of lines before a reset only the first few are passed on
import asyncio

LIMIT = 1024 * 1024


async def serve(listening):
    room = set()

    async def client(reader, writer):
        name = None
        try:
            while (line := await reader.readline()).endswith(b"\n"):
                if name is None:
                    name = line[:-1]
                    writer.write(b"welcome " + line)
                    room.add(writer)
                    continue
                message = name + b": " + line
                for other in room:
                    if other is not writer and not other.is_closing():
                        if other.transport.get_write_buffer_size() + len(message) <= LIMIT:
                            other.write(message)
                await asyncio.sleep(0)  # a turn for the others after each line
        except OSError:
            pass
        finally:
            room.discard(writer)
            writer.close()

    server = await asyncio.start_server(client, sock=listening, limit=262145, backlog=1024)
    async with server:
        await server.serve_forever()


def chat(listening):
    listening.setblocking(False)
    asyncio.run(serve(listening))
