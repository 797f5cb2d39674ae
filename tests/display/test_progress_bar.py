"""The progress bar of a notebook and of a terminal."""

import re
import sys
from types import ModuleType, SimpleNamespace

import pytest

from iolab.display import progress_bar
from iolab.display.progress_bar import Tick

pytestmark = pytest.mark.usefixtures("nothing_left")


def fake_notebook(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make the bar believe that it is in a notebook; return what it shows there."""
    shown: list[str] = []
    module = ModuleType("IPython.display")

    class Handle:
        def update(self, drawn: str) -> None:
            shown.append(drawn)

    def display(drawn: str, display_id: bool) -> Handle:
        shown.append(drawn)
        return Handle()

    vars(module).update(HTML=str, display=display)
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return shown


class TestBars:
    def test_in_a_notebook_it_grows_and_is_gone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shown = fake_notebook(monkeypatch)
        with progress_bar.progress_bar() as show:
            for step in range(100):
                show("<mine>", Tick(step / 100, step * 10, 0))
        assert 0 < len(shown) - 1 <= 100 / progress_bar.TICKS_PER_FRAME
        assert "&lt;mine&gt;" in shown[0]
        assert shown[-1] == ""
        values = [float(value) for value in re.findall('value="([^"]+)"', "".join(shown))]
        assert values == sorted(values)

    def test_what_ends_soon_has_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shown = fake_notebook(monkeypatch)
        with progress_bar.progress_bar() as show:
            show("short", Tick(0.5, 1, 0))
        assert shown == []

    @pytest.mark.parametrize("somebody", [True, False])
    def test_it_is_drawn_for_somebody_who_watches(self, monkeypatch: pytest.MonkeyPatch, somebody: bool) -> None:
        shown = fake_notebook(monkeypatch)
        kernel = SimpleNamespace(get_parent=lambda: {"content": {"allow_stdin": somebody}})
        monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(kernel=kernel))
        with progress_bar.progress_bar() as show:
            for step in range(100):
                show("mine", Tick(step / 100, 1000, 0))
        assert bool(shown) is somebody

    def test_it_is_gone_after_an_error_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shown = fake_notebook(monkeypatch)
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert shown[-1] == ""

    def test_in_a_terminal_it_is_drawn_and_gone(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
        with progress_bar.progress_bar() as show:
            for step in range(100):
                show("mine", Tick(step / 100, 1000, 0))
        out, err = capsys.readouterr()
        assert out == ""
        assert "1,000 requests" in err
        with progress_bar.progress_bar(quiet=True) as show:
            for step in range(100):
                show("mine", Tick(step / 100, 1000, 0))
        assert capsys.readouterr() == ("", "")


def interrupted() -> None:
    with progress_bar.progress_bar() as show:
        for _ in range(100):
            show("mine", Tick(0.5, 1, 0))
        raise KeyboardInterrupt
