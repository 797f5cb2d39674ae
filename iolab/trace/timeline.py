"""What a server did, call by call, recorded without a line of tracing in its text.

A copy of the server's function runs with recording stand-ins in the place of what it
imported, on a listening socket whose connections record themselves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

from iolab.background import start
from iolab.errors import UsageError
from iolab.listening import Respond
from iolab.measurement.adapt import adapt
from iolab.measurement.placement import Placement, place
from iolab.models import MODELS, Serve, require
from iolab.replies import upper
from iolab.trace import chrome as trace
from iolab.trace.calls import WAITS, Call, calls_of, renumbered
from iolab.trace.overhead import cost_ns_per_call
from iolab.trace.rebinding import Rebinding
from iolab.trace.recorder import Recorder
from iolab.trace.standins import StandIns
from iolab.traffic.process import Client
from iolab.traffic.records import Records
from iolab.traffic.workload import Workload

EXACT_SOCKETS = ("trio",)
"""Models that take nothing but a plain socket: their connections cannot record themselves."""


@dataclass(frozen=True)
class Timeline:
    """All calls of one run in the order in which they began, on the clock of the records.

    `cost_ns_per_call` is what recording adds to a `recv` or `send`, measured after the run.
    A timeline that is not `complete` holds the last calls of its run. `notes` say what could not
    be recorded, each in one sentence.
    """

    model: str
    calls: tuple[Call, ...]
    records: Records
    placement: Placement
    stamped: bool
    cost_ns_per_call: int
    complete: bool = True
    notes: tuple[str, ...] = ()

    def named(self, *names: str) -> list[Call]:
        """Return the calls of these names."""
        return [call for call in self.calls if call.name in names]

    @property
    def conditions(self) -> str:
        """Where it was recorded, what that cost, and what is missing: the text under a figure."""
        cost = f"recording adds {self.cost_ns_per_call / 1e3:.1f} µs to a call"
        return "; ".join([str(self.placement), cost, *self.notes])

    def chrome_trace(self) -> dict[str, Any]:
        """Return the timeline as Chrome trace events, which ui.perfetto.dev and chrome://tracing open."""
        return trace.chrome_trace(self)

    def write_chrome_trace(self, path: str | Path) -> Path:
        """Write the Chrome trace events to a JSON file, and return its path."""
        return trace.write(self, Path(path))

    def __iter__(self) -> Iterator[Call]:
        return iter(self.calls)


def timeline(
    model: str | Serve, workload: Workload | None = None, *, respond: Respond = upper, **work: Any
) -> Timeline:
    """Put a load on a model or a function of your own, and record what its threads did, call by call.

    A function's text stays untouched: a copy of it runs, with those of its module that it uses.
    `work` spells a Workload out in place of `workload`.
    """
    serve = require(model).serve if isinstance(model, str) else model
    if type(serve) is not FunctionType:
        raise UsageError(f"expected the name of a model or a function serve(listening, respond), not {model!r}")
    workload = adapt(workload or Workload(**work), model, respond)
    placement, recorder = place(), Recorder(plain_connections=model in EXACT_SOCKETS)
    recorded = Rebinding(StandIns(recorder).of, serve).function
    with start(recorded, respond, listening=recorder.listen(), cpu=placement.server) as server:
        with Client(server.address, workload, placement.client) as client:
            client.connect()
            records = client.run()
    calls = renumbered(calls_of(recorder.rows, recorder.offset_ns), workload)
    name = model if isinstance(model, str) else serve.__name__
    notes = tuple(missing(name, calls, recorder))
    whole = recorder.complete
    return Timeline(name, tuple(calls), records, placement, recorder.stamped, cost_ns_per_call(), whole, notes)


def missing(name: str, calls: Sequence[Call], recorder: Recorder) -> Iterator[str]:
    """Say what a timeline of this model does not hold."""
    if not recorder.complete:
        yield f"of all calls the last {len(calls):,} are kept"
    if not any(call.name in ("recv", "received") for call in calls):
        yield f"{name} receives and sends where it cannot be recorded"
    elif not recorder.stamped and any(call.name == "recv" for call in calls):
        yield "there are no receive stamps here: a wait and its copy are one bar"
    if any(call.name == "received" for call in calls):
        yield "no stamp tells when its bytes came: the waking is in the blue"
    waits_in = MODELS[name].card["Waits in"].rstrip(".") if name in MODELS else ""
    if any(wait in waits_in for wait in WAITS) and not any(call.name in WAITS for call in calls):
        yield f"it waits in {waits_in}: that is not recorded"
