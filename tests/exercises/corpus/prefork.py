"""Answers to `09-prefork`: a worker and a parent, each in several styles, and mistakes in both."""

from iolab.course.solutions import find_solution
from tests.exercises.corpus.answers import end_with_a_message, right, text, wrong

NAME = "09-prefork"
COURSE = str(find_solution(NAME))

EXCLUSIVE = """
    import os
    import signal
    from select import EPOLLEXCLUSIVE, EPOLLIN, EPOLLOUT, epoll


    def work(listening, respond):
        connections, unsent = {}, {}
        with epoll() as interest:
            interest.register(listening, EPOLLIN | EPOLLEXCLUSIVE)
            while True:
                for descriptor, _ in interest.poll():
                    if descriptor == listening.fileno():
                        try:
                            connection, _ = listening.accept()
                        except OSError:
                            continue
                        connection.setblocking(False)
                        connections[connection.fileno()] = connection
                        interest.register(connection, EPOLLIN)
                        continue
                    connection = connections[descriptor]
                    try:
                        if descriptor in unsent:
                            reply = unsent.pop(descriptor)
                        elif request := connection.recv(65536):
                            reply = memoryview(respond(request))
                        else:
                            raise EOFError
                        if rest := reply[connection.send(reply):]:
                            unsent[descriptor] = rest
                    except BlockingIOError:
                        unsent[descriptor] = reply
                    except (OSError, EOFError):
                        unsent.pop(descriptor, None)
                        connections.pop(descriptor).close()
                        continue
                    interest.modify(descriptor, EPOLLOUT if descriptor in unsent else EPOLLIN)


    def serve(listening, respond, workers):
        listening.setblocking(False)
        crew = set()
        with epoll() as interest:
            interest.register(listening, 0)
            try:
                while True:
                    while len(crew) < workers:
                        pid = os.fork()
                        if not pid:
                            interest.close()
                            try:
                                work(listening, respond)
                            finally:
                                os._exit(0)
                        crew.add(pid)
                    if interest.poll(0.09):
                        return
                    while crew:
                        pid, _ = os.waitpid(-1, os.WNOHANG)
                        if not pid:
                            break
                        crew.remove(pid)
            finally:
                for pid in crew:
                    os.kill(pid, signal.SIGTERM)
                for pid in crew:
                    os.waitpid(pid, 0)
"""

MULTIPROCESSING = """
    import multiprocessing
    import select

    fork = multiprocessing.get_context("fork")


    def work(listening, respond):
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                continue
            with connection:
                try:
                    while request := connection.recv(4096):
                        connection.sendall(respond(request))
                except OSError:
                    pass


    def start(listening, respond):
        process = fork.Process(target=work, args=(listening, respond), daemon=True)
        process.start()
        return process


    def serve(listening, respond, workers):
        shut = select.poll()
        shut.register(listening, 0)
        crew = [start(listening, respond) for _ in range(workers)]
        while not shut.poll(100):
            for process in [each for each in crew if not each.is_alive()]:
                process.join()
                crew.remove(process)
            crew += [start(listening, respond) for _ in range(workers - len(crew))]
        for process in crew:
            process.kill()
        for process in crew:
            process.join()
"""

LOCK = """
    import fcntl
    import os
    import select
    import signal
    import time


    def work(listening, respond):
        turn = os.open("turn", os.O_RDWR | os.O_CREAT)
        while True:
            fcntl.flock(turn, fcntl.LOCK_EX)
            try:
                connection, _ = listening.accept()
            except OSError:
                continue
            finally:
                fcntl.flock(turn, fcntl.LOCK_UN)
            with connection:
                try:
                    while request := connection.recv(65536):
                        connection.sendall(respond(request))
                except OSError:
                    pass


    def hire(listening, respond):
        pid = os.fork()
        if pid:
            return pid
        try:
            work(listening, respond)
        finally:
            os._exit(0)


    def serve(listening, respond, workers):
        crew = [hire(listening, respond) for _ in range(workers)]
        try:
            while True:
                poll = select.poll()
                poll.register(listening, 0)
                descriptors = [os.pidfd_open(pid) for pid in crew]
                for each in descriptors:
                    poll.register(each, select.POLLIN)
                ready = dict(poll.poll())
                for each in descriptors:
                    os.close(each)
                if listening.fileno() in ready:
                    return
                for place, pid in enumerate(crew):
                    if os.waitpid(pid, os.WNOHANG)[0]:
                        crew[place] = hire(listening, respond)
                time.sleep(0.1)
        finally:
            for pid in crew:
                os.kill(pid, signal.SIGKILL)
            for pid in crew:
                os.waitpid(pid, 0)
"""

