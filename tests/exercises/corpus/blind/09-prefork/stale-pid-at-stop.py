# lacks a clean end: "Stopped ends it within a second and without an error": a place whose worker was reaped keeps the old PID for the 0.6 s until it is filled; if Stopped comes in between, os.kill raises ProcessLookupError (or hits a stranger), and the other workers are left behind
import os, select, signal, socket, time


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

    dead = set()
    since = {}
    try:
        while True:
            for place in range(workers):
                while place not in dead and pids[place]:
                    pid, _ = os.waitpid(pids[place], os.WNOHANG)
                    if pid == 0:
                        break
                    dead.add(place)
                    break
            wait = None
            for place in range(workers):
                if place in dead or not pids[place]:
                    if place in dead:
                        since.setdefault(place, time.monotonic())
                    left = since.get(place, 0.0) + 0.6 - time.monotonic()
                    if left <= 0:
                        birth(place)
                        dead.discard(place)
                        since.pop(place, None)
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

