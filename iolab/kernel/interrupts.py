"""Interrupts that come at a bad moment: they wait until what was begun has somebody to end it.

Python runs the handler of a signal between any two instructions of the main thread. One that raises after a thread or
a process has begun, but before the `with` block that would end it, leaves it behind. So for that short time handlers
only note their signal. A mask would not do: in a notebook other threads take the signal, and the main thread raises.
"""

import signal
import subprocess
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import FrameType, TracebackType
from typing import Any, Generic, TypeVar

ENDS = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None))]
"""The signals by which people, other programs and terminals end a command."""

T = TypeVar("T")


Handler = Callable[[int, FrameType | None], object]


@contextmanager
def hold() -> Iterator[None]:
    """Have the handlers of ENDS wait for the end of a block; then the first signal that came is raised again."""
    numbers: list[int] = []
    try:
        with _replace_handlers(lambda handler: lambda number, _: numbers.append(number)):
            yield
    finally:
        if numbers:
            signal.raise_signal(numbers[0])


@contextmanager
def _replace_handlers(make: Callable[[Handler], Handler]) -> Iterator[None]:
    """Put others in the place of the handlers of ENDS, made from them, for a block of the main thread."""
    with ExitStack() as restore:
        if threading.current_thread() is threading.main_thread():  # which alone runs handlers
            for number in ENDS:
                if callable(handler := signal.getsignal(number)):
                    restore.callback(_put_back, number, handler, put := make(handler))
                    signal.signal(number, put)
        yield


def _put_back(number: int, handler: Handler, put: Handler) -> None:
    if signal.getsignal(number) is put:  # a handler may set another one when it runs
        signal.signal(number, handler)


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


def complete(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine as `asyncio.run` does, but an interrupt cancels it, and is raised when it has cleaned up.

    A handler that raises in a task stops the loop there, and asyncio complains of every task that is left behind.
    asyncio.run prevents this for Python's own handler of SIGINT, and for no other.
    """
    import asyncio  # takes a third of the time of `import iolab`, which needs none

    raised: list[BaseException] = []
    cancels: list[Callable[[], object]] = []

    def keep(handler: Handler) -> Handler:
        def handle(number: int, frame: FrameType | None) -> None:
            try:
                handler(number, frame)
            except BaseException as error:
                raised.append(error)
                for cancel in cancels:
                    cancel()

        return handle

    async def run_main() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(main)
        cancels.append(lambda: loop.call_soon_threadsafe(task.cancel))
        if raised:  # before there was a task
            task.cancel()
        return await task

    try:
        with _replace_handlers(keep):
            return asyncio.run(run_main())
    finally:
        if raised:
            raise raised[0] from None


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
    command: Sequence[str], *, stdin: bytes = b"", env: Mapping[str, str] | None = None, timeout: float | None = None
) -> "subprocess.CompletedProcess[bytes]":
    """Run a command, and return what it wrote; an interrupt or the time-out ends it. Raise TimeoutExpired.

    `subprocess.run` loses the process if the interrupt comes as it is forked.
    """
    with InOnePiece(lambda: child(command, env)) as process:
        out, err = process.communicate(stdin, timeout)
    return subprocess.CompletedProcess(command, process.returncode, out, err)
