"""One load from many machines: the shares, the merged figures, a cluster of processes, and hosts of their own."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from iolab.api import start
from iolab.cli.main import main
from iolab.display.progress_bar import Tick
from iolab.errors import LoadFailed, UsageError
from iolab.kernel import descriptors
from iolab.traffic import process
from iolab.traffic.cluster import dask as cluster
from iolab.traffic.cluster import drive
from iolab.traffic.cluster import worker as there
from iolab.traffic.cluster.drive import Company
from iolab.traffic.cluster.merged import Measured, Merged
from iolab.traffic.cluster.shares import Share, split
from iolab.traffic.cluster.worker import Held, Seen
from iolab.traffic.doubts import Doubt
from iolab.traffic.histogram import histogram
from iolab.traffic.records import PERCENTS, Records
from iolab.traffic.workload import Workload
from tests.clusters import SCHEDULER, WORKER, Cluster, Processes, address_in, wait_for
from tests.peers import DEAD, Address, Converse, Peer, replying, silent, upper
from tests.serving import IOLAB

ENDS_S = 110
FIGURES = 1e-3
"""The histogram's precision: three significant figures."""


WORKS = [
    Workload(connections=10, requests=1234, idle=7),
    Workload(connections=3, requests=3),
    Workload(connections=7, seconds=2, rate_per_s=1000, idle=1),
    Workload(connections=64, seconds=2, ramp_s=1),
]


class TestShares:
    @pytest.mark.parametrize("workers", [1, 2, 3, 5, 64])
    @pytest.mark.parametrize("work", WORKS, ids=lambda work: f"{work.connections} connections")
    def test_nothing_is_lost_or_added(self, work: Workload, workers: int) -> None:
        parts = [share.workload for share in split(work, workers)]
        assert len(parts) == min(workers, work.connections)
        assert sum(part.connections for part in parts) == work.connections
        assert sum(part.idle for part in parts) == work.idle
        assert work.requests is None or sum(part.requests or 0 for part in parts) == work.requests
        assert sum(part.rate_per_s or 0 for part in parts) == pytest.approx(work.rate_per_s or 0, rel=1e-12)
        assert {part.seconds for part in parts} == {work.seconds}
        assert [Workload(**vars(part)) for part in parts] == parts  # each is a whole one by itself
        assert len({part.seed for part in parts}) == len(parts)

    def test_one_worker_does_it_all(self) -> None:
        for work in WORKS:
            assert split(work, 1) == [Share(work, 0.0)]

    def test_runs_of_two_seeds_share_no_stream(self) -> None:
        seeds = [share.workload.seed for seed in range(5) for share in split(Workload(seed=seed), 3)]
        assert len(set(seeds)) == len(seeds)

    @pytest.mark.parametrize("workers", [2, 3, 6])
    def test_the_schedules_together_are_the_schedule_of_the_whole(self, workers: int) -> None:
        work = Workload(connections=6, requests=60, rate_per_s=500, ramp_s=0.3)
        dues = [due + share.delay_s for share in split(work, workers) for due in schedule(share.workload)]
        assert sorted(dues) == pytest.approx(sorted(schedule(work)), abs=1e-6)

    def test_more_connections_than_this_machine_holds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(descriptors, "room", lambda: 10)
        work = Workload(connections=25, idle=2, requests=30, size_bytes=5)
        assert work.why_not()
        assert (work.connections, work.idle, work.requests, work.size_bytes, work.seconds) == (25, 2, 30, 5, None)
        assert [share.workload.connections for share in split(work, 2)] == [13, 12]

    @pytest.mark.parametrize(
        ("work", "says"),
        [
            (Workload(connections=250, rate_per_s=2500, seconds=9), "250 connections, 2,500 requests/s"),
            (Workload(connections=5, requests=5000), "5 connections, 5,000 requests"),
            (Workload(connections=5000), "5,000 connections, a closed loop of 1 s"),
        ],
    )
    def test_a_share_in_words(self, work: Workload, says: str) -> None:
        assert str(Share(work, 0.0)) == says


