"""Record the traces of exercise 10-xray: servers of the course and of the world under strace, with clients that ask.

Writes data/recorded/xray/traces.json.gz. A server that is not installed is an error: every one belongs to the set.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from iolab.exercises.calls import Call, from_strace  # noqa: E402
from iolab.exercises.recordings import COURSE as COURSE_SERVER  # noqa: E402
from iolab.exercises.recordings import FILE, Recording, find_end, list_starts, load  # noqa: E402
from iolab.xrays import processes  # noqa: E402
from iolab.xrays.facts import read  # noqa: E402
from iolab.xrays.protocols import PROTOCOLS, Protocol, exactly  # noqa: E402
from iolab.xrays.strace import Strace  # noqa: E402
from iolab.xrays.syscalls import parse  # noqa: E402

TIMES, TIMES_IN_THE_WORLD, TRIES = 5, 3, 6
MOST_CALLS, MOST_CALLS_OF_POLLING = 420, 900
PYTHON = [sys.executable, "-c"]

COURSE = {
    "blocking": "its one thread sleeps in `recvfrom` of one connection until that ends, and then in `accept4`",
    "nonblocking": "its one thread never sleeps: `accept4` and `recvfrom` mostly fail with EAGAIN, and it asks again",
    "select": "its one thread waits in `pselect6`, which names the listening socket and all connections",
    "poll": "its one thread waits in `poll`, which names the listening socket and all connections",
    "epoll": "its one thread waits in `epoll_wait`, and adds connections without EPOLLET",
    "epoll-edge": "its one thread waits in `epoll_wait`, and adds connections with EPOLLET",
    "signals": "its one thread waits in `rt_sigtimedwait`, and arms each connection by `fcntl` (F_SETSIG, O_ASYNC)",
    "io_uring": "its one thread waits in `io_uring_enter`, and nobody calls `recvfrom`: the kernel receives",
    "threads": "a thread that is born after each accept sleeps in `recvfrom` of that connection alone",
    "pool": "several threads were there before, and each accepts a connection and serves it itself",
    "processes": "a process that is born after each accept (`clone` without CLONE_THREAD) serves that connection alone",
    "prefork": "two processes were there before, and both accept from the one listening socket",
}
"""How one sees it, of each word."""

SERVE = "import threading, iolab; server = iolab.start({!r}); threading.Event().wait()"


@dataclass(frozen=True)
class Wild:
    """A server that the course did not write."""

    word: str
    command: Sequence[str]
    protocol: str
    because: str
    text: str = ""


NGINX = """daemon off; user root; worker_processes WORKERS; pid FOLDER/pid; error_log FOLDER/log; events {}
http { access_log off; server { listen 127.0.0.1:PORT; location / { return 200 'hello'; } } }"""
LIGHTTPD = 'server.document-root = "FOLDER"\nserver.bind = "127.0.0.1"\nserver.port = PORT\n'
HAPROXY = """global\n nbthread 2\ndefaults\n mode http\n timeout client 9s\n timeout server 9s\n timeout connect 9s
frontend f\n bind 127.0.0.1:PORT\n http-request return status 200\n"""
NODE = "require('http').createServer((q, r) => r.end('hello')).listen(PORT, '127.0.0.1')"
WSGI = "def app(environ, start):\n    start('200 OK', [('Content-Length', '2')])\n    return [b'ok']\n"
ASYNCIO = """
import asyncio, selectors
class Echo(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data): self.transport.write(data.upper())
async def main():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", PORT)
    await server.serve_forever()
loop = LOOP
loop.run_until_complete(main())
"""
SOCKETSERVER = """
import socketserver
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(4096): self.request.sendall(data.upper())
socketserver.TCPServer.allow_reuse_address = True
socketserver.CLASS(("127.0.0.1", PORT), Echo).serve_forever()
"""
TIMEOUTS = """
import socket
door = socket.create_server(("127.0.0.1", PORT))
door.settimeout(9)
while True:
    peer, _ = door.accept()
    peer.settimeout(9)
    while data := peer.recv(4096): peer.sendall(data.upper())
    peer.close()
"""
HELPERS = """
import os, select, socket, threading, time
def tick():
    while True: time.sleep(0.01)
for _ in range(3): threading.Thread(target=tick, daemon=True).start()
door = socket.create_server(("127.0.0.1", PORT)); door.setblocking(False)
event = os.eventfd(0, os.EFD_NONBLOCK)
poll = select.epoll(); poll.register(door, select.EPOLLIN)
poll.register(event, select.EPOLLIN | select.EPOLLET)
peers = {}
while True:
    for number, _ in poll.poll():
        if number == door.fileno():
            peer, _ = door.accept(); peer.setblocking(False)
            peers[peer.fileno()] = peer; poll.register(peer, select.EPOLLIN)
            threading.Thread(target=time.sleep, args=(0.01,)).start()
        elif data := peers[number].recv(4096): peers[number].send(data.upper())
        else: peers.pop(number).close()
