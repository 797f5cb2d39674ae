# right
import asyncio
import selectors


def serve(listening, respond):
    listening.setblocking(False)
    loop = asyncio.SelectorEventLoop(selectors.EpollSelector())
    tasks, paused = set(), False

    class Talk(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport
            transport.set_write_buffer_limits(high=0)

        def pause_writing(self):
            self.transport.pause_reading()

        def resume_writing(self):
            self.transport.resume_reading()

        def data_received(self, data):
            self.transport.write(respond(data))

        def connection_lost(self, exc):
            # the transport closes the socket right after this
            loop.call_soon(open_the_door)

    def open_the_door():
        nonlocal paused
        if paused:
            paused = False
            loop.add_reader(listening, accept)

    def accept():
        nonlocal paused
        try:
            sock, _ = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:
            paused = True
            loop.remove_reader(listening)
            return
        sock.setblocking(False)
        task = loop.create_task(loop.connect_accepted_socket(Talk, sock))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.add_reader(listening, accept)
    loop.run_forever()
