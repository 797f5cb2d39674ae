# lacks descriptors: the ConnectionAbortedError of `accept` ends it when descriptors have run out, which the text did not say then
import select

PIECE = 4096


def serve(listening, respond):
    listening.setblocking(False)
    conns = {}
    with select.epoll() as ep:
        ep.register(listening, select.EPOLLIN)
        while True:
            for fd, _ in ep.poll():
                if fd == listening.fileno():
                    try:
                        s, _ = listening.accept()
                    except BlockingIOError:
                        continue
                    s.setblocking(False)
                    conns[s.fileno()] = s, bytearray()
                    ep.register(s, select.EPOLLIN)
                    continue
                s, owed = conns[fd]
                owing = bool(owed)
                try:
                    if not owing:
                        data = s.recv(65536)
                        if not data:
                            raise EOFError
                        for start in range(0, len(data), PIECE):
                            owed += respond(data[start:start + PIECE])
                    if owed:
                        del owed[:s.send(owed)]
                except BlockingIOError:
                    pass
                except (OSError, EOFError):
                    del conns[fd]
                    s.close()
                    continue
                if bool(owed) != owing:
                    ep.modify(fd, select.EPOLLOUT if owed else select.EPOLLIN)
