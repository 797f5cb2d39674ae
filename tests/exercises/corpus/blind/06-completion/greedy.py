# lacks bounded memory: goes on receiving from a client to which it owes replies, so memory grows without bound
import errno
from iolab.kernel.ring import POLL, RECEIVE, Ring


def serve(listening, respond):
    clients, owed, ended, busy = {}, {}, set(), set()
    with Ring(16384) as ring:
        ring.poll(listening.fileno(), 1)
        while True:
            for op, fd, result, _, data in ring.submit_and_wait():
                if op == POLL:
                    try:
                        client = listening.accept()[0]
                        number = client.fileno()
                        clients[number], owed[number] = client, []
                        ring.receive(number)
                    except ConnectionAbortedError:
                        pass
                    ring.poll(listening.fileno(), 1)
                    continue
                if op == RECEIVE:
                    if result > 0:
                        owed[fd].append(respond(data))
                    elif result != -errno.ENOBUFS:
                        ended.add(fd)
                    if fd not in ended:
                        ring.receive(fd)
                else:
                    busy.discard(fd)
                    if result < 0:
                        owed[fd].clear()
                        if fd not in ended:
                            clients[fd].shutdown(2) if result == 0 else None
                if fd not in busy and owed[fd]:
                    busy.add(fd)
                    ring.send(fd, owed[fd].pop(0))
                if fd in ended and fd not in busy:
                    clients.pop(fd).close()
                    ended.discard(fd)
                    del owed[fd]
