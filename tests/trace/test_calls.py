"""The calls of a timeline: what each waited for, in made-up sequences of them."""

import pytest

from iolab.models import MODELS
from iolab.trace.calls import Call, Phase, attribute_arrivals
from iolab.trace.timeline import missing_arrivals
from iolab.traffic.doubts import Doubt


def call(name: str, start: int, end: int, result: int | str = 64, arrived: int | None = None, thread: int = 1) -> Call:
    return Call(name, None, start, end, result, thread, arrived)


def phases(call: Call) -> list[Phase]:
    return [phase for phase, *_ in call.phases]


class TestPhases:
    @pytest.mark.parametrize(
        ("made", "expected"),
        [
            (call("recv", 0, 100, 64, 80), ["waiting", "waking and copying"]),
            (call("recv", 0, 100, 64, -5), ["copying"]),
            (call("recv", 0, 100, 64), ["either"]),
            (call("recv", 0, 100, "EAGAIN"), ["in vain"]),
            (call("epoll_wait", 0, 100, 1, 80), ["waiting", "waking"]),
            (call("epoll_wait", 0, 100, 1, -5), ["working"]),
            (call("epoll_wait", 0, 100, 1), ["waiting"]),
            (call("sigwaitinfo", 0, 100, 34), ["waiting"]),
            (call("sigtimedwait", 0, 100, 34), ["working"]),
            (call("sigtimedwait", 0, 100, 34, 80), ["waiting", "waking"]),
            (call("sigtimedwait", 0, 100, "EAGAIN"), ["in vain"]),
            (call("send", 0, 100), ["working"]),
        ],
    )
    def test_a_call_that_slept_wakes_and_one_that_found_bytes_copies(self, made: Call, expected: list[Phase]) -> None:
        assert phases(made) == expected


class TestTold:
    def test_a_wait_has_the_arrival_of_the_first_bytes(self) -> None:
        calls = [call("epoll_wait", 0, 100, 2), call("recv", 110, 120, 64, 90), call("recv", 130, 140, 64, 80)]
        assert attribute_arrivals(calls)[0].arrived_ns == 80

    def test_bytes_that_came_after_it_are_not_its_own(self) -> None:
        assert (
            attribute_arrivals([call("epoll_wait", 0, 100, 1), call("recv", 110, 120, 64, 105)])[0].arrived_ns is None
        )

    def test_the_wait_that_slept_has_them_though_another_asked_in_vain_since(self) -> None:
        slept, asked, _ = attribute_arrivals(
            [
                call("sigwaitinfo", 0, 100, 34),
                call("sigtimedwait", 101, 102, "EAGAIN"),
                call("recv", 110, 120, 64, 80),
            ]
        )
        assert (phases(slept), phases(asked)) == (["waiting", "waking"], ["in vain"])

    def test_of_many_signals_the_first_woke_the_thread(self) -> None:
        slept, queued, *_ = attribute_arrivals(
            [
                call("sigwaitinfo", 0, 100, 34),
                call("sigtimedwait", 101, 103, 34),
                call("sigtimedwait", 104, 105, "EAGAIN"),
                call("recv", 110, 120, 64, 80),
                call("recv", 130, 140, 64, 102),
            ]
        )
        assert (slept.arrived_ns, phases(queued)) == (80, ["working"])

    def test_a_wait_that_found_nothing_told_of_nothing(self) -> None:
        empty, full, _ = attribute_arrivals(
            [call("epoll_wait", 0, 10, 0), call("epoll_wait", 11, 100, 1), call("recv", 110, 120, 64, 5)]
        )
        assert (empty.arrived_ns, full.arrived_ns) == (None, 5)

    def test_a_turn_ends_where_the_next_begins_and_threads_have_their_own(self) -> None:
        first, _, second, other, _ = attribute_arrivals(
            [
                call("epoll_wait", 0, 100, 1),
                call("send", 101, 102),
                call("epoll_wait", 103, 200, 1),
                call("epoll_wait", 104, 300, 1, thread=2),
                call("recv", 210, 220, 64, 90),
            ]
        )
        assert (first.arrived_ns, second.arrived_ns, other.arrived_ns) == (None, 90, None)


class TestMissing:
    def test_what_completes_has_no_stamp(self) -> None:
        calls = [call("aio_suspend", 0, 100, 1), call("received", 100, 101)]
        assert list(missing_arrivals(MODELS["aio"], calls, stamped=True, steps=False)) == [Doubt("completion")]
        waits = [call("epoll_wait", 0, 9, 1), call("recv", 9, 10)]
        assert list(missing_arrivals(MODELS["epoll"], waits, stamped=True, steps=False)) == []
        assert list(missing_arrivals(MODELS["epoll"], waits, stamped=False, steps=False)) == [Doubt("no stamps")]

    def test_the_steps_of_the_kernel_tell_every_arrival(self) -> None:
        calls = [call("aio_suspend", 0, 100, 1), call("received", 100, 101), call("recv", 102, 103)]
        assert list(missing_arrivals(MODELS["aio"], calls, stamped=False, steps=True)) == []
