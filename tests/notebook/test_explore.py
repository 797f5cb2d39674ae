"""The panel to explore with: what it offers, one run at a time, stopped when asked, and its controls."""

import html
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets
import pytest
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_notebook, new_output

import iolab
from iolab.errors import UsageError
from iolab.kernel import descriptors
from iolab.notebook.explore import STOPPING, Explorer, View, _turn, panel
from iolab.notebook.history import MOST_ROWS, Attempt, History
from tests.made_up import machine_without

pytestmark = pytest.mark.usefixtures("first", "nothing_left")


@pytest.fixture(scope="module")
def first() -> Attempt:
    """Return one run; the thread that makes them has opened its fonts then, which it keeps."""
    explorer = iolab.explore("epoll", rate_per_s=100)
    run_once(explorer)
    return explorer.history.attempts[0]


@pytest.fixture
def explorer(first: Attempt) -> Explorer:
    """Return a panel that has made one run."""
    explorer = iolab.explore("epoll", rate_per_s=100)
    explorer.history = explorer.history.add(first.chosen, first.run, first.stopped)
    return explorer


def choices(explorer: Explorer, **instead: Any) -> dict[str, Any]:
    return {setting.key: setting.start for setting in explorer.settings} | instead


def values(explorer: Explorer, key: str) -> list[Any]:
    return next([value for _, value in setting.options] for setting in explorer.settings if setting.key == key)


def run_once(explorer: Explorer, **instead: Any) -> list[View]:
    views: list[View] = []
    explorer.run(choices(explorer, **instead), views.append)
    until(lambda: not views[-1].running)
    return views


class TestWhatItOffers:
    def test_it_starts_from_what_it_is_given(self) -> None:
        given = {"connections": 7, "size_bytes": 100, "rate_per_s": 250, "work_us": 5, "idle": 42}
        explorer = iolab.explore("poll", **given)
        assert choices(explorer) == {"model": "poll", **given}
        assert all(values(explorer, key) == sorted({*values(explorer, key), value}) for key, value in given.items())

    def test_no_more_connections_than_the_machine_can_hold(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(descriptors, "room", lambda: 130)
        explorer = iolab.explore("epoll", connections=100, idle=900)
        assert choices(explorer)["connections"] == choices(explorer)["idle"] == 65
        assert max(values(explorer, "connections")) + max(values(explorer, "idle")) <= 130

    def test_with_hardly_any_room_there_is_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(descriptors, "room", lambda: 0)
        assert (values(iolab.explore(), "connections"), values(iolab.explore(), "idle")) == ([1], [0])

    def test_a_model_that_cannot_run_is_named_with_its_reason(self, monkeypatch: pytest.MonkeyPatch) -> None:
        machine_without("epoll", "1 < 2", monkeypatch)
        explorer = iolab.explore("epoll")
        assert "epoll" not in values(explorer, "model") and choices(explorer)["model"] in values(explorer, "model")
        assert "Not on this machine: epoll: 1 &lt; 2." in explorer.notes

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ({"model": "epol"}, "did you mean epoll"),
            ({"connections": 0}, "connections must be a whole number from 1 to 1000, not 0"),
            ({"rate_per_s": -1}, "rate_per_s must be a whole number from 0 to 30000"),
            ({"work_us": 0.5}, "work_us to be a whole number"),
            ({"size_bytes": "64"}, "size_bytes to be a whole number, not '64'"),
        ],
    )
    def test_what_it_cannot_start_from_is_told(self, given: Any, says: str) -> None:
        with pytest.raises(UsageError, match=says):
            iolab.explore(**given)

    def test_without_a_browser_it_is_a_line_and_measures_nothing(self, shown: list[dict[str, Any]]) -> None:
        iolab.explore()._ipython_display_()
        page, panel = shown
        assert page["text/plain"].endswith("Nothing has been measured.") and "\n" not in page["text/plain"]
        assert "application/vnd.jupyter.widget-view+json" in panel

    def test_it_does_not_vanish_from_a_page_of_nbconvert(self, shown: list[dict[str, Any]]) -> None:
        iolab.explore()._ipython_display_()
        outputs = [new_output("display_data", data=data) for data in shown]
        book = new_notebook(cells=[new_code_cell("panel", outputs=outputs)])
        page, _ = HTMLExporter().from_notebook_node(book)  # type: ignore[no-untyped-call]
        body = page.partition("<main>")[2]
        assert "A panel to explore with, for a browser: Model" in body and "open the lesson there, and run" in body


