# lacks bounded memory: it reads on from a client that does not read until 1 MiB is owed to it: a score of such clients take more than 16 MiB; breaks "stop reading from it while you owe it bytes" (and "the memory grows by less than 16 MiB").
import select

HIGH, LOW = 1 << 20, 1 << 18


def serve(listening, respond):
    listening.setblocking(False)
    ep = select.epoll()
    ep.register(listening, select.EPOLLIN | select.EPOLLET)
    peers, out, asked = {}, {}, {}

    def accept():
        while True:
            try:
                sock, _ = listening.accept()
            except ConnectionAbortedError:
                continue
            except OSError:
                return
            sock.setblocking(False)
            fd = sock.fileno()
            peers[fd], out[fd], asked[fd] = sock, bytearray(), select.EPOLLIN
            ep.register(fd, select.EPOLLIN)

    def leave(fd):
        peers.pop(fd).close()
        del out[fd], asked[fd]
        ended.discard(fd)
        accept()

    ended = set()
    while True:
        for fd, event in ep.poll():
            if fd == listening.fileno():
                accept()
                continue
            if fd not in peers:
                continue
            try:
                if event & select.EPOLLIN and asked[fd] & select.EPOLLIN:
                    data = peers[fd].recv(65536)
                    if data:
                        out[fd] += respond(data)
                    else:
                        ended.add(fd)
                if out[fd]:
                    del out[fd][:peers[fd].send(out[fd])]
            except BlockingIOError:
                pass
            except OSError:
                leave(fd)
                continue
            if fd in ended and not out[fd]:
                leave(fd)
                continue
            want = select.EPOLLOUT if out[fd] else 0
            if fd not in ended and len(out[fd]) < (HIGH if asked[fd] & select.EPOLLIN else LOW):
                want |= select.EPOLLIN
            if want != asked[fd]:
                asked[fd] = want
                ep.modify(fd, want)
