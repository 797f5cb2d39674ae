# right
import asyncio

SHARED = memoryview(bytearray(32 * 1024))   # one thread: one buffer will do


class Replier(asyncio.BufferedProtocol):
    def __init__(self, respond):
        self.respond = respond

    def connection_made(self, transport):
        self.transport = transport
        transport.set_write_buffer_limits(high=0)

    def get_buffer(self, sizehint):
        return SHARED

    def buffer_updated(self, nbytes):
        self.transport.write(self.respond(SHARED[:nbytes]))

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()

    # eof_received returns None: the transport sends what is left, and closes


def serve(listening, respond):
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(loop.create_server(
            lambda: Replier(respond), sock=listening, backlog=1024))
        loop.run_forever()
    finally:
        rest = asyncio.all_tasks(loop)
        for task in rest:
            task.cancel()
        if rest:
            # the door is shut already: do not let it say so twice
            loop.remove_reader(listening.fileno())
            loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
        loop.close()