class TestARun:
    def test_it_shows_the_figures_and_the_figure(self) -> None:
        first, *_, last = run_once(iolab.explore("epoll"), connections=3, rate_per_s=300)
        assert first.running and not last.running and last.sentence.startswith("Done: ")
        assert last.result is not None and "<table " in last.result and "<img " in last.result
        assert "3 connections" in html.unescape(last.result)

    def test_earlier_runs_stay_and_what_changed_is_marked(self, explorer: Explorer) -> None:
        run_once(explorer, connections=5)
        result = run_once(explorer, connections=5, model="select")[-1].result
        assert result is not None
        table, _, pictures = html.unescape(result).partition("</table>")
        assert [each[1] for each in re.findall(r'<th scope="row"([^>]*)>([^<]*)', table)] == ["1", "2", "3"]
        assert re.findall(r'<b title="changed"[^>]*>([^<]*)</b>', table) == ["5", "select"]
        assert "In every run: message size 64 B, rate 100/s," in table and "Connections" in table
        for name in ("1: epoll, connections 10", "2: epoll, connections 5", "3: select, connections 5"):
            assert name in pictures
        assert "Every connection of run 3" in pictures

    def test_of_many_runs_the_oldest_goes(self, explorer: Explorer, first: Attempt) -> None:
        for _ in range(MOST_ROWS):
            explorer.history = explorer.history.add(first.chosen, first.run, stopped=True)
        assert [each.number for each in explorer.history.attempts] == list(range(2, MOST_ROWS + 2))
        assert explorer.history.attempts[-1].stopped

    def test_what_is_set_otherwise_since_the_last_run_is_told(self, explorer: Explorer) -> None:
        assert iolab.explore().compare_settings(choices(explorer, idle=10)) == ""
        assert explorer.compare_settings(choices(explorer)) == ""
        says = "Changed since run 1: Model, Idle connections. Press Run to measure it."
        assert explorer.compare_settings(choices(explorer, idle=10, model="select")) == says

    def test_how_far_it_is_grows(self) -> None:
        views = run_once(iolab.explore("epoll"))
        shares = [view.done for view in views if view.done is not None]
        assert shares == sorted(shares) and len(shares) > 1
        assert all("<progress " in view.status for view in views[:-2]) and "<progress" not in views[-1].status
        assert views[-2].sentence.startswith("Drawing ")

    def test_the_work_of_a_reply_is_done(self) -> None:
        (*_, idle), (*_, busy) = (run_once(iolab.explore("epoll"), rate_per_s=100, work_us=us) for us in (0, 3000))
        assert idle.result is not None and busy.result is not None and idle.result != busy.result

    def test_it_leaves_the_caller_free_and_is_not_started_twice(self) -> None:
        explorer, views = iolab.explore(), list[View]()
        for _ in range(3):
            explorer.run(choices(explorer, rate_per_s=100), views.append)
        until(lambda: not views[-1].running)
        assert [view.sentence for view in views].count("Starting.") == 1
        assert [view.running for view in views].count(False) == 1

    def test_another_panel_waits_for_its_turn(self) -> None:
        one, other = iolab.explore(), iolab.explore()
        one.run(choices(one), lambda view: None)
        (view,) = run_once(other)
        one.stop()
        one.wait()
        assert view.sentence.startswith("Another panel is measuring") and not view.running
        assert run_once(other, rate_per_s=100)[-1].sentence.startswith("Done")

    def test_a_stop_ends_it_early_and_shows_what_there_is(self) -> None:
        explorer, views, some = iolab.explore(), list[View](), threading.Event()

        def show(view: View) -> None:
            views.append(view)
            if view.sentence.startswith("Measuring") and not view.sentence.startswith("Measuring: 0"):
                some.set()

        explorer.run(choices(explorer), show)
        assert some.wait(30)
        explorer.stop()
        assert STOPPING in [view.sentence for view in views]
        until(lambda: not views[-1].running)
        assert views[-1].sentence.endswith("stopped early.") and views[-1].result is not None
        after = [view.sentence for view in views][[view.sentence for view in views].index(STOPPING) :]
        assert not [sentence for sentence in after if sentence.startswith("Measuring")]

    def test_a_stop_when_all_has_been_asked_is_early_too(
        self, explorer: Explorer, first: Attempt, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(History, "_repr_html_", lambda history: history._row(1, []))
        assert not first.run.records.stopped
        explorer.stop()
        view = explorer._conclude(first.chosen, first.run)
        assert view.sentence.endswith("stopped early.") and "2<br><small>stopped early</small>" in str(view.result)

    def test_a_stop_at_once_is_heard(self) -> None:
        explorer, views = iolab.explore(), list[View]()
        explorer.run(choices(explorer), views.append)
        explorer.stop()
        until(lambda: not views[-1].running)
        assert views[-1].sentence.endswith("stopped early.")
        assert not run_once(explorer, rate_per_s=100)[-1].sentence.endswith("stopped early.")

    def test_a_stop_with_nothing_on_changes_nothing(self) -> None:
        explorer = iolab.explore()
        explorer.stop()
        explorer.wait()
        assert run_once(explorer, rate_per_s=100)[-1].sentence.startswith("Done")

    def test_what_cannot_be_measured_is_told_in_a_sentence(self) -> None:
        last = run_once(iolab.explore(), model="epol")[-1]
        assert last.sentence.startswith("This could not be measured: there is no model 'epol'") and not last.running
        assert not _turn.locked()

    def test_after_a_crash_there_is_a_next_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(History, "add", lambda *arguments: 1 / 0)
            assert "ZeroDivisionError" in run_once(iolab.explore(), rate_per_s=100)[-1].sentence
        assert run_once(iolab.explore(), rate_per_s=100)[-1].sentence.startswith("Done")


def parts(box: Any) -> Iterator[Any]:
    yield box
    for child in getattr(box, "children", ()):
        yield from parts(child)


def button(box: Any, name: str) -> Any:
    return next(part for part in parts(box) if isinstance(part, ipywidgets.Button) and part.description == name)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class TestControls:
    def test_each_has_a_name_and_a_slider_moves_with_its_list(self) -> None:
        box = panel(iolab.explore())
        lists = {part.description: part for part in parts(box) if isinstance(part, ipywidgets.Dropdown)}
        sliders = [part for part in parts(box) if isinstance(part, ipywidgets.SelectionSlider)]
        assert list(lists) == ["Model", "Connections", "Message size", "Rate", "Reply work", "Idle connections"]
        assert len(sliders) == 5
        sliders[0].value = 50
        assert lists["Connections"].value == 50
        lists["Idle connections"].value = 10
        assert sliders[4].value == 10

    def test_run_and_stop(self) -> None:
        explorer = iolab.explore(rate_per_s=300)
        box = panel(explorer)
        run, stop, result = button(box, "Run"), button(box, "Stop"), box.children[-1]
        assert stop.disabled and not run.disabled
        run.click()
        assert run.disabled and not stop.disabled
        stop.click()
        until(lambda: not run.disabled)
        explorer.wait()
        assert stop.disabled and "stopped early" in box.children[2].children[2].value and "<table " in result.value
