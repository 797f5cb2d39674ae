"""Properties of an event loop for generators; a server that runs on it shows them over the wire."""

import random
import select
import time
from collections.abc import Callable
from contextlib import ExitStack

from iolab.exercises.exercise import PROGRAM_FOLLOWS, Look
from iolab.exercises.peers import JUDGE_WAITS_FOR_EXIT_S, Patience, Peer, Violated, expect_clean_exit
from iolab.exercises.properties.acts import write_program
from iolab.exercises.properties.acts.doors import CLIENTS
from iolab.exercises.properties.wire import ask_line
from iolab.exercises.rest import expect_idle
from iolab.exercises.trial import Trial

SLEEP, RAISE, BITE, END = b"\xf0 sleep", b"\xf0 raise", b"\xf0 bite", b"\xf0 end"
"""Requests that the judge's server on the learner's loop does something for, before it answers."""

BITE_BYTES = 7
ERRORS = ("ValueError", "KeyError", "IndexError", "OSError", "TypeError", "ZeroDivisionError", "AssertionError")

PROGRAM = f"""

def serve(listening, respond):
    import builtins

    loop = Loop()
    listening.setblocking(False)
    ends = []

    def accept_all():
        while not ends:
            connection = yield from loop.accept(listening)
            connection.setblocking(False)
            loop.spawn(converse(connection))

    def converse(connection):
        with connection:
            while request := (yield from loop.recv(connection, 65536)):
                if request.startswith({SLEEP!r}):
                    yield from loop.sleep(float(request.split()[-1]))
                elif request.startswith({RAISE!r}):
                    error = getattr(builtins, request.split()[-1].decode())
                    loop.spawn(raise_at_once(error))
                    yield from loop.send(connection, respond(request))
                    raise error("this task of the judge's raises on purpose")
                elif request == {BITE!r}:
                    yield from loop.send(connection, respond(request))
                    request = b"%d" % len((yield from loop.recv(connection, {BITE_BYTES})))
                elif request == {END!r}:
                    ends.append(True)
                yield from loop.send(connection, respond(request))

    def raise_at_once(error):
        raise error("this task of the judge's raises on purpose, before it waits for anything")
        yield

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


DEEDS = {
    "empty": "a loop was run without tasks, and with one that ends at once",
    "pair": "two loops had tasks, and one ran after the other",
    "beforehand": "tasks waited for what was called before they began",
    "crowd": "363 tasks started one another",
    "naps": "16 tasks slept for times of all sorts",
    "ties": "eight tasks slept until the same moment",
    "late": "a task slept 5 ms, ten times",
    "company": "tasks slept, computed, received and had children, and three others never had to wait",
    "throng": "40 tasks received on sockets that always had more",
    "duplex": "one task sent on a socket on which another one received",
    "leftovers": "a task received a part of what was there and closed the connection",
    "resets": "tasks received and sent on connections that were reset",
    "closings": "tasks received and sent on a connection that was closed",
    "oddities": "tasks raised exceptions whose `__str__` and the like raise",
    "keeping": "60 tasks raised, each with something in its frame",
    "bursts": "40 tasks became ready in one moment, beside one that never had to wait",
    "raisers": "tasks raised exceptions of all kinds",
    "accepts": "one task accepted clients that had connected before, and another one slept 0 s again and again",
    "exits": "a task raised SystemExit while others waited, slept, or could go on",
    "far": "a task slept for an hour, and another one raised SystemExit",
}
"""What tasks of the judge's do on a loop of the learner's (`acts`)."""


def look_for_acts(names: str, also: Callable[[Trial], str]) -> Look:
    """Return what looks for a property over the wire, and then in acts of the judge's tasks."""

    def look(answer: str, entry: str, draw: random.Random) -> str:
        with Trial(answer, entry, draw) as trial:
            says = also(trial)
        text = answer.rpartition(PROGRAM_FOLLOWS)[0] + PROGRAM_FOLLOWS + write_program()
        for name in names.split():
            with Trial(text, entry, draw) as trial, ExitStack() as stack:
                peers = [stack.enter_context(Peer(trial)) for _ in range(1 + (name == "accepts") * CLIENTS)]
                _expect_act(trial, peers[0], name)  # all others wait to be accepted
        return says

    return look


def _expect_act(trial: Trial, peer: Peer, name: str) -> None:
    peer.send(f"{name} {trial.draw.randrange(1 << 30)}".encode())
    received = peer.receive(1 << 16)
    says = received.translate(bytes(map(trial.table.index, range(256)))).decode(errors="replace")
    if not says:
        raise Violated(f"{DEEDS[name]}, and `run` did not return; {peer.why()}")
    if says != "fine":
        raise Violated(says)


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


def check_naps(trial: Trial) -> str:
    """Wake nobody while a task sleeps."""
    with Peer(trial) as peer, Peer(trial) as sleeper:
        ask_line(trial, peer)
        sleeper.send(_request_sleep(1.5))
        sleeper.at_rest_s = 2.5
        ask_line(trial, peer)
        time.sleep(0.05)
        expect_idle(trial, "while a task sleeps")
        sleeper.expect(trial.due(_request_sleep(1.5)), "a client whose task slept")
    return "every call gave the others turns, sleeps were as long as they should be, and nothing woke up meanwhile"


def check_end_of_run(trial: Trial) -> str:
    """Return from `run` when all tasks have ended, and not while one sleeps."""
    with Peer(trial) as peer:
        peer.ask(END, "a client")
        with Peer(trial) as last:  # the task that accepts ends with this one
            ask_line(trial, last)
        peer.ask(_request_sleep(0.5), "a client whose task slept, the only one that was left,")
    if Patience(trial, JUDGE_WAITS_FOR_EXIT_S).wait_for_exit("when all tasks have ended, `run` should return, but"):
        raise Violated(f"`run` should return when all tasks have ended: {trial.describe_end()}")
    return "`run` returned when all tasks had ended, and not before"


def check_end_of_loop(trial: Trial) -> str:
    """End when the listening socket is shut down, whoever sleeps."""
    with Peer(trial) as peer, Peer(trial) as sleeper:
        sleeper.send(_request_sleep(60))
        ask_line(trial, peer)
        trial.listening.stop()
    expect_clean_exit(trial, "run")
    return "the listening socket was shut down, and `run` ended, though a task slept"


def check_bites(trial: Trial) -> str:
    """Receive no more than was asked for."""
    data = trial.draw.randbytes(100)
    with Peer(trial) as peer:
        ask_line(trial, peer)
        peer.ask(BITE, "a client")
        peer.send(data)
        due = trial.due(b"%d" % BITE_BYTES) + trial.due(data[BITE_BYTES:])
        if peer.receive(len(due)) != due:
            raise Violated(
                f"of {len(data)} bytes, `recv` with a size of {BITE_BYTES} should give {BITE_BYTES} at first"
            )
    return f"`recv` gave {BITE_BYTES} bytes where {BITE_BYTES} were asked for, and the rest later"


def check_raisers(trial: Trial) -> str:
    """Go on when a task raises: that one ends, and no other."""
    with Peer(trial) as bystander:
        ask_line(trial, bystander)
        for error in trial.draw.sample(ERRORS, len(ERRORS)):
            with Peer(trial) as peer:
                ask_line(trial, peer)
                peer.ask(RAISE + b" " + error.encode(), "a client whose task had spawned one that raised")
                peer.expect_end(f"a client whose task raised {error}")
            ask_line(trial, bystander, f"a client that asked after another one's task had raised {error}")
    return f"{2 * len(ERRORS)} tasks raised exceptions, and the others went on"
