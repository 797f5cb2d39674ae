# right
import os, select, signal, time

def serve_one(conn, respond):
    with conn:
        conn.setblocking(True)
        try:
            while data := conn.recv(65536):
                conn.sendall(respond(data))
        except OSError:
            pass

def worker(listening, respond):
    while True:
        try:
            conn, _ = listening.accept()
        except OSError:
            continue
        serve_one(conn, respond)


def serve(listening, respond, workers):
    listening.setblocking(True)
    poller = select.poll()
    poller.register(listening.fileno(), 0)
    alive = {}                     # pidfd -> (pid, place)
    last = [-1.0] * workers
    due = {place: 0.0 for place in range(workers)}

    def birth(place):
        pid = os.fork()
        if pid == 0:
            try:
                for fd in alive:
                    os.close(fd)
                worker(listening, respond)
            except BaseException:
                pass
            finally:
                os._exit(0)
        fd = os.pidfd_open(pid)
        alive[fd] = (pid, place)
        poller.register(fd, select.POLLIN)
        last[place] = time.monotonic()

    try:
        while True:
            now = time.monotonic()
            for place in [p for p, t in due.items() if t <= now]:
                del due[place]
                birth(place)
            wait = None
            if due:
                wait = max(1, int(1000 * (min(due.values()) - time.monotonic())) + 1)
            for fd, _ in poller.poll(wait):
                if fd == listening.fileno():
                    return
                pid, place = alive.pop(fd)
                poller.unregister(fd)
                os.close(fd)
                os.waitpid(pid, 0)
                due[place] = max(time.monotonic(), last[place] + 0.15)
    finally:
        for pid, _ in alive.values():
            os.kill(pid, signal.SIGKILL)
        for pid, _ in alive.values():
            os.waitpid(pid, 0)
        for fd in alive:
            os.close(fd)
