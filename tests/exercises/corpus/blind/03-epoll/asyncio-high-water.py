# lacks bounded memory: memory grows by less than 16 MiB: up to 4 MiB are kept for each client that does not read, before drain() waits
import asyncio

HIGH_WATER = 4 * 1024 * 1024


def serve(listening, respond):
    async def handle(reader, writer):
        writer.transport.set_write_buffer_limits(high=HIGH_WATER)
        try:
            while data := await reader.read(16384):
                writer.write(respond(data))
                await writer.drain()        # back pressure
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def main():
        server = await asyncio.start_server(handle, sock=listening, limit=16384)
        await server.serve_forever()

    asyncio.run(main())
