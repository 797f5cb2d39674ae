# right: select.poll, one round after the other: receive once from each that is ready, pass on a share of everybody's lines, then flush each once
import select

LIMIT = 1024 * 1024
SHARE = 100_000


class Peer:
    __slots__ = ("sock", "fd", "name", "heard", "at", "out", "eof", "dead", "flags")

    def __init__(self, sock):
        self.sock, self.fd = sock, sock.fileno()
        self.name, self.heard, self.at = None, b"", 0
        self.out = bytearray()
        self.eof = self.dead = False
        self.flags = select.POLLIN


def flush(peer):
    if peer.dead or not peer.out:
        return
    try:
        del peer.out[: peer.sock.send(peer.out)]
    except BlockingIOError:
        pass
    except OSError:
        peer.dead = True
        peer.out.clear()


def owe(peer, line, touched):
    if peer.dead:
        return
    if len(peer.out) + len(line) > LIMIT and peer in touched:
        flush(peer)  # it may have room: this round has not tried yet
    if not peer.dead and len(peer.out) + len(line) <= LIMIT:
        peer.out += line
        touched.add(peer)


def chat(listening):
    listening.setblocking(False)
    poller = select.poll()
    poller.register(listening, select.POLLIN)
    peers, room, talking = {}, set(), []
    while True:
        events = poller.poll(0 if talking else None)
        touched, writable = set(), []
        for fd, flags in events:
            if fd == listening.fileno():
                try:
                    connection = listening.accept()[0]
                except OSError:
                    continue
                connection.setblocking(False)
                peers[connection.fileno()] = Peer(connection)
                poller.register(connection, select.POLLIN)
                continue
            peer = peers[fd]
            if flags & select.POLLOUT or (flags & ~select.POLLIN and peer.eof):
                writable.append(peer)
            if peer in talking or peer.eof or not flags & ~select.POLLOUT:
                continue
            try:
                data = peer.sock.recv(32768)
            except BlockingIOError:
                continue
            except OSError:
                data, peer.dead = b"", True
                peer.out.clear()
            if data:
                peer.heard += data  # bytes: at most 256 KiB and one recv
            else:
                peer.eof = True
            talking.append(peer)
        for peer in writable:
            flush(peer)
        again = []
        for peer in talking:
            share = SHARE
            while share > 0:
                end = peer.heard.find(b"\n", peer.at)
                if end < 0:
                    peer.heard, peer.at = peer.heard[peer.at :], 0
                    break
                line = peer.heard[peer.at : end + 1]
                peer.at = end + 1
                if peer.name is None:
                    peer.name = line[:-1]
                    owe(peer, b"welcome " + line, touched)
                    room.add(peer)
                    continue
                line = peer.name + b": " + line
                share -= max(len(line), 50)
                for other in room:
                    if other is not peer:
                        owe(other, line, touched)
            else:
                again.append(peer)
                continue
            if peer.eof:
                room.discard(peer)
        for peer in touched:
            if not peer.flags & select.POLLOUT:  # those that wait for room are flushed when there is some
                flush(peer)
        for peer in {*touched, *writable, *(p for p in talking if p.eof)}:
            if peer.eof and not peer.out and peer not in again:
                room.discard(peer)
                poller.unregister(peer.fd)
                del peers[peer.fd]
                peer.sock.close()
                continue
            flags = (0 if peer.eof else select.POLLIN) | (select.POLLOUT if peer.out else 0)
            if flags != peer.flags:
                peer.flags = flags
                poller.modify(peer.fd, flags)
        talking = again
