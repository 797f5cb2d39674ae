# right
# A small kernel of coroutines on EPOLLONESHOT; it is a module of its own, which
# is written into the folder that we start in.
import importlib.util
import os

KERNEL = '''
import select, types


@types.coroutine
def _trap(what, mask):
    yield what, mask


class Kernel:
    def __init__(self):
        self.epoll = select.epoll()
        self.waiting = {}
        self.known = set()
        self.ready = []

    def spawn(self, coro):
        self.ready.append(coro)

    async def readable(self, sock):
        await _trap(sock.fileno(), select.EPOLLIN)

    async def writable(self, sock):
        await _trap(sock.fileno(), select.EPOLLOUT)

    def forget(self, sock):
        if sock.fileno() in self.known:
            self.known.remove(sock.fileno())
            self.epoll.unregister(sock.fileno())
        sock.close()

    def run(self):
        batch = []
        try:
            while True:
                batch, self.ready = self.ready, []
                for coro in batch:
                    try:
                        fd, mask = coro.send(None)
                    except StopIteration:
                        continue
                    self.waiting[fd] = coro
                    if fd in self.known:
                        self.epoll.modify(fd, mask | select.EPOLLONESHOT)
                    else:
                        self.epoll.register(fd, mask | select.EPOLLONESHOT)
                        self.known.add(fd)
                if not self.ready:
                    self.ready = [self.waiting.pop(fd) for fd, _ in self.epoll.poll()]
        finally:
            for coro in [*self.waiting.values(), *batch, *self.ready]:
                coro.close()
            self.epoll.close()
'''


def _load():
    path = os.path.abspath("_minikernel_%d.py" % os.getpid())
    with open(path, "w") as f:
        f.write(KERNEL)
    spec = importlib.util.spec_from_file_location("_minikernel", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Kernel


def serve(listening, respond):
    kernel = _load()()

    async def client(sock):
        try:
            while True:
                await kernel.readable(sock)
                try:
                    data = bytearray(sock.recv(8192))
                except BlockingIOError:
                    continue
                if not data:
                    return
                reply = respond(data)
                sent = 0
                while sent < len(reply):
                    try:
                        sent += sock.send(memoryview(reply)[sent:sent + 65536])
                    except BlockingIOError:
                        await kernel.writable(sock)
        except OSError:
            pass
        finally:
            kernel.forget(sock)

    async def porter():
        while True:
            await kernel.readable(listening)
            try:
                sock, _ = listening.accept()
            except (ConnectionAbortedError, BlockingIOError):
                continue
            sock.setblocking(False)
            kernel.spawn(client(sock))

    listening.setblocking(False)
    kernel.spawn(porter())
    kernel.run()
