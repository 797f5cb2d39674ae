# lacks everybody hears: 'A line ends with a line feed, and may come in any pieces': the place up to which it has looked for a line feed is not set back after a line that came in pieces: where shorter lines follow in the same piece, their line feeds are overlooked until a later one comes: they are late, and passed on as one line
import select

ET = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
LIMIT = 1 << 20


class Talker:
    def __init__(self, sock):
        self.sock = sock
        self.name = None
        self.inbox = bytearray()
        self.looked = 0
        self.outbox = bytearray()
        self.full = False  # send would block: an edge will tell
        self.hangs_up = False
        self.lost = False

    def offer(self, data):
        """Send it or keep it, whole; or miss it."""
        if self.lost or len(self.outbox) + len(data) > LIMIT:
            return
        self.outbox += data
        if not self.full:
            self.flush()

    def flush(self):
        while self.outbox:
            try:
                n = self.sock.send(self.outbox)
            except BlockingIOError:
                self.full = True
                return
            except OSError:
                self.lost = True
                self.outbox.clear()
                return
            del self.outbox[:n]
        self.full = False

    def whole_line(self):
        end = self.inbox.find(b"\n", self.looked)
        if end < 0:
            self.looked = len(self.inbox)
            return None
        line = bytes(self.inbox[:end])
        del self.inbox[: end + 1]
        return line


def chat(listening):
    listening.setblocking(False)
    epoll = select.epoll()
    epoll.register(listening, select.EPOLLIN)
    talkers, room, ring = {}, {}, {}

    def turn(fd):
        """One recv, or some of the lines that came with the one before; False when there is no more for now."""
        me = talkers[fd]
        spent = 0
        while spent < 60000:
            line = me.whole_line()
            if line is None:
                break
            if me.name is None:
                me.name = line
                me.offer(b"welcome %b\n" % line)
                room[fd] = me
                continue
            line = b"%b: %b\n" % (me.name, line)
            spent += 200 + len(line)
            for other in room.values():
                if other is not me:
                    other.offer(line)
        else:
            return True
        if me.hangs_up:
            room.pop(fd, None)
            close_when_done(fd)
            return False
        try:
            data = me.sock.recv(32768)
        except BlockingIOError:
            return False
        except OSError:
            data, me.lost = b"", True
            me.outbox.clear()
        me.inbox += data
        me.hangs_up = not data
        return True

    def close_when_done(fd):
        me = talkers[fd]
        if not me.outbox:
            del talkers[fd]
            epoll.unregister(fd)
            me.sock.close()

    while True:
        for fd, events in epoll.poll(0 if ring else -1):
            if fd == listening.fileno():
                try:
                    sock, _ = listening.accept()
                except OSError:
                    continue
                sock.setblocking(False)
                talkers[sock.fileno()] = Talker(sock)
                epoll.register(sock, ET)
                continue
            me = talkers[fd]
            if events & ~(select.EPOLLIN | select.EPOLLRDHUP):
                me.flush()
                if me.hangs_up and fd not in room and fd not in ring:
                    close_when_done(fd)
                    continue
            if events & ~select.EPOLLOUT and not (me.hangs_up and fd not in ring):
                ring[fd] = None
        for fd in list(ring):
            if not turn(fd):
                del ring[fd]
