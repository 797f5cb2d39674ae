# right
"""The agenda is a module that is written when this one is imported.  At the end
the loop closes the other tasks, and takes no notice of what they say."""
import importlib.util
import os
import select
import sys
import time
from abc import ABC, abstractmethod
from enum import IntFlag

SOURCE = '''
import bisect

class Agenda:
    def __init__(self, clock):
        self.clock = clock
        self.whens = []
        self.items = []

    def add(self, when, item):
        i = bisect.bisect_right(self.whens, when)
        self.whens.insert(i, when)
        self.items.insert(i, item)

    def due(self):
        n = bisect.bisect_right(self.whens, self.clock())
        out = self.items[:n]
        del self.whens[:n], self.items[:n]
        return out

    def pause(self):
        if not self.whens:
            return None
        return max(0.0, self.whens[0] - self.clock())
'''
_name = os.path.abspath('_agenda_%d.py' % os.getpid())
with open(_name, 'w') as _file:
    _file.write(SOURCE)
_spec = importlib.util.spec_from_file_location('_agenda', _name)
_agenda = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_agenda)
os.unlink(_name)


class Way(IntFlag):
    IN = select.EPOLLIN
    OUT = select.EPOLLOUT


class Fate(ABC):
    @abstractmethod
    def meet(self, loop, task):
        """put the task where it shall wait"""


class Again(Fate):
    def meet(self, loop, task):
        loop._next.append(task)


class Later(Fate):
    def __init__(self, when):
        self.when = when

    def meet(self, loop, task):
        loop._agenda.add(self.when, task)


class Ready(Fate):
    def __init__(self, sock, way):
        self.fd, self.way = sock.fileno(), way

    def meet(self, loop, task):
        loop._interest(self.fd, self.way, task)


class Loop:
    def __init__(self):
        self._agenda = _agenda.Agenda(time.monotonic)
        self._epoll = select.epoll()
        self._next = []
        self._tasks = {}
        self._who = {}

    def spawn(self, task):
        self._tasks[id(task)] = task
        self._next.append(task)

    def sleep(self, seconds):
        return iter_of(Later(time.monotonic() + seconds))

    def accept(self, listening):
        yield Again()
        while True:
            try:
                connection, _ = listening.accept()
            except BlockingIOError:
                yield Ready(listening, Way.IN)
            except OSError:
                yield Again()                   # no rest: those errors take one with them
            else:
                return connection

    def recv(self, connection, size):
        yield Again()
        while True:
            try:
                data = connection.recv(size)
            except BlockingIOError:
                yield Ready(connection, Way.IN)
            else:
                return data

    def send(self, connection, data):
        if len(data) == 0:
            return
        view, sent = memoryview(data), 0
        while True:
            try:
                while sent < len(view):
                    sent += connection.send(view[sent:])
            except BlockingIOError:
                yield Ready(connection, Way.OUT)
            else:
                break
        del view
        yield Again()

    def _interest(self, fd, way, task):
        who = self._who.get(fd)
        if who is None:
            self._who[fd] = {way: task}
            self._epoll.register(fd, way)
        else:
            who[way] = task
            self._epoll.modify(fd, Way.IN | Way.OUT)

    def _happened(self, fd, events):
        who = self._who[fd]
        for way in (Way.IN, Way.OUT):
            if way in who and events & (way | select.EPOLLHUP | select.EPOLLERR):
                self._next.append(who.pop(way))
        if who:
            self._epoll.modify(fd, next(iter(who)))
        else:
            self._epoll.unregister(fd)
            del self._who[fd]

    def run(self):
        while self._tasks:
            pause = 0 if self._next else self._agenda.pause()
            for fd, events in self._epoll.poll(pause):
                self._happened(fd, events)
            self._next += self._agenda.due()
            batch, self._next = self._next, []
            batch.reverse()
            while batch:
                task = batch.pop()
                try:
                    fate = task.send(None)
                except SystemExit as stop:
                    self._goodbye(task)
                    raise stop
                except BaseException:
                    del self._tasks[id(task)]
                else:
                    fate.meet(self, task)
                task = fate = None

    def _goodbye(self, cause):
        hook, sys.unraisablehook = sys.unraisablehook, lambda *_: None
        for task in list(self._tasks.values()):
            if task is not cause:
                try:
                    task.close()
                except BaseException:
                    pass
        sys.unraisablehook = hook


def iter_of(fate):
    yield fate
