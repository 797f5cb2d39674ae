# right
# EPOLLONESHOT: each turn is asked for anew, and nothing is asked for twice.
from select import EPOLLET, EPOLLIN, EPOLLONESHOT, EPOLLOUT, epoll


def serve(listening, respond):
    listening.setblocking(False)
    ep, who = epoll(), {}
    ep.register(listening.fileno(), EPOLLIN | EPOLLONESHOT)

    full = False

    def ask_for_newcomers():
        nonlocal full
        full = False
        ep.modify(listening.fileno(), EPOLLIN | EPOLLONESHOT)

    while True:
        for fd, _ in ep.poll(maxevents=16):
            if fd == listening.fileno():
                try:
                    s, _ = listening.accept()
                except (BlockingIOError, ConnectionAbortedError):
                    ask_for_newcomers()
                except OSError:
                    # no descriptor is left: asked for again when one is given back
                    if not full:
                        full = True
                        ep.modify(listening.fileno(), EPOLLIN | EPOLLET)
                else:
                    s.setblocking(False)
                    who[s.fileno()] = [s, b""]
                    ep.register(s.fileno(), EPOLLIN | EPOLLONESHOT)
                    ask_for_newcomers()
                continue
            pair = who[fd]
            try:
                if not pair[1]:
                    data = pair[0].recv(8192)
                    if not data:
                        raise EOFError
                    pair[1] = respond(data)
                if pair[1]:
                    pair[1] = pair[1][pair[0].send(pair[1]):]
            except BlockingIOError:
                pass
            except (EOFError, OSError):
                del who[fd]
                pair[0].close()
                if full:
                    ask_for_newcomers()
                continue
            ep.modify(fd, (EPOLLOUT if pair[1] else EPOLLIN) | EPOLLONESHOT)
