"""Faults of the process that a server runs in: no descriptor left, few signals, and interrupted system calls."""

import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from iolab.errors import UsageError
from iolab.kernel import threads


@contextmanager
def use_up_descriptors() -> Iterator[None]:
    """Leave this process no descriptor to open (`open(2)`, EMFILE), and free them at the end of the block.

    A socket made before the block can still connect in it: the server's end is the one that finds no descriptor.
    """
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/dev/fd"))  # noqa: PTH208  no paths are wanted
    descriptors: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
    try:
        _open_all(descriptors)
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def _open_all(descriptors: list[int]) -> None:
    with suppress(OSError):
        while True:
            descriptors.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))


@contextmanager
def few_signals(room: int) -> Iterator[None]:
    """Leave room for so many queued signals (`setrlimit(2)`, RLIMIT_SIGPENDING), until the end of the block.

    All processes of a user share the room. Where the system has no such limit, nothing happens.
    """
    limit = getattr(resource, "RLIMIT_SIGPENDING", None)
    if limit is None:
        yield
        return
    before = resource.getrlimit(limit)
    resource.setrlimit(limit, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(limit, before)


class SignalStorm:
    """A storm of signals; `sent` counts them."""

    sent = 0


@contextmanager
def signal_storm(per_s: float = 1000, number: int = signal.SIGURG) -> Iterator[SignalStorm]:
    """Send a signal to every thread of this process again and again: system calls are interrupted (`signal(7)`, EINTR).

    SIGURG is the one signal that background threads leave open (`iolab.kernel.threads`).
    Call it in the main thread, which alone can set signal handlers; raise UsageError in another.
    """
    if threading.current_thread() is not threading.main_thread():
        raise UsageError("signal_storm sets a signal handler, and only the main thread can; call it there")
    storm, over = SignalStorm(), threading.Event()
    before = signal.signal(number, lambda *_: None)
    thread = threading.Thread(target=_send, args=(storm, over, per_s, number), name="signal_storm", daemon=True)
    threads.start(thread)
    try:
        yield storm
    finally:
        over.set()
        thread.join()
        _restore(number, before)


def _send(storm: SignalStorm, over: threading.Event, per_s: float, number: int) -> None:
    here = threading.get_native_id()
    while not over.wait(1 / per_s):
        for task in threads.task_ids():
            if task != here:
                threads.interrupt(task, number)
                storm.sent += 1


def _restore(number: int, before: object) -> None:
    while threads.is_pending(number):  # a thread that has not run since will take it, and should find its handler
        time.sleep(0.001)
    # A thread that blocks the signal still has it pending: ignoring it discards it (signal(7)),
    # where the default action would kill the process.
    signal.signal(number, signal.SIG_IGN)
    signal.signal(number, before)  # type: ignore[arg-type]
