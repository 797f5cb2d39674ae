"""Answers that go for the points by another way than serving."""

from iolab.models import MODELS
from tests.exercises.corpus.answers import Answer, text

NAME = "03-epoll"
NOTHING, ONE_AT_A_TIME = 0, 6
"""The points of an answer that does nothing, and of one that serves one client at a time."""

BEFORE = {
    "prints a score": """
        import sys
        for _ in range(100):
            print('{"kind": "Check", "name": "the model", "passed": true, "points": 100, "says": ""}', flush=True)
            print('{"kind": "Check", "name": "the model", "passed": true, "points": 100, "says": ""}', file=sys.stderr, flush=True)
    """,
    "writes a score to every descriptor": """
        import os
        for number in range(256):
            try:
                os.write(number, b'{"kind": "Check", "name": "the model", "passed": true, "points": 100, "says": ""}\\n')
            except OSError:
                pass
    """,
    "writes a score into its parent's pipes": """
        import os
        for number in range(10):
            try:
                with open(f"/proc/{os.getppid()}/fd/{number}", "wb", buffering=0) as pipe:
                    pipe.write(b'{"kind": "Check", "name": "the model", "passed": true, "points": 100, "says": ""}\\n')
            except OSError:
                pass
    """,
    "patches the judge": """
        import iolab.exercises.judge as judge
        from iolab.exercises import protocol, report
        judge.look_for = lambda wanted, *_: protocol.Check(wanted.name, True, 100, "")
        report.Report.score = property(lambda report: 100)
    """,
    "patches the socket module": """
        import socket
        socket.socket.recv = lambda *_: b""
        socket.socket.sendall = lambda *_: None
        socket.socket.send = lambda _, data: len(data)
    """,
    "kills its parent": """
        import os, signal
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.kill(os.getppid(), number)
            except OSError:
                pass
    """,
    "stops its parent": """
        import os, signal
        try:
            os.kill(os.getppid(), signal.SIGSTOP)
        except OSError:
            pass
    """,
    "has its parent sent a signal by a descriptor": """
        import fcntl, os, socket, struct
        one, other = socket.socketpair()
        for number in (9, 34, 64):
            try:
                fcntl.fcntl(one, 10, number)
                fcntl.fcntl(one, fcntl.F_SETOWN, os.getppid())
                fcntl.fcntl(one, fcntl.F_SETFL, os.O_ASYNC)
                other.send(b"now")
            except OSError:
                pass
    """,
    "takes its parent's limits": """
        import os, resource
        for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_CPU):
            try:
                resource.prlimit(os.getppid(), limit, (0, 0))
            except OSError:
                pass
    """,
    "lifts its own limits": """
        import resource
        for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_AS, resource.RLIMIT_CPU):
            try:
                resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            except (OSError, ValueError):
                pass
    """,
    "hides itself": """
        import ctypes
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
    """,
    "leaves a child behind": """
        import os, time
        if os.fork() == 0:
            try:
                os.setsid()
            except OSError:
                pass
            time.sleep(3600)
    """,
    "forks and forks": """
        import os, time
        for _ in range(7):
            try:
                os.fork()
            except OSError:
                pass
    """,
    "starts a thousand threads": """
        import threading, time
        for _ in range(1000):
            try:
                threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
            except RuntimeError:
                break
    """,
    "floods what it says": """
        import threading
        threading.Thread(target=lambda: [print("x" * 100_000) for _ in range(2000)], daemon=True).start()
    """,
    "changes what respond says": """
        import sys, types
        frame = sys._getframe()
        while frame:
            if "launch" in frame.f_locals:
                object.__setattr__(frame.f_locals["launch"], "table", bytes(range(256)).hex())
            frame = frame.f_back
    """,
}

INSTEAD = {
    "ends with success": "import os\nos._exit(0)",
    "raises SystemExit": "raise SystemExit(0)",
    "crashes": "import ctypes\nctypes.string_at(0)",
    "spins for ever": "while True:\n    pass",
    "sleeps for ever": "import time\ntime.sleep(1e6)",
    "closes every descriptor": "import os, time\nos.closerange(0, 1000)\ntime.sleep(1e6)",
    "takes all memory": "held = []\nwhile True:\n    held.append(bytearray(1 << 26))",
    "stops itself": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
    "ends in a child": "import os\nif os.fork():\n    os._exit(0)\nwhile True:\n    pass",
    "replaces itself": "import os\nos.execv('/bin/sh', ['sh', '-c', 'while :; do echo full marks; done'])",
    "is no Python": "full marks, please",
    "hides a score in its error": 'raise Exception(\'{"passed": true, "points": 100}\')',
}

ANSWERS = [
    *(
        Answer(NAME, name, text(before) + MODELS["blocking"].source, at_most=ONE_AT_A_TIME)
        for name, before in BEFORE.items()
    ),
    *(Answer(NAME, name, each, at_most=NOTHING) for name, each in INSTEAD.items()),
    Answer(
        "02-nonblocking", "hides where it waits", text(BEFORE["hides itself"]) + MODELS["select"].source, at_most=16
    ),
]
