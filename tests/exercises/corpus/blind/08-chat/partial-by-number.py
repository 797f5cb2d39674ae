# lacks those who leave: a half line is kept under the descriptor's number and not forgotten when its client leaves, so the next one with that number has it before its name; breaks "What ends without a line feed is not passed on" and "answer welcome NAME".
import selectors
import socket

LIMIT = 4 << 20
selector = selectors.DefaultSelector()
names = {}              # fd -> name
partial = {}            # fd -> bytes without a line feed
owed = {}               # fd -> bytearray
ending = set()


def close(sock):
    fd = sock.fileno()
    if fd < 0:
        return
    selector.unregister(sock)
    names.pop(fd, None)
    owed.pop(fd, None)
    ending.discard(fd)
    socks.pop(fd, None)
    sock.close()


socks = {}


def mask(sock):
    fd = sock.fileno()
    events = 0 if fd in ending else selectors.EVENT_READ
    if owed[fd]:
        events |= selectors.EVENT_WRITE
    if events:
        selector.modify(sock, events, client)
    else:
        close(sock)


def flush(sock):
    buffer = owed[sock.fileno()]
    try:
        del buffer[:sock.send(buffer)]
    except BlockingIOError:
        pass
    except OSError:
        return close(sock)
    mask(sock)


def tell(sock, data):
    buffer = owed[sock.fileno()]
    buffer += data
    if len(buffer) == len(data):
        flush(sock)
    elif len(buffer) > LIMIT:
        close(sock)


def client(sock, events):
    if events & selectors.EVENT_WRITE:
        flush(sock)
    fd = sock.fileno()
    if fd < 0 or not events & selectors.EVENT_READ:
        return
    try:
        data = sock.recv(1 << 16)
    except BlockingIOError:
        return
    except OSError:
        return close(sock)
    if not data:
        names.pop(fd, None)
        ending.add(fd)
        return mask(sock)
    *lines, partial[fd] = (partial.get(fd, b"") + data).split(b"\n")
    for line in lines:
        if fd in names:
            text = names[fd] + b": " + line + b"\n"
            for other in list(names):
                if other != fd:
                    tell(socks[other], text)
        elif line and sock.fileno() >= 0:
            names[fd] = line
            tell(sock, b"welcome " + line + b"\n")


def newcomer(listening, events):
    try:
        sock, _ = listening.accept()
    except (BlockingIOError, ConnectionAbortedError):
        return
    sock.setblocking(False)
    socks[sock.fileno()] = sock
    owed[sock.fileno()] = bytearray()
    selector.register(sock, selectors.EVENT_READ, client)


def chat(listening):
    listening.setblocking(False)
    selector.register(listening, selectors.EVENT_READ, newcomer)
    while True:
        for key, events in selector.select():
            if key.fileobj.fileno() >= 0:
                key.data(key.fileobj, events)
