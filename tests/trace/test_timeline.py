"""The timeline: every call of a server once, in its phases, with what it could not see said aloud."""

import importlib
import json
import os
import select
from collections import Counter
from functools import cache
from itertools import pairwise
from socket import socket
from typing import Any

import pytest

import iolab
from iolab import figures
from iolab.api import timeline
from iolab.errors import UsageError
from iolab.figures.timelines import typical
from iolab.kernel import perf, switches, timestamps, tracepoints
from iolab.kernel.tracepoints import ARRIVAL, COPY
from iolab.listening import RECEIVE_BYTES, Respond
from iolab.models import MODELS
from iolab.trace import recorder
from iolab.trace.anatomy import anatomy
from iolab.trace.calls import WAITS, Call
from iolab.trace.overhead import cost_ns_per_call
from iolab.trace.timeline import Timeline
from iolab.traffic.doubts import Doubt

OPAQUE = {"trio", "gevent", "uvloop"}
"""Models that receive and send where Python cannot see it."""


def recorded(model: str, connections: int = 2, requests: int = 40, **work: Any) -> Timeline:
    why_not = MODELS[model].why_not()
    if why_not:
        pytest.skip(why_not)
    importlib.import_module(MODELS[model].module)  # what an import opens stays for good
    work = {"connections": connections if MODELS[model].serves_many else 1, "requests": requests} | work
    return timeline(model, **work)


@cache
def usual(model: str) -> Timeline:
    return recorded(model)


def needs_stamps(made: Timeline) -> None:
    if not made.stamped:
        pytest.skip("this kernel gives no receive stamps")


def received(made: Timeline, connection: int) -> list[Call]:
    calls = made.find("recv", "received")
    return [call for call in calls if call.connection == connection and isinstance(call.result, int) and call.result]


def kinds(made: Timeline) -> list[str]:
    return [doubt.kind for doubt in made.doubts]


IN_THIS_PROCESS = [name for name, model in MODELS.items() if not model.apart]
APART = [name for name, model in MODELS.items() if model.apart]


@pytest.mark.parametrize("model", IN_THIS_PROCESS)
class TestEveryModel:
    def test_each_request_is_received_and_answered_once(self, model: str) -> None:
        made = usual(model)
        assert (len(made.records), made.records.errors) == (40, {})
        assert len([call for call in made.find("accept", "accepted") if isinstance(call.result, int)]) in (1, 2)
        if model in OPAQUE:
            assert made.find("recv") == [] and "hidden calls" in kinds(made)
            return
        for connection in range(made.records.workload.connections):
            requests = int((made.records.connection == connection).sum())
            assert len(received(made, connection)) == requests
            sends = [call for call in made.find("send", "sendall", "sent") if call.connection == connection]
            assert len([call for call in sends if call.result]) == requests

    def test_the_phases_of_a_call_are_the_whole_of_it(self, model: str) -> None:
        made = usual(model)
        assert [call.start_ns for call in made] == sorted(call.start_ns for call in made)
        for call in made:
            phases = call.phases
            assert phases[0][1] == call.start_ns and phases[-1][2] == call.end_ns > call.start_ns
            assert all(before[2] == after[1] for before, after in pairwise(phases))

    def test_calls_of_one_thread_follow_one_another(self, model: str) -> None:
        made = usual(model)
        for thread in {call.thread for call in made}:
            own = [call for call in made if call.thread == thread]
            assert all(before.end_ns <= after.start_ns for before, after in pairwise(own))

    def test_it_says_where_a_wait_is_not_recorded(self, model: str) -> None:
        made = usual(model)
        waits = any(call.name in WAITS for call in made)
        promised = any(name in MODELS[model].card["Waits in"] for name in WAITS)
        assert (waits or not promised) == ("hidden wait" not in kinds(made))


