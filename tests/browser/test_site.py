"""The built site, for everybody: contrast, names and landmarks, in light and in dark, by axe-core in Chromium."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page

from tests.browser.lab import ROOT

PAGES = (
    *("index", "notebooks/01_blocking", "models", "api/index", "api/face"),
    *("docs/glossary", "docs/conformance", "docs/benchmarks"),
)
THEIRS = {"exclude": [["dt > dl"]]}
"""What axe leaves out. Sphinx writes the parameters of a long signature as a list of definitions without terms."""

pytestmark = [pytest.mark.certify, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def site(page: Page) -> Path:  # no browser, no site
    """Build the site."""
    done = subprocess.run(["make", "book"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / "build/book/html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_everybody_can_read_it(site: Path, page: Page, name: str, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto((site / f"{name}.html").as_uri())
    assert violations(page) == []


def test_everybody_can_read_a_lesson_on_a_telephone(site: Path, page: Page) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto((site / "notebooks/01_blocking.html").as_uri())
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 400


def violations(page: Page) -> list[tuple[str, list[str]]]:
    """Return the rules that are broken, and where."""
    found = Axe().run(page, context=THEIRS).response["violations"]
    return [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found]
