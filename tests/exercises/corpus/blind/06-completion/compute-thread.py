# right
# io_uring in the main thread; `respond` is called in another that computes, and waits for a queue alone; results come back by a pipe that is polled in the ring. Returns after Stopped.
import os
import queue
import select
import threading
from collections import deque

from iolab.kernel.ring import POLL, RECEIVE, Ring
from iolab.kernel.uring import MultishotAccept


def compute(respond, work, results, wake):
    while (item := work.get()) is not None:
        fd, data = item
        try:
            results.append((fd, respond(data)))
        except BaseException as error:
            results.append((fd, error))
        os.write(wake, b"1")


class Server:
    def __init__(self, ring, listening, work, results, pipe):
        self.ring, self.listening, self.work, self.results, self.pipe = ring, listening, work, results, pipe
        self.connections = {}
        self.accept = MultishotAccept(ring, listening)
        ring.poll(pipe, select.POLLIN)

    def over(self, fd):
        self.connections.pop(fd).close()

    def run(self):
        while True:
            for completion in self.ring.submit_and_wait():
                operation, fd, result, more, data = completion
                if fd == self.listening.fileno():
                    try:
                        new = self.accept.connection(completion)
                    except OSError:
                        continue
                    self.connections[new.fileno()] = new
                    self.ring.receive(new.fileno())
                elif operation == POLL:
                    for _ in os.read(self.pipe, 4096):
                        to, reply = self.results.popleft()
                        if isinstance(reply, BaseException):
                            raise reply
                        self.ring.send(to, reply)
                    self.ring.poll(fd, select.POLLIN)
                elif operation == RECEIVE:
                    if result > 0:
                        self.work.put((fd, data))
                    elif result == -105:
                        self.ring.receive(fd)
                    else:
                        self.over(fd)
                elif result < 0:
                    self.over(fd)
                else:
                    self.ring.receive(fd)


def serve(listening, respond):
    work, results = queue.SimpleQueue(), deque()
    reading, writing = os.pipe()
    threading.Thread(target=compute, args=(respond, work, results, writing), daemon=True).start()
    try:
        with Ring(5000, 64) as ring:
            Server(ring, listening, work, results, reading).run()
    except SystemExit:
        return
    finally:
        work.put(None)