@pytest.mark.usefixtures("nothing_left")
class TestArrival:
    @pytest.mark.parametrize("model", ["blocking", "threads", "epoll", "asyncio"])
    def test_bytes_arrive_between_the_send_and_the_end_of_their_recv(self, model: str) -> None:
        made = recorded(model, requests=100)
        needs_stamps(made)
        for connection in range(made.records.workload.connections):
            own = made.records.connection == connection
            calls = received(made, connection)
            assert len(calls) == own.sum()
            for sent_ns, answered_ns, call in zip(
                made.records.sent_ns[own], made.records.answered_ns[own], calls, strict=True
            ):
                assert call.arrived_ns is not None
                assert sent_ns < call.arrived_ns < call.end_ns < answered_ns

    def test_a_blocking_recv_waits_as_long_as_the_client_thinks(self) -> None:
        made = recorded("blocking", requests=20, think_s=0.02)
        needs_stamps(made)
        waits = [call.waited_ns for call in received(made, 0)]
        assert max(waits) > 15e6  # a wait is 0 where the server was late itself

    def test_a_wait_for_many_ends_where_its_first_bytes_arrive(self) -> None:
        made = recorded("epoll", connections=1, requests=20, think_s=0.02)
        needs_stamps(made)
        arrivals = [call.arrived_ns for call in received(made, 0)]
        ends = [call.arrived_ns for call in made.find("epoll_wait") if call.waited_ns > 15e6]
        assert ends and set(ends) <= set(arrivals)

    def test_nobody_waits_in_a_non_blocking_call(self) -> None:
        made = recorded("nonblocking", requests=20, think_s=0.002)
        results = Counter(call.result for call in made.find("recv"))
        assert results["EAGAIN"] > 20
        phases = {phase for call in made if call.result == "EAGAIN" for phase, *_ in call.phases}
        assert {"in vain"} <= phases <= {"in vain", "preempted", "lock"}

    def test_idle_connections_are_numbered_after_the_active_ones(self) -> None:
        made = recorded("epoll", connections=2, idle=3, requests=10)
        assert {call.connection for call in made.find("recv") if call.result} == {0, 1}
        assert {call.connection for call in made.find("accept") if isinstance(call.result, int)} == set(range(5))


@pytest.mark.usefixtures("nothing_left")
class TestWithoutStamps:
    @pytest.fixture(autouse=True)
    def no_stamps(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(timestamps, "enable", lambda connection: False)

    @pytest.fixture
    def no_switches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(perf, "unsupported", lambda: "there are none in this test")

    @pytest.mark.skipif(switches.why_not() is not None, reason=str(switches.why_not()))
    def test_the_switches_of_the_thread_tell_the_copy_from_the_wait(self) -> None:
        made = recorded("blocking", requests=10, think_s=0.002)
        assert made.doubts == (Doubt("no stamps"),)
        for call in received(made, 0)[1:]:
            phases = [phase for phase, *_ in call.phases]
            assert "waiting" in phases and phases[-1] == "copying" and "waking" not in phases

    @pytest.mark.usefixtures("no_switches")
    def test_a_wait_and_its_copy_are_one(self) -> None:
        made = recorded("blocking")
        assert not made.stamped
        assert {call.arrived_ns for call in received(made, 0)} == {None}
        assert {phase for call in received(made, 0) for phase, *_ in call.phases} == {"either"}

    def test_what_does_not_wait_is_still_known_not_to(self) -> None:
        phases = {phase for call in received(recorded("epoll"), 0) for phase, *_ in call.phases}
        assert {"copying"} <= phases <= {"copying", "preempted", "lock"}

    @pytest.mark.usefixtures("no_switches")
    def test_the_timeline_and_the_figures_say_so(self) -> None:
        made = recorded("blocking")
        assert made.doubts == (Doubt("no stamps"), Doubt("no switches", {"why": "there are none in this test"}))
        for figure in (figures.phases(made), figures.textbook(made)):
            assert "no receive stamps" in " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
            legend = figure.axes[0].get_legend()
            assert legend and "no stamp tells" in " ".join(text.get_text() for text in legend.get_texts())


def needs_switches() -> None:
    if why_not := switches.why_not():
        pytest.skip(why_not)


@pytest.mark.parametrize("model", IN_THIS_PROCESS)
def test_the_parts_of_every_call_add_up_to_it(model: str) -> None:
    needs_switches()
    made = usual(model)
    assert not {"no switches", "cut switches"} & set(kinds(made))
    for call in made:
        assert call.occupancy and sum(call.occupancy) == call.end_ns - call.start_ns
    for gap in made.gaps:
        assert sum(gap.occupancy) == gap.end_ns - gap.start_ns > 0


@pytest.mark.parametrize("model", ["blocking", "threads", "epoll", "signals", "aio", "io_uring", "asyncio"])
def test_a_server_that_waits_for_a_client_who_thinks_is_asleep(model: str) -> None:
    needs_switches()
    made = recorded(model, connections=1, requests=20, think_s=0.01)
    assert max(call.occupancy.asleep_ns for call in made if call.occupancy) > 5e6


@pytest.mark.usefixtures("kernel_steps")
def test_the_steps_of_the_kernel_tell_who_copies() -> None:
    made = recorded("io_uring", connections=1, requests=20, think_s=0.001, steps=True)
    threads = made.threads
    copies = [step for step in made.steps if step.name == COPY and step.thread in threads]
    arrivals = [step for step in made.steps if step.name == ARRIVAL and step.thread not in threads]
    assert len(copies) >= 20 and len(arrivals) >= 20
    assert {step.cpu for step in copies} == {made.placement.server}
    assert "completion" not in kinds(made)
    woken = [call for call in made if call.occupancy and call.occupancy.waking_ns and call.name in WAITS]
    assert woken


def test_steps_that_may_not_be_seen_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracepoints, "why_not", lambda: "only root may read tracefs here")
    with pytest.raises(UsageError, match="only root may read tracefs"):
        recorded("epoll", steps=True)


