# right
# No state in the kernel: each turn builds a new select.poll() out of those that wait.
import select, socket, time, math

class Loop:

    def __init__(self):
        self.can_run = []
        self.sleeping = []      # [when, task], not sorted
        self.zero = []
        self.blocked = []       # [socket, flag, task]

    def spawn(self, task):
        self.can_run.append(task)

    def sleep(self, seconds):
        yield ['sleep', seconds]

    def accept(self, listening):
        listening.setblocking(False)
        connection = None
        while connection is None:
            yield ['io', listening, select.POLLIN]
            try:
                connection = listening.accept()[0]
            except OSError:
                connection = None
        connection.setblocking(False)
        return connection

    def recv(self, connection, size):
        connection.setblocking(False)
        data = None
        while data is None:
            yield ['io', connection, select.POLLIN]
            try:
                data = connection.recv(size)
            except BlockingIOError:
                pass
        return data

    def send(self, connection, data):
        connection.setblocking(False)
        position, end = 0, len(data)
        view = memoryview(data)
        while position != end:
            yield ['io', connection, select.POLLOUT]
            try:
                position += connection.send(view[position:position + 200_000])
            except BlockingIOError:
                pass

    def run(self):
        while self.can_run or self.sleeping or self.zero or self.blocked:
            self.look()
            todo = self.can_run
            self.can_run = []
            for task in todo:
                try:
                    request = task.send(None)
                except StopIteration:
                    pass
                except BaseException as problem:
                    if isinstance(problem, SystemExit):
                        raise
                    # ended alone
                else:
                    self.take(task, request)

    def take(self, task, request):
        if request[0] == 'io':
            self.blocked.append([request[1], request[2], task])
        elif request[1] > 0:
            self.sleeping.append([time.monotonic() + request[1], task])
        else:
            self.zero.append(task)

    def look(self):
        poll = select.poll()
        masks = {}
        still = []
        for item in self.blocked:
            fd = item[0].fileno()
            if fd < 0:
                self.can_run.append(item[2])
            else:
                masks[fd] = masks.get(fd, 0) | item[1]
                still.append(item)
        self.blocked = still
        for fd, mask in masks.items():
            poll.register(fd, mask)
        if self.can_run or self.zero:
            milliseconds = 0
        elif self.sleeping:
            first = min(when for when, _ in self.sleeping)
            wait = min(max(first - time.monotonic(), 0), 100_000)
            milliseconds = math.ceil(wait * 1000)
        else:
            milliseconds = None
        hits = dict(poll.poll(milliseconds))
        if hits:
            rest = []
            for item in self.blocked:
                mask = hits.get(item[0].fileno(), 0)
                if mask & (item[1] | select.POLLHUP | select.POLLERR | select.POLLNVAL):
                    self.can_run.append(item[2])
                else:
                    rest.append(item)
            self.blocked = rest
        now = time.monotonic()
        due = sorted([pair for pair in self.sleeping if pair[0] <= now], key=lambda pair: pair[0])
        self.sleeping = [pair for pair in self.sleeping if pair[0] > now]
        self.can_run += [task for _, task in due]
        self.can_run += self.zero
        self.zero = []
