# lacks many clients: aio with 100 helper threads, each of which does one read at a time. Breaks 'hundreds of clients at once, in whatever order they ask': when 100 are silent, the next one is not heard until one of them speaks.
import socket
import threading
from collections import deque

from iolab.kernel.aio import Requests, init


def acceptor(listening, inbox, wake):
    try:
        while True:
            try:
                sock, _ = listening.accept()
            except ConnectionAbortedError:
                continue
            sock.setblocking(True)
            inbox.append(sock)
            wake.sendall(b"+")
    except BaseException as error:
        inbox.append(error)
        wake.sendall(b"-")


def serve(listening, respond):
    listening.setblocking(True)
    init(100)
    ours, theirs = socket.socketpair()
    inbox, connections, sending, rests = deque(), {}, set(), {}
    threading.Thread(target=acceptor, args=(listening, inbox, theirs), daemon=True).start()
    with Requests() as requests:
        requests.read(ours.fileno(), 512)
        while True:
            for fd, result, data in requests.wait():
                if fd == ours.fileno():
                    for _ in range(result):
                        new = inbox.popleft()
                        if isinstance(new, BaseException):
                            raise new
                        connections[new.fileno()] = new
                        requests.read(new.fileno(), 8192)
                    requests.read(fd, 512)
                elif fd in sending:
                    # `write` sends all, or less if it was disturbed
                    rest = rests[fd][max(result, 0):]
                    if result < 0:
                        sending.discard(fd)
                        rests.pop(fd)
                        connections.pop(fd).close()
                    elif rest:
                        rests[fd] = rest
                        requests.write(fd, rest)
                    else:
                        sending.discard(fd)
                        rests.pop(fd)
                        requests.read(fd, 8192)
                elif result > 0:
                    reply = respond(data)
                    sending.add(fd)
                    rests[fd] = reply
                    requests.write(fd, reply)
                else:
                    connections.pop(fd).close()
