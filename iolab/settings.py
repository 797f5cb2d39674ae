"""What the environment sets: how much a lesson does, where progress is kept, whether runs are recorded."""

import os
from dataclasses import dataclass

from iolab.errors import UsageError, guard

PROFILE = "IOLAB_PROFILE"
"""How much a lesson does: `quick` is kind to one CPU and 1 GB, `full` takes its time."""

PROGRESS = "IOLAB_PROGRESS"
"""The progress file, in place of progress.json beside the lessons."""

AIO_HELPERS = "IOLAB_AIO_HELPERS"
"""How many threads serve `aio_read` in the C library, in place of as many as the course asks for."""

RECORD = "IOLAB_RECORD"
"""Set to 1, every run that has a name is made and saved."""

STRACE = "IOLAB_STRACE"
"""Set to 0, lesson 10 traces nothing, and shows what was recorded: seconds of CPU less for the daily tests."""


@dataclass(frozen=True, repr=False)
class Profile:
    """The sizes that lessons use: seconds of a run, repeats, and how many connections are many."""

    name: str
    seconds: float
    repeats: int
    many: int

    def __repr__(self) -> str:
        return f"{self.name}: runs of {self.seconds:g} s, repeats {self.repeats}, many connections are {self.many:,}"


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("quick", seconds=0.5, repeats=1, many=100),
        Profile("full", seconds=3.0, repeats=10, many=1000),
    )
}


@guard
def profile() -> Profile:
    """Return the profile that the environment variable IOLAB_PROFILE names; `quick` without it."""
    name = os.environ.get(PROFILE, "quick")
    if name not in PROFILES:
        raise UsageError(f"{PROFILE} is {name!r}; it can be {' or '.join(PROFILES)}")
    return PROFILES[name]
