"""Records in, a matplotlib Figure out, each with a text that says what it shows.

All figures share axes, colours and units: latency in microseconds on a logarithmic axis,
one colour a model in all figures that hold several, and under the plot the placement of server
and client, with the reasons to distrust the runs.
"""

from iolab.figures.chapter import textbook
from iolab.figures.experiments import experiment
from iolab.figures.ideas import idea
from iolab.figures.outside import xrays
from iolab.figures.rankings import ranking
from iolab.figures.runs import cpu, latency, omission, percentiles
from iolab.figures.style import CourseFigure
from iolab.figures.timelines import anatomy, phases

__all__ = [
    "CourseFigure",
    "anatomy",
    "cpu",
    "experiment",
    "idea",
    "latency",
    "omission",
    "percentiles",
    "phases",
    "ranking",
    "textbook",
    "xrays",
]
