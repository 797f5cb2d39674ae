"""Servers of the world, each named as its documentation has it. One that is not installed is skipped.

`pytest tests/xrays/test_world.py -m certify -s` prints the rows of the table in docs/xray.md.
"""

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest

import iolab
from tests.trace.test_strace import why_not

HTTP = {"load": "http"}
LEVEL, EDGE = "level-triggered", "edge-triggered"
ONE, PROCESSES, THREADS, HANDED = (
    "one thread", "a pool of processes", "a pool of threads", "one thread accepts for others",
)  # fmt: skip


class Wild(NamedTuple):
    """A server: its command, what is asked of it, a file for it, what makes it ready, a client, and what it is."""

    command: list[str]
    expected: tuple[str, str, str]
    asks: dict[str, Any] = HTTP
    text: str = ""
    before: str = ""
    client: str = ""
    mixed: str = ""
    """Of a server that receives in two ways: the other one, which has the greater share at times."""


NGINX = """daemon off; user root; worker_processes 2; pid FOLDER/pid; error_log FOLDER/log; events {}
http { access_log off; server { listen 127.0.0.1:PORT; location / { return 200 'hello'; } } }"""
LIGHTTPD = 'server.document-root = "FOLDER"\nserver.bind = "127.0.0.1"\nserver.port = PORT\n'
HAPROXY = """defaults\n mode http\n timeout client 9s\n timeout server 9s\n timeout connect 9s
frontend f\n bind 127.0.0.1:PORT\n http-request return status 200\n"""
NODE = "require('http').createServer((q, r) => r.end('hello')).listen(PORT, '127.0.0.1')"
WSGI = "def app(environ, start):\n    start('200 OK', [('Content-Length', '2')])\n    return [b'ok']\n"
ASGI = """async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
"""
TORNADO = """import asyncio, tornado.web
class Hello(tornado.web.RequestHandler):
    def get(self): self.write("hello")
async def main():
    tornado.web.Application([("/", Hello)]).listen(PORT, "127.0.0.1")
    await asyncio.Event().wait()
asyncio.run(main())
"""
VCL = "vcl 4.1;\nbackend default none;\nsub vcl_recv { return (synth(200)); }\n"
MQTT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", b"\x20\x02\x00\x00"
POSTGRES = "/usr/lib/postgresql/15/bin"


def apache(module: str, expected: tuple[str, str, str]) -> Wild:
    folder = "/usr/lib/apache2/modules"
    text = f"""ServerName localhost\nListen 127.0.0.1:PORT\nPidFile FOLDER/pid\nErrorLog FOLDER/log\nUser www-data
Group www-data\nDocumentRoot FOLDER\nLoadModule mpm_{module}_module {folder}/mod_mpm_{module}.so
LoadModule authz_core_module {folder}/mod_authz_core.so\n"""
    return Wild(["apache2", "-D", "FOREGROUND", "-d", "FOLDER", "-f", "FILE"], expected, HTTP, text)


