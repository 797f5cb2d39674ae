"""Properties of a client that is to tell a flawed server from a right one; it does not know which it meets."""

import os
import random
import select
from collections.abc import Callable, Sequence
from io import FileIO

from iolab.exercises.exercise import Look
from iolab.exercises.flaws import Flaw
from iolab.exercises.peers import Violated
from iolab.exercises.protocol import ClientLaunch
from iolab.exercises.sandbox.confined import LIMITS, Confined
from iolab.exercises.trial import Trial
from iolab.models import MODELS
from iolab.traffic.faults import Address

UPPER = bytes(range(256)).upper()
JUDGE_WAITS_FOR_VERDICT_S = 8.0


def catch_flaw(flaw: Flaw, right: Sequence[str]) -> Look:
    """Return the property of catching one flaw, twice, and of leaving right servers alone."""

    def look(answer: str, entry: str, draw: random.Random) -> str:
        servers = [(flaw.text, True)] * 2 + [(MODELS[name].source, False) for name in right]
        draw.shuffle(servers)
        for server, flawed in servers:
            verdict = ask_verdict(answer, entry, server, draw)
            if verdict and not flawed:
                raise Violated("it called a right server flawed")
            if flawed and not verdict:
                raise Violated(f"it called a server right that {flaw.name}")
        return f"twice it told a server that {flaw.name} from {len(right)} right ones"

    return look


def spare_right_servers(flaws: Sequence[Flaw], right: Sequence[str]) -> Look:
    """Return the property of leaving every right server alone, and of catching at least one that is flawed."""

    def look(answer: str, entry: str, draw: random.Random) -> str:
        if any(ask_verdict(answer, entry, MODELS[name].source, draw) for name in right):
            raise Violated("it called a right server flawed")
        if not any(ask_verdict(answer, entry, flaw.text, draw) for flaw in draw.sample(list(flaws), len(flaws))):
            raise Violated(f"it called all {len(flaws)} flawed servers right")
        return f"it called {len(right)} right servers right, and at least one flawed server flawed"

    return look


def ask_verdict(answer: str, entry: str, server: str, draw: random.Random) -> bool:
    """Return whether the learner's client calls a server flawed. Raise Violated if it gives no verdict."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb", 0) as reader, os.fdopen(write_end, "wb", 0) as writer:
        with Trial(server, "serve", draw, table=UPPER) as trial:
            with Confined(_prepare_launch(answer, entry, trial.address), writer.fileno()) as client:
                writer.close()  # so that the end of file comes with the end of the client
                return _read_verdict(reader, client)


def _prepare_launch(answer: str, entry: str, address: Address) -> Callable[[str], ClientLaunch]:
    return lambda folder: ClientLaunch(answer, entry, folder, LIMITS, *address)


def _read_verdict(reader: FileIO, client: Confined) -> bool:
    if not select.select([reader], [], [], JUDGE_WAITS_FOR_VERDICT_S)[0]:
        raise Violated(f"it did not say within {JUDGE_WAITS_FOR_VERDICT_S:.0f} s whether the server is flawed")
    verdict = reader.read(1)
    if not verdict:
        client.wait_for_end()
        raise Violated(f"it did not say whether the server is flawed: {client.describe_end()}")
    return verdict == b"1"
