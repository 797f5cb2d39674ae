"""What lateness costs: some days free, then a share of the score for each day begun."""

import math

from nbgrader.plugins import LateSubmissionPlugin
from traitlets import Float, Integer


class LateDays(LateSubmissionPlugin):  # type: ignore[misc]
    """Take a share of the score for each day after the free ones."""

    free_days = Integer(0, help="So many days cost nothing.").tag(config=True)
    share_per_day = Float(0.1, help="The share of the score that each later day costs.").tag(config=True)

    def late_submission_penalty(self, _: str, score: float, total_seconds_late: float) -> float:
        """Return the points that are taken off; not more than there are."""
        days = max(0, math.ceil(total_seconds_late / 86400) - self.free_days)
        return float(min(score, score * self.share_per_day * days))
