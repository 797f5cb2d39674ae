"""Records in, a matplotlib Figure out, each with a text that says what it shows.

All figures share axes, colours and units: latency in microseconds on a logarithmic axis,
one colour a model in all figures that hold several, and under the plot the placement of server
and client, with what makes the runs less than they seem.
"""

from iolab.figures.chapter import textbook
from iolab.figures.clocks import omission
from iolab.figures.cpu_time import cpu
from iolab.figures.experiments import experiment
from iolab.figures.latencies import latency, percentiles
from iolab.figures.parts import anatomy
from iolab.figures.rankings import ranking
from iolab.figures.style import CourseFigure
from iolab.figures.timelines import phases

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
