# lacks descriptors: it accepts itself, and when descriptors have run out the listening socket stays ready
import errno
import select
import socket

def take(listening):
    try:
        return socket.socket(fileno=listening._accept()[0])
    except OSError as error:
        if error.errno == errno.EINVAL:
            listening.accept()  # Stopped
        raise


def serve(listening, respond):
    listening.setblocking(False)
    peers, owed = {}, {}
    with select.epoll() as ep:
        ep.register(listening, select.EPOLLIN)
        while True:
            for fd, _ in ep.poll():
                if fd == listening.fileno():
                    try:
                        peer = take(listening)
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
