"""The parts of a call and of a gap, from switches and arrivals that are written down by hand."""

from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from iolab.kernel.switches import Switch
from iolab.trace.absences import Absence, Absences
from iolab.trace.calls import Call, attribute_wakings, watch
from iolab.trace.gaps import gaps
from iolab.trace.occupancy import Occupancy

THREAD = 7


def call(start_ns: int, end_ns: int, arrived_ns: int | None = None, thread: int = THREAD) -> Call:
    return Call("recv", 0, start_ns, end_ns, 1, thread, arrived_ns)


def away(at_ns: int, preempted: bool = False, thread: int = THREAD) -> Switch:
    return Switch(thread, at_ns, True, preempted)


def back(at_ns: int, thread: int = THREAD) -> Switch:
    return Switch(thread, at_ns, False)


def occupancies(
    calls: Sequence[Call], switches: Iterable[Switch], since_ns: int, until_ns: int | None = None
) -> list[Occupancy | None]:
    return [each.occupancy for each in watch(calls, Absences(switches, since_ns, until_ns))]


def parts(one: Call, *switches: Switch, since_ns: int = 0) -> Occupancy:
    """Return the parts of one call, which must add up to its length."""
    (occupancy,) = occupancies([one], switches, since_ns)
    assert occupancy is not None
    assert sum(occupancy) == one.end_ns - one.start_ns
    return occupancy


class TestACall:
    def test_that_finds_its_bytes_runs(self) -> None:
        assert parts(call(100, 150, 90)) == Occupancy(0, 0, 50, 0, 0)

    def test_that_sleeps_is_woken_by_the_arrival(self) -> None:
        assert parts(call(100, 200, 160), away(110), back(180)) == Occupancy(50, 20, 30, 0, 0)

    def test_whose_arrival_is_not_known_only_sleeps(self) -> None:
        assert parts(call(100, 200), away(110), back(180)) == Occupancy(70, 0, 30, 0, 0)

    def test_that_is_preempted_is_neither_asleep_nor_running(self) -> None:
        assert parts(call(100, 200, 90), away(110, preempted=True), back(180)) == Occupancy(0, 0, 30, 70, 0)

    def test_that_is_preempted_while_it_wakes(self) -> None:
        switches = away(110), back(180), away(181, preempted=True), back(190)
        assert parts(call(100, 200, 160), *switches) == Occupancy(50, 20, 21, 9, 0)

    def test_that_sleeps_again_after_the_arrival_waits_for_a_lock(self) -> None:
        switches = away(110), back(150), away(160), back(190)
        assert parts(call(100, 200, 140), *switches) == Occupancy(30, 10, 30, 0, 30)

    def test_that_sleeps_though_all_had_arrived_waits_for_a_lock(self) -> None:
        assert parts(call(100, 200, 50), away(110), back(180)) == Occupancy(0, 0, 30, 0, 70)

    def test_that_is_woken_for_nothing_sleeps_on(self) -> None:
        switches = away(110), back(130), away(135), back(180)
        assert parts(call(100, 200, 160), *switches) == Occupancy(45, 20, 35, 0, 0)

    def test_whose_stamp_is_after_its_end_was_asleep_until_it_ran(self) -> None:
        assert parts(call(100, 200, 210), away(110), back(180)) == Occupancy(70, 0, 30, 0, 0)

    def test_whose_bytes_come_while_it_runs_is_not_woken(self) -> None:
        assert parts(call(100, 200, 190), away(110), back(180)) == Occupancy(70, 0, 30, 0, 0)

    def test_whose_bytes_come_as_it_leaves_is_not_woken_by_them(self) -> None:
        assert parts(call(100, 200, 110), away(110), back(180)) == Occupancy(0, 0, 30, 0, 70)

    def test_of_no_length_has_no_parts(self) -> None:
        assert parts(call(100, 100, 100), away(20), back(30)) == Occupancy(0, 0, 0, 0, 0)

    def test_beside_switches_before_and_after_it(self) -> None:
        switches = away(10), back(90), away(110), back(180), away(210), back(220)
        assert parts(call(100, 200, 160), *switches) == Occupancy(50, 20, 30, 0, 0)


