"""Watch a server of anybody's for some seconds, and say which I/O model it runs."""

import numbers
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from iolab.display import tables
from iolab.errors import UsageError, guard, unknown
from iolab.kernel.interrupts import InOnePiece
from iolab.xrays import events, processes, protocols
from iolab.xrays.counts import Counts, count
from iolab.xrays.events import Events
from iolab.xrays.facts import ACCEPTS, RECEIVES, SENDS, WAITS, Facts, read
from iolab.xrays.findings import NAPS, Finding, Scene, Timer, find, timer
from iolab.xrays.load import Load
from iolab.xrays.model import Verdict, tell
from iolab.xrays.protocols import Protocol
from iolab.xrays.strace import STARTS_S, TICK_S, Strace

if TYPE_CHECKING:
    from iolab.trace.timeline import Timeline

TRACERS = ("auto", "strace", "tracepoints")
CAN_WAIT = {*WAITS, *ACCEPTS, *RECEIVES, *SENDS, *NAPS, "futex", "wait4", "waitid", "connect"}
QUIET_SHARE, SETTLES_S, LOOKS_S, BEFORE_S = 0.35, 0.4, 0.2, 0.3


@dataclass(frozen=True, repr=False)
class Xray(tables.Readable):
    """What a server was seen to do: its model, its calls, what is wrong, and what the tracing cost."""

    command: str
    seconds: float
    verdict: Verdict
    counts: Counts
    findings: tuple[Finding, ...]
    waits_in: tuple[dict[str, Any], ...]
    accepts: int
    accept_threads: int
    cost: dict[str, Any]
    facts: Facts
    load: Load | None = None
    timer: Timer = field(default_factory=Timer)
    """The time-out that has it wake most often while nothing comes: one that is meant, or a finding."""

    def timeline(self, thread: int | None = None) -> "Timeline":
        """Return the calls on connections and the waits as a timeline, for figures, `iolab.replay` and Chrome trace.

        They are those of the process that received most often, or of one thread. Raise UsageError for a thread that
        made no such call.
        """
        from iolab.xrays.timeline import Material, timeline  # numpy takes 0.1 s

        edge, cost = self.verdict.mode == "edge-triggered", self.cost
        material = (self.command, self.seconds, self.facts, self.load, cost["tracer"], cost["cpu_us_per_call"], edge)
        return timeline(Material(*material), thread)

    @property
    def model(self) -> str:
        """The model in words; *cannot tell* where too little was served."""
        return str(self.verdict)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What the threads wait in: the call, how many threads, and its share of the time in calls that can wait."""
        return list(self.waits_in)

    def parts(self) -> list[tables.Part]:
        """Return what the threads wait in as a table, under the model, and above all else that is to be said."""
        model, *others = self.sentences()
        faults = (f"! {finding.kind}: {finding.evidence} ({finding.see})" for finding in self.findings)
        return [tables.Part(self.rows, model, [*faults, *others])]

    def sentences(self) -> Iterator[str]:
        """Yield what is to be said of the server, apart from the findings."""
        like = f", as {self.verdict.like} of the course" if self.verdict.like else ""
        yield f"{self.model}{like}"
        if len(self.verdict.shares) > 1:
            yield "mixed: " + ", ".join(f"{kind} {share:.0%}" for kind, share in self.verdict.shares.items())
        verdict = self.verdict
        if verdict.threads:
            processes_ = _number(verdict.processes, "process", "processes")
            yield f"served by {_number(verdict.threads, 'thread')} in {processes_}"
        if self.accepts:
            yield f"{_number(self.accepts, 'connection')} accepted by {_number(self.accept_threads, 'thread')}"
        yield from _sentences(self.counts)
        if self.timer.per_s:
            yield f"it wakes {self.timer}"
        yield self.price

    @property
    def price(self) -> str:
        """What the tracing cost, in words."""
        cost = self.cost
        if cost.get("latency_before_us") and cost.get("latency_us"):
            before, meanwhile, after = (cost[f"latency{when}_us"] or 0 for when in ("_before", "", "_after"))
            times = f"a request took {before:,.0f} µs before, {meanwhile:,.0f} µs meanwhile, and {after:,.0f} µs after"
        else:
            times = "how long a request takes was not looked at"
        if cost.get("tracer") == "tracepoints":
            return f"the kernel's tracepoints added {cost['cpu_us_per_call']:.1f} µs to a call; {times}"
        return f"strace used {cost.get('cpu_us_per_call', 0):,.0f} µs of CPU for a call; {times}"

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as the JSON output has it."""
        verdict = self.verdict
        return {
            "command": self.command,
            "seconds": self.seconds,
            "model": self.model,
            "kind": verdict.kind,
            "mode": verdict.mode,
            "arrangement": verdict.arrangement,
            "like": verdict.like,
            "shares": dict(verdict.shares),
            "waits_in": self.rows,
            "processes": verdict.processes,
            "threads": verdict.threads,
            "accepts": self.accepts,
            "accept_threads": self.accept_threads,
            **self.counts.as_dict(),
            "timer": asdict(self.timer),
            "findings": [asdict(finding) for finding in self.findings],
            "cost": self.cost,
        }