def schedule(work: Workload) -> list[float]:
    """Return when the requests of a workload are due, in seconds, as Workload says it."""
    assert work.rate_per_s and work.requests
    gap_s, turns = work.connections / work.rate_per_s, work.requests // work.connections
    firsts = [number * (work.ramp_s + gap_s) / work.connections for number in range(work.connections)]
    return [first + turn * gap_s for first in firsts for turn in range(turns)]


def merged(records: list[Records], **changed: Any) -> Merged:
    shares = {f"tcp://{n}": Share(each.workload, 0.0) for n, each in enumerate(records)}
    measured = {f"tcp://{n}": Measured.of(each) for n, each in enumerate(records)}
    whole: dict[str, Any] = {"shares": shares, "measured": measured, "lost": {}, "spread_s": 0.0}
    return Merged(**whole | changed)


@pytest.fixture(scope="module")
def records() -> list[Records]:
    """The shares of one load, run here one after the other."""
    with start("epoll") as server:
        parts = [share.workload for share in split(Workload(connections=10, requests=5000), 3)]
        return [process.load(server.address, part) for part in parts]


class TestMerged:
    def test_counts_and_rates_add_up(self, records: list[Records]) -> None:
        made = merged(records)
        assert (len(made), made.summary()["requests"], made.errors, made.lost) == (5000, 5000, {}, {})
        assert made.summary()["per_s"] == pytest.approx(sum(each.per_s for each in records), abs=0.1)
        assert made.summary()["client_cpu_share"] == round(max(each.client_cpu_share for each in records), 3)
        assert list(made.summary()) == list(records[0].summary())
        assert [row["requests"] for row in made.rows()] == [len(each) for each in records]

    @pytest.mark.parametrize("kind", ["service", "response"])
    def test_percentiles_are_those_of_all_requests_to_three_figures(self, records: list[Records], kind: str) -> None:
        pooled = np.concatenate([getattr(each, f"{kind}_ns") for each in records])
        told = {row["percentile"]: row[f"{kind}_us"] for row in merged(records).percentiles()}
        assert list(told) == list(PERCENTS)
        for percent, told_us in told.items():
            if percent == 99.99:
                assert told_us is None  # of 5,000 requests none lies beyond
                continue
            exact = float(np.sort(pooled)[max(1, int(percent / 100 * len(pooled) + 0.5)) - 1]) / 1e3
            assert exact * (1 - FIGURES) - 0.01 <= told_us <= exact * (1 + FIGURES) + 0.01

    def test_the_histogram_is_that_of_all_requests(self, records: list[Records]) -> None:
        pooled = histogram(np.concatenate([each.service_ns for each in records]))
        assert merged(records).service.encode() == pooled.encode()

    def test_no_request_is_no_figure(self, records: list[Records]) -> None:
        made = merged([], shares={"tcp://1": Share(Workload(), 0.0)}, lost={"tcp://1": "it is gone"})
        assert (len(made), made.summary()["p50_us"], made.summary()["errors"]) == (0, None, 1)

    def test_a_lost_worker_stands_first_with_what_it_was_to_do(self, records: list[Records]) -> None:
        shares = {f"tcp://{n}": Share(Workload(connections=250, rate_per_s=2500), 0.0) for n in range(3)}
        made = merged(records[:2], shares=shares, lost={"tcp://2": "it is gone"})
        sentence = "worker tcp://2, 250 connections, 2,500 requests/s: lost: it is gone"
        assert (made.errors, made.examples) == ({"lost worker": 1}, {"lost worker": sentence})
        assert (made.doubts[0].kind, str(made.doubts[0])) == ("lost worker", sentence)
        assert (made.as_dict()["lost"], made.as_dict()["errors"]) == ([sentence], 1)

    def test_its_doubts(self, records: list[Records]) -> None:
        limited = [replace(each, client_cpu_ns=10**12) for each in records[:1]]
        assert [(doubt.kind, doubt.where) for doubt in merged(limited).doubts] == [("client limit", "worker tcp://0")]
        apart_s = max(each.duration_s for each in records)
        (said,) = (str(doubt) for doubt in merged(records, spread_s=apart_s).doubts if doubt.kind == "spread start")
        assert "hardly one load" in said
        (said,) = (str(doubt) for doubt in merged(records, spare=("a", "b")).doubts if doubt.kind == "spare workers")
        assert said.startswith("2 of the workers")


