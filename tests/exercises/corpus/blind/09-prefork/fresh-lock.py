# lacks killed workers: "nobody else's": when the idle worker that holds the accept lock is killed, the others wait for the old lock for ever and serve no more
import multiprocessing
import os
import select
import time

mp = multiprocessing.get_context("fork")


def child(listening, respond, lock):
    while True:
        with lock:                        # one at a time in accept
            try:
                conn, _ = listening.accept()
            except OSError:
                continue
        with conn:
            try:
                while data := conn.recv(65536):
                    conn.sendall(respond(data))
            except OSError:
                pass


class Crew:
    def __init__(self, listening, respond, n):
        self.args = listening, respond
        self.lock = mp.Lock()
        self.procs = [None] * n
        self.born = [-1.0] * n

    def start(self, i):
        self.born[i] = time.monotonic()
        self.procs[i] = mp.Process(target=child, args=(*self.args, self.lock))
        self.procs[i].start()

    def check(self):
        dead = [i for i, p in enumerate(self.procs) if p is not None and not p.is_alive()]
        for i in dead:
            self.procs[i].join()
            self.procs[i].close()
            self.procs[i] = None
        if dead:
            # a killed worker may have taken the lock with it: never reuse it
            self.lock = mp.Lock()
        for i, p in enumerate(self.procs):
            if p is None and time.monotonic() - self.born[i] > 0.15:
                self.start(i)

    def stop(self):
        alive = [p for p in self.procs if p is not None]
        for p in alive:
            p.kill()
        for p in alive:
            p.join()
            p.close()


def serve(listening, respond, workers):
    crew = Crew(listening, respond, workers)
    poll = select.poll()
    poll.register(listening, 0)
    try:
        for i in range(workers):
            crew.start(i)
        while not poll.poll(150):
            crew.check()
        listening.accept()
    finally:
        crew.stop()
