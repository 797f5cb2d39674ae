# lacks a clean end: Stopped ends the accepting thread, and the function looks for it only after some client has done something: with silent clients it never ends; breaks "let it end your function".
# One thread accepts and passes the sockets on in a deque; a byte through a pair of sockets wakes the ring.
import collections
import errno
import socket
import threading

from iolab.kernel.ring import RECEIVE, Ring


class Door(threading.Thread):
    def __init__(self, listening):
        super().__init__(daemon=True)
        self.listening, self.arrived, self.error = listening, collections.deque(), None
        self.bell, self.button = socket.socketpair()
        self.room = threading.Condition()
        self.departures = 0

    def run(self):
        self.listening.setblocking(True)
        while self.error is None:
            seen = self.departures
            try:
                self.arrived.append(self.listening.accept()[0])
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    with self.room:
                        self.room.wait_for(lambda: self.departures != seen)
                continue
            except BaseException as error:
                self.error = error
                return
            self.button.send(b"!")

    def departed(self):
        with self.room:
            self.departures += 1
            self.room.notify()


def serve(listening, respond):
    with Ring(8192) as ring:
        door, socks = Door(listening), {}
        bell = door.bell.fileno()
        ring.receive(bell)
        door.start()
        while True:
            ended = ring.submit_and_wait()
            if door.error:
                raise door.error
            for op, fd, result, _, data in ended:
                if fd == bell:
                    while door.arrived:
                        sock = door.arrived.popleft()
                        socks[sock.fileno()] = sock
                        ring.receive(sock.fileno())
                    ring.receive(bell)
                elif op == RECEIVE and result > 0:
                    ring.send(fd, respond(data))
                elif result >= 0 and op != RECEIVE or result == -errno.ENOBUFS:
                    ring.receive(fd)
                else:
                    socks.pop(fd).close()
                    door.departed()
