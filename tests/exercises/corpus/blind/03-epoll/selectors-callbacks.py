# right
import selectors
from functools import partial

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


def serve(listening, respond):
    sel = selectors.EpollSelector()
    listening.setblocking(False)

    def close(conn):
        sel.unregister(conn)
        conn.close()

    def welcome():
        try:
            conn, who = listening.accept()
        except OSError:
            return
        conn.setblocking(False)
        sel.register(conn, READ, partial(read, conn))

    def read(conn):
        try:
            data = conn.recv(8192)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as problem:
            print("lost", problem)
            close(conn)
            return
        if data == b"":
            close(conn)
        else:
            owed = bytearray(respond(data))
            write(conn, owed, READ)

    def write(conn, owed, now=WRITE):
        try:
            if owed:
                del owed[: conn.send(owed)]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as problem:
            print("lost", problem)
            close(conn)
            return
        if owed:
            if now != WRITE:
                sel.modify(conn, WRITE, partial(write, conn, owed))
        elif now != READ:
            sel.modify(conn, READ, partial(read, conn))

    sel.register(listening, READ, welcome)
    try:
        while True:
            for key, _ in sel.select():
                key.data()
    finally:
        for key in list(sel.get_map().values()):
            if key.fileobj is not listening:
                key.fileobj.close()
        sel.close()
