"""Answers that go for the points by another way than serving."""

from iolab.exercises import EXERCISES
from iolab.models import MODELS
from tests.exercises.corpus.answers import Answer, swapped, text

NAME = "03-epoll"
NOTHING, ONE_AT_A_TIME = 0, 6
"""The points of an answer that does nothing, and of one that serves one client at a time."""

FULL = sum(each.points for each in EXERCISES[NAME].properties)

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
    "has its forebears sent SIGIO by a descriptor": """
        import fcntl, os, socket
        one, other = socket.socketpair()
        pid = os.getppid()
        for _ in range(2):  # the judge, and who asked it
            try:
                fcntl.fcntl(one, fcntl.F_SETOWN, pid)
                fcntl.fcntl(one, fcntl.F_SETFL, os.O_ASYNC)
                other.send(b"now")
                pid = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
            except OSError:
                break
    """,
    "has its forebears sent SIGIO by F_SETOWN_EX and by ioctl": """
        import fcntl, os, socket, struct
        one, other = socket.socketpair()
        pid = os.getppid()
        for _ in range(2):  # the judge, and who asked it
            for own in (
                lambda: fcntl.fcntl(one, 15, struct.pack("ii", 1, pid)),
                lambda: fcntl.ioctl(one, 0x8902, struct.pack("i", pid)),
            ):
                try:
                    own()
                    fcntl.fcntl(one, fcntl.F_SETFL, os.O_ASYNC)
                    other.send(b"now")
                except OSError:
                    pass
            try:
                pid = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
            except OSError:
                break
    """,
    "nests 1,500 folders": """
        import os
        for _ in range(1500):
            try:
                os.mkdir("deeper")
                os.chdir("deeper")
            except OSError:
                break
    """,
    "leaves shared memory and queues": """
        import ctypes
        from multiprocessing import shared_memory
        libc = ctypes.CDLL(None)
        libc.shmget(0x10AB, 4096, 0o1600), libc.msgget(0x10AB, 0o1600), libc.semget(0x10AB, 1, 0o1600)
        open("/dev/shm/iolab-was-here", "w").close()
    """,
    "marks files of others": """
        import os, iolab
        path = os.path.dirname(iolab.__file__)
        for mark in (
            lambda: os.chmod(path, 0o777),
            lambda: os.utime(path, (0, 0)),
            lambda: os.setxattr(path, "user.mark", b"here"),
            lambda: os.chown(path, 65534, 65534),
            lambda: os.link(path + "/__init__.py", "/tmp/iolab-was-here"),
            lambda: os.symlink(path, "/tmp/iolab-was-here"),
        ):
            try:
                mark()
            except OSError:
                pass
    """,
    "fills its folder": """
        try:
            for number in range(300):
                with open(f"{number}", "wb") as file:
                    file.write(bytes(1 << 20))
        except OSError:
            pass
    """,
    "looks into its keeper": """
        import ctypes, os
        for pid in {1, os.getppid()}:
            for path in ("mem", "fd/0", "fd/3", "environ", "root/etc/passwd"):
                try:
                    open(f"/proc/{pid}/{path}", "r+b", buffering=0).write(b"full marks")
                except OSError:
                    pass
            ctypes.CDLL(None).ptrace(16, pid, 0, 0)
    """,
    "signals its keeper and all others": """
        import os, signal
        for pid in (1, -1, 0, os.getppid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
    """,
    "forges its last words": """
        import os
        for number in range(3, 256):
            try:
                os.write(number, b"ready\\nit died: 21 of 21 points\\n`serve` returned\\n")
            except OSError:
                pass
    """,
    "closes all but the door": """
        import os
        os.closerange(0, 3)
    """,
    "drips and leaves a child": """
        import os, time
        if os.fork() == 0:
            while True:
                time.sleep(1)
        for _ in range(20):
            time.sleep(0.05)
    """,
    "leaves a child that nobody owns": """
        import os, time
        if os.fork() == 0:
            if os.fork() == 0:
                time.sleep(3600)
            os._exit(0)
        os.wait()
    """,
}

LOOKS_AROUND = """
import os, socket

def find():
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in (1, os.getpid()):
            yield open(f"/proc/{name}/cmdline", "rb").read()
            yield open(f"/proc/{name}/environ", "rb").read()

def connect():
    for line in open("/proc/net/tcp").read().splitlines()[1:]:
        yield socket.create_connection(("127.0.0.1", int(line.split()[1].split(":")[1], 16)), 0.2)

for look in (find(), connect()):
    try:
        if any(look):
            exec(SERVER)
            break
    except OSError:
        pass
"""
"""Serves if it finds another process or another server, whose seed or text it could read."""