def _number(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _sentences(counts: Counts) -> Iterator[str]:
    if counts.calls_per_request is None:
        return
    yield (
        f"{_number(counts.requests, 'request')}, {counts.calls_per_request:.1f} system calls for each, "
        f"{counts.vain_share:.0%} of them in vain"
    )
    for name, (number, ready, none) in counts.waits.items():
        mean = ready / max(1, number - none)
        yield f"{name}: {_number(number, 'wait')}, {mean:.1f} ready in each, {none:,} with none"
    if counts.between_us is not None:
        shares = {name: number / counts.requests for name, number in counts.between.most_common(4)}
        calls = ", ".join(f"{name} {share:.1f}" for name, share in shares.items() if share >= 0.05)
        yield f"between arrival and reply {counts.between_us:,.0f} µs{f', with {calls}' if calls else ''}"


@dataclass
class Watch:
    """One watch: the tracer, the processes that it traces, and what is seen from outside meanwhile."""

    tracer: Strace | Events
    pids: list[int]
    threads: dict[int, int] = field(default_factory=dict)
    masks: dict[tuple[int, int], int] = field(default_factory=dict)
    ports: list[processes.Port] = field(default_factory=list)
    queue: int = 0
    room: int | None = None
    looks_again_s: float = 0.0

    def look(self) -> None:
        """Look at the queue and at the threads now and then, and see that the server is there."""
        if time.monotonic() < self.looks_again_s:
            return
        if not self.tracer.is_running:
            raise self.tracer.refusal()
        self.pids = self.tracer.family()
        if not self.pids:
            raise self.tracer.refusal()
        self.threads |= processes.threads_of(self.pids)
        if ports := processes.ports_of(self.pids):
            self.ports = ports
            self.queue = max(self.queue, *(port.waiting for port in ports))
            if self.room is None:
                rooms = processes.rooms()
                self.room = min((rooms[port.inode] for port in ports if port.inode in rooms), default=None)
        self.looks_again_s = time.monotonic() + LOOKS_S

    def look_at_interest(self) -> None:
        """Note what epolls that were there before watch."""
        for pid in self.pids:
            self.masks |= {(pid, number): mask for number, mask in processes.interest_of(pid).items()}

    def sleep(self, seconds: float) -> None:
        """Let the server run for so long."""
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            self.look()
            time.sleep(TICK_S)


@guard
def xray(
    target: int | str | Sequence[str],
    *,
    seconds: float = 4.0,
    load: str | None = None,
    connections: int = 4,
    port: int | None = None,
    send: bytes | None = None,
    expect: bytes | None = None,
    tracer: str = "auto",
) -> Xray:
    """Watch a server for some seconds while it serves, and say which I/O model it runs.

    `target` is the PID of a process of yours, which is left as it was, or a command, a list of words, which is ended
    with all its children. `load` has it asked meanwhile: `echo`, `http`, `redis` or `memcached`; or `send` some bytes
    and `expect` others. `tracer` is `strace`, or `tracepoints` of the kernel, which cost less, tell less, take root,
    and serve for a process that runs; `auto` takes them where there is no strace. Raise UsageError where it cannot be
    traced or nothing was served, ServerFailed if it ends.
    """
    if tracer not in TRACERS:
        raise unknown("tracer", tracer, TRACERS)
    if not 0.5 <= seconds <= 600:
        raise UsageError(f"expected seconds to be from 0.5 to 600, not {seconds:g}")
    if not 1 <= connections <= 1000:
        raise UsageError(f"expected connections to be from 1 to 1,000, not {connections}")
    protocol = protocol_of(load, send, expect)
    if isinstance(target, numbers.Integral):
        return _of_process(int(target), seconds, protocol, connections, port, tracer)
    command = [target] if isinstance(target, str) else list(target) if isinstance(target, Sequence) else []
    if not command or not all(isinstance(word, str) for word in command):
        raise UsageError(f"expected a PID, or a command as a list of words such as ['redis-server'], not {target!r}")
    if tracer == "tracepoints":
        raise UsageError("a command is started under strace; tracepoints watch a process that runs, by its PID")
    return _of_command(command, seconds, protocol, connections, port)


def protocol_of(load: str | None, send: bytes | None, expect: bytes | None) -> Protocol | None:
    """Return what the load speaks; None without one."""
    if (send is None) != (expect is None):
        raise UsageError("what is sent needs the reply that is expected, and the other way round: give both")
    if send is not None and expect is not None:
        if not send or not expect:
            raise UsageError("expected some bytes to send and some to expect; one of the two is empty")
        return protocols.exactly(send, expect)
    if load is not None and load not in protocols.PROTOCOLS:
        raise unknown("protocol", load, protocols.PROTOCOLS)
    return protocols.PROTOCOLS[load] if load else None


def _of_process(
    pid: int, seconds: float, protocol: Protocol | None, connections: int, port: int | None, tracer: str
) -> Xray:
    processes.require_traceable(pid)
    pids = processes.family(pid)
    name = processes.name_of(pid)
    address = address_of(processes.ports_of(pids), port) if protocol else None
    before_us = _latency_us(address, protocol, connections)
    if tracer == "tracepoints" and (why := events.why_not()):
        raise UsageError(f"the kernel's tracepoints cannot be had: {why}; --tracer strace does without")
    if tracer == "auto" and not shutil.which("strace") and not events.why_not():
        tracer = "tracepoints"
    if tracer == "tracepoints":
        with InOnePiece(lambda: Events(pid)) as watcher:
            picture = _develop(Watch(watcher, pids), name, seconds, protocol, connections, port)
    else:
        with InOnePiece(lambda: Strace.attach(pids)) as strace:
            strace.wait_attached(pids)
            picture = _develop(Watch(strace, pids), name, seconds, protocol, connections, port)
    after_us = _latency_us(address, protocol, connections)
    return replace(picture, cost=picture.cost | {"latency_before_us": before_us, "latency_after_us": after_us})


def _latency_us(address: tuple[str, int] | None, protocol: Protocol | None, connections: int) -> float | None:
    """Return how long a request takes while nobody traces."""
    if not address or not protocol:
        return None
    load = Load(address, protocol, connections)
    with _closing(load):
        load.open()
        load.run(BEFORE_S, lambda: None)
    return load.median_us and round(load.median_us, 1)


def _of_command(
    command: list[str], seconds: float, protocol: Protocol | None, connections: int, port: int | None
) -> Xray:
    with InOnePiece(lambda: Strace.start(command)) as strace:
        watch = Watch(strace, [])
        strace.wait_for(lambda: processes.ports_of(strace.family()), STARTS_S, "the command did not listen on TCP")
        return _develop(watch, " ".join(command), seconds, protocol, connections, port)


def address_of(ports: Sequence[processes.Port], number: int | None) -> tuple[str, int]:
    """Return where to ask. Raise UsageError if the server listens nowhere, or the number is not one of its ports."""
    numbers = sorted({port.number for port in ports})
    if not numbers:
        raise UsageError("it listens on no TCP port, so that nothing can be asked; leave the load away")
    if number is None and len(numbers) > 1:
        raise UsageError(f"it listens on {', '.join(map(str, numbers))}; say which by port= (--port)")
    if number is not None and number not in numbers:
        raise UsageError(f"it does not listen on port {number}, but on {', '.join(map(str, numbers))}")
    wanted = numbers[0] if number is None else number
    return next((port.host, port.number) for port in ports if port.number == wanted)


def _develop(
    watch: Watch, name: str, seconds: float, protocol: Protocol | None, connections: int, port: int | None
) -> Xray:
    """Let the server serve, end the trace, and tell what it shows."""
    watch.look()
    watch.look_at_interest()
    overflows, cpu_s, since_s = processes.overflows(), watch.tracer.cpu_s, time.time()
    asked = Load(address_of(watch.ports, port), protocol, connections) if protocol else None
    with _closing(asked):
        _serve(watch, asked, seconds)
    overflows, cpu_s = processes.overflows() - overflows, watch.tracer.cpu_s - cpu_s
    watch.tracer.stop()
    facts = read(
        watch.tracer.calls(), watch.threads, since_s=since_s, ports=[each.number for each in watch.ports],
        watched=watch.masks,
    )  # fmt: skip
    answered = len(asked.exchanges) if asked else 0
    verdict = tell(facts, requests=answered, own_sockets=_most_sockets(watch.ports))
    counts = count(facts, answered)
    scene = Scene(facts, verdict, watch.queue, overflows, watch.room)
    findings = find(scene)
    if not counts.requests and not findings and verdict.kind == "cannot tell":
        raise UsageError(
            f"nothing was served in {seconds:g} s, and only a server at work shows its model; "
            "ask it something meanwhile, or have it asked: --load echo, http, redis or memcached"
        )
    cost = {
        "tracer": watch.tracer.name,
        "calls": len(facts.counted),
        "cpu_us_per_call": round(_cost_us(watch, cpu_s, len(facts.counted)), 2),
        "latency_us": asked and asked.median_us and round(asked.median_us, 1),
    }
    threads = len({call.thread for call in facts.accepts})
    return Xray(
        name, seconds, verdict, counts, tuple(findings), tuple(waits_in(facts)), len(facts.accepts), threads, cost,
        facts, asked, timer(scene),
    )  # fmt: skip


def _cost_us(watch: Watch, cpu_s: float, calls: int) -> float:
    return events.cost_us() if isinstance(watch.tracer, Events) else cpu_s * 1e6 / max(1, calls)


@contextmanager
def _closing(load: Load | None) -> Iterator[None]:
    try:
        yield
    finally:
        if load:
            load.close()


def _serve(watch: Watch, load: Load | None, seconds: float) -> None:
    """Let the server serve: whoever asks it, or the load, which is silent for a while in between."""
    if not load:
        watch.sleep(seconds)
        return
    load.open()
    load.ask_once(min(1.0, seconds / 4), watch.look)
    quiet_s = seconds * QUIET_SHARE
    watch.sleep(quiet_s)
    load.run(max(0.3, seconds - quiet_s - SETTLES_S), watch.look)
    load.close()
    watch.sleep(SETTLES_S)
    if not load.exchanges:
        raise UsageError(f"the server gave no whole reply to {load.protocol.name}; is it what it speaks?")


def _most_sockets(ports: Sequence[processes.Port]) -> int:
    sockets: dict[tuple[int, str], set[str]] = {}
    for port in ports:
        sockets.setdefault((port.number, port.table), set()).add(port.inode)
    return max(map(len, sockets.values()), default=1)


def waits_in(facts: Facts) -> Iterator[dict[str, Any]]:
    """Yield the calls that can wait, by how long: the call, how many threads, its share of the time in such calls."""
    slept: dict[str, tuple[float, set[int]]] = {}
    for call in facts.counted:
        if call.name not in CAN_WAIT:
            continue
        seconds, threads = slept.get(call.name, (0.0, set()))
        slept[call.name] = seconds + call.seconds, threads | {call.thread}
    whole = sum(seconds for seconds, _ in slept.values()) or 1.0
    for name, (seconds, threads) in sorted(slept.items(), key=lambda row: -row[1][0])[:6]:
        if seconds / whole >= 0.01:
            yield {"call": name, "threads": len(threads), "share": round(seconds / whole, 3)}
