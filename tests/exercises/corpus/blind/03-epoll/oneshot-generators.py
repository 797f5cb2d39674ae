# lacks descriptors: the ConnectionAbortedError of `accept` ends it when descriptors have run out, which the text did not say then
"""Every connection is a generator; it yields the event that it waits for. EPOLLONESHOT arms it for that alone."""
import select as S


def conversation(sock, respond):
    with sock:
        while True:
            yield S.EPOLLIN
            try:
                data = sock.recv(32_768)
            except BlockingIOError:
                continue
            if not data:
                return
            view = memoryview(respond(data))
            while len(view):
                try:
                    view = view[sock.send(view):]
                except BlockingIOError:
                    yield S.EPOLLOUT


def serve(listening, respond):
    listening.setblocking(False)
    tasks = {}
    with S.epoll(64) as ep:
        ep.register(listening, S.EPOLLIN)
        try:
            while 1:
                for fd, _ in ep.poll(-1, 64):
                    if fd != listening.fileno():
                        try:
                            ep.modify(fd, next(tasks[fd]) | S.EPOLLONESHOT)
                        except (StopIteration, ConnectionError, TimeoutError):
                            del tasks[fd]  # the generator has closed it
                        continue
                    try:
                        sock, _ = listening.accept()
                    except BlockingIOError:
                        continue
                    sock.setblocking(False)
                    task = conversation(sock, respond)
                    tasks[sock.fileno()] = task
                    ep.register(sock.fileno(), next(task) | S.EPOLLONESHOT)
        finally:
            for task in tasks.values():
                task.close()
