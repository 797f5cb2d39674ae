"""What the kernel does for a request, step by step: its tracepoints, for those who may see them (`perf_event_open(2)`).

Root may, and everybody where `perf_event_paranoid` is -1 and tracefs is readable. The events are of the whole
machine, since a step for one thread is often taken in another: on loopback, bytes arrive in the thread that sends.
"""

import os
import re
import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from iolab.kernel import perf

ARRIVAL, WAKING, COPY = "net:netif_rx", "sched:sched_waking", "skb:skb_copy_datagram_iovec"
RING = (
    "io_uring:io_uring_task_add",
    "io_uring:io_uring_task_work_run",
    "io_uring:io_uring_local_work_run",
    "io_uring:io_uring_complete",
)
"""Work of a ring that falls due for a thread, is done by it, and is complete; local is that of DEFER_TASKRUN."""

NAMES = (ARRIVAL, WAKING, COPY, *RING)
PLACES = (Path("/sys/kernel/tracing/events"), Path("/sys/kernel/debug/tracing/events"))
ROOM_BYTES, LEAST_BYTES = 16 << 20, 256 << 10
"""All rings together, some 200,000 events; and the least that a CPU has."""

_SAMPLE = perf.SAMPLE_TID | perf.SAMPLE_TIME | perf.SAMPLE_CPU | perf.SAMPLE_RAW
_BODY = struct.Struct("=IIQI4xI")  # process, thread, time, CPU, size of the raw data
_FIELD = re.compile(r"field:(?P<type>[^;\[]*?)(?P<name>\w+);\s*offset:(\d+);\s*size:(\d+);\s*signed:(\d);")


class Happening(NamedTuple):
    """A step of the kernel: when on the clock of `perf_counter_ns`, on which CPU, in which thread's context.

    `fields` are the numbers of the event: `len` of an arrival and a copy, `skbaddr`, which names the bytes in
    both, `pid`, the thread that is woken, `user_data` and `res` of a completion.
    """

    name: str
    at_ns: int
    cpu: int
    thread: int
    fields: Mapping[str, int]

    def as_dict(self, zero_ns: int) -> dict[str, Any]:
        """Return the step as JSON holds it, its time in microseconds since zero."""
        values = self._asdict()
        del values["at_ns"]
        return values | {"at_us": (self.at_ns - zero_ns) / 1e3}

    def concerns(self, threads: Collection[int]) -> bool:
        """Whether it happened in one of these threads, or wakes one."""
        return self.thread in threads or self.fields.get("pid") in threads


class Tracepoint(NamedTuple):
    """An event of the kernel as tracefs describes it: its number, and where its fields lie, of which size and sign."""

    name: str
    number: int
    fields: Mapping[str, tuple[int, int, bool]]

    def decode(self, raw: bytes) -> dict[str, int]:
        """Return the fields of one event."""
        return {
            name: int.from_bytes(raw[offset : offset + size], "little" if _LITTLE else "big", signed=signed)
            for name, (offset, size, signed) in self.fields.items()
        }


_LITTLE = struct.pack("=H", 1) == b"\1\0"


class Tracepoints:
    """The steps of the kernel from now on; those that this kernel lacks are left out.

    Raise OSError if the kernel refuses; `why_not` says it beforehand.
    """

    def __init__(self, names: Sequence[str] = NAMES) -> None:
        self._points = {point.number: point for name in names if (point := find(name))}
        self._rings = perf.Rings(dict.fromkeys(perf.cpus(), perf.share_bytes(ROOM_BYTES, LEAST_BYTES)))
        self.whole = True
        """Whether the rings held all; known after `read`."""
        try:
            for number in self._points:
                self._rings.add(perf.attributes(perf.TRACEPOINT, number, _SAMPLE, 0, period=1))
        except BaseException:
            self.close()
            raise

    def read(self, threads: Collection[int] | None = None) -> list[Happening]:
        """End the recording, and return its steps in order of time: all, or those that concern some threads."""
        rings = self._rings.read()
        self.whole = not any(ring.full for ring in rings)
        steps = (step for ring in rings for step in happenings(ring.records, self._points))
        concerning = (step for step in steps if threads is None or step.concerns(threads))
        return sorted(concerning, key=lambda step: step.at_ns)

    def close(self) -> None:
        """Give descriptors and memory back."""
        self._rings.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def happenings(records: Sequence[perf.Record], points: Mapping[int, Tracepoint]) -> Iterator[Happening]:
    """Yield the steps that these records tell of."""
    for record in records:
        if record.kind != perf.RECORD_SAMPLE:
            continue
        _, thread, at_ns, cpu, size_bytes = _BODY.unpack_from(record.body)
        raw = record.body[_BODY.size : _BODY.size + size_bytes]
        point = points[struct.unpack_from("=H", raw)[0]]  # every event begins with its number
        yield Happening(point.name, at_ns, cpu, thread, point.decode(raw))


def find(name: str) -> Tracepoint | None:
    """Return the tracepoint of this name, such as `net:netif_rx`; None if this kernel has none, or does not tell."""
    for place in PLACES:
        try:
            return parse(name, (place / name.replace(":", "/") / "format").read_text())
        except OSError:
            continue
    return None


def parse(name: str, text: str) -> Tracepoint:
    """Return what the `format` file of a tracepoint says; texts and arrays among its fields are left out."""
    number = re.search(r"^ID: (\d+)$", text, re.MULTILINE)
    assert number
    fields = {
        field[2]: (int(field[3]), int(field[4]), field[5] == "1")
        for field in _FIELD.finditer(text)
        if int(field[4]) <= 8 and not field[2].startswith("common_")
    }
    return Tracepoint(name, int(number[1]), fields)


def why_not() -> str | None:
    """Say why the steps of the kernel cannot be recorded here, or return None."""
    if why := perf.unsupported():
        return why
    if not any(map(find, NAMES)):
        return "tracefs is not mounted" if os.geteuid() == 0 else "only root may read tracefs here"
    try:
        with Tracepoints():
            return None
    except PermissionError:
        return f"this user may not see the kernel's steps: kernel.perf_event_paranoid is {perf.paranoid()}, not -1"
    except OSError as error:
        return perf.refusal(error)
