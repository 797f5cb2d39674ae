"""What a server did, call by call, recorded without a line of tracing in its text.

Theory of operation: a copy of the server's function runs with recording stand-ins in the place of what it
imported, on a listening socket whose connections record themselves. Meanwhile the kernel records when its
threads leave a CPU and come back, and, for those who ask and may, what it does for them.
"""

import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any

from iolab.background import start
from iolab.display import tables
from iolab.errors import UsageError
from iolab.kernel.interrupts import InOnePiece
from iolab.kernel.tracepoints import WAKING, Happening
from iolab.listening import Respond
from iolab.measurement.adapt import adapt
from iolab.measurement.placement import Placement, place, spread
from iolab.models import Model
from iolab.replies import upper
from iolab.trace import chrome
from iolab.trace.calls import SENDS, WAITS, Call, attribute_wakings, calls_of, renumber, watch
from iolab.trace.eye import Eye
from iolab.trace.gaps import Gap, gaps
from iolab.trace.occupancy import Occupancy, microseconds
from iolab.trace.overhead import cost_ns_per_call
from iolab.trace.rebinding import Rebinding
from iolab.trace.recorder import Recorder
from iolab.trace.standins import StandIns
from iolab.trace.worker import Witness, list_ports
from iolab.traffic.doubts import Doubt
from iolab.traffic.process import Client
from iolab.traffic.records import Records
from iolab.traffic.workload import Workload


@dataclass(frozen=True, repr=False)
class Timeline(tables.Readable):
    """All calls of one run in the order in which they began, on the clock of the records.

    `cost_ns_per_call` is what recording adds to a `recv` or `send`, measured after the run.
    A timeline that is not `complete` holds the last calls of its run. `gaps` are what its threads did between
    the calls, and `steps` what the kernel did for them, where that was asked for. `doubts` say what could not
    be recorded. `text` is that of a server of the learner's own. `edge` says of a server without a text that its
    epoll is edge-triggered.
    """

    model: str
    calls: tuple[Call, ...]
    records: Records
    placement: Placement
    stamped: bool
    cost_ns_per_call: int
    complete: bool = True
    doubts: tuple[Doubt, ...] = ()
    gaps: tuple[Gap, ...] = ()
    steps: tuple[Happening, ...] = ()
    text: str = ""
    edge: bool = False

    def find(self, *names: str) -> list[Call]:
        """Return the calls of these names."""
        return [call for call in self.calls if call.name in names]

    @property
    def threads(self) -> set[int]:
        """The kernel's numbers of the threads that made the calls."""
        return {call.thread for call in self.calls}

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row for each kind of call, and one for what lies between: how many a request, and the us of each part."""
        return tabulate(self.calls, self.gaps, len(self.records) or turns(self.calls))

    def as_dict(self) -> dict[str, Any]:
        """Return the timeline as the JSON output has it; times in microseconds since the load began."""
        return {
            "model": self.model,
            "requests": len(self.records),
            "calls": [call.as_dict(self.records.start_ns) for call in self.calls],
            "gaps": [gap.as_dict(self.records.start_ns) for gap in self.gaps],
            "steps": [step.as_dict(self.records.start_ns) for step in self.steps],
            "conditions": self.conditions,
            "doubts": [doubt.as_dict() for doubt in self.doubts],
        }

    def parts(self) -> list[tables.Part]:
        """Return the rows as one table."""
        return [tables.Part(self.rows, self.conditions)]

    @property
    def conditions(self) -> str:
        """Where it was recorded, what that cost, and what is missing: the text under a figure."""
        cost = f"recording adds {self.cost_ns_per_call / 1e3:.1f} µs to a call"
        return "; ".join([str(self.placement), cost, *map(str, self.doubts)])

    def chrome_trace(self) -> dict[str, Any]:
        """Return the timeline as Chrome trace events, which ui.perfetto.dev and chrome://tracing open."""
        return chrome.chrome_trace(self.model, self.calls, self.gaps, self.steps, self.records, self.conditions)

    def write_chrome_trace(self, path: str | Path) -> Path:
        """Write the Chrome trace events to a JSON file, and return its path."""
        path = Path(path)
        path.write_text(json.dumps(self.chrome_trace()), encoding="utf-8")
        return path

    def __iter__(self) -> Iterator[Call]:
        return iter(self.calls)


def turns(calls: Iterable[Call]) -> int:
    """Return how often a send followed a receive on its connection: the requests, where no client counted them."""
    last: dict[int | None, str] = {}
    number = 0
    for call in calls:
        if call.name == "recv" or call.name in SENDS:
            number += call.name in SENDS and last.get(call.connection) == "recv"
            last[call.connection] = call.name
    return number


def tabulate(calls: Iterable[Call], gaps: Sequence[Gap], requests: int) -> list[dict[str, Any]]:
    """Add up the parts of all calls of a name, and those of the gaps, for each request."""
    kinds: dict[str, list[Occupancy | None]] = {}
    for call in calls:
        kinds.setdefault(call.name, []).append(call.occupancy)
    if gaps:
        kinds["between calls"] = [gap.occupancy for gap in gaps]
    requests = max(1, requests)
    return [
        {"call": name, "per_request": round(len(parts) / requests, 3), **microseconds(mean(parts, requests))}
        for name, parts in kinds.items()
    ]


