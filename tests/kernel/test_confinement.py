"""What a confined process cannot do to others, and what it still can do itself."""

import ctypes
import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from iolab.kernel.confinement import ARCHITECTURES, scopes_signals

ROOT = Path(__file__).resolve().parents[2]

ATTEMPTS = """
import ctypes, fcntl, json, os, platform, resource, signal, socket, struct, sys, threading
NUMBERS = {
    "x86_64": {"shmget": [29], "msgget": [68], "clone": [56], "prctl": [157]},
    "aarch64": {"shmget": [194], "msgget": [186], "clone": [220], "prctl": [167]},
}[platform.machine()]
from iolab.kernel import confinement

others, outside, secret = int(sys.argv[1]), sys.argv[2], sys.argv[3]
libc = ctypes.CDLL(None, use_errno=True)
server = socket.create_server(("127.0.0.1", 0))
sock, other = socket.socketpair()
confinement.confine(confinement.Reach(os.getcwd(), ["/usr", sys.base_prefix], port=int(sys.argv[4])))

def call(*arguments):
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "")

def refused(attempt):
    try:
        attempt()
    except PermissionError:
        return True
    return False

def write(path):
    with open(path, "ab") as file:
        file.write(b"here")

def connect(port):
    socket.create_connection(("127.0.0.1", port)).close()

def read(path):
    with open(path) as file:
        file.read()

print(json.dumps({
    "signal to another": refused(lambda: os.kill(others, 0)),
    "signal to all": refused(lambda: os.kill(-1, 0)),
    "signal by a descriptor": refused(lambda: signal.pidfd_send_signal(os.pidfd_open(others), 0)),
    "signal to itself": refused(lambda: os.kill(os.getpid(), 0)),
    "session of its own": refused(os.setsid),
    "limits of another": refused(lambda: resource.prlimit(others, resource.RLIMIT_NOFILE, (10, 10))),
    "limits of its own": refused(lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0))),
    "SIGKILL by a descriptor": refused(lambda: fcntl.fcntl(sock, 10, 9)),
    "a realtime signal by a descriptor": refused(lambda: fcntl.fcntl(sock, 10, 34)),
    "another owner of a descriptor": refused(lambda: fcntl.fcntl(sock, fcntl.F_SETOWN, others)),
    "another group as its owner": refused(lambda: fcntl.fcntl(sock, fcntl.F_SETOWN, -others)),
    "another owner by ioctl": refused(lambda: fcntl.ioctl(sock, 0x8902, struct.pack("i", others))),
    "itself as the owner": refused(lambda: fcntl.fcntl(sock, fcntl.F_SETOWN, os.getpid())),
    "mode of a file": refused(lambda: os.chmod(outside, 0o777)),
    "time of a file": refused(lambda: os.utime(outside)),
    "mark on a file": refused(lambda: os.setxattr(outside, "user.mark", b"here")),
    "shared memory that stays": refused(lambda: call(*NUMBERS["shmget"], 0, 4096, 0o1600)),
    "queue that stays": refused(lambda: call(*NUMBERS["msgget"], 0, 0o1600)),
    "namespace of its own": refused(lambda: call(*NUMBERS["clone"], 0x10000011, 0, 0, 0, 0)),
    "another subreaper": refused(lambda: call(*NUMBERS["prctl"], 36, 0, 0, 0, 0)),
    "socket of the file system": refused(lambda: socket.socket(socket.AF_UNIX)),
    "pair of sockets": refused(socket.socketpair),
    "child": refused(lambda: os.fork() or os._exit(0)),
    "reading elsewhere": refused(lambda: read(secret)),
    "reading Python": refused(lambda: read(os.__file__)),
    "another port": refused(lambda: connect(server.getsockname()[1])),
    "file elsewhere": refused(lambda: write(outside)),
    "file in its folder": refused(lambda: write("mine")),
    "thread": refused(threading.Thread(target=int).start),
}))
"""

