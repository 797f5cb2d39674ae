"""Lay out the learner's copy of the course, and open JupyterLab there: quiet, offline and on loopback only."""

from __future__ import annotations

import argparse
import errno
import getpass
import os
import shlex
import socket
import sys
import webbrowser
from importlib.util import find_spec
from ipaddress import ip_address
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

COPY = Path(__file__).resolve().parent.parent / "my-course"
"""The learner's copy; git ignores it, and `make clean` leaves it."""

FIRST_LESSON = "notebooks/00_start_here.ipynb"
LOOPBACK = "127.0.0.1"
WILDCARDS = ("0.0.0.0", "::")
FIRST_PORT = 8888
PORTS = range(1, 65536)

SETTINGS = Path(__file__).parent / "jupyter"
"""A folder of Jupyter's configuration: no question about news, no line out of view, no teacher's tool in the menus."""

TEACHERS_TOOLS = ("formgrader", "validate_assignment", "assignment_list", "course_list")
"""Extensions of nbgrader, which `make release` and `make grade` use without them. Validate would praise any answer."""

# News, update checks and the extension manager would each ask the internet.
QUIET = (
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
    "--Application.log_level=ERROR",
    "--ServerApp.answer_yes=True",
    # Looking for language servers runs npm, which writes to the home folder.
    "--LanguageServerManager.autodetect=False",
)

ENCRYPTED = "--KernelManager.transport_encryption=auto"
"""Without it every kernel warns in the terminal that it can be eavesdropped on."""


def lay_out(folder: Path, update: bool) -> list[str]:
    """Lay out the learner's copy, and return a line for what the learner may want to know or decide."""
    from iolab.course.lessons import copy  # after the errors of the command line
    from iolab.errors import UsageError

    try:
        copies = copy(folder, update=update)
    except UsageError as error:
        sys.exit(f"lab: {error}")
    lines = [f"Yours are now {', '.join(copies.moved)}."] if copies.moved else []
    offer = f"{copies.offer[0].upper()}{copies.offer[1:]}: `make lab UPDATE=1` takes it, and keeps yours beside it."
    return [*lines, offer] if copies.offered else lines


def has_browser(env: dict[str, str], platform: str = sys.platform) -> bool:
    """Tell whether a browser on this machine would open before the learner's eyes."""
    if env.get("BROWSER"):
        return True
    if "SSH_CONNECTION" in env:
        return False
    if platform == "linux" and not (env.get("DISPLAY") or env.get("WAYLAND_DISPLAY")):
        return False
    return can_open_pages()


