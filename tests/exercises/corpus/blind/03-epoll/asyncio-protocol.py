# right
import asyncio
import selectors


class Shout(asyncio.Protocol):
    def __init__(self, respond):
        self.respond = respond

    def connection_made(self, transport):
        self.transport = transport
        transport.set_write_buffer_limits(high=0)  # whatever is owed pauses us

    def data_received(self, data):
        self.transport.write(self.respond(data))

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()

    # eof_received returns None: asyncio flushes what is owed, and closes


def serve(listening, respond):
    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Shout(respond), sock=listening)
        await server.serve_forever()

    loop = asyncio.SelectorEventLoop(selectors.EpollSelector())
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