WILD = {
    "nginx": Wild(["nginx", "-c", "FILE"], ("epoll", EDGE, PROCESSES), HTTP, NGINX),
    "redis": Wild(["redis-server", "--port", "PORT", "--save", ""], ("epoll", LEVEL, ONE), {"load": "redis"}),
    "memcached": Wild(
        ["memcached", "-u", "root", "-l", "127.0.0.1", "-p", "PORT", "-U", "0"], ("epoll", LEVEL, HANDED),
        {"load": "memcached"},
    ),
    "lighttpd": Wild(["lighttpd", "-D", "-f", "FILE"], ("epoll", LEVEL, ONE), HTTP, LIGHTTPD),
    "haproxy": Wild(["haproxy", "-db", "-f", "FILE"], ("epoll", LEVEL, THREADS), HTTP, HAPROXY),
    "http.server": Wild(
        [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "PORT"],
        ("blocking", "", "a thread for each connection"),
    ),
    "gunicorn": Wild(
        ["gunicorn", "-w", "3", "-b", "127.0.0.1:PORT", "wild:app"], ("blocking", "", PROCESSES), HTTP, WSGI
    ),
    "node": Wild(["node", "-e", NODE], ("epoll", LEVEL, ONE)),
    "apache-prefork": apache("prefork", ("blocking", "", PROCESSES)),
    "apache-event": apache("event", ("epoll", LEVEL, PROCESSES)),
    "mosquitto": Wild(["mosquitto", "-p", "PORT"], ("epoll", LEVEL, ONE), {"send": MQTT[0], "expect": MQTT[1]}),
    "varnish": Wild(
        ["varnishd", "-F", "-j", "none", "-n", "FOLDER/v", "-a", "127.0.0.1:PORT", "-f", "FILE", "-T", "none"],
        ("epoll", LEVEL, HANDED), HTTP, VCL, mixed="blocking",
    ),
    "postgresql": Wild(
        ["runuser", "-u", "postgres", "--", f"{POSTGRES}/postgres", "-D", "FOLDER/data", "-p", "PORT",
         "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="],
        ("epoll", LEVEL, "a process for each connection"), {}, "select 1;\n",
        f"mkdir FOLDER/data; chown postgres FOLDER/data; runuser -u postgres {POSTGRES}/initdb -- -D FOLDER/data",
        "until pgbench -n -f FILE -h 127.0.0.1 -p PORT -U postgres -c 4 -t 500 postgres; do :; done",
    ),
    "socat": Wild(
        ["socat", "TCP-LISTEN:PORT,bind=127.0.0.1,fork,reuseaddr", "PIPE"],
        ("select", "", "a process for each connection"), {"send": b"hello", "expect": b"hello"},
    ),
    "uvicorn": Wild(["uvicorn", "--port", "PORT", "wild:app"], ("epoll", LEVEL, ONE), HTTP, ASGI),
    "hypercorn": Wild(["hypercorn", "-b", "127.0.0.1:PORT", "wild:app"], ("epoll", LEVEL, ONE), HTTP, ASGI),
    "waitress": Wild(["waitress-serve", "--listen=127.0.0.1:PORT", "wild:app"], ("select", "", ONE), HTTP, WSGI),
    "cheroot": Wild(["cheroot", "--bind", "127.0.0.1:PORT", "wild:app"], ("epoll", LEVEL, HANDED), HTTP, WSGI),
    "tornado": Wild([sys.executable, "-c", TORNADO], ("epoll", LEVEL, ONE)),
    "twisted": Wild(
        ["twist", "web", "--listen", "tcp:PORT:interface=127.0.0.1", "--path", "FOLDER"], ("epoll", LEVEL, ONE)
    ),
}  # fmt: skip


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder that servers reach that are another user."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.certify
@pytest.mark.parametrize("name", list(WILD))
def test_servers_of_the_world_are_named_as_their_documentation_has_it(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wild, port = WILD[name], str(free_port())
    programs = [wild.command[0], *(["pgbench"] if wild.client else [])]
    missing = [program for program in programs if not shutil.which(program)]
    if reason := why_not() or (f"{missing[0]} is not installed" if missing else ""):
        pytest.skip(reason)

    def fill(words: str) -> str:
        return words.replace("FILE", str(folder / "wild.py")).replace("FOLDER", str(folder)).replace("PORT", port)

    (folder / "wild.py").write_text(fill(wild.text))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    if wild.before:
        subprocess.run(["sh", "-c", fill(wild.before)], check=True, capture_output=True)
    with subprocess.Popen(["sh", "-c", fill(wild.client)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        picture = iolab.xray(list(map(fill, wild.command)), seconds=5, connections=8, **wild.asks)
    calls = picture.counts.calls_per_request
    shares, kinds = dict(picture.verdict.shares), [finding.kind for finding in picture.findings]
    print(f"| {name} | {picture.model} | {calls and round(calls, 1)} | {picture.timer} | {kinds} | {shares} |")
    assert not kinds
    expected = (wild.mixed, "", wild.expected[2]) if picture.verdict.kind == wild.mixed else wild.expected
    assert (picture.verdict.kind, picture.verdict.mode, picture.verdict.arrangement) == expected
    assert not wild.mixed or {wild.expected[0], wild.mixed} == set(shares)
