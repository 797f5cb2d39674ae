# right
"""asyncio, whose selector is the ring: `select` is io_uring_enter, and connections complete futures."""
import asyncio
import errno
import select
import selectors

from iolab.kernel.ring import POLL, RECEIVE, SEND, Ring


class RingSelector(selectors._BaseSelectorImpl):
    def __init__(self):
        super().__init__()
        self.ring = Ring(16 << 10)
        self.armed = set()
        self.futures = {}

    def select(self, timeout=None):
        for fd in self._fd_to_key:
            if fd not in self.armed:
                self.armed.add(fd)
                self.ring.poll(fd, select.POLLIN)
        if timeout is None:
            done = self.ring.submit_and_wait()
        else:  # nothing here asks for a time, so it is zero: others are ready
            self.ring._enter(0)
            done, self.ring._ended = self.ring._ended, []
        ready = []
        for operation, fd, result, _, data in done:
            if operation == POLL:
                self.armed.discard(fd)
                if fd in self._fd_to_key:
                    ready.append((self._fd_to_key[fd], selectors.EVENT_READ))
            else:
                future = self.futures.pop((operation, fd))
                if not future.done():
                    future.set_result((result, data))
        return ready

    def order(self, operation, fd, data=None):
        future = self.futures[operation, fd] = asyncio.get_running_loop().create_future()
        if operation == SEND:
            self.ring.send(fd, data)
        else:
            self.ring.receive(fd)
        return future

    def close(self):
        self.ring.close()
        super().close()


async def attend(selector, connection, respond):
    with connection:
        fd = connection.fileno()
        while True:
            result, data = await selector.order(RECEIVE, fd)
            if result == -errno.ENOBUFS:
                continue
            if result <= 0:
                return
            result, _ = await selector.order(SEND, fd, respond(data))
            if result < 0:
                return


async def main(selector, listening, respond):
    loop, tasks = asyncio.get_running_loop(), set()

    def on_arrival():
        try:
            connection, _ = listening.accept()
        except (ConnectionAbortedError, BlockingIOError):
            return
        except SystemExit:
            loop.remove_reader(listening)
            raise
        task = loop.create_task(attend(selector, connection, respond))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening.setblocking(False)
    loop.add_reader(listening, on_arrival)
    await loop.create_future()


def serve(listening, respond):
    selector = RingSelector()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        runner.run(main(selector, listening, respond))
