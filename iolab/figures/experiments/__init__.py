"""One figure an experiment: this machine's run, the recorded one and the published figures, on logarithmic axes."""

from collections.abc import Callable
from typing import Any

from iolab.errors import guard
from iolab.experiments.result import Result
from iolab.figures.experiments.connections import connection_cost
from iolab.figures.experiments.copies import copy_cost
from iolab.figures.experiments.crews import balance, cores, herd
from iolab.figures.experiments.equals import same
from iolab.figures.experiments.idle_connections import idle_cost
from iolab.figures.experiments.interpreter_lock import gil
from iolab.figures.experiments.stalls import omission
from iolab.figures.experiments.uring_steps import files, ring_steps
from iolab.figures.experiments.waits import wait_cost
from iolab.figures.style import CourseFigure

FIGURES: dict[str, Callable[[Any], CourseFigure]] = {
    draw.__name__: draw
    for draw in (
        *(copy_cost, wait_cost, idle_cost, omission, gil, ring_steps, files, connection_cost),
        *(herd, balance, cores, same),
    )
}
"""The figures by the name of their experiment."""


@guard
def experiment(record: Result) -> CourseFigure:
    """Draw the record of an experiment beside the recorded run and what is published."""
    return FIGURES[record.name](record)
