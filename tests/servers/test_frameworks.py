"""What a framework must not do: change the process that it runs in, or let one peer have the server to itself."""

import socket
import subprocess
import sys

import pytest

from iolab.background import start
from iolab.models import MODELS

FRAMEWORKS = ("tornado", "twisted", "sanic", "uvloop", "gevent", "trio")

CHANGES = """
import asyncio, logging, os, signal, socket, sys, threading, warnings
from iolab.background import start
from iolab.models import MODELS

def state():
    return {
        "event loop policy": asyncio.get_event_loop_policy(),
        "signal handlers": [signal.getsignal(number) for number in signal.valid_signals()],
        "signal mask": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "hooks": [sys.excepthook, sys.unraisablehook, threading.excepthook, sys.displayhook, socket.socket],
        "warning filters": list(warnings.filters),
        "root logger": [logging.root.level, *logging.root.handlers, logging.getLoggerClass()],
        "environment": dict(os.environ),
        "reactor": "twisted.internet.reactor" in sys.modules,
    }

model, before = MODELS[sys.argv[1]], state()
for _ in range(2):
    with start(model.name) as server, socket.create_connection(server.address) as peer:
        peer.sendall(model.wrap(b"a") if model.wrap else b"a")
        assert peer.recv(1000)
print([name for name, value in state().items() if value != before[name]])
"""

FLOOD = """
import socket, sys, threading
peer, request = socket.create_connection(("127.0.0.1", int(sys.argv[1]))), sys.stdin.buffer.read()
def receive():
    while peer.recv(1 << 20):
        pass
threading.Thread(target=receive, daemon=True).start()
peer.sendall(request)
print("begun", flush=True)
while True:
    peer.sendall(request)
"""


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_the_process_stays_as_it_was(name: str) -> None:
    skip_unless_it_runs(name)
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", CHANGES, name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.serves_many])
def test_a_peer_that_sends_without_pause_leaves_the_others_their_turn(name: str) -> None:
    skip_unless_it_runs(name)
    model = MODELS[name]
    wrap = model.wrap or bytes
    with start(name) as server:
        command = [sys.executable, "-c", FLOOD, str(server.address[1])]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as flood:
            assert flood.stdin and flood.stdout
            try:
                flood.stdin.write(wrap(b"a" * 65536))
                flood.stdin.close()
                assert flood.stdout.readline() == b"begun\n"
                for _ in range(50):
                    asks(server.address, wrap(b"b"))
                assert flood.poll() is None
            finally:
                flood.kill()


def asks(address: tuple[str, int], request: bytes) -> None:
    with socket.create_connection(address, timeout=5) as peer:
        peer.sendall(request)
        assert peer.recv(1000).endswith(b"B")


def skip_unless_it_runs(name: str) -> None:
    why_not = MODELS[name].why_not()
    if why_not:
        pytest.skip(why_not)
