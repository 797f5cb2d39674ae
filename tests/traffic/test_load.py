"""The load client against right servers: what it sends, when, and what it writes down."""

import threading
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from iolab.api import start
from iolab.display.progress_bar import Tick
from iolab.kernel import timestamps
from iolab.traffic.process import Client, arrivals_ns, load
from iolab.traffic.records import Records, percentile_us
from iolab.traffic.workload import Workload
from tests.peers import Address, Peer, replying, upper

pytestmark = pytest.mark.usefixtures("nothing_left")

MIB = 1 << 20


def drive(address: Address, **work: Any) -> Records:
    return load(address, Workload(**work))


def of_connection(records: Records, number: int) -> NDArray[np.bool_]:
    return np.equal(records.connection, number)


class TestClosedLoop:
    @pytest.mark.parametrize(("connections", "requests"), [(1, 1), (3, 10), (7, 700), (100, 100), (100, 1234)])
    def test_as_many_requests_as_asked_for_in_even_shares(
        self, address: Address, connections: int, requests: int
    ) -> None:
        records = drive(address, connections=connections, requests=requests)
        assert (len(records), records.errors, records.stopped) == (requests, {}, False)
        share, rest = divmod(requests, connections)
        assert np.bincount(records.connection).tolist() == [share + (n < rest) for n in range(connections)]

    def test_one_request_is_under_way_on_each_connection(self, address: Address) -> None:
        records = drive(address, connections=5, requests=1000)
        for number in range(5):
            own = of_connection(records, number)
            assert (records.sent_ns[own][1:] >= records.answered_ns[own][:-1]).all()

    def test_times_are_in_order_and_replies_in_the_order_they_came(self, address: Address) -> None:
        records = drive(address, connections=5, requests=1000)
        assert (records.due_ns == records.sent_ns).all()
        assert (records.service_ns > 0).all()
        assert (np.diff(records.answered_ns) >= 0).all()
        assert records.start_ns <= records.sent_ns.min()
        assert records.answered_ns.max() <= records.end_ns

    def test_nothing_is_sent_after_its_seconds(self, address: Address) -> None:
        records = drive(address, connections=10, seconds=0.1)
        assert records.sent_ns.max() < records.start_ns + 100_000_000
        assert records.duration_s <= 0.1
        assert records.per_s == pytest.approx(
            (records.answered_ns <= records.start_ns + records.duration_s * 1e9).sum() / records.duration_s
        )

    @pytest.mark.parametrize(("requests", "seconds"), [(20, 60), (10**9, 0.1)])
    def test_of_requests_and_seconds_the_first_ends_it(self, address: Address, requests: int, seconds: float) -> None:
        records = drive(address, connections=2, requests=requests, seconds=seconds)
        assert 20 <= len(records) < 10**6
        assert (len(records) == 20) == (requests == 20)

    def test_think_time_passes_between_a_reply_and_the_next_request(self, address: Address) -> None:
        records = drive(address, connections=2, requests=10, think_s=0.01)
        for number in range(2):
            own = of_connection(records, number)
            assert (records.sent_ns[own][1:] - records.answered_ns[own][:-1] >= 10_000_000).all()
        assert (records.sent_ns >= records.due_ns).all()

    def test_thinking_longer_than_its_patience_is_no_error(self) -> None:
        records = pausing(lambda _: 0.15, requests=3, think_s=0.4, patience_s=0.3)
        assert (len(records), records.errors) == (3, {})

    @pytest.mark.parametrize("work", [{}, {"rate_per_s": 2000}, {"size_bytes": MIB}], ids=str)
    def test_a_client_that_never_sleeps_does_the_same(self, address: Address, work: dict[str, Any]) -> None:
        records = drive(address, connections=4, requests=100, spin=True, **work)
        assert (len(records), records.errors, records.stopped) == (100, {}, False)
        assert (np.bincount(records.connection) == 25).all()
        assert (records.answered_ns > records.sent_ns).all()

    @pytest.mark.certify
    def test_what_it_spins_is_not_taken_for_work(self, address: Address) -> None:
        lazy, busy = (drive(address, connections=1, requests=20, rate_per_s=50, spin=spin) for spin in (True, False))
        assert 0 < lazy.client_cpu_ns < (lazy.end_ns - lazy.start_ns) / 2
        assert lazy.client_cpu_ns < 10 * busy.client_cpu_ns

    def test_a_ramp_starts_one_connection_after_the_other(self, address: Address) -> None:
        records = drive(address, connections=4, requests=40, ramp_s=0.2)
        firsts = [int(records.sent_ns[of_connection(records, number)].min()) for number in range(4)]
        for number, first_ns in enumerate(firsts):
            assert first_ns >= records.start_ns + number * 50_000_000
        assert firsts == sorted(firsts)
        assert (len(records), records.errors) == (40, {})

    def test_idle_connections_are_open_and_say_nothing(self) -> None:
        said: dict[int, int] = {}

        def count(request: bytes, number: int, turn: int) -> bytes:
            said[number] = said.get(number, 0) + len(request)
            return request.upper()

        with Peer(replying(count)) as peer:
            records = drive(peer.address, connections=2, idle=3, requests=10)
            assert len(peer.connections) == 5
        assert said == {3: 5 * 64, 4: 5 * 64}  # the idle ones came first
        assert set(records.connection.tolist()) == {0, 1}

    def test_a_warm_up_is_no_part_of_the_records(self, address: Address) -> None:
        with Client(address, Workload(connections=2, warm_up_s=0.3, seconds=0.1)) as client:
            client.connect()
            ticks: list[Tick] = []
            records = client.run(ticks.append)
        assert (records.due_ns >= records.start_ns).all()
        assert records.sent_ns.max() < records.start_ns + 100_000_000
        assert records.duration_s <= 0.1
        assert ticks[-1].requests  # how many there are beside the records is a matter of the machine's mood


