# lacks a clean end: it catches Stopped, and ends only when it owes nothing to anybody
import select

def serve(listening, respond):
    listening.setblocking(False)
    peers, owed = {}, {}
    full = False
    with select.epoll() as ep:
        ep.register(listening, select.EPOLLIN)
        while True:
            for fd, _ in ep.poll():
                if fd == listening.fileno():
                    try:
                        peer, _ = listening.accept()
                    except SystemExit:
                        ep.unregister(listening)
                        full = True
                        continue
                    except OSError:
                        continue
                    peer.setblocking(False)
                    peers[peer.fileno()] = peer
                    ep.register(peer, select.EPOLLIN)
                    continue
                if fd not in peers:
                    continue
                try:
                    if fd in owed:
                        reply = owed.pop(fd)
                    elif data := peers[fd].recv(65536):
                        reply = respond(data)
                    else:
                        raise ConnectionResetError
                    owed[fd] = reply
                    rest = reply[peers[fd].send(reply):]
                    owed[fd] = rest
                    if not rest:
                        del owed[fd]
                except BlockingIOError:
                    pass
                except OSError:
                    owed.pop(fd, None)
                    peers.pop(fd).close()
                    continue
                ep.modify(fd, select.EPOLLOUT if fd in owed else select.EPOLLIN)
            if full and not owed:
                return
