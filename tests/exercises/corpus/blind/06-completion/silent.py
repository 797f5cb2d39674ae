# right
# A reply that the socket takes at once has no completion; the next receive is asked for only after all of it is sent.
import errno

from iolab.kernel.ring import MORE, POLL, RECEIVE, SEND, Ring
from iolab.kernel.uring import MultishotAccept


def serve(listening, respond):
    clients, owing = {}, set()
    with Ring(16384) as ring:
        acceptor = MultishotAccept(ring, listening)
        full, held = False, None
        while True:
            replied, departed, doors = [], False, []
            for c in ring.submit_and_wait():
                op, fd, result, flags, data = c
                if fd == listening.fileno():
                    doors.append(c)
                elif op == RECEIVE and result > 0:
                    ring.send_silently(fd, respond(data))
                    replied.append(fd)
                elif op == RECEIVE and result == -errno.ENOBUFS:
                    ring.receive(fd)
                elif op == RECEIVE:
                    clients.pop(fd).close()
                    departed = True
                elif op == SEND and not flags & MORE and fd in owing:
                    owing.discard(fd)
                    ring.receive(fd)  # if the send failed, this one will, too
            if replied:
                ring.submit()
                for fd in replied:
                    if ring.is_sending(fd):
                        owing.add(fd)
                    else:
                        ring.receive(fd)
            if departed:
                full = False
                if held:
                    doors.append(held)
                    held = None
            for c in doors:
                if full and c[0] == POLL:
                    held = c
                    continue
                try:
                    sock = acceptor.connection(c)
                except OSError as error:
                    full |= c[0] == POLL and error.errno in (errno.EMFILE, errno.ENFILE)
                    continue
                clients[sock.fileno()] = sock
                ring.receive(sock.fileno())
