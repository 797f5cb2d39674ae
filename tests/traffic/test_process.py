"""The process of the load client: it ends when it is told to, and whenever there is nobody left to tell it."""

import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from iolab.display.progress_bar import Tick
from iolab.errors import LoadFailed
from iolab.traffic import process
from iolab.traffic.process import Client, load
from iolab.traffic.records import Records
from iolab.traffic.workload import Workload
from tests.peers import Address, Peer, silent, upper, watched

pytestmark = pytest.mark.usefixtures("nothing_left")

ENDLESS = Workload(connections=5, seconds=600)
ENDS_S = 15.0


def pid_of(client: Client) -> int:
    return client._process.pid


def stopped_in_mid_run(client: Client) -> Records:
    running = threading.Event()

    def stop() -> None:
        running.wait()
        client.stop()

    stopping = threading.Thread(target=stop)
    with client:
        client.connect()
        stopping.start()
        records = client.run(lambda tick: running.set())
        stopping.join()
    return records


class TestStop:
    def test_from_another_thread_it_hands_back_what_there_is(self, address: Address) -> None:
        for connections in (1, 50, 50, 50, 50, 50):
            records = stopped_in_mid_run(Client(address, Workload(connections=connections, seconds=600)))
            assert (records.stopped, records.errors) == (True, {})
            assert len(records) > 0

    def test_while_the_server_dies_too(self) -> None:
        with Peer(upper) as peer, Client(peer.address, Workload(connections=50, seconds=600)) as client:
            client.connect()
            waits: list[object] = []

            def at_first_tick(tick: Tick) -> None:
                if not waits:
                    os.kill(pid_of(client), signal.SIGSTOP)
                    waits.append(os.waitid(os.P_PID, pid_of(client), os.WSTOPPED))
                    client.stop()
                    peer.die()
                    os.kill(pid_of(client), signal.SIGCONT)

            records = client.run(at_first_tick)
        # It may have been stopped with the end of all connections before it, and the word to stop behind them.
        assert records.stopped or sum(records.errors.values()) == 50
        assert set(records.errors) <= {"closed", "reset"}

    def test_before_it_began_there_is_nothing(self, address: Address) -> None:
        with Client(address, ENDLESS) as client:
            client.connect()
            client.stop()
            records = client.run()
        assert (len(records), records.stopped, records.per_s, records.errors) == (0, True, 0.0, {})
        assert records.summary()["p50_us"] is None

    def test_after_it_ended_is_no_harm(self, address: Address) -> None:
        with Client(address, Workload(connections=1, requests=1)) as client:
            client.connect()
            assert len(client.run()) == 1
            client.stop()
            client.stop()
        client.stop()


class TestNoOrphan:
    def test_after_an_interrupt_in_mid_run(self, address: Address) -> None:
        def interrupt(tick: Tick) -> None:
            raise KeyboardInterrupt

        client = Client(address, ENDLESS)
        with watched(pid_of(client)) as ended:
            client.connect()
            with pytest.raises(KeyboardInterrupt), client:
                client.run(interrupt)
            assert ended(0)

    def test_after_a_failure_to_connect(self) -> None:
        with Peer(upper) as peer:
            pass
        client = Client(peer.address, ENDLESS)
        with watched(pid_of(client)) as ended:
            with pytest.raises(LoadFailed), client:
                client.connect()
            assert ended(0)

    @pytest.mark.parametrize(
        ("number", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 3)]
    )
    @pytest.mark.parametrize("converse", [upper, silent])
    def test_after_its_parent_was_killed(self, number: int, status: int, converse: Any) -> None:
        with Peer(converse) as peer, subprocess.Popen(parent_of(peer.address), stdout=subprocess.PIPE) as parent:
            assert parent.stdout
            with watched(int(parent.stdout.readline())) as ended:
                assert parent.stdout.readline() == b"running\n"
                assert not ended(0)
                parent.send_signal(number)
                assert ended(ENDS_S)
            assert parent.wait(ENDS_S) == status

    @pytest.mark.parametrize("told", ["nothing", "half a line", "its work", "to begin"])
    def test_when_its_input_ends(self, told: str, address: Address) -> None:
        pipe = subprocess.PIPE
        with subprocess.Popen(script(), stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, bufsize=0) as client:
            assert client.stdin
            assert client.stdout
            if told == "half a line":
                client.stdin.write(b'{"connections')
            elif told != "nothing":
                client.stdin.write(work(address))
                assert b'"ready"' in client.stdout.readline()
            if told == "to begin":
                client.stdin.write(b"go\n")
                assert b'"tick"' in client.stdout.readline()
            client.stdin.close()
            client.stdout.read()
            assert client.wait(ENDS_S) == (1 if told == "half a line" else 0)

    def test_when_another_process_started_it(self, address: Address) -> None:
        done = subprocess.run(script(), input=work(address, parent=1), capture_output=True, check=False, timeout=ENDS_S)
        assert b"the parent process is gone" in done.stderr
        assert done.stdout == b""


