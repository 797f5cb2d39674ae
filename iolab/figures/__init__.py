"""Records in, a matplotlib Figure out, each with a text that says what it shows.

All figures share axes, colours and units: latency in microseconds on a logarithmic axis,
one colour a model in all figures that hold several, and under the plot the placement of server
and client, with what makes the runs less than they seem.
"""

from iolab.figures.anatomy import anatomy
from iolab.figures.cpu import cpu
from iolab.figures.experiments import experiment
from iolab.figures.latency import latency, percentiles
from iolab.figures.omission import omission
from iolab.figures.phases import phases
from iolab.figures.ranking import ranking
from iolab.figures.style import CourseFigure
from iolab.figures.textbook import textbook

__all__ = [
    "CourseFigure",
    "anatomy",
    "cpu",
    "experiment",
    "latency",
    "omission",
    "percentiles",
    "phases",
    "ranking",
    "textbook",
]
