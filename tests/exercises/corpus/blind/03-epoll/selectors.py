# right
import errno
import selectors

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


def serve(listening, respond):
    sel = selectors.EpollSelector()
    listening.setblocking(False)


    def enrol():
        sel.register(listening, READ, accept)

    def accept(key, _):
        try:
            sock, _ = listening.accept()
        except OSError as e:
            if e.errno in (errno.EMFILE, errno.ENFILE):
                sel.unregister(listening)
            return
        sock.setblocking(False)
        sel.register(sock, READ, read)

    def goodbye(sock):
        sel.unregister(sock)
        sock.close()
        if listening.fileno() not in sel.get_map():
            enrol()

    def read(key, _):
        sock = key.fileobj
        try:
            data = sock.recv(50000)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            return goodbye(sock)
        push(sock, bytearray(respond(data)), False)

    def push(sock, out, waiting):
        try:
            if out:
                del out[:sock.send(out)]
        except BlockingIOError:
            pass
        except OSError:
            return goodbye(sock)
        if out and not waiting:
            sel.modify(sock, WRITE, lambda key, _: push(sock, out, True))
        elif waiting and not out:
            sel.modify(sock, READ, read)

    enrol()
    try:
        while True:
            for key, mask in sel.select():
                key.data(key, mask)
    finally:
        sel.close()
