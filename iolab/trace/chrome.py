"""A timeline as Chrome trace events, the format that ui.perfetto.dev and chrome://tracing open.

The format is Google's "Trace Event Format": complete events (`"ph": "X"`) with their begin
and length in microseconds, and instant ones (`"ph": "i"`), on tracks named by metadata events (`"ph": "M"`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from iolab.kernel.tracepoints import Happening
from iolab.trace.calls import Call
from iolab.trace.gaps import Gap
from iolab.traffic.records import Records

SERVER, CLIENT, KERNEL = 1, 2, 3
"""Process numbers of the trace: the server has a track a thread, the client one a connection, the kernel one a CPU.

The numbers of all tracks differ, as those of threads do on Linux.
"""

LOCK = "asleep for a lock"
PHASES = {
    "waiting": "waiting for data",
    "waiting for room": "waiting for room",
    "waking": "wake-up",
    "waking and copying": "wake-up and copy",
    "copying": "copy",
    "lock": LOCK,
    "preempted": "preempted",
}
BETWEEN = {"running": "Python at work", "lock": LOCK, "preempted": "preempted"}

Event = dict[str, Any]


def chrome_trace(
    model: str,
    calls: Sequence[Call],
    gaps: Iterable[Gap],
    steps: Sequence[Happening],
    records: Records,
    conditions: str,
) -> dict[str, Any]:
    """Return calls and gaps of the server, steps of the kernel, and requests of the client as trace events."""
    zero_ns = min([call.start_ns for call in calls[:1]] + [records.start_ns])
    names = threads(calls)
    tracks = {thread: number for thread, (number, _) in names.items()}
    first_client = len(tracks) + 1
    first_cpu = first_client + records.workload.connections
    events = [
        *_names(model, [*names.values()], records.workload.connections),
        *_server(calls, tracks, zero_ns),
        *_between(gaps, tracks, zero_ns),
        *_client(records, first_client, zero_ns),
        *_kernel(steps, {thread: name for thread, (_, name) in names.items()}, first_cpu, zero_ns),
    ]
    return {
        "traceEvents": events,
        "displayTimeUnit": "ns",
        "otherData": {"model": model, "conditions": conditions},
    }


def threads(calls: Sequence[Call]) -> dict[int, tuple[int, str]]:
    """Return a small number and a name for every thread, in the order in which they appear."""
    served: dict[int, set[int | None]] = {}
    for call in calls:
        served.setdefault(call.thread, set()).add(call.connection)
    return {thread: (number, _name(number, served[thread])) for number, thread in enumerate(served, 1)}


def _name(number: int, connections: set[int | None]) -> str:
    only = next(iter(connections))
    return f"thread {number}, of connection {only}" if number > 1 and len(connections) == 1 else f"thread {number}"


def _names(model: str, threads: Sequence[tuple[int, str]], connections: int) -> Iterator[Event]:
    yield _name_event("process_name", SERVER, 0, f"{model}: the server")
    yield _name_event("process_name", CLIENT, 0, "the client")
    for number, name in threads:
        yield _name_event("thread_name", SERVER, number, name)
    for connection in range(connections):
        yield _name_event("thread_name", CLIENT, len(threads) + connection + 1, f"connection {connection}")


def _server(calls: Sequence[Call], tracks: dict[int, int], zero_ns: int) -> Iterator[Event]:
    for call in calls:
        track, details = (SERVER, tracks[call.thread]), {"connection": call.connection, "result": call.result}
        yield _span(track, call.name, "call", call.start_ns, call.end_ns, zero_ns, details)
        for phase, start_ns, end_ns in call.phases:
            if phase in PHASES:
                yield _span(track, PHASES[phase], "phase", start_ns, end_ns, zero_ns, {})


def _between(gaps: Iterable[Gap], tracks: Mapping[int, int], zero_ns: int) -> Iterator[Event]:
    for gap in gaps:
        for part, start_ns, end_ns in gap.spans:
            yield _span((SERVER, tracks[gap.thread]), BETWEEN[part], "gap", start_ns, end_ns, zero_ns, {})


def _kernel(steps: Sequence[Happening], names: Mapping[int, str], first: int, zero_ns: int) -> Iterator[Event]:
    """Yield the steps, each on the track of its CPU with the thread in whose context it was taken."""
    cpus = sorted({step.cpu for step in steps})
    if cpus:
        yield _name_event("process_name", KERNEL, 0, "the kernel")
    for cpu in cpus:
        yield _name_event("thread_name", KERNEL, first + cpu, f"CPU {cpu}")
    for step in steps:
        details = {"thread": names.get(step.thread, f"not the server's: {step.thread}"), **step.fields}
        times = {"ts": max(0, step.at_ns - zero_ns) / 1e3, "s": "t"}
        track = {"pid": KERNEL, "tid": first + step.cpu}
        yield {"ph": "i", "name": step.name, "cat": "kernel", **track, **times, "args": details}


def _client(records: Records, first: int, zero_ns: int) -> Iterator[Event]:
    columns = (records.connection, records.due_ns, records.sent_ns, records.answered_ns)
    for connection, due_ns, sent_ns, answered_ns in zip(*(column.tolist() for column in columns), strict=True):
        late = {"late_us": (sent_ns - due_ns) / 1e3}
        yield _span((CLIENT, first + connection), "request", "request", sent_ns, answered_ns, zero_ns, late)


def _span(
    track: tuple[int, int], name: str, kind: str, start_ns: int, end_ns: int, zero_ns: int, details: Event
) -> Event:
    times = {"ts": (start_ns - zero_ns) / 1e3, "dur": (end_ns - start_ns) / 1e3}
    return {"ph": "X", "name": name, "cat": kind, "pid": track[0], "tid": track[1], **times, "args": details}


def _name_event(what: str, process: int, thread: int, name: str) -> Event:
    return {"ph": "M", "name": what, "pid": process, "tid": thread, "args": {"name": name}}
