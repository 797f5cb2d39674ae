# lacks turns and sleeps: '`sleep(seconds)` never ends early ... It takes 0 s and hours alike': a timer wheel of 4,096 slots of 5 ms without a count of rounds: any sleep of more than 20.48 s ends early, an hour after 3600 modulo 20.48 = 15.9 s
import select
import time
from collections import deque


TICK = 0.005
SLOTS = 4096


class Loop:
    def __init__(self):
        fresh, ready = deque(), deque()
        wheel = [[] for _ in range(SLOTS)]  # a slot is a tick
        seen = [int(time.monotonic() / TICK)]  # the tick up to which all are woken
        asleep = set()  # the slots with sleepers
        sides = {}
        outer = select.epoll()
        me = None

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
            while ready or fresh or asleep or reading.waiting or writing.waiting:
                while fresh:
                    ready.append(fresh.popleft())
                if ready:
                    timeout = 0
                elif asleep:
                    first = min((slot - seen[0] - 1) % SLOTS for slot in asleep) + seen[0] + 1
                    timeout = max(0, first * TICK - time.monotonic())
                else:
                    timeout = None
                for fd, _ in outer.poll(timeout):
                    sides[fd].look()
                now = int(time.monotonic() / TICK)
                if asleep:
                    for tick in range(max(seen[0], now - SLOTS) + 1, now + 1):
                        slot = tick % SLOTS
                        if slot in asleep:
                            asleep.discard(slot)
                            ready.extend(wheel[slot])
                            wheel[slot].clear()
                seen[0] = now
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
            if seconds > 0:
                slot = (int((time.monotonic() + seconds) / TICK) + 1) % SLOTS
                wheel[slot].append(me)
                asleep.add(slot)
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
