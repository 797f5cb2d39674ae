# lacks tasks that raise: '`run()` returns when every task has ended': tasks that wait to send are not counted: where the last ones alive wait for clients that do not read yet, run() returns and they never end
import select
import time
from collections import deque


class Loop:
    def __init__(self):
        fresh, ready = deque(), deque()
        asleep = {}  # serial -> (due, task)
        sides = {}
        outer = select.epoll()
        me = serial = None

        class Side:
            def __init__(self, flag):
                self.flag, self.waiting, self.epoll = flag, {}, select.epoll()
                outer.register(self.epoll, select.EPOLLIN)
                sides[self.epoll.fileno()] = self

            def wait(self, sock):
                fd = sock.fileno()
                if fd < 0:
                    raise OSError("the socket was closed")
                self.epoll.register(fd, self.flag)
                self.waiting[fd] = me
                yield "parked"

            def look(self):
                for fd, _ in self.epoll.poll(0):
                    self.epoll.unregister(fd)
                    ready.append(self.waiting.pop(fd))

        reading, writing = Side(select.EPOLLIN), Side(select.EPOLLOUT)

        def run():
            nonlocal me
            while ready or fresh or asleep or reading.waiting:
                while fresh:
                    ready.append(fresh.popleft())
                if ready:
                    timeout = 0
                elif asleep:
                    timeout = max(0, min(due for due, _ in asleep.values()) - time.monotonic())
                else:
                    timeout = None
                for fd, _ in outer.poll(timeout):
                    sides[fd].look()
                now = time.monotonic()
                for number in [n for n, (due, _) in asleep.items() if due <= now]:
                    ready.append(asleep.pop(number)[1])
                for _ in range(len(ready)):
                    me = ready.popleft()
                    try:
                        if me.send(None) == "turn":
                            ready.append(me)
                    except SystemExit:
                        raise
                    except BaseException:
                        continue
                me = None

        def sleep(seconds):
            nonlocal serial
            if seconds > 0:
                serial = (serial or 0) + 1
                asleep[serial] = time.monotonic() + seconds, me
                yield "parked"
            else:
                yield "turn"

        def retrying(sock, side, attempt):
            while True:
                yield "turn"
                try:
                    return attempt()
                except BlockingIOError:
                    yield from side.wait(sock)

        def accept(listening):
            def attempt():
                try:
                    return listening.accept()[0]
                except BlockingIOError:
                    raise
                except OSError:
                    if listening.fileno() < 0:
                        raise
                    return None

            connection = None
            while connection is None:
                connection = yield from retrying(listening, reading, attempt)
            return connection

        def recv(connection, size):
            return (yield from retrying(connection, reading, lambda: connection.recv(size)))

        def send(connection, data):
            data, done = memoryview(data), 0
            while True:
                done += yield from retrying(connection, writing, lambda: connection.send(data[done:]))
                if done >= len(data):
                    break

        self.spawn = fresh.append
        self.run, self.sleep, self.accept, self.recv, self.send = run, sleep, accept, recv, send
