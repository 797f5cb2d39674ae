"""What a confined process cannot do to others, and what it still can do itself."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from iolab.kernel.confinement import ARCHITECTURES

ATTEMPTS = """
import ctypes, fcntl, json, os, resource, signal, socket, sys, threading
from iolab.kernel import confinement

others, outside = int(sys.argv[1]), sys.argv[2]
confinement.confine(os.getcwd())

def refused(attempt):
    try:
        attempt()
    except PermissionError:
        return True
    return False

def write(path):
    with open(path, "ab") as file:
        file.write(b"here")

sock = socket.socket()
print(json.dumps({
    "signal to another": refused(lambda: os.kill(others, 0)),
    "signal to all": refused(lambda: os.kill(-1, 0)),
    "signal to itself": refused(lambda: os.kill(os.getpid(), 0)),
    "session of its own": refused(os.setsid),
    "limits of another": refused(lambda: resource.prlimit(others, resource.RLIMIT_NOFILE, (10, 10))),
    "limits of its own": refused(lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0))),
    "SIGKILL by a descriptor": refused(lambda: fcntl.fcntl(sock, 10, 9)),
    "a realtime signal by a descriptor": refused(lambda: fcntl.fcntl(sock, 10, 34)),
    "file elsewhere": refused(lambda: write(outside)),
    "file in its folder": refused(lambda: write("mine")),
    "thread": refused(threading.Thread(target=int).start),
}))
"""

DENIED = {"signal to another", "signal to all", "session of its own", "limits of another", "SIGKILL by a descriptor"}


@pytest.mark.skipif(platform.machine() not in ARCHITECTURES, reason="the filter knows x86-64 and ARM64")
def test_it_reaches_nobody_else(tmp_path: Path) -> None:
    elsewhere, own = tmp_path / "elsewhere", tmp_path / "own"
    elsewhere.touch()
    own.mkdir()
    command = [sys.executable, "-c", ATTEMPTS, str(os.getpid()), str(elsewhere)]
    refused = json.loads(subprocess.run(command, cwd=own, capture_output=True, check=True).stdout)
    # Where the kernel has no Landlock, a file elsewhere can be written to by whoever may.
    assert {name for name, is_so in refused.items() if is_so} - {"file elsewhere"} == DENIED
    assert elsewhere.read_bytes() == (b"" if refused["file elsewhere"] else b"here")
