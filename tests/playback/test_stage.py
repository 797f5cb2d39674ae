"""The stage against the truth: recorded runs of the lessons, and in `make certify` a hundred of each model."""

import json
from pathlib import Path

import pytest

import iolab
from iolab.archive import runs
from iolab.data.reference import DATA
from iolab.playback.boxes import LISTENING, Token, union
from iolab.playback.data import column, encode, steps, three_digits
from iolab.playback.lines import find, lines_of
from iolab.playback.portions import Portion, fill, replies, requests
from iolab.playback.sentences import sentence
from iolab.playback.stage import Stay, stage
from iolab.trace.absences import Absence
from iolab.trace.calls import Call
from iolab.trace.timeline import Timeline
from tests.made_up import timeline_of
from tests.playback import truth

RECORDED = [
    *("05-inside", "06-kernel", "06-one-aio", "06-one-epoll", "06-one-io_uring-oneshot", "06-one-io_uring"),
    *("07-one-asyncio", "07-one-coroutines", "07-one-tornado", "08-blocking", "08-select", "08-signals"),
]
RUNS = 100
LIMIT_BYTES = 200_000


def recorded(name: str) -> Timeline:
    return runs.read(Path(DATA) / "recorded/lessons" / f"{name}.json.gz", Timeline)


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_run_agrees_with_its_stage(name: str) -> None:
    timeline = recorded(name)
    truth.hold(timeline)
    assert len(json.dumps(encode(stage(timeline)), separators=(",", ":"))) < LIMIT_BYTES


@pytest.mark.parametrize("name", ["blocking", "threads", "nonblocking", "epoll-edge", "poll", "selectors"])
def test_a_run_of_today_agrees_with_its_stage(name: str) -> None:
    iolab.MODELS[name].require()
    truth.hold(iolab.timeline(name, connections=3, requests=30))


@pytest.mark.certify
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "model", [model for model in iolab.MODELS.values() if not model.apart], ids=lambda model: model.name
)
def test_a_hundred_runs_agree_with_their_stages(model: iolab.models.Model) -> None:
    if reason := model.why_not():
        pytest.skip(reason)
    for number in range(RUNS):
        size_bytes = (1, 64, 5000, 200_000)[number % 4]
        truth.hold(iolab.timeline(model.name, connections=1 + number % 5, requests=20, size_bytes=size_bytes))


def test_the_line_of_a_call_that_stands_twice() -> None:
    calls = [call("sigwaitinfo", None, 0, 9, 34), call("sigtimedwait", None, 9, 10, 34)]
    first, second = lines_of(iolab.source("signals"), calls)
    assert "else sigwaitinfo" in line("signals", first)
    assert line("signals", second).strip() == "signal = sigtimedwait(SIGNALS, 0)"


@pytest.mark.parametrize(
    ("model", "name", "text"),
    [
        ("blocking", "close", "with connection:"),
        ("epoll", "epoll_wait", "for descriptor, _ in interest.poll():"),
        ("epoll", "send", "sent = connections[descriptor].send(reply)"),
        ("select", "select", "readable, writable, _ = select(interest, unsent, ())"),
        ("poll", "poll", "for descriptor, _ in interest.poll():"),
        ("io_uring", "io_uring_enter", "for completion in ring.submit_and_wait():"),
        ("io_uring-oneshot", "io_uring_enter", "for completion in ring.wait():"),
        ("aio", "sent", "send(descriptor, unsent[descriptor][result:])"),
        ("asyncio", "recv", "while request := await reader.read(RECEIVE_BYTES):"),
    ],
)
def test_the_line_of_a_call(model: str, name: str, text: str) -> None:
    assert line(model, find(iolab.source(model), name)[0]).strip() == text


def line(model: str, number: int) -> str:
    return iolab.source(model).splitlines()[number - 1]


def call(name: str, connection: int | None, start_ns: int, end_ns: int, result: int | str, **more: object) -> Call:
    return Call(name, connection, start_ns, end_ns, result, 1, **more)  # type: ignore[arg-type]


