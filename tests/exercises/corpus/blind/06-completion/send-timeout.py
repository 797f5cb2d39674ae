# lacks slow reader's bytes: "clients that read slowly get every byte": SO_SNDTIMEO lets a write to a client that does not read for 1 s end short, which is taken for a client that has left
import socket
import struct
import threading
from collections import deque

from iolab.kernel.aio import Requests

SIZE = 16384
TIMEOUT = struct.pack("ll", 1, 0)  # no helper thread shall hang for ever


class Accepting(threading.Thread):
    def __init__(self, listening):
        super().__init__(daemon=True)
        self.listening, self.accepted, self.error = listening, deque(), None
        self.ear, self.mouth = socket.socketpair()

    def run(self):
        while self.error is None:
            try:
                connection, _ = self.listening.accept()
                connection.setblocking(True)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, TIMEOUT)
                self.accepted.append(connection)
            except OSError:
                continue
            except BaseException as error:
                self.error = error
            self.mouth.send(b"\0")


def serve(listening, respond):
    listening.setblocking(True)
    accepting = Accepting(listening)
    accepting.start()
    ear = accepting.ear.fileno()
    here, sending = {}, {}
    with Requests() as requests:
        requests.read(ear, 512)
        while True:
            for fd, result, data in requests.wait():
                if fd == ear:
                    if accepting.error:
                        raise accepting.error
                    while accepting.accepted:
                        connection = accepting.accepted.popleft()
                        here[connection.fileno()] = connection
                        requests.read(connection.fileno(), SIZE)
                    requests.read(ear, 512)
                elif fd in sending:
                    if result == sending.pop(fd):
                        requests.read(fd, SIZE)
                    else:  # the peer has left before it had all
                        here.pop(fd).close()
                elif result > 0:
                    reply = respond(data)
                    sending[fd] = len(reply)
                    requests.write(fd, reply)
                else:
                    here.pop(fd).close()
