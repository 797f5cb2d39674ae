"""Drawings of ideas: what no run can show, on the stage of a replay."""

from collections.abc import Callable

from iolab.errors import unknown
from iolab.figures.ideas.accepting import who_accepts
from iolab.figures.ideas.completion import ready_and_done, suspended_frame, two_rings
from iolab.figures.ideas.outside import from_outside
from iolab.figures.ideas.readiness import callbacks, level_and_edge, ready_list, signal_queue
from iolab.figures.ideas.waiting import asking_in_vain, blocking
from iolab.figures.style import CourseFigure, in_style

IDEAS: dict[str, Callable[[], CourseFigure]] = {
    "blocking": blocking,
    "asking in vain": asking_in_vain,
    "ready list": ready_list,
    "level and edge": level_and_edge,
    "callbacks": callbacks,
    "signal queue": signal_queue,
    "ready and done": ready_and_done,
    "two rings": two_rings,
    "suspended frame": suspended_frame,
    "who accepts": who_accepts,
    "from outside": from_outside,
}
"""The drawings by their names."""


@in_style
def idea(name: str) -> CourseFigure:
    """Draw an idea of the course.

    The names: "blocking" (a thread and its socket), "asking in vain", "ready list" (the sets of select, the lists of
    epoll), "level and edge", "callbacks", "signal queue", "ready and done" (readiness beside completion),
    "two rings", "suspended frame", "who accepts", and "from outside" (a server seen by its system calls). Raise
    UsageError for any other, with the nearest.
    """
    if name not in IDEAS:
        raise unknown("idea", name, list(IDEAS))
    return IDEAS[name]()
