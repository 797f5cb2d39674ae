# lacks others meanwhile: after a reply it stays with the same client for as long as that one's next bytes are there at once, and puts all other completions aside; breaks "receive once from it, and see who else is ready".
import errno
from collections import deque

from iolab.kernel.ring import POLL, RECEIVE, SEND, Ring
from iolab.kernel.uring import MultishotAccept


def serve(listening, respond):
    socks, aside = {}, deque()
    door = listening.fileno()
    with Ring(1024) as ring:
        acceptor = MultishotAccept(ring, listening)
        full, held = False, None

        def answer(fd, data):
            """Have a talk with one client, while it has something to say."""
            def ended():
                now, ring._ended = ring._ended, []
                aside.extend(c for c in now if c[1] != fd)
                return [c for c in now if c[1] == fd]

            while True:
                ring.send(fd, respond(data))
                ring.submit()
                mine = ended()
                if mine and mine[0][2] >= 0:
                    ring.receive(fd)
                    for _ in range(20):  # it is on its way
                        ring.submit() if ring._written != ring._given else ring._enter(0)
                        if mine := ended():
                            break
                    if mine and mine[0][2] > 0:
                        data = mine[0][4]
                        continue
                aside.extend(mine)
                return

        while True:
            if not aside:
                aside.extend(ring.submit_and_wait())
            c = aside.popleft()
            op, fd, result, _, data = c
            if fd == door:
                if full and op == POLL:
                    held = c
                    continue
                try:
                    sock = acceptor.connection(c)
                except OSError as error:
                    full |= op == POLL and error.errno in (errno.EMFILE, errno.ENFILE)
                    continue
                socks[sock.fileno()] = sock
                ring.receive(sock.fileno())
            elif op == RECEIVE and result > 0:
                answer(fd, data)
            elif op == SEND and result >= 0 or result == -errno.ENOBUFS:
                ring.receive(fd)
            else:
                socks.pop(fd).close()
                full = False
                if held:
                    aside.append(held)
                    held = None
