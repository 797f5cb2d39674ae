"""A timeline as Chrome trace events, the format that ui.perfetto.dev and chrome://tracing open.

The format is Google's "Trace Event Format": complete events (`"ph": "X"`) with their begin
and length in microseconds, on tracks named by metadata events (`"ph": "M"`).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iolab.trace.calls import Call

if TYPE_CHECKING:
    from iolab.trace.timeline import Timeline

SERVER, CLIENT = 1, 2
"""Process numbers of the trace: the server with a track a thread, the client with a track a connection.

The numbers of all tracks differ, as those of threads do on Linux.
"""

PHASES = {
    "waiting": "waiting for data",
    "waking": "wake-up",
    "waking and copying": "wake-up and copy",
    "copying": "copy",
}

Event = dict[str, Any]


def chrome_trace(timeline: "Timeline") -> dict[str, Any]:
    """Return all calls of the server and all requests of the client as trace events."""
    zero_ns = min([call.start_ns for call in timeline.calls[:1]] + [timeline.records.start_ns])
    events = [*_names(timeline), *_server(timeline, zero_ns), *_client(timeline, zero_ns)]
    other = {"model": timeline.model, "conditions": timeline.conditions}
    return {"traceEvents": events, "displayTimeUnit": "ns", "otherData": other}


def write(timeline: "Timeline", path: Path) -> Path:
    """Write the trace to a file."""
    path.write_text(json.dumps(chrome_trace(timeline)), encoding="utf-8")
    return path


def threads(calls: tuple[Call, ...]) -> dict[int, tuple[int, str]]:
    """Return a small number and a name for every thread, in the order in which they appear."""
    found: dict[int, set[int | None]] = {}
    for call in calls:
        found.setdefault(call.thread, set()).add(call.connection)
    return {thread: (number, _name(number, found[thread])) for number, thread in enumerate(found, 1)}


def _name(number: int, connections: set[int | None]) -> str:
    only = next(iter(connections))
    return f"thread {number}, of connection {only}" if number > 1 and len(connections) == 1 else f"thread {number}"


def _names(timeline: "Timeline") -> Iterator[Event]:
    yield _meta("process_name", SERVER, 0, f"{timeline.model}: the server")
    yield _meta("process_name", CLIENT, 0, "the client")
    numbers = threads(timeline.calls)
    for number, name in numbers.values():
        yield _meta("thread_name", SERVER, number, name)
    for connection in range(timeline.records.workload.connections):
        yield _meta("thread_name", CLIENT, len(numbers) + connection + 1, f"connection {connection}")


def _server(timeline: "Timeline", zero_ns: int) -> Iterator[Event]:
    numbers = threads(timeline.calls)
    for call in timeline:
        track = (SERVER, numbers[call.thread][0])
        told = {"connection": call.connection, "result": call.result}
        yield _complete(track, call.name, "call", call.start_ns, call.end_ns, zero_ns, told)
        for phase, start_ns, end_ns in call.phases:
            if phase in PHASES:
                yield _complete(track, PHASES[phase], "phase", start_ns, end_ns, zero_ns, {})


def _client(timeline: "Timeline", zero_ns: int) -> Iterator[Event]:
    records, first = timeline.records, len(threads(timeline.calls)) + 1
    columns = (records.connection, records.due_ns, records.sent_ns, records.answered_ns)
    for connection, due_ns, sent_ns, answered_ns in zip(*(column.tolist() for column in columns), strict=True):
        told = {"late_us": (sent_ns - due_ns) / 1e3}
        yield _complete((CLIENT, first + connection), "request", "request", sent_ns, answered_ns, zero_ns, told)


def _complete(
    track: tuple[int, int], name: str, kind: str, start_ns: int, end_ns: int, zero_ns: int, told: Event
) -> Event:
    times = {"ts": (start_ns - zero_ns) / 1e3, "dur": (end_ns - start_ns) / 1e3}
    return {"ph": "X", "name": name, "cat": kind, "pid": track[0], "tid": track[1], **times, "args": told}


def _meta(name: str, process: int, thread: int, told: str) -> Event:
    return {"ph": "M", "name": name, "pid": process, "tid": thread, "args": {"name": told}}
