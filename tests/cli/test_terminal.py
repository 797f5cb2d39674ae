"""Rows of figures as a terminal shows them."""

from rich.console import Console

from iolab.cli import terminal


def text_of(*parts: object, columns: int = 80) -> list[str]:
    console = Console(width=columns, force_terminal=False)
    with console.capture() as capture:
        for part in parts:
            console.print(part)
    return capture.get().splitlines()


def test_a_comparison_leaves_out_what_makes_it_too_wide() -> None:
    row = {"model": "epoll", "connections": 10, "requests": 5, "per_s": 1.0, "server_cpu_share": 0.5, "ratio": 1.0}
    heading, figures = text_of(terminal.table([row]))
    assert "requests" not in heading.split() and "ratio" in heading.split()
    assert figures.split()[0] == "epoll"


def test_a_load_shows_its_requests() -> None:
    assert "requests" in text_of(terminal.table([{"requests": 5, "per_s": 1.0}]))[0]


def test_every_sentence_has_a_mark() -> None:
    assert text_of(*terminal.notes(["one", "two"])) == ["! one", "! two"]


def test_bars_share_an_axis_of_whole_decades() -> None:
    axis = text_of(terminal.spans({"a": (30.0, 90.0), "b": (300.0, 5000.0)}))[-1].split()
    assert axis == ["10", "µs", "100", "µs", "1", "ms", "10", "ms"]
