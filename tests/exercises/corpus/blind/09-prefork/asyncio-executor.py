# lacks every worker works: a client that connects while the worker's thread is in respond is taken by that worker, though another is idle
import asyncio
import os
import select
import selectors
import signal
import time
from concurrent.futures import ThreadPoolExecutor


class Selector(selectors.EpollSelector):
    shared = None

    def register(self, fileobj, events, data=None):
        if self._fileobj_lookup(fileobj) != self.shared:
            return super().register(fileobj, events, data)
        key = selectors._BaseSelectorImpl.register(self, fileobj, events, data)
        self._selector.register(key.fd, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        return key


async def client(conn, respond, pool):
    loop = asyncio.get_running_loop()
    try:
        while True:
            data = await loop.sock_recv(conn, 65536)
            if not data:
                break
            # respond may take long: keep the loop free for the others
            reply = await loop.run_in_executor(pool, respond, data)
            await loop.sock_sendall(conn, reply)
    except OSError:
        pass
    finally:
        conn.close()


async def main(listening, respond):
    loop = asyncio.get_running_loop()
    pool = ThreadPoolExecutor(1)
    tasks = set()

    def readable():
        for _ in range(16):
            try:
                conn, _ = listening.accept()
            except OSError:
                return
            conn.setblocking(False)
            task = loop.create_task(client(conn, respond, pool))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    loop.add_reader(listening, readable)
    await loop.create_future()


def run_worker(listening, respond):
    selector = Selector()
    selector.shared = listening.fileno()
    loop = asyncio.SelectorEventLoop(selector)
    loop.run_until_complete(main(listening, respond))


def serve(listening, respond, workers):
    listening.setblocking(False)
    poll = select.poll()
    poll.register(listening, 0)
    pids = [0] * workers
    born = [0.0] * workers
    try:
        while not poll.poll(0):
            for i in range(workers):
                if pids[i] and os.waitpid(pids[i], os.WNOHANG)[0]:
                    pids[i] = 0
                if not pids[i] and time.monotonic() - born[i] > 0.15:
                    born[i] = time.monotonic()
                    pids[i] = os.fork()
                    if pids[i] == 0:
                        try:
                            run_worker(listening, respond)
                        finally:
                            os._exit(0)
            poll.poll(150)
    finally:
        for pid in pids:
            if pid:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
    listening.accept()
