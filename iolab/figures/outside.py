"""Servers beside one another, as x-rays saw them: how many system calls a request takes, and what they are for."""

from collections.abc import Mapping
from itertools import starmap

from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from iolab.figures.style import (
    COPYING,
    GREY,
    INK,
    LOCKED,
    REPLYING,
    WAITING,
    WORKING,
    CourseFigure,
    finish,
    in_style,
    log_axis,
    new,
    require_some,
)
from iolab.xrays.facts import ACCEPTS, RECEIVES, SENDS, WAITS
from iolab.xrays.xray import Xray

OTHERS = "files, options and others"
KINDS = {
    "waits": (tuple(WAITS), WAITING),
    "receives, and reads of files": (RECEIVES, COPYING),
    "sends": (SENDS, REPLYING),
    "accepts and closes": ((*ACCEPTS, "close", "shutdown", "epoll_ctl"), WORKING),
    "locks (futex)": (("futex",), LOCKED),
    OTHERS: ((), GREY),
}
"""What calls are for: their names, and the colour."""


@in_style
def xrays(pictures: Mapping[str, Xray]) -> CourseFigure:
    """Draw how many system calls each of several servers made for a request, and the share of each kind."""
    require_some(list(pictures), "x-rays by the names of their servers")
    figure, (number, share) = new(1, 2, height_in=1.6 + 0.27 * len(pictures), width_ratios=(2, 3))
    for place, picture in enumerate(pictures.values()):
        number.plot(picture.counts.calls_per_request or 0, place, "o", color=INK, markersize=6)
        _stack(share, place, picture)
    for axes in (number, share):
        axes.set_ylim(len(pictures) - 0.5, -0.5)
        axes.set_yticks(range(len(pictures)), list(pictures) if axes is number else [""] * len(pictures))
    log_axis(number.xaxis, "system calls for a request", lambda value: f"{value:,.0f}")
    number.set_title("how many")
    share.xaxis.set_major_formatter(PercentFormatter(1))
    share.set_xlim(0, 1)
    share.set_xlabel("share of its calls")
    share.set_title("what they are for")
    figure.legend(*share.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return finish(figure, _alt(pictures), "counted under strace: calls on descriptors, waits and locks")


def _stack(axes: Axes, place: int, picture: Xray) -> None:
    left = 0.0
    for name, width in shares(picture).items():
        axes.barh(place, width, left=left, height=0.7, color=KINDS[name][1], label=None if place else name)
        left += width


def shares(picture: Xray) -> dict[str, float]:
    """Return the share of each kind of call."""
    calls = picture.counts.calls
    whole = max(1, sum(calls.values()))
    named = {name: sum(calls[each] for each in names) / whole for name, (names, _) in KINDS.items()}
    return named | {OTHERS: 1 - sum(named.values())}


def _alt(pictures: Mapping[str, Xray]) -> str:
    return f"System calls for a request, and what they are for: {'; '.join(starmap(_in_words, pictures.items()))}."


def _in_words(name: str, picture: Xray) -> str:
    parts = shares(picture)
    return f"{name} {picture.counts.calls_per_request or 0:.1f}, most of them {max(parts, key=parts.__getitem__)}"
