"""The journal of a run: its work and its clock, every request, and what went wrong.

The conversations write it and the loop reads it, so neither has to know the other.
"""

import time
from array import array
from collections import Counter
from typing import Any

from .waiting import NEVER

clock = time.perf_counter_ns  # CLOCK_MONOTONIC on Linux: one clock for all processes

STAMP_BYTES = 2 * array("l").itemsize
"""A stamp of the kernel: seconds and nanoseconds of CLOCK_REALTIME."""

NO_STAMP = bytes(STAMP_BYTES)


class Journal:
    """The work, the times that decide what may still be sent, and what was written down of every request."""

    def __init__(self, work: dict[str, Any]) -> None:
        self.work = work
        self.connection, self.due, self.sent, self.answered = array("i"), array("q"), array("q"), array("q")
        self.stamped, self.stamp_room_bytes, self.stamp, self.stamps = False, 0, NO_STAMP, bytearray()
        self.status, self.reopened, self.fits = array("h"), 0, ""
        self.address: tuple[Any, ...] = ()
        self.errors: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.stop_ns = self.drop_ns = NEVER
        self.start_ns = self.moved_ns = self.woke_ns = self.end_ns = 0

    def begin(self) -> None:
        """Start the clock."""
        self.start_ns = self.moved_ns = self.woke_ns = clock()
        if self.work["seconds"] is not None:
            self.stop_ns = self.start_ns + int((self.work["warm_up_s"] + self.work["seconds"]) * 1e9)
            self.drop_ns = self.stop_ns + int(self.work["patience_s"] * 1e9)

    def count(self, kind: str, example: str) -> None:
        """Count something that went wrong, and keep the first of its kind in words."""
        self.errors[kind] += 1
        self.examples.setdefault(kind, example)

    def log_status(self, status: int, example: str) -> None:
        """Note the status of a response; one that says that the request failed is an example, too."""
        self.status.append(status)
        if not 200 <= status < 400:
            self.examples.setdefault(f"status {status}", example)

    def share_done(self, now_ns: int) -> float:
        """Return how much of the work is done, from 0 to 1."""
        if self.stop_ns < NEVER:
            return min(1.0, (now_ns - self.start_ns) / (self.stop_ns - self.start_ns))
        return float(len(self.answered) / self.work["requests"])

    def columns(self) -> "dict[str, array[int]]":
        """Return what was written down, by name: one entry a request; two of a stamp, where there are stamps."""
        times: dict[str, array[int]] = {"connection": self.connection, "due": self.due}
        times |= {"sent": self.sent, "answered": self.answered}
        times |= {"status": self.status} if self.status else {}
        return times | ({"stamp": array("l", self.stamps)} if self.stamped else {})
