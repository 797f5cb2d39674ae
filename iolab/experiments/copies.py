"""The two phases of a `recv` against the size of what it brings: the copy grows, and waking does not.

Each size is received twice. First the bytes are all there before the call: nobody sleeps, and the call is
the copy alone. Then the call comes first, and sleeps until all have arrived (SO_RCVLOWAT, socket(7)); the
kernel's records of switches part it into sleep, wake-up and run. Where they are refused, the first
half is all there is, and it needs no privilege.
"""

import os
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from statistics import median
from typing import ClassVar

from iolab.experiments.attempt import pinned, sizes
from iolab.experiments.result import OnStep, Result, Row, quiet
from iolab.experiments.shape import Sign, at_least, at_most, missing, over
from iolab.kernel import switches, threads, timestamps
from iolab.kernel.switches import Switches
from iolab.measurement.placement import Placement, place
from iolab.measurement.statistics import median_interval
from iolab.trace.absences import Absences
from iolab.trace.calls import Call, watch
from iolab.trace.occupancy import Occupancy

SIZES_BYTES = (64, 4 << 10, 64 << 10, 256 << 10, 1 << 20, 2 << 20)
TURNS = 6
PATIENCE_S = 1.0
"""How long bytes may take from one end of a connection to the other."""

STUCK_US = 200_000
"""When a call is given up that full buffers woke early: what is left is less than SO_RCVLOWAT, and nobody wakes it."""

PAUSE_S = 0.0005
"""How long the sender lets the receiver sleep."""


@dataclass(frozen=True, repr=False)
class CopyCost(Result):
    """The time of a `recv` that finds its bytes, and the parts of one that sleeps; one row a size."""

    name = "copy_cost"
    title = "the two phases of a recv against its size"
    keys: ClassVar[dict[str, str]] = {"size_bytes": "bytes"}
    figures: ClassVar[dict[str, str]] = {
        "copy_us": "copy, µs",
        "copy_low_us": "",
        "copy_high_us": "",
        "waking_us": "waking, µs",
        "running_us": "running, µs",
    }

    @property
    def signs(self) -> list[Sign]:
        """Whether the copy grows with the size, and the wake-up less than it."""
        copied, woken = (self._growth(figure) for figure in ("copy_us", "waking_us"))
        share = over(woken and woken[1] - woken[0], copied and copied[1] - copied[0])
        what = "growth of waking over growth of the copy"
        why_not = next((row["why_not"] for row in self.rows if row["why_not"]), "no call slept")
        return [
            at_least(
                "copy of the largest over copy of the smallest", copied and copied[1] / copied[0], 10, fails_below=2
            ),
            missing(what, why_not) if share is None else at_most(what, share, 0.3, fails_above=1),
        ]

    def _growth(self, figure: str) -> tuple[float, float] | None:
        values = [row[figure] for row in self.rows if row[figure]]
        return (values[0], values[-1]) if len(values) > 1 else None