class FakeCluster:
    """A client of three workers, of which some answer."""

    def __init__(self, answer: Callable[[str, Any], Any], known: str = "abc") -> None:
        self.answer, self.known_ = answer, known
        self.company = Company(self, {name: Share(Workload(connections=2, requests=9), 0.0) for name in "abc"})

    async def nthreads(self) -> dict[str, int]:
        return dict.fromkeys(self.known_, 1)

    async def run(self, function: Any, load: str, *told: Any, workers: list[str], on_error: str) -> dict[str, Any]:
        answer = self.answer(workers[0], function)
        if answer is None:
            await asyncio.Event().wait()
        return {workers[0]: answer}


class TestLosses:
    """What makes a worker lost; none of it can be made to happen on demand on a real one."""

    def lost(self, answer: Callable[[str, Any], Any], known: str = "abc") -> dict[str, str]:
        company = FakeCluster(answer, known).company
        asyncio.run(company.look("abc"))
        assert set(company.going()) == set("abc") - set(company.lost)
        return company.lost

    def test_who_is_silent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cluster, "ANSWERS_S", 0.05)
        assert self.lost(lambda name, _: None if name == "b" else Seen()) == {"b": "it did not answer for 0.05 s"}

    def test_who_is_no_longer_known(self) -> None:
        assert self.lost(lambda name, _: Seen(), "ac") == {"b": "the scheduler no longer knows it"}

    def test_whose_connection_ended(self) -> None:
        assert self.lost(lambda name, _: OSError(9, "x") if name == "b" else Seen()) == {"b": "its connection ended"}

    def test_who_says_what_failed(self) -> None:
        failed = Seen(failed="the load client ended: it said nothing")
        assert self.lost(lambda name, _: failed if name == "b" else Seen()) == {"b": failed.failed}

    def test_who_cannot_run_ours(self) -> None:
        error = ModuleNotFoundError("No module named 'iolab'")
        assert self.lost(lambda name, _: error if name == "b" else Seen()) == {
            "b": "ModuleNotFoundError: No module named 'iolab'"
        }

    def test_before_the_start_it_ends_the_load(self) -> None:
        said = "worker b, 2 connections, 9 requests: 600 connections are too many"
        company = FakeCluster(lambda name, _: Seen(failed=said.partition(": ")[2]) if name == "b" else Seen()).company
        with pytest.raises(LoadFailed, match=said):
            asyncio.run(company.connect(("127.0.0.1", 9)))

    def test_when_the_scheduler_is_silent_all_are(self, monkeypatch: pytest.MonkeyPatch) -> None:
        company = FakeCluster(lambda name, _: Seen()).company
        monkeypatch.setattr(company.client, "nthreads", lambda: asyncio.Event().wait())
        monkeypatch.setattr(cluster, "ANSWERS_S", 0.05)
        asyncio.run(company.finish(lambda tick: None))
        assert company.lost == dict.fromkeys("abc", "the scheduler does not answer")
        asyncio.run(company.drop())


