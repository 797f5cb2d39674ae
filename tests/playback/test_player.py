"""The replay as a value: in a notebook, as a page, as a widget."""

import json
import re
from pathlib import Path

import pytest

import iolab
from iolab.playback.player import Replay
from iolab.trace.calls import Call
from tests.made_up import timeline_of


@pytest.fixture
def replay() -> Replay:
    calls = [Call("recv", 0, 0, 9_000, 64, 1), Call("send", 0, 9_500, 9_900, 64, 1)]
    return iolab.replay(timeline_of(calls))


def test_a_notebook_gets_the_player_with_its_data(replay: Replay) -> None:
    html = replay._repr_html_()
    (data,) = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', html, re.DOTALL)
    assert json.loads(data) == json.loads(json.dumps(replay.data))
    assert "http" not in re.sub(r"http://www\.w3\.org/\S*", "", html)  # it fetches nothing
    assert "Scripts are off here" in html and "<li>recv returns 64 bytes of client 0" in html


def test_it_is_told_in_words_where_nothing_plays(replay: Replay) -> None:
    assert repr(replay).startswith("Replay of ") and "2 calls" in repr(replay)


def test_a_page_plays_by_itself(replay: Replay, tmp_path: Path) -> None:
    page = replay.save(tmp_path / "replay.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and f"<title>{replay.title}</title>" in page


def test_a_widget_has_the_same_data(replay: Replay) -> None:
    widget = replay.widget()
    assert widget.data == replay.data
    widget.close()


@pytest.mark.parametrize("timelines", [(), ("epoll",), (None, None, None)])
def test_anything_but_one_timeline_or_two_is_refused(timelines: tuple[object, ...]) -> None:
    with pytest.raises(iolab.UsageError, match="expected one timeline or two"):
        iolab.replay(*timelines)  # type: ignore[arg-type]