def copy_cost(sizes_bytes: Sequence[int] = SIZES_BYTES, rounds: int = 60, on_step: OnStep = quiet) -> CopyCost:
    """Receive each size so many times with its bytes there before, and as often with the receiver asleep."""
    placement = place()
    samples = [Sample(size) for size in sizes("sizes_bytes", sizes_bytes, 1)]
    with pinned(placement.server):
        for turn in range(TURNS):  # the sizes take turns: what the machine does meanwhile falls on all
            on_step(f"round {turn + 1} of {TURNS}")
            for sample in samples if not turn else [sample for sample in samples if sample.copies_us]:
                _fill(sample, max(1, rounds // TURNS), placement)
    return CopyCost(tuple(sample.row() for sample in samples), str(placement))


@dataclass
class Sample:
    """What was measured of one size."""

    size: int
    copies_us: list[float] = field(default_factory=list)
    sleeps: list[list[Occupancy]] = field(default_factory=list)
    why_not: str = ""

    def row(self) -> Row:
        """Return the median of the copy with its 95 % interval, and medians of the sleeps.

        These are of the turn that others disturbed least: a thread that waits for its CPU wakes late.
        """
        copy = median_interval(self.copies_us)
        figures = {
            "copy_us": copy.middle if copy else None,
            "copy_low_us": copy.low if copy else None,
            "copy_high_us": copy.high if copy else None,
            "waking_us": self._least_us("waking_ns"),
            "running_us": self._least_us("running_ns"),
        }
        why_not = self.why_not or ("" if figures["waking_us"] else "no call slept until its bytes came")
        short = {name: None if value is None else round(value, 2) for name, value in figures.items()}
        return {"size_bytes": self.size, **short, "why_not": why_not}

    def _least_us(self, part: str) -> float | None:
        medians = [median(getattr(each, part) for each in turn) for turn in self.sleeps if turn]
        return min(medians) / 1e3 if medians else None


def _fill(sample: Sample, rounds: int, placement: Placement) -> None:
    try:
        with _connected(sample.size) as (receiving, sending):
            sample.copies_us += _copies(receiving, sending, sample.size, rounds)
            sample.why_not = switches.why_not() or ""
            if not sample.why_not:
                sample.sleeps.append(_sleeps(receiving, sending, sample.size, rounds, placement))
    except OSError as error:  # TimeoutError is one
        sample.why_not = f"so many bytes do not fit into a receive buffer here: {error}"


@contextmanager
def _connected(size: int) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield the two ends of a connection, the first of which is readable when so many bytes are there."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        sending = stack.enter_context(socket.create_connection(listening.getsockname()))
        receiving = stack.enter_context(listening.accept()[0])
        sending.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for least in (2 * size, size):  # the buffer gets room for twice the first, and keeps it
            receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, least)
        receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", 0, STUCK_US))
        timestamps.enable(receiving)
        yield receiving, sending


def _copies(receiving: socket.socket, sending: socket.socket, size: int, rounds: int) -> list[float]:
    """Return the time of each `recv` that found all its bytes, in µs."""
    contents, buffer, watching = bytes(size), bytearray(size), select.poll()
    watching.register(receiving, select.POLLIN)
    times_us = []
    for _ in range(rounds):
        sending.settimeout(PATIENCE_S)
        sending.sendall(contents)
        if not watching.poll(PATIENCE_S * 1000):
            raise TimeoutError("they did not all arrive")
        start_ns = time.perf_counter_ns()
        received = receiving.recv_into(buffer)
        end_ns = time.perf_counter_ns()
        if received == size:
            times_us.append((end_ns - start_ns) / 1e3)
        _take(receiving, size - received, size)
    return times_us


def _sleeps(
    receiving: socket.socket, sending: socket.socket, size: int, rounds: int, placement: Placement
) -> list[Occupancy]:
    """Return the parts of each `recv` that slept until all its bytes had come."""
    with Switches([threading.get_native_id()], placement.server) as watched:
        with _sender(sending, size, rounds, placement.client) as due:
            calls = [call for _ in range(rounds) if (call := _receive(receiving, size, due))]
        absences = Absences(watched.read(), watched.since_ns, watched.until_ns)
    parts = [call.occupancy for call in watch(calls, absences)]
    return [each for each in parts if each and each.asleep_ns]


@contextmanager
def _sender(sending: socket.socket, size: int, rounds: int, cpu: int | None) -> Iterator[threading.Semaphore]:
    """Yield what has a thread send so many bytes, a little after each release."""
    due, contents = threading.Semaphore(0), bytes(size)
    sending.settimeout(None)

    def send() -> None:
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})
        with suppress(OSError):  # the connection is shut down
            for _ in range(rounds):
                due.acquire()
                time.sleep(PAUSE_S)
                sending.sendall(contents)

    thread = threads.start(threading.Thread(target=send, daemon=True))
    try:
        yield due
    finally:
        sending.shutdown(socket.SHUT_RDWR)
        due.release(rounds)
        thread.join()


def _receive(receiving: socket.socket, size: int, due: threading.Semaphore) -> Call | None:
    """Return a `recv` that was there before its bytes; None if the kernel woke it before it had them all."""
    buffer = bytearray(size)
    due.release()
    start_ns = time.perf_counter_ns()
    received, notes = 0, list[tuple[int, int, bytes]]()
    with suppress(BlockingIOError):  # none came in time
        received, notes, _, _ = receiving.recvmsg_into([buffer], timestamps.ROOM_BYTES)
    end_ns = time.perf_counter_ns()
    _take(receiving, size - received, size)
    arrived_ns = timestamps.arrival_ns(notes[0][2]) if notes else None
    if received < size or arrived_ns is None:
        return None
    thread = threading.get_native_id()
    return Call("recv", 0, start_ns, end_ns, received, thread, arrived_ns + timestamps.offset_ns())


def _take(receiving: socket.socket, rest: int, size: int) -> None:
    """Receive what a call left behind: less than SO_RCVLOWAT, of which nobody would be told."""
    if rest:
        receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        while rest:
            rest -= len(receiving.recv(rest)) or rest
        receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)