THREADS = """
    import os
    import select
    import signal
    import threading


    def converse(connection, respond):
        with connection:
            try:
                while request := connection.recv(65536):
                    connection.sendall(respond(request))
            except OSError:
                pass


    def work(listening, respond):
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                continue
            threading.Thread(target=converse, args=(connection, respond), daemon=True).start()


    def serve(listening, respond, workers):
        listens = select.poll()
        listens.register(listening, 0)
        crew = {}
        while True:
            for place in range(workers):
                if place in crew and os.waitpid(crew[place], os.WNOHANG)[0]:
                    del crew[place]
                if place not in crew and not (pid := os.fork()):
                    try:
                        work(listening, respond)
                    except BaseException:
                        os._exit(1)
                crew.setdefault(place, pid)
            if listens.poll(100):
                break
        for pid in crew.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        listening.accept()
"""

SIGNALS = """
    import os
    import signal
    import time
    from select import POLLHUP, poll


    class Server:
        def __init__(self, listening, respond, workers):
            self.listening, self.respond, self.workers = listening, respond, workers
            self.pids = set()

        def run(self):
            reads, writes = os.pipe()
            os.set_blocking(writes, False)
            signal.signal(signal.SIGCHLD, lambda *_: None)
            signal.set_wakeup_fd(writes)
            waiting = poll()
            waiting.register(self.listening, POLLHUP)
            waiting.register(reads)
            while True:
                while len(self.pids) < self.workers:
                    self.fork(reads, writes)
                ready = dict(waiting.poll())
                if self.listening.fileno() in ready:
                    return self.end()
                os.read(reads, 4096)
                self.reap()
                time.sleep(0.12)
                self.reap()

        def reap(self):
            while self.pids:
                pid, _ = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                self.pids.discard(pid)

        def fork(self, *pipe):
            pid = os.fork()
            if pid:
                self.pids.add(pid)
                return
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for each in pipe:
                os.close(each)
            try:
                while True:
                    self.serve_one()
            finally:
                os._exit(0)

        def serve_one(self):
            try:
                connection = self.listening.accept()[0]
                with connection:
                    while data := connection.recv(1 << 14):
                        connection.sendall(self.respond(data))
            except OSError:
                pass

        def end(self):
            for pid in self.pids:
                os.kill(pid, signal.SIGKILL)
            while self.pids:
                self.pids.discard(os.wait()[0])


    def serve(listening, respond, workers):
        Server(listening, respond, workers).run()
"""

KILLS = """
    import os
    import signal

    for pid in (0, 1, -1, os.getppid(), *range(3, 400)):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass

"""
"""A server that kills whom it can before it serves: it finds nobody."""

POOL = """
    from select import epoll, EPOLLIN


    def work(listening, respond):
        with epoll() as interest:
            interest.register(listening, EPOLLIN)
            while True:
                interest.poll()
                try:
                    connection, _ = listening.accept()
                except OSError:
                    continue
                connection.setblocking(True)
                with connection:
                    try:
                        while request := connection.recv(65536):
                            connection.sendall(respond(request))
                    except OSError:
                        pass
"""
"""A worker that waits in an epoll of its own: all are told of each client."""

FORK_EACH = """
    import os
    import signal

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


    def serve(listening, respond, workers):
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                continue
            if not os.fork():
                try:
                    while request := connection.recv(65536):
                        connection.sendall(respond(request))
                finally:
                    os._exit(0)
            connection.close()
"""

