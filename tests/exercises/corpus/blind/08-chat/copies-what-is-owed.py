# lacks CPU per message: 'To pass a short line on ... may cost 10 times the CPU that it costs in the course's own chat, whether all of them read, or 20 do not and are owed up to 1 MiB each': each line copies all that is owed, up to 1 MiB for each of the 20, twice: once to append to it and once to try to send it again
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
        self.hangs_up = False
        self.lost = False

    def offer(self, data):
        """Send it or keep it, whole; or miss it."""
        if self.lost or len(self.outbox) + len(data) > LIMIT:
            return
        self.outbox = self.outbox + data
        self.flush()

    def flush(self):
        while self.outbox:
            try:
                n = self.sock.send(bytes(self.outbox))
            except BlockingIOError:
                return
            except OSError:
                self.lost = True
                self.outbox.clear()
                return
            self.outbox = self.outbox[n:]

    def whole_line(self):
        end = self.inbox.find(b"\n", self.looked)
        if end < 0:
            self.looked = len(self.inbox)
            return None
        line = bytes(self.inbox[:end])
        del self.inbox[: end + 1]
        self.looked = 0
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