"""
TWISTED = """
from twisted.internet import selectreactor; selectreactor.install()
from twisted.internet import protocol, reactor
class Echo(protocol.Protocol):
    def dataReceived(self, data): self.transport.write(data.upper())
factory = protocol.Factory(); factory.protocol = Echo
reactor.listenTCP(PORT, factory, interface="127.0.0.1"); reactor.run()
"""
OWN = (sys.executable, "FILE")

WORLD = {
    "nginx (one worker)": Wild(
        "epoll-edge", ("nginx", "-c", "FILE"), "http",
        "one worker serves, waits in `epoll_wait`, and adds connections with EPOLLET", NGINX.replace("WORKERS", "1"),
    ),
    "nginx (two workers)": Wild(
        "prefork", ("nginx", "-c", "FILE"), "http",
        "two processes, there before, accept from one socket; that each waits in `epoll_wait` comes second",
        NGINX.replace("WORKERS", "2"),
    ),
    "Redis": Wild(
        "epoll", ("redis-server", "--port", "PORT", "--save", ""), "redis",
        "one thread serves, and waits in `epoll_wait`; the other threads receive nothing",
    ),
    "memcached": Wild(
        "pool", ("memcached", "-u", "root", "-l", "127.0.0.1", "-p", "PORT", "-U", "0"), "memcached",
        "one thread accepts, and several that were there before serve; that each waits in `epoll_wait` comes second",
    ),
    "lighttpd": Wild(
        "epoll", ("lighttpd", "-D", "-f", "FILE"), "http",
        "one thread serves, waits in `epoll_wait`, and adds connections without EPOLLET", LIGHTTPD,
    ),
    "HAProxy (two threads)": Wild(
        "pool", ("haproxy", "-db", "-f", "FILE"), "http",
        "two threads, there before, both accept and serve; that each waits in `epoll_wait` comes second", HAPROXY,
    ),
    "Node": Wild(
        "epoll", ("node", "-e", NODE), "http",
        "one thread serves, and waits in `epoll_pwait`; the other threads receive nothing",
    ),
    "gunicorn (sync workers)": Wild(
        "prefork", ("gunicorn", "--chdir", "FOLDER", "-w", "2", "-b", "127.0.0.1:PORT", "wild:app"), "http",
        "two processes, there before, accept from one socket; `pselect6` names the listening socket alone", WSGI,
    ),
    "Python's http.server": Wild(
        "threads", (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "PORT"), "http",
        "a thread is born after each accept and sleeps in `recvfrom`; `poll` names the listening socket alone",
    ),
    "Python's ForkingTCPServer": Wild(
        "processes", OWN, "echo",
        "a process is born after each accept and sleeps in `recvfrom`; `poll` names the listening socket alone",
        SOCKETSERVER.replace("CLASS", "ForkingTCPServer"),
    ),
    "Python's TCPServer": Wild(
        "blocking", OWN, "echo", "one thread sleeps in `recvfrom`; `poll` names the listening socket alone",
        SOCKETSERVER.replace("CLASS", "TCPServer"),
    ),
    "a server with time-outs": Wild(
        "blocking", OWN, "echo",
        "one thread waits for one connection at a time: each `poll` names a single descriptor, as a time-out", TIMEOUTS,
    ),
    "asyncio on select": Wild(
        "select", OWN, "echo", "one thread waits in `pselect6`, which names all connections",
        ASYNCIO.replace("LOOP", "asyncio.SelectorEventLoop(selectors.SelectSelector())"),
    ),
    "asyncio on poll": Wild(
        "poll", OWN, "echo", "one thread waits in `poll`, which names all connections",
        ASYNCIO.replace("LOOP", "asyncio.SelectorEventLoop(selectors.PollSelector())"),
    ),
    "asyncio": Wild(
        "epoll", OWN, "echo", "one thread waits in `epoll_wait`, and adds connections without EPOLLET",
        ASYNCIO.replace("LOOP", "asyncio.new_event_loop()"),
    ),
    "uvloop": Wild(
        "epoll", OWN, "echo",
        "one thread receives by `read`, and waits in `epoll_pwait`; `io_uring_enter` only changes what it watches",
        "import uvloop\n" + ASYNCIO.replace("LOOP", "uvloop.new_event_loop()"),
    ),
    "Twisted on select": Wild(
        "select", OWN, "echo", "one thread waits in `pselect6`, which names all connections", TWISTED,
    ),
    "socat": Wild(
        "processes", ("socat", "TCP-LISTEN:PORT,bind=127.0.0.1,fork,reuseaddr", "PIPE"), "echo",
        "a process is born after each accept and serves it alone; that each waits in `pselect6` or `poll` comes second",
    ),
    "a server with helpers": Wild(
        "epoll", OWN, "echo",
        "one thread serves, waits in `epoll_wait`, and adds connections without EPOLLET, which only its eventfd has; "
        "the other threads receive nothing",
        HELPERS,
    ),
}  # fmt: skip


def main() -> None:
    """Record all of them, or those alone whose names are given."""
    wanted, path, draw = sys.argv[1:] or [*COURSE, *WORLD], ROOT / "data" / FILE, random.Random(10)
    known = load() if sys.argv[1:] else ()
    recordings = [each for each in known if not {each.server, each.word * (each.server == COURSE_SERVER)} & {*wanted}]
    for name in wanted:
        for number in range(TIMES if name in COURSE else TIMES_IN_THE_WORLD):
            recordings.append(record(name, number == 0, draw))
            parts, calls = find_parts(recordings[-1]), len(recordings[-1].calls)
            print(f"{recordings[-1].word:12} {name:26} {calls:4} calls, {len(parts):3} parts", flush=True)
    order = [*COURSE, *WORLD]
    recordings.sort(key=lambda each: order.index(each.word if each.server == COURSE_SERVER else each.server))
    fields = [{name: getattr(each, name) for name in Recording.__annotations__} for each in recordings]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(fields, separators=(",", ":")).encode(), 9, mtime=0))


def find_parts(recording: Recording) -> list[int]:
    """Return where a part may begin that shows enough."""
    return [start for start in list_starts(recording) if find_end(recording, start)]


def record(name: str, open_: bool, draw: random.Random) -> Recording:
    """Record a server until a recording has several parts by which it can be told."""
    for _ in range(TRIES):
        wild = WORLD.get(name)
        word, because = (wild.word, wild.because) if wild else (name, COURSE[name])
        calls = watch(wild, name, draw)
        recording = Recording(word, name if wild else COURSE_SERVER, because, open_, [call.to_row() for call in calls])
        parts = find_parts(recording)
        if 0 in parts and len(parts) >= 3:
            return recording
        print(f"{name}: {len(calls)} calls, {len(parts)} parts: again", flush=True)
    raise SystemExit(f"traces: {name} shows too little")


def watch(wild: Wild | None, name: str, draw: random.Random) -> list[Call]:
    """Run a server under strace, have it asked, and return its calls."""
    with tempfile.TemporaryDirectory() as folder:
        command = fill(wild, folder) if wild else [*PYTHON, SERVE.format(name)]
        if not shutil.which(command[0]):
            raise SystemExit(f"traces: {command[0]} is not installed")
        with Strace.start(command) as strace:
            strace.wait_for(lambda: processes.ports_of(strace.family()), 30, "it did not listen")
            port = processes.ports_of(strace.family())[0]
            time.sleep(0.5)  # workers that are forked after the listen
            ask(
                (port.host, port.number),
                PROTOCOLS.get(wild.protocol) if wild else None,
                draw,
                fast=name == "nonblocking",
            )
            strace.stop()
            syscalls = parse(strace.lines())
        facts = read(syscalls, {})
        calls = from_strace(syscalls, facts.process_of)
        first = next((number for number, call in enumerate(calls) if call.name.startswith("accept") and call.peer), 0)
        polls = name == "nonblocking"
        return calls[max(0, first - 10) if polls else 0 :][: MOST_CALLS_OF_POLLING if polls else MOST_CALLS]


def fill(wild: Wild, folder: str) -> list[str]:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = str(door.getsockname()[1])

    def replace(words: str) -> str:
        return words.replace("FILE", f"{folder}/wild.py").replace("FOLDER", folder).replace("PORT", port)

    Path(folder, "wild.py").write_text(replace(wild.text))
    return list(map(replace, wild.command))


def ask(address: tuple[str, int], protocol: Protocol | None, draw: random.Random, *, fast: bool) -> None:
    """Have some clients ask, each on several connections, one after the other."""
    seeds = [draw.random() for _ in range(draw.randint(3, 5))]
    clients = [threading.Thread(target=be_client, args=(address, protocol, seed, fast)) for seed in seeds]
    for client in clients:
        client.start()
    for client in clients:
        client.join()


def be_client(address: tuple[str, int], protocol: Protocol | None, seed: float, fast: bool) -> None:
    draw = random.Random(seed)
    for _ in range(draw.randint(2, 4)):
        with contextlib.suppress(OSError), socket.create_connection(address, 10) as peer:
            for _ in range(draw.randint(1, 4)):
                talk(peer, protocol or draw_echo(draw))
                time.sleep(draw.uniform(0, 0.003 if fast else 0.03))


def draw_echo(draw: random.Random) -> Protocol:
    request = b"a" * draw.choice((1, 20, 300, 2000, 20_000))
    return exactly(request, request.upper())


def talk(peer: socket.socket, protocol: Protocol) -> None:
    peer.sendall(protocol.request)
    reply = b""
    while not protocol.is_whole(reply):
        part = peer.recv(65536)
        if not part:
            raise ConnectionResetError
        reply += part


if __name__ == "__main__":
    main()
