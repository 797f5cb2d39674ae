"""One lesson, open in a browser, as a learner has it: what drives it for the tests, and for `make newcomer`."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page

ROOT = Path(__file__).resolve().parent.parent
SCREENSHOTS = ROOT / "build/screenshots"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NONE_HERE = "there is no Chromium here; on Debian: apt-get install chromium"
START_S, RUN_MS = 120, 150_000
WIDTH, HEIGHT, FRAME, MOST_HEIGHT = 1280, 900, 200, 16_000  # pixels

PANEL = "document.querySelector('.jp-WindowedPanel-outer')"
CODE = "[...window.jupyterapp.shell.currentWidget.content.model.cells].filter(cell => cell.type === 'code')"
STATE = f"() => {CODE}.map(cell => cell.toJSON())"
OVER = f"() => {CODE}.every(cell => cell.executionState === 'idle') && {CODE}.some(cell => cell.executionCount)"


def browser_here() -> str | None:
    """Return the path of a browser that Playwright can drive, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@dataclass(frozen=True)
class Lesson:
    """One lesson, open in a browser; its JupyterLab has `LabApp.expose_app_in_browser` set."""

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
    page.goto(f"{address}/lab/tree/notebooks/{name}.ipynb?reset", timeout=START_S * 1000)
    page.locator(".jp-StatusBar-TextItem", has_text="| Idle").first.wait_for(timeout=START_S * 1000)
    try:
        yield Lesson(page, name)
    finally:
        page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
