"""One figure an experiment: this machine's run, the recorded one and the published figures, on logarithmic axes."""

from collections.abc import Callable
from typing import Any

from iolab.figures.experiments.connection_cost import connection_cost
from iolab.figures.experiments.gil import gil
from iolab.figures.experiments.idle_cost import idle_cost
from iolab.figures.experiments.omission import omission
from iolab.figures.experiments.wait_cost import wait_cost
from iolab.figures.style import CourseFigure
from iolab.measure.experiments import Record

FIGURES: dict[str, Callable[[Any], CourseFigure]] = {
    draw.__name__: draw for draw in (wait_cost, idle_cost, omission, gil, connection_cost)
}
"""The figures by the name of their experiment."""


def experiment(record: Record) -> CourseFigure:
    """Draw the record of an experiment beside the recorded run and what is published."""
    return FIGURES[record.name](record)
