"""What the learner types in a lesson: functions with blanks, each run at once on real sockets.

A lesson has a module here, which plays the peer of each of its functions, and says in a sentence what is right or
wrong. What a check may use is in `attempt`.
"""

from iolab.course.drills import blocking, nonblocking
from iolab.course.drills.drill import UNFILLED, Drill, Outcome

__all__ = ["DRILLS", "UNFILLED", "Drill", "Outcome"]

DRILLS: dict[str, Drill] = {**blocking.DRILLS, **nonblocking.DRILLS}
"""All drills by name: the number of the lesson, and a word."""