def pausing(pause_s: Callable[[int], float], **work: Any) -> Records:
    """Put a load on a server that pauses before a reply, by the turn of the request."""
    never = threading.Event()

    def reply(request: bytes, number: int, turn: int) -> bytes:
        never.wait(pause_s(turn))
        return request.upper()

    with Peer(replying(reply)) as peer:
        return drive(peer.address, connections=1, **work)


def stalled() -> Records:
    return pausing(lambda turn: 0.2 * (turn == 10), rate_per_s=200, requests=60)


def overloaded() -> Records:
    return pausing(lambda _: 0.005, rate_per_s=1000, seconds=0.1, patience_s=0.2)


class TestOpenLoop:
    @pytest.mark.parametrize(("rate_per_s", "connections"), [(1000, 4), (700, 3), (333, 7)])
    def test_even_due_times_are_the_schedule_to_the_nanosecond(
        self, address: Address, rate_per_s: int, connections: int
    ) -> None:
        records = drive(address, connections=connections, rate_per_s=rate_per_s, seconds=0.3)
        exact = [records.start_ns + Fraction(10**9 * turn, rate_per_s) for turn in range(len(records))]
        assert all(abs(due - want) < 1 for due, want in zip(np.sort(records.due_ns).tolist(), exact, strict=True))
        assert len(records) == -(-rate_per_s * 3 // 10)
        assert (records.sent_ns >= records.due_ns).all()

    def test_a_poisson_schedule_is_random_and_the_same_for_the_same_seed(self, address: Address) -> None:
        work = {"connections": 4, "rate_per_s": 4000, "seconds": 0.3, "spacing": "poisson"}
        first, again, other = (drive(address, seed=seed, **work) for seed in (7, 7, 8))
        dues = [np.sort(records.due_ns) - records.start_ns for records in (first, again, other)]
        assert np.array_equal(dues[0][:1000], dues[1][:1000])
        assert not np.array_equal(dues[0][:50], dues[2][:50])
        gaps = np.diff(dues[0])
        assert gaps.std() == pytest.approx(gaps.mean(), rel=0.2)  # as of an exponential distribution
        assert gaps.mean() == pytest.approx(250_000, rel=0.2)

    def test_a_late_request_keeps_its_due_time(self) -> None:
        records = stalled()
        assert (len(records), records.errors) == (60, {})
        assert (np.diff(records.due_ns) == 5_000_000).all()
        late = (records.response_ns > 50_000_000).sum()
        assert records.service_ns.max() > 150_000_000  # the one request that met the stall
        assert late > 20  # due while the server stalled, 5 ms apart
        assert (records.sent_ns >= records.due_ns).all()
        assert (records.response_ns >= records.service_ns).all()

    def test_what_was_due_is_sent_though_the_time_is_over_or_counted(self) -> None:
        records = overloaded()
        assert list(records.errors) == ["not sent"]
        assert len(records) + records.errors["not sent"] == 100
        assert (np.diff(records.due_ns) == 1_000_000).all()
        assert records.start_ns + 100_000_000 < records.sent_ns.max()
        assert records.per_s * 0.1 < len(records)  # what came late is no throughput

    @pytest.mark.certify
    def test_timed_from_the_send_one_request_met_the_stall(self) -> None:
        assert (stalled().service_ns > 50_000_000).sum() == 1

    @pytest.mark.certify
    def test_what_is_late_is_sent_within_the_patience(self) -> None:
        records = overloaded()
        assert records.sent_ns.max() < records.start_ns + 300_000_000
        assert records.per_s < 250

    def test_a_warm_up_keeps_the_schedule(self, address: Address) -> None:
        records = drive(address, connections=2, rate_per_s=1000, warm_up_s=0.1, seconds=0.2)
        assert len(records) == 200
        assert (np.diff(np.sort(records.due_ns)) == 1_000_000).all()

    @pytest.mark.certify
    def test_a_warm_up_keeps_the_rate(self, address: Address) -> None:
        records = drive(address, connections=2, rate_per_s=1000, warm_up_s=0.1, seconds=0.2)
        assert records.per_s == pytest.approx(1000, rel=0.1)


class TestLargeMessages:
    @pytest.mark.parametrize("model", ["threads", "epoll"])
    def test_8_mib_go_both_ways_at_once(self, model: str) -> None:
        with start(model) as server:
            records = drive(server.address, connections=2, requests=6, size_bytes=8 * MIB)
        assert (len(records), records.errors) == (6, {})

    def test_more_than_all_buffers_hold_goes_through_too(self, address: Address) -> None:
        records = drive(address, connections=1, requests=2, size_bytes=32 * MIB, patience_s=3)
        assert (len(records), records.errors) == (2, {})

    @pytest.mark.parametrize("size_bytes", [1, 2, 65535, 65536, 65537, 262144, 262145, MIB + 1])
    def test_any_length_will_do(self, address: Address, size_bytes: int) -> None:
        records = drive(address, connections=3, requests=9, size_bytes=size_bytes)
        assert (len(records), records.errors) == (9, {})

    def test_a_request_of_your_own_is_sent_and_its_reply_measured(self) -> None:
        with Peer(replying(lambda request, number, turn: b"%d %d" % (len(request), turn))) as peer:
            records = drive(peer.address, connections=1, requests=5, request=b"GET", reply_bytes=3)
        assert (len(records), records.errors) == (5, {})

    def test_a_large_request_of_your_own_may_have_a_small_reply(self) -> None:
        def converse(connection: Any, number: int) -> None:
            while connection.recv(1):
                connection.sendall(b"!")  # long before the request is there in full
                left = 8 * MIB - 1
                while left:
                    left -= len(connection.recv(min(left, MIB)))

        with Peer(converse) as peer:
            records = drive(
                peer.address, connections=1, requests=3, think_s=0.01, request=bytes(8 * MIB), reply_bytes=1
            )
        assert (len(records), records.errors) == (3, {})


class TestProgress:
    def test_ticks_only_grow(self, address: Address) -> None:
        ticks: list[Tick] = []
        load(address, Workload(connections=2, seconds=0.3), on_tick=ticks.append)
        assert len(ticks) >= 2
        for earlier, later in pairwise(ticks):
            assert earlier.done < later.done <= 1
            assert earlier.requests <= later.requests

    def test_a_count_of_requests_has_progress_too(self, address: Address) -> None:
        ticks: list[Tick] = []
        load(address, Workload(connections=1, requests=10, think_s=0.02), on_tick=ticks.append)
        assert all(tick.done == tick.requests / 10 for tick in ticks)


class TestRecords:
    @pytest.fixture
    def records(self) -> Records:
        return Records(
            workload=Workload(connections=3, seconds=1),
            connection=np.array([0, 2, 0, 2], dtype=np.int32),
            due_ns=np.array([0, 10, 20, 30]) + 1000,
            sent_ns=np.array([0, 15, 25, 30]) + 1000,
            answered_ns=np.array([5, 25, 45, 2_000_000_000]) + 1000,
            start_ns=1000,
            end_ns=2_000_002_000,
            connect_ns=1,
            client_cpu_ns=1_000_000_500,
        )

    def test_service_is_from_the_send_and_response_from_the_due_time(self, records: Records) -> None:
        assert records.service_ns.tolist() == [5, 10, 20, 1_999_999_970]
        assert records.response_ns.tolist() == [5, 15, 25, 1_999_999_970]

    def test_every_connection_is_there_silent_ones_too(self, records: Records) -> None:
        assert [times.tolist() for times in records.per_connection()] == [[5, 20], [], [10, 1_999_999_970]]

    def test_a_reply_after_the_end_does_not_raise_the_rate(self, records: Records) -> None:
        assert (records.duration_s, records.per_s) == (1.0, 3.0)

    def test_the_share_of_the_client_is_of_the_whole_time(self, records: Records) -> None:
        assert records.client_cpu_share == pytest.approx(0.5)

    def test_with_a_rate_the_latency_is_the_response_time_and_the_service_time_stands_beside_it(
        self, records: Records
    ) -> None:
        waited = replace(records, due_ns=records.due_ns - 1_000_000, workload=Workload(rate_per_s=4, seconds=1))
        summary = waited.summary()
        assert (summary["p50_us"], summary["service_p50_us"]) == (1000.02, 0.01)
        assert (summary["max_us"], summary["service_max_us"]) == (2_000_999.97, 1_999_999.97)
        assert waited.per_connection()[0].tolist() == [1_000_005, 1_000_025]

    def test_a_reply_is_timed_to_its_arrival_and_what_it_lay_in_the_client_is_apart(self, records: Records) -> None:
        stamped = replace(records, arrived_ns=records.answered_ns - np.array([2, 5, 8, 1_000_000]))
        assert stamped.service_ns.tolist() == [3, 5, 12, 1_998_999_970]
        assert stamped.in_client_ns is not None and stamped.in_client_ns.tolist() == [2, 5, 8, 1_000_000]
        assert stamped.summary()["in_client_us"] == 0.01

    def test_without_stamps_the_latency_of_a_client_at_its_limit_is_the_clients(self, records: Records) -> None:
        busy = replace(records, client_cpu_ns=1_950_000_000)
        assert (busy.latency_of, busy.summary()["latency_of"]) == ("client", "client")
        assert {"client limit", "client latency"} <= {doubt.kind for doubt in busy.doubts()}
        stamped = replace(busy, arrived_ns=busy.answered_ns)
        assert stamped.latency_of == "server" and "client latency" not in {each.kind for each in stamped.doubts()}


class TestArrivals:
    def test_are_on_the_clock_of_the_records(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(timestamps, "offset_ns", lambda: -5_000_000_000)
        sent, answered, stamps = np.array([100, 300]), np.array([200, 900]), np.array([5, 150, 5, 400])
        assert arrivals_ns(stamps, (sent, answered), -5_000_000_000).tolist() == [150, 400]

    def test_follow_a_clock_that_is_being_mended(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(timestamps, "offset_ns", lambda: 100)
        sent, answered = np.array([0, 0, 0]), np.array([1000, 2000, 3000])
        assert arrivals_ns(np.array([0, 500] * 3), (sent, answered), 0).tolist() == [500, 550, 600]

    def test_lie_between_send_and_reply_and_one_without_a_stamp_is_the_reply(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(timestamps, "offset_ns", lambda: 0)
        sent, answered = np.array([100, 300, 500]), np.array([200, 400, 600])
        assert arrivals_ns(np.array([0, 90, 0, 410, 0, 0]), (sent, answered), 0).tolist() == [100, 400, 600]

    def test_every_reply_of_a_run_has_one_where_there_are_stamps(self, address: Address) -> None:
        records = load(address, Workload(connections=3, requests=300))
        if records.arrived_ns is None:
            pytest.skip("this kernel gives no receive stamps")
        assert (records.sent_ns <= records.arrived_ns).all() and (records.arrived_ns <= records.answered_ns).all()
        assert (records.arrived_ns < records.answered_ns).mean() > 0.5

    def test_a_client_without_stamps_says_none(self, address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(timestamps, "OPTION", None)
        records = load(address, Workload(connections=3, requests=300))
        assert records.arrived_ns is None and len(records) == 300
        assert records.summary()["in_client_us"] is None


class TestPercentiles:
    @pytest.mark.parametrize(("count", "percent", "there"), [(0, 50, 0), (1, 50, 1), (99, 99, 0), (100, 99, 1)])
    def test_no_percentile_is_made_up(self, count: int, percent: float, there: int) -> None:
        times = np.arange(count) * 1000
        expected = round(float(np.percentile(times, percent)) / 1e3, 2) if there else None
        assert percentile_us(times, percent) == expected


def test_upper_is_what_every_load_expects(address: Address) -> None:
    with Peer(upper) as peer:
        assert drive(peer.address, connections=2, requests=10).errors == drive(address, requests=10).errors == {}
