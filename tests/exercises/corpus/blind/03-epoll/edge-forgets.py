# right (its author thought it wrong: the edge-triggered listening socket is asked again only at the next arrival, so who was waiting when descriptors ran out is never accepted after others left; breaks "Serve every client".)
import select


def serve(listening, respond):
    listening.setblocking(False)
    ep = select.epoll()
    ep.register(listening, select.EPOLLIN | select.EPOLLET)
    peers, owed = {}, {}
    while True:
        for fd, _ in ep.poll():
            if fd == listening.fileno():
                while True:
                    try:
                        sock, _ = listening.accept()
                    except ConnectionAbortedError:
                        continue
                    except OSError:
                        break
                    sock.setblocking(False)
                    peers[sock.fileno()] = sock
                    ep.register(sock, select.EPOLLIN)
                continue
            sock = peers[fd]
            try:
                if fd not in owed:
                    data = sock.recv(65536)
                    if not data:
                        raise EOFError
                    owed[fd] = respond(data)
                    ep.modify(fd, select.EPOLLOUT)
                else:
                    owed[fd] = owed[fd][sock.send(owed[fd]):]
                if not owed[fd]:
                    del owed[fd]
                    ep.modify(fd, select.EPOLLIN)
            except BlockingIOError:
                pass
            except (EOFError, OSError):
                owed.pop(fd, None)
                peers.pop(fd).close()