class TestTheRecording:
    def test_of_another_thread_counts_for_nothing(self) -> None:
        assert parts(call(100, 200), away(110, thread=8), back(180, thread=8)) == Occupancy(0, 0, 100, 0, 0)

    def test_that_begins_with_a_thread_away_has_it_asleep_from_the_start(self) -> None:
        assert parts(call(100, 200, 160), back(180), since_ns=100) == Occupancy(60, 20, 20, 0, 0)

    def test_that_ends_with_a_thread_away_has_it_asleep_to_the_end(self) -> None:
        assert parts(call(100, 200, 160), away(110)) == Occupancy(50, 40, 10, 0, 0)

    def test_that_misses_a_return_has_the_thread_away_from_the_second_time(self) -> None:
        assert parts(call(100, 200), away(110), away(150), back(180)) == Occupancy(30, 0, 70, 0, 0)

    def test_that_misses_a_leave_has_the_thread_running(self) -> None:
        assert parts(call(100, 200), away(110), back(120), back(180)) == Occupancy(10, 0, 90, 0, 0)

    def test_says_nothing_of_calls_that_it_does_not_cover(self) -> None:
        calls = [call(90, 110), call(110, 120), call(120, 210)]
        first, second, third = occupancies(calls, [], since_ns=100, until_ns=200)
        assert (first, third) == (None, None)
        assert second == Occupancy(0, 0, 10, 0, 0)

    def test_keeps_calls_and_threads_apart(self) -> None:
        calls = [call(100, 200, 160), call(100, 200, thread=8), call(300, 310)]
        switches = [away(110), away(120, thread=8), back(180), back(190, thread=8)]
        assert occupancies(calls, switches, 0) == [
            Occupancy(50, 20, 30, 0, 0),
            Occupancy(70, 0, 30, 0, 0),
            Occupancy(0, 0, 10, 0, 0),
        ]


class TestWakings:
    def arrivals(self, calls: Sequence[Call], wakings: Iterable[tuple[int, int]]) -> list[int | None]:
        return [each.arrived_ns for each in attribute_wakings(calls, wakings)]

    def test_a_call_keeps_its_arrival(self) -> None:
        assert self.arrivals([call(100, 200, 150)], [(THREAD, 160)]) == [150]

    def test_else_it_is_the_first_time_that_the_thread_was_woken_within_it(self) -> None:
        wakings = [(THREAD, 90), (THREAD, 110), (THREAD, 160), (8, 170), (THREAD, 210)]
        assert self.arrivals([call(100, 200)], wakings) == [110]

    def test_one_that_nobody_woke_has_none(self) -> None:
        wakings = [(THREAD, 90), (THREAD, 210)]
        assert self.arrivals([call(100, 200), call(100, 200, thread=8)], wakings) == [None, None]


def between(calls: Sequence[Call], *switches: Switch) -> list[tuple[int, int, int, Occupancy]]:
    made = gaps(calls, Absences(switches, 0))
    return [(gap.thread, gap.start_ns, gap.end_ns, gap.occupancy) for gap in made]


class TestAGap:
    def test_is_at_work_in_a_lock_or_preempted(self) -> None:
        switches = [away(110), back(130), away(140, preempted=True), back(150)]
        expected = Occupancy(running_ns=70, lock_ns=20, preempted_ns=10)
        assert between([call(90, 100), call(200, 210)], *switches) == [(THREAD, 100, 200, expected)]

    def test_lies_between_calls_of_one_thread(self) -> None:
        calls = [call(0, 10), call(5, 30, thread=8), call(20, 40), call(50, 60, thread=8)]
        ours, others = Occupancy(running_ns=10), Occupancy(running_ns=20)
        assert between(calls) == [(THREAD, 10, 20, ours), (8, 30, 50, others)]

    def test_is_none_within_a_call_or_after_the_last(self) -> None:
        assert between([call(0, 50), call(10, 20)]) == between([call(0, 50)]) == []