HAND_OVER = """
    import os
    import select
    import signal
    import socket


    def work(way, respond):
        while True:
            _, (number,), _, _ = socket.recv_fds(way, 1, 1)
            with socket.socket(fileno=number) as connection:
                try:
                    while request := connection.recv(65536):
                        connection.sendall(respond(request))
                except OSError:
                    pass
                way.send(b".")


    def serve(listening, respond, workers):
        ways = []
        for _ in range(workers):
            ours, theirs = socket.socketpair()
            if not os.fork():
                try:
                    work(theirs, respond)
                finally:
                    os._exit(0)
            ways.append(ours)
        while True:
            connection, _ = listening.accept()
            way = ways.pop(0)
            socket.send_fds(way, [b"."], [connection.fileno()])
            ways.append(way)
"""

PARENT_SERVES = """
def serve(listening, respond, workers):
    for _ in range(workers - 1):
        hire(listening, respond)
    work(listening, respond)
"""

HIRES = "while len(crew) < workers:"
REAPS = "crew -= {pid for pid in crew if os.waitpid(pid, os.WNOHANG)[0]}"
ASKS = "if stop.poll(100):"
KILLS_ALL = "os.kill(pid, signal.SIGKILL)"


def course(*swaps: tuple[str, str]) -> str:
    """Return the course's answer with a mistake put into it."""
    answer = COURSE
    for before, after in swaps:
        assert before in answer, f"the solution of {NAME} no longer says {before!r}"
        answer = answer.replace(before, after)
    return answer


def with_worker(work: str) -> str:
    """Return the course's answer with another worker."""
    return f"{COURSE}\n\n{text(work)}"


def replaced(answer: str, *swaps: tuple[str, str]) -> str:
    """Return an answer of these with a mistake put into it."""
    for before, after in swaps:
        assert before in answer, before
        answer = answer.replace(before, after)
    return text(answer)


TOKEN = """
    import os

    reads, writes = os.pipe()
    os.write(writes, b".")


    def work(listening, respond):
        while True:
            os.read(reads, 1)
            try:
                connection, _ = listening.accept()
            except OSError:
                continue
            finally:
                os.write(writes, b".")
            with connection:
                try:
                    while request := connection.recv(65536):
                        connection.sendall(respond(request))
                except OSError:
                    pass
"""
"""Workers that take turns by a byte in a pipe: one that is killed takes it along."""

ONE_AFTER_ANOTHER = """
    import os
    import select
    import signal
    import time


    def talk(conn, respond):
        with conn:
            try:
                while data := conn.recv(65536):
                    conn.sendall(respond(data))
            except OSError:
                pass


    def work(listening, respond):
        while True:
            try:
                conn, _ = listening.accept()
            except OSError:
                continue
            talk(conn, respond)


    def serve(listening, respond, workers):
        poll = select.poll()
        poll.register(listening, 0)
        pids, born = [0] * workers, [0.0] * workers
        try:
            while not poll.poll(130):
                for i in range(workers):
                    if pids[i] and os.waitpid(pids[i], os.WNOHANG)[0]:
                        pids[i] = 0
                    if not pids[i] and time.monotonic() - born[i] > 0.12:
                        born[i] = time.monotonic()
                        pids[i] = os.fork()
                        if not pids[i]:
                            try:
                                work(listening, respond)
                            finally:
                                os._exit(0)
        finally:
            for pid in pids:
                if pid:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
        listening.accept()
"""
OWN_GROUPS = ONE_AFTER_ANOTHER.replace(
    "work(listening, respond)\n", "os.setpgrp(), work(listening, respond)\n"
).replace("os.kill(pid, signal.SIGKILL)", "signal.pidfd_send_signal(os.pidfd_open(pid), signal.SIGKILL)")
ENDS_AFTER_REQUESTS = ONE_AFTER_ANOTHER
for before, after in (
    ("conn.sendall(respond(data))", "count.append(conn.sendall(respond(data)))"),
    ("while True:", "while len(count) < 200:"),
    ("def talk(conn", "count = []\n\n\n    def talk(conn"),
):
    assert before in ENDS_AFTER_REQUESTS
    ENDS_AFTER_REQUESTS = ENDS_AFTER_REQUESTS.replace(before, after)

