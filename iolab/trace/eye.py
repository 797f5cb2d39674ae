"""What the kernel tells of the threads of a server while they run: their switches, and its own steps for them."""

import threading
from collections.abc import Collection
from contextlib import ExitStack
from typing import Self

from iolab.errors import UsageError
from iolab.kernel import perf, tracepoints
from iolab.kernel.switches import Switches
from iolab.kernel.tracepoints import Happening, Tracepoints
from iolab.trace.absences import Absences


class Eye:
    """The records of all threads that the calling one starts in a `with` block; of processes too, where asked.

    Those of switches are for any user; where the kernel refuses them, `why_not` says why. Steps are asked for.
    Raise UsageError if they are and cannot be had.
    """

    def __init__(self, cpu: int | None, steps: bool, processes: bool = False) -> None:
        self.why_not = perf.unsupported()
        self.absences: Absences | None = None
        self.steps: list[Happening] = []
        self.whole = True
        """Whether all steps found room."""
        self._cpu, self._asks_for_steps, self._processes = cpu, steps, processes
        self._switches: Switches | None = None
        self._tracepoints: Tracepoints | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if self._asks_for_steps:
            if reason := tracepoints.why_not():
                raise UsageError(f"the kernel's steps cannot be recorded here: {reason}")
            self._tracepoints = self._stack.enter_context(Tracepoints())
        try:
            if not self.why_not:
                switches = Switches([threading.get_native_id()], self._cpu, self._processes)
                self._switches = self._stack.enter_context(switches)
        except OSError as error:
            self.why_not = perf.refusal(error)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def read(self, threads: Collection[int]) -> None:
        """End the recording; of the steps, keep those in the context of these threads and those that wake one."""
        if self._switches:
            switches = self._switches.read()
            self.absences = Absences(switches, self._switches.since_ns, self._switches.until_ns)
        if self._tracepoints:
            self.steps, self.whole = self._tracepoints.read(threads), self._tracepoints.whole