class TestHeld:
    def test_nobody_asks_for_it_any_more(self) -> None:
        with Peer(upper) as peer:
            held = Held(peer.address, Share(Workload(connections=2, seconds=600), 0.0), lease_s=0.2)
            held.go.set()
            held.thread.join(ENDS_S)
        assert held.seen.measured is not None
        assert held.seen.measured.doubts[0] == Doubt("stopped early")

    def test_nobody_says_go(self, address: Address) -> None:
        held = Held(address, Share(Workload(connections=2, seconds=600), 0.0), lease_s=0.2)
        held.thread.join(ENDS_S)
        assert held.seen.measured is not None
        assert (held.seen.measured.requests, held.seen.connected) == (0, True)

    def test_it_was_dropped_while_it_waits_for_its_turn(self, address: Address) -> None:
        held = Held(address, Share(Workload(connections=2, seconds=600), 600.0), lease_s=600)
        held.go.set()
        held.dropped.set()
        held.thread.join(ENDS_S)
        assert not held.thread.is_alive()

    def test_more_than_its_machine_holds(self, address: Address) -> None:
        too_many = Workload(connections=10**7)
        held = Held(address, Share(too_many, 0.0), lease_s=600)
        held.thread.join(ENDS_S)
        assert "10,000,000 connections are too many here: this process has descriptors for" in str(held.seen.failed)

    def test_a_process_that_was_started_anew_knows_nothing(self) -> None:
        class Worker:
            address = "tcp://anew"

        there.begin("load", dask_worker=Worker)
        assert there.look("load", dask_worker=Worker).failed == there.UNKNOWN
        there.drop("load", dask_worker=Worker)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Processes(tmp_path_factory.mktemp("cluster")) as processes:
        yield Cluster(processes, 3)


def bad(*arguments: object) -> str:
    done = CliRunner().invoke(main, ["load", *[str(each) for each in arguments]], prog_name="iolab")
    assert (done.stdout, done.exit_code) == ("", 2)
    (line,) = done.stderr.splitlines()
    assert line.startswith("iolab: ")
    return line


