# lacks the model: what a client does not take within one turn is sent by a forked child, whose pidfd the epoll watches; breaks "The process has one thread, and no other process works for it".
import os
import select
import signal

from select import EPOLLET, EPOLLIN


def serve(listening, respond):
    listening.setblocking(False)
    ep = select.epoll()
    ep.register(listening, EPOLLIN | EPOLLET)
    socks, children = {}, {}

    def accept():
        while True:
            try:
                s, _ = listening.accept()
            except ConnectionAbortedError:
                continue
            except OSError:
                return
            s.setblocking(False)
            socks[s.fileno()] = s
            ep.register(s, EPOLLIN)

    def leave(fd):
        socks.pop(fd).close()
        accept()

    def delegate(s, rest):
        """The kernel's buffer is full: let a child wait for it."""
        pid = os.fork()
        if not pid:
            try:
                signal.alarm(3600)
                s.setblocking(True)
                s.sendall(rest)
            finally:
                os._exit(0)
        pidfd = os.pidfd_open(pid)
        children[pidfd] = pid, s
        ep.register(pidfd, EPOLLIN)

    while True:
        for fd, _ in ep.poll():
            if fd == listening.fileno():
                accept()
            elif fd in children:
                pid, s = children.pop(fd)
                os.waitpid(pid, 0)
                os.close(fd)
                s.setblocking(False)
                ep.register(s, EPOLLIN)
            elif fd in socks:
                try:
                    data = socks[fd].recv(16384)
                    if not data:
                        leave(fd)
                        continue
                    rest = respond(data)
                    try:
                        rest = rest[socks[fd].send(rest):]
                    except BlockingIOError:
                        pass
                except BlockingIOError:
                    continue
                except OSError:
                    leave(fd)
                    continue
                if rest:
                    ep.unregister(fd)
                    delegate(socks[fd], rest)