def mean(parts: Sequence[Occupancy | None], requests: int) -> Occupancy | None:
    """Return the sum of each part divided by the requests; None if some are not known."""
    whole = [each for each in parts if each]
    if len(whole) < len(parts):
        return None
    return Occupancy(*(sum(column) // requests for column in zip(*whole, strict=True)))


def timeline(
    model: Model, workload: Workload, *, respond: Respond = upper, steps: bool = False, worker: int | None = None
) -> Timeline:
    """Put a load on a model, and record what its threads did, call by call.

    A function's text stays untouched: a copy of it runs, with those of its module that it uses. `steps` asks for
    the kernel's own, too, which takes root or `perf_event_paranoid` at -1. Of a server that has workers, `worker` says
    which: the first is 1. Raise UsageError if the model, the workload or the steps are not possible here.
    """
    workload.require()
    model.require()
    if model.apart:
        return timeline_of_worker(model, adapt(workload, model, respond), respond, steps, worker)
    if worker is not None:
        raise UsageError(f"{model.name} serves in this process, and has no workers; as prefork has")
    serve = model.serve
    if type(serve) is not FunctionType:
        raise UsageError(f"a timeline copies a function written with `def`; {model.name} is a {type(serve).__name__}")
    workload = adapt(workload, model, respond)
    placement, recorder = place(), Recorder(plain_connections=model.plain_connections)
    copy = replace(model, function=Rebinding(StandIns(recorder).of, serve).function)
    with Eye(placement.server, steps) as eye:
        cpu = placement.server
        with InOnePiece(lambda: start(copy, respond, listening=recorder.listen(), cpu=cpu)) as server:
            with InOnePiece(lambda: Client(server.address, workload, placement.client)) as client:
                client.connect()
                records = client.run()
        eye.read({row[5] for row in recorder.rows} | {client.pid})
    return put_together(
        model, renumber(calls_of(recorder.rows, recorder.offset_ns), workload), records, placement, recorder, eye
    )


def timeline_of_worker(model: Model, workload: Workload, respond: Respond, steps: bool, worker: int | None) -> Timeline:
    """Put a load on a model that has workers, and record what one of them did."""
    if worker is None or worker < 1:
        raise UsageError(f"{model.name} serves in processes of its own: say which one to record, such as worker=1")
    placement, witness = spread(), Witness.call(worker)
    cpus = placement.workers or placement.server
    ready = partial(start, model, respond, listening=witness.listening, cpu=cpus, watch=witness.watch)
    with Eye(None, steps, processes=True) as eye:
        with InOnePiece(ready) as server:
            with InOnePiece(lambda: Client(server.address, workload, placement.client)) as client:
                client.connect()
                ports = list_ports(client.pid, server.address[1])
                records = client.run()
        witness.read(server)
        eye.read({row[5] for row in witness.rows} | {client.pid})
    return put_together(model, witness.list_calls(workload, ports), records, placement, witness, eye)


def put_together(
    model: Model, calls: list[Call], records: Records, placement: Placement, recorder: Recorder | Witness, eye: Eye
) -> Timeline:
    """Return the timeline of these calls, with what the kernel told of their threads."""
    whole = tuple(seen_by(eye, calls))
    between = tuple(gaps(whole, eye.absences)) if eye.absences else ()
    doubts, cost_ns = tuple(missing(model, whole, recorder, eye)), cost_ns_per_call()
    return Timeline(
        model.name, whole, records, placement, recorder.stamped, cost_ns, recorder.complete, doubts, between,
        tuple(eye.steps), source_of(model),
    )  # fmt: skip


def source_of(model: Model) -> str:
    """Return the text of a server of the learner's own; none where it is not to be had, or is a page of the course."""
    try:
        return textwrap.dedent(model.source) if model.function else ""
    except OSError:
        return ""


def seen_by(eye: Eye, calls: list[Call]) -> list[Call]:
    """Return the calls with what the kernel told of them: when their thread was woken, and when it was away."""
    wakings = ((step.fields["pid"], step.at_ns) for step in eye.steps if step.name == WAKING)
    calls = attribute_wakings(calls, wakings)
    return watch(calls, eye.absences) if eye.absences else calls


def missing(model: Model, calls: Sequence[Call], recorder: Recorder | Witness, eye: Eye) -> Iterator[Doubt]:
    """Yield what a timeline of this model does not hold."""
    if not recorder.complete:
        yield Doubt("cut", {"kept": len(calls)})
    if isinstance(recorder, Witness) and not any(call.connection is not None for call in calls):
        yield Doubt("idle worker", {"worker": recorder.worker})
    else:
        yield from missing_arrivals(model, calls, recorder.stamped, bool(eye.steps))
    waits_in = model.card.get("Waits in", "").rstrip(".")
    if any(wait in waits_in for wait in WAITS) and not any(call.name in WAITS for call in calls):
        yield Doubt("hidden wait", {"call": waits_in})
    if eye.why_not:
        yield Doubt("no switches", {"why": eye.why_not})
    elif away := [call for call in calls if call.away is None]:
        yield Doubt("cut switches", {"calls": len(away)})
    if not eye.whole:
        yield Doubt("cut steps", {"kept": len(eye.steps)})


def missing_arrivals(model: Model, calls: Sequence[Call], stamped: bool, steps: bool) -> Iterator[Doubt]:
    """Yield why the arrival of some bytes is not known."""
    names = {call.name for call in calls}
    if not names & {"recv", "received"}:
        yield Doubt("hidden calls", {"model": model.name})
    elif "recv" in names and not stamped and not steps:
        yield Doubt("no stamps")
    if "received" in names and not steps:
        yield Doubt("completion")
