"""`iolab load` against servers of the world: what it counts is what their own logs and statistics count."""

import json
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.serving import IOLAB

pytestmark = [pytest.mark.certify, pytest.mark.usefixtures("nothing_left")]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def need(program: str) -> None:
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")


@contextmanager
def running(port: int, *command: object, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a server that listens on its port; end it with its children."""
    with subprocess.Popen([str(each) for each in command], start_new_session=True, **options) as process:
        try:
            await_listener(port, process)
            yield process
        finally:
            process.terminate()
            process.wait(30)


def await_listener(port: int, process: subprocess.Popen[bytes]) -> None:
    never = threading.Event()
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            never.wait(0.02)
        else:
            return
    raise AssertionError(f"{process.args!r} ended")


def load(*arguments: object) -> dict[str, Any]:
    command = [*IOLAB, "load", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return dict(json.loads(done.stdout))


NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log {folder}/access.log; keepalive_requests 100;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port}; location = /ok {{ return 200 hello; }} location / {{ return 404; }} }}
}}
"""


def test_nginx_logs_each_request_with_its_status(tmp_path: Path) -> None:
    need("nginx")
    port, body = free_port(), tmp_path / "body"
    (tmp_path / "conf").write_text(NGINX.format(folder=tmp_path, port=port))
    body.write_bytes(b"hello")
    with running(port, "nginx", "-p", tmp_path, "-c", tmp_path / "conf", stderr=subprocess.DEVNULL):
        right = load(f"http://127.0.0.1:{port}/ok", "-c", 20, "-n", 10_000, "--expect", body)
        timed = load(f"http://127.0.0.1:{port}/ok", "-c", 5, "-R", 500, "-d", "500ms")
    logged = re.findall(r'"GET /ok HTTP/1.1" (\d+) 5 ', (tmp_path / "access.log").read_text())
    assert (right["requests"], right["errors"], right["statuses"]) == (10_000, 0, {"200": 10_000})
    assert timed["requests"] == 250 and timed["errors"] == 0
    assert logged == ["200"] * (10_000 + 250)


def test_redis_counts_each_command(tmp_path: Path) -> None:
    need("redis-server")
    port = free_port()
    with running(port, "redis-server", "--port", port, "--save", "", "--dir", tmp_path, stdout=subprocess.DEVNULL):
        with socket.create_connection(("127.0.0.1", port)) as asking:
            before = commands(asking)
            output = load(f"127.0.0.1:{port}", "--send", r"PING\r\n", "--expect", "any", "-n", 5000)
            after = commands(asking)
    assert (output["requests"], output["errors"]) == (5000, 0)
    assert after - before == 5000 + 1  # INFO itself


def commands(asking: socket.socket) -> int:
    asking.sendall(b"INFO stats\r\n")
    with asking.makefile("rb") as lines:
        length = int(lines.readline()[1:])
        text = lines.read(length + 2)
    match = re.search(rb"total_commands_processed:(\d+)", text)
    assert match
    return int(match[1])


def test_socat_echoes_every_byte(tmp_path: Path) -> None:
    need("socat")
    port, log = free_port(), tmp_path / "log"
    with running(port, "socat", f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr", f"SYSTEM:tee -a {log}"):
        output = load(f"127.0.0.1:{port}", "--expect", "echo", "-c", 4, "-n", 400, "--size", 100)
    assert (output["requests"], output["errors"]) == (400, 0)
    assert log.stat().st_size == 400 * 100


def test_the_standard_library_logs_each_request(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    (tmp_path / "page.html").write_text("hello")
    command = (sys.executable, "-m", "http.server", port, "--bind", "127.0.0.1", "--directory", tmp_path)
    with log.open("wb") as errors, running(port, *command, stdout=subprocess.DEVNULL, stderr=errors):
        output = load(f"http://127.0.0.1:{port}/page.html", "-n", 300, "--expect", tmp_path / "page.html")
    assert (output["requests"], output["errors"], output["statuses"]) == (300, 0, {"200": 300})
    assert log.read_text().count('"GET /page.html HTTP/1.1" 200') == 300