class TestSentences:
    def test_a_recv_that_slept(self) -> None:
        slept = call("recv", 2, 0, 9_000, 64, arrived_ns=5_000, away=(Absence(1_000, 6_000),))
        assert sentence(slept, 4_000).of(slept) == (
            "`recv` returns 64 bytes of client 2. The thread had slept for them for 4 µs."
        )

    def test_bytes_that_had_lain_there(self) -> None:
        found = call("recv", 2, 0, 9_000, 1_064, arrived_ns=0, away=())
        assert sentence(found, 31_000).of(found) == (
            "`recv` returns 1,064 bytes of client 2: they had lain in the buffer for 31 µs."
        )

    def test_a_call_in_vain(self) -> None:
        vain = call("recv", 0, 0, 1_500, "EAGAIN")
        assert sentence(vain, 0).of(vain) == "`recv` finds no bytes of client 0: EAGAIN, after 1.5 µs."


class TestBuffers:
    def test_bytes_lie_from_their_arrival_until_they_are_taken(self) -> None:
        assert fill([Portion(0, 64, 1, 3, 9)]) == [(3, 64), (9, 0)]
        assert fill([Portion(0, 64, 1, 3, 9)], sending=True) == [(1, 64), (3, 0)]

    def test_what_a_call_in_vain_did_not_find_came_later(self) -> None:
        calls = [call("recv", 0, 10, 12, "EAGAIN"), call("recv", 0, 20, 22, 64, arrived_ns=8)]
        assert [each.arrived_ns for each in requests(timeline_of(calls))] == [10]

    def test_a_reply_in_two_sends_leaves_in_two_portions(self) -> None:
        calls = [call("recv", 0, 0, 2, 64), call("send", 0, 3, 4, 40), call("send", 0, 6, 8, 24)]
        assert [each.size_bytes for each in replies(timeline_of(calls))] == [40, 24]

    def test_spans_that_overlap_are_one_token(self) -> None:
        spans = [(5, 7), (1, 3), (2, 4)]
        assert list(union(LISTENING, spans)) == [Token(LISTENING, 1, 4), Token(LISTENING, 5, 7)]


def test_what_a_thread_does_has_no_gap() -> None:
    calls = [
        call("recv", 0, 0, 10, 64, arrived_ns=5, away=(Absence(1, 6),)),
        call("send", 0, 12, 14, 64, arrived_ns=None, away=()),
    ]
    stays = stage(timeline_of(calls)).stays(1)
    assert stays == [Stay("running", 0, 1), Stay("asleep", 1, 5), Stay("waking", 5, 6), Stay("running", 6, 14)]


def test_a_long_run_is_cut_and_says_so() -> None:
    calls = [call("recv", 0, at, at + 5, "EAGAIN") for at in range(0, 100, 10)]
    cut = stage(timeline_of(calls), 4)
    assert (len(cut.calls), cut.left_out) == (4, 6)


def test_columns_are_small() -> None:
    assert column("aaaab") == {"runs": ["a", 4, "b", 1]}
    assert column([-1, 2, 34]) == {"digits": "03Z", "from": -1}
    assert column([1, 36, -37]) == "1 10 -11"
    assert column([1, "EAGAIN"]) == [1, "EAGAIN"] and column([]) == []
    assert steps([30, 50, 40]) == {"digits": "430", "from": -1}


def test_five_thousand_calls_of_many_threads_are_small() -> None:
    timeline = iolab.timeline("threads", connections=10, requests=2500)
    assert len(json.dumps(encode(stage(timeline, 5000)), separators=(",", ":"))) < LIMIT_BYTES
    assert three_digits(12_345) == 12_300


def test_without_calls_there_is_nothing_to_play() -> None:
    with pytest.raises(iolab.UsageError, match="no calls to play"):
        stage(timeline_of([]))
