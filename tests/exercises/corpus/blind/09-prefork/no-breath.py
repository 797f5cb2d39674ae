# lacks others meanwhile: "one client that always asks holds up nobody": sock_recv and sock_sendall that succeed at once never yield to the worker's other clients
import asyncio
import os
import select
import selectors
import signal
import time


def loop_for(listening):
    door = listening.fileno()

    class Selector(selectors.EpollSelector):
        def register(self, fileobj, events, data=None):
            if self._fileobj_lookup(fileobj) != door:
                return super().register(fileobj, events, data)
            key = selectors._BaseSelectorImpl.register(self, fileobj, events, data)
            self._selector.register(door, select.EPOLLIN | select.EPOLLEXCLUSIVE)
            return key

    return asyncio.SelectorEventLoop(Selector())


async def talk(conn, respond):
    loop = asyncio.get_running_loop()
    with conn:
        try:
            while data := await loop.sock_recv(conn, 4096):
                await loop.sock_sendall(conn, respond(data))
        except OSError:
            pass


async def work(listening, respond):
    loop = asyncio.get_running_loop()
    tasks = set()

    def knock():
        try:
            conn, _ = listening.accept()
        except OSError:
            return
        conn.setblocking(False)
        task = loop.create_task(talk(conn, respond))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.add_reader(listening, knock)
    await loop.create_future()


def serve(listening, respond, workers):
    listening.setblocking(False)
    poll = select.poll()
    poll.register(listening, 0)
    crew = {}
    due = dict.fromkeys(range(workers), 0.0)

    def hire(i):
        due[i] = time.monotonic() + 0.13
        pid = os.fork()
        if pid == 0:
            try:
                for fd in crew:
                    os.close(fd)
                loop_for(listening).run_until_complete(work(listening, respond))
            finally:
                os._exit(0)
        fd = os.pidfd_open(pid)
        crew[fd] = (pid, i)
        poll.register(fd, select.POLLIN)

    def bury(fd):
        pid, i = crew.pop(fd)
        os.waitpid(pid, 0)
        poll.unregister(fd)
        os.close(fd)

    try:
        while True:
            here = {i for _, i in crew.values()}
            for i in due:
                if i not in here and time.monotonic() >= due[i]:
                    hire(i)
            for fd, _ in poll.poll(None if len(crew) == workers else 25):
                if fd in crew:
                    bury(fd)
                else:
                    listening.accept()
    finally:
        for fd, (pid, _) in list(crew.items()):
            os.kill(pid, signal.SIGKILL)
            bury(fd)
