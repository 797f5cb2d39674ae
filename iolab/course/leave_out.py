"""What a lesson leaves out where a model cannot run."""

from iolab.models import find


def runs(model: str) -> bool:
    """Say whether a model runs here; where it does not, print why, since the cell then leaves its part out."""
    reason = find(model).why_not()
    if reason:
        print(f"Left out here: {reason}.")
    return not reason
