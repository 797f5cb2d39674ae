# right
import importlib.util
import os

SOURCE = '''
import collections, functools, select, types

ASKED, ROOM = select.EPOLLIN, select.EPOLLOUT


@types.coroutine
def until(sock, mask):
    yield sock, mask


def patient(mask):
    """Makes an awaitable of a method of a socket: it waits, and then it tries."""
    def decorate(function):
        @functools.wraps(function)
        async def wrapper(sock, *args):
            while True:
                await until(sock, mask)
                try:
                    return function(sock, *args)
                except BlockingIOError:
                    pass
        return wrapper
    return decorate


class Kernel:
    def __init__(self):
        self.epoll = select.epoll()
        self.masks = {}
        self.parked = {}
        self.ready = collections.deque()

    def spawn(self, coroutine):
        self.ready.append(coroutine)

    def forget(self, sock):
        if self.masks.pop(sock.fileno(), None) is not None:
            self.epoll.unregister(sock)
        sock.close()

    def park(self, coroutine, sock, mask):
        fd = sock.fileno()
        if fd not in self.masks:
            self.epoll.register(fd, mask)
        elif self.masks[fd] != mask:
            self.epoll.modify(fd, mask)
        self.masks[fd] = mask
        self.parked[fd] = coroutine

    def run(self):
        while True:
            while self.ready:
                coroutine = self.ready.popleft()
                try:
                    sock, mask = coroutine.send(None)
                except StopIteration:
                    continue
                self.park(coroutine, sock, mask)
            for fd, _ in self.epoll.poll():
                self.ready.append(self.parked.pop(fd))
'''
_path = os.path.abspath("tiny_runtime_%d.py" % os.getpid())
with open(_path, "w") as _file:
    _file.write(SOURCE)
_spec = importlib.util.spec_from_file_location("tiny_runtime", _path)
rt = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(rt)
os.unlink(_path)


@rt.patient(rt.ASKED)
def receive(sock):
    return sock.recv(12345)


@rt.patient(rt.ROOM)
def push(sock, some):
    return sock.send(some)


@rt.patient(rt.ASKED)
def accept(sock):
    return sock.accept()[0]


async def hello(kernel, sock, respond):
    try:
        async for reply in replies(sock, respond):
            done = 0
            try:
                done = sock.send(reply)     # mostly there is room
            except BlockingIOError:
                pass
            rest = memoryview(reply)[done:]
            while rest:
                rest = rest[await push(sock, rest):]
    except OSError:
        pass
    kernel.forget(sock)


async def replies(sock, respond):
    while data := await receive(sock):
        yield respond(bytearray(data))


async def hall(kernel, listening, respond):
    while True:
        try:
            sock = await accept(listening)
        except ConnectionAbortedError:
            continue
        sock.setblocking(False)
        kernel.spawn(hello(kernel, sock, respond))


def serve(listening, respond):
    listening.setblocking(False)
    kernel = rt.Kernel()
    kernel.spawn(hall(kernel, listening, respond))
    kernel.run()
