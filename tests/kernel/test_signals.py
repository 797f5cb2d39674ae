"""Signals that carry a descriptor: whose they are, and that none is left."""

import sys

import pytest

from iolab.kernel import signals
from tests.kernel.support import run_script

pytestmark = pytest.mark.skipif(signals.why_not() is not None, reason=str(signals.why_not()))

IN_THREAD = """
import signal, socket, threading
from iolab.kernel import signals

def in_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

ours, peer = socket.socketpair()
"""


def test_a_signal_carries_the_descriptor() -> None:
    script = """
def work():
    with ours, peer, signals.Interest() as interest:
        interest.register(ours)
        peer.send(b"!")
        info = signal.sigwaitinfo(signals.SIGNALS)
        print(info.si_signo == signals.READY, signals.descriptor_of(info) == ours.fileno())
in_thread(work)
"""
    assert run_script(IN_THREAD + script) == "True True"


def test_a_signal_that_somebody_sent_carries_none() -> None:
    script = """
def work():
    with ours, peer, signals.Interest():
        signal.pthread_kill(threading.get_ident(), signals.READY)
        print(signals.descriptor_of(signal.sigwaitinfo(signals.SIGNALS)))
in_thread(work)
"""
    assert run_script(IN_THREAD + script) == "-1"


@pytest.mark.parametrize("closing", ["pass", "interest.unregister(ours.fileno()); ours.close()"])
def test_the_end_leaves_no_signal_and_the_mask_of_before(closing: str) -> None:
    script = f"""
def work():
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGUSR2}})
    with signals.Interest() as interest:
        interest.register(ours)
        peer.send(b"before the end")
        {closing}
    print(signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask | {{signal.SIGUSR2}})
    peer.send(b"after it")  # a socket that is still armed would end the process here
    print(signal.sigpending() == set())
with peer, ours, ours.dup():
    in_thread(work)
print(signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set())
"""
    assert run_script(IN_THREAD + script).split() == ["True"] * 3


@pytest.mark.parametrize("limit", [0, 3])
def test_a_queue_that_overflows_loses_nothing(limit: int) -> None:
    script = f"""
import resource
resource.setrlimit(resource.RLIMIT_SIGPENDING, ({limit}, {limit}))
from iolab.api import start
from iolab.traffic.process import load
from iolab.traffic.workload import Workload
with start("signals") as server:
    for work in (Workload(connections=50, requests=2000), Workload(connections=3, requests=6, size_bytes=2_000_000)):
        records = load(server.address, work)
        assert not records.errors, records.errors
        print(len(records))
"""
    assert run_script(script).split() == ["2000", "6"]


def test_the_reason_names_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "Linux" in str(signals.why_not())
