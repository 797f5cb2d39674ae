# right
import functools
import selectors


def serve(listening, respond):
    with selectors.EpollSelector() as selector:
        listening.setblocking(False)

        def leave(sock):
            selector.unregister(sock)
            sock.close()

        def accept():
            try:
                sock, _ = listening.accept()
            except ConnectionAbortedError:
                return
            except BlockingIOError:
                return
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ, functools.partial(read, sock))

        def read(sock):
            try:
                data = sock.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                return leave(sock)
            if not data:
                return leave(sock)
            write(sock, memoryview(respond(data)), selectors.EVENT_READ)

        def write(sock, view, asked=selectors.EVENT_WRITE):
            try:
                view = view[sock.send(view) :]
            except BlockingIOError:
                pass
            except OSError:
                return leave(sock)
            if view:
                selector.modify(sock, selectors.EVENT_WRITE, functools.partial(write, sock, view))
            elif asked != selectors.EVENT_READ:
                selector.modify(sock, selectors.EVENT_READ, functools.partial(read, sock))

        selector.register(listening, selectors.EVENT_READ, accept)
        while True:
            for key, _ in selector.select():
                key.data()
