# lacks idle: once a client has owed bytes, level-triggered EPOLLOUT stays asked for until it closes, and spins; breaks "ask for EPOLLOUT only while bytes are owed to that client" and "Idle is less than 1 % of a CPU"
import selectors


def serve(listening, respond):
    sel = selectors.EpollSelector()
    listening.setblocking(False)
    sel.register(listening, selectors.EVENT_READ, None)

    def go(sock, owed):
        try:
            if not owed:
                try:
                    data = sock.recv(65536)
                except BlockingIOError:
                    return
                if not data:
                    raise ConnectionError
                owed += respond(data)
            del owed[:sock.send(owed)]
        except BlockingIOError:
            pass
        except OSError:
            sel.unregister(sock)
            sock.close()
            return
        both = selectors.EVENT_READ | selectors.EVENT_WRITE
        if owed:
            sel.modify(sock, selectors.EVENT_WRITE, owed)
        elif sel.get_key(sock).events == selectors.EVENT_WRITE:
            sel.modify(sock, both, owed)  # may read again

    try:
        while True:
            for key, _ in sel.select():
                if key.data is None:
                    try:
                        s, _ = listening.accept()
                    except BlockingIOError:
                        continue
                    s.setblocking(False)
                    sel.register(s, selectors.EVENT_READ, bytearray())
                else:
                    go(key.fileobj, key.data)
    finally:
        for key in list(sel.get_map().values()):
            if key.data is not None:
                key.fileobj.close()
        sel.close()
