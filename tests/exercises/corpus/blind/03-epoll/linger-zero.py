# lacks half-close: SO_LINGER of 0 s makes close() send a reset and throw away what the client has not fetched yet; breaks "gets all that it is owed, and then the end of file."
import select
import socket
import struct


def serve(listening, respond):
    listening.setblocking(False)
    ep = select.epoll()
    ep.register(listening, select.EPOLLIN)
    socks, owed = {}, {}

    def close(fd):
        ep.unregister(fd)
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
                    # no TIME_WAIT, no descriptors that hang around
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    socks[s.fileno()] = s
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
