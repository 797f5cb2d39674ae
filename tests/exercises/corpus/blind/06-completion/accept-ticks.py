# lacks idle: the accepting thread wakes up every 50 ms to see whether it is to end: 20 wake-ups a second; breaks "fewer than 15 wake-ups a second".
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
        self.listening.settimeout(0.05)
        while self.error is None:
            seen = self.departures
            try:
                self.arrived.append(self.listening.accept()[0])
            except TimeoutError:
                continue
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    with self.room:
                        self.room.wait_for(lambda: self.departures != seen)
                continue
            except BaseException as error:
                self.error = error
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
            for op, fd, result, _, data in ring.submit_and_wait():
                if fd == bell:
                    while door.arrived:
                        sock = door.arrived.popleft()
                        socks[sock.fileno()] = sock
                        ring.receive(sock.fileno())
                    if door.error:
                        raise door.error
                    ring.receive(bell)
                elif op == RECEIVE and result > 0:
                    ring.send(fd, respond(data))
                elif result >= 0 and op != RECEIVE or result == -errno.ENOBUFS:
                    ring.receive(fd)
                else:
                    socks.pop(fd).close()
                    door.departed()
