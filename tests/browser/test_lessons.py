"""The lessons as a learner has them: JupyterLab in a real browser, Run All, a guess, a slider, a figure.

`make test` opens one lesson, `make certify` all of them; each leaves its picture in build/screenshots.
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
FEW = ("01",)

OURS = {"include": [[".jp-OutputArea-output"], [".jp-RenderedMarkdown"]], "exclude": [[".noUi-handle"]]}
"""What axe looks at. A handle of ipywidgets' sliders has no name; each has a list or a number beside it that has."""

ASK_KERNEL = """code => void
    window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code})"""
"""Runs code in the lesson's kernel, and does not wait for its end."""

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

    def test_without_a_guess_nothing_is_spoiled(self, lesson: Lesson) -> None:
        questions = lesson.page.locator(".iolab-question").count()
        expect(lesson.page.get_by_text("Guess first, then run this cell again.")).to_have_count(questions)
        expect(lesson.page.locator("details:not([open])", has_text="Measured: ")).to_have_count(questions)
        expect(lesson.page.get_by_text("Measured: ")).to_have_count(questions)

    def test_a_guess_gets_a_receipt_and_is_saved(self, lesson: Lesson, lab: Lab) -> None:
        before = guesses(lab)
        question = lesson.page.locator(".iolab-question").first
        expect(question.get_by_role("radio", checked=True)).to_have_count(0)
        answer(question)
        expect(question.get_by_role("status")).to_contain_text("Saved: ")
        assert guesses(lab) != before

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

    @pytest.mark.certify
    def test_an_earlier_run_stays_and_what_changed_is_marked(self, lesson: Lesson) -> None:
        panel = lesson.panel
        panel.get_by_label("Connections", exact=True).select_option("2")
        expect(panel.get_by_role("status")).to_contain_text("Changed since run 1: Connections.")
        run(panel).click()
        expect(panel.get_by_role("rowheader")).to_have_text(["1", "2"], timeout=RUN_MS)
        expect(panel.get_by_title("changed")).to_have_text(["2"])
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
        expect(panel.get_by_role("status")).to_contain_text(re.compile("Stopping: waiting|stopped early"))
        expect(panel.get_by_role("status")).to_contain_text("stopped early", timeout=RUN_MS)

    def test_while_a_cell_runs_it_says_that_a_click_waits(self, lesson: Lesson) -> None:
        sign = lesson.panel.get_by_text("A cell is running: Run and Stop are heard when it has ended.")
        expect(sign).to_be_hidden()
        lesson.page.evaluate(ASK_KERNEL, "import threading; iolab_end = threading.Event(); iolab_end.wait(60)")
        expect(sign).to_be_visible()
        lesson.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt()")
        expect(sign).to_be_hidden()

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

    def test_nothing_of_a_teacher_is_there_and_the_terminal_is_quiet(self, lesson: Lesson, lab: Lab) -> None:
        expect(lesson.page.get_by_text(re.compile("nbgrader|validate|assignment", re.IGNORECASE))).to_have_count(0)
        assert lab.log.read_text() == ""


def run(panel: Locator) -> Locator:
    return panel.get_by_role("button", name="Run", exact=True)


def guesses(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lab.progress.read_text()).get("guesses", {}) if lab.progress.exists() else {}
    return found


def answer(question: Locator) -> None:
    """Answer a question, whichever kind it is."""
    field = question.get_by_role("textbox")
    if field.count():
        field.fill("42")
        field.press("Enter")
    else:
        question.get_by_role("radio").last.check()
