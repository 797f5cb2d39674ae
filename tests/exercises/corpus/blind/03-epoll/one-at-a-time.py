# right
import select


def serve(listening, respond):
    # One event per wait: the kernel puts a level-triggered descriptor that it
    # has just reported at the end of its list, so everybody gets a turn.
    ep = select.epoll()
    buffer = bytearray(16384)
    window = memoryview(buffer)
    socks, owed, sent = {}, {}, {}
    listening.setblocking(False)
    door = listening.fileno()
    ep.register(door, select.EPOLLIN)
    try:
        while True:
            for fd, what in ep.poll(-1, 1):
                if fd == door:
                    try:
                        s, _ = listening.accept()
                    except (ConnectionAbortedError, BlockingIOError):
                        continue
                    s.setblocking(False)
                    socks[s.fileno()] = s
                    ep.register(s, select.EPOLLIN)
                    continue
                s, fresh = socks[fd], False
                try:
                    if fd not in owed:
                        n = s.recv_into(buffer)
                        if n == 0:
                            raise EOFError
                        owed[fd] = respond(window[:n])
                        sent[fd] = 0
                        fresh = True
                    sent[fd] += s.send(memoryview(owed[fd])[sent[fd]:])
                except BlockingIOError:
                    if fd in owed and fresh:
                        ep.modify(fd, select.EPOLLOUT)
                    continue
                except (OSError, EOFError):
                    ep.unregister(fd)
                    s.close()
                    del socks[fd]
                    owed.pop(fd, None)
                    sent.pop(fd, None)
                    continue
                if sent[fd] == len(owed[fd]):
                    del owed[fd], sent[fd]
                    if not fresh:
                        ep.modify(fd, select.EPOLLIN)
                elif fresh:
                    ep.modify(fd, select.EPOLLOUT)
    finally:
        ep.close()
        for s in socks.values():
            s.close()