def test_what_the_rows_say_adds_up() -> None:
    needs_switches()
    made = usual("epoll")
    rows = {row["call"]: row for row in made.rows}
    assert (rows["recv"]["per_request"], rows["send"]["per_request"]) == pytest.approx((1.05, 1.0))
    for row in made.as_dict()["calls"]:
        parts = sum(row[f"{part}_us"] for part in ("asleep", "waking", "running", "preempted", "lock"))
        assert parts == pytest.approx(row["end_us"] - row["start_us"], abs=0.01)


def converse(connection: socket, respond: Respond) -> None:
    with connection:
        while request := connection.recv(RECEIVE_BYTES):
            select.select([], [connection], [])
            connection.sendall(respond(request))


def own(listening: socket, respond: Respond) -> None:
    while True:
        converse(listening.accept()[0], respond)


@pytest.mark.usefixtures("nothing_left")
class TestAFunctionOfYourOwn:
    def test_it_and_its_siblings_are_recorded(self) -> None:
        made = timeline(own, connections=1, requests=10)
        assert made.model == "own"
        names = Counter(call.name for call in made)
        assert names == {"accept": 2, "recv": 11, "select": 10, "sendall": 10, "close": 1}

    def test_nothing_of_it_is_changed(self) -> None:
        before = dict(globals())
        timeline(own, connections=1, requests=10)
        assert all(globals()[name] is value for name, value in before.items())
        assert own.__globals__ is globals()


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    made = timeline("threads", connections=3, requests=30)
    path = made.write_chrome_trace(tmp_path_factory.mktemp("trace") / "trace.json")
    assert json.loads(path.read_text()) == made.chrome_trace()
    events: list[dict[str, Any]] = json.loads(path.read_text())["traceEvents"]
    return events


class TestChromeTrace:
    def test_every_event_is_complete_or_names_a_track(self, events: list[dict[str, Any]]) -> None:
        assert {event["ph"] for event in events} == {"X", "M"}  # and "i", where steps were asked for
        for event in events:
            assert isinstance(event["pid"], int) and isinstance(event["tid"], int) and event["name"]
            assert event["ph"] == "M" or (event["ts"] >= 0 and event["dur"] >= 0)

    def test_every_track_has_a_name(self, events: list[dict[str, Any]]) -> None:
        named = {
            (event["pid"], event["tid"]): event["args"]["name"] for event in events if event["name"] == "thread_name"
        }
        assert {(event["pid"], event["tid"]) for event in events if event["ph"] == "X"} == set(named)
        assert len({track for _, track in named}) == len(named)
        assert {"thread 1", "thread 2, of connection 0", "connection 0", "connection 2"} <= set(named.values())

    def test_events_of_a_track_follow_or_hold_one_another(self, events: list[dict[str, Any]]) -> None:
        tracks: dict[tuple[int, int], list[tuple[float, float]]] = {}
        for event in events:
            if event["ph"] == "X":
                span = (event["ts"], -event["dur"])
                tracks.setdefault((event["pid"], event["tid"]), []).append(span)
        for spans in tracks.values():
            open_until: list[float] = []
            for begin, length in sorted(spans):
                while open_until and open_until[-1] <= begin + 1e-3:
                    open_until.pop()
                assert not open_until or begin - length <= open_until[-1] + 1e-3  # rounded to the nanosecond
                open_until.append(begin - length)

    def test_phases_lie_in_their_calls_and_requests_beside_them(self, events: list[dict[str, Any]]) -> None:
        kinds = Counter(event["cat"] for event in events if event["ph"] == "X")
        assert kinds["request"] == 30
        assert (
            kinds["call"] == 4 + 33 + 30 + 3
        )  # accepts with the last, receives with the ends of file, replies, closes
        assert kinds["phase"] >= 33


