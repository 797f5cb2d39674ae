# lacks bounded memory: "the memory grows by less than 16 MiB in all": goes on reading until 4 MiB are owed, 96 MiB with 24 clients that do not read
import asyncio


async def serve_client(reader, writer, respond):
    # drain() waits for a client only when it is really behind
    writer.transport.set_write_buffer_limits(high=4 * 1024 * 1024)
    try:
        while chunk := await reader.read(8192):
            writer.write(respond(chunk))
            await writer.drain()
    except (OSError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


async def main(listening, respond):
    server = await asyncio.start_server(
        lambda r, w: serve_client(r, w, respond),
        sock=listening, limit=8192, backlog=1024)
    async with server:
        await server.serve_forever()


def serve(listening, respond):
    asyncio.run(main(listening, respond))
