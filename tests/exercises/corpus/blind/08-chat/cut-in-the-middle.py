# lacks a frozen client: what is owed to a slow client is thrown away when it is too much, also the second half of the line that is half sent, and the client stays; breaks "may miss whole lines; it gets no part of one".
# The main thread accepts, and blocks in that; a second one has a selector for all that are connected.
import queue
import selectors
import socket
import threading


def chat(listening):
    newcomers = queue.SimpleQueue()
    ours, theirs = socket.socketpair()
    worker = threading.Thread(target=_work, args=(newcomers, theirs), daemon=True)
    worker.start()
    try:
        listening.setblocking(True)
        while True:
            try:
                connection, _ = listening.accept()
            except ConnectionAbortedError:
                continue
            newcomers.put(connection)
            ours.send(b"+")
    finally:                                # Stopped goes on; the worker ends as well
        newcomers.put(None)
        ours.send(b"-")
        worker.join()
        ours.close()
        theirs.close()


class _Guest:
    LIMIT = 3 * 1024 ** 2

    def __init__(self, connection):
        self.connection = connection
        self.name = b""
        self.unfinished = b""
        self.debt = bytearray()
        self.at_end = False


def _work(newcomers, bell):
    with selectors.DefaultSelector() as selector:
        selector.register(bell, selectors.EVENT_READ)
        guests = {}
        try:
            while True:
                for key, what in selector.select():
                    if key.fileobj is bell:
                        bell.recv(1)
                        connection = newcomers.get()
                        if connection is None:
                            return
                        connection.setblocking(False)
                        guests[connection] = _Guest(connection)
                        selector.register(connection, selectors.EVENT_READ)
                        continue
                    guest = guests.get(key.fileobj)
                    if guest is None:
                        continue
                    if what & selectors.EVENT_WRITE:
                        _pay(guest, guests, selector)
                    if what & selectors.EVENT_READ and key.fileobj in guests:
                        _listen(guest, guests, selector)
        finally:
            for connection in guests:
                connection.close()


def _bye(guest, guests, selector):
    if guests.pop(guest.connection, None) is not None:
        selector.unregister(guest.connection)
        guest.connection.close()


def _watch(guest, selector):
    mask = (0 if guest.at_end else selectors.EVENT_READ) | (selectors.EVENT_WRITE if guest.debt else 0)
    if selector.get_key(guest.connection).events != mask:
        selector.modify(guest.connection, mask)


def _pay(guest, guests, selector):
    try:
        del guest.debt[:guest.connection.send(guest.debt)]
    except BlockingIOError:
        pass
    except OSError:
        return _bye(guest, guests, selector)
    if guest.at_end and not guest.debt:
        return _bye(guest, guests, selector)
    _watch(guest, selector)


def _owe(guest, data, guests, selector):
    new = not guest.debt
    guest.debt.extend(data)
    if new:
        _pay(guest, guests, selector)
    if len(guest.debt) > guest.LIMIT:
        guest.debt.clear()                  # it has missed too much already: start anew
        if guest.connection in guests:
            _watch(guest, selector)


def _listen(guest, guests, selector):
    try:
        data = guest.connection.recv(32768)
    except BlockingIOError:
        return
    except OSError:
        return _bye(guest, guests, selector)
    if not data:
        guest.at_end = True
        if guest.debt:
            _watch(guest, selector)
        else:
            _bye(guest, guests, selector)
        return
    said = []
    start = 0
    while (end := data.find(b"\n", start)) >= 0:
        line = guest.unfinished + data[start:end]
        guest.unfinished = b""
        start = end + 1
        if guest.name:
            said += guest.name, b": ", line, b"\n"
        elif line:
            guest.name = line
            _owe(guest, b"welcome " + line + b"\n", guests, selector)
    guest.unfinished += data[start:]
    if said:
        text = b"".join(said)
        for other in list(guests.values()):
            if other is not guest and other.name and not other.at_end:
                _owe(other, text, guests, selector)
