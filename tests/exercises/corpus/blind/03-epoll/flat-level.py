# right
import select


def serve(listening, respond):
    # Everything in one place, as grandfather did it.
    ep = select.epoll()
    listening.setblocking(False)
    door = listening.fileno()
    ep.register(door, select.EPOLLIN)
    socks, owed = {}, {}
    buf = bytearray(32768)
    view = memoryview(buf)
    try:
        while 1:
            for fd, ev in ep.poll():
                if fd == door:
                    tries = 0
                    while tries < 16:
                        tries += 1
                        try:
                            s, _ = listening.accept()
                        except BlockingIOError:
                            break
                        except OSError:
                            continue
                        s.setblocking(False)
                        socks[s.fileno()] = s
                        ep.register(s.fileno(), select.EPOLLIN)
                    continue
                s = socks[fd]
                gone = False
                left = owed.get(fd)
                stalled = left is not None
                if left is None:
                    try:
                        n = s.recv_into(buf)
                        if n:
                            left = memoryview(respond(view[:n]))
                        else:
                            gone = True
                    except (BlockingIOError, InterruptedError):
                        pass
                    except OSError:
                        gone = True
                if left is not None and not gone:
                    try:
                        left = left[s.send(left):]
                    except (BlockingIOError, InterruptedError):
                        pass
                    except OSError:
                        gone = True
                    if not gone:
                        if len(left):
                            owed[fd] = left
                            if not stalled:
                                ep.modify(fd, select.EPOLLOUT)
                        elif stalled:
                            del owed[fd]
                            ep.modify(fd, select.EPOLLIN)
                if gone:
                    ep.unregister(fd)
                    owed.pop(fd, None)
                    del socks[fd]
                    s.close()
    finally:
        ep.close()
        for s in socks.values():
            s.close()
