# lacks resets: getpeername() of a client that reset before it was accepted raises OSError (ENOTCONN), which ends the server for all; breaks "Serve every client"
import select


def serve(listening, respond):
    listening.setblocking(False)
    ep = select.epoll()
    ep.register(listening, select.EPOLLIN)
    socks, owed, names = {}, {}, {}

    def close(fd):
        ep.unregister(fd)
        print("bye", *names.pop(fd))
        owed.pop(fd, None)
        socks.pop(fd).close()

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
                    names[s.fileno()] = s.getpeername()
                    ep.register(s, select.EPOLLIN)
                    continue
                s, reply = socks[fd], owed.get(fd)
                try:
                    if not reply:
                        data = s.recv(65536)
                        if not data:
                            close(fd)
                            continue
                        reply = respond(data)
                    reply = reply[s.send(reply):]
                except BlockingIOError:
                    pass
                except OSError:
                    close(fd)
                    continue
                owed[fd] = reply
                ep.modify(fd, select.EPOLLOUT if reply else select.EPOLLIN)
    finally:
        for s in socks.values():
            s.close()
        ep.close()
