"""`iolab.kernel.threads`: what the kernel says of the threads of this process."""

import signal
import threading

import pytest

from iolab.kernel import threads
from iolab.kernel.threads import is_pending, is_runnable

pytestmark = pytest.mark.skipif(not threads.task_ids(), reason="this system has no /proc")


def test_a_signal_that_a_thread_blocks_does_not_wait_for_it() -> None:
    with threads.blocked():
        threads.interrupt(threading.get_native_id(), signal.SIGUSR1)
        assert not is_pending(signal.SIGUSR1)
        assert signal.sigtimedwait({signal.SIGUSR1}, 0)


def test_one_that_sleeps_waits_for_no_cpu_and_one_that_computes_runs_or_does() -> None:
    go_on, over = threading.Event(), threading.Event()

    def compute() -> None:
        go_on.wait()
        while not over.is_set():
            pass

    thread = threads.start(threading.Thread(target=compute, daemon=True))
    while is_runnable(thread.native_id or 0):  # until it waits
        pass
    go_on.set()
    while not is_runnable(thread.native_id or 0):  # it may wait for the GIL in between
        pass
    over.set()
    thread.join()
    while thread.native_id in threads.task_ids():  # Python has left it, and the kernel takes it down
        pass
    assert not is_runnable(thread.native_id or 0)