class TestACluster:
    def test_the_same_as_from_one_process(self, three: Cluster) -> None:
        bytes_of: dict[int, int] = {}

        def slow(connection: Any, number: int) -> None:
            while request := connection.recv(65536):
                bytes_of[number] = bytes_of.get(number, 0) + len(request)
                time.sleep(0.005)
                connection.sendall(request.upper())

        work = Workload(connections=8, requests=203, idle=4)
        with Peer(slow) as peer:
            many = drive.load(three.address, peer.address, work)
            assert len(peer.connections) == 12
        assert sorted(bytes_of.values()) == [25 * 64] * 5 + [26 * 64] * 3
        with Peer(slow) as peer:
            one = process.load(peer.address, work)
        assert (len(many), many.errors, many.lost) == (len(one), one.errors, {}) == (203, {}, {})
        assert sorted(row["requests"] for row in many.rows()) == [51, 76, 76]
        assert sorted(row["connections"] for row in many.rows()) == [2, 3, 3]
        for made in (many.summary(), one.summary()):
            assert 5000 <= made["p50_us"] <= made["max_us"]
            assert made["per_s"] <= 8 / 0.005

    @pytest.mark.parametrize("spacing", ["even", "poisson"])
    def test_a_rate_is_shared_out(self, three: Cluster, address: Address, spacing: Any) -> None:
        ticks: list[Tick] = []
        work = Workload(connections=6, requests=120, rate_per_s=600, spacing=spacing, patience_s=60)
        many = drive.load(three.address, address, work, on_tick=ticks.append)
        assert (len(many), many.errors) == (120, {})
        assert {share.workload.rate_per_s for share in many.shares.values()} == {200}
        assert ticks

    def test_in_a_terminal(self, three: Cluster, address: Address) -> None:
        where, scheduler = "{}:{}".format(*address), three.address.removeprefix("tcp://")
        done = CliRunner().invoke(main, ["load", where, "--dask", scheduler, "--requests", "1234"])
        assert (done.exit_code, done.stderr) == (0, "")
        heading, figures, *workers = done.stdout.splitlines()
        assert heading.split()[0] == "requests"
        assert figures.split()[0] == "1,234"
        assert sum(line.startswith("tcp://127.0.0.1:") for line in workers) == 3
        assert max(map(len, done.stdout.splitlines())) <= 80

    def test_as_json(self, three: Cluster, address: Address) -> None:
        command = ["load", "{}:{}".format(*address), "--dask", three.address, "--requests", "200", "--json"]
        done = CliRunner().invoke(main, command)
        assert (done.exit_code, done.stderr) == (0, "")
        shown = json.loads(done.stdout)
        assert (shown["requests"], shown["errors"], shown["lost"]) == (200, 0, [])
        assert 0 < shown["p50_us"] <= shown["p99_us"] <= shown["max_us"]
        assert len(shown["workers"]) == 3

    def test_more_workers_than_connections(self, three: Cluster, address: Address) -> None:
        many = drive.load(three.address, address, Workload(connections=2, requests=100))
        assert (len(many), len(many.measured), len(many.spare), many.errors) == (100, 2, 1, {})

    def test_what_the_server_does_wrong_is_counted_with_who_saw_it(self, three: Cluster) -> None:
        with Peer(replying(lambda request, number, turn: request)) as peer:
            many = drive.load(three.address, peer.address, Workload(connections=6, requests=60))
        assert (len(many), many.errors) == (0, {"wrong reply": 6})
        assert many.examples["wrong reply"].startswith("worker tcp://127.0.0.1:")
        assert any(str(doubt).startswith("6 x wrong reply: worker tcp://") for doubt in many.doubts)

    def test_a_dead_server_is_said_in_one_line(self, three: Cluster) -> None:
        line = bad("{}:{}".format(*DEAD), "--dask", three.address)
        assert "worker tcp://127.0.0.1:" in line
        assert line.endswith("Connection refused; is a server listening there?")

    def test_a_worker_that_is_killed_is_named_and_its_share_is_nobody_elses(self, three: Cluster) -> None:
        others = wait_for(three.address, 3)
        victim = three.worker()
        (address,) = wait_for(three.address, 4) - others

        def kill() -> None:
            victim.kill()
            victim.wait()

        with Peer(gated(8, kill)) as peer:
            work = Workload(connections=8, requests=80, patience_s=60)
            many = drive.load(three.address, peer.address, work)
            assert len(peer.connections) == 8
        assert (len(many), set(many.measured), many.errors) == (60, others, {"lost worker": 1})
        assert str(many.doubts[0]).startswith(f"worker {address}, 2 connections, 20 requests: lost: ")

    def test_an_interrupt_ends_the_shares(self, three: Cluster) -> None:
        running = threading.Event()

        def converse(connection: Any, number: int) -> None:
            running.set()
            upper(connection, number)

        with Peer(converse) as peer:
            command = (*IOLAB, "load", "{}:{}".format(*peer.address), "--dask", three.address, "--seconds", "600")
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as loading:
                assert running.wait(ENDS_S)
                loading.send_signal(signal.SIGINT)
                out, err = loading.communicate(timeout=ENDS_S)
            assert (loading.returncode, out) == (130, "")
            assert "Traceback" not in err
            for thread in peer.threads[1:]:  # each ends when its client hangs up
                thread.join(ENDS_S)
                assert not thread.is_alive()


def gated(connections: int, then: Callable[[], None]) -> Converse:
    """Return a server that replies once on each connection, then does something, and only then goes on."""
    lock, first, opened = threading.Lock(), set[int](), threading.Event()

    def converse(connection: Any, number: int) -> None:
        while request := connection.recv(65536):
            connection.sendall(request.upper())
            with lock:
                first.add(number)
                if len(first) == connections and not opened.is_set():
                    then()
                    opened.set()
            opened.wait()

    return converse


class TestNoCluster:
    @pytest.fixture(autouse=True)
    def soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cluster, "ANSWERS_S", 1.0)

    def test_nobody_listens(self) -> None:
        dead = "{}:{}".format(*DEAD)
        assert f"no Dask scheduler answers at {dead}: " in bad("127.0.0.1:9", "--dask", dead)

    @pytest.mark.parametrize(("converse", "says"), [(silent, "it said nothing for 1 s"), (upper, "")])
    def test_something_else_listens(self, converse: Converse, says: str) -> None:
        with Peer(converse) as peer:
            line = bad("127.0.0.1:9", "--dask", "{}:{}".format(*peer.address))
        assert "no Dask scheduler answers" in line and says in line
        assert "`dask scheduler` starts one" in line

    @pytest.mark.parametrize("scheduler", ["nonsense", "foo://127.0.0.1:9", "127.0.0.1:http", ":", "tcp://"])
    def test_an_address_that_is_none(self, scheduler: str) -> None:
        assert f"no Dask scheduler answers at {scheduler}: " in bad("127.0.0.1:9", "--dask", scheduler)

    def test_distributed_is_not_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "distributed", None)
        assert "pip install 'iolab[class]'" in bad("127.0.0.1:9", "--dask", "127.0.0.1:8786")

    def test_a_workload_that_cannot_be(self) -> None:
        assert "connections to be a whole number of 1 or more" in bad(
            "127.0.0.1:9", "--connections", 0, "--dask", "127.0.0.1:8786"
        )


