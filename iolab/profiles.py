"""How much a lesson does: `quick` is kind to one CPU and 1 GB, `full` takes its time."""

import os
from dataclasses import dataclass

from iolab.errors import UsageError

VARIABLE = "IOLAB_PROFILE"


@dataclass(frozen=True)
class Profile:
    """The sizes that lessons use: seconds of a run, repeats, and how many connections are many."""

    name: str
    seconds: float
    repeats: int
    many: int


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("quick", seconds=0.5, repeats=1, many=100),
        Profile("full", seconds=3.0, repeats=6, many=1000),
    )
}


def profile() -> Profile:
    """Return the profile that the environment variable IOLAB_PROFILE names; `quick` without it."""
    name = os.environ.get(VARIABLE, "quick")
    if name not in PROFILES:
        raise UsageError(f"{VARIABLE} is {name!r}; it can be {' or '.join(PROFILES)}")
    return PROFILES[name]
