"""The latency of the records against another witness: what a capture of the loopback device saw of the same run.

And a server that is frozen: with a rate, the latency is what its users waited, as arithmetic says.
"""

import os
import shutil
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from iolab.background import start
from iolab.kernel import timestamps
from iolab.measurement.placement import place
from iolab.models import MODELS
from iolab.traffic.process import load
from iolab.traffic.workload import Workload
from tests.serving import Serving

pytestmark = pytest.mark.certify
NANOSECOND_PCAP, ETHERNET_BYTES = 0xA1B23C4D, 14


@pytest.mark.skipif(not shutil.which("tcpdump") or os.geteuid() != 0, reason="needs tcpdump, and root to use it")
@pytest.mark.parametrize("connections", [10, 100, 1000])
def test_the_percentiles_are_those_of_a_capture(connections: int, tmp_path: Path) -> None:
    placement = place()
    with start(MODELS["epoll"], cpu=placement.server) as server:
        path = tmp_path / "capture.pcap"
        with capture(path, server.address[1]):
            records = load(server.address, Workload(connections=connections, requests=20_000), cpu=placement.client)
    assert records.arrived_ns is not None and not records.errors
    captured_ns = np.sort(list(replies(path, server.address[1]))) + timestamps.offset_ns()
    assert len(captured_ns) == len(records) == 20_000
    theirs_ns = captured_ns - records.sent_ns[np.argsort(records.arrived_ns, kind="stable")]
    for percent in (50, 99):
        mine, other = np.percentile(records.service_ns, percent), np.percentile(theirs_ns, percent)
        print(f"{connections} connections, p{percent}: {mine / 1e3:.1f} µs, captured {other / 1e3:.1f} µs")
        assert mine == pytest.approx(other, rel=0.05)


@contextmanager
def capture(path: Path, port: int) -> Iterator[None]:
    """Capture what goes to and from a port while a `with` block runs."""
    options = f"-i lo -n -s 96 -B 262144 --time-stamp-precision=nano -w {path} tcp port {port}"
    with subprocess.Popen(["tcpdump", *options.split()], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        while "listening on" not in process.stderr.readline():
            pass
        yield
        time.sleep(1)  # tcpdump reads its ring in blocks; nothing tells when it has read the last
        process.send_signal(signal.SIGINT)
        assert "\n0 packets dropped by kernel" in process.communicate()[1]


def replies(path: Path, port: int) -> Iterator[int]:
    """Yield when each packet from this port that carries data was seen, on CLOCK_REALTIME."""
    data = path.read_bytes()
    assert struct.unpack_from("=I", data)[0] == NANOSECOND_PCAP
    place = 24
    while place < len(data):
        seconds, ns, kept_bytes, _ = struct.unpack_from("=IIII", data, place)
        frame = data[place + 16 : place + 16 + kept_bytes]
        place += 16 + kept_bytes
        header = ETHERNET_BYTES + (frame[ETHERNET_BYTES] & 15) * 4
        length = struct.unpack_from("!H", frame, ETHERNET_BYTES + 2)[0] - 20 - (frame[header + 12] >> 4) * 4
        if length > 0 and struct.unpack_from("!H", frame, header)[0] == port:
            yield seconds * 10**9 + ns


def test_of_a_server_that_is_frozen_for_half_the_time_it_is_what_users_waited() -> None:
    with Serving("epoll") as serving:
        freezer = threading.Thread(target=freeze, args=(serving.process.pid, 1.5, 3.0))
        freezer.start()
        records = load(serving.address, Workload(connections=10, rate_per_s=1000, seconds=6))
        freezer.join()
    summary = records.summary()
    assert summary["p99_us"] == pytest.approx(2.94e6, rel=0.05)  # 1 % of 6,000 requests were due in its first 60 ms
    assert summary["service_p99_us"] < 0.1 * summary["p99_us"]


def freeze(process: int, after_s: float, for_s: float) -> None:
    time.sleep(after_s)
    os.kill(process, signal.SIGSTOP)
    time.sleep(for_s)
    os.kill(process, signal.SIGCONT)