DENIED = {
    *(
        "signal to another",
        "signal by a descriptor",
        "signal to all",
        "session of its own",
        "limits of another",
        "SIGKILL by a descriptor",
    ),
    *("another owner of a descriptor", "another group as its owner", "another owner by ioctl", "mode of a file"),
    *("time of a file", "mark on a file", "shared memory that stays", "queue that stays", "namespace of its own"),
    *("another subreaper", "socket of the file system"),
}
BY_LANDLOCK = {"file elsewhere": 1, "reading elsewhere": 1, "another port": 4}
"""What Landlock denies, since which of its versions."""


SIGNALS = """
import ctypes, fcntl, json, os, platform, signal, socket, struct, sys, threading
from iolab.kernel import confinement

confinement.confine(confinement.Reach(os.getcwd(), ["/usr", sys.base_prefix], signals=True))

def send(pid, number=0):
    try:
        return os.kill(pid, number) is None
    except PermissionError:
        return False

def send_by_descriptor(pid, number=0):
    try:
        return signal.pidfd_send_signal(os.pidfd_open(pid), number) is None
    except PermissionError:
        return False

def send_value(pid):
    return not libc.syscall(SIGQUEUE, pid, 34, struct.pack("3i", 34, 0, -1) + bytes(116))

def work(pipe):
    signal.signal(signal.SIGUSR1, lambda *_: os.write(pipe, b"s"))
    signal.signal(signal.SIGIO, lambda *_: os.write(pipe, b"o"))
    signal.raise_signal(signal.SIGUSR1)
    signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
    one, other = socket.socketpair()
    fcntl.fcntl(one, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(one, fcntl.F_SETFL, os.O_ASYNC)
    other.send(b"x")
    os.setpgid(0, 0)
    signal.pause()

libc, SIGQUEUE = ctypes.CDLL(None), {"x86_64": 129, "aarch64": 138}[platform.machine()]
ways = []
for kill in (send, send_by_descriptor):
    receives, sends = os.pipe()
    child = os.fork()
    if not child:
        try:
            work(sends)
        finally:
            os._exit(1)
    os.close(sends)
    told = b"".join(iter(lambda: os.read(receives, 1), b"o"))
    sent = [send(pid) for pid in (int(sys.argv[1]), os.getppid(), 0, 1, -1, -os.getpgrp())]
    sent += [send_by_descriptor(pid) for pid in (int(sys.argv[1]), os.getppid(), 1)]
    sent += [send_value(pid) for pid in (int(sys.argv[1]), os.getppid(), 0, 1)]
    ways.append([any(sent), told.decode(), kill(child, signal.SIGKILL), os.waitpid(child, 0)[1]])
print(json.dumps(ways))
"""


@pytest.mark.skipif(not scopes_signals(), reason="only Linux 6.12 keeps signals among the confined")
def test_one_that_may_send_signals_reaches_its_own_children_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SIGNALS, str(os.getpid())],
        cwd=tmp_path, capture_output=True, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert json.loads(done.stdout) == [[False, "ss", True, signal.SIGKILL]] * 2


@pytest.mark.skipif(platform.machine() not in ARCHITECTURES, reason="the filter knows x86-64 and ARM64")
def test_it_reaches_nobody_else(tmp_path: Path) -> None:
    elsewhere, own, secret = tmp_path / "elsewhere", tmp_path / "own", tmp_path / "secret"
    elsewhere.touch()
    secret.touch()
    own.mkdir()
    command = [sys.executable, "-c", ATTEMPTS, str(os.getpid()), str(elsewhere), str(secret), "1"]
    done = subprocess.run(
        command, cwd=own, capture_output=True, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert not done.returncode, done.stderr.decode()
    refused = json.loads(done.stdout)
    version = ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1)
    expected = DENIED | {name for name, since in BY_LANDLOCK.items() if version >= since}
    assert {name for name, is_so in refused.items() if is_so} == expected
    assert elsewhere.read_bytes() == (b"" if refused["file elsewhere"] else b"here")
