"""When threads leave a CPU and come back, to the nanosecond, for any user (`perf_event_open(2)`, PERF_RECORD_SWITCH).

A software event that counts nothing has the kernel write a record for each switch of its threads.
No privilege is needed for threads of one's own at `perf_event_paranoid` 2, and no call of the
threads is touched: a call that does not sleep costs nothing more, a sleep with its wake-up some 2 µs.
"""

import errno
import struct
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Self

from iolab.kernel import perf

ROOM_BYTES = 4 << 20
"""The ring of the CPU where the threads run: 174,000 switches. Two of them are near what a user may lock."""

LEAST_BYTES = 64 << 10
"""The ring of any other CPU: 2,700 switches."""

SWITCH_OUT, SWITCH_OUT_PREEMPT = 1 << 13, 1 << 14
_WHO_AND_WHEN = struct.Struct("=IIQ")
_FLAGS = perf.INHERIT | perf.EXCLUDE_KERNEL | perf.CONTEXT_SWITCH


class Switch(NamedTuple):
    """A thread leaves its CPU or comes back to one, on the clock of `perf_counter_ns`.

    One that leaves though it could run on is `preempted`; else it sleeps.
    """

    thread: int
    at_ns: int
    away: bool
    preempted: bool = False


class Switches:
    """The switches of some threads from now on, and of all threads that they start, and those start.

    `threads` are numbers of the kernel (`gettid(2)`), of this process or another of this user. To see a
    thread from its first instruction, watch the one that starts it: that holds for a thread for each
    connection, for the helpers of glibc's aio, and for the workers of io_uring. Helpers that an earlier run
    left behind must be named. With `processes`, those that they start are seen as well. `cpu` is where most of
    them run, if it is known: it has the large ring.

    Raise OSError if the kernel refuses; `why_not` says it beforehand.
    """

    def __init__(self, threads: Iterable[int], cpu: int | None = None, processes: bool = False) -> None:
        self._rings = perf.Rings(_sizes_bytes(cpu))
        self._flags = 0 if processes else perf.INHERIT_THREAD
        self.since_ns = time.perf_counter_ns()
        self.until_ns: int | None = None
        """From when on switches are missing, because a ring was full; known after `read`."""
        try:
            for thread in threads:
                self._add(thread)
        except BaseException:
            self.close()
            raise
        self.since_ns = time.perf_counter_ns()

    def read(self) -> list[Switch]:
        """End the recording, and return the switches in the order of their times."""
        rings = self._rings.read()
        ends = [_decode(ring.records[-1]).at_ns for ring in rings if ring.full and ring.records]
        self.until_ns = min(ends, default=None)
        return sorted((_decode(record) for record in _switches(rings)), key=lambda switch: switch.at_ns)

    def close(self) -> None:
        """Give descriptors and memory back."""
        self._rings.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _add(self, thread: int) -> None:
        try:
            self._rings.add(_description(self._flags), thread)
        except ProcessLookupError:  # it has ended
            return
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            self._rings.add(_description(), thread)  # before Linux 5.13, processes that it starts are seen as well


def why_not() -> str | None:
    """Say why switches cannot be recorded here, or return None."""
    if why := perf.unsupported():
        return why
    try:
        with Switches([0]):
            return None
    except OSError as error:
        return perf.refusal(error)


def _description(flags: int = 0) -> bytes:
    return perf.attributes(perf.SOFTWARE, perf.DUMMY, perf.SAMPLE_TID | perf.SAMPLE_TIME, _FLAGS | flags)


def _sizes_bytes(busy: int | None) -> dict[int, int]:
    others_bytes = perf.share_bytes(ROOM_BYTES, LEAST_BYTES) if busy is None else LEAST_BYTES
    return {cpu: ROOM_BYTES if cpu == busy else others_bytes for cpu in perf.cpus()}


def _switches(rings: Iterable[perf.Ring]) -> Iterator[perf.Record]:
    return (record for ring in rings for record in ring.records if record.kind == perf.RECORD_SWITCH)


def _decode(record: perf.Record) -> Switch:
    _, thread, at_ns = _WHO_AND_WHEN.unpack(record.body[-_WHO_AND_WHEN.size :])
    return Switch(thread, at_ns, bool(record.flags & SWITCH_OUT), bool(record.flags & SWITCH_OUT_PREEMPT))
