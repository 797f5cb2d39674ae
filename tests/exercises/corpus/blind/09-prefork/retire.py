# lacks clients: worker ends after 40 clients: the number of clients ends a worker
import os, select, signal, time


def talk(c, respond):
    try:
        with c:
            while True:
                data = c.recv(65536)
                if not data:
                    return
                c.sendall(respond(data))
    except OSError:
        pass


def worker(listening, respond):
    for _n in range(40):
        try:
            c, _ = listening.accept()
        except OSError:
            continue
        talk(c, respond)


def serve(listening, respond, workers):
    places = [None] * workers
    born = [-9.0] * workers
    poll = select.poll()
    poll.register(listening, 0)

    def birth(i):
        born[i] = time.monotonic()
        pid = os.fork()
        if pid == 0:
            try:
                for p in places:
                    if p:
                        os.close(p[1])
                worker(listening, respond)
            finally:
                os._exit(0)
        fd = os.pidfd_open(pid)
        places[i] = pid, fd
        poll.register(fd, select.POLLIN)

    try:
        while True:
            now = time.monotonic()
            wait = None
            for i in range(workers):
                if places[i] is None:
                    left = born[i] + 0.15 - now
                    if left <= 0:
                        birth(i)
                    else:
                        wait = left if wait is None else min(wait, left)
            for fd, ev in poll.poll(None if wait is None else wait * 1000 + 1):
                if fd == listening.fileno():
                    listening.accept()
                for i, p in enumerate(places):
                    if p and p[1] == fd:
                        poll.unregister(fd)
                        os.close(fd)
                        os.waitpid(p[0], 0)
                        places[i] = None
    finally:
        for p in places:
            if p:
                os.kill(p[0], signal.SIGKILL)
        for p in places:
            if p:
                os.waitpid(p[0], 0)
                os.close(p[1])