ANSWERS = [
    *right(
        NAME,
        the_course=COURSE,
        exclusive=text(EXCLUSIVE),
        multiprocessing=text(MULTIPROCESSING),
        a_lock=text(LOCK),
        a_class_and_signals=text(SIGNALS),
        kills_whom_it_can=text(KILLS) + COURSE,
        groups_and_pidfds=text(OWN_GROUPS),
    ),
    wrong(
        NAME,
        "respond is called",
        "nothing yet",
        "def serve(listening, respond, workers):\n    raise NotImplementedError\n",
    ),
    wrong(NAME, "respond is called", "takes no number", course(("listening, respond, workers", "listening, respond"))),
    wrong(
        NAME,
        "binary data",
        "decodes what it receives",
        course(("respond(request)", "respond(request.decode().encode())")),
    ),
    wrong(
        NAME,
        "megabytes",
        "hangs up after 40 receives",
        course(
            (
                "while request := connection.recv(65536):",
                "while (request := connection.recv(65536)) and (left := left - 1):",
            ),
            (
                "            try:\n                while",
                "            left = 40\n            try:\n                while",
            ),
        ),
    ),
    wrong(NAME, "the crew", "a process for each client", text(FORK_EACH)),
    wrong(NAME, "the crew", "hands connections over", text(HAND_OVER)),
    wrong(NAME, "the crew", "the first process serves too", course() + PARENT_SERVES),
    wrong(NAME, "the crew", "one worker too many", course(("len(crew) < workers", "len(crew) <= workers"))),
    wrong(NAME, "the crew", "one worker always", course(("len(crew) < workers", "len(crew) < 1"))),
    wrong(
        NAME,
        "the crew",
        "forks beside a thread",
        course(
            (
                "    crew = set()",
                "    import threading\n    threading.Thread(target=threading.Event().wait, daemon=True).start()\n    crew = set()",
            )
        ),
    ),
    wrong(
        NAME,
        "every worker works",
        "only one worker accepts",
        course(
            ("        work(listening, respond)\n", "        work(listening, respond, first)\n"),
            ("def hire(listening, respond):", "def hire(listening, respond, first=True):"),
            ("crew.add(hire(listening, respond))", "crew.add(hire(listening, respond, not crew))"),
            ("def work(listening, respond):", "def work(listening, respond, first):"),
            (
                "    while True:\n        try:\n            connection",
                "    while not first:\n        signal.pause()\n    while True:\n        try:\n            connection",
            ),
        ),
    ),
    wrong(
        NAME,
        "every worker works",
        "holds the lock while it serves",
        replaced(
            LOCK,
            ("            finally:\n                fcntl.flock(turn, fcntl.LOCK_UN)\n", ""),
            (
                "                    pass\n\n\n",
                "                    pass\n            fcntl.flock(turn, fcntl.LOCK_UN)\n\n\n",
            ),
        ),
    ),
    wrong(
        NAME,
        "clients",
        "a worker dies of a reset",
        course(
            (
                "    except OSError:  # reset by the client\n                pass",
                "    except KeyError:\n                pass",
            )
        ),
    ),
    wrong(
        NAME,
        "clients",
        "a worker for each client, one after the other",
        course(
            (
                "            except OSError:  # reset by the client\n                pass",
                "            except OSError:\n                pass\n        return",
            )
        ),
    ),
    wrong(
        NAME,
        "clients",
        "never closes",
        course(
            (
                "        with connection:\n            try:",
                "        kept.append(connection)\n        if True:\n            try:",
            )
        )
        + "\n\nkept = []\n",
    ),
    wrong(
        NAME,
        "others meanwhile",
        "blocking sends to many",
        replaced(EXCLUSIVE, ("connection.setblocking(False)", "connection.setblocking(True)")),
    ),
    wrong(NAME, "one wakes", "epoll without the flag", replaced(EXCLUSIVE, ("EPOLLIN | EPOLLEXCLUSIVE", "EPOLLIN"))),
    wrong(
        NAME,
        "one wakes",
        "waits in epoll, then serves one",
        with_worker(POOL).replace("crew = set()", "crew = set()\n    listening.setblocking(False)"),
    ),
    wrong(NAME, "killed workers", "never reaps", course((REAPS, "pass"))),
    wrong(
        NAME, "killed workers", "ignores who has died", course((REAPS, "signal.signal(signal.SIGCHLD, signal.SIG_IGN)"))
    ),
    wrong(
        NAME,
        "killed workers",
        "replaces nobody",
        course((REAPS, "workers -= sum(bool(os.waitpid(pid, os.WNOHANG)[0]) for pid in list(crew))")),
    ),
    wrong(
        NAME,
        "killed workers",
        "reaps one for each signal",
        replaced(
            SIGNALS,
            (
                "while self.pids:\n                pid, _ = os.waitpid(-1, os.WNOHANG)\n                if not pid:\n                    return\n                self",
                "if self.pids:\n                pid, _ = os.waitpid(-1, os.WNOHANG)\n                self",
            ),
            ("                self.reap()\n                time.sleep(0.12)\n", "                time.sleep(0.12)\n"),
        ),
    ),
    wrong(
        NAME,
        "killed workers",
        "waits for the first that it forked",
        replaced(LOCK, ("for place, pid in enumerate(crew):", "for place, pid in [(0, crew[0])]:")),
    ),
    wrong(NAME, "killed workers", "a turn that dies with its worker", f"{COURSE}\n\n{text(TOKEN)}"),
    wrong(
        NAME,
        "killed workers",
        "shuts the socket down with a worker",
        course((REAPS, REAPS + "\n            if len(crew) < workers:\n                listening.shutdown(2)")),
    ),
    wrong(NAME, "workers that die at birth", "a tight loop", replaced(LOCK, ("time.sleep(0.1)", "pass"))),
    wrong(
        NAME,
        "workers that die at birth",
        "gives up",
        course(
            (
                HIRES,
                "deaths += workers - len(crew)\n            if deaths > 12:\n                raise RuntimeError('too many have died')\n            "
                + HIRES,
            ),
            ("crew = set()", "crew, deaths = set(), 0"),
        ),
    ),
    wrong(
        NAME,
        "descriptors",
        "never closes what tells of a death",
        replaced(LOCK, ("for each in descriptors:\n                    os.close(each)", "pass")),
    ),
    wrong(
        NAME,
        "descriptors",
        "keeps a pipe to each worker",
        course(("    pid = os.fork()", "    pipes.append(os.pipe())\n    pid = os.fork()")) + "\n\npipes = []\n",
    ),
    wrong(NAME, "idle", "asks again and again", course((ASKS, "if stop.poll(0):"))),
    wrong(NAME, "idle", "looks every 10 ms", course((ASKS, "if stop.poll(10):"))),
    wrong(
        NAME,
        "idle",
        "asks for the lock again and again",
        replaced(
            LOCK,
            (
                "fcntl.flock(turn, fcntl.LOCK_EX)\n",
                "while True:\n                try:\n                    fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)\n                    break\n                except OSError:\n                    time.sleep(0.005)\n",
            ),
        ),
    ),
    wrong(NAME, "a clean end", "leaves workers behind", course((KILLS_ALL, "pass"), ("os.waitpid(pid, 0)", "pass"))),
    wrong(NAME, "a clean end", "waits for workers that go on", course((KILLS_ALL, "pass"))),
    wrong(
        NAME, "a clean end", "ends with a message", end_with_a_message(COURSE, parameters="listening, respond, workers")
    ),
    wrong(
        NAME,
        "a clean end",
        "ends when a worker says so",
        course(
            (ASKS, "if time.sleep(0.1):"),
            (
                REAPS,
                "for pid in set(crew):\n                ended, status = os.waitpid(pid, os.WNOHANG)\n                if ended and not status:\n                    crew.remove(pid)\n                    return\n                crew -= {ended}",
            ),
            ("import os\n", "import os\nimport time\n"),
        ),
    ),
    wrong(NAME, "every worker works", "accepts while its threads are in respond", text(THREADS)),
    wrong(NAME, "clients", "workers end after 200 requests", text(ENDS_AFTER_REQUESTS)),
]
