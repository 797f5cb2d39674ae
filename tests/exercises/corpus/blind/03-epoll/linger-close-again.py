# lacks no sleeps: close, and do not wait for it: SO_LINGER makes close wait 4 s for a half-closed client that does not read its last bytes, and all the others with it
import select
import socket
import struct


def serve(listening, respond):
    listening.setblocking(False)
    epoll = select.epoll()
    epoll.register(listening, select.EPOLLIN)
    talks = {}

    def talk(sock):
        # A generator per client, which yields the mask that it waits for.
        # The last bytes must not get lost in close():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 4))
        try:
            while True:
                yield select.EPOLLIN
                try:
                    data = sock.recv(16384)
                except BlockingIOError:
                    continue
                if not data:
                    return
                reply = memoryview(respond(data))
                while reply:
                    try:
                        reply = reply[sock.send(reply):]
                    except BlockingIOError:
                        yield select.EPOLLOUT
        except OSError:
            return

    while True:
        for fd, _ in epoll.poll():
            if fd == listening.fileno():
                try:
                    sock, _ = listening.accept()
                except (BlockingIOError, ConnectionAbortedError):
                    continue
                sock.setblocking(False)
                it = talk(sock)
                mask = next(it)
                epoll.register(sock, mask)
                talks[sock.fileno()] = [sock, it, mask]
                continue
            sock, it, mask = talks[fd]
            new = next(it, None)
            if new is None:
                epoll.unregister(fd)
                del talks[fd]
                sock.close()
            elif new != mask:
                epoll.modify(fd, new)
                talks[fd][2] = new