PARENT = """
import sys
from iolab.traffic.process import Client
from iolab.traffic.workload import Workload
with Client(("127.0.0.1", int(sys.argv[1])), Workload(connections=5, seconds=600, patience_s=500)) as client:
    print(client._process.pid, flush=True)
    client.connect()
    shown = []
    try:
        client.run(lambda tick: shown or shown.append(print("running", flush=True)))
    except KeyboardInterrupt:
        sys.exit(3)
"""


def parent_of(address: Address) -> list[str]:
    return [sys.executable, "-c", PARENT, str(address[1])]


def script() -> list[str]:
    return list(process.COMMAND)


def work(address: Address, parent: int | None = None) -> bytes:
    told = ENDLESS.message() | {"addresses": [address], "cpu": None, "parent": parent or os.getpid()}
    told |= {"stamps": None, "stamp_room_bytes": 0}
    return json.dumps(told).encode() + b"\n"


class TestAClientThatBreaks:
    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("", "the load client ended: it said nothing"),
            ("import sys; sys.exit('the sky fell')", "the load client ended: the sky fell"),
            ("1 / 0", "the load client ended: ZeroDivisionError: division by zero"),
            ("print('Segmentation fault')", "expected a line of JSON .*Segmentation fault"),
            ("print('[1, 2]')", r"expected a line of JSON .*\[1, 2\]"),
            ('print(\'{"ready": {"connect_ns": 1}}\')', "the load client ended: it said nothing"),
            (
                'print(\'{"ready": {"connect_ns": 1}}\\n{"done": {"columns": [["due", "q", 9]]}}\\n1234\')',
                "the load client ended: in the middle of its records",
            ),
        ],
    )
    def test_it_says_so(
        self, text: str, says: str, address: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = tmp_path / "client.py"
        broken.write_text(text)
        monkeypatch.setattr(process, "COMMAND", (sys.executable, "-I", "-S", str(broken)))
        with pytest.raises(LoadFailed, match=says):
            load(address, ENDLESS)

    def test_killed_in_mid_run(self, address: Address) -> None:
        with Client(address, ENDLESS) as client:
            client.connect()
            with pytest.raises(LoadFailed, match="ended: it said nothing"):
                client.run(lambda tick: os.kill(pid_of(client), signal.SIGKILL))

    def test_a_cpu_that_is_not_there(self, address: Address) -> None:
        with pytest.raises(LoadFailed, match="Invalid argument"):
            load(address, ENDLESS, cpu=100_000)


@pytest.mark.certify
def test_the_caller_sleeps_while_it_runs(address: Address) -> None:
    """The kernel's main thread would take the GIL from the server, if it did anything but wait."""
    with Client(address, Workload(connections=1, seconds=0.5)) as client:
        client.connect()
        before = resource.getrusage(resource.RUSAGE_THREAD)
        client.run()
        after = resource.getrusage(resource.RUSAGE_THREAD)
    busy_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert busy_s < 0.5 / 10


def test_its_descriptors_are_its_own(address: Address) -> None:
    reading, writing = os.pipe()
    with Client(address, ENDLESS) as client:
        client.connect()
        os.close(writing)
        assert select.select([reading], [], [], ENDS_S)[0] == [reading]  # no copy of it is open there
        os.close(reading)
