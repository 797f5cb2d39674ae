"""Properties of an event loop for generators; a server that runs on it shows them over the wire."""

import select
import time
from contextlib import ExitStack

from iolab.exercises.peers import Peer, Violated
from iolab.exercises.properties.wire import ask_line
from iolab.exercises.trial import Trial

SLEEP, RAISE = b"\xf0 sleep", b"\xf0 raise"

PROGRAM = f"""

def serve(listening, respond):
    loop = Loop()
    listening.setblocking(False)

    def accept_all():
        while True:
            connection = yield from loop.accept(listening)
            connection.setblocking(False)
            loop.spawn(converse(connection))

    def converse(connection):
        with connection:
            while request := (yield from loop.recv(connection, 65536)):
                if request.startswith({SLEEP!r}):
                    yield from loop.sleep(float(request.split()[-1]))
                if request.startswith({RAISE!r}):
                    raise ValueError("this task of the judge's raises on purpose")
                yield from loop.send(connection, respond(request))

    loop.spawn(accept_all())
    loop.run()
"""
"""A server on the learner's loop, which is called in the place of a function of the learner's."""

STUB = '''class Loop:
    """An event loop for generators."""

    def spawn(self, task):
        """Run a generator beside the others; an exception in it ends this one alone."""
        raise NotImplementedError

    def run(self):
        """Run until every task has ended, or one of them raises SystemExit."""
        raise NotImplementedError

    def sleep(self, seconds):
        """Use as `yield from loop.sleep(1)`: the others run meanwhile."""
        raise NotImplementedError

    def accept(self, listening):
        """Use as `connection = yield from loop.accept(listening)`."""
        raise NotImplementedError

    def recv(self, connection, size):
        """Use as `data = yield from loop.recv(connection, 4096)`; the socket is non-blocking."""
        raise NotImplementedError

    def send(self, connection, data):
        """Use as `yield from loop.send(connection, data)`; it returns when all is sent."""
        raise NotImplementedError
'''


def check_sleepers(trial: Trial) -> str:
    """Wake sleeping tasks in order and not too early, and run the others meanwhile."""
    seconds = [1.2, 0.3, 0.6]
    trial.draw.shuffle(seconds)
    with ExitStack() as stack:
        peers = {each: stack.enter_context(Peer(trial)) for each in seconds}
        awake = stack.enter_context(Peer(trial))
        for peer in (awake, *peers.values()):
            ask_line(trial, peer)
        start_s = time.monotonic()
        for each, peer in peers.items():
            peer.send(_request_sleep(each))
        for _ in range(2):  # the second one is sent when all requests before it have arrived
            ask_line(trial, awake, "a client that asked while three tasks of others slept")
        longest = max(seconds)
        if peers[longest].connection in select.select([peers[longest].connection], [], [], 0)[0]:
            raise Violated(f"a client had to wait for one whose task sleeps {longest} s")
        for expected in sorted(seconds):
            _expect_next(peers, expected, start_s)
            peers.pop(expected).expect(trial.due(_request_sleep(expected)), "a client whose task slept")
    return "three tasks slept at the same time, and woke in the right order"


def _expect_next(peers: dict[float, Peer], expected: float, start_s: float) -> None:
    """Wait for the next reply. Raise Violated if it is not that of the task expected, or if one comes too early."""
    waiting = select.poll()
    for peer in peers.values():
        waiting.register(peer.connection, select.POLLIN)
    ready = {descriptor for descriptor, _ in waiting.poll(10_000)}
    passed_s = time.monotonic() - start_s  # a busy machine makes it longer, nothing makes it shorter
    woken = [each for each, peer in peers.items() if peer.connection.fileno() in ready]
    for each in woken:
        if passed_s < each:
            raise Violated(f"a task that should sleep {each} s woke after at most {passed_s:.2f} s")
    if expected not in woken:
        says = f"the one that sleeps {woken[0]} s woke instead" if woken else "none woke"
        raise Violated(f"of the tasks that sleep, the one of {expected} s should wake next, but {says}")


def _request_sleep(seconds: float) -> bytes:
    return SLEEP + b" %.1f" % seconds


def check_raisers(trial: Trial) -> str:
    """Go on when a task raises: that one ends, and no other."""
    with Peer(trial) as bystander:
        ask_line(trial, bystander)
        for _ in range(3):
            with Peer(trial) as peer:
                ask_line(trial, peer)
                peer.send(RAISE)
                peer.expect_end("a client whose task raised an exception")
            ask_line(trial, bystander, "a client that asked after another one's task had raised an exception")
    return "three tasks raised an exception, and the others went on"
