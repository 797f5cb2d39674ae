"""A soak: no request is lost or invented, and nothing grows that should not."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from iolab.display.progress_bar import Tick
from iolab.measurement.placement import place
from iolab.traffic.process import Client
from iolab.traffic.records import Records
from iolab.traffic.workload import Workload
from tests.traffic.truth import server_cpu

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")

ROOT = Path(__file__).resolve().parents[2]
SERVER = """
import sys
from iolab.api import start

answered = 0

def respond(request):
    global answered
    answered += 1
    return request.upper()

with start(sys.argv[1], respond, cpu=int(sys.argv[2])) as server:
    print(server.address[1], flush=True)
    while sys.stdin.readline():
        print(answered, flush=True)
"""
BYTES_PER_REQUEST = 44
"""What the client keeps of a request: three times of 8 bytes, a stamp of 16, and the connection."""

GROWTH = 1.25
"""An array takes an eighth more than it needs, for the next values; pages are whole."""

MIB = 1 << 20


class Server:
    """A model in a process of its own, that tells how many requests it has answered."""

    def __init__(self, model: str) -> None:
        command = [sys.executable, "-c", SERVER, model, str(server_cpu(place()))]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        self.port = self._number()

    def answered(self) -> int:
        assert self.process.stdin
        self.process.stdin.write("how many?\n")
        self.process.stdin.flush()
        return self._number()

    def _number(self) -> int:
        assert self.process.stdout
        return int(self.process.stdout.readline())


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    running = Server(request.param)
    with running.process:
        yield running
        assert running.process.stdin
        running.process.stdin.close()
        assert running.process.wait(10) == 0


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def soak(server: Server, requests: int, connections: int) -> tuple[Records, list[tuple[int, int]]]:
    """Run one load, and return its records, and how many requests it had with how much memory at every tick."""
    readings: list[tuple[int, int]] = []
    work = Workload(connections=connections, requests=requests)
    with Client(("127.0.0.1", server.port), work, place().client) as client:
        client.connect()

        def read(tick: Tick) -> None:
            readings.append((tick.requests, resident_bytes(client.pid)))

        return client.run(read), readings


def check(server: Server, loads: int, requests: int, connections: int = 50) -> None:
    """Run loads one after the other: all is counted, the client grows by what it writes down, the server does not.

    Python takes memory by the MiB, and glibc in an area for every few threads (`mallopt(3)`), so one reading says
    little. The first third of the loads fills the areas; of the others the medians of two halves are compared.
    """
    sizes = []
    for number in range(1, loads + 1):
        records, readings = soak(server, requests, connections)
        assert (len(records), records.errors) == (requests, {})
        assert np.bincount(records.connection).tolist() == [requests // connections] * connections
        assert server.answered() == number * requests
        (few, small), (many, large) = readings[0], readings[-1]
        assert large - small < GROWTH * BYTES_PER_REQUEST * (many - few) + MIB
        sizes.append(resident_bytes(server.process.pid))
    lived = sizes[loads // 3 :]
    first, second = lived[: len(lived) // 2], lived[len(lived) // 2 :]
    assert median(second) - median(first) < MIB


@pytest.mark.parametrize("server", ["epoll"], indirect=True)
def test_none_of_fifty_thousand_is_lost_or_invented(server: Server) -> None:
    records, _ = soak(server, 50_000, 50)
    assert (len(records), records.errors, server.answered()) == (50_000, {}, 50_000)


@pytest.mark.certify
@pytest.mark.parametrize("server", ["threads", "epoll", "asyncio"], indirect=True)
def test_none_of_three_hundred_thousand_is_lost_or_invented(server: Server) -> None:
    check(server, loads=12, requests=25_000)


@pytest.mark.certify
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("server", ["epoll"], indirect=True)
def test_none_of_ten_million_is_lost_or_invented(server: Server) -> None:
    check(server, loads=10, requests=1_000_000)