class TestFigures:
    def test_models_stand_in_one_picture_on_one_scale(self) -> None:
        made = [recorded(model, connections=1, requests=30, think_s=0.001) for model in ("blocking", "select")]
        figure = figures.textbook(*made)
        axes = figure.axes[0]
        assert [label.get_text() for label in axes.get_yticklabels()] == ["blocking", "select"]
        assert "blocking: the reply comes after" in figure.alt and "the thread calls select, recv, send" in figure.alt
        assert "recording adds" in figure.texts[0].get_text()

    def test_a_stretch_in_which_bytes_came_is_drawn(self) -> None:
        made = recorded("nonblocking", requests=30, think_s=0.005)
        assert {call.result for call in typical(made.calls[4:], 12) if call.name == "recv"} > {64}
        assert "in vain" in " ".join(phase for call in typical(made.calls[4:], 12) for phase, *_ in call.phases)
        figures.phases(made)

    def test_nothing_recorded_is_said(self) -> None:
        figure = figures.textbook(recorded("trio", requests=30))
        assert "nothing that was recorded" in figure.alt


class TestWhatIsKept:
    def test_of_too_many_calls_the_last_are_kept_and_it_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(recorder, "MOST_ROWS", 500)
        made = recorded("nonblocking", requests=20, think_s=0.002)
        assert len(made.calls) == 500 and not made.complete
        assert "only the last 500 calls are here" in made.conditions
        with pytest.raises(UsageError, match="record fewer requests"):
            anatomy(made)


class TestCost:
    def test_recording_costs_something(self) -> None:
        assert timeline("blocking", connections=1, requests=100).cost_ns_per_call > 0

    @pytest.mark.certify
    def test_recording_costs_less_than_the_call(self) -> None:
        made = timeline("blocking", connections=1, requests=100)
        quickest = min(call.end_ns - call.start_ns for call in made.find("sendall"))
        assert made.cost_ns_per_call < quickest

    @pytest.mark.certify
    def test_recording_costs_less_than_a_microsecond(self) -> None:
        assert sorted(cost_ns_per_call() for _ in range(5))[2] < 1000


class TestAWorker:
    @pytest.mark.parametrize(
        "model", [pytest.param(name, marks=() if name == "handoff" else pytest.mark.certify) for name in APART]
    )
    def test_its_calls_are_those_of_its_connections(self, model: str) -> None:
        if why_not := MODELS[model].why_not():
            pytest.skip(why_not)
        made = timeline(model, connections=4, requests=80, worker=1)
        assert (len(made.records), made.records.errors, made.complete) == (80, {}, True)
        assert len(made.threads) == 1 and os.getpid() not in made.threads
        own = {call.connection for call in made.find("accept", "accepted") if call.connection is not None}
        assert own == {call.connection for call in made.find("recv")} or "idle worker" in kinds(made)
        if model == "handoff":
            assert own in ({0, 2}, {1, 3})
        for connection in own:
            mine = made.records.connection == connection
            assert len(received(made, connection)) == int(mine.sum())
            for call, sent_ns, answered_ns in zip(
                received(made, connection), made.records.sent_ns[mine], made.records.answered_ns[mine], strict=True
            ):
                assert sent_ns <= call.end_ns <= answered_ns
        assert all(call.end_ns <= after.start_ns for call, after in pairwise(made))

    def test_it_is_drawn_and_replayed_like_any_other(self) -> None:
        if why_not := MODELS["handoff"].why_not():
            pytest.skip(why_not)
        made = timeline("handoff", connections=2, requests=20, worker=1)
        figures.phases(made)
        assert "calls of handoff" in repr(iolab.replay(made))

    def test_one_that_is_not_there_is_named(self) -> None:
        if why_not := MODELS["prefork"].why_not():
            pytest.skip(why_not)
        with pytest.raises(UsageError, match="worker 99 was not there"):
            timeline("prefork", connections=1, requests=1, worker=99)

    def test_servers_in_other_processes_want_to_know_which(self) -> None:
        with pytest.raises(UsageError, match="say which one to record, such as worker=1"):
            timeline("prefork", connections=1, requests=1)
        with pytest.raises(UsageError, match="epoll serves in this process, and has no workers"):
            timeline("epoll", connections=1, requests=1, worker=1)
