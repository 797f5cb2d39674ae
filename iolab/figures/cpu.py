"""CPU use of the server over the time of a run."""

from collections.abc import Sequence

from iolab.figures.style import CYCLE, DASHES, CourseFigure, drawn, finish, key, new, placements
from iolab.measure.run import Run


@drawn
def cpu(*runs: Run, labels: Sequence[str] = ()) -> CourseFigure:
    """Draw the CPU use of the server over time, one line a run, under its model's name or your label."""
    figure, (axes,) = new(height_in=2.8)
    names = labels or [run.model for run in runs]
    for number, (run, name) in enumerate(zip(runs, names, strict=True)):
        at_ns, share = run.cpu.share()
        seconds = (at_ns - run.cpu.at_ns[0]) / 1e9
        per_request = "" if run.cpu_us_per_request is None else f", {run.cpu_us_per_request:.1f} µs a request"
        label = f"{name}: {run.cpu_share:.0%} of a CPU{per_request}"
        axes.plot(seconds, 100 * share, DASHES[number % len(DASHES)], color=CYCLE[number % len(CYCLE)], label=label)
    axes.set_ylim(0, axes.get_ylim()[1] * (1.05 + 0.14 * len(runs)))  # room for the names
    axes.set_xlim(0, None)
    axes.set_xlabel("seconds")
    axes.set_ylabel("CPU use of the server, %")
    axes.set_title("CPU use of the server")
    key(axes, loc="upper right")
    alt = "CPU use of the server over time. " + " ".join(
        f"{name}: {run.cpu_share:.0%} of one CPU on average." for run, name in zip(runs, names, strict=True)
    )
    return finish(figure, alt, placements(*runs))
