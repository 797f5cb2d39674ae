"""Properties of an event loop for generators; a server that runs on it shows them over the wire."""

import select
from contextlib import ExitStack

from iolab.exercises.peers import Peer, Violated
from iolab.exercises.properties.wire import converse
from iolab.exercises.trial import Trial

SLEEP, RAISE = b"\xf0 sleep", b"\xf0 raise"

PROGRAM = f"""

def serve(listening, respond):
    loop = Loop()
    listening.setblocking(False)

    def door():
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
                    raise ValueError("a task of the judge's that fails")
                yield from loop.send(connection, respond(request))

    loop.spawn(door())
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


def sleeps(trial: Trial) -> str:
    """Wake sleeping tasks in the order of their time, and run the others meanwhile."""
    seconds = [0.9, 0.3, 0.6]
    trial.draw.shuffle(seconds)
    with ExitStack() as stack:
        peers = {stack.enter_context(trial.peer()): each for each in seconds}
        awake = stack.enter_context(trial.peer())
        for peer in [awake, *peers]:
            converse(trial, peer)
        for peer, each in peers.items():
            peer.send(_asking(each))
        converse(trial, awake, "a client, while three tasks of others sleep")
        if _first(list(peers), 0):
            raise Violated("a task was answered at once that was to sleep first")
        for expected in sorted(seconds):
            peer = _first(list(peers), 10_000) or awake
            woken = peers.pop(peer, 0.0)
            if woken != expected:
                says = f"the task that sleeps {woken} s" if woken else "none"
                raise Violated(f"three tasks sleep; the one of {expected} s was to wake next, and {says} did")
            peer.expect(trial.due(_asking(woken)), "a client whose task slept")
    return "three tasks slept at once, and woke in the order of their time"


def _asking(seconds: float) -> bytes:
    return SLEEP + b" %.1f" % seconds


def _first(peers: list[Peer], patience_ms: int) -> Peer | None:
    waiting = select.poll()
    for peer in peers:
        waiting.register(peer.connection, select.POLLIN)
    ready = {descriptor for descriptor, _ in waiting.poll(patience_ms)}
    return next((peer for peer in peers if peer.connection.fileno() in ready), None)


def exceptions(trial: Trial) -> str:
    """Go on when a task raises: that one ends, and no other."""
    with trial.peer() as bystander:
        converse(trial, bystander)
        for _ in range(3):
            with trial.peer() as peer:
                converse(trial, peer)
                peer.send(RAISE)
                peer.ends("a client whose task raised an exception")
            converse(trial, bystander, "a client, when another one's task has raised an exception")
    return "three tasks raised an exception, and the others went on"
