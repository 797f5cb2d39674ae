# lacks many clients: "hundreds of clients at once" and "may be silent for as long as it likes": aio gets 100 helper threads, each of which does one read at a time, so beyond about 99 silent clients nobody is served
import socket
import threading
from queue import SimpleQueue

from iolab.kernel.aio import Requests, init


def accept(listening, arrivals, bell):
    try:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                continue
            connection.setblocking(True)
            arrivals.put(connection)
            bell.sendall(b"c")
    except BaseException as error:
        arrivals.put(error)
        bell.sendall(b"e")


def serve(listening, respond):
    init(100)
    listening.setblocking(True)
    arrivals = SimpleQueue()
    ear, bell = socket.socketpair()
    connections, owed = {}, {}
    threading.Thread(target=accept, args=(listening, arrivals, bell), daemon=True).start()
    with ear, bell, Requests() as requests:
        requests.read(ear.fileno(), 1)
        while True:
            for fd, result, data in requests.wait():
                if fd == ear.fileno():
                    arrival = arrivals.get()
                    if isinstance(arrival, BaseException):
                        raise arrival
                    connections[arrival.fileno()] = arrival
                    requests.read(arrival.fileno(), 32768)
                    requests.read(fd, 1)
                elif result <= 0:
                    owed.pop(fd, None)
                    connections.pop(fd).close()
                elif fd not in owed:
                    owed[fd] = respond(data)
                    requests.write(fd, owed[fd])
                elif result < len(owed[fd]):
                    owed[fd] = owed[fd][result:]
                    requests.write(fd, owed[fd])
                else:
                    del owed[fd]
                    requests.read(fd, 32768)
