# right
import os, select, signal, socket, time


LIMIT = 1 << 18
CONN = select.EPOLLIN


class Client:
    def __init__(self, sock):
        self.sock = sock
        self.out = bytearray()
        self.eof = False
        self.mask = select.EPOLLIN


def worker(listening, respond):
    ep = select.epoll()
    lfd = listening.fileno()
    ep.register(lfd, select.EPOLLIN | select.EPOLLEXCLUSIVE)
    clients = {}

    def step(c, events):
        if events & (select.EPOLLERR | select.EPOLLHUP) and c.eof and not c.out:
            return False
        if not c.eof and len(c.out) < LIMIT and events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            try:
                data = c.sock.recv(65536)
            except BlockingIOError:
                data = None
            if data:
                c.out += respond(data)
            elif data == b"":
                c.eof = True
        if c.out:
            try:
                n = c.sock.send(c.out)
                del c.out[:n]
            except BlockingIOError:
                pass
        if c.eof and not c.out:
            return False
        mask = (select.EPOLLIN if not c.eof and len(c.out) < LIMIT else 0) | (select.EPOLLOUT if c.out else 0)
        if mask != c.mask:
            ep.modify(c.sock.fileno(), mask)
            c.mask = mask
        return True

    while True:
        events = ep.poll()
        if any(fd == lfd for fd, _ in events):
            try:
                conn, _ = listening.accept()
            except OSError:
                pass
            else:
                conn.setblocking(False)
                clients[conn.fileno()] = Client(conn)
                ep.register(conn.fileno(), select.EPOLLIN)
        for fd, event in events:
            c = clients.get(fd)
            if c is None:
                continue
            try:
                keep = step(c, event)
            except OSError:
                keep = False
            if not keep:
                del clients[fd]
                ep.unregister(fd)
                c.sock.close()


def serve(listening, respond, workers):
    listening.setblocking(False)
    r, w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    old = signal.signal(signal.SIGCHLD, lambda *a: None)
    old_fd = signal.set_wakeup_fd(w, warn_on_full_buffer=False)
    pids = [0] * workers
    born = [-1.0] * workers
    poller = select.poll()
    poller.register(listening.fileno(), 0)
    poller.register(r, select.POLLIN)

    def birth(place):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        pid = os.fork()
        if pid == 0:
            try:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
                os.close(r)
                os.close(w)
                worker(listening, respond)
            except BaseException:
                pass
            finally:
                os._exit(0)
        pids[place] = pid
        born[place] = time.monotonic()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])

    try:
        while True:
            for place in range(workers):
                while pids[place]:
                    pid, _ = os.waitpid(pids[place], os.WNOHANG)
                    if pid == 0:
                        break
                    pids[place] = 0
            wait = None
            for place in range(workers):
                if not pids[place]:
                    left = born[place] + 0.2 - time.monotonic()
                    if left <= 0:
                        birth(place)
                    else:
                        ms = int(left * 1000) + 1
                        wait = ms if wait is None else min(wait, ms)
            for fd, _ in poller.poll(wait):
                if fd == r:
                    try:
                        os.read(r, 4096)
                    except BlockingIOError:
                        pass
                else:
                    listening.accept()      # raises Stopped
                    return
    finally:
        signal.set_wakeup_fd(old_fd)
        signal.signal(signal.SIGCHLD, old)
        for pid in pids:
            if pid:
                os.kill(pid, signal.SIGKILL)
        for pid in pids:
            if pid:
                os.waitpid(pid, 0)
        os.close(r)
        os.close(w)

