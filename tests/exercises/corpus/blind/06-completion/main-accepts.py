# right
# the other way round: this thread accepts (so that Stopped ends the function), one other thread has the ring
import socket
import threading
from queue import Empty, SimpleQueue

from iolab.kernel.ring import Ring


class Completions(threading.Thread):
    def __init__(self, respond):
        super().__init__(name="ring")
        self.respond = respond
        self.mine, self.yours = socket.socketpair()
        self.inbox = SimpleQueue()
        self.socks = {}
        self.pending = {}
        self.over = False

    def hand_over(self, sock):
        self.inbox.put(sock)
        self.yours.sendall(b"+")

    def stop(self):
        self.over = True
        self.yours.sendall(b"-")
        self.join()

    def next(self, ring, fd, reply=b""):
        if reply:
            self.pending[fd] = reply
            ring.send(fd, reply)
        else:
            self.pending.pop(fd, None)
            ring.receive(fd)

    def run(self):
        with Ring(8192, 128) as ring:
            me = self.mine.fileno()
            ring.receive(me)
            while not self.over:
                for _, fd, result, _, data in ring.submit_and_wait():
                    if fd == me:
                        try:
                            while True:
                                sock = self.inbox.get_nowait()
                                self.socks[sock.fileno()] = sock
                                self.next(ring, sock.fileno())
                        except Empty:
                            self.next(ring, me)
                    elif fd in self.pending:
                        if result < 0:
                            del self.pending[fd]
                            self.socks.pop(fd).close()
                        else:
                            self.next(ring, fd, self.pending[fd][result:])
                    elif result > 0:
                        self.next(ring, fd, self.respond(data))
                    elif result == -105:
                        self.next(ring, fd)
                    else:
                        self.socks.pop(fd).close()
        for sock in self.socks.values():
            sock.close()


def serve(listening, respond):
    listening.setblocking(True)
    thread = Completions(respond)
    thread.start()
    try:
        while True:
            try:
                sock, _ = listening.accept()
            except OSError:
                continue
            thread.hand_over(sock)
    finally:
        thread.stop()
