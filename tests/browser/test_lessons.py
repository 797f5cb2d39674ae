"""The lessons as a learner has them: JupyterLab in a real browser, Run All, a guess, a slider, a figure.

`make test` opens two lessons, `make certify` all of them; each leaves its picture in build/screenshots.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Locator, Page, expect

from tests.browser.lab import ROOT, Lab
from tools.browser import RUN_MS, Lesson, opened

LESSONS = [path.stem for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))]
FEW = ("00", "01")

OURS = {"include": [[".jp-OutputArea-output"], [".jp-RenderedMarkdown"]], "exclude": [[".noUi-handle"]]}
"""What axe looks at. A handle of ipywidgets' sliders has no name; each has a list or a number beside it that has."""

pytestmark = pytest.mark.timeout(300)


def marked(name: str) -> Any:
    return pytest.param(name, marks=() if name.startswith(FEW) else pytest.mark.certify)


@pytest.fixture(scope="module", params=map(marked, LESSONS))
def lesson(request: pytest.FixtureRequest, lab: Lab, page: Page) -> Iterator[Lesson]:
    """Open a lesson and run all of it."""
    with opened(page, lab.address, request.param) as lesson:
        lesson.run_all()
        yield lesson


class TestALesson:
    def test_it_runs_to_the_end_without_an_error(self, lesson: Lesson) -> None:
        cells = lesson.cells()
        errors = [output["ename"] for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]
        assert errors == []
        assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))

    def test_a_guess_is_taken(self, lesson: Lesson, lab: Lab) -> None:
        before = guesses(lab)
        answer_first(lesson.page)
        expect_soon(lesson.page, lambda: guesses(lab) != before)

    def test_it_can_be_explored_with_the_keyboard(self, lesson: Lesson) -> None:
        panel = lesson.panel
        connections, handle = panel.get_by_label("Connections", exact=True), panel.locator(".noUi-handle").first
        handle.focus()
        handle.press("ArrowLeft")
        expect(connections).to_have_value("5")
        panel.get_by_label("Model", exact=True).select_option("threads")
        run(panel).click()
        expect(panel.get_by_role("status")).to_contain_text("Done: ", timeout=RUN_MS)
        figure = panel.get_by_role("img")
        expect(figure).to_have_attribute("alt", re.compile("Latency of threads, 5 connections"))
        expect(run(panel)).to_be_enabled()

    def test_a_run_can_be_stopped(self, lesson: Lesson) -> None:
        panel = lesson.panel
        # A thousand threads that compute would keep the GIL from the one that hears of the stop.
        panel.get_by_label("Model", exact=True).select_option("epoll")
        for setting in ("Connections", "Reply work"):  # one round of replies takes seconds
            choice = panel.get_by_label(setting, exact=True)
            choice.select_option(choice.locator("option").last.get_attribute("value"))
        run(panel).click()
        panel.get_by_role("button", name="Stop", exact=True).click()
        expect(panel.get_by_role("status")).to_contain_text("stopped early", timeout=RUN_MS)

    def test_its_replays_step(self, lesson: Lesson) -> None:
        players = lesson.page.locator(".iolab-replay")
        expect(players).to_have_count(sum("iolab.replay(" in "".join(cell["source"]) for cell in lesson.cells()))
        for player in players.all():
            player.press("ArrowRight")
            expect(player.get_by_role("status")).not_to_contain_text("The run begins")

    def test_everybody_can_read_it(self, lesson: Lesson) -> None:
        found = Axe().run(lesson.page, context=OURS).response["violations"]
        assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found] == []

    def test_nothing_is_cut_off(self, lesson: Lesson) -> None:
        lesson.whole()
        lesson.keep()
        wide = """outputs => outputs.filter(output => output.scrollWidth > output.clientWidth + 1)
            .map(output => output.innerText.slice(0, 200))"""
        assert lesson.page.locator(".jp-OutputArea-output").evaluate_all(wide) == []

    def test_no_message_pops_up(self, lesson: Lesson) -> None:
        expect(lesson.page.locator(".jp-Dialog, .Toastify__toast")).to_have_count(0)


def run(panel: Locator) -> Locator:
    return panel.get_by_role("button", name="Run", exact=True)


def guesses(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lab.progress.read_text()).get("guesses", {}) if lab.progress.exists() else {}
    return found


def answer_first(page: Page) -> None:
    """Answer the first question of a lesson, whichever kind it is."""
    question = page.locator(".jp-OutputArea-output .widget-radio-box, .jp-OutputArea-output input[type=number]").first
    if question.evaluate("element => element.tagName") == "INPUT":
        question.fill("42")
        question.press("Enter")
    else:
        question.get_by_role("radio").last.check()


def expect_soon(page: Page, true: Any) -> None:
    for _ in range(300):
        if true():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it did not come true in half a minute")
