"""CPU use of the server over the time of a run."""

from collections.abc import Sequence

from iolab.figures.style import CourseFigure, beware, drawn, finish, key, line, new, placements
from iolab.measurement.run import Run


@drawn
def cpu(*runs: Run, labels: Sequence[str] = ()) -> CourseFigure:
    """Draw the CPU use of the server over time, one line a run, under its model's name or your label.

    Each line ends with its load, and not with the last reading of the clock, which came later.
    """
    figure, (axes,) = new(height_in=2.95)
    names = labels or [run.model for run in runs]
    for number, (run, name) in enumerate(zip(runs, names, strict=True)):
        at_ns, share = run.cpu.until(run.records.end_ns).share()
        per_request = "" if run.cpu_us_per_request is None else f", {run.cpu_us_per_request:.1f} µs a request"
        label = f"{name}: {run.cpu_share:.0%} of a CPU{per_request}"
        axes.plot((at_ns - run.cpu.at_ns[0]) / 1e9, 100 * share, label=label, **line(number, run.model))
    axes.set_ylim(0, 1.06 * max(1, axes.dataLim.y1))
    axes.set_xlim(0, None)
    axes.set_xlabel("seconds")
    axes.set_ylabel("CPU use of the server, %")
    axes.set_title("CPU use of the server")
    key(axes)
    alt = "CPU use of the server over time. " + " ".join(
        f"{name}: {run.cpu_share:.0%} of one CPU on average." for run, name in zip(runs, names, strict=True)
    )
    return finish(figure, alt, placements(*runs), beware(*runs, names=names))
