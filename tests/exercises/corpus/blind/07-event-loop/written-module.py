# right
# The timers live in a module of their own, which this one writes first.
import importlib.util
import pathlib
import selectors
import sys

_TEXT = '''
import bisect, time

class Timers(list):
    """Pairs (due, serial, task), the last one is due first."""
    serial = 0
    def put(self, seconds, task):
        Timers.serial -= 1
        bisect.insort(self, (-(time.monotonic() + seconds), Timers.serial, task))
    def left(self):
        return max(0.0, -self[-1][0] - time.monotonic()) if self else None
    def take(self):
        now = time.monotonic()
        while self and -self[-1][0] <= now:
            yield self.pop()[2]
'''
_path = pathlib.Path.cwd() / "loop_timers_helper.py"
_path.write_text(_TEXT)
_keep, sys.dont_write_bytecode = sys.dont_write_bytecode, True
_spec = importlib.util.spec_from_file_location("loop_timers_helper", _path)
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
sys.dont_write_bytecode = _keep
Timers = _module.Timers


class Loop:
    def __init__(self):
        self.now, self.next = [], []
        self.timers = Timers()
        self.selector = selectors.PollSelector()

    def spawn(self, task):
        self.next.append(task)

    # what tasks yield is a function of the task, which puts it where it belongs
    def sleep(self, seconds):
        return iter([lambda task: self.timers.put(seconds, task)])

    def _reader(self, sock):
        return lambda task: self._wait(sock, 0, task)

    def _writer(self, sock):
        return lambda task: self._wait(sock, 1, task)

    def _wait(self, sock, which, task):
        try:
            key = self.selector.get_key(sock)
        except KeyError:
            data = [None, None]
            data[which] = task
            self.selector.register(sock, 1 << which, data)
        else:
            key.data[which] = task
            self.selector.modify(sock, key.events | 1 << which, key.data)

    def accept(self, listening):
        yield self.next.append
        while True:
            try:
                connection = listening.accept()[0]
            except BlockingIOError:
                yield self._reader(listening)
            except OSError:
                yield from self.sleep(0.03)
            else:
                return connection

    def recv(self, connection, size):
        yield self.next.append
        while True:
            try:
                return connection.recv(min(size, 16384))
            except BlockingIOError:
                yield self._reader(connection)

    def send(self, connection, data):
        if data:
            yield lambda task: self.next.append(task)
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[connection.send(rest[:1 << 20]):]
            except BlockingIOError:
                yield self._writer(connection)

    def run(self):
        while self.next or self.timers or self.selector.get_map():
            for key, mask in self.selector.select(0 if self.next else self.timers.left()):
                for which in 0, 1:
                    if mask & 1 << which:
                        self.next.append(key.data[which])
                        key.data[which] = None
                rest = key.events & ~mask
                if rest:
                    self.selector.modify(key.fileobj, rest, key.data)
                else:
                    self.selector.unregister(key.fileobj)
            self.next.extend(self.timers.take())
            self.now[:] = self.next
            self.next.clear()
            self.now.reverse()
            while self.now:
                task = self.now.pop()
                try:
                    place = next(task)
                except SystemExit:
                    raise
                except BaseException:
                    pass
                else:
                    place(task)
