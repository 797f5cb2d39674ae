# lacks clients: clients "come, ask, and go in every way, and none of that ends a worker": each ends by itself after its 32nd client
import contextlib
import os
import select
import signal
import time

MAX_CLIENTS = 32             # a fresh process now and then keeps the memory small


def clients(listening):
    for _ in range(MAX_CLIENTS):
        while True:
            with contextlib.suppress(OSError):
                conn, _ = listening.accept()
                break
        yield conn


def worker(listening, respond):
    for conn in clients(listening):
        with conn, contextlib.suppress(OSError):
            while chunk := conn.recv(65536):
                conn.sendall(respond(chunk))


class Supervisor:
    def __init__(self, listening, respond, workers):
        self.listening, self.respond = listening, respond
        self.born = [-9.0] * workers
        self.by_fd = {}
        self.free = list(range(workers))
        self.poll = select.poll()
        self.poll.register(listening, 0)

    def start(self):
        now = time.monotonic()
        for i in self.free[:]:
            if now - self.born[i] < 0.11:
                continue
            self.free.remove(i)
            self.born[i] = now
            pid = os.fork()
            if not pid:
                try:
                    for fd in self.by_fd:
                        os.close(fd)
                    worker(self.listening, self.respond)
                finally:
                    os._exit(0)
            fd = os.pidfd_open(pid)
            self.by_fd[fd] = pid, i
            self.poll.register(fd, select.POLLIN)

    def reap(self, fd):
        pid, i = self.by_fd.pop(fd)
        self.poll.unregister(fd)
        os.close(fd)
        os.waitpid(pid, 0)
        self.free.append(i)

    def run(self):
        while True:
            self.start()
            for fd, _ in self.poll.poll(20 if self.free else None):
                if fd in self.by_fd:
                    self.reap(fd)
                else:
                    self.listening.accept()

    def close(self):
        for fd, (pid, _) in list(self.by_fd.items()):
            os.kill(pid, signal.SIGKILL)
            self.reap(fd)


def serve(listening, respond, workers):
    with contextlib.closing(Supervisor(listening, respond, workers)) as s:
        s.run()