def brute(one: Call, switches: list[Switch]) -> Occupancy:
    """Return the parts of a call by asking of every nanosecond where the thread was."""
    counts = dict.fromkeys(Occupancy._fields, 0)
    arrived_ns = one.end_ns if one.arrived_ns is None else one.arrived_ns
    for now in range(one.start_ns, one.end_ns):
        last = max(
            (switch for switch in switches if switch.at_ns <= now), key=lambda switch: switch.at_ns, default=None
        )
        if last is None or not last.away:
            counts["running_ns"] += 1
        elif last.preempted:
            counts["preempted_ns"] += 1
        elif now < arrived_ns:
            counts["asleep_ns"] += 1
        else:
            counts["waking_ns" if last.at_ns < max(arrived_ns, one.start_ns) else "lock_ns"] += 1
    return Occupancy(**counts)


@pytest.mark.parametrize("seed", range(20))
def test_every_nanosecond_is_where_it_belongs(seed: int) -> None:
    random = np.random.default_rng(seed)
    times = np.sort(random.choice(600, 40, replace=False)).tolist()
    switches = [
        away(at_ns, bool(random.integers(2))) if place % 2 == 0 else back(at_ns) for place, at_ns in enumerate(times)
    ]
    edges = [0, *times[1::2], 600]  # a call begins and ends on a CPU
    pairs = [(start, end) for place, start in enumerate(edges) for end in edges[place:]]
    calls = [call(start, end, int(random.integers(-50, 700)) if random.integers(4) else None) for start, end in pairs]
    assert occupancies(calls, switches, 0) == [brute(one, switches) for one in calls]


class TestPhases:
    def phases(self, name: str, result: int | str, *switches: Switch, arrived_ns: int | None = 160) -> list[str]:
        one = Call(name, 0, 100, 200, result, THREAD, arrived_ns)
        (seen,) = watch([one], Absences(switches, 0))
        assert seen.phases[0][1] == 100 and seen.phases[-1][2] == 200
        return [phase for phase, *_ in seen.phases]

    def test_a_recv_that_slept_is_at_work_waits_wakes_and_copies(self) -> None:
        expected = ["working", "waiting", "waking", "copying"]
        assert self.phases("recv", 64, away(110), back(180)) == expected

    def test_one_that_found_its_bytes_copies(self) -> None:
        assert self.phases("recv", 64, arrived_ns=90) == ["copying"]

    def test_one_without_a_stamp_still_tells_its_copy_from_its_wait(self) -> None:
        assert self.phases("recv", 64, away(110), back(180), arrived_ns=None) == ["working", "waiting", "copying"]

    def test_the_end_of_file_copies_nothing(self) -> None:
        assert self.phases("recv", 0, away(110), back(180)) == ["working", "waiting", "waking", "working"]

    def test_a_wait_for_many_copies_nothing(self) -> None:
        assert self.phases("epoll_wait", 1, away(110), back(180)) == ["working", "waiting", "waking", "working"]

    def test_a_call_in_vain_runs_in_vain(self) -> None:
        assert self.phases("recv", "EAGAIN", away(110, preempted=True), back(180)) == [
            "in vain",
            "preempted",
            "in vain",
        ]

    def test_a_lock_is_told_from_the_wait(self) -> None:
        expected = ["working", "waiting", "waking", "copying", "lock", "copying"]
        assert self.phases("recv", 64, away(110), back(170), away(180), back(190)) == expected


class TestAbsences:
    def test_are_cut_to_the_span_that_is_asked_for(self) -> None:
        absences = Absences([away(10), back(20), away(30, preempted=True), back(50)], 0)
        assert absences.within(THREAD, 15, 40) == (Absence(15, 20), Absence(30, 40, True))
        assert absences.within(THREAD, 20, 30) == ()
        assert absences.within(8, 0, 99) == ()


def test_100_000_calls_with_200_000_switches_are_no_effort() -> None:
    """With anything that is not linear this would not end before the test's time-out."""
    calls = [call(at, at + 80, at + 40) for at in range(0, 10_000_000, 100)]
    switches = [switch for at in range(0, 10_000_000, 100) for switch in (away(at + 10), back(at + 60))]
    assert set(occupancies(calls, switches, 0)) == {Occupancy(30, 20, 30, 0, 0)}
