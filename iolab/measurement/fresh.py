"""A call in a Python process of its own, which is gone when it is over.

What a process draws once and keeps (where its memory lies, the state of its heap, the seed of its hashes) can make
one server a few percent dearer than another, in every run. In fresh processes it is drawn for each run.

`multiprocessing` would leave a process of its own behind (its resource tracker), and run the caller's `__main__` again.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import IO, Any, TypeVar

from iolab.display.progress_bar import Tick
from iolab.errors import LoadFailed, ServerFailed, UsageError
from iolab.kernel.interrupts import run
from iolab.listening import Respond
from iolab.measurement.run import Run, measure
from iolab.models import Model, Serve, find
from iolab.replies import upper
from iolab.traffic.workload import OnTick, Workload

Result = TypeVar("Result")
ELSEWHERE = "define it in a module that a fresh process can import, or leave fresh out"
CHILD = "from iolab.measurement.fresh import main; main()"


def measure_fresh(
    model: Model,
    workload: Workload,
    *,
    respond: Respond = upper,
    pin: bool = True,
    on_tick: OnTick = lambda tick: None,
) -> Run:
    """Measure in a process of its own, as `measure` does in this one; the only progress is that it begins.

    Raise UsageError for a function that another process cannot import.
    """
    on_tick(Tick(0.0, 0, 0))
    return in_fresh_process(_measure, model.name, model.function, workload, respond, pin)


def _measure(name: str, function: Serve | None, workload: Workload, respond: Respond, pin: bool) -> Run:
    # By name: what the table says of a model beside its name no other process can read.
    model = Model(name, function=function) if function else find(name)
    warm_up(model, respond)
    return measure(model, workload, respond=respond, pin=pin)


def warm_up(model: Model, respond: Respond = upper) -> None:
    """Serve a few requests that do not count: the first run of a process imports what a server imports when it runs."""
    measure(model, Workload(connections=1, requests=100), respond=respond)


def in_fresh_process(function: Callable[..., Result], *arguments: Any, patience_s: float | None = None) -> Result:
    """Return what a function returns in a fresh process, or raise what it raises.

    Raise UsageError for what another process cannot import, and ServerFailed if the process ends without a result
    or has none within `patience_s`.
    """
    try:
        call = pickle.dumps((function, arguments))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise UsageError(f"{error}: {ELSEWHERE}") from None
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        child = run([sys.executable, "-c", CHILD], stdin=call, env=environment, timeout=patience_s)
        returned, value = pickle.loads(child.stdout)  # noqa: S301  from our own process
    except subprocess.TimeoutExpired:
        raise ServerFailed(f"it had not ended after {patience_s} s") from None
    except (EOFError, pickle.UnpicklingError):
        says = child.stderr.decode(errors="replace").strip().splitlines()
        raise ServerFailed(f"its process ended: {says[-1] if says else 'it said nothing'}") from None
    sys.stderr.write(child.stderr.decode(errors="replace"))
    if not returned:
        raise value
    result: Result = value
    return result


def read_call(file: IO[bytes]) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Return the function and its arguments. Raise UsageError for what cannot be imported here."""
    try:
        function, arguments = pickle.load(file)  # noqa: S301  from our own parent
    except (AttributeError, ImportError) as error:
        raise UsageError(f"{error}: {ELSEWHERE}") from None
    return function, arguments


def main() -> None:
    """Make the call that standard input holds, write the result to standard output, and end the process."""
    answer = os.dup(1)
    os.dup2(2, 1)  # what a server prints is no part of the result
    result: tuple[bool, Any]
    try:
        function, arguments = read_call(sys.stdin.buffer)
        result = (True, function(*arguments))
    except (UsageError, LoadFailed, ServerFailed) as error:
        result = (False, error)
    with os.fdopen(answer, "wb") as file:
        pickle.dump(result, file)
    sys.stderr.flush()
    os._exit(0)  # 10,000 threads that are woken to end fight for the GIL for half a minute