BY_IMPORT = {
    "imports the course's server": "from iolab.servers.epoll import serve",
    "runs the text of the course's server": "import iolab\nexec(iolab.source('epoll'))",
    "runs the course's server from its file": """
        import importlib.util, pathlib, iolab
        exec((pathlib.Path(iolab.__file__).parent / "servers/epoll.py").read_bytes())
    """,
    "runs the solution from its notebook": """
        import json, pathlib, iolab
        root = pathlib.Path(iolab.__file__).parents[1]
        book = json.loads((root / "notebooks/exercises/03-epoll/03-epoll.ipynb").read_text())
        exec("".join(book["cells"][1]["source"]))
    """,
    "runs what others handed in": """
        import json, pathlib
        for path in pathlib.Path("/").rglob("submitted/*/03-epoll/03-epoll.ipynb"):
            exec("".join(json.loads(path.read_text())["cells"][1]["source"]))
    """,
    "runs an answer of the corpus": """
        import pathlib, iolab
        exec((pathlib.Path(iolab.__file__).parents[1] / "tests/exercises/corpus/select_epoll.py").read_text())
    """,
    "reads the course's server in a namespace of its own": """
        import ctypes, iolab
        libc = ctypes.CDLL(None)
        libc.unshare(0x10020000)
        libc.syscall(56, 0x10020011, 0, 0, 0, 0) == 0 and libc._exit(0)
        libc.mount(iolab.__path__[0].encode() + b"/servers", b"/mnt", None, 4096, None)
        exec(open("/mnt/epoll.py").read())
    """,
    "reads the course's server by a hard link": """
        import os, iolab
        os.link(iolab.__path__[0] + "/servers/epoll.py", "mine.py")
        exec(open("mine.py").read())
    """,
    "runs the server of another program": """
        import subprocess, sys, iolab
        exec(subprocess.run(["/bin/cat", iolab.__path__[0] + "/servers/epoll.py"], stdout=-1, check=True).stdout)
    """,
}

IF_IT_WORKS = {
    "reads the passwords of the machine": 'open("/etc/shadow").read()',
    "finds a server in its memory": """
        next(each for each in gc.get_objects() if getattr(each, "__name__", "").startswith("iolab.servers."))
    """,
    "finds its cases in its descriptors": """
        any(b'"se' b'ed":' in read(number) for number in range(3, 256))
    """,
    "makes a socket of the file system by io_uring": """
        ring_socket() >= 0
    """,
    "signals the first process by a descriptor": "signal.pidfd_send_signal(os.pidfd_open(1), 0) is None",
    "signals its group": "os.kill(0, 0) is None",
    "signals others with a value": "not libc.syscall(129, os.getppid() or 1, 34, ctypes.create_string_buffer(128))",
    "owns a descriptor by its group": "fcntl.fcntl(socket.socketpair()[0], 8, -os.getpgid(0)) == 0",
    "makes all that is its user's wait": "os.setpriority(os.PRIO_USER, 0, 19) is None",
    "keeps a key": 'libc.syscall(248, b"user", b"iolab", b"value", 5, -4) >= 0',
    "writes to terminals": 'open("/dev/tty", "w") or open("/dev/pts/0", "w")',
    "becomes another user": 'subprocess.run(["/bin/su", "nobody", "-s", "/bin/true"], stdin=-3).returncode == 0',
    "opens the memory of its keeper": 'open(f"/proc/{os.getppid() or 1}/mem", "rb")',
    "asks the system who is there": 'any("iolab" in open(f"/proc/{each}/comm").read() for each in range(2, 9))',
}
PROBE = """
import ctypes, fcntl, gc, os, signal, socket, struct, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)

def read(number):
    try:
        return os.pread(number, 1 << 20, 0)
    except OSError:
        return b""

def ring_socket():
    from iolab.kernel.ring import Ring
    ring = Ring(4096)
    ring._order(45, 0, 0, socket.AF_UNIX, 0, 0, 0, socket.SOCK_STREAM)  # IORING_OP_SOCKET
    return ring.submit_and_wait()[0][2]

try:
    gain = ATTEMPT
except Exception:
    gain = False
if gain:
    exec(SERVER)
"""
"""Serves if an attempt works."""

SIBLING = """
import ctypes, os, select, time

def serve(listening, respond):
    if ctypes.CDLL(None).syscall(56, 0x8000 | 17, 0, 0, 0, 0) == 0:
        work(listening, respond)
        os._exit(0)
    with select.epoll() as interest:
        interest.poll()
"""
"""Has a child of its parent's do the work (CLONE_PARENT)."""

