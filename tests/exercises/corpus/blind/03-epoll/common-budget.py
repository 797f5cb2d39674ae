# lacks others meanwhile: "holds up nobody": no one is read from while all clients together are owed more than 32 KiB, so one with long replies, or several with short ones, that do not read stop all others
import select

BUDGET = 32 * 1024


def serve(listening, respond):
    listening.setblocking(False)
    clients, waiting, total = {}, set(), 0
    with select.epoll() as epoll:
        epoll.register(listening, select.EPOLLIN)
        while True:
            for fd, event in epoll.poll():
                if fd == listening.fileno():
                    try:
                        sock, _ = listening.accept()
                    except (BlockingIOError, ConnectionAbortedError):
                        continue
                    sock.setblocking(False)
                    clients[sock.fileno()] = [sock, memoryview(b""), select.EPOLLIN]
                    epoll.register(sock, select.EPOLLIN)
                    continue
                client = clients[fd]
                sock, owed, mask = client
                had, gone = len(owed), not owed and bool(event & select.EPOLLERR)
                try:
                    if not owed and not gone and total < BUDGET:
                        data = sock.recv(32768)
                        gone = not data
                        owed = memoryview(respond(data)) if data else owed
                    if owed:
                        owed = owed[sock.send(owed) :]
                except BlockingIOError:
                    pass
                except OSError:
                    gone = True
                if gone:
                    owed = memoryview(b"")
                total += len(owed) - had
                client[1] = owed
                if gone:
                    epoll.unregister(fd)
                    waiting.discard(fd)
                    del clients[fd]
                    sock.close()
                else:
                    wanted = select.EPOLLOUT if owed else select.EPOLLIN if total < BUDGET else 0
                    if not wanted:
                        waiting.add(fd)
                    if wanted != mask:
                        client[2] = wanted
                        epoll.modify(fd, wanted)
                if total < BUDGET:
                    for other in waiting:
                        clients[other][2] = select.EPOLLIN
                        epoll.modify(other, select.EPOLLIN)
                    waiting.clear()
