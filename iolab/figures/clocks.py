"""Coordinated omission: what a load that waits for the server does not see."""

import numpy as np

from iolab.figures.latencies import curve
from iolab.figures.style import (
    BLUE,
    GREEN,
    VERMILION,
    CourseFigure,
    beware,
    drawn,
    finish,
    key,
    new,
    placements,
    short_time,
)
from iolab.measurement.run import Run


@drawn
def omission(closed: Run, open_: Run) -> CourseFigure:
    """Draw a closed loop, and an open one timed twice: from the send, and from when each request was due."""
    curves = (
        ("closed loop", closed.records.service_ns, BLUE, "--"),
        ("open loop, timed from the send", open_.records.service_ns, GREEN, ":"),
        ("open loop, timed from when it was due", open_.records.response_ns, VERMILION, "-"),
    )
    figure, (axes,) = new()
    for label, times_ns, colour, dash in curves:
        curve(axes, times_ns, label, color=colour, linestyle=dash)
    key(axes)
    axes.set_title("one server that stalls, seen by three clocks")
    alt = "Percentile curves of one stalling server. " + " ".join(
        f"{label}: 99 % within {short_time(float(np.percentile(times_ns, 99)) / 1e3)}."
        for label, times_ns, _, _ in curves
        if len(times_ns)
    )
    warning = beware(closed, open_, names=("closed loop", "open loop"))
    return finish(figure, alt, placements(closed, open_), warning)