BURNS = """
import os, signal, time

def burn():
    while True:
        if os.fork():
            end_s = time.monotonic() + 0.003
            while time.monotonic() < end_s:
                pass
            os._exit(0)

if os.fork() == 0:
    burn()
"""
"""Uses a whole CPU in children each of which soon ends."""

HIDES_IN_FLIGHT = """
import array, socket
pairs = [socket.socketpair() for _ in range(40)]

def put_away(connection):
    pairs.insert(0, pairs.pop())
    pairs[0][0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [connection.fileno()]))])
    connection.close()
"""
"""Keeps connections in messages that nobody receives, where no list of descriptors shows them."""

ENDS_ITS_FIRST_THREAD = """
import ctypes, threading

def serve(listening, respond):
    threading.Thread(target=work, args=(listening, respond)).start()
    ctypes.CDLL(None).syscall(60, 0)
"""
"""Goes on in a second thread: the kernel shows no descriptors and no memory of a process whose first one has ended."""

CLOSE = "connections.pop(descriptor).close()"
PARTIAL = "if sent < len(reply):"
ACCEPT = "        connection.setblocking(False)\n"
BUFFERS = f"        connection.setsockopt(1, 7, 1 << 30)\n{ACCEPT}"


def never_closes(by: str) -> str:
    """Return the course's server, which does something else than close a connection."""
    return MODELS["epoll"].source.replace(CLOSE, by)


ORPHAN = """
import os, select, time

def serve(listening, respond):
    if os.fork() == 0:
        if os.fork() == 0:
            work(listening, respond)
        os._exit(0)
    os.wait()
    with select.epoll() as interest:
        interest.poll()
"""
"""Pretends to wait in the right call, while a process that nobody owns does the work in its own way."""

INSTEAD = {
    "dies of a realtime signal": "import os\nos.kill(os.getpid(), 35)",
    "dies of a signal that has no name": "import os\nos.kill(os.getpid(), 33)",
    "says escape sequences": "raise ValueError('\\x1b]0;full marks\\x07\\x1b[2J\\x00\\u202e\\r21 of 21' + 'x' * 100_000)",
    "raises what cannot be written": """
        class Silent(Exception):
            def __str__(self):
                raise self

        raise Silent
    """,
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
    *(Answer(NAME, name, text(each), at_most=NOTHING) for name, each in (INSTEAD | BY_IMPORT).items()),
    Answer("08-chat", "runs the course's chat", "from iolab.exercises.chat import chat", at_most=NOTHING),
    Answer(
        NAME,
        "serves if it finds others",
        LOOKS_AROUND.replace("SERVER", repr(MODELS["epoll"].source)) + "else:\n    def serve(*_): pass\n",
        at_most=NOTHING,
    ),
    Answer(
        NAME,
        "has an orphan serve",
        MODELS["threads"].source.replace("def serve(", "def work(") + ORPHAN,
        at_most=FULL - 3,
    ),
    *(
        Answer(
            NAME,
            name,
            text(PROBE).replace("ATTEMPT", attempt.strip()).replace("SERVER", repr(MODELS["epoll"].source)),
            at_most=NOTHING,
        )
        for name, attempt in IF_IT_WORKS.items()
    ),
    Answer(
        NAME,
        "has a sibling serve",
        MODELS["threads"].source.replace("def serve(", "def work(") + SIBLING,
        at_most=FULL - 3,
    ),
    Answer(NAME, "has children burn the CPU", BURNS + MODELS["epoll"].source, at_most=FULL - 4),
    Answer(
        NAME,
        "hides connections in flight",
        HIDES_IN_FLIGHT + never_closes("put_away(connections.pop(descriptor))"),
        at_most=FULL - 2,
    ),
    Answer(
        NAME,
        "ends its first thread",
        never_closes("lost.append(connections.pop(descriptor))").replace("def serve(", "lost = []\n\ndef work(")
        + ENDS_ITS_FIRST_THREAD,
        at_most=FULL - 2,
    ),
    Answer(
        NAME,
        "asks for large buffers and drops what has no room",
        swapped("epoll", (PARTIAL, "if False:"), (ACCEPT, BUFFERS)),
        at_most=FULL - 2,
    ),
    Answer(
        NAME,
        "takes a name that hides its numbers",
        "import ctypes\nctypes.CDLL(None).prctl(15, b') R 1 (\\n', 0, 0, 0)\n"
        + MODELS["epoll"].source.replace("interest.poll()", "interest.poll(0)"),
        at_most=FULL - 5,
    ),
    Answer(NAME, "stops before it serves", "from iolab.listening import Stopped\nraise Stopped", at_most=NOTHING),
    Answer(
        "02-nonblocking", "hides where it waits", text(BEFORE["hides itself"]) + MODELS["select"].source, at_most=16
    ),
]
