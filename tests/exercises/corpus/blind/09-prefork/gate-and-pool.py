# right
# Many clients for each worker, `respond` in a small pool of threads; the door is shut while a thread is in it.
import concurrent.futures
import os
import select
import signal
import time
from collections import deque
from dataclasses import dataclass, field


@dataclass
class Guest:
    conn: object
    out: deque = field(default_factory=deque)
    asking: bool = False
    eof: bool = False
    gone: bool = False
    mask: int = 0


class Room:
    def __init__(self, listening, respond):
        self.listening, self.respond = listening, respond
        self.door = listening.fileno()
        self.ep = select.epoll()
        self.bell = os.eventfd(0, os.EFD_NONBLOCK)
        self.ep.register(self.bell, select.EPOLLIN)
        self.guests, self.done = {}, deque()
        self.pool = concurrent.futures.ThreadPoolExecutor(4)
        self.busy, self.open, self.pending = 0, False, deque()

    def gate(self):
        if self.busy == 0 and not self.open:
            self.ep.register(self.door, select.EPOLLIN | select.EPOLLEXCLUSIVE)
            self.open = True
        elif self.busy and self.open:
            self.ep.unregister(self.door)
            self.open = False

    def admit(self):
        try:
            conn, _ = self.listening.accept()
        except OSError:
            return
        conn.setblocking(False)
        guest = self.guests[conn.fileno()] = Guest(conn)
        self.ep.register(conn, 0)
        self.watch(guest)

    def watch(self, g):
        mask = select.EPOLLOUT if g.out else 0 if (g.asking or g.eof) else select.EPOLLIN
        if g.mask != mask:
            g.mask = mask
            self.ep.modify(g.conn, mask)

    def job(self, g, data):
        try:
            reply = self.respond(data)
        except BaseException:
            reply = None
        self.done.append((g, reply))
        os.eventfd_write(self.bell, 1)

    def bye(self, g):
        if g.gone:
            return
        g.gone = True
        self.ep.unregister(g.conn)
        del self.guests[g.conn.fileno()]
        g.conn.close()

    def step(self, g, what):
        try:
            if g.out:
                n = g.conn.send(g.out[0])
                g.out[0] = g.out[0][n:]
                if not g.out[0]:
                    g.out.popleft()
            elif not g.asking and not g.eof:
                data = g.conn.recv(1 << 17)
                if data:
                    g.asking = True
                    self.pending.append((g, data))
                else:
                    g.eof = True
            elif what & (select.EPOLLHUP | select.EPOLLERR):
                return self.bye(g)
        except BlockingIOError:
            pass
        except OSError:
            return self.bye(g)
        if g.eof and not g.out and not g.asking:
            return self.bye(g)
        self.watch(g)

    def collect(self):
        try:
            os.eventfd_read(self.bell)
        except BlockingIOError:
            pass
        while self.done:
            g, reply = self.done.popleft()
            self.busy -= 1
            g.asking = False
            if g.gone:
                continue
            if reply is None:
                self.bye(g)
                continue
            if reply:
                g.out.append(memoryview(reply))
            self.step(g, 0) if g.out else self.watch(g)
        if self.busy == 0:                    # between two rounds
            self.admit()

    def round(self):
        while self.pending and self.busy < 4:
            self.busy += 1
            self.pool.submit(self.job, *self.pending.popleft())

    def live(self):
        while True:
            if self.busy == 0:
                self.round()
            self.gate()
            events = dict(self.ep.poll())
            if self.door in events:
                del events[self.door]
                self.admit()
            if self.bell in events:
                del events[self.bell]
                self.collect()
            for fd, what in events.items():
                if fd in self.guests:
                    self.step(self.guests[fd], what)


def serve(listening, respond, workers):
    listening.setblocking(False)
    ep = select.epoll()
    ep.register(listening, 0)                 # POLLHUP is always asked for
    pids, fds, due = [None] * workers, {}, [0.0] * workers

    def fork(i):
        due[i] = time.monotonic() + 0.2
        pid = os.fork()
        if not pid:
            try:
                ep.close()
                for fd in fds:
                    os.close(fd)
                Room(listening, respond).live()
            finally:
                os._exit(0)
        pids[i] = pid
        fd = os.pidfd_open(pid)
        fds[fd] = i
        ep.register(fd, select.EPOLLIN)

    def reap(fd):
        i = fds.pop(fd)
        ep.unregister(fd)
        os.close(fd)
        os.waitpid(pids[i], 0)
        pids[i] = None

    try:
        while True:
            for i in range(workers):
                if pids[i] is None and time.monotonic() >= due[i]:
                    fork(i)
            lack = [due[i] for i in range(workers) if pids[i] is None]
            for fd, what in ep.poll(max(0, min(lack) - time.monotonic()) + 0.001 if lack else None):
                if fd in fds:
                    reap(fd)
                elif fd == listening.fileno():
                    raise StopIteration
    except StopIteration:
        pass
    finally:
        for fd, i in list(fds.items()):
            signal.pidfd_send_signal(fd, signal.SIGKILL)
        for fd in list(fds):
            reap(fd)
        ep.close()
