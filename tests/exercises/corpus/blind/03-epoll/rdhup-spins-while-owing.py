# lacks idle while it owes: level-triggered EPOLLRDHUP stays asked for while bytes are owed, so a client that has shut down its sending half and does not read makes it spin; breaks "Idle is less than 1 % of a CPU" (and "use no CPU while nobody asks")
import select
from select import EPOLLIN, EPOLLOUT, EPOLLRDHUP


def serve(listening, respond):
    listening.setblocking(False)
    table = {}
    with select.epoll() as ep:
        ep.register(listening, EPOLLIN)
        while True:
            for fd, ev in ep.poll():
                if fd not in table:
                    try:
                        s, _ = listening.accept()
                    except BlockingIOError:
                        continue
                    s.setblocking(False)
                    table[s.fileno()] = [s, b""]
                    ep.register(s.fileno(), EPOLLIN | EPOLLRDHUP)
                    continue
                entry = table[fd]
                s, owed = entry
                try:
                    if not owed:
                        data = s.recv(50_000)
                        if not data:
                            del table[fd]
                            s.close()
                            continue
                        owed = respond(data)
                    while owed:
                        owed = owed[s.send(owed):]
                except BlockingIOError:
                    pass
                except OSError:
                    del table[fd]
                    s.close()
                    continue
                if bool(owed) != bool(entry[1]):
                    ep.modify(fd, (EPOLLOUT if owed else EPOLLIN) | EPOLLRDHUP)
                entry[1] = owed