class TestVersions:
    def told(self, **packages: str | None) -> dict[str, Any]:
        return {"packages": {"iolab": "1.0", "distributed": "2", "python": "3.11.7.final.0"} | packages}

    def workers(self, scheduler: dict[str, Any], **workers: dict[str, Any]) -> list[str]:
        class Client:
            async def get_versions(self, packages: list[str]) -> dict[str, Any]:
                return {"client": TestVersions().told(), "scheduler": scheduler, "workers": workers}

        return asyncio.run(cluster.workers_of(Client(), "host:8786"))

    def test_the_same_everywhere(self) -> None:
        assert self.workers(self.told(python="3.11.0.final.0"), a=self.told()) == ["a"]
        assert self.workers(self.told(), a=self.told(python="3.11.9.final.0"), b=self.told()) == ["a", "b"]

    @pytest.mark.parametrize(
        ("differs", "says"),
        [
            ({"iolab": "0.9"}, "worker b has iolab 0.9, not 1.0 as here"),
            ({"iolab": None}, "worker b has iolab None, not 1.0 as here"),
            (
                {"distributed": "3", "python": "3.12.1.final.0"},
                "distributed 3, not 2 and python 3.12, not 3.11 as here",
            ),
        ],
    )
    def test_a_worker_that_differs_is_named(self, differs: dict[str, Any], says: str) -> None:
        with pytest.raises(UsageError, match=says):
            self.workers(self.told(), a=self.told(), b=self.told(**differs))

    @pytest.mark.parametrize(("package", "here"), [("distributed", "2"), ("iolab", "1.0")])
    def test_a_scheduler_that_differs(self, package: str, here: str) -> None:
        with pytest.raises(UsageError, match=f"the scheduler at host:8786 has {package} None, not {here} as here"):
            self.workers(self.told(**{package: None}), a=self.told())

    def test_no_workers(self) -> None:
        with pytest.raises(UsageError, match="the scheduler at host:8786 has no workers; `dask worker host:8786`"):
            self.workers(self.told())


