# right
import array
import contextlib
import os
import select
import socket


def serve(listening: socket.socket, respond) -> None:
    """Level-triggered. One receive buffer for all: nothing stays in it longer than one call."""
    room = memoryview(bytearray(24_000))
    peers: dict[int, list] = {}          # fd -> [socket, reply, start]
    os.set_blocking(listening.fileno(), False)
    listening.settimeout(0)
    with contextlib.ExitStack() as stack:
        ep = stack.enter_context(select.epoll(flags=select.EPOLL_CLOEXEC))
        stack.callback(lambda: [p[0].close() for p in peers.values()])
        ep.register(listening.fileno(), select.EPOLLIN)

        def bye(fd):
            ep.unregister(fd)
            peers.pop(fd)[0].close()

        def pay(fd, peer):
            sock, reply, start = peer
            while start < len(reply):
                try:
                    start += sock.send(memoryview(reply)[start:start + 100_000])
                except BlockingIOError:
                    break
            else:
                reply, start = b"", 0
            peer[1:] = reply, start
            return not reply

        while True:
            for fd, ev in ep.poll():
                if fd == listening.fileno():
                    with contextlib.suppress(BlockingIOError, ConnectionError):
                        new, _ = listening.accept()
                        new.setblocking(False)
                        new.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        peers[new.fileno()] = [new, b"", 0]
                        ep.register(new.fileno(), select.EPOLLIN)
                    continue
                peer = peers[fd]
                try:
                    if peer[1]:
                        if pay(fd, peer):
                            ep.modify(fd, select.EPOLLIN)
                        continue
                    n = peer[0].recv_into(room)
                    if n == 0:
                        bye(fd)
                        continue
                    peer[1] = bytes(respond(bytes(room[:n])))
                    if not pay(fd, peer):
                        ep.modify(fd, select.EPOLLOUT)
                except BlockingIOError:
                    pass
                except OSError:
                    bye(fd)
