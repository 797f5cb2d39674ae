# right
# asyncio with a BufferedProtocol: the high-water mark is 0, so that reading pauses as soon as bytes are owed; start_server's own accept (add_reader) ends with Stopped out of run().
import asyncio


class Peer(asyncio.BufferedProtocol):
    room = bytearray(6000)  # one for all: it is used up before the next is asked

    def __init__(self, respond):
        self.respond = respond

    def connection_made(self, transport):
        self.transport = transport
        transport.set_write_buffer_limits(high=0)

    def get_buffer(self, hint):
        return self.room

    def buffer_updated(self, count):
        self.transport.write(self.respond(bytes(memoryview(self.room)[:count])))

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()

    def eof_received(self):
        return False  # the transport flushes what is owed, and closes


async def main(listening, respond):
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)
    server = await loop.create_server(lambda: Peer(respond), sock=listening, backlog=2000)
    await server.serve_forever()


def serve(listening, respond):
    asyncio.run(main(listening, respond))
