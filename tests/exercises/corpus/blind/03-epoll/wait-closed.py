# lacks a clean end: asyncio streams; each handler ends with `await writer.wait_closed()`, also when it is cancelled at the end: that waits until what is owed is sent. Breaks 'Whatever clients there are then, ... owed bytes ...: the function ends within a second': with one that does not read, Stopped never ends it.
import asyncio
import contextlib


async def main(listening, respond):
    async def handle(reader, writer):
        writer.transport.set_write_buffer_limits(high=0)
        try:
            while data := await reader.read(8000):
                writer.write(respond(data))
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    server = await asyncio.start_server(handle, sock=listening, limit=16384, backlog=2000)
    await server.serve_forever()


def serve(listening, respond):
    asyncio.run(main(listening, respond))
