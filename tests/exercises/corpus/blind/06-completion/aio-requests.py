# lacks resets: does not forget what is owed to a client that has reset, and its descriptor is the next one's
import os
import queue
from threading import Thread

from iolab.kernel import aio


def serve(listening, respond):
    aio.init()
    arrivals: queue.SimpleQueue = queue.SimpleQueue()
    r, w = os.pipe()

    def accept():
        while True:
            try:
                item = listening.accept()[0]
                item.setblocking(True)
            except OSError:
                continue
            except SystemExit as stopped:
                item = stopped
            arrivals.put(item)
            os.write(w, b".")
            if isinstance(item, SystemExit):
                break

    listening.setblocking(True)
    Thread(target=accept, daemon=True).start()
    conns, owed = {}, {}
    try:
        with aio.Requests() as requests:
            requests.read(r, 1)
            while True:
                for fd, result, data in requests.wait():
                    if fd == r:
                        item = arrivals.get()
                        if isinstance(item, SystemExit):
                            raise item
                        conns[item.fileno()] = item
                        requests.read(item.fileno(), 32768)
                        requests.read(r, 1)
                        continue
                    if fd in owed:  # a write has ended
                        rest = owed.pop(fd)[result:] if result >= 0 else None
                    else:
                        rest = respond(data) if result > 0 else None
                    if rest is None:
                        conns.pop(fd).close()
                    elif rest:
                        owed[fd] = rest
                        requests.write(fd, rest)
                    else:
                        requests.read(fd, 32768)
    finally:
        os.close(w)
        os.close(r)
        for sock in conns.values():
            sock.close()
