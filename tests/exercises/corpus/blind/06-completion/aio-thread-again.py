# right
import socket
import threading
from iolab.kernel.aio import Requests


def serve(listening, respond):
    new, end, clients, owed = [], [], {}, {}
    mine, theirs = socket.socketpair()

    def accepting():
        while True:
            try:
                new.append(listening.accept()[0])
            except ConnectionAbortedError:
                continue
            except BaseException as error:
                end.append(error)
                theirs.send(b"x")
                return
            theirs.send(b"x")

    threading.Thread(target=accepting, daemon=True).start()
    with Requests() as requests:
        requests.read(mine.fileno(), 4096)
        while True:
            for fd, result, data in requests.wait():
                if fd == mine.fileno():
                    if end:
                        raise end[0]
                    while new:
                        client = new.pop(0)
                        clients[client.fileno()] = client
                        requests.read(client.fileno(), 16384)
                    requests.read(fd, 4096)
                elif fd in owed:
                    rest = owed.pop(fd)[max(result, 0):]
                    if result < 0:
                        clients.pop(fd).close()
                    elif rest:
                        owed[fd] = rest
                        requests.write(fd, rest)
                    else:
                        requests.read(fd, 16384)
                elif result <= 0:
                    clients.pop(fd).close()
                else:
                    owed[fd] = respond(data)
                    requests.write(fd, owed[fd])
