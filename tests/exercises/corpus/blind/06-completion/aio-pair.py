# right
import socket
import threading
from queue import SimpleQueue

from iolab.kernel.aio import Requests

RECEIVE_BYTES = 32768


class Door(threading.Thread):
    def __init__(self, listening):
        super().__init__(daemon=True)
        self.listening, self.queue = listening, SimpleQueue()
        self.inside, self.outside = socket.socketpair()
        listening.setblocking(True)

    def run(self):
        try:
            while True:
                try:
                    connection, _ = self.listening.accept()
                except OSError:
                    continue
                connection.setblocking(True)
                self.hand_over(connection)
        except BaseException as error:
            self.hand_over(error)

    def hand_over(self, thing):
        self.queue.put(thing)
        self.outside.sendall(b".")

    def close(self):
        self.inside.close()
        self.outside.close()


def serve(listening, respond):
    door = Door(listening)
    connections, owed = {}, {}
    door.start()
    try:
        with Requests() as requests:
            requests.read(door.inside.fileno(), 1)  # one at a time, each is one arrival
            while True:
                for fd, result, data in requests.wait():
                    if fd == door.inside.fileno():
                        arrival = door.queue.get()
                        if isinstance(arrival, BaseException):
                            raise arrival
                        connections[arrival.fileno()] = arrival
                        requests.read(arrival.fileno(), RECEIVE_BYTES)
                        requests.read(fd, 1)
                    elif fd in owed:
                        rest = owed.pop(fd)[max(result, 0) :]
                        if result <= 0:
                            connections.pop(fd).close()
                        elif rest:
                            owed[fd] = rest
                            requests.write(fd, rest)
                        else:
                            requests.read(fd, RECEIVE_BYTES)
                    elif result > 0:
                        owed[fd] = reply = respond(data)
                        requests.write(fd, reply)
                    else:
                        connections.pop(fd).close()
    finally:
        for connection in connections.values():
            connection.close()
        door.close()
