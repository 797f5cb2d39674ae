"""What only the lessons use: their files, drills, advice, and small demonstrations; no servers and no instruments."""

from iolab.course.advice import growth, guide, who_pays
from iolab.course.debug_mode import slow_steps
from iolab.course.drills import try_out
from iolab.course.files import read_file
from iolab.course.leave_out import runs
from iolab.course.mysteries import calls_of, mystery
from iolab.course.sigio import taps
from iolab.course.wild import command_of, in_the_wild, inside, watch, wild_servers
from iolab.errors import guard_face

__all__ = [
    "calls_of",
    "command_of",
    "growth",
    "guide",
    "in_the_wild",
    "inside",
    "mystery",
    "read_file",
    "runs",
    "slow_steps",
    "taps",
    "try_out",
    "watch",
    "who_pays",
    "wild_servers",
]

guard_face(globals())
