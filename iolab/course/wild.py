"""Servers that the course did not write, as lesson 10 looks at them: each started on loopback under an x-ray.

A server comes from a package of Debian; where it is missing, or strace, or the right to trace, the x-ray of another
machine is returned, and a line says why. `iolab.xrays` ends whatever it started.
"""

import inspect
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from iolab.archive import fallback, runs, xrays
from iolab.display import progress_bar
from iolab.display.tables import Table
from iolab.errors import ServerFailed, UsageError, guard, unknown
from iolab.settings import RECORD, STRACE
from iolab.trace.timeline import Timeline
from iolab.xrays.xray import Xray, xray

NGINX = """daemon off; user root; worker_processes 2; pid FOLDER/pid; error_log FOLDER/log; events {}
http { access_log off; client_body_temp_path FOLDER/1; proxy_temp_path FOLDER/2; fastcgi_temp_path FOLDER/3;
uwsgi_temp_path FOLDER/4; scgi_temp_path FOLDER/5;
server { listen 127.0.0.1:PORT; location / { return 200 'hello'; } } }"""

APACHE = """ServerRoot FOLDER
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
PidFile FOLDER/pid
ErrorLog FOLDER/log
DefaultRuntimeDir FOLDER
ServerName localhost
User www-data
Group www-data
Listen 127.0.0.1:PORT
DocumentRoot FOLDER
StartServers 2
"""

NODE = """const { readFile } = require('fs'), { createServer } = require('http');
createServer((_, reply) => readFile('FOLDER/index.html', (_, text) => reply.end(text))).listen(PORT, '127.0.0.1')"""

WSGI = """def app(environ, start):
    start("200 OK", [("Content-Length", "5")])
    return [b"hello"]
"""

IMPORTS = "import os, select, socket\nfrom contextlib import suppress"
"""What a server of a lesson may use."""

SECONDS = 1.0
"""How long each is watched."""


@dataclass(frozen=True)
class Wild:
    """A server: its package of Debian, its command, what its file says, and how it is asked.

    FILE, FOLDER and PORT stand for a file of its own, the folder around it, and a free port.
    """

    package: str
    command: tuple[str, ...]
    file: str = ""
    load: str = "http"
    connections: int = 8

    def prepare(self, folder: Path) -> list[str]:
        """Write its files, and return its command."""
        with socket.create_server(("127.0.0.1", 0)) as door:
            port = str(door.getsockname()[1])

        def fill(words: str) -> str:
            return words.replace("FILE", f"{folder}/wild.py").replace("FOLDER", str(folder)).replace("PORT", port)

        folder.chmod(0o755)  # a server may serve as another user
        (folder / "index.html").write_text("hello")
        (folder / "wild.py").write_text(fill(self.file))
        return list(map(fill, self.command))


REDIS = ("redis-server", "--port", "PORT", "--bind", "127.0.0.1", "--save", "", "--dir", "FOLDER")
WILD = {
    "Redis": Wild("redis-server", REDIS, load="redis"),
    "Redis with io-threads": Wild(
        "redis-server", (*REDIS, "--io-threads", "4", "--io-threads-do-reads", "yes"), load="redis", connections=32
    ),
    "memcached": Wild(
        "memcached", ("memcached", "-u", "root", "-l", "127.0.0.1", "-p", "PORT", "-U", "0"), load="memcached"
    ),
    "nginx": Wild("nginx-light", ("nginx", "-e", "FOLDER/log", "-c", "FILE"), NGINX),
    "http.server": Wild(
        "", (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", "FOLDER", "PORT"),
        connections=4,
    ),
    "gunicorn": Wild(
        "gunicorn",
        ("gunicorn", "--chdir", "FOLDER", "--worker-tmp-dir", "FOLDER", "-w", "3", "-b", "127.0.0.1:PORT", "wild:app"),
        WSGI,
    ),
    "Node": Wild("nodejs", ("node", "-e", NODE), connections=1),
    "Apache": Wild("apache2-bin", ("apache2", "-DFOREGROUND", "-f", "FILE"), APACHE),
}  # fmt: skip
"""The servers of lesson 10 by name."""


@guard
def in_the_wild(name: str) -> Xray:
    """Start a server of lesson 10 on loopback, watch it while it is asked, end it, and return what was seen.

    Where that cannot be done, say why, and return what was seen on another machine.
    """
    if name not in WILD:
        raise unknown("server", name, WILD)
    wild = WILD[name]
    with TemporaryDirectory(prefix="wild-", ignore_cleanup_errors=True) as folder:
        command = wild.prepare(Path(folder))
        return watch(command, name, load=wild.load, connections=wild.connections, seconds=SECONDS)


@guard
def watch(command: Sequence[str], name: str, *, load: str, connections: int = 4, seconds: float = 2.0) -> Xray:
    """Return the x-ray of a command; where it cannot be made, say why, and return the recorded one of this name."""
    picture, why_not = _look(command, name, {"load": load, "connections": connections, "seconds": seconds})
    if not picture:
        picture, origin = xrays.read(name)
        progress_bar.say(f"{name}: {why_not.partition('; ')[0]}. Shown instead is the run {origin}.")
    elif os.environ.get(RECORD) == "1":
        xrays.save(name, picture, f"{RECORD}=1 make notebooks")
    return picture


def _look(command: Sequence[str], name: str, options: Mapping[str, Any]) -> tuple[Xray | None, str]:
    """Return the x-ray of a command, or why there is none."""
    if os.environ.get(STRACE) == "0":
        return None, f"{STRACE} is 0"
    try:
        picture = replace(xray(command, **options), command=name)
    except (UsageError, ServerFailed) as error:
        return None, str(error)
    return (picture, "") if picture.verdict.kind != "cannot tell" else (None, "too little was served to tell")


@guard
def inside(picture: Xray) -> Timeline:
    """Return the timeline of an x-ray that was made here; of another, that of Redis as it was recorded."""
    path = fallback.file_of("10-inside")
    if not picture.facts.calls:
        return runs.read(path, Timeline)
    entry = picture.timeline()
    if os.environ.get(RECORD) == "1":
        runs.save(entry, path, f"{RECORD}=1 make notebooks")
    return entry


@guard
def command_of(serve: Callable[..., None], *arguments: int) -> list[str]:
    """Return a command that runs a server of a lesson in a process of its own, with further arguments for it."""
    values = "".join(f", {value!r}" for value in arguments)
    start = f'{serve.__name__}(socket.create_server(("127.0.0.1", 0)), bytes.upper{values})'
    return [sys.executable, "-c", f"{IMPORTS}\n\n{inspect.getsource(serve)}\n\n{start}"]


@guard
def wild_servers() -> Table:
    """Return the servers of lesson 10, whether each is here, and the one command that installs the others."""
    packages = {"strace": "strace", **{wild.package: wild.command[0] for wild in WILD.values() if wild.package}}
    missing = [package for package, command in packages.items() if not shutil.which(command)]
    note = f"What is missing: `sudo apt install {' '.join(missing)}`" if missing else "All of them are here."
    return Table(_rows(packages), sentences=[note])


def _rows(packages: Mapping[str, str]) -> Iterator[dict[str, str]]:
    for package, command in packages.items():
        yield {"package of Debian": package, "command": command, "here": "yes" if shutil.which(command) else "no"}
