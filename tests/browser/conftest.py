"""One JupyterLab and one browser for all tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.browser.lab import Lab, running
from tools.browser import NONE_HERE, browser_here


# While Playwright is there, its event loop runs in this thread, and no other test may find it there.
@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """Return a page of a browser without a window; skip where there is no browser."""
    browser = browser_here()
    if browser is None:
        pytest.skip(NONE_HERE)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser)
        yield chromium.new_page()
        chromium.close()


@pytest.fixture(scope="module")
def lab(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:  # no browser, no JupyterLab
    """Return a JupyterLab on a copy of the lessons."""
    folder: Path = tmp_path_factory.mktemp("lab")
    with running(folder) as lab:
        yield lab
