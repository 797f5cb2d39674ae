"""A replay in a real browser, as a page by itself: no kernel, no server, the keyboard alone, in light and in dark."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Locator, Page, expect

import iolab
from iolab.archive import runs
from iolab.data.reference import DATA
from iolab.playback.player import Replay
from iolab.trace.timeline import Timeline

CALLS, MOST_CALLS, FRAMES, FRAME_MS = 60, 5000, 300, 33


def recorded(*names: str, calls: int = CALLS) -> Replay:
    folder = Path(DATA) / "recorded/lessons"
    return iolab.replay(*(runs.read(folder / f"{name}.json.gz", Timeline) for name in names), calls=calls)


@pytest.fixture(scope="module")
def player(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Locator:
    """Return the player on a page that was saved; an error of its script fails the test that comes next."""
    return shown(page, recorded("06-one-epoll"), tmp_path_factory.mktemp("replay"))


def shown(page: Page, replay: Replay, folder: Path) -> Locator:
    page.goto(replay.save(folder / "replay.html").as_uri())
    player = page.get_by_role("group", name=replay.title)
    expect(player).to_be_visible()
    return player


def moment(player: Locator) -> float:
    at: float = player.evaluate("element => element.player.t")
    return at


@pytest.fixture
def rewound(player: Locator) -> Iterator[Locator]:
    """Return the player at the start."""
    player.press("Home")
    yield player
    player.evaluate("element => element.player.pause()")


def test_it_plays_and_pauses(rewound: Locator) -> None:
    start = moment(rewound)
    rewound.press(" ")
    expect(rewound.get_by_role("button", name="Pause (space)")).to_be_visible()
    rewound.page.wait_for_function("start => document.querySelector('.iolab-replay').player.t > start", arg=start)
    rewound.press(" ")
    at = moment(rewound)
    expect(rewound.get_by_role("button", name="Play (space)")).to_be_visible()
    assert moment(rewound) == at > start


def test_it_plays_to_the_end(rewound: Locator) -> None:
    rewound.get_by_label("speed").select_option("1")
    rewound.press(" ")
    expect(rewound.get_by_role("button", name="Play (space)")).to_be_visible()
    assert moment(rewound) == rewound.evaluate("element => element.player.end")


def test_it_steps_from_call_to_call_and_back(rewound: Locator) -> None:
    said = [rewound.get_by_role("status").inner_text()]
    for _ in range(4):
        rewound.press("ArrowRight")
        said.append(rewound.get_by_role("status").inner_text())
    rewound.press("ArrowLeft")
    assert rewound.get_by_role("status").inner_text() == said[-2]
    assert len(set(said)) == len(said)
    assert rewound.locator(".line.lit").count() == 1


def test_it_jumps_from_call_to_call_for_who_wants_no_motion(rewound: Locator) -> None:
    rewound.page.emulate_media(reduced_motion="reduce")
    start = moment(rewound)
    rewound.press(" ")
    rewound.page.wait_for_function("start => document.querySelector('.iolab-replay').player.t > start", arg=start)
    rewound.press(" ")
    rewound.page.emulate_media(reduced_motion="no-preference")
    assert rewound.evaluate("element => element.player.runs[0].ends.includes(element.player.t)")


def test_it_goes_to_any_moment(rewound: Locator) -> None:
    start, scrub = moment(rewound), rewound.get_by_label("Moment of the run")
    scrub.fill("5000")
    assert start < moment(rewound) < rewound.evaluate("element => element.player.end")
    rewound.press("End")
    assert scrub.input_value() == "10000"


def test_its_calls_are_a_table(rewound: Locator) -> None:
    rewound.get_by_text("The calls as a table").click()
    expect(rewound.get_by_role("row")).to_have_count(CALLS + 1)
    assert violations(rewound.page) == []
    rewound.get_by_text("The calls as a table").click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_it(rewound: Locator, scheme: Any) -> None:
    rewound.page.emulate_media(color_scheme=scheme)
    for _ in range(9):
        rewound.press("ArrowRight")
    assert violations(rewound.page) == []


def violations(page: Page) -> list[tuple[str, list[str]]]:
    found = Axe().run(page).response["violations"]
    return [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found]


def test_it_fits_a_small_window(rewound: Locator) -> None:
    rewound.page.set_viewport_size({"width": 1024, "height": 800})
    assert rewound.page.evaluate("document.documentElement.scrollWidth") == 1024


@pytest.mark.certify
def test_two_share_one_clock(page: Page, tmp_path: Path) -> None:
    names = "06-one-io_uring-oneshot", "06-one-io_uring"
    player = shown(page, recorded(*names), tmp_path)
    for _ in range(30):
        player.press("ArrowRight")
    assert player.locator(".line.lit").count() == 2
    player.evaluate("element => element.player.destroy()")


@pytest.mark.certify
@pytest.mark.parametrize("model", ["epoll", "nonblocking", "threads"])
def test_no_frame_is_late(page: Page, tmp_path: Path, model: str) -> None:
    replay = iolab.replay(iolab.timeline(model, connections=10, requests=2500), calls=MOST_CALLS)
    player = shown(page, replay, tmp_path)
    player.press(" ")
    page.wait_for_function(f"document.querySelector('.iolab-replay').player.frames.length >= {FRAMES}")
    frames = sorted(player.evaluate("element => element.player.frames"))
    assert frames[-1] <= FRAME_MS, f"{sum(each > FRAME_MS for each in frames)} of {len(frames)} took longer"
