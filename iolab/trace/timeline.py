"""What a server did, call by call, recorded without a line of tracing in its text.

Theory of operation: a copy of the server's function runs with recording stand-ins in the place of what it
imported, on a listening socket whose connections record themselves.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FunctionType
from typing import Any

from iolab.background import start
from iolab.errors import UsageError
from iolab.listening import Respond
from iolab.measurement.adapt import adapt
from iolab.measurement.placement import Placement, place
from iolab.models import Model
from iolab.replies import upper
from iolab.trace import chrome
from iolab.trace.calls import WAITS, Call, calls_of, renumber
from iolab.trace.overhead import cost_ns_per_call
from iolab.trace.rebinding import Rebinding
from iolab.trace.recorder import Recorder
from iolab.trace.standins import StandIns
from iolab.traffic.doubts import Doubt
from iolab.traffic.process import Client
from iolab.traffic.records import Records
from iolab.traffic.workload import Workload


@dataclass(frozen=True)
class Timeline:
    """All calls of one run in the order in which they began, on the clock of the records.

    `cost_ns_per_call` is what recording adds to a `recv` or `send`, measured after the run.
    A timeline that is not `complete` holds the last calls of its run. `doubts` say what could not
    be recorded.
    """

    model: str
    calls: tuple[Call, ...]
    records: Records
    placement: Placement
    stamped: bool
    cost_ns_per_call: int
    complete: bool = True
    doubts: tuple[Doubt, ...] = ()

    def named(self, *names: str) -> list[Call]:
        """Return the calls of these names."""
        return [call for call in self.calls if call.name in names]

    @property
    def conditions(self) -> str:
        """Where it was recorded, what that cost, and what is missing: the text under a figure."""
        cost = f"recording adds {self.cost_ns_per_call / 1e3:.1f} µs to a call"
        return "; ".join([str(self.placement), cost, *map(str, self.doubts)])

    def chrome_trace(self) -> dict[str, Any]:
        """Return the timeline as Chrome trace events, which ui.perfetto.dev and chrome://tracing open."""
        return chrome.chrome_trace(self.model, self.calls, self.records, self.conditions)

    def write_chrome_trace(self, path: str | Path) -> Path:
        """Write the Chrome trace events to a JSON file, and return its path."""
        path = Path(path)
        path.write_text(json.dumps(self.chrome_trace()), encoding="utf-8")
        return path

    def __iter__(self) -> Iterator[Call]:
        return iter(self.calls)


def timeline(model: Model, workload: Workload, *, respond: Respond = upper) -> Timeline:
    """Put a load on a model, and record what its threads did, call by call.

    A function's text stays untouched: a copy of it runs, with those of its module that it uses.
    Raise UsageError if the model or the workload is not possible here.
    """
    workload.require()
    model.require()
    serve = model.serve
    if type(serve) is not FunctionType:
        raise UsageError(f"a timeline copies a function written with `def`; {model.name} is a {type(serve).__name__}")
    workload = adapt(workload, model, respond)
    placement, recorder = place(), Recorder(plain_connections=model.plain_connections)
    copy = replace(model, function=Rebinding(StandIns(recorder).of, serve).function)
    with start(copy, respond, listening=recorder.listen(), cpu=placement.server) as server:
        with Client(server.address, workload, placement.client) as client:
            client.connect()
            records = client.run()
    calls = tuple(renumber(calls_of(recorder.rows, recorder.offset_ns), workload))
    doubts, cost_ns = tuple(missing(model, calls, recorder)), cost_ns_per_call()
    return Timeline(model.name, calls, records, placement, recorder.stamped, cost_ns, recorder.complete, doubts)


def missing(model: Model, calls: Sequence[Call], recorder: Recorder) -> Iterator[Doubt]:
    """Yield what a timeline of this model does not hold."""
    if not recorder.complete:
        yield Doubt("cut", {"kept": len(calls)})
    if not any(call.name in ("recv", "received") for call in calls):
        yield Doubt("hidden calls", {"model": model.name})
    elif not recorder.stamped and any(call.name == "recv" for call in calls):
        yield Doubt("no stamps")
    if any(call.name == "received" for call in calls):
        yield Doubt("completion")
    waits_in = model.card.get("Waits in", "").rstrip(".")
    if any(wait in waits_in for wait in WAITS) and not any(call.name in WAITS for call in calls):
        yield Doubt("hidden wait", {"call": waits_in})
