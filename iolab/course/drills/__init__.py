"""What the learner types in a lesson: functions with blanks, each run at once on real sockets.

A lesson has a module here, which plays the peer of each of its functions, and says in a sentence what is right or
wrong. What a check may use is in `attempt`.
"""

from iolab.course.drills.drill import UNFILLED, Drill, Outcome
from iolab.course.drills.turn import DRILLS, Turn, try_out

__all__ = ["DRILLS", "UNFILLED", "Drill", "Outcome", "Turn", "try_out"]
