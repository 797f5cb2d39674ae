"""Interrupts that come at a bad moment: they wait until what was begun has somebody to end it.

Python runs the handler of a signal between any two instructions of the main thread. One that raises after a thread or
a process has begun, but before the `with` block that would end it, leaves it behind. So for that short time handlers
only note their signal. A mask would not do: in a notebook other threads take the signal, and the main thread raises.
"""

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import TracebackType
from typing import Generic, TypeVar

ENDS = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None))]
"""The signals by which people, other programs and terminals end a command."""

T = TypeVar("T")


@contextmanager
def hold() -> Iterator[None]:
    """Have the handlers of ENDS wait for the end of a block; then the first signal that came is raised again."""
    if threading.current_thread() is not threading.main_thread():  # which alone runs handlers
        yield
        return
    came: list[int] = []
    with ExitStack() as restore:
        restore.callback(lambda: signal.raise_signal(came[0]) if came else None)
        for number in ENDS:
            if callable(handler := signal.getsignal(number)):
                restore.callback(signal.signal, number, handler)
                signal.signal(number, lambda number, _: came.append(number))
        yield


class InOnePiece(AbstractContextManager[T], Generic[T]):
    """A context that an interrupt finds not begun or entered, never in between: `with InOnePiece(lambda: start(...))`.

    The context must not take long to enter, since an interrupt waits for it.
    """

    def __init__(self, make: Callable[[], AbstractContextManager[T]]) -> None:
        self._make = make
        self._stack = ExitStack()

    def __enter__(self) -> T:
        try:
            with hold():
                value = self._stack.enter_context(self._make())
        except BaseException:
            self._stack.close()
            raise
        return value  # from here to the caller's block no instruction runs a handler

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._stack.__exit__(kind, error, trace)


@contextmanager
def child(command: Sequence[str], env: Mapping[str, str] | None = None) -> "Iterator[subprocess.Popen[bytes]]":
    """Run a command in a session of its own, with pipes; the end of the block ends it. Enter it in one piece."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=env, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()
            process.wait()  # after an interrupt Popen waits a quarter of a second and no longer


def run(
    command: Sequence[str], *, given: bytes = b"", env: Mapping[str, str] | None = None, timeout: float | None = None
) -> "subprocess.CompletedProcess[bytes]":
    """Run a command, and return what it wrote; an interrupt or the time-out ends it. Raise TimeoutExpired.

    `subprocess.run` loses the process if the interrupt comes as it is forked.
    """
    with InOnePiece(lambda: child(command, env)) as process:
        out, err = process.communicate(given, timeout)
    return subprocess.CompletedProcess(command, process.returncode, out, err)
