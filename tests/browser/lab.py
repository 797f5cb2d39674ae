"""JupyterLab on a copy of the lessons, as a learner has it, and one page of it in a browser."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page

from tools import lab

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "build/screenshots"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OWN_FOLDERS = (
    *("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"),
    *("JUPYTERLAB_WORKSPACES_DIR", "JUPYTERLAB_SETTINGS_DIR", "IPYTHONDIR", "MPLCONFIGDIR", "HOME"),
)
START_S, RUN_MS = 60, 150_000
WIDTH, HEIGHT, FRAME, MOST_HEIGHT = 1280, 900, 200, 16_000  # pixels

PANEL = "document.querySelector('.jp-WindowedPanel-outer')"
CODE = "[...window.jupyterapp.shell.currentWidget.content.model.cells].filter(cell => cell.type === 'code')"
STATE = f"() => {CODE}.map(cell => cell.toJSON())"
OVER = f"() => {CODE}.every(cell => cell.executionState === 'idle') && {CODE}.some(cell => cell.executionCount)"


def browser_here() -> str | None:
    """Return the path of a browser that Playwright can drive, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: its address, and the progress file of its kernels."""

    address: str
    progress: Path


@contextmanager
def running(folder: Path) -> Iterator[Lab]:
    """Run JupyterLab on a copy of the lessons, with folders of its own; nothing else on the machine is touched."""
    shutil.copytree(ROOT / "notebooks", folder / "course/notebooks")
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
    command = [sys.executable, "-m", "jupyterlab", *lab.QUIET, *(f"--{key}={value}" for key, value in settings.items())]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, env=env, stdout=log, stderr=log) as server:
        try:
            _wait_for(port, server, folder / "log")
            yield Lab(f"http://{lab.LOOPBACK}:{port}", folder / "progress.json")
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


@dataclass(frozen=True)
class Lesson:
    """One lesson, open in a browser."""

    page: Page
    name: str

    def run_all(self) -> None:
        """Choose Run All from the menu, as a learner does, and wait for the end."""
        self.page.evaluate("window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_text("Run All Cells", exact=True).click()
        self.page.wait_for_function(OVER, timeout=RUN_MS)

    def cells(self) -> list[dict[str, Any]]:
        """Return the code cells with their outputs."""
        found: list[dict[str, Any]] = self.page.evaluate(STATE)
        return found

    def whole(self) -> None:
        """Make the window as high as the lesson, so that all of it is in view."""
        height = self.page.evaluate(f"{PANEL}.querySelector('.jp-WindowedPanel-viewport').scrollHeight") + FRAME
        self.page.set_viewport_size({"width": WIDTH, "height": min(height, MOST_HEIGHT)})
        self.page.evaluate(f"{PANEL}.scrollTop = 0")

    def keep(self, what: str = "") -> None:
        """Keep a picture of what is in view."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{self.name}{what}.png")

    @property
    def panel(self) -> Locator:
        """The output of the cell that explores."""
        return self.page.locator(".jp-OutputArea-output", has=self.page.get_by_role("button", name="Stop", exact=True))


@contextmanager
def opened(page: Page, address: str, name: str) -> Iterator[Lesson]:
    """Open a lesson and wait until its kernel is idle; shut the kernel down at the end."""
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    page.goto(f"{address}/lab/tree/notebooks/{name}.ipynb?reset")
    page.locator(".jp-StatusBar-TextItem", has_text="| Idle").first.wait_for(timeout=START_S * 1000)
    try:
        yield Lesson(page, name)
    finally:
        page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
