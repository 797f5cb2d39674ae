# right
import asyncio


class Echo(asyncio.BufferedProtocol):
    def __init__(self, respond):
        self.respond = respond
        self.room = bytearray(16384)

    def connection_made(self, transport):
        self.transport = transport
        transport.set_write_buffer_limits(high=0)

    def get_buffer(self, sizehint):
        return self.room

    def buffer_updated(self, n):
        with memoryview(self.room) as view, view[:n] as part:
            self.transport.write(self.respond(part))

    # The one knows when bytes are owed, the other stops the reading.
    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()

    def eof_received(self):
        return False        # the transport sends what it has, and closes


def serve(listening, respond):
    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Echo(respond), sock=listening)
        async with server:
            await server.serve_forever()

    asyncio.run(main())