def can_open_pages() -> bool:
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def listen_error(ip: str, port: int) -> OSError | None:
    """Try to listen on an address as the server will; return the error, if any."""
    try:
        family = socket.getaddrinfo(ip, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((ip, port))
            listening.listen()
    except OSError as error:
        return error
    return None


def free_port(ip: str, start: int) -> int:
    """Return the first free port from `start` on, and after the last one from FIRST_PORT on."""
    ports = chain(range(start, PORTS.stop), range(FIRST_PORT, start))
    return next(port for port in ports if listen_error(ip, port) is None)


def chosen_port(ip: str, asked: int | None) -> int:
    """Return the port to serve on; end in one line if the one asked for cannot be had."""
    port = asked or FIRST_PORT
    error = listen_error(ip, port)
    if error is None:
        return port
    if asked is None and error.errno == errno.EADDRINUSE:
        return free_port(ip, port + 1)
    sys.exit(f"lab: {refusal(ip, port, error)}")


def refusal(ip: str, port: int, error: OSError) -> str:
    """Say why an address cannot be listened on, and what would work."""
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use: stop what uses it, or take a free one: make lab PORT={free_port(ip, port + 1)}"
    if error.errno == errno.EACCES:
        return f"port {port} is for root: take a free one: make lab PORT={free_port(ip, FIRST_PORT)}"
    return f"{ip} is no address of this machine ({error.strerror}): leave IP out, or give IP=0.0.0.0 for all of them"


def port_number(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isdecimal() and int(text) in PORTS):
        sys.exit(f"lab: expected a port from 1 to 65535, got {text!r}: make lab PORT=9000, or leave PORT out")
    return int(text)


def user_name() -> str:
    """Return who the learner is here; a container may run under a number that has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "USER"


def ssh_line(port: int, env: dict[str, str]) -> str:
    """Return the command that brings the server to the machine in front of the learner."""
    client_and_here = env.get("SSH_CONNECTION", "").split()
    host, ssh_port = client_and_here[2:4] if len(client_and_here) == 4 else (socket.gethostname(), "22")
    way = "" if ssh_port == "22" else f"-p {ssh_port} "
    return f"ssh -N -L {port}:{LOOPBACK}:{port} {way}{shlex.quote(f'{user_name()}@{host}')}"


def quiet_arguments() -> list[str]:
    """Return the settings that ask nobody anything, and leave out what is not a learner's."""
    import zmq  # after the errors of the command line

    tools = {f"nbgrader.server_extensions.{name}": False for name in TEACHERS_TOOLS}
    without = [f"--ServerApp.jpserver_extensions={tools}"] if find_spec("nbgrader") else []
    return [*QUIET, *without, *([ENCRYPTED] if zmq.has("curve") else [])]


def server_arguments(folder: Path, ip: str, port: int, env: dict[str, str]) -> list[str]:
    """Return the settings of JupyterLab: given here, so that none is written to the learner's home."""
    return [
        *quiet_arguments(),
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.default_url=/lab/tree/{FIRST_LESSON}",
        f"--ServerApp.ip={ip}",
        f"--ServerApp.port={port}",
        f"--ServerApp.open_browser={has_browser(env)}",
        # A page in a hidden folder is out of reach for a browser in a sandbox: open the address itself.
        "--ServerApp.use_redirect_file=False",
        *(["--ServerApp.allow_root=True"] if os.geteuid() == 0 else []),
    ]


def address(server: ServerApp) -> str:
    """Return the address to open on this machine, token included."""
    return server.local_url if server.ip in WILDCARDS else server.public_url


def is_loopback(ip: str) -> bool:
    return ip_address(socket.getaddrinfo(ip, None)[0][4][0]).is_loopback


def announcement(server: ServerApp, env: dict[str, str]) -> str:
    """Say where the course is, and how to get there from another machine."""
    lines = [f"The course is open at {address(server)}"]
    if not is_loopback(server.ip):
        lines.append(f"Other machines reach port {server.port} here too: who has the token can run code on this one.")
    elif not server.open_browser:
        lines.append(f"No browser here. From the machine in front of you: {ssh_line(server.port, env)}")
        lines.append("then open that address there. In a container, publish the port and run: make lab IP=0.0.0.0")
    return "\n".join([*lines, "Ctrl-C stops it."])


def read_options(arguments: list[str]) -> argparse.Namespace:
    """Return what the learner gave: address, port, the folder of the copy, and whether to take updates."""
    parser = argparse.ArgumentParser(prog="make lab", description=__doc__)
    parser.add_argument("--ip", default=LOOPBACK)
    parser.add_argument("--port")
    parser.add_argument("--copy", type=Path, default=COPY)
    parser.add_argument("--update", default="")
    return parser.parse_args(arguments)


def main() -> None:
    env, given = dict(os.environ), read_options(sys.argv[1:])
    port = chosen_port(given.ip, port_number(given.port))
    folder = given.copy.absolute()
    lines = lay_out(folder, given.update not in ("", "0"))
    settings = server_arguments(folder, given.ip, port, env)
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, [str(SETTINGS), env.get("JUPYTER_CONFIG_PATH")]))
    from jupyterlab.labapp import LabApp  # type: ignore[import-untyped]  # a second or two: after the errors

    server = LabApp.initialize_server(argv=settings)
    text = "\n".join([*lines, announcement(server, env)])
    # The announcement shows the token: without this the server's log would, too.
    server.identity_provider.token_generated = False
    # The server binds its port in the first turn of the loop; this callback comes after it.
    server.io_loop.add_callback(print, text, flush=True)
    server.start()


if __name__ == "__main__":
    main()