@pytest.mark.parametrize("json_", [True, False])
def test_a_lost_worker_is_an_exit_status(json_: bool, address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    records = process.load(address, Workload(connections=2, requests=20))
    shares = dict.fromkeys(("tcp://0", "tcp://1"), Share(Workload(connections=2, requests=20), 0.0))
    made = merged([records], shares=shares, lost={"tcp://1": "it is gone"})
    monkeypatch.setattr(drive, "load", lambda *told, on_tick: made)
    command = ["load", "127.0.0.1:9", "--dask", "x:1", *["--json"] * json_]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 1
    if json_:
        shown = json.loads(done.stdout)
        assert (shown["requests"], shown["lost"]) == (
            20,
            ["worker tcp://1, 2 connections, 20 requests: lost: it is gone"],
        )
    else:
        assert "! worker tcp://1, 2 connections, 20 requests: lost: it is gone" in done.stdout


class Hosts:
    """Network namespaces on one switch, each with an address and a loopback of its own.

    Nobody else is in them. They have no name: each is there as long as a process that we started.
    """

    def __init__(self, processes: Processes, count: int) -> None:
        self.processes = processes
        self.holders = [processes.run("unshare", "--net", "cat", stdin=subprocess.PIPE) for _ in range(count)]
        switch = self.holders[0]
        for holder in self.holders:
            self.wait(holder)
            self.do(holder, "ip", "link", "set", "lo", "up")
        self.do(switch, "ip", "link", "add", "switch", "type", "bridge")
        self.do(switch, "ip", "addr", "add", "10.77.0.1/24", "dev", "switch")
        self.do(switch, "ip", "link", "set", "switch", "up")
        for number, holder in enumerate(self.holders[1:], 2):
            port = f"port{number}"
            self.do(switch, "ip", "link", "add", port, "type", "veth", "peer", "name", "wire", "netns", holder.pid)
            self.do(switch, "ip", "link", "set", port, "master", "switch", "up")
            self.do(holder, "ip", "addr", "add", f"10.77.0.{number}/24", "dev", "wire")
            self.do(holder, "ip", "link", "set", "wire", "up")

    def wait(self, holder: subprocess.Popen[str]) -> None:
        ours = os.readlink("/proc/self/ns/net")  # noqa: PTH115
        while os.readlink(f"/proc/{holder.pid}/ns/net") == ours:  # noqa: PTH115
            if holder.poll() is not None:
                raise OSError("a network namespace cannot be made: unshare --net failed")
            time.sleep(0.005)

    def inside(self, holder: subprocess.Popen[str], *command: object) -> list[str]:
        return ["nsenter", f"--net=/proc/{holder.pid}/ns/net", *[str(each) for each in command]]

    def do(self, holder: subprocess.Popen[str], *command: object) -> None:
        done = subprocess.run(self.inside(holder, *command), capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")

    def run(self, number: int, *command: object, **options: Any) -> subprocess.Popen[str]:
        return self.processes.run(*self.inside(self.holders[number], *command), **options)


@contextmanager
def hosts(folder: Path, count: int) -> Iterator[Hosts]:
    missing = [tool for tool in ("unshare", "nsenter", "ip") if not shutil.which(tool)]
    if sys.platform != "linux" or missing or os.geteuid() != 0:
        pytest.skip(f"hosts of their own need Linux, root, and unshare, nsenter and ip (missing: {missing or 'root'})")
    with Processes(folder) as processes:
        try:
            made = Hosts(processes, count)
        except OSError as error:
            pytest.skip(f"this machine makes no hosts: {error}")
        yield made


WHEN_TWO = """
import asyncio, sys
from iolab.cli.main import main
from iolab.traffic.cluster import dask as cluster

async def wait():
    async with cluster.connect(sys.argv[4]) as client:
        await client.wait_for_workers(2)

asyncio.run(wait())
main()
"""
"""`iolab`, once the scheduler that is its fourth argument has two workers."""


@pytest.mark.certify
def test_from_hosts_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    with hosts(tmp_path / "logs", 3) as made:
        serving = made.run(
            0, *IOLAB, "serve", "epoll", "--host", "10.77.0.1", "--expose", "--json", stdout=subprocess.PIPE
        )
        made.run(1, *SCHEDULER, "--host", "10.77.0.2", "--port", 0, "--scheduler-file", file)
        for number in (1, 2):
            made.run(number, *WORKER, file, "--host", f"10.77.0.{number + 1}")
        scheduler = address_in(file)
        assert serving.stdout
        server = json.loads(serving.stdout.readline())
        where = f"{server['host']}:{server['port']}"
        command = (sys.executable, "-c", WHEN_TWO, "load", where, "--dask", scheduler, "--requests", 1001, "--json")
        done = subprocess.run(
            made.inside(made.holders[1], *command), capture_output=True, text=True, check=False, timeout=ENDS_S
        )
    assert (done.returncode, done.stderr) == (0, "")
    shown = json.loads(done.stdout)
    assert (shown["requests"], shown["errors"], shown["lost"]) == (1001, 0, [])
    assert {row["worker"].rpartition(":")[0] for row in shown["workers"]} == {"tcp://10.77.0.2", "tcp://10.77.0.3"}
    assert sorted(row["requests"] for row in shown["workers"]) == [500, 501]
