# right
import errno
import select
import socket
import threading
from collections import deque

from iolab.kernel.ring import POLL, RECEIVE, Ring


def accept_all(listening, arrivals, bell):
    while True:
        try:
            arrival = listening.accept()[0]
        except ConnectionAbortedError:
            continue
        except BaseException as error:  # Stopped, above all
            arrival = error
        arrivals.append(arrival)
        bell.send(b"!")
        if isinstance(arrival, BaseException):
            return


def serve(listening, respond):
    listening.setblocking(True)
    arrivals = deque()
    ear, bell = socket.socketpair()
    with ear, bell, Ring(20000) as ring:
        thread = threading.Thread(target=accept_all, args=(listening, arrivals, bell), daemon=True)
        thread.start()
        ring.poll(ear.fileno(), select.POLLIN)
        here = {}
        while True:
            for operation, fd, result, _, data in ring.submit_and_wait():
                if operation == POLL:
                    ear.recv(4096)
                    while arrivals:
                        arrival = arrivals.popleft()
                        if isinstance(arrival, BaseException):
                            thread.join()  # it may still be ringing
                            raise arrival
                        here[arrival.fileno()] = arrival, 0
                        ring.receive(arrival.fileno())
                    ring.poll(ear.fileno(), select.POLLIN)
                    continue
                connection, expected = here[fd]
                if operation == RECEIVE:
                    if result > 0:
                        reply = respond(data)
                        here[fd] = connection, len(reply)
                        ring.send(fd, reply)
                        continue
                    if result == -errno.ENOBUFS:
                        ring.receive(fd)
                        continue
                elif result == expected:
                    ring.receive(fd)
                    continue
                del here[fd]
                connection.close()
