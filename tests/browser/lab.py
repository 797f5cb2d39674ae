"""JupyterLab on a copy of the lessons, as a learner has it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from iolab.course import lessons
from tools import lab
from tools.browser import START_S

ROOT = Path(__file__).resolve().parents[2]
OWN_FOLDERS = (
    *("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"),
    *("JUPYTERLAB_WORKSPACES_DIR", "JUPYTERLAB_SETTINGS_DIR", "IPYTHONDIR", "MPLCONFIGDIR", "HOME"),
)


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: its address, the progress file of its kernels, and what it wrote to the terminal."""

    address: str
    progress: Path
    log: Path


@contextmanager
def running(folder: Path) -> Iterator[Lab]:
    """Run JupyterLab on a copy of the lessons, with folders of its own; nothing else on the machine is touched."""
    lessons.copy(folder / "course")
    settings_file = folder / "JUPYTERLAB_SETTINGS_DIR/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
    settings_file.parent.mkdir(parents=True)
    settings_file.write_text('{"windowingMode": "none"}')  # or what is out of view is not on the page
    port, env = lab.free_port(lab.LOOPBACK, lab.FIRST_PORT), dict(os.environ)
    env |= {name: str(folder / name) for name in OWN_FOLDERS} | {"IOLAB_PROGRESS": str(folder / "progress.json")}
    env |= {"JUPYTER_CONFIG_PATH": str(lab.SETTINGS)}
    settings = {
        "ServerApp.root_dir": folder / "course",
        "ServerApp.port": port,
        "ServerApp.open_browser": False,
        "ServerApp.allow_root": True,
        "IdentityProvider.token": "",
        "LabApp.expose_app_in_browser": True,
    }
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        *lab.quiet_arguments(),
        *(f"--{key}={value}" for key, value in settings.items()),
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, env=env, stdout=log, stderr=log) as server:
        try:
            _wait_for(port, server, folder / "log")
            yield Lab(f"http://{lab.LOOPBACK}:{port}", folder / "progress.json", folder / "log")
        finally:
            server.terminate()


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while server.poll() is None and time.monotonic() < deadline:
        with socket.socket() as knock:
            if knock.connect_ex((lab.LOOPBACK, port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not start: {log.read_text()[-500:]}")
