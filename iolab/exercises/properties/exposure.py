"""Properties of a client that is to tell a flawed server from a right one; it does not know which it meets."""

import os
import random
import select
from collections.abc import Callable, Sequence

from iolab.exercises.flaws import Flaw
from iolab.exercises.peers import Violated
from iolab.exercises.sandbox.confined import Confined
from iolab.exercises.trial import Trial
from iolab.models import MODELS
from iolab.traffic.faults import Address

UPPER = bytes(range(256)).upper()
ANSWERS_S = 8.0

Run = Callable[[str, str, random.Random], str]


def exposes(flaw: Flaw, right: Sequence[str]) -> Run:
    """Return the property of catching one flaw, twice, and of leaving right servers alone."""

    def run(text: str, entry: str, draw: random.Random) -> str:
        servers = [(flaw.text, True)] * 2 + [(MODELS[name].source, False) for name in right]
        draw.shuffle(servers)
        for server, flawed in servers:
            said = claim(text, entry, server, draw)
            if said and not flawed:
                raise Violated("it called a right server flawed")
            if flawed and not said:
                raise Violated(f"it called a server right that {flaw.name}")
        return f"it told twice a server that {flaw.name} from {len(right)} right ones"

    return run


def tells_apart(flaws: Sequence[Flaw], right: Sequence[str]) -> Run:
    """Return the property of leaving every right server alone, and of catching at least one that is flawed."""

    def run(text: str, entry: str, draw: random.Random) -> str:
        if any(claim(text, entry, MODELS[name].source, draw) for name in right):
            raise Violated("it called a right server flawed")
        if not any(claim(text, entry, flaw.text, draw) for flaw in draw.sample(list(flaws), len(flaws))):
            raise Violated(f"it called each of {len(flaws)} flawed servers right")
        return f"it left {len(right)} right servers alone, and not every flawed one"

    return run


def claim(text: str, entry: str, server: str, draw: random.Random) -> bool:
    """Return whether the learner's client calls a server flawed. Raise Violated if it does not say."""
    with Trial(server, "serve", draw, table=UPPER) as trial:
        return _claim(text, entry, trial.address)


def _claim(text: str, entry: str, address: Address) -> bool:
    ear, mouth = os.pipe()
    try:
        with Confined(text, entry, mouth, {}, address=address) as client:
            os.close(mouth)
            mouth = -1
            if not select.select([ear], [], [], ANSWERS_S)[0]:
                raise Violated(f"it did not say within {ANSWERS_S:.0f} s whether the server is flawed")
            said = os.read(ear, 1)
            if not said:
                client.wait_for_end()
                raise Violated(f"it did not say whether the server is flawed: {client.how_it_ended()}")
            return said == b"1"
    finally:
        for descriptor in (ear, mouth):
            if descriptor >= 0:
                os.close(descriptor)
