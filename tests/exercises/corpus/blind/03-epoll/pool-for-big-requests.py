# lacks the model: requests of more than 16 KiB are answered in a pool's thread (and the loop waits for it); breaks "The process has one thread, and no other process works for it."
import select
from concurrent.futures import ThreadPoolExecutor

BIG = 16 * 1024


def serve(listening, respond):
    pool = ThreadPoolExecutor(1)
    listening.setblocking(False)
    ep = select.epoll()
    ep.register(listening, select.EPOLLIN)
    socks, owed = {}, {}
    try:
        while True:
            for fd, _ in ep.poll():
                if fd == listening.fileno():
                    try:
                        s, _ = listening.accept()
                    except BlockingIOError:
                        continue
                    s.setblocking(False)
                    socks[s.fileno()] = s
                    owed[s.fileno()] = b""
                    ep.register(s, select.EPOLLIN)
                    continue
                s = socks[fd]
                try:
                    if not owed[fd]:
                        data = s.recv(65536)
                        if not data:
                            raise ConnectionError("end")
                        if len(data) > BIG:
                            owed[fd] = pool.submit(respond, data).result()
                        else:
                            owed[fd] = respond(data)
                    owed[fd] = owed[fd][s.send(owed[fd]):]
                except BlockingIOError:
                    pass
                except OSError:
                    ep.unregister(fd)
                    del socks[fd], owed[fd]
                    s.close()
                    continue
                ep.modify(fd, select.EPOLLOUT if owed[fd] else select.EPOLLIN)
    finally:
        pool.shutdown()
        for s in socks.values():
            s.close()
        ep.close()
