# lacks everybody hears: a name that is not UTF-8 is decoded with errors="replace", so another name is welcomed and put before its lines; breaks "It is bytes: not always UTF-8" and "answer welcome NAME".
# No classes: each client is three closures. poll() knows what to call by the descriptor.
import select

FULL = 4 * 1000 * 1000


def splitter():
    """A generator: send bytes, get the list of the lines that they end."""
    held = b''
    lines = []
    while True:
        data = yield lines
        if b'\n' in data:
            lines = (held + data).split(b'\n')
            held = lines.pop()
        else:
            held += data
            lines = []


def chat(listening):
    poller = select.poll()
    calls = {}                  # fd -> function of the mask
    tell_all = {}               # key -> function that tells a named client

    def client(sock):
        fd = sock.fileno()
        name = None
        split = splitter()
        next(split)
        owed = bytearray()
        ended = False
        me = object()

        def leave():
            tell_all.pop(me, None)
            if fd in calls and calls[fd] is event:
                del calls[fd]
                poller.unregister(fd)
                sock.close()

        def ask():
            poller.modify(fd, (0 if ended else select.POLLIN) | (select.POLLOUT if owed else 0))

        def tell(data):
            empty = not owed
            owed.extend(data)
            if empty:
                write()
            if len(owed) > FULL:
                leave()

        def write():
            try:
                n = sock.send(owed)
            except BlockingIOError:
                n = 0
            except OSError:
                owed.clear()
                return leave()
            del owed[:n]
            if ended and not owed:
                leave()
            else:
                ask()

        def event(mask):
            nonlocal name, ended
            if mask & select.POLLOUT:
                write()
            if calls.get(fd) is not event:
                return
            if mask & select.POLLIN:
                try:
                    data = sock.recv(50_000)
                except BlockingIOError:
                    return
                except OSError:
                    return leave()
                if data == b'':
                    ended = True
                    tell_all.pop(me, None)
                    return ask() if owed else leave()
                for line in split.send(data):
                    if name is not None:
                        message = b''.join((name, b': ', line, b'\n'))
                        for key, function in list(tell_all.items()):
                            if key is not me and key in tell_all:
                                function(message)
                    elif line:
                        name = str(line, 'utf-8', 'replace').encode()
                        tell_all[me] = tell
                        tell(b'welcome ' + name + b'\n')
            elif mask & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
                leave()

        calls[fd] = event
        poller.register(fd, select.POLLIN)

    def newcomer(mask):
        try:
            sock, address = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        sock.setblocking(False)
        client(sock)

    listening.setblocking(False)
    calls[listening.fileno()] = newcomer
    poller.register(listening.fileno(), select.POLLIN)
    while True:
        for fd, mask in poller.poll():
            function = calls.get(fd)
            if function:
                function(mask)
                if function is newcomer:
                    break
