# lacks many clients: "many clients", "waits for nothing while there is something to do": each wake-up of the ring empties the pipe but takes one newcomer, so when several come in one instant some wait until somebody else comes
import errno
import os
import select
import threading
from queue import SimpleQueue

from iolab.kernel.ring import POLL, RECEIVE, Ring


def serve(listening, respond):
    listening.setblocking(True)
    newcomers, ends = SimpleQueue(), []
    ear, bell = os.pipe()

    def accept():
        while True:
            try:
                newcomer, _ = listening.accept()
            except OSError:
                continue
            except BaseException as error:
                ends.append(error)
                os.write(bell, b"!")
                return
            newcomers.put(newcomer)
            os.write(bell, b"!")

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    connections, owed = {}, {}
    with Ring(16384) as ring:
        ring.poll(ear, select.POLLIN)
        while True:
            for operation, fd, result, _, data in ring.submit_and_wait():
                if operation == POLL:
                    os.read(ear, 1024)
                    if ends:
                        thread.join()
                        raise ends[0]
                    newcomer = newcomers.get()
                    connections[newcomer.fileno()] = newcomer
                    ring.receive(newcomer.fileno())
                    ring.poll(ear, select.POLLIN)
                elif operation == RECEIVE and result > 0:
                    reply = respond(data)
                    owed[fd] = len(reply)
                    ring.send(fd, reply)
                elif operation == RECEIVE and result == -errno.ENOBUFS:
                    ring.receive(fd)
                elif operation != RECEIVE and result == owed.pop(fd):
                    ring.receive(fd)
                else:
                    connections.pop(fd).close()
