# right
from __future__ import annotations

import errno
import os
import select
import socket as socketlib
from collections import defaultdict, deque
from collections.abc import Generator
from heapq import heappop, heappush
from time import monotonic
from typing import Any

Task = Generator[Any, Any, Any]
IN, OUT = select.EPOLLIN, select.EPOLLOUT


class Loop:
    """epoll by hand. A descriptor is registered only while somebody waits for it."""

    def __init__(self) -> None:
        self.queue: deque[Task] = deque()
        self.polite: deque[Task] = deque()
        self.timers: list[tuple[float, int, Task]] = []
        self.serial = 0
        self.readers: dict[int, list[tuple[Task, socketlib.socket]]] = defaultdict(list)
        self.writers: dict[int, list[tuple[Task, socketlib.socket]]] = defaultdict(list)
        self.registered: set[int] = set()
        self.count = 0

    # what tasks may ask for: (code, argument); run() understands these
    def sleep(self, seconds: float) -> Task:
        yield "sleep", seconds

    def accept(self, listening: socketlib.socket) -> Task:
        listening.setblocking(False)
        while True:
            yield "in", listening
            try:
                connection, _address = listening.accept()
            except OSError:
                continue
            connection.setblocking(False)
            return connection

    def recv(self, connection: socketlib.socket, size: int) -> Task:
        connection.setblocking(False)
        while True:
            yield "in", connection
            try:
                return connection.recv(size)
            except BlockingIOError:
                continue

    def send(self, connection: socketlib.socket, data: bytes) -> Task:
        connection.setblocking(False)
        view = memoryview(data)
        done = 0
        while done < len(view):
            yield "out", connection
            try:
                done += connection.send(view[done:done + 65536])
            except BlockingIOError:
                pass

    def spawn(self, task: Task) -> None:
        self.count += 1
        self.queue.append(task)

    def run(self) -> None:
        self.epoll = select.epoll()
        try:
            while self.count > 0:
                self.gather()
                batch, self.queue = self.queue, deque()
                while batch:
                    self.step(batch.popleft())
        finally:
            self.epoll.close()
            self.registered.clear()

    def step(self, task: Task) -> None:
        try:
            code, argument = next(task)
        except StopIteration:
            self.count -= 1
            return
        except SystemExit:
            raise
        except BaseException:                 # that task only
            self.count -= 1
            return
        if code == "sleep":
            if argument > 0:
                self.serial += 1
                heappush(self.timers, (monotonic() + argument, self.serial, task))
            else:
                self.polite.append(task)
            return
        fd = argument.fileno()
        if fd == -1:
            self.queue.append(task)            # its own call will raise EBADF
            return
        table = self.readers if code == "in" else self.writers
        table[fd].append((task, argument))
        self.update(fd)

    def update(self, fd: int) -> None:
        mask = (IN if self.readers.get(fd) else 0) | (OUT if self.writers.get(fd) else 0)
        try:
            if mask == 0:
                self.registered.discard(fd)
                self.epoll.unregister(fd)
            elif fd in self.registered:
                self.epoll.modify(fd, mask)
            else:
                self.epoll.register(fd, mask)
                self.registered.add(fd)
        except FileNotFoundError:              # closed and opened again meanwhile
            if mask:
                self.epoll.register(fd, mask)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise

    def gather(self) -> None:
        # somebody may have closed what another task waits for
        for table in (self.readers, self.writers):
            for fd in list(table):
                if any(sock.fileno() != fd for _, sock in table[fd]):
                    stay = [pair for pair in table[fd] if pair[1].fileno() == fd]
                    self.queue.extend(task for task, sock in table[fd] if sock.fileno() != fd)
                    table[fd] = stay
                    if not stay:
                        del table[fd]
                    self.update(fd)
        if self.queue or self.polite:
            timeout = 0.0
        elif self.timers:
            timeout = max(0.0, min(self.timers[0][0] - monotonic(), 1000.0))
        else:
            timeout = -1.0
        for fd, mask in self.epoll.poll(timeout):
            if mask & ~OUT and self.readers.get(fd):
                self.queue.append(self.readers[fd].pop(0)[0])
            if mask & ~IN and self.writers.get(fd):
                self.queue.append(self.writers[fd].pop(0)[0])
            for table in (self.readers, self.writers):
                if fd in table and not table[fd]:
                    del table[fd]
            self.update(fd)
        now = monotonic()
        while self.timers and self.timers[0][0] <= now:
            self.queue.append(heappop(self.timers)[2])
        self.queue += self.polite
        self.polite.clear()
