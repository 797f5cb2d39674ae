"""What the doctor says of this machine."""

import re

import pytest

import iolab

pytestmark = pytest.mark.usefixtures("nothing_left")


class TestDoctor:
    def test_every_model_is_there_and_says_whether_it_runs(self) -> None:
        report = iolab.doctor()
        assert [row["model"] for row in report.models] == list(iolab.MODELS)
        shown = report._repr_html_()
        assert "runs here" in shown
        yes = re.findall(r'<th scope="row"[^>]*>([^<]+)</th><td[^>]*>yes</td>', shown)
        assert [name for name in yes if name in iolab.MODELS] == [row["model"] for row in report.models if row["runs"]]

    def test_what_does_not_run_says_why(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(type(iolab.MODELS["epoll"]), "why_not", lambda model: "1 < 2")
        assert "no: 1 &lt; 2" in iolab.doctor()._repr_html_()
