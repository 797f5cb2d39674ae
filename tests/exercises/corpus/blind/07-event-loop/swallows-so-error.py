# lacks tasks that raise: 'Where the other side has reset the connection, both raise an OSError in the task that asked': the loop asks for SO_ERROR at POLLERR (for a log), which clears it: recv then returns b'' for a reset
import bisect
import math
import os
import select
import socket
import sys
import time


class Sleeper:
    def __init__(self, due, task):
        self.due, self.task = due, task

    def __lt__(self, other):
        return self.due < other.due


class Loop:
    def __init__(self):
        self.runnable = []
        self.sleepers = []
        self.readers = {}
        self.writers = {}
        self.poller = select.poll()
        self.running = None
        self.waited = {}  # fd -> socket
        self.verbose = False

    def spawn(self, task):
        self.runnable.append(task)

    def run(self):
        while self.runnable or self.sleepers or self.readers or self.writers:
            self._gather()
            batch, self.runnable = self.runnable, []
            for task in batch:
                self._advance(task)

    def _advance(self, task):
        self.running = task
        try:
            parked = task.send(None)
        except SystemExit:
            raise
        except BaseException:
            parked = True
        finally:
            self.running = None
        if not parked:
            self.runnable.append(task)

    def _gather(self):
        wait = None
        if self.runnable:
            wait = 0
        elif self.sleepers:
            left = self.sleepers[0].due - time.monotonic()
            wait = min(max(0, math.ceil(left * 1000)), 3_600_000)
        for fd, flags in self.poller.poll(wait):
            bad = flags & (select.POLLERR | select.POLLHUP | select.POLLNVAL)
            if flags & select.POLLERR:
                self._report(fd)
            if fd in self.readers and (bad or flags & select.POLLIN):
                self.runnable.append(self.readers.pop(fd))
            if fd in self.writers and (bad or flags & select.POLLOUT):
                self.runnable.append(self.writers.pop(fd))
            self._set(fd)
        now = time.monotonic()
        n = 0
        while n < len(self.sleepers) and self.sleepers[n].due <= now:
            self.runnable.append(self.sleepers[n].task)
            n += 1
        del self.sleepers[:n]

    def _report(self, fd):
        code = self.waited[fd].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code and self.verbose:
            print(f"descriptor {fd}: {os.strerror(code)}", file=sys.stderr)

    def _set(self, fd):
        flags = (select.POLLIN if fd in self.readers else 0) | (select.POLLOUT if fd in self.writers else 0)
        if flags:
            self.poller.register(fd, flags)
        else:
            self.poller.unregister(fd)

    def _park(self, sock, where):
        fd = sock.fileno()
        if fd == -1:
            raise ValueError("this socket is closed")
        where[fd] = self.running
        self.waited[fd] = sock
        self._set(fd)
        yield True
        if fd not in self.readers and fd not in self.writers:
            self.waited.pop(fd, None)

    def sleep(self, seconds):
        if seconds > 0:
            bisect.insort_right(self.sleepers, Sleeper(time.monotonic() + seconds, self.running))
            yield True
        else:
            yield False

    def accept(self, listening):
        while True:
            yield from self._park(listening, self.readers)
            try:
                connection, _peer = listening.accept()
                return connection
            except OSError:
                pass

    def recv(self, connection, size):
        while True:
            yield from self._park(connection, self.readers)
            try:
                return connection.recv(size)
            except BlockingIOError:
                pass

    def send(self, connection, data):
        data = memoryview(data)
        sent = 0
        while True:
            yield from self._park(connection, self.writers)
            try:
                sent += connection.send(data[sent : sent + 65536])
            except BlockingIOError:
                continue
            if sent == len(data):
                break
