"""What a server that runs calls, as exercise 10-xray has it: asked by a small load, and traced by strace meanwhile."""

import time

from iolab.exercises.calls import Call, from_strace
from iolab.kernel.interrupts import InOnePiece
from iolab.xrays import processes
from iolab.xrays.facts import read
from iolab.xrays.load import Load
from iolab.xrays.protocols import PROTOCOLS
from iolab.xrays.strace import Strace
from iolab.xrays.syscalls import parse

CLIENTS = 4


def trace(pid: int, address: tuple[str, int], seconds: float) -> list[Call]:
    """Return the calls of a process and all below it, while clients say nothing for half of the time, and then ask.

    Raise UsageError where it cannot be traced.
    """
    processes.require_traceable(pid)
    pids = processes.family(pid)
    with InOnePiece(lambda: Strace.attach(pids)) as strace:
        strace.wait_attached(pids)
        threads, load = processes.threads_of(pids), Load(address, PROTOCOLS["echo"], CLIENTS)
        load.open()
        time.sleep(seconds / 2)
        load.run(seconds / 2, lambda: None)
        load.close()
        strace.stop()
        syscalls = parse(strace.lines())
    return from_strace(syscalls, read(syscalls, threads).process_of)
